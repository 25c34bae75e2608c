//! What a person or a program sees of the mesh: text, a live table, JSON lines, or nothing.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    net::SocketAddr,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use chairsync_proto::sync::{FeatureStatus, Run};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{board::Board, lines::Command};
use crate::{
    pace::{PROGRESS_EVERY, Pace},
    render::{runs, statuses},
};

/// Where events go.
#[derive(Debug)]
pub struct Screen {
    kind: Kind,
    board: Mutex<Board>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    Json,
    /// A pipe or a file: everything once.
    Text,
    Terminal,
}

impl Screen {
    /// By the flags and by what standard output is. JSON comes before quiet.
    pub fn new(quiet: bool, json: bool) -> Self {
        let kind = match (json, quiet) {
            (true, _) => Kind::Json,
            (_, true) => Kind::Quiet,
            _ if stdout().is_terminal() => Kind::Terminal,
            _ => Kind::Text,
        };
        Self { kind, board: Mutex::default() }
    }

    /// The services start.
    pub fn starting(&self, data_dir: &Path, gateway: SocketAddr) {
        self.event(|| json!({"event": "starting", "data_dir": data_dir, "gateway": gateway}));
        self.text(|| {
            let version = env!("CARGO_PKG_VERSION");
            vec![
                format!("chairsync {version}: five services in this process, gateway at {gateway}"),
                format!("data in {} (another folder: --data-dir)", data_dir.display()),
            ]
        });
    }

    /// A place to show a run.
    pub fn progress(&self) -> Progress<'_> {
        let bar = match self.kind {
            Kind::Terminal => ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stdout()),
            _ => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("initial sync [{bar:30}] {msg}");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { screen: self, bar, pace: Pace::new(PROGRESS_EVERY), told: None }
    }

    /// The initial run is done; the live view is being filled.
    pub fn filling(&self) {
        self.event(|| json!({"event": "filling"}));
        self.text(|| vec!["live view: being filled".to_owned()]);
    }

    /// The practice is in sync; or, where features stayed stale, why.
    pub fn ready(&self, gateway: &str, practice: &str, commands: &[Command], all: &[FeatureStatus]) {
        let in_sync = statuses::all_fresh(all);
        let line = |c: &Command| json!({"about": c.about, "line": c.line, "refused_with": c.refused_with});
        self.event(|| {
            json!({"event": "ready", "gateway": gateway, "practice": practice,
                   "in_sync": in_sync, "reasons": statuses::reasons(all),
                   "commands": commands.iter().map(line).collect::<Vec<_>>(), "statuses": statuses::json(all)})
        });
        if self.kind == Kind::Text {
            print(&statuses::lines(all, Timestamp::now()));
        }
        // On a terminal the live table stands below these lines, so that redrawing it leaves a selection alone.
        self.text(|| {
            let mut out = vec![String::new(), "to try in another terminal:".to_owned()];
            out.extend(commands.iter().flat_map(|c| [format!("# {}", c.about), c.line.clone()]));
            out.push(String::new());
            if !in_sync {
                out.extend(statuses::reasons(all).into_iter().map(|reason| format!("not fresh yet: {reason}")));
            }
            let said = if in_sync { "is in sync" } else { "is served, but not all of it is fresh yet" };
            out.extend([format!("{practice} {said}; Ctrl-C drains and stops, a second one stops at once")]);
            out
        });
        self.tick(all);
    }

    /// Something about the features changed.
    pub fn changed(&self, all: &[FeatureStatus]) {
        self.event(|| json!({"event": "statuses", "statuses": statuses::json(all)}));
        self.tick(all);
    }

    /// Time went on.
    pub fn tick(&self, all: &[FeatureStatus]) {
        if self.kind == Kind::Terminal {
            let drawn = {
                let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
                board.draw(&statuses::lines(all, Timestamp::now()))
            };
            write(&drawn);
        }
    }

    /// The services stop.
    pub fn stopping(&self) {
        self.event(|| json!({"event": "stopping"}));
        self.text(|| vec!["stopping: calls end, leases are given back (Ctrl-C again stops at once)".to_owned()]);
    }

    /// The services have stopped.
    pub fn stopped(&self) {
        self.event(|| json!({"event": "stopped"}));
        self.text(|| vec!["stopped; the next start goes on from here".to_owned()]);
    }

    fn event(&self, event: impl FnOnce() -> Value) {
        if self.kind == Kind::Json {
            write(&format!("{}\n", event()));
        }
    }

    fn text(&self, lines: impl FnOnce() -> Vec<String>) {
        if matches!(self.kind, Kind::Text | Kind::Terminal) {
            print(&lines());
        }
    }
}

/// Shows a run as it goes: a bar on a terminal, else a line now and then, and the last one always.
#[derive(Debug)]
pub struct Progress<'a> {
    screen: &'a Screen,
    bar: ProgressBar,
    pace: Pace<Run>,
    /// The error that was told last: a new one does not wait.
    told: Option<String>,
}

impl Progress<'_> {
    /// The run as it is now.
    pub fn show(&mut self, run: Run) {
        if self.screen.kind == Kind::Terminal {
            let p = run.progress.unwrap_or_default();
            self.bar.set_length(p.rows_total.max(1).unsigned_abs());
            self.bar.set_position(p.rows_done.unsigned_abs());
            self.bar.set_message(runs::progress(&run));
            return;
        }
        let error = run.error.as_ref().map(|error| error.message.clone());
        if error.is_some() && error != self.told {
            self.told = error;
            self.say(&run);
        } else if let Some(run) = self.pace.offer(Instant::now(), run) {
            self.say(&run);
        }
    }

    fn say(&self, run: &Run) {
        self.screen.event(|| {
            let mut event = runs::json(run);
            event["event"] = Value::from("progress");
            event
        });
        self.screen.text(|| vec![format!("initial sync: {}", runs::progress(run))]);
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(last) = self.pace.rest() {
            self.say(&last);
        }
        self.bar.abandon();
    }
}

fn print(lines: &[String]) {
    write(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
}

/// Writes at once. A reader that has gone away ends nothing: the mesh goes on serving.
fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
