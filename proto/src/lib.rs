//! The API of chairsync: generated types, and the policy that stands in their descriptors.
//!
//! Messages that may hold patient data (analytics, engagement, pms) have a `Debug` that prints their name only. The
//! feature catalog and the routing facts are read from the descriptors once: see [`catalog`].

pub mod catalog;
pub mod codec;
mod redact;

/// Generated code; its documentation is the protos' own.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]
mod generated {
    pub mod chairsync {
        pub mod catalog {
            pub mod v1 {
                tonic::include_proto!("chairsync.catalog.v1");
            }
        }
        pub mod practice {
            pub mod v1 {
                tonic::include_proto!("chairsync.practice.v1");
            }
        }
        pub mod sync {
            pub mod v1 {
                tonic::include_proto!("chairsync.sync.v1");
            }
        }
        pub mod analytics {
            pub mod v1 {
                tonic::include_proto!("chairsync.analytics.v1");
            }
        }
        pub mod engagement {
            pub mod v1 {
                tonic::include_proto!("chairsync.engagement.v1");
            }
        }
        pub mod state {
            pub mod v1 {
                tonic::include_proto!("chairsync.state.v1");
            }
        }
        pub mod pms {
            pub mod v1 {
                tonic::include_proto!("chairsync.pms.v1");
            }
        }
    }
    pub mod google {
        pub mod r#type {
            tonic::include_proto!("google.r#type");
        }
    }
}

pub use generated::chairsync::{
    analytics::v1 as analytics, catalog::v1 as feature, engagement::v1 as engagement, pms::v1 as pms,
    practice::v1 as practice, state::v1 as state, sync::v1 as sync,
};
pub use generated::google::r#type as google_type;

/// The encoded descriptors of every package, with their comments, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
