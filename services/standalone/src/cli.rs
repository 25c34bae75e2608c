//! What can be typed: the flags of the mesh in one process, and the subcommands.

use clap::{Parser, Subcommand};
use mesh::telemetry::TelemetryArgs;

use crate::{commands, up};

/// Keeps a dental product in sync with its practices' PMS.
///
/// Without a command: the whole mesh in this process, on a generated practice that lives, with nothing to install.
#[derive(Debug, Parser)]
#[command(name = "chairsync", version, args_conflicts_with_subcommands = false, max_term_width = 100)]
pub struct Cli {
    /// What to do instead of running the mesh.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run the mesh.
    #[command(flatten)]
    pub up: up::Args,
    /// Logs, traces and metrics.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// The operator's commands. All but `sample`, `doctor`, `features` and `health` talk to a gateway.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register, show, change, pause, move and delete practices
    Practice(commands::practice::Args),
    /// Show how fresh each feature of a practice is
    Status(commands::status::Args),
    /// List, follow, start, retry and cancel runs
    Runs(commands::runs::Args),
    /// Show a board, the schedule, a scorecard or patients
    Board(commands::board::Args),
    /// List, retry and drop what is owed to the PMS
    Outbox(commands::outbox::Args),
    /// Follow a practice's changes, a line each
    Watch(commands::watch::Args),
    /// Run a General Report: a table, or a CSV, Parquet or Arrow file
    Report(commands::report::Args),
    /// List the General Reports
    Reports(commands::report::ListArgs),
    /// Fill a real database with a generated practice
    Sample(commands::sample::Args),
    /// Check what chairsync needs, and say what to do
    Doctor(commands::doctor::Args),
    /// Show the feature catalog: what is kept fresh, and when
    Features(commands::features::Args),
    /// Ask a service whether it serves; exit code 0 when it does
    Health(commands::health::Args),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_every_command_and_flag() {
        let help = Cli::command().render_long_help().to_string();
        let words = [
            "practice",
            "status",
            "runs",
            "board",
            "outbox",
            "watch",
            "report",
            "reports",
            "sample",
            "doctor",
            "features",
            "health",
            "--data-dir",
            "--listen",
            "--pms",
            "--redis",
            "--practice",
            "--time-zone",
            "--quiet",
            "--json",
            "--insecure-listen",
            "--log",
            "--otlp",
            "--metrics-listen",
        ];
        for word in words {
            assert!(help.contains(word), "{word} in\n{help}");
        }
    }

    #[test]
    fn short_help_says_each_command_in_one_line() {
        let mut command = Cli::command();
        let help = command.render_help().to_string();
        let commands: Vec<&str> = help
            .lines()
            .skip_while(|l| *l != "Commands:")
            .skip(1)
            .take_while(|l| !l.is_empty())
            .map(|l| l.split_whitespace().next().unwrap())
            .collect();
        assert_eq!(
            commands,
            [
                "practice", "status", "runs", "board", "outbox", "watch", "report", "reports", "sample", "doctor",
                "features", "health", "help"
            ]
        );
    }

    #[test]
    fn a_password_in_a_url_does_not_show_in_debug() {
        let cli =
            Cli::try_parse_from(["chairsync", "--pms", "mysql://u:hunter2@h/db", "--redis", "redis://:hunter3@h"]);
        let shown = format!("{:?}", cli.unwrap());
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
