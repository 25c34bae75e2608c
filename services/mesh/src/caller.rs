//! Who calls: the one place that knows.

use tonic::metadata::MetadataMap;

/// The person or program on whose behalf a call is made, as identities name people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(String);

impl Caller {
    /// Of the call with this metadata. The gateway does not say who its callers are yet: all are the operator.
    pub fn of(_: &MetadataMap) -> Self {
        Self::named("operator")
    }

    /// By name.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
