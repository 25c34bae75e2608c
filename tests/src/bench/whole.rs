//! A generated practice with all of its tables, on a MariaDB of its own, read by the five processes.

use std::time::{Duration, Instant};

use analytics_sync::{books::Books, question::Question};
use chairsync_proto::{
    analytics::{
        GetCollectionsBoardRequest, GetMorningHuddleRequest, GetPerformanceBoardRequest, GetProviderPulseRequest,
        GetScheduleAnalysisRequest, analytics_service_client::AnalyticsServiceClient,
    },
    sync::{Freshness, RunState},
};
use deltalake_core::{DeltaTableBuilder, ensure_table_uri};
use mesh::{calendar, datasets, transport::Channel};
use mysql_async::prelude::Queryable as _;
use pms_connector::sample::{Config, load::Options};
use test_servers::MariaDb;
use tonic::Request;

use crate::{practice, processes::Processes};

/// The practice's id, and the name of its database.
pub const ID: &str = "bench";
/// Its name.
pub const NAME: &str = "practices/bench";
/// Its zone: the day goes on there while the benchmark runs.
const ZONE: &str = "America/Chicago";
/// The longest that anything may take.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// The practice's size.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Patients.
    pub patients: u32,
    /// Years of history.
    pub years: u32,
}

impl Size {
    /// As `CHAIRSYNC_BENCH_PATIENTS` and `CHAIRSYNC_BENCH_YEARS` say, or else this.
    #[must_use]
    pub fn given_or(self) -> Self {
        let given = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        Self {
            patients: given("CHAIRSYNC_BENCH_PATIENTS").unwrap_or(self.patients),
            years: given("CHAIRSYNC_BENCH_YEARS").unwrap_or(self.years),
        }
    }
}

/// The practice, read.
pub struct Whole {
    /// Where its PMS is.
    pub pms: MariaDb,
    /// The five processes.
    pub mesh: Processes,
    /// How many procedures it has.
    pub procedures: u64,
    /// How long the initial sync took, in seconds.
    pub read_s: f64,
}

/// Loads a practice and reads it. With `few_indexes` MariaDB has none that only its own questions need.
///
/// # Panics
/// When something cannot be started, loaded or read.
pub async fn practice(size: Size, few_indexes: bool) -> Whole {
    // What is loaded need not outlive a power cut.
    let quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-log-file-size=1G"];
    let pms = MariaDb::start_with(&[&["--innodb-buffer-pool-size=2G"][..], &quick].concat()).await;
    pms.create_database(ID).await;
    eprintln!("loading {} patients of {} years", size.patients, size.years);
    let as_of = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get(ZONE).expect("a zone")).date();
    let config = Config { seed: 1, patients: size.patients, as_of, years: size.years };
    let options = Options { few_indexes, ..Options::default() };
    let (mut told, url) = (0, pms.root_url(ID));
    let loaded = pms_connector::sample::load(&url, None, &config, &options, |progress| {
        if progress.rows >= told + 2_000_000 {
            told = progress.rows;
            eprintln!("{told} rows");
        }
    });
    let loaded = loaded.await.expect("the practice is loaded");
    let procedures = loaded.rows.get("procedurelog").copied().unwrap_or_default();
    eprintln!("{} rows, {procedures} of them procedures, in {:.0} s", loaded.total(), loaded.took.as_secs_f64());
    let chairs: Option<u64> = pms.root(ID).await.query_first("SELECT COUNT(*) FROM operatory").await.expect("a count");
    eprintln!("{} operatories; reading it", chairs.unwrap_or_default());

    let mesh = Processes::start_with(&practice::credentials(), "warn", &[]).await;
    let start = Instant::now();
    let run = practice::register(mesh.gateway(), ID, practice::on(&pms, ID, ZONE)).await;
    let run = practice::finished(mesh.gateway(), &run, PATIENCE).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    let whole = Whole { pms, mesh, procedures, read_s: start.elapsed().as_secs_f64() };
    eprintln!("read in {:.0} s", whole.read_s);
    whole
}

impl Whole {
    /// Starts analytics-sync anew: nothing is in its memory, and the files are in the system's.
    ///
    /// # Panics
    /// When it does not serve.
    pub async fn restart_analytics(&mut self) {
        self.mesh.kill("analytics-sync");
        self.mesh.spawn("analytics-sync");
        self.mesh.serving().await;
        let listed = async {
            let request = chairsync_proto::analytics::ListMetricsRequest { practice: NAME.to_owned(), focus: 0 };
            while AnalyticsServiceClient::new(self.mesh.gateway()).list_metrics(request.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listed).await.expect("the gateway finds it again");
    }

    /// As of when the boards are.
    ///
    /// # Panics
    /// When they are not whole.
    pub async fn question(&self) -> Question {
        let freshness = Board::Performance.ask(self.mesh.gateway()).await;
        let through = freshness.synced_through.expect("a whole board");
        let through = jiff::Timestamp::new(through.seconds, through.nanos).expect("a time");
        let now = calendar::wall_clock(through, &jiff::tz::TimeZone::get(ZONE).expect("a zone"));
        Question { practice: ID.to_owned(), currency: "USD".to_owned(), date: now.date(), now }
    }

    /// The practice's tables in this process, as DataFusion sees them.
    ///
    /// # Panics
    /// When they cannot be opened.
    pub async fn books(&self) -> Books {
        let mut tables = Vec::new();
        for dataset in datasets::all() {
            let folder = self.mesh.tables().join(ID).join(dataset.name);
            let url = ensure_table_uri(folder.to_string_lossy()).expect("a table's place");
            let table = DeltaTableBuilder::from_url(url).expect("a table").load().await.expect("a table that loads");
            let snapshot = table.snapshot().expect("a snapshot");
            tables.push((
                dataset,
                snapshot.log_data().iter().map(|file| folder.join(file.path().as_ref()).into()).collect(),
            ));
        }
        Books::open(tables).await.expect("tables that open")
    }
}

/// A board with its default dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// Morning Huddle.
    Huddle,
    /// Performance Board.
    Performance,
    /// Collections Board.
    Collections,
    /// Provider Pulse.
    Pulse,
    /// Schedule Analysis.
    Schedule,
}

impl Board {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Huddle, Self::Performance, Self::Collections, Self::Pulse, Self::Schedule];

    /// Asks for it through the gateway; its freshness.
    ///
    /// # Panics
    /// When it is refused or not whole.
    pub async fn ask(self, gateway: Channel) -> Freshness {
        let mut client = AnalyticsServiceClient::new(gateway).max_decoding_message_size(64 << 20);
        let practice = NAME.to_owned();
        let freshness = match self {
            Self::Huddle => {
                let request = GetMorningHuddleRequest { practice, ..Default::default() };
                client.get_morning_huddle(patiently(request)).await.map(|answer| answer.into_inner().freshness)
            }
            Self::Performance => {
                let request = GetPerformanceBoardRequest { practice, ..Default::default() };
                client.get_performance_board(patiently(request)).await.map(|answer| answer.into_inner().freshness)
            }
            Self::Collections => {
                let request = GetCollectionsBoardRequest { practice, ..Default::default() };
                client.get_collections_board(patiently(request)).await.map(|answer| answer.into_inner().freshness)
            }
            Self::Pulse => {
                let request = GetProviderPulseRequest { practice, ..Default::default() };
                client.get_provider_pulse(patiently(request)).await.map(|answer| answer.into_inner().freshness)
            }
            Self::Schedule => {
                let request = GetScheduleAnalysisRequest { practice, ..Default::default() };
                client.get_schedule_analysis(patiently(request)).await.map(|answer| answer.into_inner().freshness)
            }
        };
        let freshness = freshness.unwrap_or_else(|status| panic!("{self:?}: {status:?}"));
        assert!(practice::complete(freshness.as_ref()), "{self:?} is not whole: {freshness:?}");
        freshness.expect("a freshness")
    }
}

/// A request that may take as long as a benchmark has patience.
pub fn patiently<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
