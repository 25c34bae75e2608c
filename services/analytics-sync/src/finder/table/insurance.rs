//! Who insures patients, and how much of it is used.

use std::collections::HashMap;

use super::{Filling, money::cents};
use crate::{
    books::{BooksError, Given},
    finder::row::Word,
};

pub(super) async fn fill(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let given = [
        ("d", filling.date.into()),
        ("year", Given::Number(filling.date.year().into())),
        ("month", Given::Number(filling.date.month().into())),
    ];
    let answer = filling.books.ask(include_str!("../sql/insurance.sql"), &given).await?;
    let mut lists: HashMap<i64, (Vec<Word>, Vec<Word>)> = HashMap::new();
    for place in 0..answer.len() {
        let patient = answer.number(place, "pat_num")?;
        let (row, words) = filling.entry(patient);
        let Some(row) = row else { continue };
        let (carriers, groups) = lists.entry(patient).or_default();
        let carrier = words.word(answer.text(place, "carrier")?);
        let group_name = words.word(answer.text(place, "group_name")?);
        let group_number = words.word(answer.text(place, "group_num")?);
        let put = |list: &mut Vec<Word>, word: &Option<Word>| {
            list.extend(word.clone().filter(|word| !list.contains(word)));
        };
        put(carriers, &carrier);
        put(groups, &group_name);
        put(groups, &group_number);
        row.has_insurance = true;
        if answer.flag(place, "is_primary")? {
            row.carrier = carrier;
            row.insurance_group = group_name.or(group_number);
            row.insurance_used = Some(cents(answer.amount(place, "used")?));
        }
    }
    for (patient, (carriers, groups)) in lists {
        if let Some(row) = filling.row(patient) {
            (row.carriers, row.groups) = (carriers.into(), groups.into());
        }
    }
    Ok(())
}
