//! The practice's own lists (definitions) and settings (preferences).

use std::borrow::Cow;

use super::{Config, Out, dice::Dice};
use crate::sample::tables::{Definition, Preference};

/// The numbers of the definitions that other rows refer to.
pub(crate) mod def {
    /// Confirmation states: not called, unconfirmed, confirmed, e-confirmed, arrived.
    pub(crate) const CONFIRMED: [i64; 5] = [101, 102, 103, 104, 105];
    /// Lowering adjustments: courtesy, employee.
    pub(crate) const LOWER: [i64; 2] = [121, 122];
    /// Raising adjustments: finance charge, correction.
    pub(crate) const RAISE: [i64; 2] = [123, 124];
    /// The fee for a broken appointment.
    pub(crate) const BROKEN_FEE: i64 = 125;
    /// Payments: check, cash, card.
    pub(crate) const PAY: [i64; 3] = [141, 142, 143];
    /// Refunds.
    pub(crate) const REFUND: i64 = 144;
    /// Transfers of income, without money.
    pub(crate) const TRANSFER: i64 = 145;
    /// Billing types.
    pub(crate) const BILLING: [i64; 3] = [161, 162, 163];
    /// The first category of procedure codes.
    pub(crate) const CODE_CATEGORY: i64 = 180;
    /// Why an appointment or recall is unscheduled: left message, no answer.
    pub(crate) const UNSCHEDULED: [i64; 2] = [201, 202];
    /// Treatment priorities: 1, 2, 3, declined.
    pub(crate) const PRIORITY: [i64; 4] = [221, 222, 223, 224];
    /// Blockouts that can be booked around: emergencies only, hygiene only.
    pub(crate) const BLOCK: [i64; 2] = [241, 242];
    /// Blockouts that close a chair ("NS"): meeting, chair in repair.
    pub(crate) const BLOCK_NS: [i64; 2] = [243, 244];
    /// Kinds of commlog: misc, appointment, financial, recall, text.
    pub(crate) const COMMLOG: [i64; 5] = [261, 262, 263, 264, 265];
    /// Prepayments.
    pub(crate) const PREPAYMENT: i64 = 281;
    /// Prepayments that reports hide.
    pub(crate) const PREPAYMENT_HIDDEN: i64 = 282;
    /// Insurance payments: check, transfer.
    pub(crate) const INSURANCE_PAY: [i64; 2] = [301, 302];
    /// Payment plan category.
    pub(crate) const PLAN: i64 = 321;
}

/// `(number, category, name, value, hidden)`
const DEFINITIONS: &[(i64, i64, &str, &str, i64)] = &[
    (101, 2, "Not Called", "NotCalled", 0),
    (102, 2, "Unconfirmed", "Unconf", 0),
    (103, 2, "Appointment Confirmed", "Conf", 0),
    (104, 2, "E-Confirmed", "eConf", 0),
    (105, 2, "Arrived", "Here", 0),
    (121, 1, "Courtesy Discount", "-", 0),
    (122, 1, "Employee Discount", "-", 1),
    (123, 1, "Finance Charge", "+", 0),
    (124, 1, "Balance Correction", "+", 0),
    (125, 1, "Broken Appointment Fee", "+", 0),
    (141, 10, "Check", "", 0),
    (142, 10, "Cash", "", 0),
    (143, 10, "Credit Card", "", 0),
    (144, 10, "Refund", "", 0),
    (145, 10, "Income Transfer", "N", 0),
    (161, 4, "Standard Account", "", 0),
    (162, 4, "No Finance Charges", "", 0),
    (163, 4, "Collection Agency", "C", 0),
    (180, 11, "Exams & X-rays", "", 0),
    (181, 11, "Hygiene", "", 0),
    (182, 11, "Fillings", "", 0),
    (183, 11, "Crowns", "", 0),
    (184, 11, "Root Canals", "", 0),
    (185, 11, "Gums", "", 0),
    (186, 11, "Dentures & Implants", "", 0),
    (187, 11, "Surgery", "", 0),
    (188, 11, "Other", "", 0),
    (189, 11, "House Codes", "", 1),
    (201, 13, "Left Message", "", 0),
    (202, 13, "No Answer", "", 0),
    (221, 20, "1", "", 0),
    (222, 20, "2", "", 0),
    (223, 20, "3", "", 0),
    (224, 20, "Declined", "", 0),
    (241, 25, "Emergencies Only", "", 0),
    (242, 25, "Hygiene Only", "DC", 0),
    (243, 25, "Staff Meeting", "NS", 0),
    (244, 25, "Chair Repair", "NS,DC", 0),
    (261, 27, "Misc", "MISC", 0),
    (262, 27, "Appointment Related", "APPT", 0),
    (263, 27, "Financial", "FIN", 0),
    (264, 27, "Recall", "RECALL", 0),
    (265, 27, "Text", "TEXT", 0),
    (281, 29, "Prepayment", "", 0),
    (282, 29, "Treatment Deposit", "X", 0),
    (301, 32, "Check", "", 0),
    (302, 32, "Electronic Transfer", "EFT", 0),
    (321, 47, "Standard Plan", "", 0),
];

/// Writes the lists and the settings. The settings that change how books are counted vary with the seed.
pub(crate) fn write(config: &Config, out: &mut Out<'_>) {
    for (order, &(number, category, name, value, hidden)) in (0..).zip(DEFINITIONS) {
        out.put(Definition {
            DefNum: number,
            Category: category,
            ItemOrder: order,
            ItemName: Cow::Borrowed(name),
            ItemValue: Cow::Borrowed(value),
            ItemColor: -order * 7919,
            IsHidden: hidden,
        });
    }
    let mut dice = Dice::new(config.seed, "preferences", 0);
    let chosen: [(&str, String); 13] = [
        ("AgingProcLifo", dice.pick(&["1", "1", "2", "0"]).to_string()),
        ("AppointmentTimeIncrement", dice.pick(&["5", "10", "15"]).to_string()),
        ("BrokenApptProcedure", dice.pick(&["0", "1", "2", "3"]).to_string()),
        ("BrokenAppointmentAdjustmentType", def::BROKEN_FEE.to_string()),
        ("DataBaseVersion", "24.3.10.0".to_owned()),
        ("DateLastAging", config.as_of_day().plus(-9).date().map(|d| d.to_string()).unwrap_or_default()),
        ("EasyNoClinics", "0".to_owned()),
        ("PayPlansVersion", dice.pick(&["2", "2", "1", "3"]).to_string()),
        ("PracticeTitle", "Sample Dental".to_owned()),
        ("PrepaymentUnearnedType", def::PREPAYMENT.to_string()),
        ("ProgramVersion", "24.3.10.0".to_owned()),
        ("ReportPandIschedProdSubtractsWO", dice.pick(&["0", "1"]).to_string()),
        ("ReportsPPOwriteoffDefaultToProcDate", dice.pick(&["0", "0", "1", "2"]).to_string()),
    ];
    for (name, value) in chosen {
        out.put(Preference { PrefName: Cow::Borrowed(name), ValueString: Some(Cow::Owned(value)) });
    }
    out.put(Preference { PrefName: Cow::Borrowed("PracticePhone"), ValueString: None });
}
