//! Schedule Analysis against hand-computed days; what must hold whatever the schedule is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chairsync_proto::{
    analytics::{ScheduleGrouping, ScheduleRow, schedule_row::Key},
    google_type,
};
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    hours::{availability::Hours, intervals},
    testing::Practice,
};

const D: Date = date(2026, 3, 31);
const NORTH: &str = "practices/north";

fn present() -> BTreeSet<String> {
    NEEDS.iter().map(|name| (*name).to_owned()).collect()
}

async fn analysed(
    practice: &Practice,
    request: GetScheduleAnalysisRequest,
) -> Result<GetScheduleAnalysisResponse, BooksError> {
    let question = Question { practice: "north".into(), currency: "USD".into(), date: D, now: D.at(1, 0, 0, 0) };
    let asked = Asked::parse("north", &request)?;
    compute(&practice.books().await, &question, &asked, &present()).await
}

/// The analysis of one day.
async fn day(practice: &Practice, grouping: ScheduleGrouping, date: Date) -> GetScheduleAnalysisResponse {
    let request = GetScheduleAnalysisRequest {
        grouping: grouping.into(),
        range: Some(range::to_proto((date, date))),
        include_openings: true,
        ..Default::default()
    };
    analysed(practice, request).await.unwrap()
}

fn cents(money: &Option<google_type::Money>) -> i64 {
    let money = money.as_ref().unwrap();
    money.units * 100 + i64::from(money.nanos / 10_000_000)
}

fn hours(number: i64, day: &str, from: &str, to: &str, provider: i64) -> Value {
    json!({"schedule_num": number, "sched_date": day, "start_time": from, "stop_time": to, "sched_type": 1,
        "prov_num": provider})
}

fn tie(number: i64, schedule: i64, chair: i64) -> Value {
    json!({"schedule_op_num": number, "schedule_num": schedule, "operatory_num": chair})
}

fn appointment(number: i64, status: i64, at: &str, length: usize, chair: i64) -> Value {
    json!({"apt_num": number, "pat_num": 1, "apt_status": status, "apt_date_time": at, "pattern": "X".repeat(length / 5),
        "prov_num": 1, "op": chair, "sec_date_t_entry": "2026-03-21T10:00:00"})
}

fn work(number: i64, appointment: i64, provider: i64, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": 1, "apt_num": appointment, "prov_num": provider, "proc_status": 1, "proc_fee": fee,
        "unit_qty": 1})
}

/// features.md §2, example 5, with a hygienist who only does work, and a goal of 120 an hour.
fn example() -> Practice {
    Practice::new()
        .with("patient", json!({"pat_num": 1}))
        .with("patient", json!({"pat_num": 2, "pat_status": 4}))
        .with("provider", json!({"prov_num": 1, "abbr": "DOC", "hourly_prod_goal_amt": "120"}))
        .with("provider", json!({"prov_num": 2, "abbr": "AHYG"}))
        .all("operatory", (1..=3).map(|n| json!({"operatory_num": n, "abbrev": format!("OP{n}"), "clinic_num": n})))
        .with("definition", json!({"def_num": 5, "item_value": "NS"}))
        .all("schedule", [hours(1, "2026-03-31", "08:00", "12:00", 1), hours(2, "2026-03-31", "13:00", "17:00", 1)])
        .with(
            "schedule",
            json!({"schedule_num": 3, "sched_date": "2026-03-31", "start_time": "16:30", "stop_time": "17:00",
            "sched_type": 2, "blockout_type": 5}),
        )
        .all("schedule_operatory", [tie(1, 1, 1), tie(2, 1, 2), tie(3, 2, 1), tie(4, 3, 1)])
        .with("appointment", appointment(1, 1, "2026-03-31T08:00:00", 60, 1))
        .with("appointment", appointment(2, 4, "2026-03-31T08:30:00", 60, 2))
        .with("appointment", appointment(3, 2, "2026-03-31T13:00:00", 180, 1))
        .with("appointment", appointment(4, 5, "2026-03-31T11:00:00", 60, 1))
        .all("procedure", [work(1, 1, 1, "600"), work(2, 1, 2, "75"), work(3, 4, 1, "999"), work(4, 3, 1, "300")])
}

#[tokio::test]
async fn a_providers_day() {
    let answer = day(&example(), ScheduleGrouping::Provider, D).await;
    let doc = &answer.rows[1];
    assert_eq!((doc.available_minutes, doc.booked_minutes), (450, 270));
    assert_eq!(doc.utilization_pct.as_ref().unwrap().value, Some(60.0));
    let openings: Vec<_> = doc
        .openings
        .iter()
        .map(|o| (o.start.as_ref().unwrap().minute_of_day, o.minutes, cents(&o.opportunity)))
        .collect();
    assert_eq!(openings, [(570, 150, 30_000), (960, 30, 6_000)]);
    assert_eq!((doc.opening_count, doc.opening_minutes, cents(&doc.opening_opportunity)), (2, 180, 36_000));
    assert_eq!((doc.outside_hours_minutes, doc.double_booked_minutes, doc.blocked_minutes), (0, 30, 30));
    assert_eq!((doc.appointments, doc.median_lead_days), (3, Some(10.0)));
    // 900 of its own work in 7.5 hours; the hygienist's is the hygienist's, who has no hours.
    let rate = doc.production_per_open_hour.as_ref().unwrap();
    assert_eq!((cents(&rate.numerator), rate.denominator, cents(&rate.value)), (90_000, 7.5, 12_000));
    let hygienist = &answer.rows[0];
    assert!(matches!(&hygienist.key, Some(Key::Provider(p)) if p.display_name == "AHYG"), "by name");
    let rate = hygienist.production_per_open_hour.as_ref().unwrap();
    assert_eq!((cents(&rate.numerator), rate.value.is_none()), (7_500, true));
    let total = answer.total.unwrap();
    assert_eq!((total.available_minutes, cents(&total.production_per_open_hour.unwrap().numerator)), (450, 97_500));
    assert!(total.key.is_none() && total.openings.is_empty());
}

#[tokio::test]
async fn a_chairs_day() {
    let answer = day(&example(), ScheduleGrouping::Operatory, D).await;
    let minutes =
        |row: &ScheduleRow| (row.available_minutes, row.booked_minutes, row.blocked_minutes, row.outside_hours_minutes);
    assert_eq!(answer.rows.iter().map(minutes).collect::<Vec<_>>(), [(450, 240, 30, 0), (240, 60, 0, 0)]);
    assert_eq!(minutes(answer.total.as_ref().unwrap()), (690, 300, 30, 0));
    let first = &answer.rows[0];
    assert_eq!((first.double_booked_minutes, first.openings.len()), (0, 2));
    let opening = &first.openings[0];
    assert_eq!((opening.minutes, cents(&opening.opportunity)), (180, 36_000));
    assert_eq!(opening.provider.as_ref().unwrap().display_name, "DOC");
    assert_eq!(cents(&first.production_per_open_hour.as_ref().unwrap().numerator), 97_500);
}

#[tokio::test]
async fn broken_minutes_are_filled_in_their_own_chair() {
    let practice = example()
        .with("appointment", appointment(5, 1, "2026-03-31T11:20:00", 20, 1))
        .with("appointment", appointment(6, 1, "2026-03-31T11:00:00", 60, 2))
        .with("appointment", appointment(7, 5, "2026-03-31T11:00:00", 60, 0))
        .with("appointment", appointment(8, 1, "2026-03-31T11:00:00", 60, 0));
    let row = day(&practice, ScheduleGrouping::Day, D).await.rows.remove(0);
    let filled = row.broken_refilled_pct.unwrap();
    assert_eq!((row.broken_minutes, filled.numerator, filled.value), (120, 20, Some(16.7)));
}

/// What lies outside hours, past midnight, at no known provider or chair, or is a deleted patient's.
#[tokio::test]
async fn odd_appointments_stay_visible() {
    let mut unknown = appointment(5, 1, "2026-03-31T18:00:00", 30, 77);
    unknown["prov_num"] = json!(99);
    let mut deleted = appointment(6, 1, "2026-03-31T12:00:00", 60, 1);
    deleted["pat_num"] = json!(2);
    let mut undated = appointment(7, 1, "2026-03-31T23:30:00", 60, 1);
    undated["sec_date_t_entry"] = Value::Null;
    let practice = example().all("appointment", [unknown, deleted, undated]);
    let answer = day(&practice, ScheduleGrouping::Provider, D).await;
    let last = answer.rows.last().unwrap();
    assert!(matches!(&last.key, Some(Key::Provider(p)) if p.display_name == "unassigned" && p.name.is_empty()));
    assert_eq!(
        (last.outside_hours_minutes, last.available_minutes, last.utilization_pct.as_ref().unwrap().value),
        (30, 0, None)
    );
    let doc = &answer.rows[1];
    assert_eq!((doc.outside_hours_minutes, doc.booked_minutes, doc.appointments), (120, 270, 4));

    let by_hour = day(&practice, ScheduleGrouping::WeekdayHour, D).await;
    let outside: Vec<_> = by_hour.rows.iter().filter(|r| r.outside_hours_minutes > 0).map(hour_of).collect();
    // Tuesday 12, 18 and 23 o'clock, and the first half hour of Wednesday.
    assert_eq!(outside, [(2, 12), (2, 18), (2, 23), (3, 0)]);
}

fn hour_of(row: &ScheduleRow) -> (i32, i32) {
    match &row.key {
        Some(Key::WeekdayHour(key)) => (key.weekday, key.hour),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hours_of_a_weekday() {
    let answer = day(&example(), ScheduleGrouping::WeekdayHour, D).await;
    let row = |hour: i32| answer.rows.iter().find(|row| hour_of(row) == (2, hour)).unwrap();
    assert_eq!((row(8).available_minutes, row(8).booked_minutes, row(8).double_booked_minutes), (60, 60, 30));
    assert_eq!((row(9).booked_minutes, row(9).opening_count, row(9).opening_minutes), (30, 1, 30));
    assert_eq!((row(10).opening_count, row(10).opening_minutes, cents(&row(10).opening_opportunity)), (0, 60, 12_000));
    assert_eq!((row(13).appointments, row(14).appointments), (1, 0));
    // 300 over three hours.
    let worth = |hour: i32| cents(&row(hour).production_per_open_hour.as_ref().unwrap().numerator);
    assert_eq!([13, 14, 15].map(worth), [10_000; 3]);
}

#[tokio::test]
async fn choices_of_people_and_places() {
    let practice = example()
        .with("schedule", hours(9, "2026-03-31", "08:00", "10:00", 2))
        .with("schedule_operatory", tie(9, 9, 3));
    let ask = async |request: GetScheduleAnalysisRequest| {
        let day = Some(range::to_proto((D, D)));
        let total =
            analysed(&practice, GetScheduleAnalysisRequest { range: day, ..request }).await.unwrap().total.unwrap();
        (total.available_minutes, total.booked_minutes, total.appointments)
    };
    let none = GetScheduleAnalysisRequest::default;
    assert_eq!(ask(none()).await, (570, 270, 3));
    assert_eq!(
        ask(GetScheduleAnalysisRequest { providers: vec![format!("{NORTH}/providers/2")], ..none() }).await,
        (120, 0, 0)
    );
    // Chair 2 is open from 8 to 12 and has one appointment.
    assert_eq!(
        ask(GetScheduleAnalysisRequest { operatories: vec![format!("{NORTH}/operatories/2")], ..none() }).await,
        (240, 60, 1)
    );
}

#[tokio::test]
async fn a_day_on_which_clocks_change_has_the_hours_of_its_wall_clock() {
    let practice = Practice::new()
        .with("provider", json!({"prov_num": 1, "abbr": "DOC"}))
        .with("schedule", hours(1, "2026-03-08", "01:00", "04:00", 1))
        .with("appointment", appointment(1, 1, "2026-03-08T01:30:00", 60, 1));
    let total = day(&practice, ScheduleGrouping::Provider, date(2026, 3, 8)).await.total.unwrap();
    assert_eq!((total.available_minutes, total.booked_minutes, total.opening_minutes), (180, 60, 120));
}

#[tokio::test]
async fn ranges_and_names_are_refused_by_field() {
    let practice = example();
    let refused = async |request: GetScheduleAnalysisRequest| match analysed(&practice, request).await {
        Err(BooksError::Refused(refusal)) => refusal.field.unwrap().0,
        other => panic!("{other:?}"),
    };
    let of = |from: Date, to: Date| GetScheduleAnalysisRequest {
        range: Some(range::to_proto((from, to))),
        ..Default::default()
    };
    let (first, last) = (date(2025, 12, 31), date(2026, 6, 29));
    assert!(analysed(&practice, of(first, last)).await.is_ok());
    assert_eq!(refused(of(first.yesterday().unwrap(), D)).await, "range.start_date");
    assert_eq!(refused(of(D, last.tomorrow().unwrap())).await, "range.end_date");
    assert_eq!(refused(of(last.tomorrow().unwrap(), last.tomorrow().unwrap())).await, "range.start_date");
    assert_eq!(refused(of(D, D.yesterday().unwrap())).await, "range");
    assert_eq!(refused(GetScheduleAnalysisRequest { grouping: 9, ..Default::default() }).await, "grouping");
    for (operatory, field) in [
        ("practices/south/operatories/1", "operatories[0]"),
        ("1", "operatories[0]"),
        ("practices/north/operatories/0", "operatories[0]"),
        ("practices/north/operatories/77", "operatories"),
    ] {
        let request = GetScheduleAnalysisRequest { operatories: vec![operatory.to_owned()], ..Default::default() };
        assert_eq!(refused(request).await, field, "{operatory}");
    }
    let request =
        GetScheduleAnalysisRequest { providers: vec!["practices/north/providers/9".to_owned()], ..Default::default() };
    assert_eq!(refused(request).await, "providers");
    let whole = analysed(&practice, GetScheduleAnalysisRequest::default()).await.unwrap();
    assert_eq!(whole.range, Some(range::to_proto((D, date(2026, 4, 29)))));
}

#[tokio::test]
async fn without_its_datasets_there_is_no_analysis() {
    let mut there = present();
    there.remove("schedule");
    let absent = missing(&there);
    assert_eq!(absent.iter().map(|a| a.section.as_str()).collect::<Vec<_>>(), ["total", "rows"]);
    assert_eq!(absent[0].missing_datasets, ["schedule"]);
    let empty = day(&Practice::new(), ScheduleGrouping::Provider, D).await;
    assert_eq!((empty.total.unwrap().available_minutes, empty.rows.len()), (0, 0));
}

fn times() -> impl Strategy<Value = Vec<Interval>> {
    prop::collection::vec((0..1_500_i32, 1..200_i32).prop_map(|(start, length)| (start, start + length)), 0..8)
}

fn appointment_at(interval: Interval) -> Appointment {
    Appointment {
        provider: 1,
        chair: 1,
        clinic: 0,
        interval,
        broken: false,
        counted: true,
        lead_days: None,
        production: Vec::new(),
    }
}

proptest! {
    /// Booked is never more than available, and every minute of an appointment is booked, outside or double.
    #[test]
    fn no_minute_is_lost_or_counted_twice(open in times(), shut in times(), taken in times(), by_chair in any::<bool>()) {
        let hours: Vec<Hours> = open.iter().map(|time| Hours { provider: 1, interval: *time, chairs: vec![1] }).collect();
        let shut: Vec<_> = shut.iter().map(|time| crate::hours::availability::Blockout { chair: 1, interval: *time }).collect();
        let taken: Vec<Appointment> = taken.into_iter().map(appointment_at).collect();
        let lanes = lanes::of(&hours, &shut, &taken.iter().collect::<Vec<_>>(), by_chair);
        for lane in lanes.values() {
            let [booked, outside, twice, blocked] =
                [lane.booked(), lane.outside(), lane.double_booked(), lane.blocked()].map(|set| intervals::minutes(&set));
            let (available, whole) = (intervals::minutes(&lane.available), intervals::minutes(&lane.hours));
            prop_assert!(booked <= available);
            prop_assert_eq!(available + blocked, whole);
            prop_assert_eq!(booked + outside + twice, intervals::minutes(&lane.taken));
            let free: i64 = intervals::minutes(&lane.openings(1));
            prop_assert_eq!(booked + free, available);
        }
    }
}
