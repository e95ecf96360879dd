//! Traces of runs to an OpenTelemetry collector, by OTLP over HTTP.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// How long a collector may take to accept what it is sent.
const EXPORT_TIME: Duration = Duration::from_secs(5);
/// How long a process that ends waits for the collector.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// Why traces cannot be sent. Never names the collector, whose URL may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("the collector's URL cannot be used")]
    Endpoint,
    #[error("the last traces were not delivered")]
    NotDelivered,
}

/// Sends finished spans from a thread of its own; what the collector does not take is dropped.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends to a collector: its base URL, below which `/v1/traces` is (`http://127.0.0.1:4318`).
    pub fn start(endpoint: &str, environment: &str) -> Result<Self, TracesError> {
        let url = url::Url::parse(endpoint).map_err(|_| TracesError::Endpoint)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(TracesError::Endpoint);
        }
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(url).with_timeout(EXPORT_TIME).build();
        let resource = Resource::builder()
            .with_service_name("lifecycle")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("deployment.environment.name", environment.to_owned()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.map_err(|_| TracesError::Endpoint)?)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What makes spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("lifecycle")
    }

    /// Sends what is left, and ends; takes seconds at most.
    pub async fn finish(self) -> Result<(), TracesError> {
        let work = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_TIME));
        match tokio::time::timeout(FLUSH_TIME * 2, work).await {
            Ok(Ok(Ok(()))) => Ok(()),
            _ => Err(TracesError::NotDelivered),
        }
    }
}
