//! The reports: what each is called, holds and takes, and the question behind it. The one place where they stand.

use chairsync_proto::analytics::{self, ReportFilter, ReportGroup};

use super::column::{Column, average, count, date, flag, money, number, percent, text, time};

/// A report.
pub struct Report {
    /// Its number in features.md §6.
    pub number: i32,
    /// The last part of its name. Stable.
    pub id: &'static str,
    /// What people call it.
    pub display_name: &'static str,
    /// What it shows.
    pub description: &'static str,
    /// The group that it is listed under.
    pub group: ReportGroup,
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// The filters that it takes.
    pub filters: &'static [ReportFilter],
    /// Whether its rows are periods, whose length can be chosen.
    pub by_period: bool,
    /// Whether its rows name patients.
    pub holds_patient_data: bool,
    /// The datasets without which it would be wrong.
    pub needs: &'static [&'static str],
    /// The preferences and settings that shape it.
    pub preferences: &'static [&'static str],
    /// Where its rows come from.
    pub source: Source,
}

/// Where rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A question, as it stands.
    Sql(&'static str),
    /// A question whose rows get the providers' goals.
    WithGoals(&'static str),
    /// A question whose rows are dropped where the family owes more than the recall allows.
    WithinBalance(&'static str),
    /// The families that owe, by the age of their debts.
    Receivables,
    /// The families whose balance is below zero.
    CreditBalances,
}

const DATES: ReportFilter = ReportFilter::Dates;
const PROVIDERS: ReportFilter = ReportFilter::Providers;
const CLINICS: ReportFilter = ReportFilter::Clinics;
const ALL: &[ReportFilter] = &[DATES, PROVIDERS, CLINICS];

const BASIS: &str = "ReportsPPOwriteoffDefaultToProcDate";
const BROKEN: &str = "BrokenApptProcedure";
const ESTIMATES: &str = "ReportPandIschedProdSubtractsWO";
const AGING: &[&str] = &["AgingProcLifo", "PayPlansVersion", "payplan.IsDynamic"];

/// What the books' entries are read from.
macro_rules! with_entries {
    ($($more:literal),*) => {
        &["preference", "definition", "provider", "clinic", "procedure", "procedure_code", "adjustment", "claim_line",
          "claim_payment", "payment", "payment_split" $(, $more)*]
    };
}

/// What the families' accounts are read from.
macro_rules! with_accounts {
    ($($more:literal),*) => {
        &["preference", "definition", "patient", "procedure", "procedure_code", "adjustment", "claim_line", "payment",
          "payment_split", "payment_plan", "payment_plan_charge" $(, $more)*]
    };
}

/// Finds a report by the last part of its name.
pub fn find(id: &str) -> Option<&'static Report> {
    REPORTS.iter().find(|report| report.id == id)
}

impl Report {
    /// As the API describes it for a practice.
    pub fn to_proto(&self, practice: &str) -> analytics::Report {
        analytics::Report {
            name: format!("practices/{practice}/reports/{}", self.id),
            number: self.number,
            display_name: self.display_name.to_owned(),
            description: self.description.to_owned(),
            group: self.group.into(),
            columns: self.columns.iter().map(Column::to_proto).collect(),
            filters: self.filters.iter().map(|filter| (*filter).into()).collect(),
            holds_patient_data: self.holds_patient_data,
        }
    }

    /// Whether it takes a filter.
    pub fn takes(&self, filter: ReportFilter) -> bool {
        self.filters.contains(&filter)
    }
}

/// Every report, by number.
pub const REPORTS: &[Report] = &[
    Report {
        number: 1,
        id: "production-and-income",
        display_name: "Production and income",
        description: "Production, adjustments, write-offs and income by day, month or year, each by its own date. \
                      Write-offs above zero lower production; unearned income stands apart from income.",
        group: ReportGroup::Money,
        columns: &[
            date("period", "Period from"),
            money("gross_production", "Production"),
            money("adjustments", "Adjustments"),
            money("write_offs", "Write-offs"),
            money("net_production", "Total production"),
            money("patient_collections", "Patient income"),
            money("insurance_collections", "Insurance income"),
            money("unearned", "Unearned income"),
            money("collections", "Total income"),
        ],
        filters: ALL,
        by_period: true,
        holds_patient_data: false,
        needs: with_entries!(),
        preferences: &[BASIS],
        source: Source::Sql(include_str!("sql/production_and_income.sql")),
    },
    Report {
        number: 2,
        id: "day-sheet",
        display_name: "Day sheet",
        description: "Every entry of the days: work, adjustments, write-offs and payments of patients and insurances. \
                      Its sums are those of production and income.",
        group: ReportGroup::Money,
        columns: &[
            date("date", "Date"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            text("kind", "Kind"),
            text("code", "Code"),
            text("description", "Description"),
            text("tooth", "Tooth"),
            text("provider", "Provider"),
            money("fee", "Fee"),
            money("adjustment", "Adjustment"),
            money("write_off", "Write-off"),
            money("paid", "Paid"),
            money("unearned", "Unearned"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: with_entries!("patient"),
        preferences: &[BASIS],
        source: Source::Sql(include_str!("sql/day_sheet.sql")),
    },
    Report {
        number: 3,
        id: "daily-report",
        display_name: "Daily report",
        description: "Each provider's day: production, visits, hygienists' reappointment and the goal of the hours. A \
                      patient seen by two providers is a visit of both. No goal when clinics are chosen.",
        group: ReportGroup::Money,
        columns: &[
            date("date", "Date"),
            text("provider", "Provider"),
            money("gross_production", "Gross production"),
            money("net_production", "Net production"),
            count("visits", "Visits"),
            average("net_per_visit", "Net per visit", "net_production", "visits"),
            percent("hygiene_reappointment_pct", "Hygiene reappointment", "reappointed", "hygiene_visits"),
            money("goal", "Goal"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: false,
        needs: with_entries!("patient", "appointment", "schedule", "schedule_operatory", "operatory"),
        preferences: &[BASIS, "hygiene_codes"],
        source: Source::WithGoals(include_str!("sql/daily_report.sql")),
    },
    Report {
        number: 4,
        id: "procedures-by-code",
        display_name: "Procedures by code",
        description: "How often each code was done and what it brought, less capitation write-offs.",
        group: ReportGroup::Money,
        columns: &[
            text("code", "Code"),
            text("description", "Description"),
            count("count", "Count"),
            money("gross_production", "Production"),
            average("average", "Average", "gross_production", "count"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: false,
        needs: with_entries!(),
        preferences: &[],
        source: Source::Sql(include_str!("sql/procedures_by_code.sql")),
    },
    Report {
        number: 5,
        id: "adjustments",
        display_name: "Adjustments",
        description: "Every adjustment, signed as entered.",
        group: ReportGroup::Money,
        columns: &[
            date("date", "Date"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            text("provider", "Provider"),
            text("type", "Type"),
            money("amount", "Amount"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "definition", "preference", "adjustment"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/adjustments.sql")),
    },
    Report {
        number: 6,
        id: "write-offs",
        display_name: "Write-offs",
        description: "Insurance write-offs by carrier and code, on the basis that the practice's preference says.",
        group: ReportGroup::Money,
        columns: &[
            text("carrier", "Carrier"),
            text("code", "Code"),
            count("lines", "Claim lines"),
            money("write_offs", "Write-offs"),
            text("basis", "By"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: false,
        needs: with_entries!("carrier", "insurance_plan"),
        preferences: &[BASIS],
        source: Source::Sql(include_str!("sql/write_offs.sql")),
    },
    Report {
        number: 7,
        id: "payments",
        display_name: "Payments",
        description: "What patients paid, split by split, by the payment's date. Hidden unearned types are left out.",
        group: ReportGroup::Money,
        columns: &[
            date("date", "Date"),
            text("type", "Type"),
            text("check_number", "Check"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            text("provider", "Provider"),
            money("split", "Split"),
            text("unearned_type", "Unearned type"),
            text("source", "Source"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "definition", "preference", "payment", "payment_split"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/payments.sql")),
    },
    Report {
        number: 8,
        id: "accounts-receivable-aging",
        display_name: "A/R aging",
        description: "What each family owes on the range's last date, by age, what insurance is expected to pay of it, and \
                      when they last paid. Credit balances have a report of their own.",
        group: ReportGroup::Money,
        columns: &[
            text("guarantor", "Guarantor"),
            number("guarantor_number", "Guarantor number"),
            money("age_0_30", "0-30 days"),
            money("age_31_60", "31-60 days"),
            money("age_61_90", "61-90 days"),
            money("age_over_90", "Over 90 days"),
            money("total", "Total"),
            money("insurance", "Insurance estimate"),
            money("patient", "Patient portion"),
            date("last_payment", "Last payment"),
            text("phone", "Phone"),
        ],
        filters: &[DATES],
        by_period: false,
        holds_patient_data: true,
        needs: with_accounts!(),
        preferences: AGING,
        source: Source::Receivables,
    },
    Report {
        number: 9,
        id: "credit-balances",
        display_name: "Credit balances",
        description: "The families whose balance is below zero on the range's last date, largest credit first.",
        group: ReportGroup::Money,
        columns: &[
            text("guarantor", "Guarantor"),
            number("guarantor_number", "Guarantor number"),
            money("balance", "Balance"),
            date("last_payment", "Last payment"),
            text("phone", "Phone"),
        ],
        filters: &[DATES],
        by_period: false,
        holds_patient_data: true,
        needs: with_accounts!(),
        preferences: AGING,
        source: Source::CreditBalances,
    },
    Report {
        number: 10,
        id: "insurance-aging",
        display_name: "Insurance aging",
        description: "What insurance is expected to pay, by family, carrier and the age of the work on the range's last \
                      date.",
        group: ReportGroup::Money,
        columns: &[
            text("guarantor", "Guarantor"),
            number("guarantor_number", "Guarantor number"),
            text("carrier", "Carrier"),
            money("age_0_30", "0-30 days"),
            money("age_31_60", "31-60 days"),
            money("age_61_90", "61-90 days"),
            money("age_over_90", "Over 90 days"),
            money("total", "Total"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "preference", "claim_line", "insurance_plan", "carrier"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/insurance_aging.sql")),
    },
    Report {
        number: 11,
        id: "outstanding-claims",
        display_name: "Outstanding claims",
        description: "The claims that are sent and not answered as of the snapshot, oldest first, without \
                      preauthorizations.",
        group: ReportGroup::Money,
        columns: &[
            text("carrier", "Carrier"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            number("claim_number", "Claim number"),
            date("date_service", "Service"),
            date("sent", "Sent"),
            number("age_days", "Days"),
            money("fee", "Fee"),
            money("estimate", "Estimate"),
        ],
        filters: &[PROVIDERS, CLINICS],
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "preference", "claim", "claim_line", "insurance_plan", "carrier"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/outstanding_claims.sql")),
    },
    Report {
        number: 12,
        id: "unearned-income",
        display_name: "Unearned income",
        description: "What families have in prepayments on the range's last date, and what of it came or went in the \
                      range. Hidden unearned types are left out.",
        group: ReportGroup::Money,
        columns: &[
            text("guarantor", "Guarantor"),
            number("guarantor_number", "Guarantor number"),
            money("unearned", "In the range"),
            money("balance", "Balance"),
            text("phone", "Phone"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "definition", "preference", "payment", "payment_split"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/unearned_income.sql")),
    },
    Report {
        number: 13,
        id: "new-patients",
        display_name: "New patients",
        description: "The patients whose first work was done in the range, who referred them, what was done in the range \
                      and when they come again.",
        group: ReportGroup::Patients,
        columns: &[
            date("first_visit", "First visit"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            text("provider", "Provider"),
            text("referral", "Referral"),
            money("fee", "Fee"),
            time("next_appointment", "Next appointment"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &[
            "patient",
            "provider",
            "clinic",
            "preference",
            "appointment",
            "procedure",
            "procedure_code",
            "referral",
            "referral_attach",
        ],
        preferences: &[],
        source: Source::Sql(include_str!("sql/new_patients.sql")),
    },
    Report {
        number: 14,
        id: "referral-sources",
        display_name: "Referral sources",
        description: "Who refers patients: how many there are, how many are new, and what was produced and collected of \
                      them in the range. Patients without a source are under \"none\".",
        group: ReportGroup::Patients,
        columns: &[
            text("referral", "Referral"),
            count("patients", "Patients"),
            count("new_patients", "New patients"),
            money("gross_production", "Production"),
            money("collections", "Collections"),
        ],
        filters: &[DATES],
        by_period: false,
        holds_patient_data: true,
        needs: with_entries!("patient", "referral", "referral_attach"),
        preferences: &[],
        source: Source::Sql(include_str!("sql/referral_sources.sql")),
    },
    Report {
        number: 15,
        id: "active-patients",
        display_name: "Active patients",
        description: "The patients of status \"patient\" with work done in the range.",
        group: ReportGroup::Patients,
        columns: &[
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            date("last_done", "Last work"),
            money("fee", "Fee"),
            text("provider", "Primary provider"),
            text("phone", "Phone"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "preference", "procedure", "procedure_code"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/active_patients.sql")),
    },
    Report {
        number: 16,
        id: "no-future-appointment",
        display_name: "No future appointment",
        description: "The patients of status \"patient\" without an appointment from the snapshot's date on, latest visit \
                      first. Providers and clinics are the patients' own.",
        group: ReportGroup::Patients,
        columns: &[
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            date("last_visit", "Last visit"),
            date("recall_due", "Recall due"),
            money("unscheduled_treatment", "Treatment"),
            text("phone", "Phone"),
        ],
        filters: &[PROVIDERS, CLINICS],
        by_period: false,
        holds_patient_data: true,
        needs: &["patient", "provider", "clinic", "preference", "appointment", "procedure", "procedure_code", "recall"],
        preferences: &[],
        source: Source::Sql(include_str!("sql/no_future_appointment.sql")),
    },
    Report {
        number: 17,
        id: "recall-due",
        display_name: "Recall due",
        description: "The recalls that are due in the range, neither scheduled nor disabled. Providers and clinics are the \
                      patients' own.",
        group: ReportGroup::Patients,
        columns: &[
            text("type", "Type"),
            date("due", "Due"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            date("last_visit", "Last visit"),
            text("phone", "Phone"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: with_accounts!("provider", "clinic", "recall", "recall_type"),
        preferences: AGING,
        source: Source::WithinBalance(include_str!("sql/recall_due.sql")),
    },
    Report {
        number: 18,
        id: "treatment-presented",
        display_name: "Treatment presented",
        description: "What each presenter presented in saved treatment plans, each procedure once, at its first \
                      presentation, and what of it is scheduled or completed. The PMS's users are not synced: presenters \
                      are named by number.",
        group: ReportGroup::TreatmentAndSchedule,
        columns: &[
            text("presenter", "Presenter"),
            count("procedures", "Procedures"),
            money("gross", "Gross"),
            money("net", "Net"),
            count("scheduled_procedures", "Scheduled"),
            money("scheduled_gross", "Scheduled gross"),
            money("scheduled_net", "Scheduled net"),
            count("completed_procedures", "Completed"),
            money("completed_gross", "Completed gross"),
            money("completed_net", "Completed net"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: false,
        needs: &[
            "provider",
            "clinic",
            "preference",
            "appointment",
            "procedure",
            "procedure_code",
            "treatment_plan",
            "treatment_plan_procedure",
            "claim_line",
            "adjustment",
        ],
        preferences: &[],
        source: Source::Sql(include_str!("sql/treatment_presented.sql")),
    },
    Report {
        number: 19,
        id: "unscheduled-treatment",
        display_name: "Unscheduled treatment",
        description: "Planned work of patients of status \"patient\" that is on no appointment from the snapshot's date on.",
        group: ReportGroup::TreatmentAndSchedule,
        columns: &[
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            date("planned", "Planned"),
            text("code", "Code"),
            text("description", "Description"),
            text("tooth", "Tooth"),
            text("priority", "Priority"),
            text("provider", "Provider"),
            money("fee", "Fee"),
            date("last_visit", "Last visit"),
        ],
        filters: &[PROVIDERS, CLINICS],
        by_period: false,
        holds_patient_data: true,
        needs: &[
            "patient",
            "provider",
            "clinic",
            "definition",
            "preference",
            "appointment",
            "procedure",
            "procedure_code",
        ],
        preferences: &[],
        source: Source::Sql(include_str!("sql/unscheduled_treatment.sql")),
    },
    Report {
        number: 20,
        id: "broken-appointments",
        display_name: "Broken appointments",
        description: "The appointments that were broken, by code or by status as the practice's preference says, how, and \
                      whether the patients are rebooked.",
        group: ReportGroup::TreatmentAndSchedule,
        columns: &[
            date("date", "Date"),
            time("start", "Time"),
            text("patient", "Patient"),
            number("patient_number", "Patient number"),
            text("provider", "Provider"),
            count("minutes", "Minutes"),
            money("fee", "Fee"),
            text("kind", "Kind"),
            flag("rebooked", "Rebooked"),
            time("rebooked_start", "Rebooked for"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: true,
        needs: &[
            "patient",
            "provider",
            "clinic",
            "preference",
            "appointment",
            "appointment_history",
            "procedure",
            "procedure_code",
        ],
        preferences: &[BROKEN],
        source: Source::Sql(include_str!("sql/broken_appointments.sql")),
    },
    Report {
        number: 21,
        id: "scheduled-production",
        display_name: "Scheduled production",
        description: "What the schedule is worth by date and provider: what is still to do, and all that is on it.",
        group: ReportGroup::TreatmentAndSchedule,
        columns: &[
            date("date", "Date"),
            text("provider", "Provider"),
            count("appointments", "Appointments"),
            money("scheduled_production", "Still to do"),
            money("on_schedule_production", "On the schedule"),
        ],
        filters: ALL,
        by_period: false,
        holds_patient_data: false,
        needs: &[
            "patient",
            "provider",
            "clinic",
            "preference",
            "appointment",
            "procedure",
            "procedure_code",
            "claim_line",
        ],
        preferences: &[ESTIMATES],
        source: Source::Sql(include_str!("sql/scheduled_production.sql")),
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use chairsync_proto::{catalog, feature::Feature};

    use super::*;

    /// A dataset that the catalog does not name under the reports would never be there.
    #[test]
    fn the_catalog_names_what_reports_need() {
        let row = catalog::feature(Feature::GeneralReports).unwrap();
        for report in REPORTS {
            for name in report.needs {
                assert!(row.uses(name), "{}: {name}", report.id);
            }
        }
    }

    #[test]
    fn the_list_is_whole_and_names_are_unique() {
        let numbers: Vec<i32> = REPORTS.iter().map(|report| report.number).collect();
        assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
        let ids: BTreeSet<&str> = REPORTS.iter().map(|report| report.id).collect();
        assert_eq!(ids.len(), REPORTS.len());
        for report in REPORTS {
            let columns: BTreeSet<&str> = report.columns.iter().map(|column| column.id).collect();
            assert_eq!(columns.len(), report.columns.len(), "{}", report.id);
            let names_patients = report.columns.iter().any(|c| ["patient_number", "guarantor_number"].contains(&c.id));
            assert!(report.holds_patient_data || !names_patients, "{}", report.id);
        }
    }
}
