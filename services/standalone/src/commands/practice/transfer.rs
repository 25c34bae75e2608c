//! A practice's whole state to a file and back.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use chairsync_proto::practice::{
    ExportPracticeRequest, ImportPracticeRequest, Practice, practice_service_client::PracticeServiceClient,
};
use mesh::transport::Channel;

use crate::client::GatewayArgs;

/// Writes an export, a line a line; the file is the owner's only.
///
/// # Errors
/// The gateway's refusal, or the file's; a file that was begun is removed then.
pub async fn export(
    gateway: &GatewayArgs,
    mut client: PracticeServiceClient<Channel>,
    name: String,
    to: &Path,
) -> anyhow::Result<()> {
    let mut lines = gateway.ask(client.export_practice(ExportPracticeRequest { name })).await?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut file = BufWriter::new(file.with_context(|| format!("{} cannot be made", to.display()))?);
    let written = async {
        let mut count = 0_u64;
        while let Some(line) = lines.message().await.map_err(|status| gateway.refused(&status))? {
            writeln!(file, "{}", line.line)?;
            count += 1;
        }
        file.flush()?;
        file.get_ref().sync_all()?;
        anyhow::Ok(count)
    };
    match written.await {
        Ok(count) => {
            println!("{count} lines in {}; they hold patient data while writes to the PMS wait", to.display());
            Ok(())
        }
        Err(error) => {
            std::fs::remove_file(to).with_context(|| format!("{} is not whole: delete it", to.display()))?;
            Err(error)
        }
    }
}

/// Makes a practice from an export.
///
/// # Errors
/// The gateway's refusal, or the file's.
pub async fn import(
    gateway: &GatewayArgs,
    mut client: PracticeServiceClient<Channel>,
    from: &Path,
) -> anyhow::Result<Option<Practice>> {
    let file = File::open(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.with_context(|| format!("{} cannot be read", from.display()))?;
        lines.push(ImportPracticeRequest { line });
    }
    Ok(gateway.ask(client.import_practice(futures::stream::iter(lines))).await?.practice)
}
