use chairsync_proto::practice::PmsSource;

use crate::practice::{Practice, sources};

async fn describe(source: &PmsSource) -> chairsync_proto::pms::DescribeResponse {
    sources().open("north", source).await.unwrap().describe().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_described() {
    let mut practice = Practice::empty().await;
    practice.sql("ALTER TABLE recall DROP COLUMN Priority").await;
    practice.sql("ALTER TABLE commlog ENGINE = MyISAM").await;
    practice.sql("DROP TABLE referral").await;
    let found = describe(&practice.source("reader")).await;
    assert_eq!(found.product, "Open Dental 24.3.10.0");
    assert!(found.server_version.contains("MariaDB"));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_write_is_reported_and_no_hash_is_shown() {
    let practice = Practice::empty().await;
    let uri = practice.server.url("practice").replace("reader@", "root@");
    let found = describe(&crate::practice::source(&uri, "root")).await;
    assert!(found.user_can_write);
    assert!(found.warnings.iter().any(|w| w.contains("may write")));
    assert!(found.grants.iter().all(|g| !g.contains("IDENTIFIED") && !g.contains('*') || g.contains("*.*")));
    assert!(found.grants.iter().all(|g| !g.contains("PASSWORD")), "{:?}", found.grants);
}
