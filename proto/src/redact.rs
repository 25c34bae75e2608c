//! `Debug` for messages that may hold patient data: it prints the type's name and nothing else.

include!(concat!(env!("OUT_DIR"), "/redacted_debug.rs"));
