//! The crash matrix: the real binary as a child, its store behind a door that fails, delays and kills at every call; the
//! same command again sets all right; and readers see whole releases only.
//!
//! ```text
//! child ──HTTP──> front ──> bucket (S3 over objects in memory) <── readers
//!   ^              │ n-th call, or a named one: fails before or after it was done, is cut off, never answered,
//!   └──── signals ─┘ done later; or the child is killed, asked to stop, put to sleep
//! ```
//!
//! A crash point is the name of a call (`create log of marts.days`: the commit of that table) with a moment: before the
//! store has seen it, after it has done it, or later still. Between calls, a child is killed when its state file has just
//! been written, and at random.

mod figures;
mod front;
mod plans;
mod points;
mod s3;
mod scenarios;
mod seen;
mod trial;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::Runtime;

use figures::Figures;
use scenarios::Scenario;
use trial::Trial;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`")))
}

/// Runs trials, two at a time; stops early at violations, of which the first are told.
fn try_all(runtime: &Runtime, scenarios: &[Scenario], trials: &[(usize, Trial)]) -> Figures {
    let (next, figures) = (AtomicUsize::new(0), Mutex::new(Figures::default()));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((which, trial)) = trials.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let scenario = &scenarios[*which];
                    let outcome = trial::run(runtime, scenario, trial);
                    let mut figures = figures.lock().unwrap();
                    for violation in outcome.violations.iter().take(4) {
                        println!("VIOLATION in {}, {trial:?}:\n  {violation}", scenario.name);
                    }
                    figures.add(scenario.name, &trial.kind(), &outcome);
                    let done = figures.trials();
                    if done.is_multiple_of(100) {
                        println!("{done} trials in {:.0?}: {}", begun.elapsed(), figures.sum());
                    }
                }
            });
        }
    });
    figures.into_inner().unwrap()
}

/// What is tried in the short run: the rest takes seconds, until patience or a lease is over.
const OF_A_RUN: [&str; 10] = [
    "killed before a call",
    "killed after a call",
    "killed, the call done later",
    "killed after a write of the state",
    "asked to stop at a call",
    "answered never, done later",
    "Before(Unavailable503)",
    "After(Internal500)",
    "Broken",
    "two at once, killed",
];
const OF_A_BACKFILL: [&str; 4] =
    ["killed after a call", "killed, the call done later", "asked to stop at a call", "After(Precondition412)"];

#[test]
fn a_disturbed_command_ends_as_if_undisturbed() {
    let runtime = runtime();
    let scenarios = runtime.block_on(async { vec![scenarios::second_day().await, scenarios::backfill().await] });
    let mut trials = Vec::new();
    for ((which, scenario), kinds) in scenarios.iter().enumerate().zip([&OF_A_RUN[..], &OF_A_BACKFILL[..]]) {
        trials.extend(plans::sample(scenario, 7, kinds).into_iter().map(|trial| (which, trial)));
    }
    let figures = try_all(&runtime, &scenarios, &trials);
    println!("{figures}");
    assert_eq!(figures.violations(), 0);
    assert!(figures.hits() >= trials.len() - 3, "{figures}");
}

#[test]
#[ignore = "long: 2,600 trials"]
fn the_whole_matrix() {
    let seed = number("LIFECYCLE_MATRIX_SEED", 1);
    let count = number("LIFECYCLE_MATRIX_TRIALS", 2_600);
    let only = std::env::var("LIFECYCLE_MATRIX_ONLY").unwrap_or_default();
    let begun = Instant::now();
    let runtime = runtime();
    let scenarios = scenarios::all(&runtime);
    let trials = plans::choose(&scenarios, seed, count as usize, &only);
    println!("seed {seed}: {} trials of {}", trials.len(), plans::count(&scenarios, seed));
    let figures = try_all(&runtime, &scenarios, &trials);
    println!("{figures}\nseed {seed}, {:.0?}", begun.elapsed());
    assert_eq!(figures.violations(), 0);
}
