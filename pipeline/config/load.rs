//! Reads a project's folder: the only part of this module that touches files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::document::{Findings, ReadEnvironment, Variables, read_document, read_document_without, read_text};
use super::raw::{FileKind, RawCases, RawEnvironment, RawJob, RawModel, RawSeed};
use super::text::{did_you_mean, is_identifier, one_of};
use super::validate::{
    CheckedEnvironment, CheckedJob, CheckedModel, Known, ModelFiles, validate_cases, validate_environment,
    validate_job, validate_model, validate_project, validate_seed,
};
use super::{Case, Environment, Job, Problem, Problems, Project, Seed, TableName};

/// How a project's files are read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    variables: ReadEnvironment<'a>,
    purpose: Purpose,
}

/// What for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To work: everything is needed.
    Work,
    /// To look at what there is: nobody is told of it, so whoever looks needs no secret of those who are.
    Look,
}

impl Reading<'_> {
    /// The top keys that are left unread.
    fn left_out(self, of: &'static [&'static str]) -> &'static [&'static str] {
        if self.purpose == Purpose::Look { of } else { &[] }
    }
}

/// The keys of an environment, and of a job, that say who is told and how.
const TELLING_IN_ENVIRONMENT: &[&str] = &["smtp", "openlineage"];
const TELLING_IN_JOB: &[&str] = &["notify"];

/// Reads and validates a whole project for one environment; `read_env` reads the variables that `${env:NAME}` names.
///
/// Every mistake of every file is reported at once. No store is opened and no SQL is planned.
pub fn load_project(
    root: &Path,
    environment: &str,
    read_env: &dyn Fn(&str) -> Option<String>,
) -> Result<Project, Problems> {
    load(root, environment, Reading { variables: read_env, purpose: Purpose::Work })
}

/// The same for looking at what there is: who is told of runs, and how, is not read, and needs no variable.
pub fn load_project_to_look(
    root: &Path,
    environment: &str,
    read_env: &dyn Fn(&str) -> Option<String>,
) -> Result<Project, Problems> {
    load(root, environment, Reading { variables: read_env, purpose: Purpose::Look })
}

fn load(root: &Path, environment: &str, reading: Reading<'_>) -> Result<Project, Problems> {
    let mut problems = Problems::default();
    let root = match std::path::absolute(root) {
        Ok(root) if root.is_dir() => root,
        _ => return Err(Problem::new(root, "there is no such folder").into()),
    };
    let checked = check_environment(&root, environment, reading, &mut problems);
    let before = problems.len();
    let mut jobs = load_jobs(&root, &checked, reading, &mut problems);
    let all_job_names = problems.len() == before;
    let all_jobs = all_job_names && jobs.iter().all(|checked| checked.findings.problems.is_empty());
    let known = Known { all_job_names, all_jobs, all_sql_roots: !checked.misses_sql };
    let mut sql = Sql::default();
    for (written, folder) in &checked.sql_roots {
        sql.load_root(written, folder, &mut problems);
    }
    validate_project(&mut jobs, &mut sql.models, &sql.seeds, known);

    problems.extend(jobs.iter_mut().flat_map(|job| std::mem::take(&mut job.findings.problems).0));
    problems.extend(sql.models.iter_mut().flat_map(|model| std::mem::take(&mut model.findings.problems).0));
    match checked.environment {
        Some(environment) => problems.into_result(Project {
            root,
            environment,
            jobs: jobs.into_iter().map(|checked| (checked.job.name.clone(), checked.job)).collect(),
            models: sql.models.into_iter().map(|checked| (checked.model.name.clone(), checked.model)).collect(),
            seeds: sql.seeds.into_iter().map(|(seed, _)| (seed.name.clone(), seed)).collect(),
        }),
        None => {
            if problems.is_empty() {
                problems.push(Problem::new(environment_file(environment), "the environment is not complete"));
            }
            problems.into_result(()).and(Err(Problems::default()))
        }
    }
}

/// Reads and validates the environment alone, as [`load_project_to_look`] does: for looking at runs while a job or a
/// model has a mistake.
pub fn load_environment(
    root: &Path,
    environment: &str,
    read_env: &dyn Fn(&str) -> Option<String>,
) -> Result<Environment, Problems> {
    let mut problems = Problems::default();
    let root = match std::path::absolute(root) {
        Ok(root) if root.is_dir() => root,
        _ => return Err(Problem::new(root, "there is no such folder").into()),
    };
    let reading = Reading { variables: read_env, purpose: Purpose::Look };
    let checked = check_environment(&root, environment, reading, &mut problems);
    match checked.environment {
        Some(environment) => problems.into_result(environment),
        None => {
            if problems.is_empty() {
                problems.push(Problem::new(environment_file(environment), "the environment is not complete"));
            }
            Err(problems)
        }
    }
}

/// An environment with its jobs, read without the models.
#[derive(Debug)]
pub struct JobsAlone {
    pub environment: Environment,
    /// Those without a mistake of their own, by name.
    pub jobs: BTreeMap<String, Job>,
    /// What is wrong with the others.
    pub problems: Problems,
}

/// Reads and validates the environment and the jobs alone, as [`load_project_to_look`] does: for looking at them, fast,
/// while a model has a mistake.
///
/// # Errors
/// Where the environment cannot be read; a mistake in a job leaves that job out.
pub fn load_jobs_alone(
    root: &Path,
    environment: &str,
    read_env: &dyn Fn(&str) -> Option<String>,
) -> Result<JobsAlone, Problems> {
    let environment_alone = load_environment(root, environment, read_env)?;
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut problems = Problems::default();
    let reading = Reading { variables: read_env, purpose: Purpose::Look };
    let checked = check_environment(&root, environment, reading, &mut problems);
    let mut jobs = BTreeMap::new();
    for read in load_jobs(&root, &checked, reading, &mut problems) {
        if read.findings.problems.is_empty() {
            jobs.insert(read.job.name.clone(), read.job);
        }
        problems.extend(read.findings.problems.0);
    }
    Ok(JobsAlone { environment: environment_alone, jobs, problems })
}

/// Reads and validates the cases of a project's models, `tests/sql/<model>.yaml`, in the order of files and lines.
pub fn load_cases(project: &Project) -> Result<Vec<Case>, Problems> {
    let mut problems = Problems::default();
    let mut cases = Vec::new();
    let shown = Path::new("tests/sql");
    for (name, path) in entries(&project.root.join(shown), shown, &mut problems) {
        if extension(&path) != "yaml" {
            continue;
        }
        let Some(mut findings) = open(&project.root, &shown.join(&name), &mut problems) else { continue };
        if let Some(document) = read_document::<RawCases>(&mut findings, FileKind::Cases, Variables::None) {
            cases.extend(validate_cases(&mut findings, document.raw, &stem(&path), project));
        }
        problems.extend(findings.problems.0);
    }
    problems.into_result(cases)
}

/// Checks the environments that a run does not use: everything but the values of variables that are not set here.
pub fn check_other_environments(root: &Path, used: &str, read_env: &dyn Fn(&str) -> Option<String>) -> Problems {
    let mut problems = Problems::default();
    for name in stems(&root.join("config"), "yaml").iter().filter(|name| *name != used) {
        let Some(mut findings) = open(root, &environment_file(name), &mut problems) else { continue };
        let variables = Variables::EnvironmentAsFarAsSet(read_env);
        if let Some(document) = read_document::<RawEnvironment>(&mut findings, FileKind::Environment, variables) {
            let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
            validate_environment(&mut findings, &document.raw, name, &root, &|folder| folder.is_dir());
        }
        problems.extend(findings.problems.0);
    }
    problems.0.sort();
    problems
}

fn environment_file(name: &str) -> PathBuf {
    Path::new("config").join(format!("{name}.yaml"))
}

fn check_environment(root: &Path, name: &str, reading: Reading<'_>, problems: &mut Problems) -> CheckedEnvironment {
    let file = environment_file(name);
    let is_name = |name: &str| {
        name.chars().all(|character| character.is_ascii_alphanumeric() || "._-".contains(character))
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
    };
    if !is_name(name) || !root.join(&file).is_file() {
        let existing = stems(&root.join("config"), "yaml");
        let names: Vec<&str> = existing.iter().map(String::as_str).collect();
        let message = match names.as_slice() {
            [] => format!("the environment `{name}` has no file here"),
            names => format!("the environment `{name}` has no file here, expected {}", one_of(names)),
        };
        let hint = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| match names.as_slice() {
            [] => "a project is a folder with `config/`, `jobs/` and `sql/`".to_owned(),
            _ => format!("write {}, or choose another with --env", file.display()),
        });
        problems.push(Problem::new(file, message).hint(hint));
        // Models and jobs are checked all the same, as if they were to run with the defaults.
        let mut nowhere = Findings::new("", "");
        return validate_environment(&mut nowhere, &RawEnvironment::default(), name, root, &|folder| folder.is_dir());
    }
    let Some(mut findings) = open(root, &file, problems) else {
        return CheckedEnvironment::default();
    };
    let variables = Variables::Environment(reading.variables);
    let left_out = reading.left_out(TELLING_IN_ENVIRONMENT);
    let document = read_document_without(&mut findings, FileKind::Environment, variables, left_out);
    let raw = document.map(|document| document.raw).unwrap_or_default();
    let checked = validate_environment(&mut findings, &raw, name, root, &|folder| folder.is_dir());
    problems.extend(findings.problems.0);
    checked
}

fn load_jobs(
    root: &Path,
    environment: &CheckedEnvironment,
    reading: Reading<'_>,
    problems: &mut Problems,
) -> Vec<CheckedJob> {
    let mut jobs = Vec::new();
    for (name, path) in entries(&root.join("jobs"), Path::new("jobs"), problems) {
        let file = Path::new("jobs").join(&name);
        match extension(&path) {
            "yaml" => {}
            "yml" => {
                problems.push(Problem::new(file, "a job's file ends in `.yaml`").hint("rename it"));
                continue;
            }
            _ => continue,
        }
        let stem = stem(&path);
        if !is_identifier(&stem) {
            let message = format!("the job `{stem}` is not a name, expected lower-case letters, digits and `_`");
            problems.push(Problem::new(&file, message).hint("rename the file"));
        }
        let Some(mut findings) = open(root, &file, problems) else { continue };
        let variables = Variables::EnvironmentAndRaw(reading.variables);
        let left_out = reading.left_out(TELLING_IN_JOB);
        match read_document_without::<RawJob>(&mut findings, FileKind::Job, variables, left_out) {
            Some(document) => jobs.push(validate_job(findings, document.raw, &stem, environment, root)),
            None => problems.extend(findings.problems.0),
        }
    }
    jobs
}

/// The models and seeds of all SQL roots; the first root that has one wins.
#[derive(Default)]
struct Sql {
    models: Vec<CheckedModel>,
    /// With whether it is right.
    seeds: Vec<(Seed, bool)>,
    /// What earlier roots have, right or wrong.
    taken: BTreeSet<TableName>,
}

/// Schemas that are not built from SQL files.
const RESERVED_SCHEMAS: [&str; 3] = ["landed", "ops", "information_schema"];

impl Sql {
    /// Reads one root. `written` is the folder as messages name it.
    fn load_root(&mut self, written: &Path, folder: &Path, problems: &mut Problems) {
        let mut found = BTreeSet::new();
        for (schema, path) in entries(folder, written, problems) {
            let shown = written.join(&schema);
            if !path.is_dir() {
                if ["sql", "yaml", "csv"].contains(&extension(&path)) {
                    let message = "the file lies in no schema's folder, expected one such as `marts`";
                    problems.push(Problem::new(shown, message).hint("move it into the folder of its schema"));
                }
                continue;
            }
            if RESERVED_SCHEMAS.contains(&schema.as_str()) {
                let message = format!("the schema `{schema}` is not built from SQL, expected another folder name");
                problems.push(Problem::new(shown, message));
                continue;
            }
            if !is_identifier(&schema) {
                let message =
                    format!("the folder `{schema}` is not a name, expected lower-case letters, digits and `_`");
                problems.push(Problem::new(shown, message));
                continue;
            }
            for (table, pair) in pairs(&path, &shown, &schema, problems) {
                let name = TableName::new(&schema, &table);
                found.insert(name.clone());
                if self.taken.contains(&name) {
                    continue;
                }
                if !is_identifier(&table) {
                    let message =
                        format!("the model `{table}` is not a name, expected lower-case letters, digits and `_`");
                    problems.push(Problem::new(pair.any_file(&shown, &table), message).hint("rename its files"));
                    continue;
                }
                if schema == "seeds" {
                    self.load_seed(&table, &pair, &path, &shown, problems);
                    continue;
                }
                self.load_model(name, &pair, &path, &shown, problems);
            }
        }
        self.taken.extend(found);
    }

    fn load_model(&mut self, name: TableName, pair: &Pair, folder: &Path, shown: &Path, problems: &mut Problems) {
        let (sql_file, yaml_file) = (format!("{}.sql", name.table), format!("{}.yaml", name.table));
        let mut files =
            ModelFiles { name, sql: String::new(), sql_file: shown.join(&sql_file), yaml_file: shown.join(&yaml_file) };
        let mut findings = Findings::new(&files.yaml_file, "");
        let mut document = None;
        if pair.both(&sql_file, &yaml_file, "model", shown, &mut findings.problems) {
            if let Some(sql) = open_in(folder, shown, &sql_file, problems) {
                files.sql = sql.text().to_owned();
                if files.sql.trim().is_empty() {
                    problems.push(Problem::new(&files.sql_file, "the file is empty, expected a query"));
                }
            }
            if let Some(yaml) = open_in(folder, shown, &yaml_file, &mut findings.problems) {
                findings = yaml;
                document = read_document::<RawModel>(&mut findings, FileKind::Model, Variables::None);
            }
        }
        // A model that cannot be read is still one that others may name.
        let is_read = document.is_some();
        let (raw, places) = document.map(|document| (document.raw, document.places)).unwrap_or_default();
        self.models.push(CheckedModel { is_read, ..validate_model(findings, raw, places, files) });
    }

    fn load_seed(&mut self, name: &str, pair: &Pair, folder: &Path, shown: &Path, problems: &mut Problems) {
        let (csv_file, yaml_file) = (format!("{name}.csv"), format!("{name}.yaml"));
        let mut yaml = Findings::new(shown.join(&yaml_file), "");
        let mut csv = Findings::new(shown.join(&csv_file), "");
        let mut raw = None;
        if pair.both(&csv_file, &yaml_file, "seed", shown, &mut yaml.problems) {
            csv = open_in(folder, shown, &csv_file, &mut yaml.problems).unwrap_or(csv);
            if let Some(read) = open_in(folder, shown, &yaml_file, &mut csv.problems) {
                let earlier = std::mem::replace(&mut yaml, read);
                yaml.problems.extend(earlier.problems.0);
                raw = read_document::<RawSeed>(&mut yaml, FileKind::Seed, Variables::None).map(|document| document.raw);
            }
        }
        let csv_path = csv.file.clone();
        let seed = validate_seed(&mut yaml, &mut csv, raw.unwrap_or_default(), name, csv_path);
        let is_right = yaml.problems.is_empty() && csv.problems.is_empty();
        self.seeds.push((seed, is_right));
        problems.extend(yaml.problems.0);
        problems.extend(csv.problems.0);
    }
}

/// Which of a model's or seed's two files exist.
#[derive(Debug, Default)]
struct Pair {
    has_content: bool,
    has_yaml: bool,
    content_ending: &'static str,
}

impl Pair {
    fn any_file(&self, folder: &Path, table: &str) -> PathBuf {
        let ending = if self.has_yaml { "yaml" } else { self.content_ending };
        folder.join(format!("{table}.{ending}"))
    }

    /// Tells whether both files exist; reports the one that does not.
    fn both(&self, content: &str, yaml: &str, what: &str, folder: &Path, problems: &mut Problems) -> bool {
        let (file, missing) = match (self.has_content, self.has_yaml) {
            (true, true) => return true,
            (true, false) => (content, yaml),
            (false, _) => (yaml, content),
        };
        let message = format!("the {what} has no `{missing}` beside this file");
        let hint = match what {
            "seed" => "a seed is two files: a `.csv`, and a `.yaml` that says what its columns are",
            _ => "a model is two files: a `.sql`, and a `.yaml` that says what its table promises",
        };
        problems.push(Problem::new(folder.join(file), message).hint(hint));
        false
    }
}

/// The files of a schema's folder, by the name of their table.
fn pairs(folder: &Path, shown: &Path, schema: &str, problems: &mut Problems) -> BTreeMap<String, Pair> {
    let content_ending = if schema == "seeds" { "csv" } else { "sql" };
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    for (name, path) in entries(folder, shown, problems) {
        if path.is_dir() {
            let message = "a folder inside a schema's folder is not read, expected files only";
            problems.push(Problem::new(shown.join(&name), message).hint("move its files up"));
            continue;
        }
        let ending = extension(&path);
        if ending == "yml" {
            problems.push(Problem::new(shown.join(&name), "a model's file ends in `.yaml`").hint("rename it"));
        }
        if ending != content_ending && ending != "yaml" {
            continue;
        }
        let pair = pairs.entry(stem(&path)).or_default();
        pair.content_ending = content_ending;
        pair.has_content |= ending == content_ending;
        pair.has_yaml |= ending == "yaml";
    }
    pairs
}

fn open(root: &Path, file: &Path, problems: &mut Problems) -> Option<Findings> {
    match read_text(&root.join(file)) {
        Ok(text) => Some(Findings::new(file, text)),
        Err(why) => {
            problems.push(Problem::new(file, format!("the file {why}")));
            None
        }
    }
}

fn open_in(folder: &Path, shown: &Path, file: &str, problems: &mut Problems) -> Option<Findings> {
    match read_text(&folder.join(file)) {
        Ok(text) => Some(Findings::new(shown.join(file), text)),
        Err(why) => {
            problems.push(Problem::new(shown.join(file), format!("the file {why}")));
            None
        }
    }
}

/// The names and paths in a folder, in order, without hidden ones; a folder that does not exist is empty.
fn entries(folder: &Path, shown: &Path, problems: &mut Problems) -> Vec<(String, PathBuf)> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let read = std::fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut found: Vec<(String, PathBuf)> = match read {
        Ok(entries) => entries
            .into_iter()
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
            .filter(|(name, _)| !name.starts_with('.'))
            .collect(),
        Err(error) => {
            problems.push(Problem::new(shown, format!("the folder cannot be read: {error}")));
            Vec::new()
        }
    };
    found.sort();
    found
}

fn stems(folder: &Path, ending: &str) -> Vec<String> {
    let mut nothing = Problems::default();
    let files = entries(folder, folder, &mut nothing).into_iter().map(|(_, path)| path);
    files.filter(|path| extension(path) == ending).map(|path| stem(&path)).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(OsStr::to_str).unwrap_or_default()
}
