//! The families of facts: what each brings, from which rows, and what it reads.

use super::metric::Window;
use crate::receivables::LEDGER;

/// A family of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Done procedures, at their fees.
    Done,
    /// Capitation write-offs of done procedures.
    Capitation,
    /// Done procedures that were not on the book the day before, at their fees.
    SameDay,
    /// Adjustments.
    Adjustments,
    /// Write-offs.
    WriteOffs,
    /// What patients paid, split by split.
    Payments,
    /// What insurances paid by check.
    Insurance,
    /// What patients owed and paid on the day of their visit.
    Counter,
    /// Work on the schedule, at its fees.
    ScheduleWork,
    /// Estimated write-offs of what is still to do.
    ScheduleEstimates,
    /// Who came, by provider and location.
    Visits,
    /// Visits with a hygiene code, each once.
    HygieneVisits,
    /// First visits.
    NewPatients,
    /// Patients who came back after long, and those who did not come back in time.
    Returns,
    /// Active patients as of D.
    Active,
    /// Treatment presented.
    Cases,
    /// Planned work that is on no live appointment as of D.
    UnscheduledTreatment,
    /// Patients without a live appointment as of D.
    UnscheduledPatients,
    /// Appointments.
    Appointments,
    /// Live appointments from D on.
    FutureAppointments,
    /// Broken appointments.
    Broken,
    /// Appointments that stand or were kept.
    Kept,
    /// Providers' hours by date: minutes on offer, minutes booked, openings.
    Hours,
    /// Families' accounts as of D, by age, with their credits and what insurances are expected to settle.
    Accounts,
    /// Claims that are not settled as of D, at their fees.
    Claims,
    /// What was owed after each of the nights before D.
    Nights,
}

/// How a family's facts are found.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// By a question to the books.
    Sql(&'static str),
    /// From hours and appointments.
    Hours,
    /// By aging every account.
    Accounts,
    /// From the claims that reports show too.
    Claims,
    /// By adding every account up, night by night.
    Nights,
}

struct Policy {
    source: Source,
    dataset: &'static str,
    datasets: &'static [&'static str],
    window: Window,
}

const fn policy(sql: &'static str, dataset: &'static str, datasets: &'static [&'static str], window: Window) -> Policy {
    Policy { source: Source::Sql(sql), dataset, datasets, window }
}

impl Family {
    /// How its facts are found.
    pub const fn source(self) -> Source {
        self.policy().source
    }

    /// What its rows are, as `BoardRow.dataset` names it.
    pub const fn dataset(self) -> &'static str {
        self.policy().dataset
    }

    /// The datasets that it reads.
    pub const fn datasets(self) -> &'static [&'static str] {
        self.policy().datasets
    }

    /// From when its facts are taken where a metric says nothing else.
    pub const fn window(self) -> Window {
        self.policy().window
    }

    const fn policy(self) -> Policy {
        use Window::{AsOf, Range};
        match self {
            Self::Done => policy(include_str!("sql/done.sql"), "procedure", WORK, Range),
            Self::Capitation => policy(
                include_str!("sql/capitation.sql"),
                "claim_line",
                &["procedure", "procedure_code", "claim_line"],
                Range,
            ),
            Self::SameDay => policy(
                include_str!("sql/same_day.sql"),
                "procedure",
                &["procedure", "procedure_code", "appointment"],
                Range,
            ),
            Self::Adjustments => {
                policy(include_str!("sql/adjustments.sql"), "adjustment", &["adjustment", "definition"], Range)
            }
            Self::WriteOffs => {
                policy(include_str!("sql/write_offs.sql"), "claim_line", &["claim_line", "preference"], Range)
            }
            Self::Payments => policy(
                include_str!("sql/payments.sql"),
                "payment_split",
                &["payment", "payment_split", "definition"],
                Range,
            ),
            Self::Insurance => {
                policy(include_str!("sql/insurance.sql"), "claim_line", &["claim_line", "claim_payment"], Range)
            }
            Self::Counter => policy(
                include_str!("sql/over_the_counter.sql"),
                "visit",
                &["procedure", "procedure_code", "claim_line", "adjustment", "payment", "payment_split"],
                Range,
            ),
            Self::ScheduleWork => policy(
                include_str!("sql/schedule_work.sql"),
                "procedure",
                &["procedure", "procedure_code", "appointment"],
                Range,
            ),
            Self::ScheduleEstimates => policy(
                include_str!("sql/schedule_estimates.sql"),
                "claim_line",
                &["procedure", "procedure_code", "appointment", "claim_line", "preference"],
                Range,
            ),
            Self::Visits => policy(include_str!("sql/visits.sql"), "visit", WORK, Range),
            Self::HygieneVisits => policy(include_str!("sql/hygiene_visits.sql"), "visit", BOOKED_WORK, Range),
            Self::NewPatients => policy(include_str!("sql/new_patients.sql"), "patient", BOOKED_WORK, Range),
            Self::Returns => policy(include_str!("sql/returns.sql"), "patient", WORK, Range),
            Self::Active => policy(include_str!("sql/active.sql"), "patient", BOOKED_WORK, AsOf),
            Self::Cases => policy(include_str!("sql/cases.sql"), "procedure", BOOKED_WORK, Range),
            Self::UnscheduledTreatment => {
                policy(include_str!("sql/unscheduled_treatment.sql"), "procedure", BOOKED_WORK, AsOf)
            }
            Self::UnscheduledPatients => {
                policy(include_str!("sql/unscheduled_patients.sql"), "patient", BOOKED_WORK, AsOf)
            }
            Self::Appointments => policy(include_str!("sql/appointments.sql"), "appointment", BOOKED_WORK, Range),
            Self::FutureAppointments => {
                policy(include_str!("sql/future_appointments.sql"), "appointment", &["appointment", "patient"], AsOf)
            }
            // Where broken appointments are counted by their procedures, the rows are of that dataset: `Facts` knows.
            Self::Broken => policy(
                include_str!("sql/broken.sql"),
                "appointment",
                &["procedure", "procedure_code", "patient", "appointment", "appointment_history", "preference"],
                Range,
            ),
            Self::Kept => policy(
                include_str!("sql/kept.sql"),
                "appointment",
                &["procedure", "procedure_code", "patient", "appointment", "preference"],
                Range,
            ),
            Self::Hours => Policy {
                source: Source::Hours,
                dataset: "schedule",
                datasets: &["schedule", "schedule_operatory", "operatory", "provider", "definition", "appointment"],
                window: Range,
            },
            Self::Accounts => Policy { source: Source::Accounts, dataset: "family", datasets: LEDGER, window: AsOf },
            Self::Claims => {
                Policy { source: Source::Claims, dataset: "claim", datasets: &["claim", "claim_line"], window: AsOf }
            }
            Self::Nights => Policy { source: Source::Nights, dataset: "date", datasets: LEDGER, window: AsOf },
        }
    }
}

/// What is done.
const WORK: &[&str] = &["procedure", "procedure_code", "patient"];
/// What is done, and what is booked.
const BOOKED_WORK: &[&str] = &["procedure", "procedure_code", "patient", "appointment"];
