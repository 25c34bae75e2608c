//! Promise: after a run the boards are computed before anybody asks, and the first call of each finds its answer in memory.
//! Method: the real services on a sample practice; a second replica, told that the run has finished; computations counted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/sample.rs"]
mod sample;

use analytics_sync::{service::Analytics, states::States, store::Store};
use chairsync_proto::{
    analytics::{analytics_service_server::AnalyticsService as _, *},
    sync::{StartSyncRequest, sync_service_client::SyncServiceClient},
};
use sample::{LIMIT, SampleMesh};
use tokio::sync::mpsc;
use tonic::Request;

/// Asks for each board as a caller does who says nothing but the practice.
async fn ask_all(analytics: &Analytics) {
    let practice = "practices/north".to_owned();
    let huddle = GetMorningHuddleRequest { practice: practice.clone(), ..Default::default() };
    assert!(analytics.get_morning_huddle(Request::new(huddle)).await.unwrap().into_inner().today.is_some());
    let board = GetPerformanceBoardRequest { practice: practice.clone(), ..Default::default() };
    assert!(analytics.get_performance_board(Request::new(board)).await.unwrap().into_inner().ticker.is_some());
    let board = GetCollectionsBoardRequest { practice: practice.clone(), ..Default::default() };
    assert!(!analytics.get_collections_board(Request::new(board)).await.unwrap().into_inner().tiles.is_empty());
    let board = GetProviderPulseRequest { practice: practice.clone(), ..Default::default() };
    assert!(analytics.get_provider_pulse(Request::new(board)).await.unwrap().into_inner().total.is_some());
    let board = GetScheduleAnalysisRequest { practice, ..Default::default() };
    assert!(analytics.get_schedule_analysis(Request::new(board)).await.unwrap().into_inner().total.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_of_each_board_after_a_run_is_answered_from_memory() {
    let mesh = SampleMesh::start();
    let run = mesh.register("north", sample::practice(3, "America/Chicago")).await;
    mesh.finished(run).await;

    // Another replica, which works on no runs.
    let store = Store::parse(&mesh.tables).unwrap();
    let states = States::new(mesh.state.clone());
    let following = tokio::spawn(states.clone().follow("replica".into(), store.clone(), mesh.stop.clone()));
    let replica = Analytics::new(states, store, mesh.connector.clone(), mesh.state.clone());
    for night in 0..2 {
        let request = StartSyncRequest { practice: "practices/north".into(), ..Default::default() };
        let run =
            SyncServiceClient::new(mesh.state.clone()).start_sync(request).await.unwrap().into_inner().run.unwrap();
        mesh.finished(run.name).await;
        let (told, finished) = mpsc::channel(1);
        told.send("north".into()).await.unwrap();
        drop(told);
        let before = replica.computations();
        tokio::time::timeout(LIMIT, replica.clone().keep_warm(finished, mesh.stop.clone())).await.expect("in time");
        let ahead = replica.computations();
        assert_eq!(ahead - before, 5, "night {night}: each board is computed once");
        ask_all(&replica).await;
        assert_eq!(replica.computations(), ahead, "night {night}: and found in memory");
    }
    mesh.stop.cancel();
    following.await.unwrap();
}
