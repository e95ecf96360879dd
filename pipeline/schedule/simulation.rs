//! What the rules would do in a span of time, if every run started at once, took no time and ended well. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::planner::{Recorded, plan};
use super::timetable::Timetable;
use crate::state::Verdict;

/// One decision of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    pub job: String,
    pub scheduled_at: DateTime<Utc>,
    /// When it starts: the scheduled instant and its jitter.
    pub start_at: DateTime<Utc>,
    pub as_of: NaiveDate,
    pub verdict: Verdict,
}

/// Plays `[from, to)` with the given timetables, in the order of starts; stops after `most` decisions.
pub fn simulate(timetables: &[Timetable], from: DateTime<Utc>, to: DateTime<Utc>, most: usize) -> Vec<Simulated> {
    let since = from - TimeDelta::microseconds(1);
    let mut recorded: Vec<Recorded> =
        timetables.iter().map(|_| Recorded { decided_until: since, ..Recorded::default() }).collect();
    let mut followers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, timetable) in timetables.iter().enumerate() {
        for job in &timetable.schedule.after {
            followers.entry(job).or_default().push(position);
        }
    }
    let mut queue: BinaryHeap<Reverse<(DateTime<Utc>, usize)>> =
        (0..timetables.len()).map(|position| Reverse((from, position))).collect();
    let mut decided = Vec::new();
    while let Some(Reverse((now, position))) = queue.pop() {
        let (Some(timetable), Some(record)) = (timetables.get(position), recorded.get_mut(position)) else { continue };
        let plan = plan(timetable, record, now);
        record.decided_until = plan.decided_until;
        if let Some(next) = plan.next.filter(|next| *next < to && *next > now) {
            queue.push(Reverse((next, position)));
        }
        for decision in plan.decisions {
            if decided.len() == most {
                return decided;
            }
            if let (Some(answers), Some(record)) = (decision.answers, recorded.get_mut(position)) {
                record.upstream.answered.insert(decision.as_of, answers);
            }
            decided.push(Simulated {
                job: timetable.job.clone(),
                scheduled_at: decision.instant,
                start_at: timetable.start_of(decision.instant),
                as_of: decision.as_of,
                verdict: decision.verdict,
            });
            if !matches!(decision.verdict, Verdict::Start { .. }) {
                continue;
            }
            for follower in followers.get(timetable.job.as_str()).into_iter().flatten() {
                if let Some(record) = recorded.get_mut(*follower) {
                    record.upstream.good.insert((timetable.job.clone(), decision.as_of), now);
                    queue.push(Reverse((now, *follower)));
                }
            }
        }
    }
    decided
}
