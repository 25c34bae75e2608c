//! The real grpcurl, as a person uses it.

use std::process::{Command, Output};

use serde_json::Value;

/// Calls a method with a JSON body and returns grpcurl's output.
///
/// # Panics
/// When grpcurl is not installed (`tests/run` installs it).
pub fn call(address: &str, method: &str, body: &Value) -> Output {
    Command::new("grpcurl")
        .args([
            "-plaintext",
            "-emit-defaults",
            "-format-error",
            "-max-time",
            "60",
            "-d",
            &body.to_string(),
            address,
            method,
        ])
        .output()
        .expect("grpcurl is installed (tests/run installs it)")
}

/// Calls a unary method that must succeed.
///
/// # Panics
/// When it does not; grpcurl's words are printed.
pub fn ok(address: &str, method: &str, body: &Value) -> Value {
    let output = call(address, method, body);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{method}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("JSON")
}

/// Calls a method that must be refused, and returns grpcurl's description of the status, details included.
///
/// # Panics
/// When it succeeds.
pub fn refused(address: &str, method: &str, body: &Value) -> String {
    let output = call(address, method, body);
    assert!(!output.status.success(), "{method} was not refused: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
