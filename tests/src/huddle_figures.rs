//! A served morning huddle as figures by name, the names of the oracle.

use chairsync_proto::{
    analytics::{
        BrokenAppointment, CountRatio, DaySchedule, GetMorningHuddleResponse, HuddleAppointment, LocalDateTime,
        MoneyRatio, MonthToDate, YesterdaySummary,
    },
    google_type::{Date, Money},
};

use crate::oracle::Figures;

/// Every figure of an answer.
pub fn of(huddle: &GetMorningHuddleResponse) -> Figures {
    let mut out = Out::default();
    if let Some(yesterday) = &huddle.yesterday {
        out.yesterday(yesterday);
    }
    for (name, day) in [("today", &huddle.today), ("tomorrow", &huddle.tomorrow)] {
        if let Some(day) = day {
            out.day(name, day);
        }
    }
    if let Some(month) = &huddle.month_to_date {
        out.month(month);
    }
    out.figures
}

/// A wall-clock time as `yyyy-mm-dd hh:mm`; "" for none.
pub fn moment(time: Option<&LocalDateTime>) -> String {
    time.map_or(String::new(), |t| {
        format!("{} {:02}:{:02}", date(t.date.as_ref()), t.minute_of_day / 60, t.minute_of_day % 60)
    })
}

/// A date as `yyyy-mm-dd`; "" for none.
pub fn date(date: Option<&Date>) -> String {
    date.map_or(String::new(), |d| format!("{:04}-{:02}-{:02}", d.year, d.month, d.day))
}

/// An amount with two decimals; "" for none.
pub fn money(money: Option<&Money>) -> String {
    money.map_or(String::new(), |m| {
        let cents = i128::from(m.units) * 100 + i128::from(m.nanos / 10_000_000);
        let part = if m.nanos % 10_000_000 == 0 { "" } else { " and a part of a cent" };
        format!("{}{}.{:02}{part}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
    })
}

/// The number at the end of a resource name; 0 for none.
pub fn number(name: Option<&str>) -> String {
    let number = name.unwrap_or("").rsplit('/').next().unwrap_or("");
    if number.is_empty() { "0".to_owned() } else { number.to_owned() }
}

fn bit(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// Figures as they are put together.
#[derive(Default)]
pub struct Out {
    /// Those so far.
    pub figures: Figures,
}

impl Out {
    /// Puts one under a path.
    pub fn put(&mut self, path: &str, name: &str, value: impl ToString) {
        self.figures.insert(format!("{path}.{name}"), value.to_string());
    }

    /// Puts both parts of a ratio, and what is wrong with its value.
    pub fn money_ratio(&mut self, path: &str, name: &str, ratio: Option<&MoneyRatio>) {
        let (above, below) = (ratio.and_then(|r| r.numerator.as_ref()), ratio.and_then(|r| r.denominator.as_ref()));
        self.put(path, &format!("{name}_numerator"), money(above));
        self.put(path, &format!("{name}_denominator"), money(below));
        let cents = |m: Option<&Money>| m.map_or(0, |m| i128::from(m.units) * 100 + i128::from(m.nanos / 10_000_000));
        self.percent(path, name, cents(above), cents(below), ratio.and_then(|r| r.value));
    }

    /// The same of counts.
    pub fn count_ratio(&mut self, path: &str, name: &str, ratio: Option<&CountRatio>) {
        let (above, below) = ratio.map_or((0, 0), |r| (r.numerator, r.denominator));
        self.put(path, &format!("{name}_numerator"), above);
        self.put(path, &format!("{name}_denominator"), below);
        self.percent(path, name, above.into(), below.into(), ratio.and_then(|r| r.value));
    }

    /// A percentage must follow from its own parts: one decimal, half up, none over a zero. Parts of a cent are not on
    /// the wire, so that a ratio of money may stand a tenth apart.
    pub fn percent(&mut self, path: &str, name: &str, above: i128, below: i128, shown: Option<f64>) {
        let tenths = (below > 0).then(|| (above * 2_000 + below).div_euclid(2 * below));
        #[allow(clippy::cast_precision_loss)] // percentages are small
        let holds = match (tenths, shown) {
            (None, None) => true,
            (Some(tenths), Some(shown)) => (tenths as f64 / 10.0 - shown).abs() < 1e-6,
            _ => false,
        };
        if !holds {
            self.put(path, &format!("{name}_value"), format!("{shown:?}, but its parts give {tenths:?} tenths"));
        }
    }

    fn yesterday(&mut self, y: &YesterdaySummary) {
        let at = "yesterday";
        self.put(at, "date", date(y.date.as_ref()));
        for (name, amount) in [
            ("gross_production", &y.gross_production),
            ("adjustments", &y.adjustments),
            ("write_offs", &y.write_offs),
            ("net_production", &y.net_production),
            ("goal", &y.goal),
            ("collections", &y.collections),
            ("patient_collections", &y.patient_collections),
            ("insurance_collections", &y.insurance_collections),
        ] {
            self.put(at, name, money(amount.as_ref()));
        }
        self.money_ratio(at, "otc", y.otc_rate.as_ref());
        self.put(at, "visits", y.visits);
        self.put(at, "new_patients", y.new_patients);
        self.count_ratio(at, "reappointment", y.hygiene_reappointment_pct.as_ref());
        self.count_ratio(at, "diagnostic", y.diagnostic_pct.as_ref());
        self.count_ratio(at, "patient_acceptance", y.patient_acceptance_pct.as_ref());
        self.money_ratio(at, "treatment_acceptance", y.treatment_acceptance_pct.as_ref());
        self.count_ratio(at, "broken", y.broken_pct.as_ref());
        self.put(at, "broken_basis", y.broken_basis);
        let numbers = |b: &BrokenAppointment| {
            let patient = number(b.patient.as_ref().map(|p| p.name.as_str()));
            let key = |text: &str| text.parse::<u64>().unwrap_or(0);
            (key(&patient), key(&number(Some(&b.appointment))), b.kind, money(b.fee.as_ref()))
        };
        let mut broken: Vec<&BrokenAppointment> = y.broken_appointments.iter().collect();
        broken.sort_by_key(|b| numbers(b));
        for (index, row) in broken.into_iter().enumerate() {
            let at = format!("yesterday.broken[{index}]");
            let (patient, appointment, kind, fee) = numbers(row);
            self.put(&at, "appointment", appointment);
            self.put(&at, "patient", patient);
            self.put(&at, "minutes", row.minutes);
            self.put(&at, "fee", fee);
            self.put(&at, "kind", kind);
            self.put(&at, "rebooked_start", moment(row.rebooked_start.as_ref()));
            if row.rebooked != row.rebooked_start.is_some() {
                self.put(&at, "rebooked", "disagrees with rebooked_start");
            }
        }
    }

    fn day(&mut self, at: &str, day: &DaySchedule) {
        self.put(at, "date", date(day.date.as_ref()));
        self.put(at, "on_schedule_production", money(day.on_schedule_production.as_ref()));
        self.put(at, "goal", money(day.goal.as_ref()));
        self.put(at, "appointment_count", day.appointment_count);
        self.put(at, "new_patients", day.new_patients);
        self.put(at, "unconfirmed", day.unconfirmed);
        self.put(at, "available_minutes", day.available_minutes);
        self.put(at, "booked_minutes", day.booked_minutes);
        self.put(at, "past_due", money(day.past_due.as_ref()));
        self.put(at, "unscheduled_family", day.unscheduled_family);
        let (above, below) = (i128::from(day.booked_minutes), i128::from(day.available_minutes));
        self.percent(at, "utilization_pct", above, below, day.utilization_pct.as_ref().and_then(|r| r.value));
        for opening in &day.openings {
            let provider = number(opening.provider.as_ref().map(|p| p.name.as_str()));
            let start = opening.start.as_ref().map_or(-1, |s| s.minute_of_day);
            let at = format!("{at}.openings[{provider}@{start}]");
            self.put(&at, "minutes", opening.minutes);
            self.put(&at, "opportunity", money(opening.opportunity.as_ref()));
        }
        for row in &day.appointments {
            self.appointment(&format!("{at}.appointments[{}]", number(Some(&row.appointment))), row);
        }
    }

    fn appointment(&mut self, at: &str, row: &HuddleAppointment) {
        self.put(at, "start", moment(row.start.as_ref()));
        self.put(at, "minutes", row.minutes);
        self.put(at, "operatory", number(row.operatory.as_ref().map(|p| p.name.as_str())));
        self.put(at, "provider", number(row.provider.as_ref().map(|p| p.name.as_str())));
        self.put(at, "patient", number(row.patient.as_ref().map(|p| p.name.as_str())));
        let items = row.procedures.iter().map(|p| format!("{}:{}:{}", p.procedure, p.code, money(p.fee.as_ref())));
        self.put(at, "procedures", items.collect::<Vec<_>>().join(","));
        self.put(at, "fee", money(row.fee.as_ref()));
        self.put(at, "is_new", bit(row.is_new));
        self.put(at, "confirmed", bit(row.confirmed));
        let kinds: Vec<String> = row.alerts.iter().map(|a| a.kind.to_string()).collect();
        self.put(at, "alerts", kinds.join(","));
        self.put(at, "past_due", money(row.past_due.as_ref()));
        self.put(at, "unscheduled_treatment", money(row.unscheduled_treatment.as_ref()));
        let mut recalls: Vec<(String, &str, &str)> = Vec::new();
        for recall in &row.recalls_due {
            recalls.push((date(recall.due_date.as_ref()), &recall.r#type, bit(recall.scheduled)));
        }
        recalls.sort();
        let recalls = recalls.iter().map(|(due, name, scheduled)| format!("{name}:{due}:{scheduled}"));
        self.put(at, "recalls", recalls.collect::<Vec<_>>().join(","));
        self.put(at, "unscheduled_family", row.unscheduled_family);
        self.put(at, "birthday", bit(row.birthday));
        self.put(at, "completed", bit(row.completed));
        self.put(at, "hygiene", bit(row.hygiene));
    }

    fn month(&mut self, m: &MonthToDate) {
        for (name, amount) in [
            ("gross_production", &m.gross_production),
            ("adjustments", &m.adjustments),
            ("write_offs", &m.write_offs),
            ("net_production", &m.net_production),
            ("collections", &m.collections),
            ("scheduled_production", &m.scheduled_production),
            ("goal", &m.goal),
        ] {
            self.put("month", name, money(amount.as_ref()));
        }
    }
}
