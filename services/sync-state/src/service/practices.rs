//! Practices: created, read, changed, deleted.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chairsync_proto::{
    feature::ErrorReason,
    practice::{
        CreatePracticeRequest, CreatePracticeResponse, DeletePracticeRequest, DeletePracticeResponse,
        GetPracticeRequest, GetPracticeResponse, ListPracticesRequest, ListPracticesResponse, Practice,
        UpdatePracticeRequest, UpdatePracticeResponse, practice_service_server::PracticeService,
    },
};
use jiff::Timestamp;
use mesh::{Refusal, names};
use tonic::{Code, Request, Response, Status};

use super::{convert, states::States, validate};
use crate::core::{
    apply,
    command::Command,
    records::{self, RecordKey},
    refusal,
    run::Run,
    state::PracticeState,
};

const PAGE_DEFAULT: i32 = 100;
const PAGE_MAX: i32 = 1000;
/// What a page token begins with, so that another list's is recognized.
const TOKEN: &str = "practices:";

/// See [`PracticeService`].
#[derive(Debug)]
pub(super) struct Practices {
    states: Arc<States>,
}

impl Practices {
    pub(super) fn new(states: Arc<States>) -> Self {
        Self { states }
    }
}

#[tonic::async_trait]
impl PracticeService for Practices {
    async fn create_practice(
        &self,
        request: Request<CreatePracticeRequest>,
    ) -> Result<Response<CreatePracticeResponse>, Status> {
        let request = request.into_inner();
        if !names::is_practice_id(&request.practice_id) {
            let fault = "must be 1 to 63 of a-z, 0-9 and inner hyphens, starting with a letter";
            return Err(Refusal::invalid("practice_id", fault).into());
        }
        let practice = request.practice.ok_or_else(|| Refusal::invalid("practice", "is missing"))?;
        let settings = validate::settings(&practice)?;
        let new = apply::create(&request.practice_id, settings.clone(), Timestamp::now());
        let state = match self.states.create(new).await? {
            Ok(state) => state,
            Err(found) if *found.settings == settings => found,
            Err(_) => return Err(Refusal::from(refusal::Refusal::AlreadyExists).on_field("practice_id").into()),
        };
        let initial = state.initial_run().map(|run| convert::run_name(&state.id, run.sequence));
        let practice = Some(convert::practice(&state));
        Ok(Response::new(CreatePracticeResponse { practice, initial_run: initial.unwrap_or_default() }))
    }

    async fn get_practice(
        &self,
        request: Request<GetPracticeRequest>,
    ) -> Result<Response<GetPracticeResponse>, Status> {
        let state = self.states.practice(names::practice("name", &request.get_ref().name)?)?;
        Ok(Response::new(GetPracticeResponse { practice: Some(convert::practice(&state)) }))
    }

    async fn list_practices(
        &self,
        request: Request<ListPracticesRequest>,
    ) -> Result<Response<ListPracticesResponse>, Status> {
        let ListPracticesRequest { page_size, page_token } = request.into_inner();
        let size = page(page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let after = read_token(&page_token)?;
        let mut states = self.states.all();
        states.retain(|state| after.as_deref().is_none_or(|after| state.id.as_str() > after));
        let more = states.len() > size;
        states.truncate(size);
        let next = states.last().filter(|_| more).map(|s| URL_SAFE_NO_PAD.encode(format!("{TOKEN}{}", s.id)));
        Ok(Response::new(ListPracticesResponse {
            practices: states.iter().map(|state| convert::practice(state)).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn update_practice(
        &self,
        request: Request<UpdatePracticeRequest>,
    ) -> Result<Response<UpdatePracticeResponse>, Status> {
        let request = request.into_inner();
        let id = names::practice("name", &request.name)?;
        let state = self.states.practice(id)?;
        let mask = request.update_mask.unwrap_or_default().paths;
        if mask.is_empty() {
            return Err(Refusal::invalid("update_mask", "is missing: name the fields to change").into());
        }
        let merged = merge(convert::practice(&state), request.practice.unwrap_or_default(), &mask)?;
        let settings = validate::settings(&merged)?;
        if !request.etag.is_empty() && request.etag != convert::etag(&state) {
            return Err(Refusal::from(refusal::Refusal::EtagMismatch).on_field("etag").into());
        }
        // The edit was merged into what was read here; it must not overwrite what came since.
        let command = Command::Update { settings, edition: Some(state.edition) };
        let (state, _) = self.states.execute(id, &command).await?;
        Ok(Response::new(UpdatePracticeResponse { practice: Some(convert::practice(&state)) }))
    }

    async fn delete_practice(
        &self,
        request: Request<DeletePracticeRequest>,
    ) -> Result<Response<DeletePracticeResponse>, Status> {
        self.states.delete(names::practice("name", &request.get_ref().name)?).await?;
        Ok(Response::new(DeletePracticeResponse {}))
    }
}

/// `old` with the fields of the mask taken from `new`.
fn merge(mut old: Practice, new: Practice, mask: &[String]) -> Result<Practice, Refusal> {
    for path in mask {
        match path.as_str() {
            "display_name" => old.display_name.clone_from(&new.display_name),
            "time_zone" => old.time_zone.clone_from(&new.time_zone),
            "nightly_window" => old.nightly_window = new.nightly_window,
            "source" => old.source.clone_from(&new.source),
            "automatic_write_back" => old.automatic_write_back = new.automatic_write_back,
            "paused" => old.paused = new.paused,
            "pause_note" => old.pause_note.clone_from(&new.pause_note),
            "currency_code" => old.currency_code.clone_from(&new.currency_code),
            "group" => old.group.clone_from(&new.group),
            "overlap_policy" => old.overlap_policy = new.overlap_policy,
            _ => {
                let fault = "names a field that cannot be changed; see UpdatePracticeRequest for those that can";
                return Err(Refusal::invalid("update_mask", fault));
            }
        }
    }
    Ok(old)
}

/// A page's size, the default for 0.
pub(super) fn page(asked: i32, default: i32, most: i32) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(default as usize), // a small positive constant
        1.. => Ok(asked.min(most) as usize),
        _ => Err(Refusal::invalid("page_size", "must not be negative")),
    }
}

fn read_token(token: &str) -> Result<Option<String>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text.as_deref().and_then(|text| text.strip_prefix(TOKEN)) {
        Some(after) => Ok(Some(after.to_owned())),
        None => {
            let sentence = "is not a token of this list; leave it empty to start over";
            Err(Refusal::new(Code::InvalidArgument, ErrorReason::PageTokenInvalid, sentence).on_field("page_token"))
        }
    }
}

/// The practice and the run that a name stands for.
pub(super) async fn find_run<'a>(
    states: &States,
    field: &str,
    name: &'a str,
) -> Result<(&'a str, Arc<PracticeState>, Run), Refusal> {
    let (practice, run) = names::under(field, name, "runs")?;
    let state = states.practice(practice)?;
    // A run's id is its number; another word names no run.
    let found = match run.parse() {
        Ok(sequence) => run_of(states, &state, sequence).await?,
        Err(_) => None,
    };
    let run = found.ok_or_else(|| Refusal::from(refusal::Refusal::RunNotFound).on_field(field))?;
    Ok((practice, state, run))
}

/// A run that has not ended, or is remembered.
pub(super) async fn run_of(states: &States, state: &PracticeState, sequence: u64) -> Result<Option<Run>, Refusal> {
    if let Some(run) = state.run(sequence) {
        return Ok(Some(run.clone()));
    }
    let key = RecordKey::run(sequence);
    let value = states.record(&state.id, key.clone()).await?;
    let run = value.map(|value| records::decode(&key, &value)).transpose();
    Ok(run.map_err(refusal::Refusal::from)?)
}
