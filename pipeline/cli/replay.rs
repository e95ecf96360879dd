//! `lifecycle rejected replay`: lands refused rows again.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::Field;

use super::arguments::ReplayArguments;
use super::batches::{BatchPrinter, DataFormat};
use super::context::Context;
use super::failure::Report;
use super::rejected::{batch, find_source};
use super::surroundings::{surroundings, warn_of_cut_objects};
use super::{ExitCode, Failure, numbers};
use crate::config::Source;
use crate::run::{ReplayPlan, ReplayReport, Replayed, plan_replay, replay_rejected};

/// Reasons that are listed for a source.
const LISTED: usize = 10;

/// Replays refused rows, or says what that would read.
pub async fn execute(arguments: &ReplayArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let surroundings = surroundings(context, &project);
    let source = arguments.source.as_deref();
    if let Some(name) = source {
        let sources: Vec<&Source> = project.sources().collect();
        find_source(&sources, name)?;
    }
    if arguments.dry_run {
        let plans = context.interruptible(async { Ok(plan_replay(&project, &surroundings, source).await?) }).await?;
        return print_plans(&plans, arguments.format, context);
    }
    let state = context.open_state(&project.environment).await?;
    let replayed = replay_rejected(&project, &state, &surroundings, source).await?;
    tell(replayed, arguments.format, context)
}

fn texts<'t>(values: impl Iterator<Item = &'t str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, Failure> {
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)).collect();
    batch(fields, columns.into_iter().map(|(_, array)| array).collect())
}

fn print(batch: &RecordBatch, format: DataFormat, context: &Context) -> Result<(), Failure> {
    let mut printer = BatchPrinter::new(&context.output, format, batch.schema(), None)?;
    printer.write(batch)?;
    printer.finish()
}

fn print_plans(plans: &[ReplayPlan], format: DataFormat, context: &Context) -> Result<ExitCode, Failure> {
    if plans.is_empty() {
        context.output.message("no rejected rows");
    }
    for plan in plans {
        if !plan.is_contract_changed {
            context.output.message(&same_contract(&plan.source));
        }
        if plan.refused_of_gone > 0 {
            let rows = numbers::plural(plan.refused_of_gone, "refused row", "refused rows");
            context.output.message(&format!("{}: {rows} of objects that are gone from the drop zone", plan.source));
        }
    }
    let all = table(vec![
        ("source", texts(plans.iter().map(|plan| plan.source.as_str()))),
        ("job", texts(plans.iter().map(|plan| plan.job.as_str()))),
        ("refused", counts(plans.iter().map(|plan| plan.refused))),
        ("in_objects", counts(plans.iter().map(|plan| plan.objects))),
        ("objects_to_read", counts(plans.iter().map(|plan| plan.to_read))),
        ("bytes_to_read", counts(plans.iter().map(|plan| plan.bytes))),
    ])?;
    print(&all, format, context)?;
    Ok(ExitCode::Done)
}

fn same_contract(source: &str) -> String {
    format!("{source}: the contract is the one that refused these rows; mend it in the job's file first")
}

fn tell(replayed: Vec<Replayed>, format: DataFormat, context: &Context) -> Result<ExitCode, Failure> {
    if replayed.is_empty() {
        context.output.message("no rejected rows");
        return Ok(ExitCode::Done);
    }
    let mut done: Vec<(String, String, ReplayReport)> = Vec::new();
    let mut failures: Vec<(String, Failure)> = Vec::new();
    for one in replayed {
        match one.outcome {
            Ok(report) => done.push((one.source, one.job, report)),
            Err(error) => failures.push((one.source, error.into())),
        }
    }
    for (source, job, report) in &done {
        warn_of_cut_objects(&report.landing, context);
        context.output.message(&summary(source, job, report));
    }
    if !done.is_empty() {
        let of = |count: fn(&ReplayReport) -> u64| counts(done.iter().map(move |(_, _, report)| count(report)));
        let all = table(vec![
            ("source", texts(done.iter().map(|(source, _, _)| source.as_str()))),
            ("refused_before", of(|report| report.refused_before)),
            ("landed", of(|report| report.landed)),
            ("still_refused", of(|report| report.still_refused)),
            ("newly_refused", of(|report| report.newly_refused)),
        ])?;
        print(&all, format, context)?;
    }
    if failures.is_empty() {
        return Ok(ExitCode::Done);
    }
    let sources = failures.len() + done.len();
    let is_partial = !done.is_empty();
    if !is_partial && failures.len() == 1 {
        return failures.pop().map_or(Ok(ExitCode::Failed), |(_, failure)| Err(failure));
    }
    let failed = failures.len();
    for (source, failure) in failures {
        let report = failure.into_report();
        let causes = report.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
        context.output.warning(&format!("{source}: {}{causes}", report.message), report.hint.as_deref());
    }
    let report = Report::new(format!("{failed} of {sources} sources could not be replayed"));
    Err(if is_partial { Failure::Partial(report) } else { Failure::Failed(report) })
}

fn summary(source: &str, job: &str, report: &ReplayReport) -> String {
    let landing = &report.landing;
    let objects = numbers::plural(landing.objects.len() as u64, "object", "objects");
    let mut lines = vec![format!("{source}: {objects} read, {} of compressed data", numbers::bytes(landing.bytes()))];
    let kept = landing.kept;
    if kept.landed + kept.refused > 0 {
        let rows = numbers::plural(kept.landed + kept.refused, "refused row", "refused rows");
        let landed = numbers::count(kept.landed);
        lines.push(format!("  {rows} of objects that are gone: {landed} landed from the text that was kept"));
    }
    if report.replaced > 0 {
        let rows = numbers::plural(report.replaced, "refused row", "refused rows");
        lines.push(format!("  {rows} of objects that were delivered anew"));
    }
    let mut reasons: Vec<(&String, &u64)> = report.reasons.iter().collect();
    reasons.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    for (reason, count) in reasons.iter().take(LISTED) {
        lines.push(format!("  refused now {}: {reason}", numbers::plural(**count, "time", "times")));
    }
    if reasons.len() > LISTED {
        lines.push(format!("  and {} more reasons: see `lifecycle rejected`", reasons.len() - LISTED));
    }
    if landing.committed {
        lines.push(format!("  `lifecycle run {job}` builds what this changed"));
    } else if report.is_contract_changed {
        lines.push("  nothing changed".to_owned());
    } else {
        lines.push(format!("  nothing changed: {}", &same_contract(source)[source.len() + 2..]));
    }
    lines.join("\n")
}
