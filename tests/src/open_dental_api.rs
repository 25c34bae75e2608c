//! The stand-in for Open Dental's REST API as a process, and its switches.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use chairsync_proto::practice::{OpenDentalApi, Practice, pms_source::Kind};
use serde_json::Value;
use test_servers::free_port;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::processes::binary;

/// The name of the credential under which tests keep the API's keys.
pub const API_CREDENTIAL: &str = "api";
/// The keys.
pub const API_KEYS: &str = "dev-test-word-1f/cust-test-word-2e";

/// The stand-in on a free port. Dropping it kills it.
#[derive(Debug)]
pub struct StandIn {
    port: u16,
    database: String,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl StandIn {
    /// Starts it over a database, with further arguments, e.g. `--remote`, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer within half a minute.
    pub async fn start(database: String, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut standin = Self { port: free_port(), database, arguments, child: None };
        standin.spawn().await;
        standin
    }

    /// Starts it again, after a kill, on its port.
    ///
    /// # Panics
    /// As [`StandIn::start`].
    pub async fn spawn(&mut self) {
        let mut command = Command::new(binary("open-dental-api"));
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]).args(&self.arguments);
        command.env("OPEN_DENTAL_API_DATABASE", &self.database).env("OPEN_DENTAL_API_KEYS", API_KEYS);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        self.child = Some(child.expect("open-dental-api is built: `cargo build --workspace --bins`"));
        let answers = async {
            while self.try_switch("GET", "counted", "").await.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.expect("the stand-in answers");
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended already is as good as killed.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Its address, as a practice's settings hold it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// A practice that writes through it, by its service or as the vendor's cloud.
    ///
    /// # Panics
    /// When the practice has no Open Dental.
    pub fn writes_of(&self, mut practice: Practice, remote: bool) -> Practice {
        let (service_url, remote_url) = if remote { (String::new(), self.url()) } else { (self.url(), String::new()) };
        let Some(Kind::OpenDental(source)) = practice.source.as_mut().and_then(|source| source.kind.as_mut()) else {
            panic!("an Open Dental practice");
        };
        let credential = API_CREDENTIAL.to_owned();
        source.api = Some(OpenDentalApi { service_url, remote_url, credential, ..Default::default() });
        practice
    }

    /// Lets things go wrong by chance, each so often in a thousand calls that change something.
    ///
    /// # Panics
    /// When it does not take them.
    pub async fn chances(&self, seed: u64, per_mille: &Value) {
        let body = serde_json::json!({"seed": seed, "per_mille": per_mille}).to_string();
        self.switch("POST", "chances", &body).await;
    }

    /// The next calls whose path begins so go wrong in this way.
    ///
    /// # Panics
    /// When it does not take it.
    pub async fn next(&self, fault: &str, path: &str, times: u32) {
        let body = serde_json::json!({"fault": fault, "path": path, "times": times}).to_string();
        self.switch("POST", "next", &body).await;
    }

    /// Nothing goes wrong any more.
    ///
    /// # Panics
    /// When it does not take that.
    pub async fn clear(&self) {
        self.switch("POST", "clear", "").await;
    }

    /// The calls that change something, and the faults, so far: `{"calls": n, "faults": {…}}`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn counted(&self) -> Value {
        self.switch("GET", "counted", "").await
    }

    async fn switch(&self, method: &str, switch: &str, body: &str) -> Value {
        self.try_switch(method, switch, body).await.expect("the stand-in answers")
    }

    async fn try_switch(&self, method: &str, switch: &str, body: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let length = body.len();
        let request = format!(
            "{method} /admin/{switch} HTTP/1.1\r\nHost: stand-in\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok()).flatten()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.kill();
    }
}
