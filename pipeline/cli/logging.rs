//! Logs on stderr: lines for people, or JSON objects with the run's id as a field.

use std::fmt;
use std::io::{self, Write};

use clap::ValueEnum;
use indicatif::MultiProgress;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::arguments::GlobalArguments;
use super::output::Output;
use crate::watch::{Traces, TracesError};

/// How messages and logs are written to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    // Lines for people.
    Text,
    // One JSON object per line.
    Json,
}

/// Starts logging, and traces where a collector is named: what comes back sends what is left of them. A second call in
/// one process changes nothing.
pub fn start(arguments: &GlobalArguments, output: &Output) -> Result<Option<Traces>, TracesError> {
    crate::transform::keep_spans();
    let collector = arguments.otlp.as_deref().filter(|endpoint| !endpoint.is_empty());
    let traces = collector.map(|endpoint| Traces::start(endpoint, &arguments.environment)).transpose()?;
    let filter = EnvFilter::new(match (arguments.quiet, arguments.verbose) {
        (true, _) => "error",
        (false, 0) => "error,lifecycle=warn",
        (false, 1) => "error,lifecycle=info",
        (false, 2) => "warn,lifecycle=debug",
        (false, _) => "info,lifecycle=trace",
    });
    let stderr = AsideOfBars { bars: output.bars().clone() };
    // Each listener has a filter of its own: traces have all spans of ours, however little is logged.
    let ours = Targets::new().with_target("lifecycle", tracing::Level::INFO);
    let spans = traces.as_ref().map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(ours)
    });
    let subscriber = tracing_subscriber::registry().with(spans);
    // Fails only where a subscriber is set already, which then logs.
    let _ = match arguments.log_format {
        LogFormat::Text => {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(stderr)
                .with_ansi(output.has_colour_on_stderr())
                .with_target(false)
                .compact();
            subscriber.with(lines.with_filter(filter)).try_init()
        }
        LogFormat::Json => subscriber.with(json_layer(stderr).with_filter(filter)).try_init(),
    };
    Ok(traces)
}

/// Writes one flat JSON object per event.
pub fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::registry().with(json_layer(writer).with_filter(filter))
}

fn json_layer<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .fmt_fields(JsonFields::new())
        .event_format(FlatJson)
}

/// Now, as logs write it.
#[allow(clippy::disallowed_methods, reason = "a log line tells when it was written, whatever the business's clock")]
pub(super) fn timestamp() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// One flat object per event: its own fields, and those of the spans around it (`run_id`, `job`), the inner winning.
struct FlatJson;

impl<S> FormatEvent<S, JsonFields> for FlatJson
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), timestamp().into());
        let metadata = event.metadata();
        object.insert("level".to_owned(), metadata.level().as_str().to_ascii_lowercase().into());
        object.insert("message".to_owned(), Value::Null);
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                merge(&mut object, &fields.fields);
            }
        }
        event.record(&mut EventFields { object: &mut object });
        object.insert("target".to_owned(), metadata.target().into());
        writeln!(writer, "{}", Value::Object(object))
    }
}

/// Adds the fields of a span, which are stored as the text of an object.
fn merge(object: &mut Map<String, Value>, fields: &str) {
    if let Ok(Value::Object(fields)) = serde_json::from_str(fields) {
        object.extend(fields);
    }
}

/// Collects the fields of an event.
struct EventFields<'a> {
    object: &'a mut Map<String, Value>,
}

impl EventFields<'_> {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.object.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for EventFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}

/// Writes to stderr while the progress bars step aside.
#[derive(Clone)]
struct AsideOfBars {
    bars: MultiProgress,
}

impl Write for AsideOfBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AsideOfBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
