//! Promise: one call leaves one trace across all the services that it crosses.
//! Method: the five processes export to a small OTLP receiver in this test; a card is opened through the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use chairsync_proto::{
    engagement::{OpenPatientCardRequest, patient_card_service_client::PatientCardServiceClient},
    practice::{PmsSource, Practice, SampleSource, pms_source::Kind},
    sync::RunState,
};
use chairsync_tests::{practice, processes::Processes};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

/// Which services were seen in each trace.
#[derive(Default)]
struct Receiver {
    traces: Mutex<BTreeMap<Vec<u8>, BTreeSet<String>>>,
    arrived: Notify,
}

struct Collector(Arc<Receiver>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let service = resource.resource.iter().flat_map(|r| &r.attributes).find(|a| a.key == "service.name");
            let service = match service.and_then(|a| a.value.clone()).and_then(|v| v.value) {
                Some(Value::StringValue(name)) => name,
                _ => continue,
            };
            for span in resource.scope_spans.iter().flat_map(|s| &s.spans) {
                let mut traces = self.0.traces.lock().unwrap();
                traces.entry(span.trace_id.clone()).or_default().insert(service.clone());
            }
        }
        self.0.arrived.notify_one();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_through_all_services() {
    let receiver = Arc::new(Receiver::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let otlp = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let service = TraceServiceServer::new(Collector(receiver.clone()));
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));

    let mesh = Processes::start_with(&[], "info", &[("CHAIRSYNC_OTLP", &otlp)]).await;
    let source = SampleSource { seed: 3, patients: 60, years: 1, ..Default::default() };
    let settings = Practice {
        display_name: "Traced".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        source: Some(PmsSource { kind: Some(Kind::Sample(source)) }),
        ..Default::default()
    };
    let run = practice::register(mesh.gateway(), "traced", settings).await;
    let run = practice::finished(mesh.gateway(), &run, Duration::from_secs(120)).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);

    // The card crosses gateway → engagement-sync → pms-connector; a run crosses analytics-sync → pms-connector and
    // sync-state. Together they are all five; each must be one trace.
    let name =
        format!("practices/traced/patients/{}", practice::first_patient(mesh.gateway(), "practices/traced").await);
    let request = OpenPatientCardRequest { name, ..Default::default() };
    PatientCardServiceClient::new(mesh.gateway()).open_patient_card(request).await.unwrap();

    let card = ["gateway", "engagement-sync", "pms-connector"];
    let run = ["analytics-sync", "pms-connector", "sync-state"];
    let whole = |services: &[&str]| {
        let traces = receiver.traces.lock().unwrap();
        traces.values().any(|seen| services.iter().all(|s| seen.contains(*s)))
    };
    let wait = async {
        while !(whole(&card) && whole(&run)) {
            receiver.arrived.notified().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(seen.is_ok(), "traces: {:?}", receiver.traces.lock().unwrap());
}
