//! Registers the practice, or takes up the one that is there; finds the run to follow and a patient to show.

use std::time::Duration;

use anyhow::anyhow;
use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, analytics_service_client::AnalyticsServiceClient},
    engagement::{WatchRequest, engagement_service_client::EngagementServiceClient, watch_response::Event},
    practice::{
        CreatePracticeRequest, GetPracticeRequest, Practice, UpdatePracticeRequest,
        practice_service_client::PracticeServiceClient,
    },
    sync::{StartSyncRequest, sync_service_client::SyncServiceClient},
};
use mesh::{ErrorReason, error::reason_of, transport::Channel};
use tonic::{Code, Status};

use super::source::Source;
use crate::failure::Failure;

/// How long the services may take to answer at first.
const START_LIMIT: Duration = Duration::from_secs(30);
const START_RETRY: Duration = Duration::from_millis(50);
/// How long to look for a patient, in each of two places.
const PATIENT_LIMIT: Duration = Duration::from_secs(10);

/// Makes sure that the practice is registered with its source, and returns the run of its initial sync, if that is not
/// finished.
///
/// # Errors
/// The refusal, as a sentence.
pub async fn ensure(source: &Source, gateway: Channel) -> anyhow::Result<Option<String>> {
    let mut client = PracticeServiceClient::new(gateway.clone());
    let known = answering(&mut client, source.name()).await?;
    let Some(known) = known else {
        let request = CreatePracticeRequest { practice_id: source.id.clone(), practice: Some(source.practice.clone()) };
        let created = client.create_practice(request).await.map_err(|s| said(&s))?.into_inner();
        return Ok(Some(created.initial_run));
    };
    if known.source.as_ref().and_then(|s| s.kind.as_ref())
        != source.practice.source.as_ref().and_then(|s| s.kind.as_ref())
    {
        let request = UpdatePracticeRequest {
            name: source.name(),
            practice: Some(source.practice.clone()),
            update_mask: Some(prost_types::FieldMask { paths: vec!["source".to_owned()] }),
            etag: String::new(),
        };
        client.update_practice(request).await.map_err(|s| said(&s))?;
    }
    if known.initial_sync_time.is_some() || known.paused {
        return Ok(None);
    }
    let request = StartSyncRequest { practice: source.name(), ..Default::default() };
    let started = SyncServiceClient::new(gateway).start_sync(request).await.map_err(|s| said(&s))?;
    Ok(started.into_inner().run.map(|run| run.name))
}

/// Asks for the practice until the services answer.
async fn answering(client: &mut PracticeServiceClient<Channel>, name: String) -> anyhow::Result<Option<Practice>> {
    let asked = async {
        loop {
            match client.get_practice(GetPracticeRequest { name: name.clone() }).await {
                Ok(answer) => return Ok(answer.into_inner().practice),
                Err(status) if reason_of(&status) == Some(ErrorReason::PracticeNotFound) => return Ok(None),
                Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(START_RETRY).await,
                Err(status) => return Err(said(&status)),
            }
        }
    };
    let late =
        |_| anyhow!("the services did not answer within {} s; the log may say why (--log info)", START_LIMIT.as_secs());
    tokio::time::timeout(START_LIMIT, asked).await.map_err(late)?
}

/// The name of a patient whose card can be opened: one with an appointment, else the first of the live view.
pub async fn some_patient(gateway: Channel, practice: &str) -> Option<String> {
    let from_huddle = tokio::time::timeout(PATIENT_LIMIT, from_huddle(gateway.clone(), practice)).await;
    match from_huddle.ok().flatten() {
        Some(name) => Some(name),
        None => tokio::time::timeout(PATIENT_LIMIT, from_live_view(gateway, practice)).await.ok().flatten(),
    }
}

async fn from_huddle(gateway: Channel, practice: &str) -> Option<String> {
    let request = GetMorningHuddleRequest { practice: practice.to_owned(), ..Default::default() };
    let huddle = AnalyticsServiceClient::new(gateway).get_morning_huddle(request).await.ok()?.into_inner();
    let days = [huddle.today, huddle.tomorrow].into_iter().flatten();
    days.flat_map(|day| day.appointments).find_map(|a| a.patient).map(|patient| patient.name)
}

async fn from_live_view(gateway: Channel, practice: &str) -> Option<String> {
    let request = WatchRequest {
        practice: practice.to_owned(),
        datasets: vec!["patient".to_owned()],
        include_snapshot: true,
        keys_only: true,
        ..Default::default()
    };
    let mut stream = EngagementServiceClient::new(gateway).watch(request).await.ok()?.into_inner();
    while let Ok(Some(message)) = stream.message().await {
        if let Some(Event::SnapshotRow(row)) = message.event {
            return Some(format!("{practice}/patients/{}", row.key));
        }
    }
    None
}

fn said(status: &Status) -> anyhow::Error {
    anyhow!("{}", Failure::of(status))
}
