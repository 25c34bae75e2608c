//! Providers' goals by date, added to the rows of a question.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{Array as _, ArrayRef, AsArray as _, Decimal128Array, RecordBatch};
use arrow::datatypes::{Date32Type, Int64Type};
use jiff::{ToSpan as _, civil::Date};
use mesh::{calendar, money::divide_half_away};

use super::money_owed::with_columns;
use crate::{
    books::{Books, BooksError, answer::ColumnFault},
    hours::PracticeHours,
};

/// Goals carry more places than money, so that sums of many days are right to the cent.
const PLACES: i8 = 8;
const PARTS_OF_MONEY: i128 = 10_000;

/// The goal of each date and provider that has one, in 1/100,000,000 of the currency unit.
#[derive(Default)]
pub struct Goals(HashMap<(i32, i64), i128>);

impl Goals {
    /// Hours on offer × hourly goals, for each date of a range.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books, from: Date, to: Date) -> Result<Self, BooksError> {
        let hours = PracticeHours::read(books, from).await?;
        let mut goals = HashMap::new();
        for date in from.series(1.day()).take_while(|date| *date <= to) {
            for (number, day) in hours.days(date, &[]) {
                let hourly = hours.provider(number).map(|provider| provider.hourly_goal.0).filter(|goal| *goal != 0);
                if let Some(hourly) = hourly {
                    let sixtieths = i128::from(day.available_minutes()) * hourly * PARTS_OF_MONEY;
                    goals.insert((calendar::to_days(date), number), divide_half_away(sixtieths, 60));
                }
            }
        }
        Ok(Self(goals))
    }

    /// The batch with a column `goal`, found by its `date` and `prov_num`.
    ///
    /// # Errors
    /// When it has no such columns.
    pub fn add(&self, batch: &RecordBatch) -> Result<RecordBatch, BooksError> {
        let column = |name| batch.column_by_name(name).ok_or(ColumnFault(name));
        let dates = column("date")?.as_primitive_opt::<Date32Type>().ok_or(ColumnFault("date"))?;
        let providers = column("prov_num")?.as_primitive_opt::<Int64Type>().ok_or(ColumnFault("prov_num"))?;
        let goal = |row: usize| match dates.is_valid(row) && providers.is_valid(row) {
            true => self.0.get(&(dates.value(row), providers.value(row))).copied(),
            false => None,
        };
        let goals: Decimal128Array = (0..batch.num_rows()).map(goal).collect();
        let goals = goals.with_precision_and_scale(38, PLACES).map_err(datafusion::error::DataFusionError::from)?;
        with_columns(batch, vec![("goal", Arc::new(goals) as ArrayRef)])
    }
}
