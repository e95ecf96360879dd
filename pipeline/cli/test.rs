//! `lifecycle test`: the cases of the project's models.

use futures::StreamExt;

use super::arguments::TestArguments;
use super::context::Context;
use super::numbers::plural;
use super::output::Style;
use super::{ExitCode, Failure, Report};
use crate::config::{Problems, load_cases};
use crate::run::{run_cases, select_cases, validate_project};

/// Runs the cases of the chosen models; a case that differs is told with what it differs in.
pub async fn execute(arguments: &TestArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let mut problems = Problems(validate_project(&project).await?.0);
    let cases = match load_cases(&project) {
        Ok(cases) => cases,
        Err(found) => {
            problems.extend(found.0);
            Vec::new()
        }
    };
    problems.into_result(()).map_err(Failure::Problems)?;
    let (graph, cases) = select_cases(&project, cases, &arguments.select)?;
    if cases.is_empty() {
        return Err(Failure::Usage(
            Report::new("there is no case to run")
                .hint("cases lie in tests/sql, one file per model, such as tests/sql/marts.churn.yaml"),
        ));
    }
    let total = cases.len() as u64;
    let stage = context.progress.start("testing", Some(total));
    let mut failed = 0_u64;
    let mut outcomes = std::pin::pin!(run_cases(project, graph, cases));
    while let Some(outcome) = outcomes.next().await {
        stage.advance(1);
        let case = &outcome.case;
        let title = format!("{}: {}", case.model, case.name);
        if outcome.is_passed() {
            if !arguments.failed {
                context.output.text(&format!("{}  {title}\n", context.output.paint("passed", Style::Good)))?;
            }
            continue;
        }
        failed += 1;
        let mut text = format!("{}  {title}\n", context.output.paint("failed", Style::Bad));
        text.push_str(&format!("    {}:{}\n", case.file.display(), case.line));
        for difference in &outcome.differences {
            text.push_str(&format!("    {difference}\n"));
        }
        context.output.text(&text)?;
    }
    stage.finish();
    if failed > 0 {
        return Err(Failure::Failed(Report::new(format!("{failed} of {} failed", plural(total, "case", "cases")))));
    }
    context.output.message(&format!("{} passed", plural(total, "case", "cases")));
    Ok(ExitCode::Done)
}
