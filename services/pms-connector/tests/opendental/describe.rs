use chairsync_proto::practice::PmsSource;
use test_servers::Brand;

use crate::practice::{LIMIT, Practice, sources};

on_each_server!(
    a_database_is_described,
    estimates_are_of_now,
    a_user_who_may_write_is_reported_and_no_hash_is_shown,
    writing_by_a_role_is_reported,
    a_binlog_is_described_with_what_it_lacks,
);

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

async fn writing_by_a_role_is_reported(brand: Brand) {
    if brand == Brand::MySql57 {
        return; // it has no roles
    }
    let mut practice = Practice::empty(brand).await;
    // Of two roles, not put on by default, one may write by a role of its own.
    for statement in [
        "CREATE ROLE looker",
        "CREATE ROLE clerk",
        "CREATE ROLE writer",
        "GRANT SELECT ON practice.* TO looker",
        "GRANT UPDATE ON practice.patient TO writer",
        "GRANT writer TO clerk",
        "GRANT looker TO reader",
    ] {
        practice.sql(statement).await;
    }
    let source = practice.source("reader");
    let found = describe(&source).await;
    assert!(!found.user_can_write, "{:?}", found.grants);
    assert!(found.grants.iter().any(|g| g.contains("looker")), "{:?}", found.grants);
    practice.sql("GRANT clerk TO reader").await;
    // On a connection made before and after.
    let connector = sources().open("north", &source).await.unwrap();
    for _ in 0..2 {
        let found = connector.describe().await.unwrap();
        assert!(found.user_can_write, "{:?}", found.grants);
        assert!(found.grants.iter().any(|g| g.contains("UPDATE ON `practice`.`patient`")), "{:?}", found.grants);
        assert!(found.warnings.iter().any(|w| w.contains("may write")));
        assert!(!found.warnings.iter().any(|w| w.contains("cannot be seen")), "{:?}", found.warnings);
        assert!(found.grants.iter().all(|g| !g.contains("BY PASSWORD")));
    }
    // What a role that is not worn allows, the session may not do.
    practice.sql("REVOKE PROCESS ON *.* FROM reader").await;
    practice.sql("GRANT PROCESS ON *.* TO looker").await;
    let found = describe(&source).await;
    assert!(found.warnings.iter().any(|w| w.contains("may not see transactions")), "{:?}", found.warnings);
}

async fn a_binlog_is_described_with_what_it_lacks(brand: Brand) {
    let row = ["--log-bin=log", "--server-id=1", "--binlog-format=ROW"];
    let statement = ["--log-bin=log", "--server-id=1", "--binlog-format=STATEMENT"];
    let minimal = ["--log-bin=log", "--server-id=1", "--binlog-format=ROW", "--binlog-row-image=MINIMAL"];
    // Each next server or user has what the one before lacked.
    for (arguments, grant, verdict) in [
        (&statement[..], "", "binlog_format is not ROW"),
        (&minimal[..], "", "binlog_row_image is not FULL"),
        (&row[..], "", "lacks REPLICATION SLAVE"),
        (&row[..], "GRANT REPLICATION SLAVE ON *.* TO reader", "usable"),
    ] {
        let mut practice = Practice::empty_with(brand, arguments).await;
        if !grant.is_empty() {
            practice.sql(grant).await;
        }
        let binlog = describe(&practice.source("reader")).await.binlog.unwrap();
        assert!(binlog.enabled && binlog.verdict.contains(verdict), "{binlog:?}");
        assert_eq!(binlog.granted, !grant.is_empty(), "{binlog:?}");
    }
}
