//! `lifecycle doctor`: checks everything that a run needs, before a run needs it.

mod machine;
mod stores;

use std::time::Duration;

use super::arguments::DoctorArguments;
use super::context::Context;
use super::output::Style;
use super::text_table::{Cell, TextTable};
use super::{ExitCode, Failure, Report, notify, numbers};
use crate::config::{Environment, StateLocation};
use crate::state::{LeaseOutcome, Server, State, StateError};

const CONFIGURATION: &str = "configuration";

/// What a check of the environment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// One line of the report.
#[derive(Debug, Clone)]
struct Finding {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    hint: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, detail: detail.into(), hint: None }
    }

    fn warning(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn failed(name: &'static str, report: Report) -> Self {
        let detail = std::iter::once(report.message).chain(report.causes).collect::<Vec<_>>().join(": ");
        Self { name, verdict: Verdict::Failed, detail, hint: report.hint }
    }
}

/// Checks, prints a table, and fails if a check failed.
pub async fn execute(arguments: &DoctorArguments, context: &Context) -> Result<ExitCode, Failure> {
    let environment = &context.load_environment()?;
    let mut findings = vec![check_configuration(environment, context)];
    findings.push(check_state(environment, context).await);
    findings.extend(stores::check(environment, context.now()).await);
    findings.push(check_zone(environment, context));
    findings.push(machine::check_memory(environment));
    findings.extend(machine::check_disks(environment).await);
    if let Some(job) = &arguments.notify {
        findings.extend(check_notify(job, context).await?);
    }
    print(&findings, context)?;

    let failed: Vec<&str> =
        findings.iter().filter(|finding| finding.verdict == Verdict::Failed).map(|finding| finding.name).collect();
    let report = || Report::new(format!("not as it should be: {}", failed.join(", ")));
    match failed.as_slice() {
        [] => Ok(ExitCode::Done),
        [CONFIGURATION] => Err(Failure::Usage(report())),
        _ => Err(Failure::Failed(report())),
    }
}

fn print(findings: &[Finding], context: &Context) -> Result<(), Failure> {
    let mut table = TextTable::default().text("check").text("").text("found");
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => Cell::styled("ok", Style::Good),
            Verdict::Warning => Cell::styled("warn", Style::Warning),
            Verdict::Failed => Cell::styled("fail", Style::Bad),
        };
        table.row([finding.name.into(), verdict, finding.detail.as_str().into()]);
        if let Some(hint) = &finding.hint {
            table.row(["".into(), "".into(), format!("hint: {hint}").into()]);
        }
    }
    context.output.table(&table)
}

/// A mistake in a job or a model is for `validate` to show; here it is one line.
fn check_configuration(environment: &Environment, context: &Context) -> Finding {
    match context.load_project() {
        Ok(project) => Finding::ok(
            CONFIGURATION,
            format!(
                "environment {}, {}, {}",
                environment.name,
                numbers::plural(project.jobs.len() as u64, "job", "jobs"),
                numbers::plural(project.models.len() as u64, "model", "models"),
            ),
        ),
        Err(Failure::Problems(problems)) => {
            let mistakes = numbers::plural(problems.0.len() as u64, "mistake", "mistakes");
            let report = Report::new(format!("{mistakes} in the project's files"));
            Finding::failed(CONFIGURATION, report.hint("`lifecycle validate` shows them with their lines"))
        }
        Err(failure) => Finding::failed(CONFIGURATION, failure.into_report()),
    }
}

/// Opens the state, reads all of it, and takes and gives back a lease.
async fn check_state(environment: &Environment, context: &Context) -> Finding {
    const NAME: &str = "state";
    let location = &environment.state;
    match probe_state(environment, context).await {
        Ok(None) => Finding::ok(NAME, format!("{location}: opens, is whole, gives leases")),
        Ok(Some(server)) => check_server(NAME, location, &server, environment),
        Err(error) => {
            let report = Report::from_error(&error).maybe_hint(error.hint());
            match error {
                StateError::Locked { .. } => Finding::warning(NAME, report.message, report.hint.unwrap_or_default()),
                _ => Finding::failed(NAME, report),
            }
        }
    }
}

/// Compares the server's clock with this machine's: leases end by the clocks of those who take them.
fn check_server(name: &'static str, location: &StateLocation, server: &Server, environment: &Environment) -> Finding {
    let found = format!("{location}: {}, opens, is whole, gives leases", server.version);
    let ahead = server.clock_ahead.num_milliseconds() as f64 / 1000.0;
    if ahead.abs() > environment.lease.as_secs_f64() / 10.0 {
        return Finding::warning(
            name,
            format!("{found}; its clock is {ahead:+.1} s off this machine's"),
            "set the clocks of all machines by NTP: a lease may end too early for a machine whose clock is behind",
        );
    }
    Finding::ok(name, found)
}

async fn probe_state(environment: &Environment, context: &Context) -> Result<Option<Server>, StateError> {
    const LEASE: &str = "doctor";
    let state = State::open_within(&environment.state, Duration::from_secs(2)).await?;
    state.check_integrity().await?;
    let owner = format!("process {}", std::process::id());
    let now = context.now();
    // Held: another doctor is at it, which shows as well that leases work.
    if let LeaseOutcome::Acquired(lease) = state.acquire_lease(LEASE, &owner, Duration::from_secs(30), now).await? {
        state.release_lease(&lease, now).await?;
    }
    let server = state.server(|| context.now()).await?;
    state.close().await;
    Ok(server)
}

/// Sends a test to every target of a job.
async fn check_notify(job: &str, context: &Context) -> Result<Vec<Finding>, Failure> {
    const NAME: &str = "notify";
    let deliveries = notify::test(&context.load_project()?, job).await?;
    if deliveries.is_empty() {
        let hint = "add `notify: {on_failure: [{webhook: \"${env:NAME}\"}]}` to its file";
        return Ok(vec![Finding::warning(NAME, format!("{job} tells nobody anything"), hint)]);
    }
    Ok(deliveries
        .into_iter()
        .map(|delivery| match delivery.outcome {
            Ok(()) => Finding::ok(NAME, format!("{} of {job}: a test was sent", delivery.target)),
            Err(error) => {
                let report = Report::from_error(&error).while_doing(format!("{} of {job}", delivery.target));
                Finding::failed(NAME, report)
            }
        })
        .collect())
}

fn check_zone(environment: &Environment, context: &Context) -> Finding {
    let zone = environment.timezone;
    let now = numbers::instant(context.now(), zone);
    let last_day = context.last_complete_day(zone);
    Finding::ok("timezone", format!("{zone}, now {now}; the last complete business day is {last_day}"))
}
