//! Promise: `chairsync` alone carries a practice from an empty folder to live features, prints lines that work, drains on
//! a signal and goes on from there; and a database's password stays in memory.
//! Method: the real binary, the real grpcurl, a real MariaDB and Redis where they are named.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use pms_connector::sample::{Config, load::Options};
use serde_json::Value;
use test_servers::{MariaDb, Redis};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const LIMIT: Duration = Duration::from_secs(180);

struct Running {
    process: Child,
    events: Lines<BufReader<ChildStdout>>,
    /// All that was printed.
    printed: String,
}

fn chairsync(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chairsync"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Running {
    fn start(data: &Path, more: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{}", test_servers::free_port());
        let mut process = chairsync(&["--json", "--listen", &listen, "--data-dir"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, events, printed: String::new() }
    }

    /// Reads events until one of this name.
    async fn until(&mut self, wanted: &str) -> Value {
        let read = async {
            loop {
                let line = self.events.next_line().await.unwrap().unwrap_or_else(|| panic!("no {wanted} event"));
                self.printed.push_str(&line);
                self.printed.push('\n');
                let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                if event["event"] == wanted {
                    return event;
                }
            }
        };
        tokio::time::timeout(LIMIT, read).await.unwrap_or_else(|_| panic!("no {wanted} event in {LIMIT:?}"))
    }

    /// Asks it to stop as Ctrl-C does.
    async fn interrupt(mut self) -> (ExitStatus, String) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        self.until("stopped").await;
        let status = tokio::time::timeout(LIMIT, self.process.wait()).await.expect("it ends").unwrap();
        (status, self.printed)
    }
}

/// What a Prometheus would get.
async fn scraped(address: &str) -> String {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = connection.read_to_string(&mut answer);
    tokio::time::timeout(LIMIT, read).await.expect("it answers").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[tokio::test]
async fn the_sample_comes_alive_and_every_printed_line_works() {
    let data = tempfile::tempdir().unwrap();
    let metrics = format!("127.0.0.1:{}", test_servers::free_port());
    let mut mesh = Running::start(data.path(), &["--metrics-listen", &metrics]);
    let ready = mesh.until("ready").await;
    assert_eq!(ready["statuses"].as_array().unwrap().len(), 14);
    assert_eq!(ready["in_sync"], true, "{}", ready["reasons"]);
    let progress: Vec<Value> = mesh.printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
    let last = progress.iter().rfind(|event| event["event"] == "progress").expect("some progress is told");
    assert_eq!((&last["state"], &last["share_done"]), (&"RUN_STATE_SUCCEEDED".into(), &1.0.into()), "the last is told");

    let commands = ready["commands"].as_array().unwrap();
    assert!(commands.iter().any(|c| c["line"].as_str().unwrap().contains("OpenPatientCard")), "{commands:?}");
    for command in commands {
        let line = command["line"].as_str().unwrap();
        let ran = Command::new("sh").args(["-c", line]).output();
        let output = tokio::time::timeout(LIMIT, ran).await.expect("the line ends").unwrap();
        let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).join("\n");
        match command["refused_with"].as_str() {
            Some(reason) => assert!(said.contains(reason), "{line}\n{said}"),
            None => assert!(output.status.success() && !said.contains("ERROR:"), "{line}\n{said}"),
        }
    }

    let gateway = format!("http://{}", ready["gateway"].as_str().unwrap());
    let sheet = data.path().join("sheet.parquet").to_string_lossy().into_owned();
    for arguments in [
        vec!["features"],
        vec!["--gateway", &gateway, "status", "practices/sample"],
        vec!["--gateway", &gateway, "runs", "list", "practices/sample"],
        vec!["--gateway", &gateway, "practice", "list"],
        vec!["--gateway", &gateway, "reports"],
        vec!["--gateway", &gateway, "report", "production-and-income", "--interval", "month"],
        vec!["--gateway", &gateway, "report", "day-sheet", "--out", &sheet],
        vec!["health", &gateway],
    ] {
        // The gateway's address is a flag of those subcommands that need one.
        let (flag, rest) = if arguments[0] == "--gateway" { arguments.split_at(2) } else { arguments.split_at(0) };
        let output = chairsync(rest).args(flag).output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).join("\n");
        assert!(output.status.success(), "{arguments:?}\n{said}");
    }
    let written = std::fs::read(&sheet).unwrap();
    assert!(written.starts_with(b"PAR1") && written.ends_with(b"PAR1"), "a whole Parquet file");
    let unknown = chairsync(&["report", "nothing", "--out", &sheet, "--gateway", &gateway]).output().await.unwrap();
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && said.contains("ListReports"), "{said}");
    assert_eq!(std::fs::read(&sheet).unwrap(), written, "what is refused touches no file");

    let scraped = scraped(&metrics).await;
    assert!(scraped.contains("GetMorningHuddle") && scraped.contains("chairsync_engagement_card_seconds"), "{scraped}");

    let second = chairsync(&["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.len() > 20, "two processes on one folder: {said}");

    let (status, _) = mesh.interrupt().await;
    assert!(status.success(), "{status}");
    let mut again = Running::start(data.path(), &[]);
    again.until("ready").await;
    assert!(!again.printed.contains(r#""event":"progress""#), "the initial sync is not done again");
    assert!(again.interrupt().await.0.success());
}

#[tokio::test]
async fn a_databases_password_stays_in_memory() {
    let pms = MariaDb::start().await;
    pms.create_database("practice").await;
    let as_of = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let config = Config { seed: 5, patients: 80, as_of, years: 1 };
    let (url, options) = (pms.root_url("practice"), Options::default());
    pms_connector::sample::load(&url, None, &config, &options, |_| {}).await.unwrap();
    let redis = Redis::start().await;
    let data = tempfile::tempdir().unwrap();

    let (pms_url, redis_url) = (pms.reader_url("practice"), redis.url());
    let arguments = ["--pms", &pms_url, "--redis", &redis_url, "--time-zone", "America/Denver", "--log", "trace"];
    let mut mesh = Running::start(data.path(), &arguments);
    let ready = mesh.until("ready").await;
    assert_eq!(ready["in_sync"], true, "{}", ready["reasons"]);
    let (status, printed) = mesh.interrupt().await;
    assert!(status.success());

    assert!(!printed.contains(MariaDb::READER_PASSWORD));
    let client = redis::Client::open(redis_url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("SAVE").query_async::<()>(&mut connection).await.unwrap();
    let mut files = vec![data.path().to_owned(), redis.folder().to_owned()];
    let mut looked_at = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let word = MariaDb::READER_PASSWORD.as_bytes();
        assert!(!bytes.windows(word.len()).any(|window| window == word), "the password is in {}", path.display());
        looked_at += 1;
    }
    assert!(looked_at > 10);
}
