//! `chairsync board`: an analytics feature as a person reads it in a terminal.

use anyhow::{anyhow, bail};
use chairsync_proto::{
    analytics::{
        DateRange, FindPatientsRequest, GetCollectionsBoardRequest, GetMorningHuddleRequest,
        GetPerformanceBoardRequest, GetProviderPulseRequest, GetScheduleAnalysisRequest, GetScorecardRequest,
        ScheduleGrouping, analytics_service_client::AnalyticsServiceClient,
    },
    feature::Feature,
    google_type,
    practice::{ListPracticesRequest, practice_service_client::PracticeServiceClient},
};
use jiff::Timestamp;

use super::words;
use crate::{
    client::{GatewayArgs, practice_name},
    render::{self, boards},
};

/// The template that stands for scorecards where none is named.
const SCORECARD: &str = "template-week";

/// Which board to show, and of what.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The feature, e.g. morning-huddle, performance-board, collections-board, provider-pulse, schedule-analysis, scorecards,
    /// patient-finder
    #[arg(value_parser = words::feature)]
    pub feature: Feature,
    /// The practice, e.g. `sample`; default: the only one there is
    pub practice: Option<String>,
    /// From this local date on; for the huddle the date itself
    #[arg(long, value_parser = words::date)]
    pub from: Option<google_type::Date>,
    /// Up to and with this local date
    #[arg(long, value_parser = words::date, requires = "from")]
    pub until: Option<google_type::Date>,
    /// Only this provider, by the PMS's number; may be repeated
    #[arg(long)]
    pub provider: Vec<String>,
    /// Only this clinic, by the PMS's number; may be repeated
    #[arg(long)]
    pub clinic: Vec<String>,
    /// What the rows of the schedule analysis are
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// The scorecard to work out, by its id
    #[arg(long, default_value = SCORECARD)]
    pub scorecard: String,
    /// The answer as the API has it, as JSON
    #[arg(long)]
    pub json: bool,
    /// Where the gateway is.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// What the rows of a schedule analysis are.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum By {
    /// Providers.
    #[default]
    Provider,
    /// Chairs.
    Operatory,
    /// Dates.
    Day,
    /// Hours of weekdays.
    WeekdayHour,
}

impl From<By> for ScheduleGrouping {
    fn from(by: By) -> Self {
        match by {
            By::Provider => Self::Provider,
            By::Operatory => Self::Operatory,
            By::Day => Self::Day,
            By::WeekdayHour => Self::WeekdayHour,
        }
    }
}

/// Prints the board.
///
/// # Errors
/// The gateway's refusal, or that the feature is no board.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let practice = match &args.practice {
        Some(word) => practice_name(word),
        None => only_practice(&args.gateway).await?,
    };
    let mut client = AnalyticsServiceClient::new(args.gateway.channel());
    let range = args.from.map(|from| DateRange { start_date: Some(from), end_date: args.until.or(Some(from)) });
    let under =
        |collection: &str, ids: &[String]| ids.iter().map(|id| format!("{practice}/{collection}/{id}")).collect();
    let (providers, clinics): (Vec<String>, Vec<String>) =
        (under("providers", &args.provider), under("clinics", &args.clinic));
    let now = Timestamp::now();
    let ask = &args.gateway;
    match args.feature {
        Feature::MorningHuddle => {
            let request = GetMorningHuddleRequest { practice, date: args.from };
            let answer = ask.ask(client.get_morning_huddle(request)).await?;
            show(&args, "GetMorningHuddleResponse", &answer, boards::huddle::lines(&answer, now))
        }
        Feature::PerformanceBoard => {
            let request = GetPerformanceBoardRequest { practice, range, providers, clinics };
            let answer = ask.ask(client.get_performance_board(request)).await?;
            show(&args, "GetPerformanceBoardResponse", &answer, boards::performance::lines(&answer, now))
        }
        Feature::CollectionsBoard => {
            let request = GetCollectionsBoardRequest { practice, range, providers, clinics };
            let answer = ask.ask(client.get_collections_board(request)).await?;
            show(&args, "GetCollectionsBoardResponse", &answer, boards::collections::lines(&answer, now))
        }
        Feature::ProviderPulse => {
            let request = GetProviderPulseRequest { practice, range, providers, clinics, ..Default::default() };
            let answer = ask.ask(client.get_provider_pulse(request)).await?;
            show(&args, "GetProviderPulseResponse", &answer, boards::pulse::lines(&answer, now))
        }
        Feature::ScheduleAnalysis => {
            let grouping = ScheduleGrouping::from(args.by).into();
            let request =
                GetScheduleAnalysisRequest { practice, range, grouping, providers, clinics, ..Default::default() };
            let answer = ask.ask(client.get_schedule_analysis(request)).await?;
            show(&args, "GetScheduleAnalysisResponse", &answer, boards::schedule::lines(&answer, now))
        }
        Feature::Scorecards => {
            let name = format!("{practice}/scorecards/{}", args.scorecard);
            let answer = ask.ask(client.get_scorecard(GetScorecardRequest { name, omit_result: false })).await?;
            show(&args, "GetScorecardResponse", &answer, boards::scorecard::lines(&answer, now))
        }
        Feature::PatientFinder => {
            let answer = ask.ask(client.find_patients(FindPatientsRequest { practice, ..Default::default() })).await?;
            show(&args, "FindPatientsResponse", &answer, boards::patients::lines(&answer, now))
        }
        Feature::GeneralReports => bail!("reports are run by `chairsync report`; `chairsync reports` lists them"),
        _ => bail!("not an analytics feature; `chairsync features` names those with the module analytics"),
    }
}

/// A message of the analytics API as its own JSON, or as lines.
fn show(args: &Args, name: &str, answer: &impl prost::Message, lines: Vec<String>) -> anyhow::Result<()> {
    if args.json {
        println!("{}", render::json::message(&format!("chairsync.analytics.v1.{name}"), answer)?);
    } else {
        super::print(lines);
    }
    Ok(())
}

/// The practice, where there is exactly one.
async fn only_practice(gateway: &GatewayArgs) -> anyhow::Result<String> {
    let mut client = PracticeServiceClient::new(gateway.channel());
    let page = gateway.ask(client.list_practices(ListPracticesRequest { page_size: 2, ..Default::default() })).await?;
    let mut practices = page.practices.into_iter();
    match (practices.next(), practices.next()) {
        (Some(one), None) => Ok(one.name),
        (None, _) => Err(anyhow!("there is no practice yet; `chairsync practice add` registers one")),
        _ => Err(anyhow!("there are several practices; name one, e.g. `chairsync board morning-huddle north`")),
    }
}
