//! Whose figures are asked for: of some providers, locations or procedure codes.

use std::collections::BTreeSet;

use chairsync_proto::analytics::Focus;
use mesh::{Refusal, names};

use super::{metric::Metric, names::Names};

/// The most providers, locations or codes that a request may name.
const NAMED_MAX: usize = 1_000;
/// The longest procedure code that is looked at.
const CODE_BYTES_MAX: usize = 64;

/// Of whom; `None`: of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The providers' numbers.
    pub providers: Option<BTreeSet<i64>>,
    /// The locations' numbers.
    pub clinics: Option<BTreeSet<i64>>,
    /// The procedure codes.
    pub codes: Option<BTreeSet<String>>,
}

impl Scope {
    /// Reads `practices/{practice}/providers/{ProvNum}`, `practices/{practice}/clinics/{ClinicNum}` and codes; an empty list
    /// is no limit.
    ///
    /// # Errors
    /// `INVALID_FIELD` on the entry at fault, e.g. `providers[1]`: malformed, or of another practice.
    pub fn parse(practice: &str, providers: &[String], clinics: &[String], codes: &[String]) -> Result<Self, Refusal> {
        Ok(Self {
            providers: numbers("providers", practice, providers)?,
            clinics: numbers("clinics", practice, clinics)?,
            codes: codes_of("procedure_codes", codes)?,
        })
    }

    /// Only this provider, location or code.
    pub fn only_provider(number: i64) -> Self {
        Self { providers: Some(BTreeSet::from([number])), ..Self::default() }
    }

    /// Refuses providers and locations that the PMS does not know.
    ///
    /// # Errors
    /// `INVALID_FIELD` on the list at fault, with the first number that is not known.
    pub fn check(&self, names: &Names) -> Result<(), Refusal> {
        let unknown = |field: &str, what: &str, given: &Option<BTreeSet<i64>>, known: &dyn Fn(i64) -> bool| match given
            .iter()
            .flatten()
            .find(|number| !known(**number))
        {
            Some(number) => {
                Err(Refusal::invalid(field, format!("the practice has no {what} {number} as of this snapshot")))
            }
            None => Ok(()),
        };
        unknown("providers", "provider", &self.providers, &|number| names.provider(number).is_some())?;
        unknown("clinics", "location", &self.clinics, &|number| names.clinic(number).is_some())
    }

    /// Whether the metric can be narrowed so. Where not, it has no figure.
    pub fn covers(&self, metric: &Metric) -> bool {
        let narrowed = [
            (self.providers.is_some(), Focus::Provider),
            (self.clinics.is_some(), Focus::Location),
            (self.codes.is_some(), Focus::ProcedureCode),
        ];
        narrowed.into_iter().all(|(narrowed, focus)| !narrowed || metric.splits_by(focus))
    }
}

fn numbers(field: &str, practice: &str, given: &[String]) -> Result<Option<BTreeSet<i64>>, Refusal> {
    if given.len() > NAMED_MAX {
        return Err(Refusal::invalid(field, format!("at most {NAMED_MAX}")));
    }
    let number = |(at, name): (usize, &String)| {
        let entry = format!("{field}[{at}]");
        let (of, id) = names::under(&entry, name, field)?;
        if of != practice {
            return Err(Refusal::invalid(entry, "belongs to another practice than the request's"));
        }
        let number = id.parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Refusal::invalid(entry, "the id must be the PMS's number, above 0"))
    };
    let numbers = given.iter().enumerate().map(number).collect::<Result<BTreeSet<i64>, _>>()?;
    Ok(Some(numbers).filter(|numbers| !numbers.is_empty()))
}

fn codes_of(field: &str, given: &[String]) -> Result<Option<BTreeSet<String>>, Refusal> {
    if given.len() > NAMED_MAX {
        return Err(Refusal::invalid(field, format!("at most {NAMED_MAX}")));
    }
    if let Some(at) = given.iter().position(|code| code.trim().is_empty() || code.len() > CODE_BYTES_MAX) {
        return Err(Refusal::invalid(format!("{field}[{at}]"), "must be a procedure code, e.g. D0120"));
    }
    Ok(Some(given.iter().cloned().collect::<BTreeSet<_>>()).filter(|codes| !codes.is_empty()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(providers: &[&str], clinics: &[&str], codes: &[&str]) -> Result<Scope, Refusal> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Scope::parse("north", &owned(providers), &owned(clinics), &owned(codes))
    }

    #[test]
    fn names_are_read_and_refused_by_entry() {
        let scope = parse(&["practices/north/providers/3", "practices/north/providers/1"], &[], &["D0120"]).unwrap();
        assert_eq!((scope.providers, scope.clinics), (Some(BTreeSet::from([1, 3])), None));
        assert_eq!(parse(&[], &[], &[]).unwrap(), Scope::default());
        let field = |refused: Result<Scope, Refusal>| refused.unwrap_err().field.unwrap().0;
        let good = "practices/north/providers/3";
        for bad in ["practices/south/providers/3", "practices/north/clinics/3", "practices/north/providers/0", "3", ""]
        {
            assert_eq!(field(parse(&[good, bad], &[], &[])), "providers[1]", "{bad}");
        }
        assert_eq!(field(parse(&[], &["practices/north/providers/3"], &[])), "clinics[0]");
        assert_eq!(field(parse(&[], &[], &["D0120", " "])), "procedure_codes[1]");
        assert_eq!(field(parse(&vec![good; 1_001], &[], &[])), "providers");
    }

    #[test]
    fn what_the_pms_does_not_know_is_refused() {
        let refused = Scope::only_provider(7).check(&Names::default()).unwrap_err();
        assert_eq!(refused.field.unwrap().0, "providers");
        Scope::default().check(&Names::default()).unwrap();
    }
}
