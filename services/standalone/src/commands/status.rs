//! `chairsync status`: how fresh each feature of a practice is.

use chairsync_proto::{
    practice::{ListPracticesRequest, practice_service_client::PracticeServiceClient},
    sync::{
        FeatureStatus, ListFeatureStatusesRequest, WatchFeatureStatusesRequest, sync_service_client::SyncServiceClient,
    },
};
use jiff::Timestamp;

use crate::{
    client::{GatewayArgs, practice_name},
    render::statuses,
};

/// Whose features to show, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The practice, e.g. `sample`; without one: every practice
    pub practice: Option<String>,
    /// A JSON array a line
    #[arg(long)]
    pub json: bool,
    /// Go on: print again each time something changes
    #[arg(long, requires = "practice")]
    pub watch: bool,
    /// Where the gateway is.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// Prints the features' freshness.
///
/// # Errors
/// The gateway's refusal.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match (&args.practice, args.watch) {
        (Some(practice), true) => watch(&args, practice_name(practice)).await,
        (Some(practice), false) => one(&args, practice_name(practice)).await,
        (None, _) => all(&args).await,
    }
}

async fn one(args: &Args, practice: String) -> anyhow::Result<()> {
    let mut client = SyncServiceClient::new(args.gateway.channel());
    let answer = args.gateway.ask(client.list_feature_statuses(ListFeatureStatusesRequest { practice })).await?;
    show(args, &answer.statuses);
    Ok(())
}

async fn all(args: &Args) -> anyhow::Result<()> {
    let mut client = PracticeServiceClient::new(args.gateway.channel());
    let mut request = ListPracticesRequest::default();
    loop {
        let page = args.gateway.ask(client.list_practices(request.clone())).await?;
        for practice in page.practices {
            if !args.json {
                println!("{}", practice.name);
            }
            one(args, practice.name).await?;
            if !args.json {
                println!();
            }
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn watch(args: &Args, practice: String) -> anyhow::Result<()> {
    let mut client = SyncServiceClient::new(args.gateway.channel());
    let request = WatchFeatureStatusesRequest { practice, ..Default::default() };
    let mut stream = args.gateway.ask(client.watch_feature_statuses(request)).await?;
    while let Some(message) = stream.message().await.map_err(|status| args.gateway.refused(&status))? {
        show(args, &message.statuses);
        if !args.json {
            println!();
        }
    }
    Ok(())
}

fn show(args: &Args, all: &[FeatureStatus]) {
    if args.json {
        println!("{}", statuses::json(all));
    } else {
        super::print(statuses::lines(all, Timestamp::now()));
        super::print(statuses::reasons(all));
    }
}
