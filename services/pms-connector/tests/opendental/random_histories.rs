//! Whatever a practice does, a follower ends with the same rows.

use mesh::datasets;
use mysql_async::prelude::Queryable;
use rand::{Rng, SeedableRng, rngs::StdRng};
use test_servers::Brand;

use crate::{changes::Follower, practice::Practice};

on_each_server!(random_histories_converge);

const TABLES: [(&str, &str, &str, &str); 6] = [
    ("appointment", "appointment", "AptNum", "Note"),
    ("payment_split", "paysplit", "SplitNum", "SplitAmt"),
    ("definition", "definition", "DefNum", "ItemName"),
    ("schedule_operatory", "scheduleop", "ScheduleOpNum", "OperatoryNum"),
    ("recall", "recall", "RecallNum", "Note"),
    ("treatment_plan_attach", "treatplanattach", "TreatPlanAttachNum", "Priority"),
];

async fn random_histories_converge(brand: Brand) {
    for seed in 0..4 {
        converge(brand, seed).await;
    }
}

async fn converge(brand: Brand, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut practice = Practice::empty(brand).await;
    let connector = practice.connector().await;
    let names = TABLES.map(|t| t.0);
    let mut follower = Follower::open(&connector, "", &names).await;
    let mut writers = [practice.server.root("practice").await, practice.server.root("practice").await];
    let mut open = [false; 2];
    for _ in 0..250 {
        let who = dice.random_range(0..2);
        let (_, table, key, column) = TABLES[dice.random_range(0..TABLES.len())];
        // Each writer has keys of its own, so that neither waits for the other's locks.
        let number = dice.random_range(-20_i64..20) * 2 + who as i64;
        let statement = match dice.random_range(0..10) {
            0..5 => format!("REPLACE INTO {table} ({key}, {column}) VALUES ({number}, {})", dice.random_range(0..9)),
            5..7 => format!("UPDATE {table} SET {column} = {} WHERE {key} = {number}", dice.random_range(0..9)),
            7 => format!("DELETE FROM {table} WHERE {key} = {number}"),
            8 if !open[who] => "START TRANSACTION".to_owned(),
            _ if open[who] => (if dice.random_bool(0.7) { "COMMIT" } else { "ROLLBACK" }).to_owned(),
            _ => continue,
        };
        match statement.as_str() {
            "START TRANSACTION" => open[who] = true,
            "COMMIT" | "ROLLBACK" => open[who] = false,
            _ => {}
        }
        let timeout = "SET SESSION innodb_lock_wait_timeout = 1";
        writers[who].query_drop(timeout).await.unwrap();
        if let Err(mysql_async::Error::Server(error)) = writers[who].query_drop(&statement).await {
            assert!([1205, 1213].contains(&error.code), "{statement}: {error}");
            writers[who].query_drop("ROLLBACK").await.unwrap();
            open[who] = false;
        }
        if dice.random_bool(0.2) {
            follower.progress().await;
        }
        if dice.random_bool(0.02) {
            // The follower goes away and comes back; what was deleted meanwhile it learns from the keys.
            let (view, position) = (std::mem::take(&mut follower.view), follower.position.clone());
            drop(follower);
            follower = Follower::open(&connector, &position, &names).await;
            follower.view = view;
            for (dataset, ..) in TABLES {
                let request = chairsync_proto::pms::DigestRequest {
                    dataset: dataset.to_owned(),
                    list_keys: true,
                    ..Default::default()
                };
                let digest = connector.digest(request).await.unwrap();
                let keys: Vec<String> = digest.ranges.iter().flat_map(|r| &r.keys).map(i64::to_string).collect();
                let dataset = datasets::get(dataset).unwrap().name;
                follower.view.entry(dataset).or_default().retain(|key, _| keys.contains(key));
            }
        }
    }
    for writer in &mut writers {
        writer.query_drop("COMMIT").await.unwrap();
    }
    for (dataset, ..) in TABLES {
        let dataset = datasets::get(dataset).unwrap();
        let expected = practice.expected(dataset).await;
        follower.until(dataset.name, &expected).await;
    }
}
