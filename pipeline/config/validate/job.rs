//! `jobs/<name>.yaml`.

use std::path::Path;
use std::time::Duration;

use super::environment::CheckedEnvironment;
use super::notify::{validate_freshness, validate_notify};
use super::parameters::job_parameters;
use super::schedule::validate_schedule;
use super::source::validate_source;
use crate::config::document::Findings;
use crate::config::raw::{RawJob, RawRetry, Text};
use crate::config::text::{Unfit, parse_duration};
use crate::config::yaml::Placed;
use crate::config::{ExportFormat, Job, Retry};

/// Days.
const REPAIR_WINDOW: u64 = 90;

/// A job, and what the checks across files need of it.
#[derive(Debug)]
pub(crate) struct CheckedJob {
    pub job: Job,
    pub findings: Findings,
    /// The names of its sources, with their places.
    pub sources: Vec<Text>,
    /// Its model selectors, with their places.
    pub selectors: Vec<Text>,
    /// The jobs that it runs after, with their places.
    pub after: Vec<Text>,
}

/// Validates a job. `root` is absolute.
pub(crate) fn validate_job(
    mut findings: Findings,
    raw: RawJob,
    stem: &str,
    environment: &CheckedEnvironment,
    root: &Path,
) -> CheckedJob {
    if let Some(name) = &raw.name
        && name.value != stem
    {
        let message = format!("`name` is `{}`, expected that of the file, `{stem}`", name.shown());
        findings.report(name.place, message, Some("rename the file, or remove the key".to_owned()));
    }
    let schedule = raw.schedule.as_ref().and_then(|schedule| validate_schedule(&mut findings, schedule));
    let retry = validate_retry(&mut findings, &raw.retry);
    let repair_window = raw.repair_window.as_ref();
    let repair_window = repair_window.and_then(|text| findings.parse("repair_window", text, parse_repair_window));
    let mut sources = Vec::new();
    for (name, source) in &raw.sources.0 {
        sources.push(validate_source(&mut findings, name, source, environment.raw.as_ref(), root));
    }
    if raw.sources.0.is_empty() && raw.models.is_empty() && findings.problems.is_empty() {
        let message = "the job does nothing, expected `sources`, `models` or both";
        findings.report_file(message, None);
    }
    let notify = validate_notify(&mut findings, &raw.notify, environment);
    let freshness = validate_freshness(&mut findings, raw.freshness.as_ref());
    if freshness.is_none()
        && raw.freshness.is_none()
        && let Some(target) = raw.notify.on_stale.first()
    {
        let message = "`on_stale` without a `freshness` is never told";
        findings.report(target.place, message, Some("say how old the data may become: `freshness: 36h`".to_owned()));
    }
    let exports = validate_exports(&mut findings, &raw.publish.exports);
    let parameters = job_parameters(&mut findings, &raw.parameters, &environment.parameters);
    let job = Job {
        name: stem.to_owned(),
        file: findings.file.clone(),
        description: raw.description.map(|text| text.value).unwrap_or_default(),
        schedule,
        retry,
        repair_window: repair_window.unwrap_or(REPAIR_WINDOW),
        sources,
        models: raw.models.iter().map(|selector| selector.value.clone()).collect(),
        exports,
        notify,
        freshness,
        parameters,
    };
    let sources = raw.sources.0.into_iter().map(|(name, _)| name).collect();
    let after = raw.schedule.map(|schedule| schedule.value.after).unwrap_or_default();
    CheckedJob { job, findings, sources, selectors: raw.models, after }
}

/// Whole days, or `none`.
fn parse_repair_window(text: &str) -> Result<u64, Unfit> {
    const DAY: u64 = 86_400;
    if text.trim() == "none" {
        return Ok(0);
    }
    let unfit = || Unfit::new("whole days such as `90d`, or `none`");
    let window = parse_duration(text).map_err(|_| unfit())?;
    let is_whole = window.as_secs().is_multiple_of(DAY) && window.subsec_nanos() == 0;
    if is_whole { Ok(window.as_secs() / DAY) } else { Err(unfit()) }
}

fn validate_retry(findings: &mut Findings, raw: &RawRetry) -> Retry {
    let mut duration =
        |key: &str, text: &Option<Text>| text.as_ref().and_then(|text| findings.parse(key, text, parse_duration));
    let backoff = duration("backoff", &raw.backoff).unwrap_or(Duration::from_secs(30));
    let max_backoff = duration("max_backoff", &raw.max_backoff);
    if let (Some(max_backoff), Some(text)) = (max_backoff, &raw.max_backoff)
        && max_backoff < backoff
    {
        findings.report(text.place, "`max_backoff` is shorter than `backoff`", None);
    }
    Retry {
        attempts: raw.attempts.as_ref().map_or(3, |attempts| attempts.value),
        backoff,
        max_backoff: max_backoff.unwrap_or(Duration::from_secs(600).max(backoff)),
    }
}

fn validate_exports(findings: &mut Findings, raw: &[Placed<ExportFormat>]) -> Vec<ExportFormat> {
    let mut exports = Vec::new();
    for format in raw {
        if exports.contains(&format.value) {
            findings.report(format.place, "`exports` names a format twice", None);
        } else {
            exports.push(format.value);
        }
    }
    exports
}
