//! The only room that knows a PMS

pub mod convert;
pub mod sample;
