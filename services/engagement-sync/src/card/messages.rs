//! Messages and forms of a card, as the PMS has them.

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::engagement::{
    ChatMessage, Form, FormKind, FormState, MessageChannel, MessageDirection, MessageOrigin, MessageStatus,
};
use jiff::{ToSpan as _, civil::DateTime};

use super::Subject;
use crate::row::Row;

/// Messages on a card.
const MESSAGES_MAX: usize = 20;
/// Months of forms on a card.
const FORM_MONTHS: i32 = 24;

/// The last messages, newest first: texts of the PMS and commlogs of e-mails and texts, each once.
pub fn messages(subject: &Subject<'_>) -> Vec<ChatMessage> {
    let of = |dataset: &'static str| subject.rows.of_patient(dataset, subject.patient);
    // A received text is mirrored as a commlog; the text is shown.
    let mirrored: BTreeSet<i64> = of("sms_received").map(|row| row.id("commlog_num")).filter(|key| *key > 0).collect();
    let mut messages: Vec<(DateTime, ChatMessage)> = Vec::new();
    for row in of("commlog").filter(|row| !mirrored.contains(&row.id("commlog_num"))) {
        messages.extend(commlog(subject, row));
    }
    for row in of("sms_sent").filter(|row| row.id("is_hidden") == 0) {
        messages.extend(sent(subject, row));
    }
    messages.extend(received(subject));
    messages.sort_by(|(a, first), (b, second)| b.cmp(a).then_with(|| second.name.cmp(&first.name)));
    messages.truncate(MESSAGES_MAX);
    messages.into_iter().map(|(_, message)| message).collect()
}

fn message(subject: &Subject<'_>, (kind, key): (&str, i64), at: DateTime, body: String) -> ChatMessage {
    let thread = subject.lists.name("threads", format_args!("patient-{}", subject.patient));
    let time = subject.clock.moment(at);
    ChatMessage {
        name: format!("{thread}/messages/{kind}-{key}"),
        patient: subject.rows.get("patient", subject.patient).map(|row| subject.lists.patient(row)),
        channel: MessageChannel::Text.into(),
        body,
        status_time: time,
        time,
        origin: MessageOrigin::PmsText.into(),
        pms_key: key,
        ..ChatMessage::default()
    }
}

fn commlog(subject: &Subject<'_>, row: &Row) -> Option<(DateTime, ChatMessage)> {
    let channel = match row.int("mode")? {
        1 => MessageChannel::Email,
        5 => MessageChannel::Text,
        6 => MessageChannel::TextAndEmail,
        _ => return None,
    };
    let at = row.date_time("comm_date_time")?;
    let inbound = row.id("sent_or_received") == 2;
    let mut shown = message(subject, ("commlog", row.id("commlog_num")), at, row.text("note").to_owned());
    shown.channel = channel.into();
    shown.origin = MessageOrigin::PmsCommlog.into();
    shown.direction = if inbound { MessageDirection::In } else { MessageDirection::Out }.into();
    shown.status = if inbound { MessageStatus::Read } else { MessageStatus::Sent }.into();
    Some((at, shown))
}

fn sent(subject: &Subject<'_>, row: &Row) -> Option<(DateTime, ChatMessage)> {
    let at = row.date_time("date_time_sent")?;
    let mut shown = message(subject, ("sent", row.id("sms_to_mobile_num")), at, row.text("msg_text").to_owned());
    shown.direction = MessageDirection::Out.into();
    shown.status = match row.int("sms_status") {
        Some(1 | 3) => MessageStatus::Sent,
        Some(2) => MessageStatus::Delivered,
        Some(4 | 5) => MessageStatus::Failed,
        _ => MessageStatus::Queued,
    }
    .into();
    if let Some(ended) = row.date_time("date_time_terminated") {
        shown.status_time = subject.clock.moment(ended);
    }
    Some((at, shown))
}

/// Received texts, the parts of a long one joined.
fn received(subject: &Subject<'_>) -> Vec<(DateTime, ChatMessage)> {
    let mut texts: BTreeMap<(String, i64), Vec<&Row>> = BTreeMap::new();
    for row in subject.rows.of_patient("sms_received", subject.patient).filter(|row| row.id("is_hidden") == 0) {
        let whole = row.text("msg_ref_id").is_empty() || row.id("msg_total") <= 1;
        let own_key = if whole { row.id("sms_from_mobile_num") } else { 0 };
        texts.entry((row.text("msg_ref_id").to_owned(), own_key)).or_default().push(row);
    }
    let joined = |mut parts: Vec<&Row>| {
        parts.sort_by_key(|row| (row.id("msg_part"), row.id("sms_from_mobile_num")));
        let at = parts.iter().filter_map(|row| row.date_time("date_time_received")).min()?;
        let body = parts.iter().map(|row| row.text("msg_text")).collect();
        let mut shown = message(subject, ("received", parts.first()?.id("sms_from_mobile_num")), at, body);
        let unread = parts.iter().any(|row| row.id("sms_status") == 0);
        shown.direction = MessageDirection::In.into();
        shown.status = if unread { MessageStatus::Unread } else { MessageStatus::Read }.into();
        Some((at, shown))
    };
    texts.into_values().filter_map(joined).collect()
}

/// Forms that wait to be filled in in the PMS, and those of the last 24 months, newest first.
pub fn forms(subject: &Subject<'_>) -> Vec<Form> {
    let since = subject.clock.now.checked_sub(FORM_MONTHS.months()).unwrap_or(DateTime::MIN);
    let mut rows: Vec<(DateTime, FormKind, &Row)> = subject
        .rows
        .of_patient("sheet", subject.patient)
        .filter(|row| row.id("is_deleted") == 0)
        .filter_map(|row| Some((row.date_time("date_time_sheet")?, kind(row)?, row)))
        .filter(|(at, _, row)| *at >= since || waits(row))
        .collect();
    rows.sort_by_key(|(at, _, row)| std::cmp::Reverse((*at, row.id("sheet_num"))));
    let shown = |(at, kind, row): (DateTime, FormKind, &Row)| {
        let (number, waits) = (row.id("sheet_num"), waits(row));
        let edited = row.date_time("date_t_sheet_edited").and_then(|at| subject.clock.moment(at));
        Form {
            name: subject.lists.name("forms", format_args!("sheet-{number}")),
            patient: subject.rows.get("patient", subject.patient).map(|row| subject.lists.patient(row)),
            template: subject.lists.name("formTemplates", row.id("sheet_def_num")),
            display_name: row.text("description").to_owned(),
            kind: kind.into(),
            template_version: i32::try_from(row.id("rev_id")).unwrap_or_default(),
            state: if waits { FormState::Assigned } else { FormState::WrittenBack }.into(),
            assign_time: subject.clock.moment(at),
            submit_time: if waits { None } else { edited },
            pms_key: number,
            made_in_pms: true,
            ..Form::default()
        }
    };
    rows.into_iter().map(shown).collect()
}

fn waits(row: &Row) -> bool {
    row.id("show_in_terminal") > 0
}

fn kind(row: &Row) -> Option<FormKind> {
    match row.int("sheet_type")? {
        6 => Some(FormKind::Consent),
        9 => Some(FormKind::PatientForm),
        11 => Some(FormKind::MedicalHistory),
        _ => None,
    }
}
