//! Logs, traces and metrics, set up in one place; and the trace context that travels with calls.
//!
//! Logs go to standard error, traces to an OTLP collector where one is named, metrics to `/metrics` where an address is
//! named. Libraries that print bytes of messages at their lowest levels are capped: no filter, however wide, makes a log
//! hold patient data. Only our own spans are exported.

use std::{io::IsTerminal as _, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::{
    KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, LevelFilter, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Libraries whose lower levels print what passes through them, or what concerns only them: at most warnings of these,
/// whatever the filter says.
const CAPPED: [&str; 22] = [
    "h2",
    "hyper",
    "hyper_util",
    "tonic",
    "tower",
    "rustls",
    "mysql_async",
    "mysql_common",
    "redis",
    "datafusion",
    "datafusion_execution",
    "deltalake",
    "deltalake_core",
    "buoyant_kernel",
    "buoyant_kernel_engine",
    "object_store",
    "parquet",
    "arrow",
    "sqlparser",
    "opentelemetry",
    "tokio_util",
    "want",
];
/// Whose spans are exported: our own. The exporter's libraries would trace themselves, others would print messages.
const OURS: [&str; 7] =
    ["mesh", "gateway", "sync_state", "pms_connector", "analytics_sync", "engagement_sync", "chairsync"];
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// Upper bounds of the latency histograms, in seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// What to log and where telemetry goes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// What to log, e.g. `info` or `info,sync_state=debug`
    #[arg(long, env = "CHAIRSYNC_LOG", default_value = "info", global = true)]
    pub log: String,
    /// How logs look
    #[arg(long, env = "CHAIRSYNC_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
    /// Where traces go, e.g. http://collector:4317
    #[arg(long, env = "CHAIRSYNC_OTLP", global = true)]
    pub otlp: Option<String>,
    /// Serve Prometheus metrics under /metrics at this address
    #[arg(long, env = "CHAIRSYNC_METRICS_LISTEN", global = true)]
    pub metrics_listen: Option<SocketAddr>,
}

/// How logs look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Telemetry that was set up; flushed by [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sends what is still buffered. Waits a few seconds at most.
    pub async fn shutdown(self) {
        if let Some(traces) = self.traces {
            let flushed = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_LIMIT)).await;
            if let Ok(Err(error)) = flushed {
                tracing::warn!(%error, "the last traces were not sent");
            }
        }
    }
}

/// Sets up logs, traces and metrics of this process. Once; within a tokio runtime.
///
/// # Errors
/// When the filter, the collector's address or the metrics address cannot be used.
pub async fn init(service: &'static str, args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    let traces = args.otlp.as_deref().map(|collector| exporter(service, collector)).transpose()?;
    // Each layer states its highest level, and a layer that is not wanted is not there at all: else a library's spans,
    // several for each frame that it reads, are made and thrown away.
    let export = traces.as_ref().map(|provider| {
        let of_ours = filter_fn(|m| *m.level() <= Level::DEBUG && OURS.iter().any(|name| is_of(m.target(), name)));
        let of_ours = of_ours.with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_filter(of_ours).boxed()
    });
    // Colours are for a person's terminal; in a file they are noise.
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match args.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let asked = filter(&args.log)?;
    let highest = asked.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let lines = lines.with_filter(asked.and(filter_fn(shown).with_max_level_hint(highest))).boxed();
    let layers: Vec<_> = std::iter::once(lines).chain(export).collect();
    tracing_subscriber::registry().with(layers).try_init().context("telemetry was set up twice")?;
    if let Some(address) = args.metrics_listen {
        serve_metrics(address).await?;
    }
    Ok(Telemetry { traces })
}

fn filter(directives: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(directives).with_context(|| format!("--log {directives:?} is not a filter"))
}

/// Whether a line may be shown at all: see [`CAPPED`].
fn shown(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || !CAPPED.iter().any(|library| is_of(metadata.target(), library))
}

fn is_of(target: &str, library: &str) -> bool {
    target.strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn exporter(service: &'static str, collector: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(collector)
        .with_timeout(FLUSH_LIMIT)
        .build()
        .with_context(|| format!("--otlp {collector:?} is not a collector's address"))?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

async fn serve_metrics(address: SocketAddr) -> anyhow::Result<()> {
    let handle: PrometheusHandle = PrometheusBuilder::new()
        .set_buckets(&LATENCY_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics were set up twice")?;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("--metrics-listen {address} cannot be used"))?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    let routes = axum::Router::new().route("/metrics", axum::routing::get(move || async move { handle.render() }));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

/// Puts the current span's context into a request's headers (W3C `traceparent`).
pub(crate) fn inject(headers: &mut HeaderMap) {
    let span = Span::current();
    if !span.is_none() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut Headers(headers));
    }
}

/// Makes a span a child of the one that a request's headers name. The span must not have been entered yet.
pub(crate) fn adopt(span: &Span, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&Seen(headers));
        let _ = span.set_parent(parent); // fails only where no traces are exported
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct Seen<'a>(&'a HeaderMap);

impl Extractor for Seen<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused() {
        assert!(filter("trace").is_ok() && filter("warn,sync_state=debug").is_ok());
        assert!(filter("not a = filter =").is_err());
    }

    #[test]
    fn a_target_is_matched_by_whole_segments() {
        assert!(is_of("h2::proto", "h2") && is_of("h2", "h2") && !is_of("h2o", "h2"));
    }
}
