//! What happens after the start, told as it happens: registered, initial sync, ready, features.

use std::time::Duration;

use anyhow::bail;
use chairsync_proto::sync::{
    FeatureStatus, Run, RunState, WatchFeatureStatusesRequest, WatchRunRequest, sync_service_client::SyncServiceClient,
};
use mesh::transport::Channel;

use super::{
    lines, practice,
    screen::Screen,
    source::{Source, as_flags},
};
use crate::render::statuses;

/// Before a broken stream is opened again.
const REOPEN: Duration = Duration::from_millis(500);
/// For the live view to be filled after the initial run; then what is not fresh is told with its reason.
const FILL_LIMIT: Duration = Duration::from_secs(60);
const REDRAW: Duration = Duration::from_secs(1);

/// Registers the practice and tells how it goes, until dropped.
///
/// # Errors
/// When the practice is refused, or its initial sync was cancelled.
pub async fn run(source: &Source, gateway: Channel, address: &str, screen: &Screen) -> anyhow::Result<()> {
    let initial = practice::ensure(source, gateway.clone()).await?;
    if let Some(run) = initial {
        initial_sync(&run, gateway.clone(), screen).await?;
    }
    let statuses = filled(&source.name(), gateway.clone(), screen).await;
    let patient = practice::some_patient(gateway.clone(), &source.name()).await;
    let commands = lines::commands(address, &source.name(), patient.as_deref());
    screen.ready(address, &source.name(), &commands, &statuses);
    features(&source.name(), gateway, screen, statuses).await
}

/// Follows the initial run to its success. sync-state retries by itself; a run it gave up, or one cancelled, ends the
/// process with a sentence, so that a caller sees exit code 1; a new start goes on where it stopped.
async fn initial_sync(name: &str, gateway: Channel, screen: &Screen) -> anyhow::Result<()> {
    let mut client = SyncServiceClient::new(gateway);
    let mut progress = screen.progress();
    loop {
        if let Ok(stream) = client.watch_run(WatchRunRequest { name: name.to_owned() }).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                let run: Run = message.run.unwrap_or_default();
                progress.show(run.clone());
                match run.state() {
                    RunState::Succeeded => return Ok(()),
                    RunState::Cancelled => bail!("the initial sync was cancelled; start chairsync again to repeat it"),
                    RunState::Failed | RunState::Superseded => {
                        let why =
                            run.error.map(|e| as_flags(&crate::render::printable(&e.message))).unwrap_or_default();
                        bail!("the initial sync failed: {why}; start chairsync again to go on where it stopped");
                    }
                    _ => {}
                }
            }
        }
        tokio::time::sleep(REOPEN).await;
    }
}

/// Waits, but not for ever, until every feature is complete: real-time ones are stale until the live view is filled.
async fn filled(practice: &str, gateway: Channel, screen: &Screen) -> Vec<FeatureStatus> {
    screen.filling();
    let mut last = Vec::new();
    let mut client = SyncServiceClient::new(gateway);
    let follow = async {
        loop {
            let request = WatchFeatureStatusesRequest { practice: practice.to_owned(), ..Default::default() };
            if let Ok(stream) = client.watch_feature_statuses(request).await {
                let mut stream = stream.into_inner();
                while let Ok(Some(message)) = stream.message().await {
                    last = message.statuses;
                    if statuses::all_fresh(&last) {
                        return;
                    }
                }
            }
            tokio::time::sleep(REOPEN).await;
        }
    };
    let _ = tokio::time::timeout(FILL_LIMIT, follow).await; // what is not fresh by then is told by `ready`
    last
}

async fn features(
    practice: &str,
    gateway: Channel,
    screen: &Screen,
    mut last: Vec<FeatureStatus>,
) -> anyhow::Result<()> {
    let mut client = SyncServiceClient::new(gateway);
    let mut redraw = tokio::time::interval(REDRAW);
    loop {
        let request = WatchFeatureStatusesRequest { practice: practice.to_owned(), ..Default::default() };
        let Ok(stream) = client.watch_feature_statuses(request).await else {
            tokio::time::sleep(REOPEN).await;
            continue;
        };
        let mut stream = stream.into_inner();
        loop {
            tokio::select! {
                message = stream.message() => match message {
                    Ok(Some(message)) => {
                        last = message.statuses;
                        screen.changed(&last);
                    }
                    _ => break,
                },
                _ = redraw.tick() => screen.tick(&last),
            }
        }
        tokio::time::sleep(REOPEN).await;
    }
}
