//! Promise: scorecards, goals and hours are kept as their protos say: made once for each key, edited by etag, shared,
//! listed by pages, worked out, seen in the pulse at once, and refused by name where they are wrong. Method: sync-state,
//! connector and analytics-sync in one process on a sample practice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use chairsync_proto::{
    analytics::{analytics_service_client::AnalyticsServiceClient, *},
    google_type,
    practice::{
        CreatePracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    },
    sync::{RunState, WatchRunRequest, sync_service_client::SyncServiceClient},
};
use mesh::{
    ErrorReason,
    error::reason_of,
    transport::{Channel, connect, in_process},
};
use prost_types::FieldMask;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

const LIMIT: Duration = Duration::from_secs(180);
const PRACTICE: &str = "practices/north";
const FIRST_KEY: &str = "5d8a1f7e-1111-4c55-9f3e-0a1b2c3d4e5f";
const SECOND_KEY: &str = "5d8a1f7e-2222-4c55-9f3e-0a1b2c3d4e5f";
const THIRD_KEY: &str = "5d8a1f7e-3333-4c55-9f3e-0a1b2c3d4e5f";

/// The services, with a practice that is synced.
struct Mesh {
    analytics: AnalyticsServiceClient<Channel>,
    stop: CancellationToken,
    servers: Vec<JoinHandle<anyhow::Result<()>>>,
    _folder: tempfile::TempDir,
}

impl Mesh {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (state, state_listener) = in_process("sync-state");
        let (connector, connector_listener) = in_process("pms-connector");
        let (analytics, analytics_listener) = in_process("analytics-sync");
        let data = sync_state::Config { data: Some(folder.path().join("state")), ..Default::default() };
        let config = analytics_sync::Config {
            store: folder.path().join("tables").to_string_lossy().into_owned(),
            sync_state: state.clone(),
            pms_connector: connector,
            worker: None,
            capacity: 2,
            lease_seconds: 30,
            object_store: Default::default(),
        };
        let servers = vec![
            tokio::spawn(sync_state::run(data, state_listener, stop.clone())),
            tokio::spawn(pms_connector::run(Default::default(), connector_listener, stop.clone())),
            tokio::spawn(analytics_sync::run(config, analytics_listener, stop.clone())),
        ];
        let sample = SampleSource { seed: 3, patients: 40, live: false, as_of_date: String::new(), years: 1 };
        let practice = Practice {
            time_zone: "America/Chicago".into(),
            source: Some(PmsSource { kind: Some(Kind::Sample(sample)) }),
            ..Default::default()
        };
        let request = CreatePracticeRequest { practice_id: "north".into(), practice: Some(practice) };
        let made = PracticeServiceClient::new(connect(&state)).create_practice(request).await.unwrap().into_inner();
        let watch = WatchRunRequest { name: made.initial_run };
        let mut runs = SyncServiceClient::new(connect(&state)).watch_run(watch).await.unwrap().into_inner();
        let synced = async {
            while let Some(message) = runs.message().await.unwrap() {
                if message.run.unwrap().state() == RunState::Succeeded {
                    return;
                }
            }
            panic!("the run was not followed to its end");
        };
        tokio::time::timeout(LIMIT, synced).await.expect("the practice is synced in time");
        Self { analytics: AnalyticsServiceClient::new(connect(&analytics)), stop, servers, _folder: folder }
    }

    fn client(&self) -> AnalyticsServiceClient<Channel> {
        self.analytics.clone()
    }

    async fn create(&self, scorecard: &Scorecard, request_id: &str) -> Result<Scorecard, Status> {
        let (practice, request_id) = (PRACTICE.to_owned(), request_id.to_owned());
        let request = CreateScorecardRequest { practice, scorecard: Some(scorecard.clone()), request_id };
        Ok(self.client().create_scorecard(request).await?.into_inner().scorecard.unwrap())
    }

    async fn update(&self, name: &str, scorecard: &Scorecard, mask: &[&str], etag: &str) -> Result<Scorecard, Status> {
        let request = UpdateScorecardRequest {
            name: name.to_owned(),
            scorecard: Some(scorecard.clone()),
            update_mask: self::mask(mask),
            etag: etag.to_owned(),
        };
        Ok(self.client().update_scorecard(request).await?.into_inner().scorecard.unwrap())
    }

    async fn open(&self, name: &str) -> Result<GetScorecardResponse, Status> {
        let request = GetScorecardRequest { name: name.to_owned(), omit_result: false };
        Ok(self.client().get_scorecard(request).await?.into_inner())
    }

    async fn list(&self, request: ListScorecardsRequest) -> Result<ListScorecardsResponse, Status> {
        let request = ListScorecardsRequest { practice: PRACTICE.to_owned(), ..request };
        Ok(self.client().list_scorecards(request).await?.into_inner())
    }

    async fn share(&self, name: &str, people: &[&str], etag: &str) -> Result<Scorecard, Status> {
        let shared_with = people.iter().map(|person| (*person).to_owned()).collect();
        let request = ShareScorecardRequest { name: name.to_owned(), shared_with, etag: etag.to_owned() };
        Ok(self.client().share_scorecard(request).await?.into_inner().scorecard.unwrap())
    }

    async fn pulse(&self, request: GetProviderPulseRequest) -> Result<GetProviderPulseResponse, Status> {
        let request = GetProviderPulseRequest { practice: PRACTICE.to_owned(), ..request };
        self.client().get_provider_pulse(request).await.map(Response::into_inner)
    }

    async fn goal(&self, name: &str, goal: ProviderGoal, mask: &[&str], etag: &str) -> Result<ProviderGoal, Status> {
        let request = UpdateProviderGoalRequest {
            name: name.to_owned(),
            goal: Some(goal),
            update_mask: self::mask(mask),
            etag: etag.to_owned(),
        };
        Ok(self.client().update_provider_goal(request).await?.into_inner().goal.unwrap())
    }

    async fn end(self) {
        self.stop.cancel();
        for server in self.servers {
            server.await.unwrap().unwrap();
        }
    }
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn scorecard(display_name: &str, metrics: &[&str]) -> Scorecard {
    Scorecard {
        display_name: display_name.to_owned(),
        metrics: metrics.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

/// The code, the reason and the field of a refusal.
fn refused<T>(result: Result<T, Status>) -> (Code, Option<ErrorReason>, String) {
    let Err(status) = result else { panic!("not refused") };
    let field = status.get_details_bad_request().map(|details| details.field_violations[0].field.clone());
    (status.code(), reason_of(&status), field.unwrap_or_default())
}

fn invalid(field: &str) -> (Code, Option<ErrorReason>, String) {
    (Code::InvalidArgument, Some(ErrorReason::InvalidField), field.to_owned())
}

fn with(code: Code, reason: ErrorReason, field: &str) -> (Code, Option<ErrorReason>, String) {
    (code, Some(reason), field.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_keep_here() {
    let mesh = Mesh::start().await;
    scorecards_are_made_edited_and_worked_out(&mesh).await;
    scorecards_are_listed_shared_and_deleted(&mesh).await;
    goals_are_kept_and_seen_at_once(&mesh).await;
    hours_are_kept_and_seen_at_once(&mesh).await;
    wrong_pulses_are_refused(&mesh).await;
    mesh.end().await;
}

async fn scorecards_are_made_edited_and_worked_out(mesh: &Mesh) {
    let made = mesh.create(&scorecard("Beta", &["gross_production", "visits"]), FIRST_KEY).await.unwrap();
    assert!(made.owner == "operator" && !made.template && made.create_time.is_some() && made.shared_with.is_empty());
    assert!(made.focus() == Focus::Provider && made.comparison.as_ref().unwrap().periods == 3, "defaults are said");
    let again = mesh.create(&scorecard("Beta", &["gross_production", "visits"]), FIRST_KEY).await.unwrap();
    assert!(again == made);
    let reused = refused(mesh.create(&scorecard("Other", &["visits"]), FIRST_KEY).await);
    assert_eq!(reused, with(Code::InvalidArgument, ErrorReason::RequestIdReused, "request_id"));
    for (card, key, field) in [
        (scorecard("B", &["visits"]), "no uuid", "request_id"),
        (scorecard("", &["visits"]), SECOND_KEY, "scorecard.display_name"),
        (scorecard("B", &[]), SECOND_KEY, "scorecard.metrics"),
        (scorecard("B", &["visits", "no_such"]), SECOND_KEY, "scorecard.metrics[1]"),
        (
            Scorecard { members: vec!["practices/south/providers/1".into()], ..scorecard("B", &["visits"]) },
            SECOND_KEY,
            "scorecard.members[0]",
        ),
        (
            Scorecard { members: vec![format!("{PRACTICE}/providers/999999")], ..scorecard("B", &["visits"]) },
            SECOND_KEY,
            "scorecard.members[0]",
        ),
    ] {
        assert_eq!(refused(mesh.create(&card, key).await), invalid(field));
    }

    let opened = mesh.open(&made.name).await.unwrap();
    let result = opened.result.unwrap();
    assert!(opened.scorecard.unwrap() == made && opened.freshness.is_some());
    assert!(result.periods.len() == 4 && result.total.unwrap().cells.len() == 2);

    let renamed = mesh.update(&made.name, &scorecard("Gamma", &[]), &["display_name"], &made.etag).await.unwrap();
    assert!(renamed.display_name == "Gamma" && renamed.metrics == made.metrics && renamed.etag != made.etag);
    let stale = refused(mesh.update(&made.name, &scorecard("Delta", &[]), &["display_name"], &made.etag).await);
    assert_eq!(stale, with(Code::Aborted, ErrorReason::EtagMismatch, "etag"));
    let bad = scorecard("", &["gross_production", "visits"]);
    let codes = Scorecard { focus: Focus::ProcedureCode.into(), ..bad };
    for (mask, etag, field) in [
        (&["focus"][..], renamed.etag.as_str(), "scorecard.metrics[1]"),
        (&["owner"][..], &renamed.etag, "update_mask"),
        (&[][..], &renamed.etag, "update_mask"),
        (&["focus"][..], "", "etag"),
    ] {
        assert_eq!(refused(mesh.update(&made.name, &codes, mask, etag).await), invalid(field));
    }

    let evaluate = |scorecard| EvaluateScorecardRequest { practice: PRACTICE.to_owned(), scorecard };
    let unsaved = mesh.client().evaluate_scorecard(evaluate(Some(scorecard("", &["visits"])))).await;
    assert!(unsaved.unwrap().into_inner().result.is_some());
    assert_eq!(refused(mesh.client().evaluate_scorecard(evaluate(None)).await), invalid("scorecard"));
    let elsewhere = EvaluateScorecardRequest {
        practice: "practices/south".to_owned(),
        scorecard: Some(scorecard("", &["visits"])),
    };
    let unknown = refused(mesh.client().evaluate_scorecard(elsewhere).await);
    assert_eq!(unknown, with(Code::NotFound, ErrorReason::PracticeNotFound, ""));
}

async fn scorecards_are_listed_shared_and_deleted(mesh: &Mesh) {
    let of = |list: ScorecardList| ListScorecardsRequest { list: list.into(), ..Default::default() };
    let templates = mesh.list(of(ScorecardList::Templates)).await.unwrap().scorecards;
    assert_eq!(templates.len(), 21);
    for template in &templates {
        let opened = mesh.open(&template.name).await;
        let opened = opened.unwrap_or_else(|status| panic!("{}: {status}", template.name));
        let total = opened.result.unwrap().total.unwrap();
        assert_eq!(total.cells.len(), template.metrics.len(), "{}", template.name);
    }
    let template = &templates[0];
    let kept = refused(mesh.update(&template.name, &scorecard("X", &[]), &["display_name"], &template.etag).await);
    assert_eq!(kept, with(Code::PermissionDenied, ErrorReason::NotEditable, "name"));
    let delete = |name: &str, etag: &str| DeleteScorecardRequest { name: name.to_owned(), etag: etag.to_owned() };
    let kept = refused(mesh.client().delete_scorecard(delete(&template.name, "")).await);
    assert_eq!(kept, with(Code::PermissionDenied, ErrorReason::NotEditable, "name"));

    let duplicate = |name: &str, key: &str| DuplicateScorecardRequest {
        name: name.to_owned(),
        display_name: String::new(),
        request_id: key.to_owned(),
    };
    let copied = mesh.client().duplicate_scorecard(duplicate(&template.name, THIRD_KEY)).await.unwrap().into_inner();
    let copy = copied.scorecard.unwrap();
    assert_eq!(copy.display_name, format!("Copy of {}", template.display_name));
    assert!(copy.owner == "operator" && !copy.template && copy.metrics == template.metrics);
    let again = mesh.client().duplicate_scorecard(duplicate(&template.name, THIRD_KEY)).await.unwrap().into_inner();
    assert!(again.scorecard.unwrap() == copy);

    let shared = mesh.share(&copy.name, &["ann", "bob", "operator"], &copy.etag).await.unwrap();
    assert_eq!(shared.shared_with, ["ann", "bob"]);
    let stale = refused(mesh.share(&copy.name, &["eve"], &copy.etag).await);
    assert_eq!(stale, with(Code::Aborted, ErrorReason::EtagMismatch, "etag"));
    let same = mesh.share(&copy.name, &["ann"], "").await.unwrap();
    assert!(same == shared, "who has it already changes nothing");
    assert_eq!(refused(mesh.share(&copy.name, &[], "").await), invalid("shared_with"));
    assert_eq!(refused(mesh.share(&copy.name, &["ann", "a b"], "").await), invalid("shared_with[1]"));
    let unshare = |people: &[&str]| UnshareScorecardRequest {
        name: copy.name.clone(),
        shared_with: people.iter().map(|person| (*person).to_owned()).collect(),
        etag: String::new(),
    };
    let one = mesh.client().unshare_scorecard(unshare(&["ann"])).await.unwrap().into_inner().scorecard.unwrap();
    assert_eq!(one.shared_with, ["bob"]);
    let nobody = mesh.client().unshare_scorecard(unshare(&[])).await.unwrap().into_inner().scorecard.unwrap();
    assert!(nobody.shared_with.is_empty());

    let mine = ListScorecardsRequest { page_size: 1, order_by: "display_name desc".into(), ..of(ScorecardList::Mine) };
    let first = mesh.list(mine.clone()).await.unwrap();
    assert_eq!(first.scorecards[0].display_name, "Gamma");
    let next = ListScorecardsRequest { page_token: first.next_page_token.clone(), ..mine.clone() };
    let second = mesh.list(next.clone()).await.unwrap();
    assert!(second.scorecards[0].name == copy.name && second.next_page_token.is_empty());
    let other = refused(mesh.list(ListScorecardsRequest { order_by: String::new(), ..next }).await);
    assert_eq!(other, with(Code::InvalidArgument, ErrorReason::PageTokenInvalid, "page_token"));
    assert_eq!(
        refused(mesh.list(ListScorecardsRequest { order_by: "etag".into(), ..mine }).await),
        invalid("order_by")
    );

    let stale = refused(mesh.client().delete_scorecard(delete(&copy.name, &copy.etag)).await);
    assert_eq!(stale, with(Code::Aborted, ErrorReason::EtagMismatch, "etag"));
    mesh.client().delete_scorecard(delete(&copy.name, &nobody.etag)).await.unwrap();
    mesh.client().delete_scorecard(delete(&copy.name, &nobody.etag)).await.unwrap();
    let gone = with(Code::NotFound, ErrorReason::ResourceNotFound, "name");
    assert_eq!(refused(mesh.open(&copy.name).await), gone);
    assert_eq!(refused(mesh.open(&format!("{PRACTICE}/scorecards/template-none")).await), gone);
    assert_eq!(refused(mesh.client().duplicate_scorecard(duplicate(&copy.name, SECOND_KEY)).await), gone);
}

fn usd(units: i64) -> Option<google_type::Money> {
    Some(google_type::Money { currency_code: "USD".to_owned(), units, nanos: 0 })
}

/// The provider with the most scheduled hours of the week.
async fn busiest(mesh: &Mesh) -> PulseRow {
    let rows = mesh.pulse(GetProviderPulseRequest::default()).await.unwrap().rows;
    let row = rows.into_iter().max_by(|a, b| a.scheduled_hours.total_cmp(&b.scheduled_hours)).unwrap();
    assert!(row.scheduled_hours > 0.0, "the sample practice works this week");
    row
}

async fn goals_are_kept_and_seen_at_once(mesh: &Mesh) {
    let row = busiest(mesh).await;
    let (hours, name) = (row.scheduled_hours, format!("{}/goal", row.provider.unwrap().name));
    let hourly = |goal| ProviderGoal { hourly_goal: goal, ..Default::default() };
    let set = mesh.goal(&name, hourly(usd(100)), &["hourly_goal"], "0").await.unwrap();
    assert!(set.hourly_goal == usd(100) && set.name == name && set.etag != "0");
    let goal = busiest(mesh).await.goal.unwrap();
    assert_eq!(goal.units as f64 + f64::from(goal.nanos) / 1e9, hours * 100.0, "the pulse knows it at once");
    let stale = refused(mesh.goal(&name, hourly(usd(1)), &["hourly_goal"], "0").await);
    assert_eq!(stale, with(Code::Aborted, ErrorReason::EtagMismatch, "etag"));

    let own = format!("{PRACTICE}/goal");
    let monthly = ProviderGoal { monthly_goal: usd(50_000), ..Default::default() };
    mesh.goal(&own, monthly.clone(), &["monthly_goal"], "").await.unwrap();
    let request = ListProviderGoalsRequest { practice: PRACTICE.to_owned() };
    let goals = mesh.client().list_provider_goals(request).await.unwrap().into_inner().goals;
    assert!(goals[0].name == own && goals[0].monthly_goal == usd(50_000) && goals[0].provider.is_none());
    assert!(goals.contains(&set) && goals.len() > 2, "every provider has a line");

    let euros = google_type::Money { currency_code: "EUR".to_owned(), ..usd(1).unwrap() };
    for (name, goal, mask, expected) in [
        (&name, hourly(Some(euros)), "hourly_goal", invalid("goal.hourly_goal")),
        (&name, hourly(usd(-1)), "hourly_goal", invalid("goal.hourly_goal")),
        (&name, monthly.clone(), "monthly_goal", invalid("update_mask")),
        (&own, hourly(usd(1)), "hourly_goal", invalid("update_mask")),
        (&own, monthly.clone(), "etag", invalid("update_mask")),
        (&format!("{PRACTICE}/providers/x/goal"), hourly(usd(1)), "hourly_goal", invalid("name")),
        (
            &format!("{PRACTICE}/providers/999999/goal"),
            hourly(usd(1)),
            "hourly_goal",
            with(Code::NotFound, ErrorReason::ResourceNotFound, "name"),
        ),
    ] {
        assert_eq!(refused(mesh.goal(name, goal, &[mask], "").await), expected);
    }
    let gone = mesh.goal(&name, ProviderGoal::default(), &["hourly_goal"], &set.etag).await.unwrap();
    assert!(gone.hourly_goal.is_none(), "an absent amount takes the goal away");
}

async fn hours_are_kept_and_seen_at_once(mesh: &Mesh) {
    let pulse = mesh.pulse(GetProviderPulseRequest::default()).await.unwrap();
    let row = busiest(mesh).await;
    let (before, name) = (row.scheduled_hours, row.provider.unwrap().name);
    let range = pulse.range;
    let list = |range| ListProviderHoursRequest { name: name.clone(), range };
    let listed = mesh.client().list_provider_hours(list(range)).await.unwrap().into_inner();
    assert!(listed.hours.len() == 7 && listed.etag == "0" && !listed.kept_by_hand);
    let minutes: i32 = listed.hours.iter().filter_map(|day| day.scheduled_minutes).sum();
    assert_eq!((before * 60.0).round(), f64::from(minutes));
    let update = |hours: Vec<ProviderHours>, kept_by_hand, etag: &str| UpdateProviderHoursRequest {
        name: name.clone(),
        hours,
        kept_by_hand,
        etag: etag.to_owned(),
    };
    let entry = |scheduled, actual| ProviderHours {
        date: listed.hours[1].date,
        scheduled_minutes: scheduled,
        actual_minutes: actual,
        entered: false,
    };
    let set = mesh.client().update_provider_hours(update(vec![entry(Some(90), Some(120))], Some(true), "0")).await;
    let set = set.unwrap().into_inner();
    assert!(set.hours[0].entered && set.kept_by_hand);
    let listed_again = mesh.client().list_provider_hours(list(range)).await.unwrap().into_inner();
    let scheduled: Vec<_> = listed_again.hours.iter().map(|day| day.scheduled_minutes).collect();
    assert_eq!(scheduled, [None, Some(90), None, None, None, None, None], "by hand a blank date has none");
    let pulse = mesh.pulse(GetProviderPulseRequest { providers: vec![name.clone()], ..Default::default() }).await;
    let row = pulse.unwrap().rows.remove(0);
    assert_eq!((row.scheduled_hours, row.actual_hours), (1.5, 2.0), "the pulse knows it at once");
    let stale = refused(mesh.client().update_provider_hours(update(vec![entry(None, None)], None, "0")).await);
    assert_eq!(stale, with(Code::Aborted, ErrorReason::EtagMismatch, "etag"));
    let gone = mesh.client().update_provider_hours(update(vec![entry(None, None)], Some(false), &set.etag)).await;
    assert!(!gone.unwrap().into_inner().hours[0].entered);
    assert_eq!(busiest(mesh).await.scheduled_hours, before, "as before");

    let undated = ProviderHours { date: None, ..entry(Some(1), None) };
    for (hours, kept_by_hand, field) in [
        (vec![], None, "hours"),
        (vec![undated], None, "hours[0].date"),
        (vec![entry(Some(1), None), entry(Some(2), None)], None, "hours[1].date"),
        (vec![entry(Some(1_441), None)], None, "hours[0].scheduled_minutes"),
        (vec![entry(None, Some(-1))], None, "hours[0].actual_minutes"),
    ] {
        let answer = mesh.client().update_provider_hours(update(hours, kept_by_hand, "")).await;
        assert_eq!(refused(answer), invalid(field));
    }
    let DateRange { start_date, end_date } = range.unwrap();
    let long = DateRange { start_date: start_date.map(|d| google_type::Date { year: d.year - 2, ..d }), end_date };
    let reversed = DateRange { start_date: end_date, end_date: start_date };
    for range in [None, Some(long), Some(reversed)] {
        assert_eq!(refused(mesh.client().list_provider_hours(list(range)).await), invalid("range"));
    }
}

async fn wrong_pulses_are_refused(mesh: &Mesh) {
    let of = |providers: &[&str]| GetProviderPulseRequest {
        providers: providers.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    assert_eq!(refused(mesh.pulse(of(&["practices/south/providers/1"])).await), invalid("providers[0]"));
    assert_eq!(refused(mesh.pulse(of(&["practices/north/providers/999999"])).await), invalid("providers"));
    assert_eq!(refused(mesh.pulse(GetProviderPulseRequest { basis: 9, ..of(&[]) }).await), invalid("basis"));
    let day = google_type::Date { year: 2026, month: 3, day: 31 };
    let range = Some(DateRange { start_date: Some(day), end_date: None });
    assert_eq!(refused(mesh.pulse(GetProviderPulseRequest { range, ..of(&[]) }).await), invalid("range.end_date"));
}
