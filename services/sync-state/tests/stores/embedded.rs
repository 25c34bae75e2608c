//! The store in a file.

use std::{process::Stdio, sync::Arc};

use sync_state::store::{Store as _, embedded::EmbeddedStore};

use crate::suite::{self, practice, save};

#[tokio::test]
async fn a_file_keeps_practices() {
    let folder = tempfile::tempdir().unwrap();
    suite::suite(Arc::new(EmbeddedStore::open(&folder.path().join("state.redb")).unwrap()), None).await;
}

#[tokio::test]
async fn a_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.redb");
    let store = EmbeddedStore::open(&file).unwrap();
    let version = save(&store, 0, &practice("one", 7)).await.unwrap();
    let second = EmbeddedStore::open(&file);
    assert!(second.is_err(), "two processes on one file would overwrite each other");
    drop(store);
    // The task that saves ends a moment after the store.
    let store = loop {
        match EmbeddedStore::open(&file) {
            Ok(store) => break store,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stored = store.load("one").await.unwrap().unwrap();
    assert_eq!((stored.version, &*stored.state), (version, &practice("one", 7)));
}

/// The file store of a process that is killed with -9 again and again holds everything that was acknowledged.
#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    use chairsync_proto::practice::{
        CreatePracticeRequest, GetPracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..4_usize {
        let address = format!("127.0.0.1:{}", test_servers::free_port());
        let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_sync-state"))
            .args(["--listen", &address, "--data"])
            .arg(folder.path().join("state.redb"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let channel = mesh::transport::connect(&format!("http://{address}").parse().unwrap());
        let mut client = PracticeServiceClient::new(channel);
        for name in &acknowledged {
            let request = || GetPracticeRequest { name: name.clone() };
            while let Err(status) = client.get_practice(request()).await {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{name} was acknowledged: {status}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        let mut made = 0;
        // Killed from the side after some acknowledgements, with more on their way.
        let killer = async {
            for n in 0.. {
                let practice_id = format!("p{round}-{n}");
                let source = PmsSource { kind: Some(Kind::Sample(SampleSource::default())) };
                let practice = Practice { time_zone: "UTC".to_owned(), source: Some(source), ..Practice::default() };
                let request = CreatePracticeRequest { practice_id: practice_id.clone(), practice: Some(practice) };
                if client.create_practice(request).await.is_ok() {
                    acknowledged.push(format!("practices/{practice_id}"));
                    made += 1;
                    if made == 5 + 7 * round {
                        process.start_kill().unwrap();
                    }
                } else if made >= 5 + 7 * round {
                    break;
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), killer).await.expect("the process serves");
        process.wait().await.unwrap();
    }
    assert!(acknowledged.len() > 50);
}
