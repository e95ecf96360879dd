//! `lifecycle demo`: a made-up business, from raw files to published tables.

use super::arguments::DemoArguments;
use super::context::Context;
use super::surroundings::surroundings;
use super::{ExitCode, Failure, Report, init, numbers, run};
use crate::demo::{DemoError, DemoSettings, generate};
use crate::run::{RunRequest, run_job};
use crate::state::Trigger;

/// Generates the raw files into a project of their own, runs `nightly` over them, and says what to look at.
pub async fn execute(arguments: &DemoArguments, context: &Context) -> Result<ExitCode, Failure> {
    let directory = &arguments.dir;
    init::write_demo_project(directory)?;
    let mut settings = DemoSettings::new(directory);
    settings.customers =
        u32::try_from(arguments.customers).map_err(|_| Failure::usage("--customers is more than the demo can make"))?;
    settings.days = arguments.days;
    settings.seed = arguments.seed;
    let stage = context.progress.start("making raw files", Some(u64::from(settings.days)));
    let worker = stage.clone();
    let generated = tokio::task::spawn_blocking({
        let settings = settings.clone();
        move || generate(&settings, &mut |progress| worker.message(&format!("{}", progress.day)))
    });
    let summary = generated.await.map_err(|error| Failure::failed(&error))?.map_err(|error| refused(&error))?;
    stage.finish();
    let shown = directory.display();
    context.output.message(&format!(
        "made {} raw files ({}) of a shop with {} customers over {} days in {shown}/raw",
        numbers::count(summary.objects.len() as u64),
        numbers::bytes(summary.bytes()),
        numbers::count(arguments.customers),
        arguments.days,
    ));
    let mut context = context.clone();
    context.project = directory.clone();
    context.environment = "local".to_owned();
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    let request = RunRequest {
        job: "nightly".to_owned(),
        as_of: summary.last_day,
        select: Vec::new(),
        full_refresh: false,
        variables: Vec::new(),
        trigger: Trigger::Manual,
        backfill_id: None,
    };
    let report = run_job(&project, &state, &surroundings(&context, &project), &request).await?;
    run::tell(&report, &context);
    context.output.message(&format!(
        "the tables are in {shown}/warehouse/marts (Delta) and {shown}/warehouse/exports/nightly (Parquet, CSV)\n\nlook at\n  \
         lifecycle --project {shown} tables\n  \
         lifecycle --project {shown} query \"select * from marts.churn_summary\"\n  \
         lifecycle --project {shown} query \"select cell, customers, predicted_spend, roi from marts.customer_matrix_cells\"\n  \
         lifecycle --project {shown} rejected orders\n  \
         lifecycle --project {shown} run nightly --as-of {}    (again: nothing to do)",
        summary.last_day,
    ));
    Ok(ExitCode::Done)
}

fn refused(error: &DemoError) -> Failure {
    match error {
        DemoError::Settings { .. } | DemoError::NotEmpty { .. } => Failure::Usage(Report::from_error(error)),
        error => Failure::failed(error),
    }
}
