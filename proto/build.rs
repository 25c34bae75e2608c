//! Compiles the protos without a protoc on the machine and keeps the descriptors for routing and reflection.

use std::{error::Error, fs, path::PathBuf};

use prost_types::{DescriptorProto, FileDescriptorSet};

/// Packages whose messages may hold patient data: no `Debug` that prints fields.
const WITH_PATIENT_DATA: [&str; 3] = ["chairsync.analytics.v1", "chairsync.engagement.v1", "chairsync.pms.v1"];
/// Single messages of other packages that hold what is written to a PMS.
const MESSAGES_WITH_PATIENT_DATA: [&str; 4] = [
    "chairsync.practice.v1.ExportPracticeResponse",
    "chairsync.practice.v1.ImportPracticeRequest",
    "chairsync.state.v1.ClaimedWrite",
    "chairsync.state.v1.EnqueueWriteRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed={}", root.join("chairsync").display());
    println!("cargo:rerun-if-changed={}", root.join("google").display());

    let mut files = Vec::new();
    collect(&root.join("chairsync"), &mut files)?;
    collect(&root.join("google"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(&files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let set = compiler.file_descriptor_set();
    fs::write(out.join("redacted_debug.rs"), redacted_debug(&set))?;

    let mut config = tonic_prost_build::Config::new();
    config.bytes(["."]);
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .generate_default_stubs(true)
        .codec_path("crate::codec::Codec")
        .skip_debug(WITH_PATIENT_DATA.iter().chain(&MESSAGES_WITH_PATIENT_DATA).map(|name| format!(".{name}")))
        .compile_fds_with_config(set, config)?;
    Ok(())
}

fn collect(dir: &std::path::Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// A `Debug` for each message of those packages that prints its name only.
fn redacted_debug(set: &FileDescriptorSet) -> String {
    let mut code = String::new();
    for file in &set.file {
        let package = file.package();
        let module = format!("crate::generated::{}", package.replace('.', "::"));
        for message in &file.message_type {
            let full = format!("{package}.{}", message.name());
            if WITH_PATIENT_DATA.contains(&package) || MESSAGES_WITH_PATIENT_DATA.contains(&full.as_str()) {
                debug_of(&module, message, &mut code);
            }
        }
    }
    code
}

fn debug_of(module: &str, message: &DescriptorProto, code: &mut String) {
    if message.options.as_ref().is_some_and(|o| o.map_entry()) {
        return;
    }
    let name = message.name();
    let inner = format!("{module}::{}", snake(name));
    code.push_str(&redacted_impl(&format!("{module}::{}", upper_camel(name)), name));
    for (index, oneof) in message.oneof_decl.iter().enumerate() {
        let optional =
            |f: &prost_types::FieldDescriptorProto| f.proto3_optional() && f.oneof_index == Some(index as i32);
        if !message.field.iter().any(optional) {
            code.push_str(&redacted_impl(&format!("{inner}::{}", upper_camel(oneof.name())), oneof.name()));
        }
    }
    for nested in &message.nested_type {
        debug_of(&inner, nested, code);
    }
}

fn redacted_impl(path: &str, shown: &str) -> String {
    format!(
        "impl std::fmt::Debug for {path} {{\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        f.write_str(\"{shown} {{{{ redacted }}}}\")\n    }}\n}}\n"
    ).replace("{{", "{").replace("}}", "}")
}

/// `snake_case`, as prost names modules.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// `UpperCamelCase`, as prost names types.
fn upper_camel(name: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
    };
    name.split('_').map(capital).collect()
}
