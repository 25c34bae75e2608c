//! `chairsync sample load`: fills a real, empty database with a generated practice.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use mesh::{Refusal, secret::Secret};
use pms_connector::sample::{self, load};

use crate::{
    failure::Failure,
    render::{count, table::table, time},
};

/// What to do with generated practices.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The action.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Load a generated practice into an empty database
    Load(LoadArgs),
}

/// What to load, and where to.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// The database, mysql://user:password@host:port/database; it must exist and be empty
    #[arg(long)]
    pub to: Secret,
    /// The password, instead of one in the URL
    #[arg(long, env = "CHAIRSYNC_PMS_PASSWORD", hide_env_values = true)]
    pub password: Option<Secret>,
    /// The seed; the same seed, size and dates give the same rows
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The number of patients
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub patients: u32,
    /// Years of history
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub years: u32,
    /// The practice's current date, yyyy-mm-dd; default: today
    #[arg(long)]
    pub as_of: Option<Date>,
    /// Load over what an earlier load filled
    #[arg(long)]
    pub replace: bool,
}

/// The loader's refusal, its fields as the flags that they are here.
fn refused(refusal: Refusal) -> anyhow::Error {
    match &refusal.field {
        Some((field, fault)) => anyhow!("--{field}: {}", fault.replace("`replace`", "--replace")),
        None => anyhow!("{}", Failure::of(&refusal.into())),
    }
}

/// Loads it.
///
/// # Errors
/// The loader's refusal: unreachable, denied, not empty.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Action::Load(args) = args.action;
    let config = sample::Config {
        seed: args.seed,
        patients: args.patients,
        as_of: args.as_of.unwrap_or_else(|| jiff::Zoned::now().date()),
        years: args.years,
    };
    let options = load::Options { replace: args.replace, ..Default::default() };
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg}  {human_pos} rows  {per_sec}  {elapsed}")
            .context("the progress line")?,
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let told = |progress: &load::Progress| {
        bar.set_position(progress.rows);
        bar.set_message(progress.table);
    };
    let password = args.password.as_ref().map(Secret::expose);
    let loaded = load::load(args.to.expose(), password, &config, &options, told).await;
    bar.finish_and_clear();
    let summary = loaded.map_err(refused)?;
    let rows: Vec<[String; 2]> =
        summary.rows.iter().map(|(table, rows)| [(*table).to_owned(), count((*rows).cast_signed())]).collect();
    super::print(table(["TABLE", "ROWS"], &rows));
    let rate = summary.total() as f64 / summary.took.as_secs_f64().max(0.001);
    println!(
        "\n{} rows in {}, {} rows/s",
        count(summary.total().cast_signed()),
        time::duration(summary.took),
        count(rate as i64)
    );
    Ok(())
}
