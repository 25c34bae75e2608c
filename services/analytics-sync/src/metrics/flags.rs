//! What is true of a fact, one bit each. A family's SQL brings each as a boolean column of the flag's name.

macro_rules! flags {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal, $column:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: u32 = 1 << $bit;)+
        const COLUMNS: &[(&str, u32)] = &[$(($column, $name)),+];
    };
}

flags! {
    /// The patient is in counts: not deleted.
    COUNTED = 0, "is_counted";
    /// With a hygiene code.
    HYGIENE = 1, "is_hygiene";
    /// With a restorative code.
    RESTORATIVE = 2, "is_restorative";
    /// Hygiene production.
    IN_HYGIENE = 3, "in_hygiene";
    /// Restorative production.
    IN_RESTORATIVE = 4, "in_restorative";
    /// An exam.
    EXAM = 5, "is_exam";
    /// Makes a visit.
    VISIT = 6, "is_visit";
    /// The patient's status is "patient".
    PATIENT = 7, "is_patient";
    /// The patient has a live appointment from D on.
    FUTURE = 8, "has_future";
    /// The patient has a live hygiene appointment from D on.
    FUTURE_HYGIENE = 9, "has_future_hygiene";
    /// With a periodontal code.
    PERIO = 10, "is_perio";
    /// The patient is older than 30 years.
    OVER_30 = 11, "is_over_30";
    /// The patient has a later appointment.
    REAPPOINTED = 12, "is_reappointed";
    /// Treatment was presented.
    PRESENTED = 13, "is_presented";
    /// Treatment was accepted.
    ACCEPTED = 14, "is_accepted";
    /// A hygiene case.
    HYGIENE_CASE = 15, "is_hygiene_case";
    /// Planned, not done.
    PLANNED = 16, "is_planned";
    /// Still to do on a scheduled appointment.
    TO_DO = 17, "is_to_do";
    /// On a date before D.
    PAST = 18, "is_past";
    /// Completed.
    COMPLETED = 19, "is_completed";
    /// Cancelled more than 24 hours ahead.
    CANCELLED = 20, "is_cancelled";
    /// Broken within 24 hours, or missed.
    NO_SHOW = 21, "is_no_show";
    /// A prepayment that is not allocated.
    UNEARNED = 22, "is_unearned";
    /// What was paid of what was due.
    PAID = 23, "is_paid";
    /// Minutes that are booked.
    BOOKED = 24, "is_booked";
    /// Minutes on offer.
    AVAILABLE = 25, "is_available";
    /// A free interval.
    OPENING = 26, "is_opening";
    /// A patient who did not come back in time.
    LOST = 27, "is_lost";
    /// A balance above zero, or a part of one.
    OWED = 28, "is_owed";
    /// Owed for more than 30 days.
    PAST_DUE = 29, "is_past_due";
    /// A balance below zero.
    CREDIT = 30, "is_credit";
    /// Sent to the insurance.
    SENT = 31, "is_sent";
}

/// The flag that a boolean column stands for.
pub fn of_column(name: &str) -> Option<u32> {
    COLUMNS.iter().find(|(column, _)| *column == name).map(|(_, flag)| *flag)
}
