//! Who patients are, how to reach them, who sent them, and what waits for them.

use super::Filling;
use crate::{
    books::{Answer, BooksError},
    finder::row::{Place, Row, Words, fold},
    refs,
};

/// Makes the rows.
pub(super) async fn fill(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let answer = filling.books.ask(include_str!("../sql/person.sql"), &[]).await?;
    filling.rows.reserve_exact(answer.len());
    for place in 0..answer.len() {
        let row = row(&answer, place, &mut filling.words)?;
        filling.places.insert(row.number, filling.rows.len());
        filling.rows.push(row);
    }
    Ok(())
}

fn row(answer: &Answer, row: usize, words: &mut Words) -> Result<Row, BooksError> {
    let (last, first) = (answer.text(row, "l_name")?, answer.text(row, "f_name")?);
    let preferred = answer.text(row, "preferred")?;
    let display_name = refs::display_name(last, first, preferred);
    let guarantor = refs::display_name(
        answer.text(row, "guarantor_l_name")?,
        answer.text(row, "guarantor_f_name")?,
        answer.text(row, "guarantor_preferred")?,
    );
    let name_words: Vec<String> =
        [last, first, preferred].iter().flat_map(|name| name.split([' ', '-', ','])).map(fold).collect();
    let mut at = |number: &'static str, abbr: &'static str| -> Result<Option<Place>, BooksError> {
        let number = answer.number(row, number)?;
        let abbr = words.word(answer.text(row, abbr)?);
        Ok((number != 0).then_some(Place { number, abbr }))
    };
    let clinic = at("clinic_num", "clinic_abbr")?;
    let primary_provider = at("pri_prov", "pri_prov_abbr")?;
    let secondary_provider = at("sec_prov", "sec_prov_abbr")?;
    Ok(Row {
        number: answer.number(row, "pat_num")?,
        family: answer.number(row, "guarantor")?,
        guarantor: words.word(&guarantor),
        folded_name: fold(&display_name).into(),
        display_name: display_name.into(),
        name_words: name_words.join(" ").into(),
        birthdate: answer.date(row, "birthdate")?,
        mobile_phone: answer.text(row, "mobile_phone")?.into(),
        home_phone: answer.text(row, "home_phone")?.into(),
        email: answer.text(row, "email")?.into(),
        folded_email: fold(answer.text(row, "email")?).into(),
        status: answer.small(row, "pat_status")?,
        gender: answer.small(row, "gender")?,
        language: words.word(answer.text(row, "language")?),
        zip: words.word(answer.text(row, "zip")?),
        clinic,
        primary_provider,
        secondary_provider,
        billing_type: words.word(answer.text(row, "billing_type")?),
        text_consent: answer.small(row, "txt_msg_ok")?,
        premedication: answer.flag(row, "premed")?,
        ..Row::default()
    })
}

pub(super) async fn referrals(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let answer = filling.books.ask(include_str!("../sql/referral.sql"), &[]).await?;
    for place in 0..answer.len() {
        let name = refs::display_name(answer.text(place, "l_name")?, answer.text(place, "f_name")?, "");
        let (row, words) = filling.entry(answer.number(place, "pat_num")?);
        if let Some(row) = row {
            row.referral = words.word(&name);
        }
    }
    Ok(())
}

pub(super) async fn forms(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    mark(filling, include_str!("../sql/forms_outstanding.sql"), |row| row.form_outstanding = true).await
}

pub(super) async fn messages(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    mark(filling, include_str!("../sql/unread_messages.sql"), |row| row.unread_message = true).await
}

/// Marks the patients that a question brings.
pub(super) async fn mark(filling: &mut Filling<'_>, sql: &str, mark: fn(&mut Row)) -> Result<(), BooksError> {
    let answer = filling.books.ask(sql, &[]).await?;
    for place in 0..answer.len() {
        filling.row(answer.number(place, "pat_num")?).into_iter().for_each(mark);
    }
    Ok(())
}
