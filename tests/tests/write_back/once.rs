//! Exactly once, with faults on every step and kills of every process on the way.

use std::{collections::HashMap, time::Duration};

use chairsync_proto::{
    pms::write_content::Kind,
    sync::{Write, WriteKind, WriteState},
};
use mysql_async::prelude::Queryable as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::json;

use crate::{
    office::{Office, enqueue, list, under_way},
    plan::{Asked, World, plan},
};

/// Clients that enqueue at the same time, each its own patients' writes in order.
const CLIENTS: usize = 8;

/// `CHAIRSYNC_TEST_WRITES=10000` is the long run.
fn writes() -> usize {
    std::env::var("CHAIRSYNC_TEST_WRITES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_the_pms_has_exactly_what_was_accepted() {
    let seed: u64 = std::env::var("CHAIRSYNC_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("CHAIRSYNC_SEED={seed} repeats this plan");
    let mut random = StdRng::seed_from_u64(seed);
    let mut office = Office::open(41, 150, true).await;
    let patients = office.patients(90).await;
    let chairs: Vec<i64> =
        office.sql().await.query("SELECT OperatoryNum FROM operatory ORDER BY OperatoryNum").await.unwrap();
    let clear = format!("UPDATE patient SET WkPhone = '' WHERE PatNum IN ({})", joined(&patients));
    office.sql().await.query_drop(clear).await.unwrap();
    let asked = plan(&mut random, &World { patients, chairs }, writes());

    let chances = json!({"timeout_after": 20, "timeout_before": 15, "error_after": 20, "error_before": 15,
        "drop_after": 20, "drop_before": 20, "throttled": 25, "slow": 15, "restart": 10});
    office.api.chances(seed, &chances).await;
    let enqueueing = (0..CLIENTS).map(|client| {
        let state = office.state();
        let mine: Vec<Asked> = asked.iter().filter(|a| a.patient as usize % CLIENTS == client).cloned().collect();
        let mut random = StdRng::seed_from_u64(seed ^ client as u64);
        tokio::spawn(async move {
            for a in mine {
                // A client that has not heard the answer asks again.
                let times = if random.random_ratio(1, 5) { 2 } else { 1 };
                for _ in 0..times {
                    enqueue(state.clone(), &a.key, a.kind, &a.patient.to_string(), &a.content).await;
                }
            }
        })
    });
    let enqueueing: Vec<_> = enqueueing.collect();

    // Kills while there is something to do.
    let victims = ["engagement-sync", "pms-connector", "sync-state", "stand-in"];
    let (mut kills, mut faults) = (0, 0);
    let limit = tokio::time::Instant::now() + Duration::from_secs(120 + writes() as u64 / 5);
    loop {
        tokio::time::sleep(Duration::from_millis(random.random_range(1_500..4_000))).await;
        let left = list(office.mesh.gateway(), &under_way()).await;
        let all_in = enqueueing.iter().all(tokio::task::JoinHandle::is_finished);
        if all_in && left.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
        assert!(tokio::time::Instant::now() < limit, "{} writes are left", left.map_or(0, |left| left.len()));
        if kills >= 6 + writes() / 100 {
            continue;
        }
        match victims.choose(&mut random) {
            Some(&"stand-in") => {
                faults += faults_of(&office).await;
                office.api.kill();
                office.api.spawn().await;
                office.api.chances(seed + kills as u64, &chances).await;
            }
            Some(service) => {
                office.mesh.kill(service);
                office.mesh.spawn(service);
            }
            None => unreachable!("there are victims"),
        }
        kills += 1;
    }
    for client in enqueueing {
        client.await.expect("a client is done");
    }
    faults += faults_of(&office).await;
    println!("{} writes, {kills} kills, {faults} faults", asked.len());
    assert!(kills > 0 && faults > asked.len() as u64 / 20, "it was made hard");
    let ended = list(office.mesh.gateway(), &[]).await.expect("sync-state answers");
    Books::read(&mut office).await.compare(&asked, &ended);
}

async fn faults_of(office: &Office) -> u64 {
    let counted = office.api.counted().await;
    counted["faults"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum()
}

fn joined(numbers: &[i64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A row that carries a key of ours.
struct Kept {
    number: i64,
    patient: i64,
    /// Of a payment: its cents, and its splits' cents.
    cents: Option<(i64, i64)>,
}

/// What the database holds of ours.
struct Books {
    by_kind: HashMap<&'static str, HashMap<String, Vec<Kept>>>,
    phones: HashMap<i64, String>,
}

impl Books {
    async fn read(office: &mut Office) -> Self {
        let mut sql = office.sql().await;
        let tables = [
            ("payment", "PayNum", "PayNote"),
            ("commlog", "CommlogNum", "Note"),
            ("appointment", "AptNum", "Note"),
            ("document", "DocNum", "Description"),
            ("sheet", "SheetNum", "InternalNote"),
        ];
        let mut by_kind = HashMap::new();
        for (table, key, text) in tables {
            let money = match table {
                "payment" => {
                    "ROUND(PayAmt * 100), ROUND((SELECT SUM(SplitAmt) FROM paysplit s WHERE s.PayNum = payment.PayNum) * 100)"
                }
                _ => "NULL, NULL",
            };
            let query = format!("SELECT {key}, PatNum, {text}, {money} FROM {table} WHERE {text} LIKE '%[cs:%'");
            type Row = (i64, i64, String, Option<f64>, Option<f64>);
            let rows: Vec<Row> = sql.query(query).await.expect("rows");
            let mut kept: HashMap<String, Vec<Kept>> = HashMap::new();
            for (number, patient, text, paid, split) in rows {
                let key = text.split_once("[cs:").and_then(|(_, rest)| rest.split_once(']')).expect("a tag").0;
                let cents = paid.map(|paid| (paid as i64, split.unwrap_or_default() as i64));
                kept.entry(key.to_owned()).or_default().push(Kept { number, patient, cents });
            }
            by_kind.insert(table, kept);
        }
        let phones: Vec<(i64, String)> = sql.query("SELECT PatNum, WkPhone FROM patient").await.expect("phones");
        Self { by_kind, phones: phones.into_iter().collect() }
    }

    fn compare(&self, asked: &[Asked], ended: &[Write]) {
        let by_key: HashMap<&str, &Write> = ended.iter().map(|write| (write.request_id.as_str(), write)).collect();
        assert_eq!(by_key.len(), asked.len(), "each is there once");
        let (mut verified, mut total) = (0, 0i64);
        for a in asked {
            let write = by_key[a.key.as_str()];
            let state = write.state();
            if a.bad {
                assert_eq!(state, WriteState::Rejected, "{}", write.name);
                assert!(write.error.as_ref().is_some_and(|e| e.message.contains("refused")), "{:?}", write.error);
                continue;
            }
            assert_eq!(state, WriteState::Verified, "{} {:?}: {:?}", write.name, a.kind, write.error);
            verified += 1;
            if let Some(Kind::Payment(payment)) = &a.content.kind {
                total += payment.cents;
            }
        }
        let mut rows = 0;
        for (table, kept) in &self.by_kind {
            for (key, found) in kept {
                let a = asked.iter().find(|a| a.key == *key).expect("nothing that was not asked for");
                assert!(!a.bad && table_of(a.kind) == *table, "{key} is in {table}");
                assert_eq!(found.len(), 1, "{key} is in {table} {} times", found.len());
                assert_eq!(found[0].patient, a.patient, "{key} is the patient's");
                assert_eq!(found[0].number.to_string(), by_key[key.as_str()].pms_key, "{key} under its key");
                if let Some(Kind::Payment(payment)) = &a.content.kind {
                    assert_eq!(found[0].cents, Some((payment.cents, payment.cents)), "{key} to the cent");
                }
                rows += 1;
            }
        }
        let changes = asked.iter().filter(|a| a.kind == WriteKind::PatientChange).count();
        assert_eq!(rows + changes, verified, "none is lost");
        let paid: i64 = self.by_kind["payment"].values().flatten().filter_map(|kept| kept.cents).map(|c| c.0).sum();
        assert_eq!(paid, total, "the money is all there");
        self.in_order(asked);
    }

    /// A patient's rows of one table were made in the order in which they were asked for; changes of a phone are a chain,
    /// whose end stands there only if each link was made after the one before it.
    fn in_order(&self, asked: &[Asked]) {
        let mut last: HashMap<(i64, &str), i64> = HashMap::new();
        let mut phones: HashMap<i64, &str> = HashMap::new();
        for a in asked.iter().filter(|a| !a.bad) {
            if let Some(Kind::PatientChange(change)) = &a.content.kind {
                phones.insert(a.patient, &change.changes[0].to);
                continue;
            }
            let table = table_of(a.kind);
            let number = self.by_kind[table][&a.key][0].number;
            let before = last.insert((a.patient, table), number).unwrap_or(0);
            assert!(before < number, "{}: {table} {number} came after {before}", a.patient);
        }
        for (patient, phone) in phones {
            assert_eq!(self.phones[&patient], phone);
        }
    }
}

fn table_of(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Payment => "payment",
        WriteKind::Commlog => "commlog",
        WriteKind::Appointment => "appointment",
        WriteKind::Document => "document",
        WriteKind::Sheet => "sheet",
        _ => "patient",
    }
}
