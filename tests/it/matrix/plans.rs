//! Which trials there are: every crash point, every call in every manner, and what has nothing to do with calls; then
//! a seeded choice of them.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::front::{Act, Moment, Plan, When, applies};
use super::scenarios::{Kind, Scenario};
use super::trial::{Disturbance, Trial};
use crate::faults::store::Answer::{Conflict409, Internal500, Precondition412, Reset, Timeout, Unavailable503};
use crate::faults::store::Fault::{self, After, Before, Broken, Short};
use crate::faults::store::Operation;

/// How a call fails.
const FAULTS: [Fault; 14] = [
    Before(Conflict409),
    Before(Precondition412),
    Before(Internal500),
    Before(Unavailable503),
    Before(Timeout),
    Before(Reset),
    After(Conflict409),
    After(Precondition412),
    After(Internal500),
    After(Unavailable503),
    After(Timeout),
    After(Reset),
    Broken,
    Short,
];

struct Planner<'s> {
    scenario: &'s Scenario,
    random: ChaCha8Rng,
    trials: Vec<Trial>,
}

impl Planner<'_> {
    fn add(&mut self, disturbance: Disturbance, has_twin: bool) {
        let resumes = self.scenario.kind == Kind::Backfill && self.random.random_bool(0.5);
        let is_watched = self.random.random_bool(0.15);
        let can_retry = self.scenario.kind == Kind::Run
            && matches!(&disturbance, Disturbance::Call(Plan { act: Act::Fail(_), .. }));
        let tries_again = can_retry && self.random.random_bool(0.3);
        self.trials.push(Trial { disturbance, has_twin, tries_again, resumes, is_watched });
    }

    fn call(&mut self, when: When, act: Act) {
        self.add(Disturbance::Call(Plan { when, act }), false);
    }

    fn fault(&mut self, operation: Operation) -> Fault {
        loop {
            let fault = FAULTS[self.random.random_range(0..FAULTS.len())];
            if applies(fault, operation) {
                return fault;
            }
        }
    }

    /// A moment at which a call, or the process that makes it, is lost.
    fn moment(&mut self, operation: Operation) -> Moment {
        match self.random.random_range(0..3) {
            _ if operation.reads() => Moment::Before,
            0 => Moment::Before,
            1 => Moment::After,
            _ => self.late(),
        }
    }

    fn late(&mut self) -> Moment {
        let calls = self.scenario.calls.len();
        Moment::Late(self.random.random_range(1..calls + 10))
    }

    /// Every crash point, once in each manner.
    fn crash_points(&mut self) {
        let mut points: BTreeMap<(String, Operation), usize> = BTreeMap::new();
        for (name, operation) in &self.scenario.calls {
            *points.entry((name.clone(), *operation)).or_default() += 1;
        }
        for ((name, operation), count) in points {
            let moments = if operation.reads() { vec![Moment::Before] } else { vec![Moment::Before, Moment::After] };
            for moment in moments {
                let nth = self.random.random_range(1..=count);
                self.call(When::Named(name.clone(), nth), Act::Kill(moment));
                self.call(When::Named(name.clone(), nth), Act::Terminate(moment));
            }
            if !operation.reads() {
                let (nth, late) = (self.random.random_range(1..=count), self.late());
                self.call(When::Named(name.clone(), nth), Act::Kill(late));
            }
            let fault = self.fault(operation);
            self.call(When::All(name.clone()), Act::Fail(fault));
        }
    }

    /// Every call, once in each manner.
    fn every_call(&mut self) {
        for number in 1..=self.scenario.calls.len() {
            let operation = self.scenario.calls[number - 1].1;
            for fault in FAULTS.into_iter().filter(|fault| applies(*fault, operation)) {
                self.call(When::Nth(number), Act::Fail(fault));
            }
            let fault = self.fault(operation);
            self.call(When::From(number), Act::Fail(fault));
            let moment = self.moment(operation);
            self.call(When::Nth(number), Act::Kill(moment));
            let moment = if self.random.random_bool(0.5) { Moment::Before } else { Moment::After };
            self.call(When::Nth(number), Act::Terminate(moment));
            let moment = self.moment(operation);
            self.add(Disturbance::Call(Plan { when: When::Nth(number), act: Act::Kill(moment) }), true);
            if !operation.reads() {
                let calls = self.random.random_range(1..20);
                self.call(When::Nth(number), Act::Delay(calls));
            }
        }
    }

    /// Stores that always fail a little, and what has nothing to do with calls.
    fn others(&mut self) {
        for fault in FAULTS {
            for each in [2, 3, 5, 7, 11] {
                self.call(When::Each(each), Act::Fail(fault));
            }
        }
        for change in 1..=24 {
            self.add(Disturbance::State(change), change % 4 == 0);
        }
        for number in 0..40 {
            let share = self.random.random_range(0.0..1.05);
            let signal = if number % 3 == 0 { "-TERM" } else { "-KILL" };
            self.add(Disturbance::Instant(share, signal), number % 5 == 0);
        }
        for number in (1..=self.scenario.calls.len()).step_by(3) {
            let moment = if self.random.random_bool(0.5) { Moment::Before } else { Moment::After };
            self.call(When::Nth(number), Act::Sleep(moment));
        }
    }
}

/// Trials of one scenario: each crash point first, then others as chance has it.
pub fn trials(scenario: &Scenario, seed: u64) -> Vec<Trial> {
    let mut planner = Planner { scenario, random: ChaCha8Rng::seed_from_u64(seed), trials: Vec::new() };
    planner.crash_points();
    let points = planner.trials.len();
    planner.every_call();
    planner.others();
    let Planner { mut trials, mut random, .. } = planner;
    trials[..points].shuffle(&mut random);
    trials[points..].shuffle(&mut random);
    trials
}

/// The share of each scenario of all trials, in per cent.
fn share(scenario: &Scenario) -> usize {
    match (scenario.kind, scenario.name) {
        (Kind::Run, "first run") => 20,
        (Kind::Run, _) => 32,
        (Kind::Backfill, _) => 28,
        (Kind::Replay, _) => 10,
        (Kind::Vacuum, _) => 10,
    }
}

/// How many trials there are.
pub fn count(scenarios: &[Scenario], seed: u64) -> usize {
    scenarios.iter().map(|scenario| trials(scenario, seed).len()).sum()
}

/// So many trials of all scenarios, mixed; only those whose description has a text in it.
pub fn choose(scenarios: &[Scenario], seed: u64, count: usize, only: &str) -> Vec<(usize, Trial)> {
    let mut all = Vec::new();
    for (which, scenario) in scenarios.iter().enumerate() {
        let wanted = |trial: &Trial| only.is_empty() || format!("{} {trial:?}", scenario.name).contains(only);
        let trials = trials(scenario, seed).into_iter().filter(wanted);
        all.extend(trials.take((count * share(scenario)).div_ceil(100)).map(|trial| (which, trial)));
    }
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    all
}

/// One of each of these kinds, for a short run.
pub fn sample(scenario: &Scenario, seed: u64, kinds: &[&str]) -> Vec<Trial> {
    let trials = trials(scenario, seed);
    let first = |kind: &&str| trials.iter().find(|trial| trial.kind().starts_with(kind)).cloned();
    kinds.iter().map(|kind| first(kind).unwrap_or_else(|| panic!("no trial is {kind}"))).collect()
}
