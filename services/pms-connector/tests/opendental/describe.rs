use chairsync_proto::practice::PmsSource;
use test_servers::Brand;

use crate::practice::{LIMIT, Practice, sources};

on_each_server!(a_database_is_described, estimates_are_of_now, a_user_who_may_write_is_reported_and_no_hash_is_shown,);

async fn describe(source: &PmsSource) -> chairsync_proto::pms::DescribeResponse {
    sources().open("north", source).await.unwrap().describe().await.unwrap()
}

async fn a_database_is_described(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("ALTER TABLE recall DROP COLUMN Priority").await;
    practice.sql("ALTER TABLE commlog ENGINE = MyISAM").await;
    practice.sql("DROP TABLE referral").await;
    let found = describe(&practice.source("reader")).await;
    assert_eq!(found.product, "Open Dental 24.3.10.0");
    let version = match brand {
        Brand::MariaDb => "MariaDB",
        Brand::MySql57 => "5.7.",
        Brand::MySql80 => "8.0.",
    };
    assert!(found.server_version.contains(version), "{}", found.server_version);
    assert_eq!(found.fingerprint.len(), 24);
    assert!(found.server_time.is_some());
    assert!(!found.user_can_write, "{:?}", found.grants);
    let dataset = |name: &str| found.datasets.iter().find(|d| d.dataset == name).unwrap();
    assert_eq!(dataset("recall").missing_columns, ["priority"]);
    assert_eq!(dataset("commlog").engine, "MyISAM");
    assert!(!dataset("referral").present);
    let procedure = dataset("procedure");
    assert_eq!((procedure.table.as_str(), procedure.change_column.as_str()), ("procedurelog", "DateTStamp"));
    assert!(procedure.change_column_indexed);
    assert_eq!(dataset("schedule_operatory").change_column, "");
    assert_eq!(dataset("sheet").change_column, "", "a datetime is the practice's wall clock, not a change column");
    for part in ["table referral is missing", "recall lacks priority", "commlog is MyISAM"] {
        assert!(found.warnings.iter().any(|w| w.contains(part)), "{part}: {:?}", found.warnings);
    }
    let binlog = found.binlog.unwrap();
    assert!(!binlog.enabled && binlog.verdict.contains("polled"));
}

async fn estimates_are_of_now(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    let source = practice.source("reader");
    let estimate = async || {
        let found = describe(&source).await.datasets.into_iter().find(|d| d.dataset == "recall").unwrap();
        found.estimated_rows
    };
    assert_eq!(estimate().await, 0);
    let numbers = practice.numbers(4_000).await;
    practice.sql(&format!("INSERT INTO recall (RecallNum) SELECT seq FROM {numbers}")).await;
    // The server refreshes its statistics in its own time.
    let deadline = tokio::time::Instant::now() + LIMIT;
    while estimate().await < 1_000 {
        assert!(tokio::time::Instant::now() < deadline, "the estimate stays at {}", estimate().await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn a_user_who_may_write_is_reported_and_no_hash_is_shown(brand: Brand) {
    let practice = Practice::empty(brand).await;
    let uri = practice.server.url("practice").replace("reader@", "root@");
    let found = describe(&crate::practice::source(&uri, "root")).await;
    assert!(found.user_can_write);
    assert!(found.warnings.iter().any(|w| w.contains("may write")));
    assert!(found.grants.iter().all(|g| !g.contains("IDENTIFIED") && !g.contains('*') || g.contains("*.*")));
    assert!(found.grants.iter().all(|g| !g.contains("BY PASSWORD")), "{:?}", found.grants);
}
