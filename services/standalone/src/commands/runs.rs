//! `chairsync runs`: what is synced when, and the means to start and stop it.

use std::time::Instant;

use anyhow::anyhow;
use chairsync_proto::sync::{
    CancelRunRequest, GetRunRequest, ListDueTimesRequest, ListRunsRequest, RetryRunRequest, Run, RunState,
    StartSyncRequest, WatchRunRequest, sync_service_client::SyncServiceClient,
};
use chairsync_proto::{feature::Feature, google_type};
use clap::Subcommand;
use jiff::Timestamp;
use mesh::transport::Channel;

use super::words;
use crate::{
    client::{GatewayArgs, practice_name},
    pace::{PROGRESS_EVERY, Pace},
    render::runs,
};

/// What to do with runs.
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
    /// List a practice's runs, newest first
    List {
        /// The practice, e.g. `sample`
        practice: String,
        /// The most to show
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=100))]
        limit: i32,
    },
    /// Show one run with its datasets
    Get {
        /// The run, `practices/{practice}/runs/{run}`; or a practice: its newest run
        run: String,
    },
    /// Follow a run until it ends; fails when the run does
    Watch {
        /// The run, `practices/{practice}/runs/{run}`; or a practice: its newest run
        run: String,
    },
    /// Cancel a run
    Cancel {
        /// The run, `practices/{practice}/runs/{run}`
        run: String,
    },
    /// Start a run now, or return the one that already waits
    Start(StartArgs),
    /// Queue a run that failed or was cancelled again; only what it has not brought is read
    Retry {
        /// The run, `practices/{practice}/runs/{run}`
        run: String,
    },
    /// Show when the next nightly runs are due
    Due {
        /// The practice, e.g. `sample`
        practice: String,
        /// How many
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=100))]
        count: i32,
    },
}

/// What is read now.
#[derive(Debug, clap::Args)]
pub struct StartArgs {
    /// The practice, e.g. `sample`
    pub practice: String,
    /// Only what this feature is computed from, e.g. morning-huddle; may be repeated
    #[arg(long, value_parser = words::feature)]
    pub feature: Vec<Feature>,
    /// Only this dataset, e.g. appointment; may be repeated
    #[arg(long)]
    pub dataset: Vec<String>,
    /// Only this patient, by the PMS's number; may be repeated
    #[arg(long)]
    pub patient: Vec<String>,
    /// A backfill from this local date on, e.g. 2026-01-31
    #[arg(long, value_parser = words::date, requires = "until")]
    pub from: Option<google_type::Date>,
    /// Up to and with this local date
    #[arg(long, value_parser = words::date, requires = "from")]
    pub until: Option<google_type::Date>,
}

/// Does it.
///
/// # Errors
/// The gateway's refusal; or that the watched run failed.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let gateway = &args.gateway;
    let mut client = SyncServiceClient::new(gateway.channel());
    match args.action {
        Action::List { practice, limit } => {
            let request =
                ListRunsRequest { practice: practice_name(&practice), page_size: limit, page_token: String::new() };
            let runs = gateway.ask(client.list_runs(request)).await?.runs;
            match args.json {
                true => super::print(runs.iter().map(|r| runs::json(r).to_string())),
                false => super::print(runs::lines(&runs, Timestamp::now())),
            }
        }
        Action::Get { run } => {
            let name = run_name(gateway, &mut client, run).await?;
            let run = gateway.ask(client.get_run(GetRunRequest { name })).await?.run.unwrap_or_default();
            match args.json {
                true => println!("{}", runs::json(&run)),
                false => super::print(runs::full(&run, Timestamp::now())),
            }
        }
        Action::Watch { run } => {
            let name = run_name(gateway, &mut client, run).await?;
            let mut stream = gateway.ask(client.watch_run(WatchRunRequest { name })).await?;
            let (mut last, mut pace) = (Run::default(), Pace::new(PROGRESS_EVERY));
            while let Some(message) = stream.message().await.map_err(|status| gateway.refused(&status))? {
                last = message.run.unwrap_or_default();
                // A program gets all, a person what can be read.
                let told = if args.json { Some(last.clone()) } else { pace.offer(Instant::now(), last.clone()) };
                told.iter().for_each(|run| show(run, args.json));
            }
            pace.rest().iter().for_each(|run| show(run, args.json));
            if matches!(last.state(), RunState::Failed | RunState::Cancelled) {
                anyhow::bail!("the run did not succeed; `chairsync runs start` tries again");
            }
        }
        Action::Cancel { run } => {
            let answer = gateway.ask(client.cancel_run(CancelRunRequest { name: run })).await?;
            show(&answer.run.unwrap_or_default(), args.json);
        }
        Action::Start(start) => {
            let request = StartSyncRequest {
                practice: practice_name(&start.practice),
                features: start.feature.into_iter().map(Into::into).collect(),
                datasets: start.dataset,
                patients: start.patient,
                from_date: start.from,
                until_date: start.until,
                request_id: String::new(),
            };
            let run = gateway.ask(client.start_sync(request)).await?.run.unwrap_or_default();
            if !args.json {
                println!("{}", run.name);
            }
            show(&run, args.json);
        }
        Action::Retry { run } => {
            let answer = gateway.ask(client.retry_run(RetryRunRequest { name: run })).await?;
            show(&answer.run.unwrap_or_default(), args.json);
        }
        Action::Due { practice, count } => {
            let request = ListDueTimesRequest { practice: practice_name(&practice), count };
            let times = gateway.ask(client.list_due_times(request)).await?.due_times;
            match args.json {
                true => super::print(times.iter().map(|due| runs::due_json(due).to_string())),
                false => super::print(runs::due_lines(&times, Timestamp::now())),
            }
        }
    }
    Ok(())
}

/// The run that a word names: itself, or the newest of a practice.
async fn run_name(
    gateway: &GatewayArgs,
    client: &mut SyncServiceClient<Channel>,
    word: String,
) -> anyhow::Result<String> {
    if word.contains("/runs/") {
        return Ok(word);
    }
    let practice = practice_name(&word);
    let request = ListRunsRequest { practice: practice.clone(), page_size: 1, page_token: String::new() };
    let newest = gateway.ask(client.list_runs(request)).await?.runs.into_iter().next();
    newest.map(|run| run.name).ok_or_else(|| anyhow!("{practice} has no run yet; `chairsync runs start` makes one"))
}

fn show(run: &Run, json: bool) {
    match json {
        true => println!("{}", runs::json(run)),
        false => println!("{}", runs::progress(run)),
    }
}
