//! How fast a large table is read, beside the server's own client. Run by hand, built with optimizations.

use std::{process::Command, time::Instant};

use test_servers::Brand;

use crate::practice::Practice;

const ROWS: u32 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn procedures_a_second() {
    use futures::StreamExt as _;
    let mut practice = Practice::empty(Brand::MariaDb).await;
    practice
        .sql(&format!(
            "INSERT INTO procedurelog (PatNum, AptNum, ProcDate, ProcFee, Surf, ToothNum, ProcStatus, ProvNum, ClinicNum, \
             CodeNum, DateTP, DateEntryC, DateComplete, SecDateEntry) SELECT seq % 9973, seq % 70001, '2024-05-06', \
             (seq % 90000) / 100, 'MOD', seq % 32, 1 + seq % 2, seq % 7, 0, seq % 600, '2024-01-02', '2024-05-06', \
             '2024-05-06', '2024-05-06' FROM seq_1_to_{ROWS}"
        ))
        .await;
    practice.sql("ANALYZE TABLE procedurelog").await;
    let columns = mesh::datasets::get("procedure").unwrap().columns.iter().map(|c| c.name.replace('_', ""));
    let sql = format!("SELECT {} FROM procedurelog", columns.collect::<Vec<_>>().join(", "));
    let connector = practice.connector().await;
    for _ in 0..3 {
        let begun = Instant::now();
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--quick", "-h127.0.0.1", "-ureader"])
            .args([format!("-P{}", practice.server.port()), "-e".to_owned(), sql.clone(), "practice".to_owned()])
            .env("MYSQL_PWD", test_servers::MariaDb::READER_PASSWORD)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(output.success());
        let theirs = begun.elapsed();
        let begun = Instant::now();
        let wanted = vec![crate::reading::wanted("procedure", "")];
        let mut stream = std::sync::Arc::clone(&connector).snapshot(wanted).await.unwrap();
        let mut bytes = 0;
        while let Some(message) = stream.next().await {
            if let Some(chairsync_proto::pms::snapshot_response::Part::Chunk(chunk)) = message.unwrap().part {
                bytes += chunk.arrow_ipc.len();
            }
        }
        let ours = begun.elapsed();
        let rate = |took: std::time::Duration| f64::from(ROWS) / took.as_secs_f64();
        println!(
            "client {:.0} rows/s, connector {:.0} rows/s ({} MB), ratio {:.2}",
            rate(theirs),
            rate(ours),
            bytes >> 20,
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
    }
}
