//! The Open Dental tables that the sample practice fills, with the columns that it sets; all others take the schema's
//! default. The names are the vendor's, as they stand in the database.

use super::value::{Day, Moment, Note, Row, Stamp, Text, TimeOfDay};

/// A table: its name and the columns that are set, the key first.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the database.
    pub name: &'static str,
    /// The columns that are set.
    pub columns: &'static [&'static str],
}

impl Table {
    /// The position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| *c == column)
    }

    /// The position of the column that shows changes, if there is one.
    pub fn stamp(&self) -> Option<usize> {
        self.position("DateTStamp").or_else(|| self.position("SecDateTEdit"))
    }
}

/// A typed row of one table.
pub trait TableRow {
    /// Its table.
    const TABLE: &'static Table;

    /// Its values in column order.
    fn into_row(self) -> Row;
}

macro_rules! tables {
    ($( $(#[$doc:meta])* $name:ident = $table:literal { $($column:ident: $type:ty),* $(,)? } )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Default)]
            #[allow(non_snake_case, missing_docs)] // the vendor's column names, explained in its schema
            pub struct $name { $(pub $column: $type),* }

            impl TableRow for $name {
                const TABLE: &'static Table = &Table { name: $table, columns: &[$(stringify!($column)),*] };

                fn into_row(self) -> Row {
                    vec![$(self.$column.into()),*]
                }
            }
        )*

        /// Every table that is filled.
        pub const ALL: &[&Table] = &[$(<$name as TableRow>::TABLE),*];
    };
}

tables! {
    /// People.
    Patient = "patient" {
        PatNum: i64, LName: Text, FName: Text, MiddleI: Text, Preferred: Text, PatStatus: i64, Gender: i64, Position: i64,
        Birthdate: Day, Address: Text, Address2: Text, City: Text, State: Text, Zip: Text, HmPhone: Text,
        WkPhone: Text, WirelessPhone: Text, Guarantor: i64, Email: Text, PriProv: i64, SecProv: i64,
        BillingType: i64, FamFinUrgNote: Note, MedUrgNote: Text, ApptModNote: Text, Bal_0_30: f64,
        Bal_31_60: f64, Bal_61_90: f64, BalOver90: f64, InsEst: f64, BalTotal: f64, DateFirstVisit: Day,
        ClinicNum: i64, HasIns: Text, Premed: i64, PreferConfirmMethod: i64, PreferContactMethod: i64,
        PreferRecallMethod: i64, Language: Text, AskToArriveEarly: i64, TxtMsgOk: i64, SecDateEntry: Day,
        DateTStamp: Stamp,
    }
    /// Medical notes of people.
    PatientNote = "patientnote" {
        PatNum: i64, FamFinancial: Note, Medical: Note, Service: Note, MedicalComp: Note, Treatment: Note,
        ICEName: Text, ICEPhone: Text, SecDateTEdit: Stamp,
    }
    /// Dentists and hygienists.
    Provider = "provider" {
        ProvNum: i64, Abbr: Text, ItemOrder: i64, LName: Text, FName: Text, Suffix: Text, Specialty: i64,
        IsSecondary: i64, IsHidden: i64, ProvStatus: i64, IsHiddenReport: i64, HourlyProdGoalAmt: f64,
        DateTerm: Day, PreferredName: Text, DateTStamp: Stamp,
    }
    /// Locations.
    Clinic = "clinic" {
        ClinicNum: i64, Description: Text, City: Text, State: Text, Zip: Text, Phone: Text, ItemOrder: i64,
        Abbr: Text, IsHidden: i64, TimeZone: Text,
    }
    /// Chairs.
    Operatory = "operatory" {
        OperatoryNum: i64, OpName: Text, Abbrev: Text, ItemOrder: i64, IsHidden: i64, ProvDentist: i64,
        ProvHygienist: i64, IsHygiene: i64, ClinicNum: i64, IsWebSched: i64, IsNewPatAppt: i64,
        OperatoryType: i64, DateTStamp: Stamp,
    }
    /// The practice's lists.
    Definition = "definition" {
        DefNum: i64, Category: i64, ItemOrder: i64, ItemName: Text, ItemValue: Text, ItemColor: i64, IsHidden: i64,
    }
    /// The practice's settings.
    Preference = "preference" { PrefName: Text, ValueString: Note }
    /// Who refers patients.
    Referral = "referral" {
        ReferralNum: i64, LName: Text, FName: Text, NotPerson: i64, IsDoctor: i64, Title: Text, IsHidden: i64,
        DateTStamp: Stamp,
    }
    /// Who was referred by or to whom.
    RefAttach = "refattach" {
        RefAttachNum: i64, ReferralNum: i64, PatNum: i64, ItemOrder: i64, RefDate: Day, RefType: i64,
        RefToStatus: i64, DateTStamp: Stamp,
    }
    /// Appointments.
    Appointment = "appointment" {
        AptNum: i64, PatNum: i64, AptStatus: i64, Pattern: Text, Confirmed: i64, Op: i64, Note: Note,
        ProvNum: i64, ProvHyg: i64, AptDateTime: Moment, NextAptNum: i64, UnschedStatus: i64,
        IsNewPatient: i64, ProcDescript: Note, Assistant: i64, ClinicNum: i64, IsHygiene: i64,
        DateTimeArrived: Moment, DateTimeSeated: Moment, DateTimeDismissed: Moment, AppointmentTypeNum: i64,
        SecDateTEntry: Moment, Priority: i64, DateTStamp: Stamp,
    }
    /// What was done to appointments.
    HistAppointment = "histappointment" {
        HistApptNum: i64, HistDateTStamp: Moment, HistApptAction: i64, AptNum: i64, PatNum: i64,
        AptStatus: i64, Op: i64, ProvNum: i64, ProvHyg: i64, AptDateTime: Moment, ClinicNum: i64,
        IsHygiene: i64, Pattern: Text, DateTStamp: Stamp,
    }
    /// Kinds of appointment.
    AppointmentType = "appointmenttype" {
        AppointmentTypeNum: i64, AppointmentTypeName: Text, ItemOrder: i64, IsHidden: i64, Pattern: Text,
        CodeStr: Text, BlockoutTypes: Text,
    }
    /// Hours, blockouts and holidays.
    Schedule = "schedule" {
        ScheduleNum: i64, SchedDate: Day, StartTime: TimeOfDay, StopTime: TimeOfDay, SchedType: i64,
        ProvNum: i64, BlockoutType: i64, Note: Note, Status: i64, EmployeeNum: i64, ClinicNum: i64,
        DateTStamp: Stamp,
    }
    /// Which chairs a schedule block is for.
    ScheduleOp = "scheduleop" { ScheduleOpNum: i64, ScheduleNum: i64, OperatoryNum: i64 }
    /// When patients are due.
    Recall = "recall" {
        RecallNum: i64, PatNum: i64, DateDueCalc: Day, DateDue: Day, DatePrevious: Day, RecallInterval: i64,
        RecallStatus: i64, Note: Note, IsDisabled: i64, RecallTypeNum: i64, DisableUntilBalance: f64,
        DisableUntilDate: Day, DateScheduled: Day, Priority: i64, DateTStamp: Stamp,
    }
    /// Kinds of recall.
    RecallType = "recalltype" {
        RecallTypeNum: i64, Description: Text, DefaultInterval: i64, TimePattern: Text, Procedures: Text,
    }
    /// Work done and planned.
    Procedure = "procedurelog" {
        ProcNum: i64, PatNum: i64, AptNum: i64, ProcDate: Day, ProcFee: f64, Surf: Text, ToothNum: Text,
        ToothRange: Text, Priority: i64, ProcStatus: i64, ProvNum: i64, PlannedAptNum: i64, ClinicNum: i64,
        CodeNum: i64, UnitQty: i64, BaseUnits: i64, DateTP: Day, DateEntryC: Day, DateComplete: Day,
        Discount: f64, DiscountPlanAmt: f64, TaxAmt: f64, SecDateEntry: Moment, ProcNumLab: i64,
        DateTStamp: Stamp,
    }
    /// CDT and custom codes.
    ProcedureCode = "procedurecode" {
        CodeNum: i64, ProcCode: Text, Descript: Text, AbbrDesc: Text, ProcCat: i64, TreatArea: i64,
        IsHygiene: i64, IsProsth: i64, LaymanTerm: Text, DateTStamp: Stamp,
    }
    /// Treatment plans.
    TreatPlan = "treatplan" {
        TreatPlanNum: i64, PatNum: i64, DateTP: Day, Heading: Text, TPStatus: i64, UserNumPresenter: i64,
        TPType: i64, DateTSigned: Moment, DateTPracticeSigned: Moment, SecDateTEdit: Stamp,
    }
    /// What active plans link.
    TreatPlanAttach = "treatplanattach" { TreatPlanAttachNum: i64, TreatPlanNum: i64, ProcNum: i64, Priority: i64 }
    /// What saved plans copied.
    ProcTp = "proctp" {
        ProcTPNum: i64, TreatPlanNum: i64, PatNum: i64, ProcNumOrig: i64, ItemOrder: i64, Priority: i64,
        ToothNumTP: Text, Surf: Text, ProcCode: Text, Descript: Text, FeeAmt: f64, PriInsAmt: f64,
        SecInsAmt: f64, PatAmt: f64, Discount: f64, ProvNum: i64, DateTP: Day, ClinicNum: i64,
        SecDateTEdit: Stamp,
    }
    /// Insurance claims.
    Claim = "claim" {
        ClaimNum: i64, PatNum: i64, DateService: Day, DateSent: Day, ClaimStatus: Text, DateReceived: Day,
        PlanNum: i64, ProvTreat: i64, ClaimFee: f64, InsPayEst: f64, InsPayAmt: f64, DedApplied: f64,
        ReasonUnderPaid: Text, ClaimType: Text, ProvBill: i64, WriteOff: f64, ClinicNum: i64, InsSubNum: i64,
        DateSentOrig: Day, DateResent: Day, SecDateTEdit: Stamp,
    }
    /// Claim lines.
    ClaimProc = "claimproc" {
        ClaimProcNum: i64, ProcNum: i64, ClaimNum: i64, PatNum: i64, ProvNum: i64, FeeBilled: f64,
        InsPayEst: f64, DedApplied: f64, Status: i64, InsPayAmt: f64, Remarks: Text, ClaimPaymentNum: i64,
        PlanNum: i64, DateCP: Day, WriteOff: f64, ProcDate: Day, DateEntry: Day, InsEstTotal: f64,
        InsEstTotalOverride: f64, WriteOffEst: f64, WriteOffEstOverride: f64, ClinicNum: i64, InsSubNum: i64,
        PayPlanNum: i64, IsTransfer: i64, SecDateTEdit: Stamp,
    }
    /// Insurance checks.
    ClaimPayment = "claimpayment" {
        ClaimPaymentNum: i64, CheckDate: Day, CheckAmt: f64, CheckNum: Text, ClinicNum: i64,
        CarrierName: Text, DateIssued: Day, IsPartial: i64, PayType: i64, SecDateTEdit: Stamp,
    }
    /// Insurance companies.
    Carrier = "carrier" {
        CarrierNum: i64, CarrierName: Text, Phone: Text, ElectID: Text, IsHidden: i64, SecDateTEdit: Stamp,
    }
    /// Insurance plans.
    InsPlan = "insplan" {
        PlanNum: i64, GroupName: Text, GroupNum: Text, PlanType: Text, CarrierNum: i64, MonthRenew: i64,
        IsMedical: i64, IsHidden: i64, SecDateTEdit: Stamp,
    }
    /// Subscribers.
    InsSub = "inssub" {
        InsSubNum: i64, PlanNum: i64, Subscriber: i64, DateEffective: Day, DateTerm: Day, SubscriberID: Text,
        SecDateTEdit: Stamp,
    }
    /// Who is covered.
    PatPlan = "patplan" {
        PatPlanNum: i64, PatNum: i64, Ordinal: i64, IsPending: i64, Relationship: i64, InsSubNum: i64,
        SecDateTEdit: Stamp,
    }
    /// Payments as taken.
    Payment = "payment" {
        PayNum: i64, PayType: i64, PayDate: Day, PayAmt: f64, CheckNum: Text, PayNote: Note, PatNum: i64,
        ClinicNum: i64, DateEntry: Day, PaymentSource: i64, ProcessStatus: i64, ExternalId: Text,
        SecDateTEdit: Stamp,
    }
    /// How payments are shared.
    PaySplit = "paysplit" {
        SplitNum: i64, SplitAmt: f64, PatNum: i64, ProcDate: Day, PayNum: i64, ProvNum: i64, PayPlanNum: i64,
        DatePay: Day, ProcNum: i64, DateEntry: Day, UnearnedType: i64, ClinicNum: i64, FSplitNum: i64,
        AdjNum: i64, PayPlanChargeNum: i64, SecDateTEdit: Stamp,
    }
    /// Signed corrections.
    Adjustment = "adjustment" {
        AdjNum: i64, AdjDate: Day, AdjAmt: f64, PatNum: i64, AdjType: i64, ProvNum: i64, AdjNote: Note,
        ProcDate: Day, ProcNum: i64, DateEntry: Day, ClinicNum: i64, SecDateTEdit: Stamp,
    }
    /// Payment plans.
    PayPlan = "payplan" {
        PayPlanNum: i64, PatNum: i64, Guarantor: i64, PayPlanDate: Day, PlanNum: i64, IsClosed: i64,
        IsDynamic: i64, PlanCategory: i64, CompletedAmt: f64,
    }
    /// Debits and credits of payment plans.
    PayPlanCharge = "payplancharge" {
        PayPlanChargeNum: i64, PayPlanNum: i64, Guarantor: i64, PatNum: i64, ChargeDate: Day, Principal: f64,
        Interest: f64, ProvNum: i64, ClinicNum: i64, ChargeType: i64, ProcNum: i64, SecDateTEdit: Stamp,
    }
    /// Statements.
    Statement = "statement" {
        StatementNum: i64, PatNum: i64, DateSent: Day, Mode_: i64, IsSent: i64, IsReceipt: i64,
        IsInvoice: i64, BalTotal: f64, InsEst: f64, DateTStamp: Stamp,
    }
    /// Conversations.
    Commlog = "commlog" {
        CommlogNum: i64, PatNum: i64, CommDateTime: Moment, CommType: i64, Note: Note, Mode_: i64,
        SentOrReceived: i64, CommSource: i64, DateTStamp: Stamp,
    }
    /// Text messages received.
    SmsFromMobile = "smsfrommobile" {
        SmsFromMobileNum: i64, PatNum: i64, ClinicNum: i64, CommlogNum: i64, MsgText: Note,
        DateTimeReceived: Moment, MobilePhoneNumber: Text, MsgPart: i64, MsgTotal: i64, MsgRefID: Text,
        SmsStatus: i64, IsHidden: i64, SecDateTEdit: Stamp,
    }
    /// Text messages sent.
    SmsToMobile = "smstomobile" {
        SmsToMobileNum: i64, PatNum: i64, ClinicNum: i64, MobilePhoneNumber: Text, MsgText: Note,
        SmsStatus: i64, MsgParts: i64, DateTimeSent: Moment, DateTimeTerminated: Moment, IsHidden: i64,
        GuidMessage: Text, SecDateTEdit: Stamp,
    }
    /// Forms and consents.
    Sheet = "sheet" {
        SheetNum: i64, SheetType: i64, PatNum: i64, DateTimeSheet: Moment, Description: Text,
        ShowInTerminal: i64, IsWebForm: i64, IsDeleted: i64, SheetDefNum: i64, ClinicNum: i64, RevID: i64,
        DateTSheetEdited: Moment,
    }
    /// What the program logged.
    SecurityLog = "securitylog" {
        SecurityLogNum: i64, PermType: i64, UserNum: i64, LogDateTime: Moment, LogText: Note, PatNum: i64,
        FKey: i64,
    }
}
