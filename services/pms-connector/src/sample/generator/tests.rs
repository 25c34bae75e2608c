//! What every generated practice must hold.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::civil::date;

use super::*;
use crate::sample::{tables, value::Value};

/// The tables of a practice in memory.
pub(crate) struct Tables(pub(crate) BTreeMap<&'static str, (&'static Table, Vec<Row>)>);

impl Tables {
    pub(crate) fn of(config: &Config) -> Self {
        let mut tables: BTreeMap<&'static str, (&'static Table, Vec<Row>)> =
            tables::ALL.iter().map(|t| (t.name, (*t, Vec::new()))).collect();
        generate(config, &[], &mut |table, row| {
            assert_eq!(row.len(), table.columns.len());
            tables.get_mut(table.name).unwrap().1.push(row);
            ControlFlow::Continue(())
        });
        Self(tables)
    }

    fn rows(&self, table: &str) -> impl Iterator<Item = Fields<'_>> {
        let (table, rows) = &self.0[table];
        rows.iter().map(move |row| Fields(table, row))
    }

    fn count(&self, table: &str, holds: impl Fn(&Fields<'_>) -> bool) -> usize {
        self.rows(table).filter(|r| holds(r)).count()
    }

    fn keys(&self, table: &str) -> HashSet<i64> {
        let (t, rows) = &self.0[table];
        rows.iter().map(|row| Fields(t, row).int(t.columns[0])).collect()
    }
}

struct Fields<'a>(&'a Table, &'a Row);

impl Fields<'_> {
    fn get(&self, column: &str) -> &Value {
        &self.1[self.0.position(column).unwrap_or_else(|| panic!("{}.{column}", self.0.name))]
    }

    fn int(&self, column: &str) -> i64 {
        match self.get(column) {
            Value::Int(i) => *i,
            _ => panic!("{column} is no integer"),
        }
    }

    fn double(&self, column: &str) -> f64 {
        match self.get(column) {
            Value::Double(d) => *d,
            _ => panic!("{column} is no double"),
        }
    }

    fn cents(&self, column: &str) -> i64 {
        cents(self.double(column))
    }

    fn day(&self, column: &str) -> Day {
        match self.get(column) {
            Value::Date(d) => *d,
            Value::DateTime(m) => m.day(),
            _ => panic!("{column} is no date"),
        }
    }

    fn text(&self, column: &str) -> &str {
        match self.get(column) {
            Value::Text(t) => t,
            Value::Null => "",
            _ => panic!("{column} is no text"),
        }
    }
}

pub(crate) fn config(seed: u64, patients: u32) -> Config {
    Config { seed, patients, as_of: date(2026, 3, 17), years: 3 }
}

/// A hash of every row, in the order in which they come.
fn checksum(config: &Config) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    generate(config, &[], &mut |table, row| {
        hasher.update(table.name.as_bytes());
        for value in &row {
            match value {
                Value::Null => hasher.update(b"null"),
                Value::Int(i) => hasher.update(&i.to_le_bytes()),
                Value::Double(d) => hasher.update(&d.to_le_bytes()),
                Value::Date(d) => hasher.update(&d.0.to_le_bytes()),
                Value::DateTime(m) => hasher.update(&m.0.to_le_bytes()),
                Value::Stamp(s) => hasher.update(&s.0.to_le_bytes()),
                Value::Time(t) => hasher.update(&t.0.to_le_bytes()),
                Value::Text(t) => hasher.update(t.as_bytes()),
            }
        }
        ControlFlow::Continue(())
    });
    hasher.finalize()
}

#[test]
fn the_same_seed_gives_the_same_practice_and_another_seed_another() {
    assert_eq!(checksum(&config(7, 300)), checksum(&config(7, 300)));
    assert_ne!(checksum(&config(7, 300)), checksum(&config(8, 300)));
}

#[test]
fn leaving_tables_out_changes_no_row_of_the_others() {
    let whole = Tables::of(&config(5, 120));
    let mut rows = Vec::new();
    generate(&config(5, 120), &["procedurelog"], &mut |table, row| {
        assert_eq!(table.name, "procedurelog");
        rows.push(row);
        ControlFlow::Continue(())
    });
    assert!(whole.0["procedurelog"].1 == rows);
}

#[test]
fn the_generation_stops_when_told() {
    let mut count = 0;
    generate(&config(5, 500), &["procedurelog"], &mut |_, _| {
        count += 1;
        if count == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(count, 10);
}

#[test]
fn keys_are_unique_and_not_in_the_order_of_time() {
    let practice = Tables::of(&config(3, 400));
    for (name, (table, rows)) in &practice.0 {
        let keys: BTreeSet<String> = rows
            .iter()
            .map(|r| match &r[0] {
                Value::Int(i) => format!("{i}"),
                Value::Text(t) => t.to_string(),
                _ => panic!("{name}: key {}", table.columns[0]),
            })
            .collect();
        assert_eq!(keys.len(), rows.len(), "{name}");
    }
    let by_key: BTreeMap<i64, Day> =
        practice.rows("procedurelog").map(|r| (r.int("ProcNum"), r.day("ProcDate"))).collect();
    let days: Vec<Day> = by_key.into_values().collect();
    assert!(days.windows(2).any(|w| w[0] > w[1]));
    assert!(practice.count("paysplit", |r| r.int("SplitNum") > FAR) > 10);
}

#[test]
fn money_adds_up() {
    for seed in 0..5 {
        let practice = Tables::of(&config(seed, 400));
        let mut splits: HashMap<i64, i64> = HashMap::new();
        for split in practice.rows("paysplit") {
            *splits.entry(split.int("PayNum")).or_default() += split.cents("SplitAmt");
        }
        for payment in practice.rows("payment") {
            assert_eq!(splits.remove(&payment.int("PayNum")), Some(payment.cents("PayAmt")));
        }
        assert!(splits.is_empty(), "every split has its payment");
        let mut checks: HashMap<i64, i64> = HashMap::new();
        for line in practice.rows("claimproc").filter(|r| r.int("ClaimPaymentNum") != 0) {
            *checks.entry(line.int("ClaimPaymentNum")).or_default() += line.cents("InsPayAmt");
        }
        for check in practice.rows("claimpayment") {
            assert_eq!(checks.remove(&check.int("ClaimPaymentNum")), Some(check.cents("CheckAmt")));
        }
        assert!(checks.is_empty(), "every line's check exists");
    }
}

#[test]
fn references_lead_somewhere() {
    let practice = Tables::of(&config(11, 500));
    for (table, column, to) in [
        ("claimproc", "ClaimNum", "claim"),
        ("claimproc", "ProcNum", "procedurelog"),
        ("claimproc", "PlanNum", "insplan"),
        ("claimproc", "InsSubNum", "inssub"),
        ("claim", "PatNum", "patient"),
        ("procedurelog", "PatNum", "patient"),
        ("procedurelog", "AptNum", "appointment"),
        ("procedurelog", "PlannedAptNum", "appointment"),
        ("procedurelog", "CodeNum", "procedurecode"),
        ("appointment", "PatNum", "patient"),
        ("appointment", "Op", "operatory"),
        ("appointment", "Confirmed", "definition"),
        ("appointment", "NextAptNum", "appointment"),
        ("patient", "Guarantor", "patient"),
        ("patplan", "InsSubNum", "inssub"),
        ("inssub", "PlanNum", "insplan"),
        ("insplan", "CarrierNum", "carrier"),
        ("paysplit", "ProcNum", "procedurelog"),
        ("paysplit", "PayPlanNum", "payplan"),
        ("paysplit", "FSplitNum", "paysplit"),
        ("adjustment", "ProcNum", "procedurelog"),
        ("adjustment", "AdjType", "definition"),
        ("payplancharge", "PayPlanNum", "payplan"),
        ("treatplanattach", "TreatPlanNum", "treatplan"),
        ("treatplanattach", "ProcNum", "procedurelog"),
        ("proctp", "ProcNumOrig", "procedurelog"),
        ("scheduleop", "ScheduleNum", "schedule"),
        ("scheduleop", "OperatoryNum", "operatory"),
        ("schedule", "ProvNum", "provider"),
        ("recall", "PatNum", "patient"),
        ("refattach", "ReferralNum", "referral"),
        ("smsfrommobile", "CommlogNum", "commlog"),
    ] {
        let keys = practice.keys(to);
        for row in practice.rows(table) {
            let to_key = row.int(column);
            assert!(to_key == 0 || keys.contains(&to_key), "{table}.{column} = {to_key}");
        }
    }
}

#[test]
fn the_past_is_done_and_nothing_is_stamped_after_the_current_date() {
    let config = config(2, 500);
    let practice = Tables::of(&config);
    let as_of = config.as_of_day();
    for (_, (table, rows)) in practice.0.iter().filter(|(_, (t, _))| t.stamp().is_some()) {
        let stamp = table.stamp().unwrap();
        for row in rows {
            let Value::Stamp(at) = row[stamp] else { panic!("{}: no stamp", table.name) };
            assert!(at.0 > 0 && at.0 < as_of.at(0).0, "{}", table.name);
        }
    }
    assert_eq!(practice.count("procedurelog", |r| r.int("ProcStatus") == 2 && r.day("ProcDate") >= as_of), 0);
    assert_eq!(practice.count("appointment", |r| r.int("AptStatus") == 2 && r.day("AptDateTime") >= as_of), 0);
}

#[test]
fn a_chair_holds_two_patients_only_where_someone_was_squeezed_in() {
    let practice = Tables::of(&config(4, 500));
    let mut chairs: BTreeMap<(i64, i64), Vec<(i64, i64)>> = BTreeMap::new();
    for row in practice.rows("appointment").filter(|r| [1, 2, 4].contains(&r.int("AptStatus"))) {
        let Value::DateTime(at) = row.get("AptDateTime") else { panic!() };
        let end = at.0 + 300 * i64::try_from(row.text("Pattern").len()).unwrap();
        chairs.entry((row.int("Op"), i64::from(at.day().0))).or_default().push((at.0, end));
    }
    let (mut pairs, mut overlaps) = (0, 0);
    for slots in chairs.values_mut() {
        slots.sort_unstable();
        pairs += slots.len();
        overlaps += slots.windows(2).filter(|w| w[1].0 < w[0].1).count();
    }
    assert!(overlaps > 0 && overlaps * 20 < pairs, "{overlaps} of {pairs}");
}

/// Every odd case that a rule of the product speaks of is there, in a practice of the default size.
#[test]
fn every_odd_case_is_present() {
    for seed in [1, 42, 20_260] {
        let config = config(seed, 500);
        let p = Tables::of(&config);
        let as_of = config.as_of_day();
        let mut missing = Vec::new();
        let mut has = |what: &'static str, count: usize| {
            if count == 0 {
                missing.push(what);
            }
        };
        for status in 0..=6 {
            has("patient status", p.count("patient", |r| r.int("PatStatus") == status));
        }
        for status in 1..=8_i64 {
            has(
                ["", "1", "2", "3", "4: ASAP", "5", "6", "7: note", "8: note"][usize::try_from(status).unwrap()],
                p.count("appointment", |r| r.int("AptStatus") == status),
            );
        }
        for status in 1..=8 {
            let found = p.count("procedurelog", |r| r.int("ProcStatus") == status);
            assert!(found > 0 || [3, 4, 5, 7].contains(&status), "seed {seed}: no procedure status {status}");
        }
        for status in 0..=9 {
            let found = p.count("claimproc", |r| r.int("Status") == status);
            assert!(found > 0 || [3, 9].contains(&status), "seed {seed}: no claim line status {status}");
        }
        for status in ["S", "R", "U", "W", "H"] {
            has("claim status", p.count("claim", |r| r.text("ClaimStatus") == status));
        }
        for kind in ["P", "S", "PreAuth"] {
            has("claim type", p.count("claim", |r| r.text("ClaimType") == kind));
        }
        for action in 0..=4 {
            has("history action", p.count("histappointment", |r| r.int("HistApptAction") == action));
        }
        for mode in [1, 3, 5] {
            has("commlog mode", p.count("commlog", |r| r.int("Mode_") == mode));
        }
        has("zero birth date", p.count("patient", |r| r.day("Birthdate").is_zero()));
        has("past unmarked", p.count("appointment", |r| r.int("AptStatus") == 1 && r.day("AptDateTime") < as_of));
        has(
            "appointment today or later",
            p.count("appointment", |r| r.int("AptStatus") == 1 && r.day("AptDateTime") >= as_of),
        );
        has("new patient", p.count("appointment", |r| r.int("IsNewPatient") == 1));
        has("assistant time", p.count("appointment", |r| r.text("Pattern").contains("X/")));
        has("no units", p.count("procedurelog", |r| r.int("UnitQty") + r.int("BaseUnits") == 0));
        has("many units", p.count("procedurelog", |r| r.int("UnitQty") + r.int("BaseUnits") > 1));
        has("base units", p.count("procedurelog", |r| r.int("BaseUnits") > 0));
        has("zero fee", p.count("procedurelog", |r| r.double("ProcFee") == 0.0 && r.int("ProcStatus") == 2));
        has("parts of a cent", p.count("procedurelog", |r| (r.double("ProcFee") * 100.0).fract() != 0.0));
        has("discount", p.count("procedurelog", |r| r.double("Discount") != 0.0));
        has("planned appointment's work", p.count("procedurelog", |r| r.int("PlannedAptNum") != 0));
        has("unknown provider", p.count("procedurelog", |r| r.int("ProvNum") == 0));
        has(
            "late posting",
            p.count("procedurelog", |r| r.int("ProcStatus") == 2 && r.day("DateEntryC") > r.day("ProcDate")),
        );
        let broken: Vec<i64> = ["D9986", "D9987"].iter().map(|c| codes::number(codes::place(c))).collect();
        has("broken code", p.count("procedurelog", |r| broken.contains(&r.int("CodeNum"))));
        has("raise", p.count("adjustment", |r| r.double("AdjAmt") > 0.0));
        has("unattached adjustment", p.count("adjustment", |r| r.int("ProcNum") == 0));
        has("adjustment in parts of a cent", p.count("adjustment", |r| (r.double("AdjAmt") * 100.0).fract() != 0.0));
        has("prepayment", p.count("paysplit", |r| r.int("UnearnedType") == def::PREPAYMENT));
        has("hidden prepayment", p.count("paysplit", |r| r.int("UnearnedType") == def::PREPAYMENT_HIDDEN));
        has("refund", p.count("payment", |r| r.double("PayAmt") < 0.0));
        has("transfer", p.count("payment", |r| r.double("PayAmt") == 0.0));
        has("split without procedure", p.count("paysplit", |r| r.int("ProcNum") == 0));
        has("late payment", p.count("payment", |r| r.day("DateEntry") > r.day("PayDate")));
        has("split of a plan", p.count("paysplit", |r| r.int("PayPlanChargeNum") != 0));
        let dates: HashMap<i64, Day> = p.rows("payment").map(|r| (r.int("PayNum"), r.day("PayDate"))).collect();
        has("own split date", p.count("paysplit", |r| dates[&r.int("PayNum")] != r.day("DatePay")));
        has("no check", p.count("claimproc", |r| r.int("Status") == 1 && r.int("ClaimPaymentNum") == 0));
        has("short", p.count("claimproc", |r| r.int("Status") == 1 && r.text("Remarks") == "over the allowance"));
        has("rejected", p.count("claimproc", |r| r.text("Remarks") == "not covered"));
        has("unset estimate", p.count("claimproc", |r| r.double("WriteOffEst") == -1.0));
        has("capitation", p.count("claimproc", |r| r.int("Status") == 7 && r.double("WriteOff") > 0.0));
        has("debit", p.count("payplancharge", |r| r.int("ChargeType") == 0));
        has("credit", p.count("payplancharge", |r| r.int("ChargeType") == 1));
        has("disabled recall", p.count("recall", |r| r.int("IsDisabled") == 1));
        has("scheduled recall", p.count("recall", |r| !r.day("DateScheduled").is_zero()));
        has("due recall", p.count("recall", |r| r.int("IsDisabled") == 0 && r.day("DateDue") < as_of));
        has("holiday", p.count("schedule", |r| r.int("Status") == 2 && r.int("ClinicNum") == 0));
        has("local holiday", p.count("schedule", |r| r.int("Status") == 2 && r.int("ClinicNum") != 0));
        let closed = |r: &Fields<'_>| def::BLOCK_NS.contains(&r.int("BlockoutType"));
        has("closed chair", p.count("schedule", closed));
        has("blockout", p.count("schedule", |r| def::BLOCK.contains(&r.int("BlockoutType"))));
        let tied = p.rows("scheduleop").map(|r| r.int("ScheduleNum")).collect::<HashSet<_>>();
        has("tied hours", p.count("schedule", |r| r.int("SchedType") == 1 && tied.contains(&r.int("ScheduleNum"))));
        has("untied hours", p.count("schedule", |r| r.int("SchedType") == 1 && !tied.contains(&r.int("ScheduleNum"))));
        has("hidden provider", p.count("provider", |r| r.int("IsHidden") == 1));
        has("ended provider", p.count("provider", |r| !r.day("DateTerm").is_zero()));
        has("no goal", p.count("provider", |r| r.double("HourlyProdGoalAmt") == 0.0 && r.int("IsHidden") == 0));
        has("second insurance", p.count("patplan", |r| r.int("Ordinal") == 2));
        has("ended insurance", p.count("inssub", |r| !r.day("DateTerm").is_zero()));
        has("saved plan", p.count("treatplan", |r| r.int("TPStatus") == 0));
        has("active plan", p.count("treatplan", |r| r.int("TPStatus") == 1));
        has("accents", p.count("patient", |r| !r.text("LName").is_ascii()));
        has("quotes", p.count("patient", |r| r.text("LName").contains('\'') || r.text("FName").contains('"')));
        has("API payment", p.count("payment", |r| r.int("PaymentSource") == 13));
        has("deleted sheet", p.count("sheet", |r| r.int("IsDeleted") == 1));
        has("unread message", p.count("smsfrommobile", |r| r.int("SmsStatus") == 0));
        let per_patient = p.0["procedurelog"].1.len() / 500;
        assert!((15..45).contains(&per_patient), "{per_patient} procedures a patient");
        assert!(missing.is_empty(), "seed {seed}: no {missing:?}");
    }
    // Rare ones need a larger practice.
    let p = Tables::of(&config(9, 4_000));
    for (what, count) in [
        ("no provider's row", p.count("procedurelog", |r| r.int("ProvNum") == staff::LOST_PROVIDER)),
        ("line dated ahead", p.count("claimproc", |r| r.int("Status") == 1 && r.day("DateCP") > date_of(9))),
        ("line of no procedure", p.count("claimproc", |r| r.int("Status") == 1 && r.int("ProcNum") == 0)),
        ("dynamic plan", p.count("payplan", |r| r.int("IsDynamic") == 1)),
        ("insurer's plan", p.count("payplan", |r| r.int("PlanNum") != 0)),
        ("benefit used elsewhere", p.count("claimproc", |r| r.int("Status") == 3)),
        ("insurance history", p.count("claimproc", |r| r.int("Status") == 9)),
        ("referred out", p.count("procedurelog", |r| r.int("ProcStatus") == 5)),
        ("old zero date", p.count("patient", |r| r.get("Birthdate") == &Value::Date(Day::NOUGHT))),
    ] {
        assert!(count > 0, "no {what}");
    }
}

fn date_of(seed: u64) -> Day {
    config(seed, 1).as_of_day()
}

#[test]
fn every_canonical_column_is_set() {
    let of = |name: &str| name.replace('_', "").to_lowercase();
    for dataset in mesh::datasets::all() {
        let key = of(dataset.key);
        let table = tables::ALL.iter().find(|t| {
            let columns: Vec<String> = t.columns.iter().map(|c| of(c)).collect();
            columns[0] == key && dataset.columns.iter().all(|c| columns.contains(&of(c.name)))
        });
        assert!(table.is_some(), "{}", dataset.name);
    }
}
