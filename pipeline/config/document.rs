//! One YAML file: text into a raw struct and the problems found on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::raw::{FileKind, schema_of};
use super::text::{Unfit, did_you_mean, resolve};
use super::yaml::{Flaw, Kind, Node, Place, Placed, ScalarValue, check_shape, from_node, parse};
use super::{Problem, Problems};

/// Reads a variable of the process's environment.
pub(crate) type ReadEnvironment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Which variables the texts of a file may hold.
#[derive(Clone, Copy)]
pub(crate) enum Variables<'a> {
    /// None: `${` has no meaning.
    None,
    /// `${env:NAME}`.
    Environment(ReadEnvironment<'a>),
    /// `${env:NAME}`; a text with one that is not set is left out.
    EnvironmentAsFarAsSet(ReadEnvironment<'a>),
    /// `${env:NAME}`, and `${raw}` in a `location`.
    EnvironmentAndRaw(ReadEnvironment<'a>),
}

/// A file that is being checked, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Relative to the project's root.
    pub file: PathBuf,
    text: String,
    pub problems: Problems,
    /// Values that came from the environment, each with what messages show instead.
    secrets: Vec<(String, String)>,
}

impl Findings {
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), problems: Problems::default(), secrets: Vec::new() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reports a mistake at a place.
    pub fn report(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        if self.has_enough() {
            return;
        }
        let message = self.without_secrets(message.into());
        let mut problem = Problem::new(&self.file, message).at(place.line, place.column, &self.text);
        problem.hint = hint.map(|hint| self.without_secrets(hint));
        self.problems.push(problem);
    }

    /// Nobody reads more mistakes of one file than this; the last one says that there are more.
    fn has_enough(&mut self) -> bool {
        const MOST_PROBLEMS: usize = 200;
        if self.problems.len() == MOST_PROBLEMS {
            let message = format!("there are more than {MOST_PROBLEMS} mistakes; the rest is left out");
            self.problems.push(Problem::new(&self.file, message));
        }
        self.problems.len() > MOST_PROBLEMS
    }

    /// Reports a mistake about the file as a whole.
    pub fn report_file(&mut self, message: impl Into<String>, hint: Option<String>) {
        let mut problem = Problem::new(&self.file, message);
        problem.hint = hint;
        self.problems.push(problem);
    }

    /// Messages are made from what may be shown; this catches what slips through.
    fn without_secrets(&self, message: String) -> String {
        const SHORTEST_SECRET: usize = 4;
        self.secrets
            .iter()
            .filter(|(value, _)| value.len() >= SHORTEST_SECRET)
            .fold(message, |message, (value, shown)| message.replace(value, shown))
    }

    /// Reports a mistake in a line that must not be shown, because it holds a secret.
    pub fn report_unshown(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        self.report(place, message, hint);
        let is_here = |problem: &&mut Problem| problem.line == Some(place.line);
        if let Some(problem) = self.problems.0.last_mut().filter(is_here) {
            problem.source_line = None;
        }
    }

    /// Parses a text; where it does not fit, reports `` `key` is `text`, expected …`` and returns `None`.
    pub fn parse<T>(
        &mut self,
        key: &str,
        text: &Placed<String>,
        parse: impl FnOnce(&str) -> Result<T, Unfit>,
    ) -> Option<T> {
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(unfit) => {
                let hint = if text.is_secret() { None } else { unfit.hint };
                let message = format!("`{key}` is `{}`, expected {}", text.shown(), unfit.expected);
                self.report(text.place, message, hint);
                None
            }
        }
    }

    fn flaws(&mut self, flaws: Vec<Flaw>) {
        for flaw in flaws {
            match flaw.place {
                Some(place) => self.report(place, flaw.message, flaw.hint),
                None => self.report_file(flaw.message, flaw.hint),
            }
        }
    }
}

/// A raw struct, and the place of each key by its path (`columns.2.type`).
pub(crate) struct Document<T> {
    pub raw: T,
    pub places: BTreeMap<String, (usize, usize)>,
}

/// Reads a file's text into its raw struct. What is wrong is reported and left out; `None` where the text is not YAML.
pub(crate) fn read_document<T>(findings: &mut Findings, kind: FileKind, variables: Variables<'_>) -> Option<Document<T>>
where
    T: for<'de> Deserialize<'de>,
{
    read_document_without(findings, kind, variables, &[])
}

/// The same, as if some of the top keys were not there.
pub(crate) fn read_document_without<T>(
    findings: &mut Findings,
    kind: FileKind,
    variables: Variables<'_>,
    left_out: &[&str],
) -> Option<Document<T>>
where
    T: for<'de> Deserialize<'de>,
{
    let (root, mut flaws) = parse(&findings.text);
    let Some(mut root) = root else {
        findings.flaws(flaws);
        return None;
    };
    if let Kind::Mapping(entries) = &mut root.kind {
        entries.retain(|(key, _)| !left_out.contains(&key.name.as_str()));
    }
    let (in_location, may_be_unset, read): (&[&str], _, _) = match variables {
        Variables::None => (&[], false, None),
        Variables::Environment(read) => (&[], false, Some(read)),
        Variables::EnvironmentAsFarAsSet(read) => (&[], true, Some(read)),
        Variables::EnvironmentAndRaw(read) => (&["raw"], false, Some(read)),
    };
    if let Some(read) = read {
        let secrets = &mut findings.secrets;
        let mut resolution = Resolution { in_location, may_be_unset, read, flaws: &mut flaws, secrets };
        resolution.node(&mut root, "");
    }
    let mut places = BTreeMap::new();
    root.visit_places("", &mut |path, place| {
        places.insert(path, (place.line, place.column));
    });
    check_shape(&mut root, schema_of(kind), &mut flaws);
    findings.flaws(flaws);
    match from_node(&root) {
        Ok(raw) => Some(Document { raw, places }),
        Err(error) => {
            findings.report_file(format!("the file cannot be read: {error}"), None);
            None
        }
    }
}

/// Replaces variables in texts.
struct Resolution<'a> {
    /// Variables that stay in a `location`.
    in_location: &'a [&'a str],
    may_be_unset: bool,
    read: ReadEnvironment<'a>,
    flaws: &'a mut Vec<Flaw>,
    secrets: &'a mut Vec<(String, String)>,
}

impl Resolution<'_> {
    /// Resolves every text below a node, descriptions aside. A text that cannot be resolved is marked.
    fn node(&mut self, node: &mut Node, key: &str) {
        match &mut node.kind {
            Kind::Unresolved => {}
            Kind::List(items) => items.iter_mut().for_each(|item| self.node(item, key)),
            Kind::Mapping(entries) => entries.iter_mut().for_each(|(key, value)| self.node(value, &key.name)),
            Kind::Scalar(scalar) => {
                if scalar.value != ScalarValue::Text || key == "description" || !scalar.text.contains("${") {
                    return;
                }
                // A misspelt `location` is one mistake, not two.
                let is_location = key == "location" || did_you_mean(key, ["location"]).is_some();
                let kept = if is_location { self.in_location } else { &[] };
                match resolve(&scalar.text, kept, self.read) {
                    Ok(resolved) => {
                        scalar.text = resolved.text;
                        scalar.shown = resolved.shown;
                        self.secrets.extend(resolved.secrets);
                    }
                    Err(error) => {
                        if !(self.may_be_unset && error.is_unset) {
                            self.flaws.push(Flaw { place: Some(node.place), message: error.message, hint: None });
                        }
                        node.kind = Kind::Unresolved;
                    }
                }
            }
        }
    }
}

/// The largest YAML, SQL or seed file.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads a text file of at most 1 MiB; the error says why not.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > LARGEST_FILE {
        return Err(format!("is {size} bytes long, expected at most {LARGEST_FILE} (1 MiB)"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count();
        format!("is not UTF-8 text: line {} holds other bytes", line + 1)
    })
}
