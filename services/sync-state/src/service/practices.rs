//! Practices: created, read, changed, deleted.

use std::sync::Arc;

use chairsync_proto::practice::{
    CreatePracticeRequest, CreatePracticeResponse, DeletePracticeRequest, DeletePracticeResponse,
    ExportPracticeRequest, ExportPracticeResponse, GetPracticeRequest, GetPracticeResponse, ImportPracticeRequest,
    ImportPracticeResponse, ListPracticesRequest, ListPracticesResponse, PausePracticesRequest, PausePracticesResponse,
    Practice, ResumePracticesRequest, ResumePracticesResponse, UpdatePracticeRequest, UpdatePracticeResponse,
    practice_service_server::PracticeService,
};
use jiff::Timestamp;
use mesh::{
    Refusal, names,
    pages::{self, List},
};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::{
    convert, fleet, read,
    states::{Done, States},
    transfer::Transfers,
    validate,
};
use crate::core::{apply, command::Command, refusal};

const PAGE_DEFAULT: i32 = 100;
const PAGE_MAX: i32 = 1000;
const PAUSE_NOTE_MAX: usize = 500;

/// See [`PracticeService`].
#[derive(Debug)]
pub(super) struct Practices {
    states: Arc<States>,
    transfers: Transfers,
}

impl Practices {
    pub(super) fn new(states: Arc<States>) -> Self {
        Self { transfers: Transfers::new(states.clone()), states }
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
        let state = match self.states.create(new, Vec::new()).await? {
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
        let size = pages::size(page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let list = List { what: "practices", of: "" };
        let after = list.position(&page_token)?;
        let mut states = self.states.page(after.as_deref(), size + 1);
        let more = states.len() > size;
        states.truncate(size);
        let next = states.last().filter(|_| more).map(|state| list.token(&state.id));
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
        // Not from the copy: the etag may be of an edit that another process has just saved.
        let found = self.states.load(id).await?;
        let state = found.ok_or_else(|| Refusal::practice_not_found(&request.name))?.state;
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
        let Done { state, .. } = self.states.execute(id, &command).await?;
        Ok(Response::new(UpdatePracticeResponse { practice: Some(convert::practice(&state)) }))
    }

    async fn pause_practices(
        &self,
        request: Request<PausePracticesRequest>,
    ) -> Result<Response<PausePracticesResponse>, Status> {
        let request = request.into_inner();
        let note = read::text("pause_note", request.pause_note, PAUSE_NOTE_MAX)?;
        let counts = fleet::set_paused(&self.states, request.filter.as_ref(), true, &note).await?;
        Ok(Response::new(PausePracticesResponse { paused: counts.changed, already_paused: counts.unchanged }))
    }

    async fn resume_practices(
        &self,
        request: Request<ResumePracticesRequest>,
    ) -> Result<Response<ResumePracticesResponse>, Status> {
        let counts = fleet::set_paused(&self.states, request.get_ref().filter.as_ref(), false, "").await?;
        Ok(Response::new(ResumePracticesResponse { resumed: counts.changed, already_running: counts.unchanged }))
    }

    async fn export_practice(
        &self,
        request: Request<ExportPracticeRequest>,
    ) -> Result<Response<BoxStream<ExportPracticeResponse>>, Status> {
        let lines = self.transfers.export(names::practice("name", &request.get_ref().name)?).await?;
        Ok(Response::new(Box::pin(futures::stream::iter(lines.into_iter().map(Ok)))))
    }

    async fn import_practice(
        &self,
        request: Request<Streaming<ImportPracticeRequest>>,
    ) -> Result<Response<ImportPracticeResponse>, Status> {
        let state = self.transfers.import(request.into_inner()).await?;
        Ok(Response::new(ImportPracticeResponse { practice: Some(convert::practice(&state)) }))
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
