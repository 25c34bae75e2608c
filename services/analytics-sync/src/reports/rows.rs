//! A report's rows as the books have them: a stream of batches that reads no further than it is polled.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};

use super::{
    asked::{Asked, Known},
    goals::Goals,
    list::{Report, Source},
    money_owed,
};
use crate::{
    books::{Books, BooksError, Given, preferences::Preferences},
    question::Question,
};

/// Batches with the columns that a report's own are made of, in its order.
pub type Batches = BoxStream<'static, Result<RecordBatch, BooksError>>;

/// Begins to read the rows of a report.
///
/// # Errors
/// When the tables cannot be read; so does each batch.
pub async fn read(
    report: &Report,
    books: &Books,
    question: &Question,
    preferences: &Preferences,
    asked: &Asked,
    known: &Known,
) -> Result<Batches, BooksError> {
    let given = given(question, preferences, asked);
    match report.source {
        Source::Sql(sql) => stream(books, sql, &given, asked, known).await,
        Source::WithGoals(sql) => {
            // Goals are a provider's, not a clinic's.
            let goals = match asked.clinics {
                Some(_) => Goals::default(),
                None => Goals::read(books, asked.from, asked.to).await?,
            };
            let rows = stream(books, sql, &given, asked, known).await?;
            Ok(rows.map(move |batch| goals.add(&batch?)).boxed())
        }
        Source::WithinBalance(sql) => {
            let balances = money_owed::balances(books, preferences, question.date).await?;
            let rows = stream(books, sql, &given, asked, known).await?;
            Ok(rows.map(move |batch| money_owed::within_balance(&batch?, &balances)).boxed())
        }
        Source::Receivables => money_owed::receivables(books, preferences, asked.to).await,
        Source::CreditBalances => money_owed::credit_balances(books, preferences, asked.to).await,
    }
}

async fn stream(
    books: &Books,
    sql: &str,
    given: &[(&str, Given)],
    asked: &Asked,
    known: &Known,
) -> Result<Batches, BooksError> {
    let rows = books.stream(&filtered(sql, asked, known), given).await?;
    Ok(rows.map_err(BooksError::from).boxed())
}

/// The tables that a report's questions read, but for those of the families' accounts.
#[cfg(test)]
pub async fn tables(
    report: &Report,
    books: &Books,
    question: &Question,
    preferences: &Preferences,
    asked: &Asked,
    known: &Known,
) -> Result<BTreeSet<String>, BooksError> {
    let sql = match report.source {
        Source::Sql(sql) | Source::WithGoals(sql) | Source::WithinBalance(sql) => sql,
        Source::Receivables | Source::CreditBalances => money_owed::FAMILIES,
    };
    Ok(books.tables(&filtered(sql, asked, known), &given(question, preferences, asked)).await?)
}

/// All that any report's question asks for.
fn given(question: &Question, preferences: &Preferences, asked: &Asked) -> Vec<(&'static str, Given)> {
    vec![
        ("from", asked.from.into()),
        ("to", asked.to.into()),
        ("d", question.date.into()),
        ("interval", asked.interval_given()),
        ("basis", preferences.write_off_basis()),
        ("by_procedure", Given::Number(i32::from(preferences.broken_by_procedure()))),
        ("subtract_estimates", preferences.subtract_estimates()),
    ]
}

/// The question with `in_providers(x)` and `in_clinics(x)` written out: true where all are wanted, else a list of numbers.
/// 0 stands for every number that the PMS does not know.
pub fn filtered(sql: &str, asked: &Asked, known: &Known) -> String {
    let sql = written_out(sql, "in_providers(", asked.providers.as_ref(), &known.providers);
    written_out(&sql, "in_clinics(", asked.clinics.as_ref(), &known.clinics)
}

fn written_out(sql: &str, call: &str, wanted: Option<&BTreeSet<i64>>, known: &BTreeSet<i64>) -> String {
    let mut parts = sql.split(call);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (column, rest) = part.split_once(')').unwrap_or((part, ""));
        match wanted {
            None => written.push_str("TRUE"),
            Some(wanted) => written.push_str(&condition(column, wanted, known)),
        }
        written.push_str(rest);
    }
    written
}

fn condition(column: &str, wanted: &BTreeSet<i64>, known: &BTreeSet<i64>) -> String {
    let listed = |numbers: &BTreeSet<i64>| numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let those = format!("COALESCE({column}, 0) IN ({})", listed(wanted));
    match wanted.contains(&0) {
        // An empty list is no SQL; then nobody is known and all are unassigned.
        true if known.is_empty() => "TRUE".to_owned(),
        true => format!("({those} OR COALESCE({column}, 0) NOT IN ({}))", listed(known)),
        false => those,
    }
}

#[cfg(test)]
mod tests {
    use chairsync_proto::analytics::{ReportFormat, ReportInterval};
    use jiff::civil::date;

    use super::*;

    #[test]
    fn filters_are_written_out() {
        let mut asked = Asked {
            from: date(2026, 3, 1),
            to: date(2026, 3, 31),
            providers: None,
            clinics: None,
            interval: ReportInterval::Day,
            format: ReportFormat::Rows,
        };
        let known = Known { providers: [1, 2].into(), clinics: BTreeSet::new() };
        let sql = "WHERE in_providers(p.prov_num) AND in_clinics(clinic_num) ORDER BY 1";
        assert_eq!(filtered(sql, &asked, &known), "WHERE TRUE AND TRUE ORDER BY 1");
        asked.providers = Some([2].into());
        asked.clinics = Some([0].into());
        let written = "WHERE COALESCE(p.prov_num, 0) IN (2) AND TRUE ORDER BY 1";
        assert_eq!(filtered(sql, &asked, &known), written);
        asked.providers = Some([0, 2].into());
        let written =
            "WHERE (COALESCE(p.prov_num, 0) IN (0, 2) OR COALESCE(p.prov_num, 0) NOT IN (1, 2)) AND TRUE ORDER BY 1";
        assert_eq!(filtered(sql, &asked, &known), written);
    }
}
