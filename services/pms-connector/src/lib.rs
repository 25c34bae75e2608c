//! The only room that knows a PMS

pub mod sample;
