//! `chairsync practice`: which practices are kept in sync, and their settings.

mod transfer;

use std::path::PathBuf;

use chairsync_proto::practice::{
    CreatePracticeRequest, DeletePracticeRequest, GetPracticeRequest, ListPracticesRequest, NightlyWindow,
    OpenDentalApi, OpenDentalSource, OverlapPolicy, PausePracticesRequest, PmsSource, Practice, PracticeFilter,
    ResumePracticesRequest, SampleSource, UpdatePracticeRequest, pms_source::Kind,
    practice_service_client::PracticeServiceClient,
};
use clap::Subcommand;
use mesh::transport::Channel;
use serde_json::json;

use crate::{
    client::{GatewayArgs, practice_name},
    render::practices,
};

/// What to do with practices.
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
    /// Register a practice; its initial sync starts by itself
    Create(Box<CreateArgs>),
    /// Show one practice
    Get {
        /// The practice, e.g. `sample`
        practice: String,
    },
    /// List practices
    List,
    /// Change a practice's settings: only those that are given
    Update(Box<UpdateArgs>),
    /// Delete a practice and its sync state; the PMS is never touched
    Delete {
        /// The practice, e.g. `sample`
        practice: String,
    },
    /// Stop runs and change streams of the practices that match, until `resume`
    Pause {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Why, for people
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Let paused practices that match go on
    Resume {
        /// Which
        #[command(flatten)]
        which: Which,
    },
    /// Write a practice's whole state to a file, for backup and moves; keep it as you keep patient data
    Export {
        /// The practice, e.g. `sample`
        practice: String,
        /// The file to write; it must not exist
        #[arg(long)]
        to: PathBuf,
    },
    /// Make a practice from such a file; it is paused until it is resumed
    Import {
        /// The file
        #[arg(long)]
        from: PathBuf,
    },
}

/// Practices of the fleet: all parts that are given must match.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Which {
    /// Practices, e.g. `north south`
    pub practices: Vec<String>,
    /// Those of this group
    #[arg(long)]
    pub group: Option<String>,
    /// Those whose PMS is on this host
    #[arg(long)]
    pub pms_host: Option<String>,
    /// Those in this IANA time zone
    #[arg(long)]
    pub in_time_zone: Option<String>,
    /// Every practice
    #[arg(long, conflicts_with_all = ["practices", "group", "pms_host", "in_time_zone"])]
    pub all: bool,
}

impl From<Which> for PracticeFilter {
    fn from(which: Which) -> Self {
        Self {
            names: which.practices.iter().map(|word| practice_name(word)).collect(),
            group: which.group.unwrap_or_default(),
            pms_host: which.pms_host.unwrap_or_default(),
            time_zone: which.in_time_zone.unwrap_or_default(),
            all: which.all,
        }
    }
}

/// A new practice.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Its id to be: 1 to 63 of a-z, 0-9 and inner hyphens, starting with a letter
    pub practice: String,
    /// Its IANA time zone, e.g. America/Chicago
    #[arg(long)]
    pub time_zone: String,
    /// An Open Dental database, mysql://user@host:port/database, without a password
    #[arg(long, required_unless_present = "sample", conflicts_with = "sample")]
    pub pms: Option<String>,
    /// The credential under which the connector knows the password
    #[arg(long, default_value = "", requires = "pms")]
    pub credential: String,
    /// The PMS's API service, which takes writes, e.g. http://server:30223/api/v1
    #[arg(long, value_name = "URL", requires = "pms", requires = "api_credential")]
    pub api_service: Option<String>,
    /// The PMS's API in the vendor's cloud, where the service cannot be reached
    #[arg(long, value_name = "URL", requires = "pms", requires = "api_credential")]
    pub api_remote: Option<String>,
    /// The credential under which the connector knows the API's keys
    #[arg(long, value_name = "NAME", requires = "pms")]
    pub api_credential: Option<String>,
    /// A generated practice with this seed
    #[arg(long, value_name = "SEED")]
    pub sample: Option<u64>,
    /// Its number of patients
    #[arg(long, default_value_t = 500, requires = "sample")]
    pub patients: u32,
    /// Its day goes on: bookings, check-ins, payments and messages happen
    #[arg(long, requires = "sample")]
    pub live: bool,
    /// Do not start yet
    #[arg(long)]
    pub paused: bool,
    /// The settings that can also be changed later.
    #[command(flatten)]
    pub settings: Settings,
}

/// Changes to a practice.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// The practice, e.g. `sample`
    pub practice: String,
    /// Its IANA time zone, e.g. America/Chicago
    #[arg(long)]
    pub time_zone: Option<String>,
    /// The etag as read; without one: overwrite whatever is there
    #[arg(long, default_value = "")]
    pub etag: String,
    /// The other settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// Settings that have defaults.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// What people call it
    #[arg(long)]
    pub display_name: Option<String>,
    /// When nightly runs may start, on its own clock, e.g. 01:00-05:00
    #[arg(long, value_parser = window)]
    pub nightly_window: Option<NightlyWindow>,
    /// Whether writes go to the PMS by themselves
    #[arg(long, value_name = "on|off", value_parser = on_off)]
    pub write_back: Option<bool>,
    /// ISO 4217 code of its money
    #[arg(long)]
    pub currency: Option<String>,
    /// The group that it belongs to, a customer or an office chain; `--group ""` for none
    #[arg(long)]
    pub group: Option<String>,
    /// What happens when a nightly run is due while another is under way
    #[arg(long, value_name = "queue-one|skip|supersede", value_parser = overlap)]
    pub overlap: Option<OverlapPolicy>,
}

impl Settings {
    /// Puts the given ones into a practice and returns the fields they are.
    fn apply(self, practice: &mut Practice) -> Vec<String> {
        let mut fields = Vec::new();
        if let Some(name) = self.display_name {
            practice.display_name = name;
            fields.push("display_name".to_owned());
        }
        if let Some(window) = self.nightly_window {
            practice.nightly_window = Some(window);
            fields.push("nightly_window".to_owned());
        }
        if let Some(on) = self.write_back {
            practice.automatic_write_back = on;
            fields.push("automatic_write_back".to_owned());
        }
        if let Some(code) = self.currency {
            practice.currency_code = code;
            fields.push("currency_code".to_owned());
        }
        if let Some(group) = self.group {
            practice.group = group;
            fields.push("group".to_owned());
        }
        if let Some(policy) = self.overlap {
            practice.overlap_policy = policy.into();
            fields.push("overlap_policy".to_owned());
        }
        fields
    }
}

/// Reads `HH:MM-HH:MM`.
fn window(text: &str) -> Result<NightlyWindow, String> {
    let minute = |clock: &str| {
        let (hour, minute) = clock.split_once(':')?;
        let (hour, minute) = (hour.parse::<i32>().ok()?, minute.parse::<i32>().ok()?);
        ((0..=24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
    };
    text.split_once('-')
        .and_then(|(from, to)| Some(NightlyWindow { start_minute: minute(from)?, end_minute: minute(to)? }))
        .ok_or_else(|| "must be HH:MM-HH:MM, e.g. 01:00-05:00".to_owned())
}

fn overlap(text: &str) -> Result<OverlapPolicy, String> {
    match text {
        "queue-one" => Ok(OverlapPolicy::QueueOne),
        "skip" => Ok(OverlapPolicy::Skip),
        "supersede" => Ok(OverlapPolicy::Supersede),
        _ => Err("must be queue-one, skip or supersede".to_owned()),
    }
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// Does it.
///
/// # Errors
/// The gateway's refusal.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let gateway = &args.gateway;
    let mut client = PracticeServiceClient::new(gateway.channel());
    match args.action {
        Action::Create(new) => {
            let answer = gateway.ask(client.create_practice(create(*new))).await?;
            show(answer.practice.as_ref(), args.json);
            if !args.json {
                println!("\nfollow its initial sync: chairsync runs watch {}", answer.initial_run);
            }
        }
        Action::Get { practice } => {
            let request = GetPracticeRequest { name: practice_name(&practice) };
            show(gateway.ask(client.get_practice(request)).await?.practice.as_ref(), args.json);
        }
        Action::List => list(gateway, client, args.json).await?,
        Action::Update(change) => {
            let mut practice = Practice::default();
            let mut fields = change.settings.apply(&mut practice);
            if let Some(zone) = change.time_zone {
                practice.time_zone = zone;
                fields.push("time_zone".to_owned());
            }
            update(gateway, client, &change.practice, practice, fields, change.etag, args.json).await?;
        }
        Action::Delete { practice } => {
            let name = practice_name(&practice);
            gateway.ask(client.delete_practice(DeletePracticeRequest { name: name.clone() })).await?;
            if !args.json {
                println!("{name} is deleted; its PMS is untouched");
            }
        }
        Action::Pause { which, note } => {
            let request = PausePracticesRequest { filter: Some(which.into()), pause_note: note };
            let answer = gateway.ask(client.pause_practices(request)).await?;
            match args.json {
                true => println!("{}", json!({"paused": answer.paused, "already_paused": answer.already_paused})),
                false => println!("{} paused, {} already were", answer.paused, answer.already_paused),
            }
        }
        Action::Resume { which } => {
            let request = ResumePracticesRequest { filter: Some(which.into()) };
            let answer = gateway.ask(client.resume_practices(request)).await?;
            match args.json {
                true => println!("{}", json!({"resumed": answer.resumed, "already_running": answer.already_running})),
                false => println!("{} resumed, {} were not paused", answer.resumed, answer.already_running),
            }
        }
        Action::Export { practice, to } => transfer::export(gateway, client, practice_name(&practice), &to).await?,
        Action::Import { from } => {
            let practice = transfer::import(gateway, client, &from).await?;
            show(practice.as_ref(), args.json);
        }
    }
    Ok(())
}

fn create(new: CreateArgs) -> CreatePracticeRequest {
    let api = new.api_credential.map(|credential| OpenDentalApi {
        service_url: new.api_service.unwrap_or_default(),
        remote_url: new.api_remote.unwrap_or_default(),
        credential,
        ..Default::default()
    });
    let kind = match (new.pms, new.sample) {
        (Some(uri), _) => Kind::OpenDental(OpenDentalSource { uri, credential: new.credential, api }),
        (None, seed) => Kind::Sample(SampleSource {
            seed: seed.unwrap_or_default(),
            patients: new.patients,
            live: new.live,
            ..Default::default()
        }),
    };
    let mut practice = Practice {
        time_zone: new.time_zone,
        source: Some(PmsSource { kind: Some(kind) }),
        paused: new.paused,
        ..Default::default()
    };
    new.settings.apply(&mut practice);
    let practice_id = new.practice.strip_prefix("practices/").unwrap_or(&new.practice).to_owned();
    CreatePracticeRequest { practice_id, practice: Some(practice) }
}

async fn list(gateway: &GatewayArgs, mut client: PracticeServiceClient<Channel>, json: bool) -> anyhow::Result<()> {
    let mut all = Vec::new();
    let mut request = ListPracticesRequest::default();
    loop {
        let page = gateway.ask(client.list_practices(request.clone())).await?;
        all.extend(page.practices);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    match json {
        true => super::print(all.iter().map(|p| practices::json(p).to_string())),
        false => super::print(practices::lines(&all)),
    }
    Ok(())
}

async fn update(
    gateway: &GatewayArgs,
    mut client: PracticeServiceClient<Channel>,
    name: &str,
    practice: Practice,
    paths: Vec<String>,
    etag: String,
    json: bool,
) -> anyhow::Result<()> {
    if paths.is_empty() {
        anyhow::bail!("nothing to change: give a setting, e.g. --time-zone America/Chicago");
    }
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = UpdatePracticeRequest { name: practice_name(name), practice: Some(practice), update_mask, etag };
    show(gateway.ask(client.update_practice(request)).await?.practice.as_ref(), json);
    Ok(())
}

fn show(practice: Option<&Practice>, json: bool) {
    match (practice, json) {
        (Some(practice), true) => println!("{}", practices::json(practice)),
        (Some(practice), false) => super::print(practices::full(practice)),
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_window_is_read_or_refused() {
        assert_eq!(window("01:30-05:00").unwrap(), NightlyWindow { start_minute: 90, end_minute: 300 });
        for bad in ["", "1-5", "01:00", "01:00-25:00", "01:60-02:00", "-1:00-02:00"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_given_settings_are_changed() {
        let settings = Settings {
            display_name: None,
            nightly_window: None,
            write_back: Some(true),
            currency: Some("CAD".into()),
            group: None,
            overlap: None,
        };
        let mut practice = Practice::default();
        assert_eq!(settings.apply(&mut practice), ["automatic_write_back", "currency_code"]);
        assert!(practice.automatic_write_back);
    }
}
