//! Claims that wait for an insurance, or to be sent to one: `claims_aging`, and the outstanding claims one by one.

use chairsync_proto::analytics::{ClaimsAging, ClaimsBucket};
use jiff::civil::Date;
use mesh::{calendar, money::Money};

use crate::books::{Books, BooksError};

/// The most days of each bucket, but of the last, which has none.
const LAST_DAYS: [i32; 3] = [30, 60, 90];

/// A claim that is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The claim.
    pub number: i64,
    /// The patient.
    pub patient: i64,
    /// The carrier; 0 where none is known.
    pub carrier: i64,
    /// The carrier's name.
    pub carrier_name: String,
    /// Who treated.
    pub provider: i64,
    /// Where.
    pub clinic: i64,
    /// S sent; U unsent, W waiting, H held.
    pub status: String,
    /// The type as the PMS has it, e.g. "P" for primary.
    pub claim_type: String,
    /// The date of service.
    pub service: Option<Date>,
    /// The date from which it ages: when it was sent, first sent, or the work done, whichever is there first.
    pub aged_from: Option<Date>,
    /// Its fee.
    pub fee: Money,
    /// Σ of the estimates of its lines that wait for payment.
    pub est_insurance: Money,
}

impl Claim {
    /// Whether it was sent.
    pub fn is_sent(&self) -> bool {
        self.status == "S"
    }

    /// The bucket of its age as of a date, from 0 on; without any date the oldest.
    pub fn age_bucket(&self, as_of: Date) -> usize {
        let place = |age: i32| LAST_DAYS.iter().position(|last| age <= *last);
        self.age_days(as_of).and_then(place).unwrap_or(LAST_DAYS.len())
    }

    /// Its age in days as of a date; none without any date.
    pub fn age_days(&self, as_of: Date) -> Option<i32> {
        self.aged_from.map(|from| calendar::to_days(as_of) - calendar::to_days(from))
    }
}

/// The claims that are not settled, without preauthorizations, the oldest first.
///
/// # Errors
/// When the tables cannot be read.
pub async fn claims(books: &Books) -> Result<Vec<Claim>, BooksError> {
    let rows = books.ask(include_str!("sql/claims.sql"), &[]).await?;
    let one = |row: usize| -> Result<Claim, BooksError> {
        Ok(Claim {
            number: rows.number(row, "claim_num")?,
            patient: rows.number(row, "pat_num")?,
            carrier: rows.number(row, "carrier_num")?,
            carrier_name: rows.text(row, "carrier_name")?.to_owned(),
            provider: rows.number(row, "prov_num")?,
            clinic: rows.number(row, "clinic_num")?,
            status: rows.text(row, "claim_status")?.to_owned(),
            claim_type: rows.text(row, "claim_type")?.to_owned(),
            service: rows.date(row, "date_service")?,
            aged_from: rows.date(row, "aged_from")?,
            fee: rows.amount(row, "fee")?,
            est_insurance: rows.amount(row, "est_insurance")?,
        })
    };
    (0..rows.len()).map(one).collect()
}

/// Sent claims by age as of a date, and those not sent yet apart. A claim without any date counts as the oldest.
pub fn claims_aging<'a>(claims: impl IntoIterator<Item = &'a Claim>, as_of: Date, currency: &str) -> ClaimsAging {
    let (mut sent, mut total, mut unsent) = (<[Sum; 4]>::default(), Sum::default(), Sum::default());
    for claim in claims {
        if claim.is_sent() {
            sent[claim.age_bucket(as_of)].add(claim);
            total.add(claim);
        } else {
            unsent.add(claim);
        }
    }
    let edges = [(0, Some(30)), (31, Some(60)), (61, Some(90)), (91, None)];
    ClaimsAging {
        sent: sent.iter().zip(edges).map(|(sum, (from, to))| sum.bucket(Some(from), to, currency)).collect(),
        sent_total: Some(total.bucket(None, None, currency)),
        unsent: Some(unsent.bucket(None, None, currency)),
    }
}

#[derive(Default)]
struct Sum {
    count: i64,
    fee: Money,
    est_insurance: Money,
}

impl Sum {
    fn add(&mut self, claim: &Claim) {
        self.count += 1;
        self.fee += claim.fee;
        self.est_insurance += claim.est_insurance;
    }

    fn bucket(&self, from_days: Option<i32>, to_days: Option<i32>, currency: &str) -> ClaimsBucket {
        ClaimsBucket {
            from_days,
            to_days,
            count: self.count,
            fee: Some(self.fee.to_proto(currency)),
            est_insurance: Some(self.est_insurance.to_proto(currency)),
        }
    }
}
