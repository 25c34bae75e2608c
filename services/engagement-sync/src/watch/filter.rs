//! Which rows and changes a watcher gets.

use chairsync_proto::{catalog, engagement::WatchRequest, feature::Feature};
use mesh::{Refusal, datasets::Dataset, names};
use sha2::{Digest as _, Sha256};

use crate::{live_datasets, live_view::Entry, row};

/// The filters of one watch.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The datasets that pass, in their order.
    pub datasets: Vec<&'static Dataset>,
    /// Only this patient's rows.
    pub patient: Option<i64>,
    /// Keys only.
    pub keys_only: bool,
    mark: u64,
}

impl Filter {
    /// Reads the filters of a request.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an unknown feature or dataset, a patient of another practice, or filters that let nothing pass.
    pub fn read(request: &WatchRequest, practice: &str) -> Result<Self, Refusal> {
        let mut datasets = live_datasets::all().to_vec();
        if !request.features.is_empty() {
            let mut wanted = Vec::new();
            for number in &request.features {
                let feature = Feature::try_from(*number).ok().and_then(catalog::feature);
                wanted.push(feature.ok_or_else(|| {
                    Refusal::invalid("features", "not a feature; `CatalogService/ListFeatures` lists them")
                })?);
            }
            datasets.retain(|dataset| wanted.iter().any(|feature| feature.uses(dataset.name)));
        }
        if !request.datasets.is_empty() {
            if request.datasets.iter().any(|name| live_datasets::get(name).is_none()) {
                let known: Vec<&str> = live_datasets::all().iter().map(|dataset| dataset.name).collect();
                return Err(Refusal::invalid("datasets", format!("the live view follows only {}", known.join(", "))));
            }
            datasets.retain(|dataset| request.datasets.iter().any(|name| name == dataset.name));
        }
        let patient = match request.patient.as_str() {
            "" => None,
            name => {
                let (of, patient) = names::patient("patient", name)?;
                if of != practice {
                    return Err(Refusal::invalid("patient", "must be a patient of the practice in field `practice`"));
                }
                datasets.retain(|dataset| row::has_patient(dataset));
                Some(patient)
            }
        };
        if datasets.is_empty() {
            return Err(Refusal::invalid("datasets", "together with the other filters no dataset passes; widen them"));
        }
        let mark = mark(&datasets, patient, request.keys_only);
        Ok(Self { datasets, patient, keys_only: request.keys_only, mark })
    }

    /// Whether a change passes.
    pub fn passes(&self, entry: &Entry) -> bool {
        self.datasets.iter().any(|dataset| dataset.name == entry.dataset.name)
            && self.patient.is_none_or(|patient| entry.patient == Some(patient))
    }

    /// Names the filters, so that a token is used only with those it was given for.
    pub fn mark(&self) -> u64 {
        self.mark
    }
}

fn mark(datasets: &[&Dataset], patient: Option<i64>, keys_only: bool) -> u64 {
    let mut hash = Sha256::new();
    datasets.iter().for_each(|dataset| hash.update(format!("{},", dataset.name)));
    hash.update(format!(";{patient:?};{keys_only}"));
    hash.finalize().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(request: &WatchRequest) -> Vec<&'static str> {
        Filter::read(request, "a").unwrap().datasets.iter().map(|dataset| dataset.name).collect()
    }

    #[test]
    fn filters_narrow_each_other() {
        let chat = WatchRequest { features: vec![Feature::PatientChat as i32], ..Default::default() };
        assert_eq!(names(&chat), ["patient", "commlog", "sms_received", "sms_sent"]);
        let texts = WatchRequest { datasets: vec!["sms_sent".into(), "appointment".into()], ..chat.clone() };
        assert_eq!(names(&texts), ["sms_sent"]);
        let of_patient = WatchRequest { patient: "practices/a/patients/7".into(), ..Default::default() };
        assert!(!names(&of_patient).contains(&"definition"));
    }

    #[test]
    fn what_lets_nothing_pass_is_refused() {
        let refused = |request: WatchRequest| Filter::read(&request, "a").unwrap_err().field.unwrap().0;
        let wrong = WatchRequest { datasets: vec!["appointments".into()], ..Default::default() };
        assert_eq!(refused(wrong), "datasets");
        assert_eq!(refused(WatchRequest { features: vec![99], ..Default::default() }), "features");
        let other = WatchRequest { patient: "practices/b/patients/7".into(), ..Default::default() };
        assert_eq!(refused(other), "patient");
        let (datasets, features) = (vec!["definition".into()], vec![Feature::PatientChat as i32]);
        assert_eq!(refused(WatchRequest { datasets, features, ..Default::default() }), "datasets");
    }
}
