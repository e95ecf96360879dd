//! The only printer. Data goes to stdout, all else to stderr.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde_json::{Map, Value};

use super::arguments::{ColorChoice, GlobalArguments};
use super::failure::{Failure, Report};
use super::logging::LogFormat;
use super::text_table::TextTable;
use crate::watch::RunFacts;

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    #[default]
    Plain,
    Bold,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Style {
    fn code(self) -> Option<&'static str> {
        match self {
            Style::Plain => None,
            Style::Bold => Some("1"),
            Style::Faint => Some("2"),
            Style::Good => Some("32"),
            Style::Warning => Some("33"),
            Style::Bad => Some("1;31"),
        }
    }
}

/// The printer of a process. Clones print to the same place.
#[derive(Debug, Clone)]
pub struct Output {
    is_quiet: bool,
    format: LogFormat,
    has_colour_on_stdout: bool,
    has_colour_on_stderr: bool,
    /// The progress bars, which step aside for messages; hidden where there are none.
    bars: MultiProgress,
    /// The newest run of this process: lines of JSON have its fields.
    run: Arc<Mutex<Option<RunFacts>>>,
}

impl Output {
    /// The printer that the options ask for.
    pub fn new(arguments: &GlobalArguments) -> Self {
        let has_colour = |is_terminal: bool| match arguments.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                is_terminal && !forbidden && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
            }
        };
        let shows_bars = io::stderr().is_terminal() && !arguments.quiet && arguments.log_format == LogFormat::Text;
        let target = if shows_bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            is_quiet: arguments.quiet,
            format: arguments.log_format,
            has_colour_on_stdout: has_colour(io::stdout().is_terminal()),
            has_colour_on_stderr: has_colour(io::stderr().is_terminal()),
            bars: MultiProgress::with_draw_target(target),
            run: Arc::default(),
        }
    }

    /// From here on messages are about this run.
    pub fn note_run(&self, run: &RunFacts) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.clone());
    }

    /// The run that messages are about.
    pub fn run(&self) -> Option<RunFacts> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells a person something; silent with `--quiet`.
    pub fn message(&self, text: &str) {
        self.event(text, Map::new());
    }

    /// The same, with facts that a line of JSON has as fields.
    pub fn event(&self, text: &str, facts: Map<String, Value>) {
        if !self.is_quiet {
            self.write_message("info", text, &[], None, facts);
        }
    }

    /// Tells a person about something that may be wrong; also with `--quiet`.
    pub fn warning(&self, text: &str, hint: Option<&str>) {
        self.warning_event(text, hint, Map::new());
    }

    /// The same, with facts that a line of JSON has as fields.
    pub fn warning_event(&self, text: &str, hint: Option<&str>, facts: Map<String, Value>) {
        self.write_message("warning", text, &[], hint, facts);
    }

    /// Prints why a command failed: once, with its causes and what to do.
    pub fn failure(&self, failure: &Failure) {
        match failure {
            Failure::OutputClosed => {}
            Failure::Problems(problems) => self.problems(problems),
            Failure::Usage(report)
            | Failure::Failed(report)
            | Failure::Partial(report)
            | Failure::ChecksFailed(report)
            | Failure::Interrupted(report) => self.report(report),
        }
    }

    /// Prints a table for people to stdout.
    pub fn table(&self, table: &TextTable) -> Result<(), Failure> {
        self.text(&table.render(|text, style| self.paint(text, style)))
    }

    /// Prints text to stdout as it is.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let mut data = self.data();
        let written = data.write_all(text.as_bytes()).and_then(|()| data.flush());
        written.map_err(|error| data.failure(&error))
    }

    /// Styles a text for stdout, if stdout shows styles.
    pub fn paint(&self, text: &str, style: Style) -> String {
        paint(text, style, self.has_colour_on_stdout)
    }

    /// A writer of data to stdout. Flush it at the end.
    pub fn data(&self) -> DataWriter {
        DataWriter {
            inner: Box::new(BufWriter::with_capacity(1 << 16, io::stdout())),
            is_closed: Arc::new(AtomicBool::new(false)),
            name: "stdout".to_owned(),
        }
    }

    /// Whether stdout is a person's screen.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// The progress bars' place on stderr.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether logs on stderr have colours.
    pub(super) fn has_colour_on_stderr(&self) -> bool {
        self.has_colour_on_stderr
    }

    fn report(&self, report: &Report) {
        self.write_message("error", &report.message, &report.causes, report.hint.as_deref(), Map::new());
    }

    fn problems(&self, problems: &crate::config::Problems) {
        if self.format == LogFormat::Json {
            for problem in &problems.0 {
                let line = serde_json::json!({
                    "timestamp": super::logging::timestamp(),
                    "level": "error",
                    "message": problem.message,
                    "file": problem.file,
                    "line": problem.line,
                    "column": problem.column,
                    "hint": problem.hint,
                });
                self.write_stderr(&format!("{line}\n"));
            }
            return;
        }
        let mut text = String::new();
        for problem in &problems.0 {
            let shown = problem.to_string();
            match shown.strip_prefix("error:") {
                Some(rest) => text.push_str(&(paint("error:", Style::Bad, self.has_colour_on_stderr) + rest)),
                None => text.push_str(&shown),
            }
            text.push_str("\n\n");
        }
        let mut files: Vec<_> = problems.0.iter().map(|problem| &problem.file).collect();
        files.sort();
        files.dedup();
        let mistakes = super::numbers::plural(problems.0.len() as u64, "mistake", "mistakes");
        let files = super::numbers::plural(files.len() as u64, "file", "files");
        text.push_str(&format!("{mistakes} in {files}; nothing was touched\n"));
        self.write_stderr(&text);
    }

    fn write_message(&self, level: &str, text: &str, causes: &[String], hint: Option<&str>, facts: Map<String, Value>) {
        if self.format == LogFormat::Json {
            let mut line = Map::new();
            line.insert("timestamp".to_owned(), super::logging::timestamp().into());
            line.insert("level".to_owned(), level.into());
            line.insert("message".to_owned(), text.into());
            if let Some(run) = self.run() {
                line.insert("run_id".to_owned(), run.run_id.into());
                line.insert("job".to_owned(), run.job.into());
                line.insert("as_of".to_owned(), run.as_of.to_string().into());
            }
            if !causes.is_empty() {
                line.insert("causes".to_owned(), causes.into());
            }
            if let Some(hint) = hint {
                line.insert("hint".to_owned(), hint.into());
            }
            line.extend(facts);
            return self.write_stderr(&format!("{}\n", Value::Object(line)));
        }
        let colour = self.has_colour_on_stderr;
        let mut lines = match level {
            "error" => format!("{} {text}\n", paint("error:", Style::Bad, colour)),
            "warning" => format!("{} {text}\n", paint("warning:", Style::Warning, colour)),
            _ => format!("{text}\n"),
        };
        for cause in causes {
            lines.push_str(&format!("  caused by: {cause}\n"));
        }
        if let Some(hint) = hint {
            lines.push_str(&format!("{} {hint}\n", paint("hint:", Style::Bold, colour)));
        }
        self.write_stderr(&lines);
    }

    /// Writes whole lines; a stderr that is closed has nobody to tell.
    fn write_stderr(&self, lines: &str) {
        self.bars.suspend(|| {
            let _ = io::stderr().lock().write_all(lines.as_bytes());
        });
    }
}

fn paint(text: &str, style: Style, has_colour: bool) -> String {
    match style.code().filter(|_| has_colour && !text.is_empty()) {
        Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        None => text.to_owned(),
    }
}

/// Writes data to stdout or a file, and knows whether the reader went away.
pub struct DataWriter {
    inner: Box<dyn Write + Send>,
    is_closed: Arc<AtomicBool>,
    name: String,
}

impl DataWriter {
    /// A writer to a file, which is created or replaced.
    pub fn to_file(path: &std::path::Path) -> Result<Self, Failure> {
        let file = std::fs::File::create(path).map_err(|error| {
            Failure::Usage(Report::from_error(&error).while_doing(format!("{} cannot be written", path.display())))
        })?;
        Ok(Self {
            inner: Box::new(BufWriter::with_capacity(1 << 16, file)),
            is_closed: Arc::new(AtomicBool::new(false)),
            name: path.display().to_string(),
        })
    }

    /// Sees, also after the writer was moved, whether its reader went away.
    pub fn watch(&self) -> OutputWatch {
        OutputWatch { is_closed: self.is_closed.clone(), name: self.name.clone() }
    }

    /// What an error while writing means.
    pub fn failure(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        self.watch().failure(error)
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.is_closed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for DataWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.note(result)
    }
}

/// Knows whether a [`DataWriter`]'s reader went away.
#[derive(Debug, Clone)]
pub struct OutputWatch {
    is_closed: Arc<AtomicBool>,
    name: String,
}

impl OutputWatch {
    /// What an error while writing means.
    pub fn failure(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        if self.is_closed.load(Ordering::Relaxed) {
            return Failure::OutputClosed;
        }
        Failure::Failed(Report::from_error(error).while_doing(format!("writing to {} failed", self.name)))
    }
}
