//! How much may be under way at the same time.

use crate::core::fair::Limits;

const RUNS_PER_HOST: usize = 16;
const RUNS: usize = 10_000;

/// Runs under way at the same time. Of one practice there is never more than one. Processes that share a store count what
/// the others have handed out as soon as they see it, so that for a moment there may be a few more.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Runs that read from one PMS host at the same time
    #[arg(long, env = "CHAIRSYNC_RUNS_PER_HOST", default_value_t = RUNS_PER_HOST)]
    pub runs_per_host: usize,
    /// Runs of the whole fleet at the same time
    #[arg(long, env = "CHAIRSYNC_RUNS", default_value_t = RUNS)]
    pub runs: usize,
}

impl Default for LimitArgs {
    fn default() -> Self {
        Self { runs_per_host: RUNS_PER_HOST, runs: RUNS }
    }
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self { host: args.runs_per_host, fleet: args.runs }
    }
}
