//! One mistake at a time: each gives one message with the right file, line and column.

mod environment;
mod job;
mod model;
mod seed;
mod source;
mod sql;
mod yaml;

use std::path::Path;

use lifecycle::config::Problems;

use super::{copy_of, load};

/// One change to the fixture project `project`, and the problem that it must give.
pub struct Mistake {
    /// The file that is changed, or where a change adds, removes or renames one, that file.
    pub file: &'static str,
    pub edit: Edit,
    /// The file that is reported, where it is another.
    pub reported_file: Option<&'static str>,
    /// Line and column; `None` for a mistake about the file as a whole.
    pub place: Option<(usize, usize)>,
    /// A part of the message.
    pub message: &'static str,
    /// A part of the hint.
    pub hint: Option<&'static str>,
}

pub enum Edit {
    /// Replaces the one place where the first text stands.
    Replace(&'static str, &'static str),
    Create(&'static str),
    Remove,
    Rename(&'static str),
}

impl Mistake {
    /// Makes the mistake in a copy of the project.
    pub fn make(&self, project: &Path) {
        let path = project.join(self.file);
        match self.edit {
            Edit::Replace(from, to) => {
                let text = std::fs::read_to_string(&path).expect("a fixture");
                assert_eq!(text.matches(from).count(), 1, "`{from}` must stand once in {}", self.file);
                std::fs::write(&path, text.replace(from, to)).expect("a written file");
            }
            Edit::Create(text) => {
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                std::fs::write(&path, text).expect("a written file");
            }
            Edit::Remove => std::fs::remove_file(&path).expect("a removed file"),
            Edit::Rename(to) => std::fs::rename(&path, project.join(to)).expect("a renamed file"),
        }
    }

    pub fn expected_file(&self) -> &'static str {
        self.reported_file.unwrap_or(self.file)
    }

    fn is_found_in(&self, problems: &Problems) -> bool {
        problems.0.iter().any(|problem| {
            problem.file == Path::new(self.expected_file())
                && problem.line.zip(problem.column) == self.place
                && problem.message.contains(self.message)
                && self.hint.is_none_or(|hint| problem.hint.as_deref().unwrap_or_default().contains(hint))
        })
    }
}

const LOCAL: &str = "config/local.yaml";
const NIGHTLY: &str = "jobs/nightly.yaml";
const HOURLY: &str = "jobs/hourly.yaml";
const CHURN: &str = "sql/marts/churn.yaml";
const LINES: &str = "sql/staging/order_lines.yaml";
const STAGES: &str = "sql/seeds/stages.yaml";
const STAGES_CSV: &str = "sql/seeds/stages.csv";

const fn replace(
    file: &'static str,
    from: &'static str,
    to: &'static str,
    place: (usize, usize),
    message: &'static str,
) -> Mistake {
    Mistake { file, edit: Edit::Replace(from, to), reported_file: None, place: Some(place), message, hint: None }
}

const fn file(file: &'static str, edit: Edit, message: &'static str) -> Mistake {
    Mistake { file, edit, reported_file: None, place: None, message, hint: None }
}

impl Mistake {
    const fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    const fn reported_in(self, file: &'static str) -> Self {
        Self { reported_file: Some(file), ..self }
    }

    const fn at(self, place: (usize, usize)) -> Self {
        Self { place: Some(place), ..self }
    }

    const fn nowhere(self) -> Self {
        Self { place: None, ..self }
    }
}

/// Every kind of mistake that shows when SQL is planned.
pub use sql::mistakes as sql_mistakes;

/// Every kind of mistake that is found without planning SQL.
pub fn file_mistakes() -> Vec<Mistake> {
    [
        yaml::mistakes(),
        environment::mistakes(),
        job::mistakes(),
        source::mistakes(),
        model::mistakes(),
        seed::mistakes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn each_mistake_gives_one_problem_with_its_place() {
    let mistakes = file_mistakes();
    assert!(mistakes.len() >= 40);
    let mut failures = String::new();
    for mistake in &mistakes {
        let project = copy_of("project");
        mistake.make(project.path());
        let problems = load(project.path()).err().unwrap_or_default();
        if problems.len() != 1 || !mistake.is_found_in(&problems) {
            failures += &format!(
                "{} {:?}: expected `{}`, got {} problems\n{problems}\n\n",
                mistake.expected_file(),
                mistake.place,
                mistake.message,
                problems.len()
            );
        }
        let text = problems.to_string();
        assert!(!text.contains("hunter") && !text.contains("AKIA"), "a secret is shown: {text}");
    }
    assert!(failures.is_empty(), "{failures}");
}
