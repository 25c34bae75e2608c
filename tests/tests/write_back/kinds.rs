//! Each kind of write, what is refused, and the switch of automatic write-back.

use chairsync_proto::{
    pms::{
        AllocationWrite, AppointmentChangeWrite, AppointmentWrite, BreakAppointment, CommlogWrite, FieldChange,
        MoveAppointment, PatientChangeWrite, PatientField, PatientWrite, PaymentWrite, ProcedureAmount, RefundWrite,
        WriteContent, appointment_change_write::Change, write_content::Kind,
    },
    sync::{Write, WriteKind, WriteState},
};
use mysql_async::prelude::Queryable as _;

use crate::office::{Office, enqueue};

fn content(kind: Kind) -> WriteContent {
    WriteContent { kind: Some(kind) }
}

fn payment(patient: i64, cents: i64) -> WriteContent {
    let pay_date = "2026-11-20".to_owned();
    content(Kind::Payment(PaymentWrite { patient, cents, pay_date, note: "Online".to_owned(), ..Default::default() }))
}

fn why(write: &Write) -> &str {
    write.error.as_ref().map_or("", |error| error.message.as_str())
}

fn verified(write: &Write) -> i64 {
    assert_eq!(write.state(), WriteState::Verified, "{write:?}");
    write.pms_key.parse().expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_write_does_what_it_says_and_says_why_it_does_not() {
    let office = Office::open(43, 60, true).await;
    let patients = office.patients(20).await;
    money(&office, &patients).await;
    appointments(&office, &patients).await;
    people(&office, &patients).await;
    odd_answers(&office, &patients).await;
}

async fn money(office: &Office, patients: &[i64]) {
    let (mut sql, patient) = (office.sql().await, patients[0]);
    let pay = |key: &'static str, cents| office.write(key, WriteKind::Payment, patient, payment(patient, cents));
    let paid = verified(&pay("money-1", 12_345).await);
    let (amount, source, note): (f64, i64, String) = sql
        .exec_first("SELECT PayAmt, PaymentSource, PayNote FROM payment WHERE PayNum = ?", (paid,))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((amount, source, note.as_str()), (123.45, 13, "Online [cs:money-1]"));

    // Older than the API's refund: staff do it.
    let refund = |cents| content(Kind::Refund(RefundWrite { payment: paid, patient, cents }));
    let give_back = |key: &'static str, cents| office.write(key, WriteKind::Refund, patient, refund(cents));
    let old = give_back("back-0", 12_345).await;
    assert!(old.state() == WriteState::Rejected && why(&old).contains("24.4.28"), "{old:?}");
    sql.query_drop("UPDATE preference SET ValueString = '25.1.20.0' WHERE PrefName = 'DataBaseVersion'").await.unwrap();
    let part = give_back("back-1", 5_000).await;
    assert!(part.state() == WriteState::Rejected && why(&part).contains("whole payments"), "{part:?}");

    // Made and never answered: found again by the payment's tag, marked, and not made twice.
    office.api.next("drop_after", "/payments/Refund", 1).await;
    let back = verified(&give_back("back-2", 12_345).await);
    let refunds: Vec<(i64, f64, String)> = sql
        .exec(
            "SELECT PayNum, PayAmt, PayNote FROM payment WHERE PatNum = ? AND PayAmt < 0 AND PayNote LIKE '%[cs:%'",
            (patient,),
        )
        .await
        .unwrap();
    assert_eq!(refunds, [(back, -123.45, "Online [cs:money-1] [cs:back-2]".to_owned())]);
    let again = give_back("back-3", 12_345).await;
    assert!(again.state() == WriteState::Conflict && why(&again).contains("refunded already"), "{again:?}");

    // Exact splits in place of the PMS's own.
    let charge: Option<(i64, i64)> = sql
        .query_first(
            "SELECT p.PatNum, p.ProcNum FROM procedurelog p WHERE p.ProcStatus = 2 AND p.ProcFee > 50 \
             AND NOT EXISTS (SELECT 1 FROM paysplit s WHERE s.ProcNum = p.ProcNum) \
             AND NOT EXISTS (SELECT 1 FROM claimproc c WHERE c.ProcNum = p.ProcNum) ORDER BY p.ProcNum LIMIT 1",
        )
        .await
        .unwrap();
    let (owner, procedure) = charge.expect("an unpaid procedure");
    let whole = PaymentWrite {
        patient: owner,
        cents: 1_001,
        pay_date: "2026-11-20".to_owned(),
        prepayment: true,
        ..Default::default()
    };
    let paid = office.write("money-2", WriteKind::Payment, owner, content(Kind::Payment(whole))).await;
    let paid = verified(&paid);
    let unearned: i64 =
        sql.exec_first("SELECT UnearnedType FROM paysplit WHERE PayNum = ?", (paid,)).await.unwrap().unwrap();
    assert_ne!(unearned, 0, "a prepayment is one split of unearned money");
    let amounts = vec![ProcedureAmount { procedure, cents: 1_001 }];
    let exact = content(Kind::Allocation(AllocationWrite { payment: paid, patient: owner, amounts }));
    verified(&office.write("exact-1", WriteKind::Allocation, owner, exact).await);
    let splits: Vec<(i64, f64)> =
        sql.exec("SELECT ProcNum, SplitAmt FROM paysplit WHERE PayNum = ?", (paid,)).await.unwrap();
    assert_eq!(splits, [(procedure, 10.01)]);
}

async fn appointments(office: &Office, patients: &[i64]) {
    let mut sql = office.sql().await;
    let chairs: Vec<i64> = sql.query("SELECT OperatoryNum FROM operatory ORDER BY OperatoryNum").await.unwrap();
    let book = |key: &'static str, patient: i64, start: &'static str| {
        let (start, pattern) = (start.to_owned(), "/XXXX/".to_owned());
        let asked = AppointmentWrite { patient, operatory: chairs[0], start, pattern, ..Default::default() };
        office.write(key, WriteKind::Appointment, patient, content(Kind::Appointment(asked)))
    };
    let number = verified(&book("apt-1", patients[0], "2031-05-05 09:00:00").await);
    let taken = book("apt-2", patients[1], "2031-05-05 09:15:00").await;
    assert!(taken.state() == WriteState::Conflict && why(&taken).contains("taken"), "{taken:?}");
    verified(&book("apt-3", patients[1], "2031-05-05 09:30:00").await);

    let change = |key: &'static str, seen: &str, change: Change| {
        let patient = patients[0];
        let asked =
            AppointmentChangeWrite { appointment: number, patient, seen_start: seen.to_owned(), change: Some(change) };
        office.write(key, WriteKind::AppointmentChange, patient, content(Kind::AppointmentChange(asked)))
    };
    let to = |start: &str| Change::Move(MoveAppointment { start: start.to_owned(), operatory: chairs[1], provider: 0 });
    let stale = change("chg-1", "2031-05-05 08:00:00", to("2031-05-06 09:00:00")).await;
    assert!(stale.state() == WriteState::Conflict && why(&stale).contains("moved"), "{stale:?}");
    verified(&change("chg-2", "2031-05-05 09:00:00", to("2031-05-06 09:00:00")).await);
    verified(&change("chg-3", "", Change::Confirm(102)).await);
    office.api.next("timeout_after", "/appointments", 1).await;
    verified(&change("chg-4", "", Change::NoteLine("Running late".to_owned())).await);
    verified(&change("chg-5", "", Change::Break(BreakAppointment { unscheduled_list: false })).await);
    let (status, operatory, confirmed, note): (i64, i64, i64, String) = sql
        .exec_first("SELECT AptStatus, Op, Confirmed, Note FROM appointment WHERE AptNum = ?", (number,))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((status, operatory, confirmed), (5, chairs[1], 102));
    assert_eq!(note, "[cs:apt-1]\r\nRunning late [cs:chg-4]", "the line stands there once");
    let over = change("chg-6", "", Change::Confirm(103)).await;
    assert!(over.state() == WriteState::Conflict && why(&over).contains("no longer scheduled"), "{over:?}");
}

async fn people(office: &Office, patients: &[i64]) {
    let (mut sql, patient) = (office.sql().await, patients[2]);
    let change = |key: &'static str, from: String, to: &str| {
        let changes = vec![FieldChange { field: PatientField::City.into(), from, to: to.to_owned() }];
        let asked = content(Kind::PatientChange(PatientChangeWrite { patient, changes }));
        office.write(key, WriteKind::PatientChange, patient, asked)
    };
    let city = "SELECT City FROM patient WHERE PatNum = ?";
    let before: String = sql.exec_first(city, (patient,)).await.unwrap().unwrap();
    verified(&change("pat-1", before, "Springfield").await);
    let lost = change("pat-2", "Elsewhere".to_owned(), "Nowhere").await;
    assert!(lost.state() == WriteState::Conflict && why(&lost).starts_with("City"), "{lost:?}");
    assert_eq!(sql.exec_first::<String, _, _>(city, (patient,)).await.unwrap().unwrap(), "Springfield");

    let new = |key: &'static str| {
        let asked = PatientWrite {
            last_name: "Newcomer".to_owned(),
            first_name: "Nora".to_owned(),
            birthdate: "1990-02-03".to_owned(),
            mobile_phone: "(555) 010-0199".to_owned(),
            email: "nora@example.com".to_owned(),
        };
        let content = content(Kind::Patient(asked));
        async move {
            let write = enqueue(office.state(), key, WriteKind::Patient, key, &content).await;
            office.ended(&write.name).await
        }
    };
    office.api.next("error_after", "/patients", 1).await;
    let number = verified(&new("new-1").await);
    let twice = new("new-2").await;
    assert!(twice.state() == WriteState::Conflict && why(&twice).contains("staff"), "{twice:?}");
    let there: Vec<i64> = sql.query("SELECT PatNum FROM patient WHERE LName = 'Newcomer'").await.unwrap();
    assert_eq!(there, [number]);
}

/// What a PMS does that it should not: the write ends with a reason that names the row, never with a patient.
async fn odd_answers(office: &Office, patients: &[i64]) {
    let patient = patients[3];
    let say = |key: &'static str| {
        let (time, note) = ("2026-11-20 10:30:00".to_owned(), "Hello".to_owned());
        let asked = content(Kind::Commlog(CommlogWrite { patient, time, note, ..Default::default() }));
        office.write(key, WriteKind::Commlog, patient, asked)
    };
    office.api.next("twice", "/commlogs", 1).await;
    let twice = say("odd-1").await;
    assert!(twice.state() == WriteState::Conflict && why(&twice).contains("twice"), "{twice:?}");
    office.api.next("wrong_row", "/commlogs", 1).await;
    let wrong = say("odd-2").await;
    assert!(wrong.state() == WriteState::Conflict && why(&wrong).contains("another patient"), "{wrong:?}");
    office.api.next("refused", "/commlogs", 1).await;
    let refused = say("odd-3").await;
    assert_eq!(refused.state(), WriteState::Rejected);
    assert!(why(&refused).contains("PatNum") && !why(&refused).contains("Miller"), "{refused:?}");
    for fault in ["timeout_before", "slow", "throttled", "restart", "drop_before", "error_before"] {
        office.api.next(fault, "/commlogs", 1).await;
    }
    verified(&say("odd-4").await);
    verified(&say("odd-5").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_held_until_automatic_write_back_is_on_and_goes_in_order() {
    let office = Office::open(44, 30, false).await;
    let patient = office.patients(1).await[0];
    let mut held = Vec::new();
    for number in 0..5 {
        let key = format!("held-{number}");
        let content = payment(patient, 100 + number);
        held.push(enqueue(office.state(), &key, WriteKind::Payment, &patient.to_string(), &content).await);
    }
    assert!(held.iter().all(|write| write.state() == WriteState::Held));
    // What is no money passes.
    let (time, note) = ("2026-11-20 10:30:00".to_owned(), "Hello".to_owned());
    let said = content(Kind::Commlog(CommlogWrite { patient, time, note, ..Default::default() }));
    verified(&office.write("passes", WriteKind::Commlog, patient, said).await);
    let mut sql = office.sql().await;
    let count = "SELECT COUNT(*) FROM payment WHERE PayNote LIKE '%[cs:held%'";
    assert_eq!(sql.query_first::<i64, _>(count).await.unwrap(), Some(0));

    office.automatic(true).await;
    let mut numbers = Vec::new();
    for write in &held {
        // Held ones are released by a step of sync-state's own; until then they are not under way.
        let released = async {
            loop {
                let write = office.ended(&write.name).await;
                if write.state() != WriteState::Held {
                    return write;
                }
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            }
        };
        let released = tokio::time::timeout(std::time::Duration::from_secs(30), released);
        numbers.push(verified(&released.await.expect("it is released")));
    }
    assert!(numbers.is_sorted(), "{numbers:?}");
}
