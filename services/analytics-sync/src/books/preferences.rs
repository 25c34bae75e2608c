//! The preferences that shape figures, and the settings that have no one to set them yet.

use chairsync_proto::analytics::{PreferenceInForce, PreferenceOrigin};

use super::{Books, BooksError, Given};
use crate::hours::availability::OPENING_MINUTES_MIN;

/// How the practice wants its books counted.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    found: Vec<(String, String)>,
}

const WRITE_OFF_BASIS: &str = "ReportsPPOwriteoffDefaultToProcDate";
const BROKEN_PROCEDURE: &str = "BrokenApptProcedure";
const PROCEDURE_LIFO: &str = "AgingProcLifo";
const PLANS_VERSION: &str = "PayPlansVersion";
const SUBTRACT_ESTIMATES: &str = "ReportPandIschedProdSubtractsWO";
const DYNAMIC_PLANS: &str = "payplan.IsDynamic";
/// The hygiene codes of the SQL; the default of the setting `hygiene_codes`.
const HYGIENE_CODES: &str = "D1110 D1120 D4341 D4342 D4910";

impl Preferences {
    /// Reads them.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books) -> Result<Self, BooksError> {
        let rows = books.ask(include_str!("preferences.sql"), &[]).await?;
        let pair = |row| Ok((rows.text(row, "pref_name")?.to_owned(), rows.text(row, "value_string")?.to_owned()));
        Ok(Self { found: (0..rows.len()).map(pair).collect::<Result<_, BooksError>>()? })
    }

    /// Write-offs by insurance payment date (0) or procedure date (1). 2 needs data that the tables do not have: 0.
    pub fn write_off_basis(&self) -> Given {
        Given::Number(if self.number(WRITE_OFF_BASIS, 0) == 1 { 1 } else { 0 })
    }

    /// Whether broken appointments are counted by their procedures.
    pub fn broken_by_procedure(&self) -> bool {
        self.number(BROKEN_PROCEDURE, 0) != 0
    }

    /// Whether what is tied to a procedure ages with it.
    pub fn procedure_lifo(&self) -> Given {
        Given::Number(i32::from(self.number(PROCEDURE_LIFO, 0) != 2))
    }

    /// How payment plans count in balances.
    pub fn plans_version(&self) -> Given {
        Given::Number(match self.number(PLANS_VERSION, 2) {
            known @ (1 | 3 | 4) => known,
            _ => 2,
        })
    }

    /// Whether insurance estimates lower scheduled production.
    pub fn subtract_estimates(&self) -> Given {
        let on = self.text(SUBTRACT_ESTIMATES).is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"));
        Given::Number(i32::from(on))
    }

    /// All of them, as an answer tells them.
    pub fn in_force(&self) -> Vec<PreferenceInForce> {
        let mut told = Vec::new();
        for (key, default) in [
            (WRITE_OFF_BASIS, "0"),
            (BROKEN_PROCEDURE, "0"),
            (PROCEDURE_LIFO, "0"),
            (PLANS_VERSION, "2"),
            (SUBTRACT_ESTIMATES, "0"),
        ] {
            told.push(match self.text(key) {
                None => preference(key, default, PreferenceOrigin::Default),
                Some("2") if key == WRITE_OFF_BASIS => {
                    preference(key, "2 (answered as 0: claim snapshots are not synced)", PreferenceOrigin::Pms)
                }
                Some(value) => preference(key, value, PreferenceOrigin::Pms),
            });
        }
        if let Some(count) = self.text(DYNAMIC_PLANS) {
            let value = format!("{count} open dynamic payment plans, whose charges are not synced and not aged");
            told.push(preference(DYNAMIC_PLANS, &value, PreferenceOrigin::Pms));
        }
        told.push(preference("hygiene_codes", HYGIENE_CODES, PreferenceOrigin::Default));
        told.push(preference("opening_minutes_min", &OPENING_MINUTES_MIN.to_string(), PreferenceOrigin::Default));
        told
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.found.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn number(&self, key: &str, default: i32) -> i32 {
        self.text(key).and_then(|value| value.trim().parse().ok()).unwrap_or(default)
    }
}

fn preference(key: &str, value: &str, origin: PreferenceOrigin) -> PreferenceInForce {
    PreferenceInForce { key: key.to_owned(), value: value.to_owned(), origin: origin.into() }
}
