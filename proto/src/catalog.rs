//! The feature catalog and the policy of every method, read from the descriptors once.
//!
//! Nothing else in the code base states which feature is synced when, which service answers a method, what permission
//! it asks for, or whether it may be repeated: everything that needs to know asks here.

use std::{collections::BTreeMap, sync::LazyLock};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor};

use crate::{
    DESCRIPTORS,
    feature::{Feature, FeaturePolicy, KeptFresh, MethodPolicy, Module, Need, Permission, Scope, Server},
};

/// One row of the feature catalog.
#[derive(Debug, Clone)]
pub struct FeatureRow {
    /// The feature.
    pub feature: Feature,
    /// Its schedule, needs and datasets, as annotated.
    pub policy: FeaturePolicy,
}

impl FeatureRow {
    /// The module that keeps the feature in sync.
    pub fn module(&self) -> Module {
        self.policy.module()
    }

    /// How the feature is kept fresh.
    pub fn kept_fresh(&self) -> KeptFresh {
        self.policy.kept_fresh()
    }

    /// Whether the feature asks for `need`.
    pub fn needs(&self, need: Need) -> bool {
        self.policy.needs().any(|n| n == need)
    }

    /// Whether `dataset` is one of those that the feature is computed from.
    pub fn uses(&self, dataset: &str) -> bool {
        self.policy.datasets.iter().any(|d| d == dataset)
    }
}

/// Whether a method changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// Reads only; may be repeated and hedged.
    NoSideEffects,
    /// Writes, but a repeat does what one call does.
    Idempotent,
    /// Writes; a repeat may write again.
    Unknown,
}

/// What the descriptors say about one method.
#[derive(Debug, Clone)]
pub struct MethodRow {
    /// The HTTP/2 path, `/package.Service/Method`.
    pub path: String,
    /// The service's full name.
    pub service: String,
    /// The method's name.
    pub method: String,
    /// The service of the mesh that answers.
    pub server: Server,
    /// True for methods that only the mesh itself may call.
    pub internal: bool,
    /// The feature that it serves, if it serves one.
    pub feature: Option<Feature>,
    /// The permission that a caller needs.
    pub permission: Permission,
    /// What field 1 of the request names.
    pub scope: Scope,
    /// Whether it may be repeated.
    pub idempotency: Idempotency,
    /// True when the answer is a stream.
    pub server_streaming: bool,
}

/// The catalog, in the order of the enum.
pub fn features() -> &'static [FeatureRow] {
    &TABLES.features
}

/// The catalog row of a feature; `None` for the zero value.
pub fn feature(feature: Feature) -> Option<&'static FeatureRow> {
    TABLES.features.iter().find(|row| row.feature == feature)
}

/// Every method of every chairsync service, by path.
pub fn methods() -> &'static BTreeMap<String, MethodRow> {
    &TABLES.methods
}

/// The descriptors of every package.
pub fn pool() -> &'static DescriptorPool {
    &TABLES.pool
}

struct Tables {
    pool: DescriptorPool,
    features: Vec<FeatureRow>,
    methods: BTreeMap<String, MethodRow>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    #[allow(clippy::expect_used)] // compiled in by build.rs, from files that protox accepted
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("compiled-in descriptors decode");
    Tables { features: read_features(&pool), methods: read_methods(&pool), pool }
});

fn read_features(pool: &DescriptorPool) -> Vec<FeatureRow> {
    let (Some(all), Some(option)) = (
        pool.get_enum_by_name("chairsync.catalog.v1.Feature"),
        pool.get_extension_by_name("chairsync.catalog.v1.feature_policy"),
    ) else {
        return Vec::new();
    };
    all.values()
        .filter_map(|value| {
            let feature = Feature::try_from(value.number()).ok()?;
            let policy = message_option::<FeaturePolicy>(&value.options(), &option)?;
            Some(FeatureRow { feature, policy })
        })
        .collect()
}

/// The extensions that a method's row is read from.
struct Options {
    policy: ExtensionDescriptor,
    served_by: ExtensionDescriptor,
    internal: ExtensionDescriptor,
}

fn read_methods(pool: &DescriptorPool) -> BTreeMap<String, MethodRow> {
    let option = |name: &str| pool.get_extension_by_name(&format!("chairsync.catalog.v1.{name}"));
    let (Some(policy), Some(served_by), Some(internal)) =
        (option("method_policy"), option("served_by"), option("internal"))
    else {
        return BTreeMap::new();
    };
    let options = Options { policy, served_by, internal };
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(|method| method_row(&method, &options)).map(|row| (row.path.clone(), row)).collect()
}

fn method_row(method: &MethodDescriptor, options: &Options) -> MethodRow {
    let service = method.parent_service();
    let on_service = service.options();
    let on_method = method.options();
    let policy = message_option::<MethodPolicy>(&on_method, &options.policy).unwrap_or_default();
    let idempotency = match on_method.get_field_by_name("idempotency_level").and_then(|v| v.as_enum_number()) {
        Some(1) => Idempotency::NoSideEffects,
        Some(2) => Idempotency::Idempotent,
        _ => Idempotency::Unknown,
    };
    let server = on_service.get_extension(&options.served_by).as_enum_number().unwrap_or_default();
    MethodRow {
        path: format!("/{}/{}", service.full_name(), method.name()),
        service: service.full_name().to_owned(),
        method: method.name().to_owned(),
        server: Server::try_from(server).unwrap_or(Server::Unspecified),
        internal: on_service.get_extension(&options.internal).as_bool().unwrap_or(false),
        feature: Some(policy.feature()).filter(|f| *f != Feature::Unspecified),
        permission: policy.permission(),
        scope: match policy.scope() {
            Scope::Unspecified => Scope::Practice,
            scope => scope,
        },
        idempotency,
        server_streaming: method.is_server_streaming(),
    }
}

fn message_option<M: prost::Message + Default>(options: &DynamicMessage, option: &ExtensionDescriptor) -> Option<M> {
    if !options.has_extension(option) {
        return None;
    }
    M::decode(options.get_extension(option).as_message()?.encode_to_vec().as_slice()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::feature::AlsoSyncedBy;

    /// The schedule of the product, row by row, as the design states it.
    #[test]
    fn the_catalog_is_the_schedule() {
        use AlsoSyncedBy::{BulkSync, SyncAvailability, SyncPatient};
        use KeptFresh::{Nightly, OnOpen, RealTime};
        use Module::{Analytics, Engagement};
        use Need::{AutomaticWriteBack, InitialSyncFinished};
        type Row<'a> = (&'a str, Module, KeptFresh, Vec<AlsoSyncedBy>, Vec<Need>);
        let schedule: [Row; 14] = [
            ("Morning Huddle", Analytics, Nightly, vec![], vec![]),
            ("Scorecards", Analytics, Nightly, vec![], vec![]),
            ("Performance Board", Analytics, Nightly, vec![], vec![]),
            ("Collections Board", Analytics, Nightly, vec![], vec![]),
            ("Provider Pulse", Analytics, Nightly, vec![], vec![]),
            ("Schedule Analysis", Analytics, Nightly, vec![], vec![]),
            ("General Reports", Analytics, Nightly, vec![], vec![]),
            ("Patient Finder", Analytics, Nightly, vec![SyncPatient, BulkSync], vec![]),
            ("Patient Chat", Engagement, RealTime, vec![], vec![]),
            ("Patient Card", Engagement, OnOpen, vec![SyncPatient], vec![]),
            ("Forms & Consents", Engagement, RealTime, vec![], vec![]),
            ("Online Scheduling: appointments", Engagement, RealTime, vec![], vec![InitialSyncFinished]),
            ("Online Scheduling: availability", Engagement, Nightly, vec![SyncAvailability], vec![InitialSyncFinished]),
            ("Payments", Engagement, RealTime, vec![], vec![AutomaticWriteBack]),
        ];
        let row = |row: &'static FeatureRow| -> Row<'static> {
            let p = &row.policy;
            (&p.title, p.module(), p.kept_fresh(), p.also_synced_by().collect(), p.needs().collect())
        };
        assert_eq!(features().iter().map(row).collect::<Vec<_>>(), schedule);
        assert!(features().iter().all(|row| !row.policy.datasets.is_empty()));
    }

    /// A method without an owner or a permission would be a door without a lock.
    #[test]
    fn every_method_is_annotated() {
        for row in methods().values() {
            assert_ne!(row.server, Server::Unspecified, "{}", row.path);
            assert_ne!(row.permission, Permission::Unspecified, "{}", row.path);
            assert_eq!(row.internal, row.permission == Permission::Internal, "{}", row.path);
        }
        assert!(methods().len() > 40);
    }

    /// Field 1 of every request under a practice is a string, so that a door can read it off the wire.
    #[test]
    fn field_one_names_the_practice() {
        for service in pool().services() {
            for method in service.methods() {
                let row = &methods()[&format!("/{}/{}", service.full_name(), method.name())];
                if row.scope == Scope::Practice {
                    let field = method.input().get_field(1).unwrap();
                    assert_eq!(field.kind(), prost_reflect::Kind::String, "{}", row.path);
                }
            }
        }
    }

    /// Each feature is served by at least one method of the service that its module names.
    #[test]
    fn every_feature_has_methods() {
        for row in features() {
            let server = match row.module() {
                Module::Analytics => Server::AnalyticsSync,
                _ => Server::EngagementSync,
            };
            let serves = |m: &&MethodRow| m.feature == Some(row.feature) && m.server == server;
            assert!(methods().values().find(serves).is_some(), "{}", row.policy.title);
        }
    }

    /// Messages that may hold patient data print nothing of it.
    #[test]
    fn debug_is_redacted() {
        let chunk = crate::pms::SnapshotChunk { arrow_ipc: "Doe".into(), ..Default::default() };
        assert_eq!(format!("{chunk:?}"), "SnapshotChunk { redacted }");
    }
}
