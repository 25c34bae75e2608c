//! The columns of reports.

use arrow::datatypes::{DataType, TimeUnit};
use chairsync_proto::analytics::{ReportColumn, ReportColumnKind};

/// A column of a report.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its id; the name of it in files too.
    pub id: &'static str,
    /// What people call it.
    pub display_name: &'static str,
    /// The form of its values.
    pub kind: ReportColumnKind,
    /// Whether the totals have a value for it.
    pub totalled: bool,
    /// Where its values come from.
    pub origin: Origin,
}

/// Where a column's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The question's column of the same name.
    Itself,
    /// One column over another, in percent or by the piece; nothing where the lower is zero. Neither need be shown.
    Ratio {
        /// The column above the line.
        above: &'static str,
        /// The column below the line.
        below: &'static str,
    },
}

const fn column(id: &'static str, display_name: &'static str, kind: ReportColumnKind, totalled: bool) -> Column {
    Column { id, display_name, kind, totalled, origin: Origin::Itself }
}

/// Text.
pub const fn text(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::Text, false)
}

/// A whole number that is not summed up, such as a key.
pub const fn number(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::Integer, false)
}

/// A count, summed up.
pub const fn count(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::Integer, true)
}

/// An amount, summed up.
pub const fn money(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::Money, true)
}

/// A date.
pub const fn date(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::Date, false)
}

/// Yes or no.
pub const fn flag(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::Boolean, false)
}

/// A wall-clock time.
pub const fn time(id: &'static str, display_name: &'static str) -> Column {
    column(id, display_name, ReportColumnKind::LocalDateTime, false)
}

/// A percentage; in the totals that of the sums.
pub const fn percent(id: &'static str, display_name: &'static str, above: &'static str, below: &'static str) -> Column {
    let origin = Origin::Ratio { above, below };
    Column { id, display_name, kind: ReportColumnKind::Percent, totalled: true, origin }
}

/// An amount by the piece; in the totals that of the sums.
pub const fn average(id: &'static str, display_name: &'static str, above: &'static str, below: &'static str) -> Column {
    let origin = Origin::Ratio { above, below };
    Column { id, display_name, kind: ReportColumnKind::Money, totalled: true, origin }
}

impl Column {
    /// As the API describes it.
    pub fn to_proto(&self) -> ReportColumn {
        ReportColumn {
            id: self.id.to_owned(),
            display_name: self.display_name.to_owned(),
            kind: self.kind.into(),
            totalled: self.totalled,
        }
    }

    /// The Arrow type of its values. Money is to the cent; times become text only in files.
    pub fn arrow(&self) -> DataType {
        match self.kind {
            ReportColumnKind::Integer => DataType::Int64,
            ReportColumnKind::Money => DataType::Decimal128(38, 2),
            ReportColumnKind::Date => DataType::Date32,
            ReportColumnKind::Percent => DataType::Float64,
            ReportColumnKind::Boolean => DataType::Boolean,
            ReportColumnKind::LocalDateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            ReportColumnKind::Text | ReportColumnKind::Unspecified => DataType::Utf8,
        }
    }
}
