//! Each form of condition on each kind of field; bad ones are refused by name; expressions come to the same conditions.
#![allow(clippy::unwrap_used)]

use chairsync_proto::analytics::patient_filter::Condition as Asked;
use jiff::civil::date;
use proptest::prelude::*;

use super::{
    expression::{At, Comparator, Expression, Literal, Restriction},
    parse::{BYTES_MAX, Fault, RESTRICTIONS_MAX, parse},
    *,
};
use crate::finder::row::{Place, Word, Words};

const D: Date = date(2026, 3, 31);

fn practice() -> Practice<'static> {
    Practice { id: "north", currency: "USD", date: D }
}

fn as_of() -> AsOf {
    AsOf { date: D, broken_from: date(2025, 3, 31) }
}

fn word(text: &str) -> Option<Word> {
    Words::default().word(text)
}

fn words(texts: &[&str]) -> Box<[Word]> {
    texts.iter().filter_map(|text| word(text)).collect()
}

fn place(number: i64) -> Option<Place> {
    Some(Place { number, abbr: word("A") })
}

/// A row with a value in every field that can have one.
fn full() -> Row {
    Row {
        number: 7,
        family: 7,
        birthdate: Some(date(1980, 4, 10)),
        mobile_phone: "503".into(),
        language: word("Español"),
        zip: word("97301-1234"),
        clinic: place(3),
        primary_provider: place(1),
        secondary_provider: place(2),
        billing_type: word("Standard"),
        referral: word("Smith, Ann"),
        text_consent: 1,
        first_visit: Some(date(2020, 1, 1)),
        last_visit: Some(date(2026, 3, 1)),
        last_hygiene_visit: Some(date(2025, 9, 1)),
        next_appointment: Some(date(2026, 4, 2).at(9, 0, 0, 0)),
        next_hygiene_appointment: Some(date(2026, 6, 1).at(9, 0, 0, 0)),
        unconfirmed: Some(true),
        broken: [date(2024, 1, 1), date(2025, 3, 31), date(2026, 1, 5)].into(),
        recall_due: Some(date(2026, 3, 1)),
        recall_types: words(&["Prophy", "Perio"]),
        recall_not_scheduled: true,
        family_balance: Some(50_000),
        past_due: Some(12_345),
        oldest_bucket: Some(3),
        credit: Some(500),
        last_payment: Some(date(2026, 2, 1)),
        unscheduled_treatment: Some(120_000),
        treatment_codes: words(&["D2740", "D0120"]),
        treatment_priorities: words(&["High"]),
        treatment_presented: Some(date(2026, 1, 1)),
        done_codes: words(&["D1110", "N100"]),
        has_insurance: true,
        carriers: words(&["Delta Dental", "Aetna"]),
        groups: words(&["City", "4711"]),
        insurance_used: Some(30_000),
        ..Row::default()
    }
}

/// A row of nothing but a number.
fn bare() -> Row {
    Row { gender: 2, ..Row::default() }
}

fn money_of(cents: i64) -> google_type::Money {
    google_type::Money {
        currency_code: "USD".into(),
        units: cents / 100,
        nanos: i32::try_from(cents % 100).unwrap() * 10_000_000,
    }
}

fn texts(values: &[&str]) -> Asked {
    Asked::AnyOf(StringList { values: values.iter().map(|value| (*value).to_owned()).collect() })
}

fn proto(date: Date) -> Option<google_type::Date> {
    Some(mesh::calendar::date_to_proto(date))
}

fn asked(field: Field, condition: Asked, negate: bool) -> Result<Condition, Refusal> {
    let filter = PatientFilter { field: field.into(), condition: Some(condition), negate };
    conditions(&[filter], practice()).map(|mut all| all.swap_remove(0))
}

/// For each field a condition that the full row meets, and one that it does not.
fn examples() -> Vec<(Field, Asked, Asked)> {
    let integers = |min, max| Asked::Integers(IntegerRange { min, max });
    let amounts = |min: i64, max: i64| Asked::Money(MoneyRange { min: Some(money_of(min)), max: Some(money_of(max)) });
    let range = |first: Date, last: Date| Asked::Dates(DateRange { start_date: proto(first), end_date: proto(last) });
    let on = |day: Date| range(day, day);
    let days = |from_days, to_days| Asked::Days(RelativeDays { from_days, to_days });
    let flag = |field, value| (field, Asked::Is(value), Asked::Is(!value));
    vec![
        (Field::Status, texts(&["inactive", "Patient"]), texts(&["archived"])),
        flag(Field::Active, true),
        (Field::Age, integers(Some(45), Some(45)), integers(Some(46), None)),
        (Field::Birthday, days(Some(10), Some(10)), days(Some(11), None)),
        (Field::Gender, texts(&["male"]), texts(&["female", "other"])),
        (Field::Language, texts(&["ESPAÑOL"]), texts(&["English"])),
        (Field::Zip, texts(&["973*"]), texts(&["97301"])),
        (Field::Clinic, texts(&["practices/north/clinics/3"]), texts(&["practices/north/clinics/4"])),
        (Field::PrimaryProvider, texts(&["practices/north/providers/1"]), texts(&["practices/north/providers/2"])),
        (Field::SecondaryProvider, texts(&["practices/north/providers/2"]), texts(&["practices/north/providers/1"])),
        (Field::BillingType, texts(&["standard"]), texts(&["stand*"])),
        (Field::Referral, texts(&["smith, ann"]), texts(&["Smith"])),
        (Field::TextConsent, texts(&["yes"]), texts(&["no", "unknown"])),
        (Field::ReachableBy, texts(&["email", "mobile"]), texts(&["email"])),
        flag(Field::Premedication, false),
        (Field::FirstVisit, on(date(2020, 1, 1)), on(date(2020, 1, 2))),
        (Field::LastVisit, days(Some(-30), None), days(None, Some(-31))),
        (Field::LastHygieneVisit, range(date(2025, 1, 1), D), on(D)),
        (Field::NextAppointment, days(Some(0), Some(2)), days(Some(3), None)),
        flag(Field::NoNextAppointment, false),
        (Field::NextHygieneAppointment, on(date(2026, 6, 1)), on(date(2026, 6, 2))),
        flag(Field::Unconfirmed, true),
        (Field::BrokenCount, integers(Some(2), Some(2)), integers(Some(3), None)),
        flag(Field::UnscheduledList, false),
        flag(Field::FamilyUnscheduled, false),
        (Field::RecallDue, on(date(2026, 3, 1)), on(D)),
        (Field::RecallDaysOverdue, integers(Some(30), Some(30)), integers(None, Some(29))),
        (Field::RecallType, texts(&["perio"]), texts(&["child"])),
        flag(Field::RecallNotScheduled, true),
        (Field::FamilyBalance, amounts(50_000, 50_000), amounts(50_001, 60_000)),
        (Field::PastDue, amounts(0, 12_345), amounts(0, 12_344)),
        (Field::OldestBucket, texts(&["over-90"]), texts(&["0-30", "31-60", "61-90"])),
        (Field::Credit, amounts(500, 500), amounts(501, 502)),
        (Field::LastPayment, on(date(2026, 2, 1)), on(D)),
        (Field::UnscheduledTreatment, amounts(100_000, 200_000), amounts(0, 119_999)),
        (Field::TreatmentCode, texts(&["d27*"]), texts(&["D27", "D1*"])),
        (Field::TreatmentPriority, texts(&["high"]), texts(&["low"])),
        (Field::TreatmentPresented, on(date(2026, 1, 1)), on(D)),
        (Field::TreatmentDone, texts(&["N100"]), texts(&["D2740"])),
        flag(Field::FormOutstanding, false),
        flag(Field::UnreadMessage, false),
        flag(Field::HasInsurance, true),
        (Field::Carrier, texts(&["aetna"]), texts(&["delta"])),
        (Field::InsuranceGroup, texts(&["4711"]), texts(&["47*"])),
        (Field::InsuranceUsed, amounts(30_000, 30_000), amounts(0, 29_999)),
    ]
}

#[test]
fn every_field_takes_its_conditions_and_null_passes_only_emptiness() {
    let examples = examples();
    assert_eq!(examples.len(), 45, "all but insurance_remaining");
    for (field, met, unmet) in examples {
        let name = field::name(field);
        let holds = |asked: &Asked, negate: bool, row: &Row| {
            self::asked(field, asked.clone(), negate).unwrap().holds(row, as_of())
        };
        assert!(holds(&met, false, &full()) && !holds(&unmet, false, &full()), "{name}");
        assert!(
            !holds(&Asked::IsEmpty(true), false, &full()) && holds(&Asked::IsEmpty(false), false, &full()),
            "{name}"
        );
        if field::kind(field) != Kind::Flag {
            assert!(!holds(&met, true, &full()) && holds(&unmet, true, &full()), "{name} negated");
        }
        if field::value(field, &bare(), as_of()) == Value::Null {
            for negate in [false, true].into_iter().take(if field::kind(field) == Kind::Flag { 1 } else { 2 }) {
                assert!(!holds(&met, negate, &bare()) && !holds(&unmet, negate, &bare()), "{name} of nobody");
            }
            assert!(holds(&Asked::IsEmpty(true), false, &bare()), "{name} of nobody");
        }
    }
    let remaining = |empty| asked(Field::InsuranceRemaining, Asked::IsEmpty(empty), false).unwrap();
    assert!(remaining(true).holds(&full(), as_of()) && !remaining(false).holds(&full(), as_of()));
}

#[test]
fn bad_conditions_are_refused_by_name() {
    let integers = |min, max| Some(Asked::Integers(IntegerRange { min, max }));
    let amount = |currency: &str, units, nanos| {
        let money = google_type::Money { currency_code: currency.into(), units, nanos };
        Some(Asked::Money(MoneyRange { min: Some(money), max: None }))
    };
    let dates = |start_date, end_date| Some(Asked::Dates(DateRange { start_date, end_date }));
    let wrong_date = Some(google_type::Date { year: 2026, month: 2, day: 30 });
    for (field, condition, negate, at) in [
        (0, integers(Some(1), None), false, "filters[2].field"),
        (47, integers(Some(1), None), false, "filters[2].field"),
        (Field::Age.into(), None, false, "filters[2].condition"),
        (Field::Age.into(), Some(Asked::Is(true)), false, "filters[2].is"),
        (Field::Status.into(), integers(Some(1), None), false, "filters[2].integers"),
        (Field::Age.into(), integers(None, None), false, "filters[2].integers"),
        (Field::Age.into(), integers(Some(2), Some(1)), false, "filters[2].integers.max"),
        (Field::PastDue.into(), amount("EUR", 1, 0), false, "filters[2].money.min"),
        (Field::PastDue.into(), amount("USD", 1, 5_000_000), false, "filters[2].money.min"),
        (Field::PastDue.into(), amount("USD", 1, -10_000_000), false, "filters[2].money.min"),
        (Field::PastDue.into(), amount("USD", i64::MAX, 0), false, "filters[2].money.min"),
        (Field::LastVisit.into(), dates(wrong_date, None), false, "filters[2].dates.start_date"),
        (Field::LastVisit.into(), dates(proto(D), proto(date(2026, 3, 30))), false, "filters[2].dates.end_date"),
        (Field::Status.into(), Some(texts(&["patient", "living"])), false, "filters[2].any_of.values[1]"),
        (Field::Status.into(), Some(texts(&[])), false, "filters[2].any_of.values"),
        (Field::Language.into(), Some(texts(&[""])), false, "filters[2].any_of.values[0]"),
        (Field::Language.into(), Some(texts(&["x"; 1_001])), false, "filters[2].any_of.values"),
        (Field::Zip.into(), Some(texts(&["9*1"])), false, "filters[2].any_of.values[0]"),
        (Field::Clinic.into(), Some(texts(&["practices/south/clinics/3"])), false, "filters[2].any_of.values[0]"),
        (Field::Clinic.into(), Some(texts(&["3"])), false, "filters[2].any_of.values[0]"),
        (Field::Active.into(), Some(Asked::Is(true)), true, "filters[2].negate"),
        (Field::Age.into(), Some(Asked::IsEmpty(true)), true, "filters[2].negate"),
        (Field::InsuranceRemaining.into(), amount("USD", 1, 0), false, "filters[2].money"),
    ] {
        let right = PatientFilter { field: Field::Active.into(), condition: Some(Asked::Is(true)), negate: false };
        let filters = [right.clone(), right, PatientFilter { field, condition, negate }];
        let refusal = conditions(&filters, practice()).unwrap_err();
        assert_eq!(refusal.field.as_ref().unwrap().0, at, "{refusal}");
    }
    let many = vec![PatientFilter::default(); FILTERS_MAX + 1];
    assert_eq!(conditions(&many, practice()).unwrap_err().field.unwrap().0, "filters");
}

fn expressed(filter: &str) -> Result<Vec<Condition>, Refusal> {
    compile::conditions(filter, practice())
}

fn finds(filter: &str, row: &Row) -> bool {
    expressed(filter).unwrap().iter().all(|condition| condition.holds(row, as_of()))
}

#[test]
fn expressions_come_to_the_same_conditions() {
    for (filter, field, condition, negate) in [
        ("age >= 30", Field::Age, Asked::Integers(IntegerRange { min: Some(30), max: None }), false),
        ("age < 30", Field::Age, Asked::Integers(IntegerRange { min: None, max: Some(29) }), false),
        ("status = \"patient\"", Field::Status, texts(&["patient"]), false),
        ("status != patient", Field::Status, texts(&["patient"]), true),
        ("-status: PATIENT", Field::Status, texts(&["patient"]), true),
        ("treatment_code:'d27*'", Field::TreatmentCode, texts(&["D27*"]), false),
        (
            "unscheduled_treatment > 500.5",
            Field::UnscheduledTreatment,
            Asked::Money(MoneyRange { min: Some(money_of(50_051)), max: None }),
            false,
        ),
        (
            "NOT last_visit <= 2026-01-31",
            Field::LastVisit,
            Asked::Dates(DateRange { start_date: None, end_date: proto(date(2026, 1, 31)) }),
            true,
        ),
        ("next_appointment = null", Field::NextAppointment, Asked::IsEmpty(true), false),
        ("next_appointment:*", Field::NextAppointment, Asked::IsEmpty(false), false),
        ("active = true", Field::Active, Asked::Is(true), false),
        ("active != true", Field::Active, Asked::Is(false), false),
        ("clinic = \"practices/north/clinics/3\"", Field::Clinic, texts(&["practices/north/clinics/3"]), false),
    ] {
        assert_eq!(expressed(filter).unwrap(), [asked(field, condition, negate).unwrap()], "{filter}");
    }
    assert!(expressed("").unwrap().is_empty() && expressed(" \t").unwrap().is_empty());
}

#[test]
fn or_joins_comparisons_of_one_field_and_not_turns_all_around() {
    let row = full();
    for yes in [
        "age >= 30 AND status = \"patient\" AND unscheduled_treatment > 500 AND next_appointment != null",
        "age < 10 OR age > 40",
        "age < 10 OR age = 45 AND status = patient",
        "(age >= 0 AND age <= 5) OR (age >= 40 AND age <= 50)",
        "NOT (age < 10 OR age > 50)",
        "NOT (age >= 10 AND age <= 20)",
        "NOT (status = inactive AND NOT status = archived)",
        "last_visit = null OR last_visit >= 2026-01-01",
        "treatment_done : 'D1*' AND (carrier = aetna OR carrier = \"Delta Dental\")",
    ] {
        assert!(finds(yes, &row), "{yes}");
    }
    for no in ["age < 10 OR age > 50", "NOT age > 40", "(age > 0 AND age < 5) OR age = 46", "last_visit = null"] {
        assert!(!finds(no, &row), "{no}");
    }
    for of_nobody in ["age = null", "NOT age != null", "age = null OR age > 30"] {
        assert!(finds(of_nobody, &bare()), "{of_nobody}");
    }
    for of_nobody in ["age != 30", "NOT age = 30", "age > 0 OR age <= 0", "age:*", "NOT (age = null OR age > 30)"] {
        assert!(!finds(of_nobody, &bare()), "{of_nobody}");
    }
}

#[test]
fn faults_say_where_and_what_was_expected() {
    for (filter, column, expected) in [
        ("age", 4, "expected =, !=, <, <=, >, >= or :"),
        ("age >", 6, "expected a value"),
        ("age > 30 status = patient", 10, "expected AND, OR or the end"),
        ("age > 30 AND", 13, "expected a field's name or ("),
        ("(age > 30", 10, "expected AND, OR or )"),
        ("age > 30)", 9, "expected AND, OR or the end"),
        ("age ! 30", 5, "expected != or NOT"),
        ("agee > 30", 1, "expected a field of PatientField"),
        ("age > thirty", 7, "expected a whole number or null"),
        ("age : 30", 5, "expected =, !=, <"),
        ("past_due > 1.005", 12, "expected an amount with at most two decimals"),
        ("last_visit > 2026-02-30", 14, "expected a date as YYYY-MM-DD"),
        ("last_visit > \"null\"", 14, "expected a date as YYYY-MM-DD"),
        ("active > true", 8, "expected = or !="),
        ("active = yes", 10, "expected true, false or null"),
        ("status = living", 10, "expected a text that is one of patient"),
        ("zip = \"9*1\"", 7, "expected a text that has a * at its end only"),
        ("language > x", 10, "expected =, != or :"),
        ("language = \"\"", 12, "expected a text that is not empty"),
        ("language = \"x", 12, "expected the quote to be closed"),
        ("language = 'a\\b'", 15, "expected \\ or a quote"),
        ("status = patient, inactive", 17, "expected no comma"),
        ("age = 1 OR status = patient", 9, "expected AND here"),
        ("NOT (age = 1 AND status = patient)", 6, "expected AND here"),
        ("insurance_remaining > 5", 23, "expected null"),
        ("é = 1 AND (", 12, "expected a field's name or ("),
    ] {
        let refusal = expressed(filter).unwrap_err();
        let (field, fault) = refusal.field.unwrap();
        assert_eq!(field, "filter");
        assert!(fault.starts_with(&format!("column {column}: {expected}")), "{filter}: {fault}");
    }
    let long = |count: usize| vec!["age > 1"; count].join(" AND ");
    assert!(expressed(&long(RESTRICTIONS_MAX)).is_ok());
    let too_many = ["(".repeat(40), long(RESTRICTIONS_MAX + 1), "x".repeat(BYTES_MAX + 1)];
    assert!(too_many.iter().all(|filter| parse(filter).is_err()));
    let one = |field: &str| format!("({})", vec![format!("{field} > 1"); 20].join(" AND "));
    assert!(expressed(&format!("{} OR {} OR {}", one("age"), one("age"), one("age"))).is_err(), "8,000 conditions");
}

/// Words that are no keyword.
fn bare_word() -> impl Strategy<Value = String> {
    "[a-z_0-9*./-]{1,8}".prop_filter("a minus in front negates", |word| !word.starts_with('-'))
}

fn restriction() -> impl Strategy<Value = Expression> {
    let comparator = prop::sample::select(vec![
        Comparator::Equals,
        Comparator::Differs,
        Comparator::Less,
        Comparator::AtMost,
        Comparator::Greater,
        Comparator::AtLeast,
        Comparator::Has,
    ]);
    let value = prop_oneof![bare_word().prop_map(Literal::Bare), any::<String>().prop_map(Literal::Quoted)];
    (bare_word(), comparator, value).prop_map(|(field, comparator, value)| {
        let at = At::default();
        Expression::Restriction(Restriction { field, field_at: at, comparator, comparator_at: at, value, value_at: at })
    })
}

fn expression() -> impl Strategy<Value = Expression> {
    restriction().prop_recursive(4, 24, 3, |inside| {
        let several = prop::collection::vec(inside.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(Expression::All),
            several.prop_map(|parts| Expression::Any(parts, At::default())),
            inside.prop_map(|part| Expression::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(expression in expression()) {
        let text = expression.to_string();
        prop_assert_eq!(parse(&text), Ok(Some(expression)), "{}", text);
    }

    #[test]
    fn anything_is_read_or_refused_at_a_column_of_it(text in ".{0,60}") {
        if let Err(Fault { column, .. }) = parse(&text) {
            prop_assert!(column >= 1 && column <= text.chars().count() + 1);
        }
        drop(expressed(&text));
    }

    #[test]
    fn what_looks_like_an_expression_is_read_or_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec!["age", "-age", "status", "=", "!=", ">=", ":", "30", "\"x\"", "'", "(", ")", "AND",
                "OR", "NOT", "-", "null", "*", "2026-01-01", "\\", "é"]), 0..14),
    ) {
        drop(expressed(&parts.join(" ")));
    }
}
