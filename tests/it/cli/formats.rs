use std::io::Write;
use std::sync::{Arc, Mutex};

use lifecycle::cli::logging::json_lines;
use lifecycle::cli::numbers::{bytes, count, day_distance, duration, instant, plural};
use lifecycle::cli::output::Style;
use lifecycle::cli::suggest::{hint, nearest};
use lifecycle::cli::text_table::{Cell, TextTable};
use lifecycle::cli::{ExitCode, Failure, Report};
use lifecycle::interrupt;

#[test]
fn counts_have_thousands_separators() {
    assert_eq!([0, 999, 1_000, 123_456, 1_234_567].map(count), ["0", "999", "1,000", "123,456", "1,234,567"]);
    assert_eq!((plural(1, "row", "rows"), plural(1_000, "row", "rows")), ("1 row".into(), "1,000 rows".into()));
}

#[test]
fn sizes_have_the_unit_that_suits_them() {
    let shown = [0, 999, 1_000, 999_949, 999_950, 1_500_000, u64::MAX].map(bytes);
    assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 MB", "18.4 EB"]);
}

#[test]
fn durations_have_two_units_at_most() {
    let shown = [0.04, 12.0, 59.94, 59.96, 185.0, 7_440.0, 266_400.0, f64::NAN].map(duration);
    assert_eq!(shown, ["0.0 s", "12.0 s", "59.9 s", "1 min 00 s", "3 min 05 s", "2 h 04 min", "3 d 02 h", "-"]);
}

#[test]
fn instants_are_told_in_the_environments_zone() {
    let summer = "2026-07-01T12:00:00Z".parse().unwrap();
    assert_eq!(instant(summer, chrono_tz::Europe::London), "2026-07-01 13:00:00 BST");
    let day = |text: &str| text.parse().unwrap();
    let told = ["2026-07-01", "2026-06-30", "2026-06-01", "2026-07-02", "2026-07-09"]
        .map(|other| day_distance(day(other), day("2026-07-01")));
    assert_eq!(told, ["today", "1 day ago", "30 days ago", "in 1 day", "in 8 days"]);
}

#[test]
fn tables_align_text_left_and_numbers_right() {
    let mut table = TextTable::default().text("name").number("rows").text("why");
    table.row(["orders".into(), "12".into(), "".into()]);
    table.row([Cell::styled("évènements", Style::Bad), "1,234".into(), "new".into()]);
    let text = table.render(|text, style| if style == Style::Bad { format!("<{text}>") } else { text.to_owned() });
    insta::assert_snapshot!(text, @r"
    name         rows  why
    orders         12
    <évènements>  1,234  new
    ");
}

#[test]
fn the_nearest_name_is_suggested_else_all_are_listed() {
    let jobs = ["nightly", "landing", "nightly_eu"];
    assert_eq!(nearest("nigthly", &jobs), Some("nightly"));
    assert_eq!(nearest("LANDING", &jobs), Some("landing"));
    assert_eq!(nearest("land", &jobs), Some("landing"));
    assert_eq!(nearest("weekly_report", &jobs), None);
    assert_eq!(hint("weekly_report", &jobs).unwrap(), "there is `nightly`, `landing`, `nightly_eu`");
    assert_eq!(hint("x", &[]), None);
}

#[derive(Debug, thiserror::Error)]
#[error("table marts.churn could not be built")]
struct Outer(#[source] Middle);

#[derive(Debug, thiserror::Error)]
#[error("the query failed: disk is full")]
struct Middle(#[source] std::io::Error);

#[test]
fn a_chain_of_errors_is_told_once() {
    let report = Report::from_error(&Outer(Middle(std::io::Error::other("disk is full"))));
    let expected = Report {
        message: "table marts.churn could not be built".to_owned(),
        causes: vec!["the query failed: disk is full".to_owned()],
        hint: None,
    };
    assert_eq!(report, expected);
    let outer = report.while_doing("the run failed").hint("free some space");
    assert_eq!(outer.message, "the run failed");
    assert_eq!(outer.causes, ["table marts.churn could not be built", "the query failed: disk is full"]);
    assert_eq!(outer.hint.as_deref(), Some("free some space"));
}

#[test]
fn every_failure_has_its_exit_code() {
    let report = || Report::new("x");
    let codes = [
        Failure::Problems(Default::default()),
        Failure::Usage(report()),
        Failure::Failed(report()),
        Failure::Partial(report()),
        Failure::ChecksFailed(report()),
        Failure::Interrupted(report()),
        Failure::OutputClosed,
    ]
    .map(|failure| failure.exit_code().number());
    assert_eq!(codes, [2, 2, 1, 3, 4, 130, 0]);
    assert_eq!(ExitCode::Done.number(), 0);
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn json_logs_are_flat_and_carry_the_fields_of_the_spans_around_them() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = json_lines("info".into(), move || writer.clone());
    tracing::subscriber::with_default(subscriber, || {
        let run = tracing::info_span!("run", run_id = "r1", job = "nightly");
        let _run = run.enter();
        let land = tracing::info_span!("land", source = "orders");
        land.in_scope(|| tracing::info!(rows = 12, seconds = 0.5, "landed \"a\" quote"));
        tracing::debug!("not asked for");
    });
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1);
    let mut line = lines[0].clone();
    assert!(line["timestamp"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    line["timestamp"] = "T".into();
    line["target"] = "here".into();
    let expected = serde_json::json!({
        "timestamp": "T", "level": "info", "message": "landed \"a\" quote", "run_id": "r1", "job": "nightly",
        "source": "orders", "rows": 12, "seconds": 0.5, "target": "here",
    });
    assert_eq!(line, expected);
}

#[tokio::test]
async fn an_interrupt_reaches_everybody_who_waits_and_stays() {
    let (interrupter, interrupt) = interrupt::channel();
    assert!(!interrupt.is_interrupted());
    let mut waiting = interrupt.clone();
    let task = tokio::spawn(async move { waiting.interrupted().await });
    assert!(!interrupter.interrupt(), "the first wish");
    task.await.unwrap();
    assert!(interrupter.interrupt(), "the second");
    assert!(interrupt.is_interrupted());
    interrupt.clone().interrupted().await;
    drop(interrupter);
    assert!(interrupt.is_interrupted());
    assert!(!interrupt::Interrupt::never().is_interrupted());
}
