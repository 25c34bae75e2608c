//! Scorecards: listed, opened, made, changed, shared, deleted, worked out.

use chairsync_proto::{
    analytics::{
        CreateScorecardRequest, CreateScorecardResponse, DeleteScorecardRequest, DeleteScorecardResponse,
        DuplicateScorecardRequest, DuplicateScorecardResponse, EvaluateScorecardRequest, EvaluateScorecardResponse,
        GetScorecardRequest, GetScorecardResponse, ListScorecardsRequest, ListScorecardsResponse, Scorecard,
        ScorecardList, ScorecardResult, ShareScorecardRequest, ShareScorecardResponse, UnshareScorecardRequest,
        UnshareScorecardResponse, UpdateScorecardRequest, UpdateScorecardResponse,
    },
    feature::Feature,
    state::SavedKind,
};
use mesh::{ErrorReason, Refusal, caller::Caller, error::reason_of, names};
use prost::Message;
use tonic::Status;

use super::{Analytics, refusal, snapshot::Snapshot};
use crate::{
    metrics::Names,
    saved::Creation,
    scorecards::{
        card::{self, must_own},
        check::{self, Checked},
        list::{self, Wanted},
        result, templates,
    },
};

const KIND: SavedKind = SavedKind::Scorecard;
/// People that a scorecard is shared with.
const SHARED_MAX: usize = 100;
const PERSON_BYTES_MAX: usize = 200;
/// Tries at an edit that says no etag, while others edit too.
const EDIT_TRIES: u32 = 5;

impl Analytics {
    pub(super) async fn scorecards_listed(
        &self,
        caller: &Caller,
        request: ListScorecardsRequest,
    ) -> Result<ListScorecardsResponse, Status> {
        let practice = names::practice("practice", &request.practice)?;
        let list = ScorecardList::try_from(request.list)
            .map_err(|_| Refusal::invalid("list", "must be one of the API's lists"))?;
        let mut all = Vec::new();
        for thing in self.saved.all(practice, KIND).await? {
            all.push(card::shown(practice, &thing)?);
        }
        all.extend(templates::ALL.iter().map(|template| template.scorecard(practice)));
        let wanted = Wanted {
            practice,
            caller,
            list,
            order_by: &request.order_by,
            page_size: request.page_size,
            page_token: &request.page_token,
        };
        let (scorecards, next_page_token) = list::page(all, &wanted)?;
        Ok(ListScorecardsResponse { scorecards, next_page_token })
    }

    pub(super) async fn scorecard_opened(
        &self,
        caller: &Caller,
        request: GetScorecardRequest,
    ) -> Result<GetScorecardResponse, Status> {
        let (practice, id) = names::under("name", &request.name, "scorecards")?;
        let scorecard = self.open_card(caller, practice, id).await?;
        if request.omit_result {
            return Ok(GetScorecardResponse { scorecard: Some(scorecard), ..Default::default() });
        }
        let (result, snapshot) = self.worked_out(practice, &scorecard).await?;
        Ok(GetScorecardResponse { scorecard: Some(scorecard), result, freshness: Some(snapshot.freshness) })
    }

    pub(super) async fn scorecard_worked_out(
        &self,
        request: EvaluateScorecardRequest,
    ) -> Result<EvaluateScorecardResponse, Status> {
        let practice = names::practice("practice", &request.practice)?;
        let scorecard = request.scorecard.ok_or_else(|| Refusal::invalid("scorecard", "is missing"))?;
        let (result, snapshot) = self.worked_out(practice, &scorecard).await?;
        Ok(EvaluateScorecardResponse { result, freshness: Some(snapshot.freshness) })
    }

    /// The result, where the datasets that it needs are there.
    async fn worked_out(
        &self,
        practice: &str,
        scorecard: &Scorecard,
    ) -> Result<(Option<ScorecardResult>, Snapshot), Status> {
        let checked = Checked::of(practice, scorecard)?;
        let snapshot = self.snapshot(practice, Feature::Scorecards).await?;
        let whole = result::datasets(&checked).iter().all(|dataset| snapshot.present.contains(*dataset));
        let Some(question) = snapshot.question(None)?.filter(|_| whole) else { return Ok((None, snapshot)) };
        // Scorecards that differ in their names only have one result.
        let asked = EvaluateScorecardRequest {
            practice: format!("practices/{practice}"),
            scorecard: Some(check::asked(&checked, scorecard)),
        };
        let result: ScorecardResult = self
            .computed("EvaluateScorecard", &asked, snapshot.clone(), move |books| async move {
                result::work_out(&books, &question, &checked).await
            })
            .await?;
        Ok((Some(result), snapshot))
    }

    pub(super) async fn scorecard_created(
        &self,
        caller: &Caller,
        request: CreateScorecardRequest,
    ) -> Result<CreateScorecardResponse, Status> {
        let practice = names::practice("practice", &request.practice)?;
        let scorecard = request.scorecard.ok_or_else(|| Refusal::invalid("scorecard", "is missing"))?;
        let request_id = request_id(&request.request_id)?;
        let kept = check::kept(practice, &scorecard)?;
        self.known_members(practice, &kept).await?;
        let made = Scorecard { owner: caller.as_str().to_owned(), ..kept };
        let asked = made.encode_to_vec();
        let scorecard = self.make_card(practice, made, Creation { request_id, asked }).await?;
        Ok(CreateScorecardResponse { scorecard: Some(scorecard) })
    }

    pub(super) async fn scorecard_duplicated(
        &self,
        caller: &Caller,
        request: DuplicateScorecardRequest,
    ) -> Result<DuplicateScorecardResponse, Status> {
        let (practice, id) = names::under("name", &request.name, "scorecards")?;
        let request_id = request_id(&request.request_id)?;
        let original = self.open_card(caller, practice, id).await?;
        let display_name = match request.display_name.is_empty() {
            true => format!("Copy of {}", original.display_name).chars().take(check::DISPLAY_NAME_MAX).collect(),
            false => check::display_name("display_name", &request.display_name)?,
        };
        // Not by what the original says now: a repeat is one also after that was edited.
        let asked = format!("copy\n{}\n{}\n{}", request.name, request.display_name, caller.as_str()).into_bytes();
        let owner = caller.as_str().to_owned();
        let copy = Scorecard { display_name, owner, shared_with: Vec::new(), template: false, ..original };
        let scorecard = self.make_card(practice, copy, Creation { request_id, asked }).await?;
        Ok(DuplicateScorecardResponse { scorecard: Some(scorecard) })
    }

    async fn make_card(&self, practice: &str, made: Scorecard, creation: Creation) -> Result<Scorecard, Status> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let thing = self.saved.create(practice, KIND, &id, creation, card::body(&made)).await?;
        Ok(card::shown(practice, &thing)?)
    }

    pub(super) async fn scorecard_updated(
        &self,
        caller: &Caller,
        request: UpdateScorecardRequest,
    ) -> Result<UpdateScorecardResponse, Status> {
        let (practice, _) = names::under("name", &request.name, "scorecards")?;
        let mask = request.update_mask.unwrap_or_default().paths;
        if mask.is_empty() {
            return Err(Refusal::invalid("update_mask", "is missing: name the fields to change").into());
        }
        if request.etag.is_empty() {
            return Err(Refusal::invalid("etag", "is missing: give the etag as read").into());
        }
        let new = request.scorecard.unwrap_or_default();
        let edit = |old: Scorecard| {
            let merged = merge(old.clone(), &new, &mask)?;
            Ok(Scorecard { owner: old.owner, shared_with: old.shared_with, ..check::kept(practice, &merged)? })
        };
        let scorecard = self.edited(caller, &request.name, &request.etag, edit).await?;
        Ok(UpdateScorecardResponse { scorecard: Some(scorecard) })
    }

    pub(super) async fn scorecard_shared(
        &self,
        caller: &Caller,
        request: ShareScorecardRequest,
    ) -> Result<ShareScorecardResponse, Status> {
        let people = people(&request.shared_with)?;
        if people.is_empty() {
            return Err(Refusal::invalid("shared_with", "is missing: say with whom").into());
        }
        let share = |mut card: Scorecard| {
            for person in people {
                if card.owner != *person && !card.shared_with.contains(person) {
                    card.shared_with.push(person.clone());
                }
            }
            if card.shared_with.len() > SHARED_MAX {
                let fault = "would be more than 100 people; unshare it with some first";
                return Err(Refusal::invalid("shared_with", fault));
            }
            Ok(card)
        };
        let scorecard = self.edited(caller, &request.name, &request.etag, share).await?;
        Ok(ShareScorecardResponse { scorecard: Some(scorecard) })
    }

    pub(super) async fn scorecard_unshared(
        &self,
        caller: &Caller,
        request: UnshareScorecardRequest,
    ) -> Result<UnshareScorecardResponse, Status> {
        let people = people(&request.shared_with)?;
        let unshare = |mut card: Scorecard| {
            card.shared_with.retain(|person| !people.is_empty() && !people.contains(person));
            Ok(card)
        };
        let scorecard = self.edited(caller, &request.name, &request.etag, unshare).await?;
        Ok(UnshareScorecardResponse { scorecard: Some(scorecard) })
    }

    pub(super) async fn scorecard_deleted(
        &self,
        caller: &Caller,
        request: DeleteScorecardRequest,
    ) -> Result<DeleteScorecardResponse, Status> {
        let (practice, id) = names::under("name", &request.name, "scorecards")?;
        match self.open_card(caller, practice, id).await {
            Ok(scorecard) => {
                must_own(&scorecard, caller)?;
                self.saved.delete(practice, KIND, id, &request.etag).await?;
            }
            // Gone is what was wanted.
            Err(status) if reason_of(&status) == Some(ErrorReason::ResourceNotFound) => {}
            Err(status) => return Err(status),
        }
        Ok(DeleteScorecardResponse {})
    }

    /// A scorecard that the caller may open.
    async fn open_card(&self, caller: &Caller, practice: &str, id: &str) -> Result<Scorecard, Status> {
        if id.starts_with(card::TEMPLATE) {
            // A practice that is not there has no templates either.
            self.states.get(practice).await?;
            return Ok(card::template(practice, id).ok_or_else(card::not_found)?);
        }
        let thing = self.saved.get(practice, KIND, id).await?.ok_or_else(card::not_found)?;
        let scorecard = card::shown(practice, &thing)?;
        match card::may_open(&scorecard, caller) {
            true => Ok(scorecard),
            false => Err(card::not_found().into()),
        }
    }

    /// Changes a scorecard of the caller's, if it is still the one with `etag`; whatever is there where that is empty.
    async fn edited(
        &self,
        caller: &Caller,
        name: &str,
        etag: &str,
        edit: impl Fn(Scorecard) -> Result<Scorecard, Refusal>,
    ) -> Result<Scorecard, Status> {
        let (practice, id) = names::under("name", name, "scorecards")?;
        let mut tries = 0;
        loop {
            tries += 1;
            let old = self.open_card(caller, practice, id).await?;
            must_own(&old, caller)?;
            let read = if etag.is_empty() { old.etag.clone() } else { etag.to_owned() };
            let new = edit(old)?;
            self.known_members(practice, &new).await?;
            match self.saved.put(practice, KIND, id, &read, card::body(&new)).await {
                Ok(thing) => return Ok(card::shown(practice, &thing)?),
                Err(status)
                    if etag.is_empty()
                        && tries < EDIT_TRIES
                        && reason_of(&status) == Some(ErrorReason::EtagMismatch) => {}
                Err(status) => return Err(status),
            }
        }
    }

    /// Refuses members that the practice does not have; while nothing is synced, nobody knows which it has.
    async fn known_members(&self, practice: &str, scorecard: &Scorecard) -> Result<(), Status> {
        if scorecard.members.is_empty() {
            return Ok(());
        }
        let snapshot = self.snapshot(practice, Feature::Scorecards).await?;
        if !["provider", "clinic"].iter().all(|dataset| snapshot.present.contains(*dataset)) {
            return Ok(());
        }
        let checked = Checked::of(practice, scorecard)?;
        let books = self.books(&snapshot).await.map_err(refusal)?;
        let names = Names::read(&books).await.map_err(refusal)?;
        Ok(result::known(&checked, &names)?)
    }
}

/// `old` with the fields of the mask taken from `new`.
fn merge(mut old: Scorecard, new: &Scorecard, mask: &[String]) -> Result<Scorecard, Refusal> {
    for path in mask {
        match path.as_str() {
            "display_name" => old.display_name.clone_from(&new.display_name),
            "focus" => old.focus = new.focus,
            "members" => old.members.clone_from(&new.members),
            "metrics" => old.metrics.clone_from(&new.metrics),
            "period" => old.period = new.period,
            "comparison" => old.comparison = new.comparison,
            _ => {
                let fault = "names a field that cannot be changed; see UpdateScorecardRequest for those that can";
                return Err(Refusal::invalid("update_mask", fault));
            }
        }
    }
    Ok(old)
}

/// The caller's key, in the one form that a UUID has here.
fn request_id(text: &str) -> Result<String, Refusal> {
    match uuid::Uuid::parse_str(text) {
        Ok(id) => Ok(id.hyphenated().to_string()),
        Err(_) => Err(Refusal::invalid("request_id", "must be a UUID, a new one for each creation")),
    }
}

fn people(named: &[String]) -> Result<&[String], Refusal> {
    if named.len() > SHARED_MAX {
        return Err(Refusal::invalid("shared_with", "must be at most 100 people"));
    }
    let well_formed = |person: &String| {
        (1..=PERSON_BYTES_MAX).contains(&person.len()) && !person.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    match named.iter().position(|person| !well_formed(person)) {
        Some(place) => {
            let fault = "must name a person as identities do: 1 to 200 bytes without spaces";
            Err(Refusal::invalid(format!("shared_with[{place}]"), fault))
        }
        None => Ok(named),
    }
}
