//! `chairsync doctor`: checks what chairsync needs; each line says what to do.

use std::{path::PathBuf, process::ExitCode};

use mesh::{secret::Secret, transport::Endpoint};

use crate::doctor::{self, Finding, Level};

/// What to check. What is not named is not checked, but for this machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Check this Redis, redis://[user:password@]host:port
    #[arg(long = "redis", id = "doctor_redis", env = "CHAIRSYNC_REDIS", hide_env_values = true, value_name = "URL")]
    pub check_redis: Option<Secret>,
    /// Check this Open Dental database, mysql://user:password@host:port/database
    #[arg(long = "pms", id = "doctor_pms", env = "CHAIRSYNC_PMS", hide_env_values = true, value_name = "URL")]
    pub check_pms: Option<Secret>,
    /// Check that this folder can hold data [default: the folder that `chairsync` uses]
    #[arg(long = "data-dir", id = "doctor_data_dir", env = "CHAIRSYNC_DATA_DIR", value_name = "FOLDER")]
    pub check_dir: Option<PathBuf>,
    /// Check this gateway
    #[arg(long, env = "CHAIRSYNC_GATEWAY")]
    pub gateway: Option<Endpoint>,
}

/// Prints a line for each check. Exit code 1 when one failed.
///
/// # Errors
/// None: what cannot be checked is a finding.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut findings = doctor::machine::disk(args.check_dir).await;
    findings.push(doctor::machine::clock().await);
    if let Some(url) = &args.check_redis {
        findings.extend(doctor::redis::check(url).await);
    }
    if let Some(url) = &args.check_pms {
        findings.extend(doctor::pms::check(url).await);
    }
    findings.extend(doctor::machine::gateway(args.gateway.as_ref()).await);
    super::print(findings.iter().map(Finding::to_string));
    let failed = findings.iter().any(|f| f.level == Level::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
