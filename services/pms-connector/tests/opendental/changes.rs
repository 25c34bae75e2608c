//! Changes arrive, all of them: against each trap of a database that is polled.

use std::{collections::BTreeMap, sync::Arc};

use chairsync_proto::pms::{ChangesResponse, changes_response::Part};
use futures::StreamExt as _;
use mesh::{datasets, rows::decode};
use mysql_async::prelude::Queryable;
use pms_connector::connector::{ChangesStream, Connector};
use test_servers::Brand;

use crate::practice::{LIMIT, Practice, Rows, rows_of};

on_each_server!(
    inserts_updates_and_deletes_arrive_with_and_without_change_columns,
    a_transaction_that_commits_late_is_not_lost,
    equal_stamps_over_many_pages_all_arrive_and_are_sent_once,
    a_snapshots_position_repairs_what_chunks_read_too_early,
    a_user_without_process_and_myisam_tables_are_followed_too,
    one_changed_row_of_a_large_table_without_a_change_column_sends_few,
);

/// What a follower of the stream has.
pub struct Follower {
    stream: ChangesStream,
    pub view: BTreeMap<&'static str, Rows>,
    pub position: String,
    /// Rows sent.
    pub sent: usize,
    pub synced_through: i64,
}

impl Follower {
    /// Follows from a position on and waits for `opened`.
    pub async fn open(connector: &Arc<dyn Connector>, position: &str, names: &[&str]) -> Self {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        let stream = Arc::clone(connector).changes(position.to_owned(), names).await.unwrap();
        let mut follower =
            Self { stream, view: BTreeMap::new(), position: position.to_owned(), sent: 0, synced_through: 0 };
        let first = follower.next().await;
        assert!(matches!(first.part, Some(Part::Opened(_))), "opened comes first");
        follower
    }

    /// The stream itself.
    pub fn into_stream(self) -> ChangesStream {
        self.stream
    }

    async fn next(&mut self) -> ChangesResponse {
        tokio::time::timeout(LIMIT, self.stream.next()).await.expect("the stream goes on").unwrap().unwrap()
    }

    /// Takes messages up to the next progress.
    pub async fn progress(&mut self) {
        loop {
            match self.next().await.part.unwrap() {
                Part::Opened(_) => panic!("opened twice"),
                Part::Progress(progress) => {
                    self.position = progress.position;
                    self.synced_through = progress.synced_through.unwrap().seconds;
                    return;
                }
                Part::Batch(batch) => {
                    let dataset = datasets::get(&batch.dataset).unwrap();
                    let view = self.view.entry(dataset.name).or_default();
                    if !batch.arrow_ipc.is_empty() {
                        let rows = rows_of(dataset, &decode(&batch.arrow_ipc).unwrap());
                        self.sent += rows.len();
                        view.extend(rows);
                    }
                    for key in batch.deleted_keys {
                        view.remove(&key);
                    }
                }
            }
        }
    }

    /// Follows until the view of a dataset is as expected.
    pub async fn until(&mut self, dataset: &'static str, expected: &Rows) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while self.view.entry(dataset).or_default() != expected {
            if tokio::time::Instant::now() > deadline {
                crate::practice::same(datasets::get(dataset).unwrap(), &self.view[dataset], expected);
            }
            self.progress().await;
        }
    }
}

async fn expected(practice: &mut Practice, dataset: &str) -> Rows {
    practice.expected(datasets::get(dataset).unwrap()).await
}

async fn inserts_updates_and_deletes_arrive_with_and_without_change_columns(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    let all = ["payment_split", "definition", "schedule_operatory", "preference", "sheet"];
    practice.sql("INSERT INTO paysplit (SplitNum, SplitAmt) VALUES (1, 10), (2, 20), (-3, 30)").await;
    practice.sql("INSERT INTO definition (DefNum, ItemName) VALUES (1, 'a'), (2, 'b')").await;
    practice.sql("INSERT INTO scheduleop (ScheduleOpNum) VALUES (1), (2)").await;
    practice.sql("UPDATE paysplit SET SecDateTEdit = '2020-01-01 00:00:00'").await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &all).await;
    follower.progress().await;
    assert_eq!(follower.sent, 0, "from now: what was there before is not sent");
    for dataset in all {
        let there = expected(&mut practice, dataset).await;
        follower.view.insert(datasets::get(dataset).unwrap().name, there);
    }
    practice.sql("UPDATE paysplit SET SplitAmt = 11 WHERE SplitNum = 1").await;
    practice.sql("DELETE FROM paysplit WHERE SplitNum = -3").await;
    practice.sql("INSERT INTO paysplit (SplitNum, SplitAmt) VALUES (-9000, 1.5)").await;
    // As a merge tool does: an old stamp on a new row.
    practice.sql("INSERT INTO paysplit (SplitNum, SplitAmt, SecDateTEdit) VALUES (77, 7, '2021-01-01')").await;
    practice.sql("UPDATE definition SET ItemName = 'c' WHERE DefNum = 2").await;
    practice.sql("DELETE FROM definition WHERE DefNum = 1").await;
    practice.sql("DELETE FROM scheduleop WHERE ScheduleOpNum = 2").await;
    practice.sql("INSERT INTO scheduleop (ScheduleOpNum) VALUES (50)").await;
    practice.sql("UPDATE preference SET ValueString = '25.1.0.0'").await;
    practice.sql("INSERT INTO sheet (SheetNum) VALUES (4)").await;
    for dataset in all {
        let rows = expected(&mut practice, dataset).await;
        follower.until(dataset, &rows).await;
    }
    // Deleted and inserted again with the same contents: it is there again.
    practice.sql("DELETE FROM paysplit WHERE SplitNum = 1").await;
    let rows = expected(&mut practice, "payment_split").await;
    follower.until("payment_split", &rows).await;
    practice.sql("INSERT INTO paysplit (SplitNum, SplitAmt) VALUES (1, 11)").await;
    let rows = expected(&mut practice, "payment_split").await;
    follower.until("payment_split", &rows).await;
}

async fn a_transaction_that_commits_late_is_not_lost(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("INSERT INTO appointment (AptNum, Note) VALUES (1, 'a'), (2, 'b')").await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &["appointment"]).await;
    let mut late = practice.server.root("practice").await;
    late.query_drop("START TRANSACTION").await.unwrap();
    late.query_drop("UPDATE appointment SET Note = 'late' WHERE AptNum = 1").await.unwrap();
    let stamped: i64 = late.query_first("SELECT UNIX_TIMESTAMP(NOW())").await.unwrap().unwrap();
    // Others commit meanwhile, and polls pass the stamp by more than any margin.
    while follower.synced_through < stamped + 6 {
        practice.sql("UPDATE appointment SET Note = CONCAT(Note, '.') WHERE AptNum = 2").await;
        follower.progress().await;
    }
    let before = follower.position.clone();
    late.query_drop("COMMIT").await.unwrap();
    let rows = expected(&mut practice, "appointment").await;
    follower.until("appointment", &rows).await;
    // A follower that resumes from before the commit sees it too.
    let mut second = Follower::open(&connector, &before, &["appointment"]).await;
    second
        .view
        .insert("appointment", rows.iter().filter(|(k, _)| *k == "2").map(|(k, r)| (k.clone(), r.clone())).collect());
    second.until("appointment", &rows).await;
}

async fn equal_stamps_over_many_pages_all_arrive_and_are_sent_once(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &["claim_line", "procedure"]).await;
    practice.sql("ALTER TABLE procedurelog DROP INDEX DateTStamp").await;
    // One statement: one stamp for 12,000 rows.
    let numbers = practice.numbers(12_000).await;
    practice.sql(&format!("INSERT INTO claimproc (ClaimProcNum, InsPayAmt) SELECT seq * 3, seq FROM {numbers}")).await;
    practice.sql(&format!("INSERT INTO procedurelog (ProcNum, ProcFee) SELECT seq * 3, seq FROM {numbers}")).await;
    for dataset in ["claim_line", "procedure"] {
        let rows = expected(&mut practice, dataset).await;
        follower.until(dataset, &rows).await;
    }
    // The look-back reads them again; they are not sent again, except those that a comparison of keys met first.
    let sent = follower.sent;
    for _ in 0..10 {
        follower.progress().await;
    }
    assert_eq!(follower.sent, sent, "rows of the look-back are not sent again");
}

async fn a_snapshots_position_repairs_what_chunks_read_too_early(brand: Brand) {
    let mut practice = Practice::generated(brand, 3, 40).await;
    let names: Vec<&str> = datasets::all().map(|d| d.name).collect();
    let connector = practice.connector().await;
    let wanted = names.iter().map(|n| crate::reading::wanted(n, "")).collect();
    let (start, chunks) = crate::reading::snapshot(&connector, wanted).await;
    practice.sql("UPDATE appointment SET Note = 'moved' ORDER BY AptNum LIMIT 3").await;
    practice.sql("UPDATE definition SET ItemName = 'renamed' ORDER BY DefNum LIMIT 2").await;
    practice.sql("INSERT INTO payment (PayNum, PayAmt) VALUES (987654321, 12.34)").await;
    let mut follower = Follower::open(&connector, &start.position, &names).await;
    for chunk in &chunks {
        let dataset = datasets::get(&chunk.dataset).unwrap();
        follower.view.entry(dataset.name).or_default().extend(rows_of(dataset, &decode(&chunk.arrow_ipc).unwrap()));
    }
    for dataset in datasets::all() {
        let rows = practice.expected(dataset).await;
        follower.until(dataset.name, &rows).await;
    }
}

async fn a_user_without_process_and_myisam_tables_are_followed_too(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("ALTER TABLE recall ENGINE = MyISAM").await;
    practice.sql("REVOKE PROCESS ON *.* FROM 'reader'@'%'").await;
    let connector = practice.connector().await;
    let found = connector.describe().await.unwrap();
    assert!(found.warnings.iter().any(|w| w.contains("PROCESS")), "{:?}", found.warnings);
    let mut follower = Follower::open(&connector, "", &["recall", "patient"]).await;
    practice.sql("INSERT INTO recall (RecallNum, Note) VALUES (1, 'a'), (2, 'b')").await;
    practice.sql("DELETE FROM recall WHERE RecallNum = 1").await;
    practice.sql("INSERT INTO patient (PatNum, LName) VALUES (5, 'x')").await;
    for dataset in ["recall", "patient"] {
        let rows = expected(&mut practice, dataset).await;
        follower.until(dataset, &rows).await;
    }
}

async fn one_changed_row_of_a_large_table_without_a_change_column_sends_few(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    // More than a page, and keys below zero.
    let numbers = practice.numbers(12_000).await;
    practice
        .sql(&format!(
            "INSERT INTO scheduleop (ScheduleOpNum, OperatoryNum) SELECT seq * 7 - 30000, seq FROM {numbers}"
        ))
        .await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &["schedule_operatory"]).await;
    follower.view.insert("schedule_operatory", expected(&mut practice, "schedule_operatory").await);
    practice.sql("UPDATE scheduleop SET OperatoryNum = 99 WHERE ScheduleOpNum = 7").await;
    let rows = expected(&mut practice, "schedule_operatory").await;
    follower.until("schedule_operatory", &rows).await;
    assert!(follower.sent <= 32, "{} rows were sent for one", follower.sent);
    practice.sql("DELETE FROM scheduleop WHERE ScheduleOpNum BETWEEN -2000 AND 9000").await;
    practice.sql("INSERT INTO scheduleop (ScheduleOpNum) VALUES (8), (-100000), (900000)").await;
    let rows = expected(&mut practice, "schedule_operatory").await;
    follower.until("schedule_operatory", &rows).await;
    // Who resumes gets all of it, page by page.
    let mut second = Follower::open(&connector, &follower.position, &["schedule_operatory"]).await;
    second.until("schedule_operatory", &rows).await;
}
