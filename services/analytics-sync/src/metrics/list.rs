//! Every metric, by group, in the catalogue's order (`features.md` §1). The API, the boards, the scorecards and
//! `docs/metrics.md` read it from here.

use chairsync_proto::analytics::{
    Focus::{self, Location, ProcedureCode, Provider},
    MetricUnit::{self, Count, CountRatio, Days, Minutes, Money, MoneyRate, MoneyRatio},
    Polarity,
};
use mesh::Refusal;

use super::{
    family::Family::{
        Accounts, Active, Adjustments, Appointments, Broken, Capitation, Cases, Claims, Counter, Done,
        FutureAppointments, Hours, HygieneVisits, Insurance, Kept, NewPatients, Nights, Payments, Returns, SameDay,
        ScheduleEstimates, ScheduleWork, UnscheduledPatients, UnscheduledTreatment, Visits, WriteOffs,
    },
    flags::*,
    metric::{Filter, Formula, Metric, Part, Parts, Term, Time, amount, days, patients, rows, visits},
    receivables::{NIGHT_OWED, NIGHT_PRODUCED},
};

/// Every metric, by group.
pub fn all() -> &'static [Metric] {
    METRICS
}

/// A metric by id.
pub fn get(id: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.id == id)
}

/// A metric by the id in a request.
///
/// # Errors
/// `INVALID_FIELD` on `field` for an id that is not in the list.
pub fn find(field: &str, id: &str) -> Result<&'static Metric, Refusal> {
    get(id).ok_or_else(|| Refusal::invalid(field, "is no metric's id; `AnalyticsService/ListMetrics` lists them"))
}

const ALL: &[Focus] = &[Provider, Location, ProcedureCode];
const PEOPLE: &[Focus] = &[Provider, Location];
const PROVIDERS: &[Focus] = &[Provider];

const PROCEDURE_DATE: &str = "procedure date";
const APPOINTMENT_DATE: &str = "appointment date";
const PLAN_DATE: &str = "date of the treatment plan";
const SNAPSHOT: &str = "as of the snapshot";

const fn metric(unit: MetricUnit, group: &'static str, splits: &'static [Focus], figure: Formula) -> Metric {
    Metric {
        id: "",
        display_name: "",
        definition: "",
        formula: "",
        dated_by: PROCEDURE_DATE,
        unit,
        polarity: Polarity::HigherIsBetter,
        splits,
        time: Time::Range,
        group,
        parts: Parts::Whole,
        figure,
    }
}

/// What is owed as of the snapshot. Accounts are families': no provider or location has a part of them.
const fn owed(unit: MetricUnit, figure: Formula) -> Metric {
    Metric {
        dated_by: SNAPSHOT,
        polarity: Polarity::LowerIsBetter,
        time: Time::Snapshot,
        ..metric(unit, "Receivables", &[], figure)
    }
}

const fn ratio(above: &'static [Term], below: &'static [Term]) -> Formula {
    Formula::Ratio { above, below, positive: false }
}

const fn rate(above: &'static [Term], below: &'static [Term], per: u32) -> Formula {
    Formula::Rate { above, below, per }
}

const fn part(id: &'static str, display_name: &'static str, all: u32, none: u32) -> Part {
    Part { id, display_name, filter: Filter { all, none, kind: None } }
}

const fn last_visit(id: &'static str, display_name: &'static str, kind: i64) -> Part {
    Part { id, display_name, filter: Filter { all: 0, none: 0, kind: Some(kind) } }
}

const fn age(id: &'static str, display_name: &'static str, kind: i64) -> Part {
    Part { id, display_name, filter: Filter { all: 0, none: 0, kind: Some(kind) } }
}

const PRODUCTION_CATEGORIES: Parts = Parts::Fixed(&[
    part("hygiene", "Hygiene", IN_HYGIENE, 0),
    part("restorative", "Restorative", IN_RESTORATIVE, 0),
    part("uncategorized", "Uncategorized", 0, IN_HYGIENE | IN_RESTORATIVE),
]);
/// Of visits and appointments, which may be of two.
const CARE_CATEGORIES: Parts = Parts::Fixed(&[
    part("hygiene", "Hygiene", HYGIENE, 0),
    part("restorative", "Restorative", RESTORATIVE, 0),
    part("uncategorized", "Uncategorized", 0, HYGIENE | RESTORATIVE),
]);
const LAST_VISITS: Parts = Parts::Fixed(&[
    last_visit("last_visit_0_6", "Last visit within 6 months", 1),
    last_visit("last_visit_6_9", "Last visit 6 to 9 months ago", 2),
    last_visit("last_visit_9_12", "Last visit 9 to 12 months ago", 3),
    last_visit("last_visit_12_18", "Last visit 12 to 18 months ago", 4),
    last_visit("last_visit_18_36", "Last visit 18 to 36 months ago", 5),
]);

const AGES: Parts = Parts::Fixed(&[
    age("days_0_30", "0 to 30 days", 1),
    age("days_31_60", "31 to 60 days", 2),
    age("days_61_90", "61 to 90 days", 3),
    age("days_over_90", "more than 90 days", 4),
]);

const GROSS: &[Term] = &[amount(Done), amount(Capitation).minus()];
const NET: &[Term] = &[amount(Done), amount(Capitation).minus(), amount(Adjustments), amount(WriteOffs).minus()];
const COLLECTED: &[Term] = &[amount(Payments).without(UNEARNED), amount(Insurance)];
const OWED_NOW: &[Term] = &[amount(Accounts).with(OWED)];
const EXPECTED: Term = amount(Accounts).without(OWED | CREDIT);
const VISITED: &[Term] = &[visits(Visits).with(VISIT)];
const VISIT_DAYS: &[Term] = &[days(Visits).with(VISIT)];
const HOURS: &[Term] = &[amount(Hours).with(AVAILABLE)];
const BROKEN_OR_KEPT: &[Term] = &[rows(Broken), rows(Kept)];
const PRESENTED_TO: &[Term] = &[patients(Cases).with(COUNTED)];

static METRICS: &[Metric] = &[
    Metric {
        id: "gross_production",
        display_name: "Gross production",
        definition: "What the work done is worth at its fees, less what capitation plans write off. Custom codes with a fee \
            and broken-appointment codes count; discounts do not lower it.",
        formula: "Σ fee × (units + base units) of done procedures − Σ write-offs of their capitation lines",
        parts: PRODUCTION_CATEGORIES,
        ..metric(Money, "Production", ALL, Formula::Sum(GROSS))
    },
    Metric {
        id: "adjustments",
        display_name: "Adjustments",
        definition: "Corrections of accounts as entered: discounts below zero, charges above. Attached to a procedure or not.",
        formula: "Σ signed amounts of adjustments",
        dated_by: "adjustment date",
        polarity: Polarity::Unspecified,
        parts: Parts::Kinds,
        ..metric(Money, "Production", PEOPLE, Formula::Sum(&[amount(Adjustments)]))
    },
    Metric {
        id: "write_offs",
        display_name: "Insurance write-offs",
        definition: "What is written off for insurances, above zero where it lowers production. By the insurance payment's \
            date, or by the procedure's where the practice's preference says so.",
        formula: "Σ write-offs of claim lines received (or, by procedure date, also of those sent)",
        dated_by: "insurance payment date, or procedure date by preference",
        polarity: Polarity::Unspecified,
        ..metric(Money, "Production", PEOPLE, Formula::Sum(&[amount(WriteOffs)]))
    },
    Metric {
        id: "net_production",
        display_name: "Net production",
        definition: "Gross production with adjustments and less insurance write-offs, each by its own date. May be negative.",
        formula: "gross_production + adjustments − write_offs",
        dated_by: "each part by its own date",
        ..metric(Money, "Production", PEOPLE, Formula::Sum(NET))
    },
    Metric {
        id: "scheduled_production",
        display_name: "Scheduled production",
        definition: "Planned work still to do on scheduled appointments, less estimated capitation write-offs. Past \
            appointments that were never marked count.",
        formula: "Σ fees of planned procedures on appointments of status scheduled − Σ estimated capitation write-offs",
        dated_by: APPOINTMENT_DATE,
        ..metric(
            Money,
            "Production",
            ALL,
            Formula::Sum(&[amount(ScheduleWork).with(TO_DO), amount(ScheduleEstimates).minus()]),
        )
    },
    Metric {
        id: "on_schedule_production",
        display_name: "Production on the schedule",
        definition: "What the appointments that stand or were kept are worth: their work, planned and done, at its fees.",
        formula: "Σ fees of planned and done procedures on appointments scheduled, complete or ASAP",
        dated_by: APPOINTMENT_DATE,
        ..metric(Money, "Production", ALL, Formula::Sum(&[amount(ScheduleWork)]))
    },
    Metric {
        id: "incomplete_production",
        display_name: "Incomplete production",
        definition: "Work still planned on appointments of past dates: done and never marked, or not done.",
        formula: "the planned part of on_schedule_production on dates before the snapshot's",
        dated_by: APPOINTMENT_DATE,
        polarity: Polarity::LowerIsBetter,
        ..metric(Money, "Production", ALL, Formula::Sum(&[amount(ScheduleWork).with(PLANNED | PAST)]))
    },
    Metric {
        id: "same_day_production_pct",
        display_name: "Same-day production",
        definition: "The share of the work done that was not on the book the day before: planned that day, without an \
            appointment, or on an appointment made that day.",
        formula: "Σ fees of such done procedures ÷ Σ fees of all done procedures",
        ..metric(MoneyRatio, "Production", ALL, ratio(&[amount(SameDay)], &[amount(Done)]))
    },
    Metric {
        id: "production_per_hour",
        display_name: "Production per hour",
        definition: "Gross production for each hour that providers have on offer in the PMS's schedule.",
        formula: "gross_production ÷ (available_minutes ÷ 60)",
        ..metric(MoneyRate, "Production", PROVIDERS, rate(GROSS, HOURS, 60))
    },
    Metric {
        id: "production_per_visit",
        display_name: "Production per visit",
        definition: "Gross production for each visit; a provider's for each of the provider's own.",
        formula: "gross_production ÷ visits",
        ..metric(MoneyRate, "Production", PEOPLE, rate(GROSS, VISITED, 1))
    },
    Metric {
        id: "production_per_day",
        display_name: "Production per day",
        definition: "Gross production for each date with a visit; a provider's for each date with one of the provider's own.",
        formula: "gross_production ÷ dates with a visit",
        ..metric(MoneyRate, "Production", PEOPLE, rate(GROSS, VISIT_DAYS, 1))
    },
    Metric {
        id: "net_production_per_hour",
        display_name: "Net production per hour",
        definition: "Net production for each hour that providers have on offer in the PMS's schedule.",
        formula: "net_production ÷ (available_minutes ÷ 60)",
        ..metric(MoneyRate, "Production", PROVIDERS, rate(NET, HOURS, 60))
    },
    Metric {
        id: "net_production_per_visit",
        display_name: "Net production per visit",
        definition: "Net production for each visit; a provider's for each of the provider's own.",
        formula: "net_production ÷ visits",
        ..metric(MoneyRate, "Production", PEOPLE, rate(NET, VISITED, 1))
    },
    Metric {
        id: "net_production_per_day",
        display_name: "Net production per day",
        definition: "Net production for each date with a visit; a provider's for each date with one of the provider's own.",
        formula: "net_production ÷ dates with a visit",
        ..metric(MoneyRate, "Production", PEOPLE, rate(NET, VISIT_DAYS, 1))
    },
    Metric {
        id: "procedures_done",
        display_name: "Procedures done",
        definition: "Done procedures of any code, counted by rows and not by units.",
        formula: "number of done procedures",
        ..metric(Count, "Production", ALL, Formula::Sum(&[rows(Done).with(COUNTED)]))
    },
    Metric {
        id: "patient_collections",
        display_name: "Patient collections",
        definition: "What patients paid for work, split by split. Refunds lower it, transfers between providers come to \
            nothing, prepayments count when they are allocated.",
        formula: "Σ amounts of payment splits that are not unearned",
        dated_by: "payment date",
        ..metric(Money, "Collections", PEOPLE, Formula::Sum(&[amount(Payments).without(UNEARNED)]))
    },
    Metric {
        id: "insurance_collections",
        display_name: "Insurance collections",
        definition: "What insurances paid by check. A line received without a check does not count yet.",
        formula: "Σ amounts of received claim lines that are on a claim payment",
        dated_by: "check date",
        ..metric(Money, "Collections", PEOPLE, Formula::Sum(&[amount(Insurance)]))
    },
    Metric {
        id: "collections",
        display_name: "Collections",
        definition: "What patients and insurances paid, without unallocated prepayments.",
        formula: "patient_collections + insurance_collections",
        dated_by: "payment date; check date",
        ..metric(Money, "Collections", PEOPLE, Formula::Sum(COLLECTED))
    },
    Metric {
        id: "unearned",
        display_name: "Unearned income",
        definition: "Prepayments that are not allocated to work, net of what was allocated since. Hidden types are left out.",
        formula: "Σ amounts of unearned payment splits",
        dated_by: "payment date",
        polarity: Polarity::Unspecified,
        ..metric(Money, "Collections", PEOPLE, Formula::Sum(&[amount(Payments).with(UNEARNED)]))
    },
    Metric {
        id: "collection_pct",
        display_name: "Collection rate",
        definition: "Collections of the range against net production of the range; more than 100 % is possible. None where \
            net production is zero or less.",
        formula: "collections ÷ net_production",
        dated_by: "each part by its own date",
        ..metric(MoneyRatio, "Collections", PEOPLE, Formula::Ratio { above: COLLECTED, below: NET, positive: true })
    },
    Metric {
        id: "gross_collection_pct",
        display_name: "Gross collection rate",
        definition: "Collections of the range against gross production of the range. None where that is zero or less.",
        formula: "collections ÷ gross_production",
        dated_by: "each part by its own date",
        ..metric(MoneyRatio, "Collections", PEOPLE, Formula::Ratio { above: COLLECTED, below: GROSS, positive: true })
    },
    Metric {
        id: "otc_rate",
        display_name: "Over-the-counter rate",
        definition: "Of what patients owed for a visit, after what their insurance is expected to pay, the share that they \
            paid that day. What they paid on older debt is capped away.",
        formula: "Σ min(paid, due) ÷ Σ due, per patient and visit date",
        dated_by: "visit date",
        ..metric(MoneyRatio, "Collections", &[], ratio(&[amount(Counter).with(PAID)], &[amount(Counter).without(PAID)]))
    },
    Metric {
        id: "accounts_receivable",
        display_name: "Accounts receivable",
        definition: "What families owe, each family's balance once, by the age of its charges; credits pay the oldest charges \
            first. Credit balances are not netted with it.",
        formula: "Σ of families' balances above zero",
        parts: AGES,
        ..owed(Money, Formula::Sum(OWED_NOW))
    },
    Metric {
        id: "past_due",
        display_name: "Past due",
        definition: "What families owe for more than 30 days.",
        formula: "Σ of what is owed for 31 days or more",
        parts: AGES,
        ..owed(Money, Formula::Sum(&[amount(Accounts).with(PAST_DUE)]))
    },
    Metric {
        id: "accounts_past_due",
        display_name: "Accounts past due",
        definition: "Families that owe something for more than 30 days.",
        formula: "number of families with past_due above zero",
        ..owed(Count, Formula::Sum(&[patients(Accounts).with(PAST_DUE)]))
    },
    Metric {
        id: "credit_balances",
        display_name: "Credit balances",
        definition: "What the practice owes families: balances below zero, as a negative amount. Never netted with what is owed.",
        formula: "Σ of families' balances below zero",
        polarity: Polarity::Unspecified,
        ..owed(Money, Formula::Sum(&[amount(Accounts).with(CREDIT)]))
    },
    Metric {
        id: "est_insurance",
        display_name: "Expected from insurance",
        definition: "Estimates and write-offs of claim lines that wait for payment, of all families.",
        formula: "Σ (estimate + write-off) of claim lines not received",
        polarity: Polarity::Unspecified,
        ..owed(Money, Formula::Sum(&[EXPECTED]))
    },
    Metric {
        id: "est_patient",
        display_name: "Expected from patients",
        definition: "What is owed less what insurances are expected to settle; where it is below zero, ask for nothing.",
        formula: "accounts_receivable − est_insurance",
        ..owed(Money, Formula::Sum(&[amount(Accounts).with(OWED), EXPECTED.minus()]))
    },
    Metric {
        id: "ar_days",
        display_name: "Days in receivables",
        definition: "How many days of net production families owe: the mean of what was owed after each of the last nights, at \
            most 90, against a day's net production of the same dates. None before 30 nights, or where net production is zero \
            or less.",
        formula: "mean of nightly accounts_receivable ÷ (net_production ÷ days)",
        ..owed(Days, rate(&[amount(Nights).of_kind(NIGHT_OWED)], &[amount(Nights).of_kind(NIGHT_PRODUCED)], 1))
    },
    Metric {
        id: "claims_aging",
        display_name: "Outstanding claims",
        definition: "The fees of claims that were sent and not settled, by the days since. Preauthorizations are left out.",
        formula: "Σ fees of sent claims",
        splits: PEOPLE,
        parts: AGES,
        ..owed(Money, Formula::Sum(&[amount(Claims).with(SENT)]))
    },
    Metric {
        id: "outstanding_claims",
        display_name: "Number of outstanding claims",
        definition: "Claims that were sent and not settled. Preauthorizations are left out.",
        formula: "number of sent claims",
        splits: PEOPLE,
        parts: AGES,
        ..owed(Count, Formula::Sum(&[rows(Claims).with(SENT)]))
    },
    Metric {
        id: "unsent_claims",
        display_name: "Claims not sent",
        definition: "Claims that wait, are held or were not sent yet. Preauthorizations are left out.",
        formula: "number of claims not sent",
        splits: PEOPLE,
        ..owed(Count, Formula::Sum(&[rows(Claims).without(SENT)]))
    },
    Metric {
        id: "new_patients",
        display_name: "New patients",
        definition: "Patients whose first done procedure lies in the range, broken-appointment codes aside. Credited to the \
            lowest procedure of that date.",
        formula: "number of patients by the date of their first done procedure",
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[patients(NewPatients)]))
    },
    Metric {
        id: "new_patient_reappointment_pct",
        display_name: "New patients' reappointment",
        definition: "New patients who, as of the snapshot, have an appointment that stands or was kept after their first visit.",
        formula: "new patients with a later appointment ÷ new_patients",
        ..metric(
            CountRatio,
            "Patients",
            PEOPLE,
            ratio(&[patients(NewPatients).with(REAPPOINTED)], &[patients(NewPatients)]),
        )
    },
    Metric {
        id: "new_patient_acceptance_pct",
        display_name: "New patients' acceptance",
        definition: "New patients who accepted some of the treatment presented at their first visit.",
        formula: "new patients with treatment accepted ÷ new patients with treatment presented",
        ..metric(
            CountRatio,
            "Patients",
            PEOPLE,
            ratio(&[patients(NewPatients).with(ACCEPTED)], &[patients(NewPatients).with(PRESENTED)]),
        )
    },
    Metric {
        id: "active_patients",
        display_name: "Active patients",
        definition: "Patients of status \"patient\" who visited in the 18 calendar months to the date. Statuses are today's. A \
            provider's are those who visited that provider.",
        formula: "number of patients with a visit in [date − 18 months, date]",
        dated_by: SNAPSHOT,
        time: Time::RangeEnd,
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[patients(Visits).with(VISIT | PATIENT).months(18)]))
    },
    Metric {
        id: "active_hygiene",
        display_name: "Active hygiene patients",
        definition: "Active patients with a hygiene visit in the 18 calendar months to the date.",
        formula: "number of patients with a hygiene visit in [date − 18 months, date]",
        dated_by: SNAPSHOT,
        time: Time::RangeEnd,
        ..metric(
            Count,
            "Patients",
            PEOPLE,
            Formula::Sum(&[patients(Visits).with(VISIT | PATIENT | HYGIENE).months(18)]),
        )
    },
    Metric {
        id: "recaptured_patients",
        display_name: "Recaptured patients",
        definition: "Patients who visited after more than 18 months without a visit.",
        formula: "number of patients with a visit in the range, none in the 18 months before it, and one earlier",
        dated_by: "visit date",
        ..metric(Count, "Patients", &[], Formula::Sum(&[patients(Returns).without(LOST)]))
    },
    Metric {
        id: "lost_patients",
        display_name: "Lost patients",
        definition: "Patients who had not come back 18 months after their last visit. Changes of status are undated and do \
            not count.",
        formula: "number of patients by last visit + 18 months",
        dated_by: "last visit + 18 months",
        polarity: Polarity::LowerIsBetter,
        ..metric(Count, "Patients", &[], Formula::Sum(&[patients(Returns).with(LOST)]))
    },
    Metric {
        id: "patient_growth",
        display_name: "Patient growth",
        definition: "New and recaptured patients less lost ones.",
        formula: "new_patients + recaptured_patients − lost_patients",
        dated_by: "each part by its own date",
        ..metric(
            Count,
            "Patients",
            &[],
            Formula::Sum(&[
                patients(NewPatients),
                patients(Returns).without(LOST),
                patients(Returns).with(LOST).minus(),
            ]),
        )
    },
    Metric {
        id: "visits",
        display_name: "Visits",
        definition: "Patients and dates with done work: a row of an ADA code, or of a custom code with a fee. Two appointments \
            on a day are one visit; it may be hygiene and restorative at once. A visit to two providers counts for each.",
        formula: "number of distinct patients and procedure dates with such a row",
        parts: CARE_CATEGORIES,
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(VISITED))
    },
    Metric {
        id: "seen",
        display_name: "Patients seen",
        definition: "Patients and dates with any done row but broken-appointment codes, with a fee or without.",
        formula: "number of distinct patients and procedure dates with such a row",
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[visits(Visits)]))
    },
    Metric {
        id: "hygiene_visits",
        display_name: "Hygiene visits",
        definition: "Visits with a hygiene code, whoever did it.",
        formula: "number of visits with D1110, D1120, D4341, D4342 or D4910",
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[visits(Visits).with(VISIT | HYGIENE)]))
    },
    Metric {
        id: "restorative_visits",
        display_name: "Restorative visits",
        definition: "Visits with a restorative code.",
        formula: "number of visits with D2000 to D8999 other than D4341, D4342 and D4910",
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[visits(Visits).with(VISIT | RESTORATIVE)]))
    },
    Metric {
        id: "pre_appointment_pct",
        display_name: "Pre-appointment",
        definition: "Active patients with a live appointment on the snapshot's date or later.",
        formula: "active patients with one ÷ active_patients",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        ..metric(CountRatio, "Patients", PEOPLE, ratio(&[patients(Active).with(FUTURE)], &[patients(Active)]))
    },
    Metric {
        id: "hygiene_pre_appointment_pct",
        display_name: "Hygiene pre-appointment",
        definition: "Active hygiene patients with a live hygiene appointment on the snapshot's date or later: one with a \
            hygiene code, or without procedures and marked as hygiene.",
        formula: "active hygiene patients with one ÷ active_hygiene",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        ..metric(
            CountRatio,
            "Patients",
            PEOPLE,
            ratio(&[patients(Active).with(HYGIENE | FUTURE_HYGIENE)], &[patients(Active).with(HYGIENE)]),
        )
    },
    Metric {
        id: "hygiene_reappointment_pct",
        display_name: "Hygiene reappointment",
        definition: "Hygiene visits after which, as of the snapshot, a hygiene appointment stands or was kept on a later date. \
            Unscheduled, planned and broken ones do not count. Credited to the visit's first hygiene row.",
        formula: "hygiene visits with a later hygiene appointment ÷ hygiene visits",
        dated_by: "visit date",
        ..metric(
            CountRatio,
            "Patients",
            PEOPLE,
            ratio(&[visits(HygieneVisits).with(REAPPOINTED)], &[visits(HygieneVisits)]),
        )
    },
    Metric {
        id: "perio_visit_pct",
        display_name: "Periodontal share",
        definition: "Hygiene visits with a periodontal code. Credited to the visit's first hygiene row.",
        formula: "hygiene visits with D4341, D4342, D4346 or D4910 ÷ hygiene visits",
        dated_by: "visit date",
        ..metric(CountRatio, "Patients", PEOPLE, ratio(&[visits(HygieneVisits).with(PERIO)], &[visits(HygieneVisits)]))
    },
    Metric {
        id: "active_perio_pct",
        display_name: "Periodontal patients",
        definition: "Active hygiene patients over 30 years who ever had a periodontal code.",
        formula: "those with D4341, D4342, D4346 or D4910 ever done ÷ active hygiene patients over 30 years",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        ..metric(
            CountRatio,
            "Patients",
            PEOPLE,
            ratio(&[patients(Active).with(HYGIENE | OVER_30 | PERIO)], &[patients(Active).with(HYGIENE | OVER_30)]),
        )
    },
    Metric {
        id: "unscheduled_patients",
        display_name: "Unscheduled patients",
        definition: "Patients of status \"patient\" whose last visit is at most 36 months old and who have no live appointment \
            on the snapshot's date or later. Provider and location are the patient's own.",
        formula: "number of such patients, by the age of the last visit",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        polarity: Polarity::LowerIsBetter,
        parts: LAST_VISITS,
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[patients(UnscheduledPatients)]))
    },
    Metric {
        id: "unscheduled_active",
        display_name: "Unscheduled active patients",
        definition: "Those unscheduled patients whose last visit is at most 18 months old.",
        formula: "number of unscheduled patients with a visit in [snapshot − 18 months, snapshot]",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        polarity: Polarity::LowerIsBetter,
        ..metric(Count, "Patients", PEOPLE, Formula::Sum(&[patients(UnscheduledPatients).with(VISIT)]))
    },
    Metric {
        id: "presented_treatment",
        display_name: "Treatment presented",
        definition: "Work planned on a date on which the patient visited: still planned, done or set inactive. Diagnostic and \
            preventive codes, broken-appointment codes and custom codes without a fee are left out.",
        formula: "Σ fees of presented procedures",
        dated_by: PLAN_DATE,
        ..metric(Money, "Treatment", ALL, Formula::Sum(&[amount(Cases)]))
    },
    Metric {
        id: "accepted_treatment",
        display_name: "Treatment accepted",
        definition: "Presented work that, as of the snapshot, is done or planned on an appointment that stands or was kept.",
        formula: "Σ fees of accepted procedures",
        dated_by: PLAN_DATE,
        ..metric(Money, "Treatment", ALL, Formula::Sum(&[amount(Cases).with(ACCEPTED)]))
    },
    Metric {
        id: "presented_patients",
        display_name: "Patients presented",
        definition: "Patients to whom treatment was presented.",
        formula: "number of distinct patients with a presented procedure",
        dated_by: PLAN_DATE,
        ..metric(Count, "Treatment", ALL, Formula::Sum(PRESENTED_TO))
    },
    Metric {
        id: "diagnostic_pct",
        display_name: "Diagnostic rate",
        definition: "Of the patients who visited, the share to whom treatment was presented. A provider's counts the provider's \
            own rows and visits.",
        formula: "patients with a presented procedure ÷ patients with a visit",
        dated_by: "date of the treatment plan; visit date",
        ..metric(CountRatio, "Treatment", PEOPLE, ratio(PRESENTED_TO, &[patients(Visits).with(VISIT)]))
    },
    Metric {
        id: "patient_acceptance_pct",
        display_name: "Patient acceptance",
        definition: "Of the patients to whom treatment was presented, the share who accepted some of it.",
        formula: "patients with an accepted procedure ÷ patients with a presented procedure",
        dated_by: PLAN_DATE,
        ..metric(CountRatio, "Treatment", ALL, ratio(&[patients(Cases).with(COUNTED | ACCEPTED)], PRESENTED_TO))
    },
    Metric {
        id: "treatment_acceptance_pct",
        display_name: "Treatment acceptance",
        definition: "Of the treatment presented, the share that is accepted, by fees.",
        formula: "accepted_treatment ÷ presented_treatment",
        dated_by: PLAN_DATE,
        ..metric(MoneyRatio, "Treatment", ALL, ratio(&[amount(Cases).with(ACCEPTED)], &[amount(Cases)]))
    },
    Metric {
        id: "restorative_case_acceptance_pct",
        display_name: "Restorative case acceptance",
        definition: "Of the restorative treatment presented, the share that is accepted, by fees.",
        formula: "Σ fees of accepted ÷ Σ fees of presented procedures with D2000 to D8999 other than D4341, D4342 and D4910",
        dated_by: PLAN_DATE,
        ..metric(
            MoneyRatio,
            "Treatment",
            ALL,
            ratio(&[amount(Cases).with(RESTORATIVE | ACCEPTED)], &[amount(Cases).with(RESTORATIVE)]),
        )
    },
    Metric {
        id: "restorative_case_patients_pct",
        display_name: "Restorative case, patients",
        definition: "Of the patients to whom restorative treatment was presented, the share who accepted some of it.",
        formula: "patients with an accepted ÷ patients with a presented restorative procedure",
        dated_by: PLAN_DATE,
        ..metric(
            CountRatio,
            "Treatment",
            ALL,
            ratio(
                &[patients(Cases).with(COUNTED | RESTORATIVE | ACCEPTED)],
                &[patients(Cases).with(COUNTED | RESTORATIVE)],
            ),
        )
    },
    Metric {
        id: "hygiene_case_acceptance_pct",
        display_name: "Hygiene case acceptance",
        definition: "Of the periodontal treatment presented, the share that is accepted, by fees.",
        formula: "Σ fees of accepted ÷ Σ fees of presented procedures with D4341, D4342, D4346, D4355, D4381, D4910 or D4921",
        dated_by: PLAN_DATE,
        ..metric(
            MoneyRatio,
            "Treatment",
            ALL,
            ratio(&[amount(Cases).with(HYGIENE_CASE | ACCEPTED)], &[amount(Cases).with(HYGIENE_CASE)]),
        )
    },
    Metric {
        id: "hygiene_case_patients_pct",
        display_name: "Hygiene case, patients",
        definition: "Of the patients to whom periodontal treatment was presented, the share who accepted some of it.",
        formula: "patients with an accepted ÷ patients with a presented hygiene case procedure",
        dated_by: PLAN_DATE,
        ..metric(
            CountRatio,
            "Treatment",
            ALL,
            ratio(
                &[patients(Cases).with(COUNTED | HYGIENE_CASE | ACCEPTED)],
                &[patients(Cases).with(COUNTED | HYGIENE_CASE)],
            ),
        )
    },
    Metric {
        id: "dollars_per_exam",
        display_name: "Accepted per exam",
        definition: "Restorative treatment accepted for each exam done.",
        formula: "Σ fees of accepted restorative procedures ÷ number of done exams",
        dated_by: "date of the treatment plan; procedure date of exams",
        ..metric(
            MoneyRate,
            "Treatment",
            PEOPLE,
            rate(&[amount(Cases).with(RESTORATIVE | ACCEPTED)], &[rows(Done).with(EXAM | COUNTED)], 1),
        )
    },
    Metric {
        id: "unscheduled_treatment",
        display_name: "Unscheduled treatment",
        definition: "Planned work of patients of status \"patient\" that is on no live appointment on the snapshot's date or \
            later. Work planned on a past appointment is in, inactive plans are not.",
        formula: "Σ fees of such planned procedures",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        polarity: Polarity::LowerIsBetter,
        parts: PRODUCTION_CATEGORIES,
        ..metric(Money, "Treatment", ALL, Formula::Sum(&[amount(UnscheduledTreatment)]))
    },
    Metric {
        id: "appointments",
        display_name: "Appointments",
        definition: "Appointments on the schedule, whatever became of them: scheduled, complete, ASAP or broken. Counted by rows, \
            not visits; one may be hygiene and restorative at once.",
        formula: "number of appointments",
        dated_by: APPOINTMENT_DATE,
        parts: CARE_CATEGORIES,
        ..metric(Count, "Schedule", PEOPLE, Formula::Sum(&[rows(Appointments)]))
    },
    Metric {
        id: "completed_appointments",
        display_name: "Completed appointments",
        definition: "Appointments marked complete, and live ones whose time is past; not where the patient's done rows of that \
            date are no visit.",
        formula: "number of such appointments",
        dated_by: APPOINTMENT_DATE,
        parts: CARE_CATEGORIES,
        ..metric(Count, "Schedule", PEOPLE, Formula::Sum(&[rows(Appointments).with(COMPLETED)]))
    },
    Metric {
        id: "incomplete_appointments",
        display_name: "Incomplete appointments",
        definition: "Appointments that are not completed: still to come, broken, or without a visit.",
        formula: "appointments − completed_appointments",
        dated_by: APPOINTMENT_DATE,
        polarity: Polarity::Unspecified,
        parts: CARE_CATEGORIES,
        ..metric(Count, "Schedule", PEOPLE, Formula::Sum(&[rows(Appointments).without(COMPLETED)]))
    },
    Metric {
        id: "future_appointments",
        display_name: "Future appointments",
        definition: "Live appointments on the snapshot's date or later.",
        formula: "number of such appointments",
        dated_by: SNAPSHOT,
        time: Time::Snapshot,
        ..metric(Count, "Schedule", PEOPLE, Formula::Sum(&[rows(FutureAppointments)]))
    },
    Metric {
        id: "broken_appointments",
        display_name: "Broken appointments",
        definition: "Where the practice's preference BrokenApptProcedure is on: done broken-appointment procedures by their \
            date. Else appointments of status broken.",
        formula: "number of D9986 and D9987 rows, or of broken appointments",
        dated_by: "procedure date, or appointment date, by preference",
        polarity: Polarity::LowerIsBetter,
        ..metric(Count, "Schedule", PEOPLE, Formula::Sum(&[rows(Broken)]))
    },
    Metric {
        id: "broken_pct",
        display_name: "Broken rate",
        definition: "Broken appointments against these and the appointments that stand or were kept, leaving out those of a \
            patient with a broken one that date.",
        formula: "broken_appointments ÷ (broken_appointments + appointments that stand or were kept)",
        dated_by: "procedure date, or appointment date, by preference",
        polarity: Polarity::LowerIsBetter,
        ..metric(CountRatio, "Schedule", PEOPLE, ratio(&[rows(Broken)], BROKEN_OR_KEPT))
    },
    Metric {
        id: "cancelled_pct",
        display_name: "Cancellations",
        definition: "Broken appointments cancelled more than 24 hours ahead, by the appointment's last change of status; where \
            there is none, those with D9987. Against the same as the broken rate.",
        formula: "cancelled ÷ (broken_appointments + appointments that stand or were kept)",
        dated_by: "procedure date, or appointment date, by preference",
        polarity: Polarity::LowerIsBetter,
        ..metric(CountRatio, "Schedule", PEOPLE, ratio(&[rows(Broken).with(CANCELLED)], BROKEN_OR_KEPT))
    },
    Metric {
        id: "no_show_pct",
        display_name: "No-shows",
        definition: "Broken appointments missed or cancelled within 24 hours, by the appointment's last change of status; where \
            there is none, those with D9986. Against the same as the broken rate.",
        formula: "missed ÷ (broken_appointments + appointments that stand or were kept)",
        dated_by: "procedure date, or appointment date, by preference",
        polarity: Polarity::LowerIsBetter,
        ..metric(CountRatio, "Schedule", PEOPLE, ratio(&[rows(Broken).with(NO_SHOW)], BROKEN_OR_KEPT))
    },
    Metric {
        id: "available_minutes",
        display_name: "Minutes on offer",
        definition: "Providers' hours, each minute once, less the times when every chair then offered is blocked. None on \
            holidays.",
        formula: "Σ minutes of the union of a provider's hours of a date, less those blocked in every chair",
        dated_by: "date of the hours",
        ..metric(Minutes, "Schedule", PROVIDERS, Formula::Sum(HOURS))
    },
    Metric {
        id: "utilization_pct",
        display_name: "Utilization",
        definition: "The share of the minutes on offer that appointments take which stand or were kept. Outside hours and double \
            booking do not count.",
        formula: "booked minutes within available_minutes ÷ available_minutes",
        dated_by: "date of the hours",
        ..metric(CountRatio, "Schedule", PROVIDERS, ratio(&[amount(Hours).with(BOOKED)], HOURS))
    },
    Metric {
        id: "openings",
        display_name: "Openings",
        definition: "Free intervals of at least 30 minutes within the hours on offer.",
        formula: "number of such intervals",
        dated_by: "date of the hours",
        polarity: Polarity::LowerIsBetter,
        ..metric(Count, "Schedule", PROVIDERS, Formula::Sum(&[rows(Hours).with(OPENING)]))
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_says_what_it_is_and_groups_stand_together() {
        let mut ids = BTreeSet::new();
        let mut groups: Vec<&str> = Vec::new();
        for metric in all() {
            assert!(ids.insert(metric.id), "{} stands twice", metric.id);
            for text in [metric.display_name, metric.definition, metric.formula, metric.dated_by, metric.group] {
                assert!(!text.trim().is_empty() && !text.contains("  "), "{}: {text:?}", metric.id);
            }
            if groups.last() != Some(&metric.group) {
                assert!(!groups.contains(&metric.group), "{} stands apart from its group", metric.id);
                groups.push(metric.group);
            }
            assert_eq!(metric.point_in_time(), metric.dated_by == SNAPSHOT, "{}", metric.id);
        }
    }

    #[test]
    fn every_dataset_that_a_metric_reads_is_one() {
        for dataset in all().iter().flat_map(Metric::datasets) {
            assert!(mesh::datasets::get(dataset).is_some(), "{dataset}");
        }
    }

    #[test]
    fn an_unknown_id_is_refused_by_field() {
        assert_eq!(find("metric", "net_prodction").err().and_then(|e| e.field).map(|f| f.0).as_deref(), Some("metric"));
        assert!(find("metric", "net_production").is_ok_and(|metric| metric.unit == Money));
    }
}
