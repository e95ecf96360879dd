//! The cases of `tests/sql/*.yaml`: one file per model, each case with given rows and expected rows.

use futures::StreamExt;
use lifecycle::run::run_cases;

use super::builder::{cases, graph, project};

#[tokio::test]
async fn every_case_gives_the_expected_rows() {
    let project = project();
    let (graph, cases) = (graph(&project), cases(&project));
    let count = cases.len();
    assert!(count > 50, "only {count} cases");
    let mut failures = Vec::new();
    let mut outcomes = std::pin::pin!(run_cases(project, graph, cases));
    while let Some(outcome) = outcomes.next().await {
        if !outcome.is_passed() {
            let (case, differences) = (&outcome.case, outcome.differences.join("\n  "));
            failures.push(format!("{}, {}:\n  {differences}", case.model, case.name));
        }
    }
    assert!(failures.is_empty(), "{} of {count} cases fail\n{}", failures.len(), failures.join("\n"));
}

/// A model that publishes something has cases.
#[test]
fn every_mart_has_cases() {
    let project = project();
    let cases = cases(&project);
    let marts = project.models.keys().filter(|name| name.schema == "marts");
    let without: Vec<String> =
        marts.filter(|mart| cases.iter().all(|case| case.model != **mart)).map(ToString::to_string).collect();
    assert!(without.is_empty(), "these marts have no cases in tests/sql: {}", without.join(", "));
}
