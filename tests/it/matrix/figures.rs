//! What was tried, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

use super::trial::Outcome;

#[derive(Debug, Default, Clone, Copy)]
struct Row {
    trials: usize,
    hits: usize,
    acts: usize,
    failed: usize,
    recoveries: usize,
    reads: usize,
    violations: usize,
}

impl Row {
    fn add(&mut self, other: &Row) {
        self.trials += other.trials;
        self.hits += other.hits;
        self.acts += other.acts;
        self.failed += other.failed;
        self.recoveries += other.recoveries;
        self.reads += other.reads;
        self.violations += other.violations;
    }
}

/// By scenario and kind of disturbance.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<(String, String), Row>);

impl Figures {
    pub fn add(&mut self, scenario: &str, kind: &str, outcome: &Outcome) {
        let row = Row {
            trials: 1,
            hits: usize::from(outcome.acts > 0),
            acts: outcome.acts,
            failed: usize::from(outcome.has_failed),
            recoveries: outcome.recoveries,
            reads: outcome.reads,
            violations: outcome.violations.len(),
        };
        self.0.entry((scenario.to_owned(), kind.to_owned())).or_default().add(&row);
    }

    fn total(&self) -> Row {
        let mut total = Row::default();
        self.0.values().for_each(|row| total.add(row));
        total
    }

    pub fn trials(&self) -> usize {
        self.total().trials
    }

    /// Trials in which the disturbance hit.
    pub fn hits(&self) -> usize {
        self.total().hits
    }

    pub fn violations(&self) -> usize {
        self.total().violations
    }

    pub fn sum(&self) -> String {
        let Row { trials, hits, acts, failed, recoveries, reads, violations } = self.total();
        format!(
            "{trials} trials, {hits} of them hit, {acts} faults, {failed} commands failed, {recoveries} recoveries, \
             {reads} reads, {violations} violations"
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<12} {:<46} {:>7} {:>7} {:>7} {:>10} {:>7} {:>10}",
            "scenario", "what happened", "trials", "faults", "failed", "recoveries", "reads", "violations"
        )?;
        let mut line = |scenario: &str, kind: &str, row: &Row| {
            let Row { trials, acts, failed, recoveries, reads, violations, .. } = row;
            writeln!(
                formatter,
                "{scenario:<12} {kind:<46} {trials:>7} {acts:>7} {failed:>7} {recoveries:>10} {reads:>7} {violations:>10}"
            )
        };
        let mut scenarios: BTreeMap<&str, Row> = BTreeMap::new();
        for ((scenario, kind), row) in &self.0 {
            line(scenario, kind, row)?;
            scenarios.entry(scenario).or_default().add(row);
        }
        for (scenario, row) in &scenarios {
            line(scenario, "all", row)?;
        }
        line("all", "", &self.total())?;
        write!(formatter, "{}", self.sum())
    }
}
