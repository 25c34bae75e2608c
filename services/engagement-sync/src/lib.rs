//! engagement-sync: the real-time half of chairsync.
//!
//! - [`stream`] leases practices' change streams and applies them to the [`live_view`];
//! - [`outbox`] brings writes that are owed to the PMS there;
//! - [`watch`] publishes the live view's changes; [`card`] opens patient cards from the PMS, and from the live view where
//!   the PMS does not answer;
//! - [`initial_sync_gate`] refuses what needs a finished initial sync; [`states`] follows what sync-state says of each
//!   practice.

pub mod card;
mod config;
mod freshness;
pub mod initial_sync_gate;
mod lease;
pub mod live_datasets;
pub mod live_view;
pub mod outbox;
pub mod pms;
pub mod row;
pub mod states;
pub mod stream;
pub mod watch;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use chairsync_proto::{
    engagement::{
        engagement_service_server::EngagementServiceServer, forms_service_server::FormsServiceServer,
        online_scheduling_service_server::OnlineSchedulingServiceServer,
        patient_card_service_server::PatientCardServiceServer, patient_chat_service_server::PatientChatServiceServer,
        payments_service_server::PaymentsServiceServer,
    },
    state::state_service_client::StateServiceClient,
};
use mesh::{
    backoff::Backoff,
    transport::{self, Listener},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tracing::warn;

pub use config::Config;
use live_view::{Limits, LiveView, embedded::EmbeddedView, redis::RedisView};
use states::States;

/// How long the worker may take to give its leases back when the service stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Tries to open a file that an ending predecessor may still hold: about 5 s at the most.
const OPEN_TRIES: u32 = 20;

/// How often the store is looked at while it is being closed.
const CLOSE_LOOK: Duration = Duration::from_millis(5);

/// Methods of the engagement API that are not built yet: the generated defaults answer.
#[derive(Debug, Clone, Copy)]
struct NotBuilt;

impl chairsync_proto::engagement::forms_service_server::FormsService for NotBuilt {}
impl chairsync_proto::engagement::online_scheduling_service_server::OnlineSchedulingService for NotBuilt {}
impl chairsync_proto::engagement::patient_chat_service_server::PatientChatService for NotBuilt {}
impl chairsync_proto::engagement::payments_service_server::PaymentsService for NotBuilt {}

/// Serves until `shutdown`, then gives leases back and drains.
///
/// # Errors
/// When the settings contradict each other, the store of the live view does not open, or serving fails.
pub async fn run(config: Config, listener: Listener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let view = open_view(&config).await?;
    let state = transport::connect(&config.sync_state);
    let pms = pms::Pms::new(transport::connect(&config.pms_connector));
    let name = config.worker.clone().unwrap_or_else(|| format!("engagement-sync-{}", uuid::Uuid::now_v7().simple()));

    let states = States::new(state.clone());
    let deleted = states.follow(name.clone(), shutdown.clone());
    let forgetting = tokio::spawn(forget(view.clone(), deleted));
    let writer = outbox::Worker {
        state: StateServiceClient::new(state.clone()),
        pms: pms.clone(),
        name: name.clone(),
        capacity: config.writes.into(),
        lease: config.lease(),
        settle: config.settle(),
    };
    let writing = tokio::spawn(writer.run(shutdown.clone()));
    let worker = stream::Worker {
        state: StateServiceClient::new(state),
        pms: pms.clone(),
        view: view.clone(),
        name,
        capacity: config.capacity.max(1),
        lease: config.lease(),
    };
    let working = tokio::spawn(worker.run(shutdown.clone()));

    let watches = watch::WatchService::new(view.clone(), states.clone(), config.watchers, shutdown.clone()).await?;
    let cards = card::CardService::new(view.clone(), pms, states.clone(), config.card_limit());
    let routes = Routes::new(EngagementServiceServer::new(watches))
        .add_service(PatientCardServiceServer::new(cards))
        .add_service(PatientChatServiceServer::new(NotBuilt))
        .add_service(FormsServiceServer::new(NotBuilt))
        .add_service(OnlineSchedulingServiceServer::new(NotBuilt))
        .add_service(PaymentsServiceServer::new(NotBuilt));
    let gated = Routes::from(routes.into_axum_router().layer(initial_sync_gate::GateLayer::new(states)));
    let served = mesh::serve::serve("engagement-sync", gated, listener, shutdown.clone()).await;

    shutdown.cancel();
    let workers = async { tokio::join!(working, writing) };
    if tokio::time::timeout(STOP_LIMIT, workers).await.is_err() {
        warn!("leases were not given back in time; they end by silence");
    }
    forgetting.abort();
    closed(view).await;
    served
}

/// Waits for the last reader to let go of the store, so that it is closed when the service has ended.
async fn closed(view: Arc<dyn LiveView>) {
    let alone = async {
        while Arc::strong_count(&view) > 1 {
            tokio::time::sleep(CLOSE_LOOK).await;
        }
    };
    if tokio::time::timeout(STOP_LIMIT, alone).await.is_err() {
        warn!("the store of the live view is still being read while the service ends");
    }
}

async fn open_view(config: &Config) -> anyhow::Result<Arc<dyn LiveView>> {
    let limits = Limits { log_entries: config.change_log.max(1), cards: config.kept_cards.max(1) };
    match (&config.redis, &config.data) {
        (Some(url), None) => {
            let password = match &config.redis_password_file {
                Some(file) => {
                    let word = std::fs::read_to_string(file);
                    Some(word.context("the file of Redis's password (--redis-password-file) cannot be read")?)
                }
                None => None,
            };
            let password = password.as_deref().map(|word| word.trim_end_matches(['\r', '\n']));
            let view = RedisView::connect(url.expose(), password, limits).await;
            Ok(Arc::new(
                view.context("the live view's Redis (--redis) does not answer: check its address and password")?,
            ))
        }
        (None, Some(folder)) => {
            std::fs::create_dir_all(folder).context("the folder of the live view (--data) cannot be made")?;
            let file = folder.join("live-view.redb");
            // A predecessor that is ending may still be reading: its file is free when its last reader has gone.
            let mut waits = Backoff::new(Duration::from_millis(20), Duration::from_millis(500), OPEN_TRIES);
            let view = loop {
                match (EmbeddedView::open(&file, limits), waits.next()) {
                    (Err(_), Some(wait)) => tokio::time::sleep(wait).await,
                    (opened, _) => break opened,
                }
            };
            Ok(Arc::new(view.context("the live view's file cannot be opened: is another process using it?")?))
        }
        _ => bail!("exactly one of --redis and --data must say where the live view is kept"),
    }
}

/// Removes the live views of practices that were deleted.
async fn forget(view: Arc<dyn LiveView>, mut deleted: tokio::sync::mpsc::Receiver<String>) {
    while let Some(practice) = deleted.recv().await {
        if let Err(error) = view.forget(&practice).await {
            warn!(practice = %practice, %error, "a deleted practice's live view is not removed");
        }
    }
}
