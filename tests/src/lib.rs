//! What tests of the whole mesh share: the five processes on real servers, and the real grpcurl.
#![allow(clippy::unwrap_used, clippy::expect_used)] // only tests use it

pub mod analytics;
pub mod bench;
pub mod compared;
pub mod grpcurl;
pub mod huddle_figures;
pub mod object_proxy;
pub mod open_dental_api;
pub mod oracle;
pub mod practice;
pub mod processes;
pub mod raw;
pub mod recorder;
pub mod tables;
