//! `chairsync outbox`: what is owed to the PMS, and the means to retry or drop it. Never what is in it.

use chairsync_proto::sync::{
    DropWriteRequest, GetWriteRequest, ListWriteAuditsRequest, ListWritesRequest, RetryWriteRequest, Write, WriteState,
    outbox_service_client::OutboxServiceClient,
};
use clap::Subcommand;
use jiff::Timestamp;

use crate::{
    client::{GatewayArgs, practice_name},
    render::outbox,
};

/// What to do with writes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The action.
    #[command(subcommand)]
    pub action: Action,
    /// A JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Where the gateway is.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List a practice's writes, newest first
    List {
        /// The practice, e.g. `sample`
        practice: String,
        /// Only those that stand there, e.g. held, dead-letter, retry-wait; may be repeated
        #[arg(long, value_parser = state)]
        state: Vec<WriteState>,
        /// Only this patient's
        #[arg(long, default_value = "")]
        patient: String,
        /// The most to show
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
    },
    /// Show one write and what was done to it
    Show {
        /// The write, `practices/{practice}/writes/{write}`
        write: String,
    },
    /// Queue a write again: one that is parked, was refused, or waits
    Retry {
        /// The write, `practices/{practice}/writes/{write}`
        write: String,
        /// Why, for the audit
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Drop a write for good
    Drop {
        /// The write, `practices/{practice}/writes/{write}`
        write: String,
        /// Why, for the audit; without patient data
        #[arg(long)]
        reason: String,
    },
}

/// Reads a state as people write it.
fn state(text: &str) -> Result<WriteState, String> {
    let name = format!("WRITE_STATE_{}", text.to_uppercase().replace('-', "_"));
    WriteState::from_str_name(&name).filter(|state| *state != WriteState::Unspecified).ok_or_else(|| {
        let states = (1..).map_while(|n| WriteState::try_from(n).ok());
        let words: Vec<String> = states.map(outbox::state).map(|word| word.replace(' ', "-")).collect();
        format!("must be one of {}", words.join(", "))
    })
}

/// Does it.
///
/// # Errors
/// The gateway's refusal.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let gateway = &args.gateway;
    let mut client = OutboxServiceClient::new(gateway.channel());
    match args.action {
        Action::List { practice, state, patient, limit } => {
            let mut request = ListWritesRequest {
                practice: practice_name(&practice),
                states: state.into_iter().map(Into::into).collect(),
                patient,
                page_size: i32::from(limit).min(100),
                page_token: String::new(),
            };
            let mut writes: Vec<Write> = Vec::new();
            loop {
                let page = gateway.ask(client.list_writes(request.clone())).await?;
                writes.extend(page.writes);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() || writes.len() >= limit.into() {
                    break;
                }
            }
            writes.truncate(limit.into());
            match args.json {
                true => super::print(writes.iter().map(|write| outbox::json(write).to_string())),
                false => super::print(outbox::lines(&writes, Timestamp::now())),
            }
        }
        Action::Show { write } => {
            let found = gateway.ask(client.get_write(GetWriteRequest { name: write.clone() })).await?;
            let found = found.write.unwrap_or_default();
            let request = ListWriteAuditsRequest { parent: write, page_size: 100, page_token: String::new() };
            let audits = gateway.ask(client.list_write_audits(request)).await?.audits;
            match args.json {
                true => println!("{}", outbox::json(&found)),
                false => super::print(outbox::full(&found, &audits, Timestamp::now())),
            }
        }
        Action::Retry { write, reason } => {
            let answer = gateway.ask(client.retry_write(RetryWriteRequest { name: write, reason })).await?;
            show(&answer.write.unwrap_or_default(), args.json);
        }
        Action::Drop { write, reason } => {
            let answer = gateway.ask(client.drop_write(DropWriteRequest { name: write, reason })).await?;
            show(&answer.write.unwrap_or_default(), args.json);
        }
    }
    Ok(())
}

fn show(write: &Write, json: bool) {
    match json {
        true => println!("{}", outbox::json(write)),
        false => super::print(outbox::lines(std::slice::from_ref(write), Timestamp::now())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn states_are_words() {
        assert_eq!(state("dead-letter").unwrap(), WriteState::DeadLetter);
        assert_eq!(state("HELD").unwrap(), WriteState::Held);
        let fault = state("lost").unwrap_err();
        assert!(fault.contains("retry-wait") && fault.contains("dropped") && !fault.contains("unspecified"), "{fault}");
    }
}
