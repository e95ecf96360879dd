//! All mistakes are reported together, each as a reader needs it.

use std::path::Path;

use lifecycle::config::{Problem, Problems};

use super::mistakes::{Edit, file_mistakes};
use super::{copy_of, load};

/// As many mistakes as fit into one project: in each file the replacements whose texts do not touch each other.
#[test]
fn mistakes_in_many_files_are_found_in_one_go() {
    let project = copy_of("project");
    let replace = |file: &str, pairs: &[(&str, &str)]| {
        let path = project.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let changed = pairs.iter().fold(text, |text, (from, to)| text.replace(from, to));
        std::fs::write(&path, changed).expect("a written file");
    };
    replace(
        "config/local.yaml",
        &[("GBP", "gbp"), ("Europe/London", "Nowhere"), ("memory_limit", "memory"), ("WAREHOUSE_SECRET", "UNSET")],
    );
    replace(
        "jobs/nightly.yaml",
        &[("0 2 * * *", "0 2 30 2 *"), ("locat", "loct"), ("max: 99", "max: x"), ("{type: date", "{type: dat")],
    );
    replace("jobs/hourly.yaml", &[("tag:live", "tag:dead")]);
    replace("sql/marts/churn.yaml", &[("[customer_id]", "[nobody]"), ("money", "cash"), ("error", "fatal")]);
    replace("sql/seeds/stages.csv", &[("0.25", "a quarter"), ("2026-02-28", "soon")]);

    let problems = load(project.path()).expect_err("mistakes");
    let mut found: Vec<(String, Option<usize>)> =
        problems.0.iter().map(|problem| (problem.file.display().to_string(), problem.line)).collect();
    found.dedup();
    let expected: Vec<(String, Option<usize>)> = [
        ("config/local.yaml", 5),
        ("config/local.yaml", 6),
        ("config/local.yaml", 7),
        ("config/local.yaml", 17),
        ("jobs/hourly.yaml", 13),
        ("jobs/nightly.yaml", 3),
        ("jobs/nightly.yaml", 7),
        ("jobs/nightly.yaml", 15),
        ("jobs/nightly.yaml", 24),
        ("jobs/nightly.yaml", 28),
        ("sql/marts/churn.yaml", 4),
        ("sql/marts/churn.yaml", 19),
        ("sql/marts/churn.yaml", 24),
        ("sql/seeds/stages.csv", 3),
        ("sql/seeds/stages.csv", 4),
    ]
    .map(|(file, line)| (file.to_owned(), Some(line)))
    .to_vec();
    assert_eq!(found, expected, "{problems}");
}

#[test]
fn two_mistakes_in_two_files_are_two_problems() {
    // Every pair of neighbours in the table that touches two files.
    let all = file_mistakes();
    for pair in all.windows(2).filter(|pair| pair[0].file != pair[1].file) {
        if pair.iter().any(|mistake| !matches!(mistake.edit, Edit::Replace(..))) {
            continue;
        }
        let project = copy_of("project");
        pair.iter().for_each(|mistake| mistake.make(project.path()));
        let problems = load(project.path()).expect_err("mistakes");
        for mistake in pair {
            let is_found = problems.0.iter().any(|problem| problem.file == Path::new(mistake.expected_file()));
            assert!(is_found, "{}: {problems}", mistake.message);
        }
    }
}

#[test]
fn a_problem_is_shown_with_its_line_a_caret_and_a_hint() {
    let project = copy_of("project");
    let path = project.path().join("jobs/hourly.yaml");
    let text = std::fs::read_to_string(&path).expect("a fixture");
    std::fs::write(&path, text.replace("location:", "locaton:")).expect("a written file");
    let problems = load(project.path()).expect_err("a mistake");
    insta::assert_snapshot!(problems, @r"
    error: unknown key `locaton`, expected one of `location`, `format`, `compression`, `csv`, `key`, `event_time`, `columns`, `unknown_columns`, `max_rejected`, `max_object_bytes`
     --> jobs/hourly.yaml:7:5
      |
    7 |     locaton: s3://visits/{day}/**/*.parquet
      |     ^
      = hint: did you mean `location`?
    ");
}

#[test]
fn a_problem_about_a_file_has_no_line() {
    let problem = Problem::new("sql/marts/churn.sql", "the file is empty, expected a query").hint("write one");
    insta::assert_snapshot!(Problems::from(problem), @r"
    error: the file is empty, expected a query
     --> sql/marts/churn.sql
      = hint: write one
    ");
}

#[test]
fn the_caret_stands_below_its_character_behind_tabs_and_wide_letters() {
    let problem = Problem::new("a.sql", "unknown column `b`").at(2, 7, "select 1\n\té'é', b\n");
    insta::assert_snapshot!(problem, @"
    error: unknown column `b`
     --> a.sql:2:7
      |
    2 | \té'é', b
      | \t     ^
    ");
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_reported() {
    let project = copy_of("project");
    let job = project.path().join("jobs/hourly.yaml");
    std::fs::write(&job, format!("# {}\n", "x".repeat(1 << 20))).expect("a written file");
    std::fs::write(project.path().join("sql/marts/churn.yaml"), b"description: caf\xe9\n").expect("a written file");
    let text = load(project.path()).expect_err("mistakes").to_string();
    assert!(text.contains("expected at most 1048576 (1 MiB)"), "{text}");
    assert!(text.contains("is not UTF-8 text: line 1 holds other bytes"), "{text}");
}

#[test]
fn a_secret_is_never_shown_whatever_is_wrong_with_it() {
    // Each text of the environment comes from a variable, and none of the values fits.
    let project = copy_of("minimal");
    let path = project.path().join("config/local.yaml");
    let keys = ["raw", "warehouse", "state", "timezone", "currency", "memory_limit"];
    let mut text: String = keys.iter().map(|key| format!("{key}: ${{env:SECRET}}\n")).collect();
    text +=
        "parameters: {clv_model: \"${env:SECRET}\", churn_window_days: \"${env:SECRET}\"}\nsql: [\"${env:SECRET}\"]\n";
    std::fs::write(&path, text).expect("a written file");
    let job = "name: ${env:SECRET}\nschedule: {cron: \"${env:SECRET}\"}\nmodels: [\"${env:SECRET}\"]\nsources:\n  a:\n    \
               location: ${env:SECRET}://x\n    format: ${env:SECRET}\n    key: [\"${env:SECRET}\"]\n    columns:\n      \
               a: {type: \"${env:SECRET}\", min: \"${env:SECRET}\"}\n";
    std::fs::write(project.path().join("jobs/nightly.yaml"), job).expect("a written file");
    let secret = |_: &str| Some("hunter2://no such thing*".to_owned());
    let problems = lifecycle::config::load_project(project.path(), "local", &secret).expect_err("mistakes");
    assert!(problems.len() >= 14, "{problems}");
    assert!(!problems.to_string().contains("hunter2"), "{problems}");
}
