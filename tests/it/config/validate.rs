//! `lifecycle validate`, the real binary, over the table of mistakes: one message, the right place, nothing touched.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::mistakes::{Mistake, file_mistakes, sql_mistakes};
use super::{copy_of, environment_variables};

fn validate(project: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
    command.arg("--project").arg(project).arg("validate").env("NO_COLOR", "1");
    for name in ["WAREHOUSE_SECRET", "ALERT_WEBHOOK"] {
        command.env(name, environment_variables(name).expect("a variable"));
    }
    command.output().expect("the binary")
}

/// What is wrong with the binary's answer to a mistake; `None` where it is as it should be.
fn wrong_answer(mistake: &Mistake) -> Option<String> {
    let project = copy_of("project");
    mistake.make(project.path());
    let output = validate(project.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut expected_place = format!("--> {}", mistake.expected_file());
    if let Some((line, column)) = mistake.place {
        expected_place += &format!(":{line}:{column}");
    }
    let messages = text.lines().filter(|line| line.starts_with("error: ")).count();
    let is_placed = text.lines().any(|line| line.trim_start() == expected_place);
    let hint = mistake.hint.unwrap_or_default();
    let is_said = text.contains(mistake.message) && text.contains(hint);
    let touched = ["data", "warehouse", ".lifecycle"].iter().any(|name| project.path().join(name).exists());
    let is_right = output.status.code() == Some(2)
        && output.stdout.is_empty()
        && messages == 1
        && is_placed
        && is_said
        && !touched
        && !text.contains("hunter");
    if is_right {
        return None;
    }
    let code = output.status.code();
    let message = mistake.message;
    Some(format!("expected `{message}` {hint}\n{expected_place}, got {code:?}, touched {touched}\n{text}\n"))
}

/// Asks the binary about each mistake, as many at a time as there are processors.
fn wrong_answers(mistakes: &[Mistake]) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(mistake) = mistakes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().expect("a list").extend(wrong_answer(mistake));
                }
            });
        }
    });
    wrong.into_inner().expect("a list")
}

#[test]
fn a_sound_project_is_said_to_be_sound() {
    let project = copy_of("project");
    let output = validate(project.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text, "no mistakes in 2 jobs, 4 models and 1 seed\n");
}

#[test]
fn each_mistake_in_sql_gives_one_message_with_its_place() {
    let wrong = wrong_answers(&sql_mistakes());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every third of them: all are tried on the library, without a process for each.
#[test]
fn mistakes_in_files_give_one_message_with_their_place() {
    let mistakes: Vec<Mistake> = file_mistakes().into_iter().step_by(3).collect();
    assert!(mistakes.len() >= 40);
    let wrong = wrong_answers(&mistakes);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistakes_of_several_files_and_kinds_are_reported_at_once() {
    let project = copy_of("project");
    let write = |name: &str, text: &str| std::fs::write(project.path().join(name), text).expect("a written file");
    write("sql/marts/churn.sql", "select customer_id from staging.customer");
    write("sql/marts/live_visits.sql", "select visitor from landed.visits");
    write("sql/staging/order_lines.sql", "select order_id from landed.orders where");
    write("sql/staging/customers.sql", "select customer_id, born_on from landed.customers where $none > 1");
    let other = "raw: raw\nwarehouse: warehouse\nstate: state.db\ntimezone: Mars/Olympus\ncurrency: GBP\n";
    write("config/other.yaml", other);
    let output = validate(project.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for place in [
        "config/other.yaml:4:11",
        "sql/marts/churn.sql:1:25",
        "sql/marts/live_visits.sql:1:8",
        "sql/staging/customers.sql:1:57",
        "sql/staging/order_lines.sql:1:41",
    ] {
        assert!(text.contains(place), "{place} is missing\n{text}");
    }
    assert!(text.ends_with("5 mistakes in 5 files; nothing was touched\n"), "{text}");
}
