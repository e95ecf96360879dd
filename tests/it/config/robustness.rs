//! Whatever a file holds, reading it ends with a project or with problems.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{copy_of, fixture, load};

const FILES: [&str; 5] =
    ["config/local.yaml", "jobs/nightly.yaml", "sql/marts/churn.yaml", "sql/seeds/stages.yaml", "sql/seeds/stages.csv"];

/// Pieces that have a meaning in YAML or in our own texts.
const PIECES: [&str; 24] = [
    ":", "\n", "\t", "- ", "{", "}", "[", "]", "\"", "'", "&a ", "*a", "!t ", "|", ">", "#", "? ", "<<: ", "${",
    "${env:", "%", "\u{feff}", "é", "---\n",
];

static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let read = |file: &&str| std::fs::read_to_string(fixture("project").join(file)).expect("a fixture");
    FILES.iter().map(read).collect()
});

fn loads_or_reports(file: usize, text: &str) {
    let project = copy_of("project");
    std::fs::write(project.path().join(FILES[file]), text).expect("a written file");
    if let Err(problems) = load(project.path()) {
        assert!(!problems.is_empty());
        for problem in &problems.0 {
            let lines = text.lines().count();
            if problem.file == std::path::Path::new(FILES[file]) {
                assert!(problem.line.is_none_or(|line| line >= 1 && line <= lines + 1), "{problem}");
            }
            assert!(!problem.message.is_empty() && !problem.to_string().is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_prefix_of_a_file_never_panics(file in 0..FILES.len(), share in 0.0..1.0_f64) {
        let text = &TEXTS[file];
        let length = (text.len() as f64 * share) as usize;
        loads_or_reports(file, text.get(..length).unwrap_or(""));
    }

    #[test]
    fn a_file_with_pieces_put_in_never_panics(
        file in 0..FILES.len(),
        edits in prop::collection::vec((0.0..1.0_f64, 0..PIECES.len(), 0..4_usize), 1..4),
    ) {
        let mut text: Vec<char> = TEXTS[file].chars().collect();
        for (share, piece, removed) in edits {
            let start = (text.len() as f64 * share) as usize;
            let end = (start + removed).min(text.len());
            text.splice(start..end, PIECES[piece].chars());
        }
        loads_or_reports(file, &text.into_iter().collect::<String>());
    }

    #[test]
    fn a_file_of_any_text_never_panics(file in 0..FILES.len(), text in "\\PC{0,80}") {
        loads_or_reports(file, &text);
    }
}

#[test]
fn aliases_and_deep_nesting_end() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n";
    loads_or_reports(1, bomb);
    loads_or_reports(1, &format!("a: {}", "[".repeat(10_000)));
    loads_or_reports(1, "a: &a [*a]\n");
}

#[test]
fn large_files_are_read_in_a_moment() {
    let keys: String = (0..40_000).map(|number| format!("k{number}: {number}\n")).collect();
    loads_or_reports(1, &keys);
    loads_or_reports(1, &format!("a: [{}]", "1.5, ".repeat(80_000)));
    let rows = "x,suspect,soon,much\n".repeat(20_000);
    loads_or_reports(4, &format!("rank,stage,entered_on,share\n{rows}"));
}

#[test]
fn no_more_than_two_hundred_mistakes_of_a_file_are_told() {
    let project = copy_of("project");
    let rows = "x,suspect,,\n".repeat(500);
    std::fs::write(project.path().join(FILES[4]), format!("rank,stage,entered_on,share\n{rows}")).expect("a file");
    let problems = load(project.path()).expect_err("mistakes");
    assert_eq!(problems.len(), 201);
    assert_eq!(problems.0[0].message, "there are more than 200 mistakes; the rest is left out");
}
