//! The morning huddle by independent SQL on MariaDB (`tests/oracle/*.sql`), as figures by name.
//!
//! A figure's name is its path, e.g. `today.appointments[17].fee`; its value is text: money with two decimals, times as
//! `yyyy-mm-dd hh:mm`, nothing as "".

use std::collections::BTreeMap;

use jiff::civil::Date;
use mysql_async::{Conn, Row, Value, prelude::Queryable};

/// Figures by name.
pub type Figures = BTreeMap<String, String>;
/// One row of an answer by column.
pub type Record = BTreeMap<String, String>;

/// The oracle over one database. Its tables are temporary: they live on its connection and nothing is written.
pub struct Oracle {
    conn: Conn,
}

impl Oracle {
    /// Reads the rows that count, as of date `d` and wall-clock time `now` (`yyyy-mm-dd hh:mm:ss`).
    ///
    /// # Panics
    /// When the database is not an Open Dental one.
    pub async fn new(conn: Conn, d: Date, now: &str) -> Self {
        let mut oracle = Self { conn };
        oracle.set("d", &d.to_string()).await;
        oracle.set("now", now).await;
        oracle.run(include_str!("../oracle/rows.sql")).await;
        oracle
    }

    /// Sets a parameter of the statements that follow.
    ///
    /// # Panics
    /// When the server is gone.
    pub async fn set(&mut self, name: &str, value: &str) {
        self.conn.query_drop(format!("SET @{name} = '{value}'")).await.expect("a variable");
    }

    /// Runs a file's statements and returns the last one's rows.
    ///
    /// # Panics
    /// When a statement fails; it is printed.
    pub async fn run(&mut self, file: &str) -> Vec<Record> {
        let code: Vec<&str> = file.lines().filter(|line| !line.starts_with("--")).collect();
        let mut records = Vec::new();
        for statement in code.join("\n").split(';').filter(|s| !s.trim().is_empty()) {
            let rows: Vec<Row> = self.conn.query(statement).await.unwrap_or_else(|e| panic!("{e}\n{statement}"));
            records = rows.into_iter().map(record).collect();
        }
        records
    }

    async fn one(&mut self, file: &str) -> Record {
        self.run(file).await.pop().expect("one row")
    }

    /// Sets the range of the statements that follow.
    ///
    /// # Panics
    /// When the server is gone.
    pub async fn range(&mut self, from: Date, to: Date) {
        self.set("from", &from.to_string()).await;
        self.set("to", &to.to_string()).await;
    }

    /// Every figure of the huddle of `d`.
    ///
    /// # Panics
    /// When a statement fails.
    pub async fn huddle(&mut self, d: Date) -> Figures {
        let mut figures = Figures::new();
        let dates = self.one(include_str!("../oracle/dates.sql")).await;
        let date = |name: &str| dates[name].parse::<Date>().ok().filter(|d| (2..9999).contains(&d.year()));
        let (yesterday, tomorrow) = (date("yesterday"), date("tomorrow"));
        let (first, last) = (d.first_of_month(), d.last_of_month());
        self.range(yesterday.map_or(first, |y| y.min(first)), tomorrow.map_or(last, |t| t.max(last))).await;
        self.run(include_str!("../oracle/minutes.sql")).await;
        self.run(include_str!("../oracle/aging.sql")).await;

        if let Some(day) = yesterday {
            self.range(day, day).await;
            figures.insert("yesterday.date".into(), day.to_string());
            put(&mut figures, "yesterday", self.one(include_str!("../oracle/money.sql")).await);
            put(&mut figures, "yesterday", self.one(include_str!("../oracle/goal.sql")).await);
            put(&mut figures, "yesterday", self.one(include_str!("../oracle/care.sql")).await);
            for (number, row) in self.run(include_str!("../oracle/broken.sql")).await.into_iter().enumerate() {
                put(&mut figures, &format!("yesterday.broken[{number}]"), row);
            }
        }
        for (name, day) in [("today", Some(d)), ("tomorrow", tomorrow)] {
            let Some(day) = day else { continue };
            figures.insert(format!("{name}.date"), day.to_string());
            self.range(day, day).await;
            self.set("day", &day.to_string()).await;
            put(&mut figures, name, self.one(include_str!("../oracle/day.sql")).await);
            put(&mut figures, name, self.one(include_str!("../oracle/goal.sql")).await);
            for mut row in self.run(include_str!("../oracle/openings.sql")).await {
                let key = format!("{name}.openings[{}@{}]", take(&mut row, "provider"), take(&mut row, "start"));
                put(&mut figures, &key, row);
            }
            for mut row in self.run(include_str!("../oracle/appointments.sql")).await {
                put(&mut figures, &format!("{name}.appointments[{}]", take(&mut row, "appointment")), row);
            }
        }
        self.range(first, d).await;
        put(&mut figures, "month", self.one(include_str!("../oracle/money.sql")).await);
        self.range(d, last).await;
        put(&mut figures, "month", self.one(include_str!("../oracle/scheduled.sql")).await);
        self.range(first, last).await;
        put(&mut figures, "month", self.one(include_str!("../oracle/goal.sql")).await);
        figures.retain(|name, _| {
            !(name.ends_with(".unearned") || name.starts_with("month.") && name.contains("_collections"))
        });
        figures
    }
}

fn record(row: Row) -> Record {
    let names: Vec<String> = row.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
    let values = row.unwrap().into_iter().map(|value| match value {
        Value::NULL => String::new(),
        Value::Bytes(bytes) => String::from_utf8(bytes).expect("UTF-8"),
        other => other.as_sql(true),
    });
    names.into_iter().zip(values.map(|v| if v == "-0.00" { "0.00".to_owned() } else { v })).collect()
}

/// Puts a row's columns under a path.
pub fn put(figures: &mut Figures, path: &str, record: Record) {
    figures.extend(record.into_iter().map(|(name, value)| (format!("{path}.{name}"), value)));
}

/// Takes a column out of a row.
///
/// # Panics
/// When there is none of that name.
pub fn take(record: &mut Record, name: &str) -> String {
    record.remove(name).expect("a column of that name")
}
