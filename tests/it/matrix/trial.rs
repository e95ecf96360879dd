//! One trial: a command is disturbed, what it leaves is looked at, and what a person does next sets all right.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::Utc;
use lifecycle::state::{RunFilter, RunStatus, State};
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

use super::front::{self, Act, Bucket, Front, Moment, Plan};
use super::scenarios::{BRIEF, CALM, Ended, HASTY, Kind, Patience, Running, Scenario, start};
use super::seen::{Published, Tables, difference, is_whole, landed, names, published, releases, seen, strays};
use crate::crash::signal;
use crate::run::Shop;

/// What is done to the command.
#[derive(Debug, Clone, PartialEq)]
pub enum Disturbance {
    Call(Plan),
    /// Killed when the log of the state file has changed so often.
    State(usize),
    /// Killed or asked to stop after this share of its time.
    Instant(f64, &'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub disturbance: Disturbance,
    /// The same command is started beside it.
    pub has_twin: bool,
    /// A run makes a second and a third attempt by itself.
    pub tries_again: bool,
    /// A backfill is resumed, instead of asked for anew.
    pub resumes: bool,
    /// A reader polls all the while.
    pub is_watched: bool,
}

/// What came of it.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    pub acts: usize,
    /// The command did not come to its end.
    pub has_failed: bool,
    pub recoveries: usize,
    pub reads: usize,
    pub violations: Vec<String>,
}

impl Trial {
    pub fn kind(&self) -> String {
        let kind = match &self.disturbance {
            Disturbance::State(_) => "killed after a write of the state".to_owned(),
            Disturbance::Instant(_, "-KILL") => "killed at random".to_owned(),
            Disturbance::Instant(..) => "asked to stop at random".to_owned(),
            Disturbance::Call(Plan { act, .. }) => match act {
                Act::Fail(fault) => format!("{fault:?}"),
                Act::Delay(_) => "answered never, done later".to_owned(),
                Act::Kill(Moment::Late(_)) => "killed, the call done later".to_owned(),
                Act::Kill(moment) => format!("killed {} a call", format!("{moment:?}").to_lowercase()),
                Act::Terminate(_) => "asked to stop at a call".to_owned(),
                Act::Sleep(_) => "asleep while another works".to_owned(),
            },
        };
        let more = if self.tries_again { ", three attempts" } else { "" };
        if self.has_twin { format!("two at once, {kind}") } else { format!("{kind}{more}") }
    }

    /// Something that it asked for may still be on its way when all seems over.
    fn is_late(&self) -> bool {
        matches!(&self.disturbance, Disturbance::Call(Plan { act: Act::Delay(_) | Act::Kill(Moment::Late(_)), .. }))
    }

    fn patience(&self) -> Patience {
        match &self.disturbance {
            Disturbance::Call(Plan { act: Act::Sleep(_), .. }) => BRIEF,
            Disturbance::Call(Plan { act: Act::Fail(_) | Act::Delay(_), .. }) => HASTY,
            _ => CALM,
        }
    }
}

/// The place of one trial.
struct Stage<'s> {
    runtime: &'s Runtime,
    scenario: &'s Scenario,
    trial: &'s Trial,
    shop: Shop,
    bucket: Arc<Bucket>,
    outcome: Mutex<Outcome>,
    states: Mutex<Receiver<front::State>>,
    /// A release was seen that left past days of histories to the next one.
    has_left_days: AtomicBool,
}

pub fn run(runtime: &Runtime, scenario: &Scenario, trial: &Trial) -> Outcome {
    let (sender, receiver) = channel();
    let bucket = Bucket::new(scenario.objects.fork(), scenario.clock);
    bucket.watch(Some(sender));
    let stage = Stage {
        runtime,
        scenario,
        trial,
        shop: scenario.shop.copy(),
        bucket,
        outcome: Mutex::default(),
        states: Mutex::new(receiver),
        has_left_days: AtomicBool::new(false),
    };
    stage.disturb();
    stage.look_at_states();
    stage.look();
    stage.recover();
    stage.look_at_states();
    stage.compare();
    stage.outcome.into_inner().unwrap()
}

impl Stage<'_> {
    fn violation(&self, text: impl Into<String>) {
        self.outcome.lock().unwrap().violations.push(text.into());
    }

    fn front(&self, plan: Option<Plan>) -> Front {
        self.runtime.block_on(Front::open(&self.bucket, plan))
    }

    /// Runs a command to its end.
    fn command(&self, arguments: &[String], patience: Patience, log: &str) -> Option<Ended> {
        let front = self.front(None);
        start(&self.shop, &front, arguments, patience, log).end()
    }

    fn disturb(&self) {
        let plan = match &self.trial.disturbance {
            Disturbance::Call(plan) => Some(plan.clone()),
            _ => None,
        };
        let (front, other) = (self.front(plan), self.front(None));
        let mut command = self.scenario.command.clone();
        if self.trial.tries_again {
            command.extend(["--attempts", "3"].map(str::to_owned));
        }
        let mut first = start(&self.shop, &front, &command, self.trial.patience(), "first");
        let mut twin = self.trial.has_twin.then(|| start(&self.shop, &other, &self.scenario.command, CALM, "twin"));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            if self.trial.is_watched {
                scope.spawn(|| self.watch(&is_over));
            }
            let is_hit = self.strike(&front, &mut first);
            let ended = first.end();
            self.outcome.lock().unwrap().acts += front.acts() + usize::from(is_hit);
            match ended {
                Some(ended) => self.judge(&ended),
                None => self.violation("it hangs"),
            }
            if let Some(twin) = &mut twin {
                match twin.end() {
                    Some(Ended { code: Some(0), .. }) => {}
                    Some(Ended { code: Some(1), said }) if said.contains("is being run by process") => {}
                    // The days wait in the first one's backfill.
                    Some(Ended { code: Some(2), said }) if said.contains("is not done with") => {}
                    // A call of the other arrived between its own.
                    Some(_) if self.trial.is_late() => {}
                    Some(ended) => self.violation(format!("its twin: {ended:?}")),
                    None => self.violation("its twin hangs"),
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
    }

    /// Does what is not done at a call; says whether it hit.
    fn strike(&self, front: &Front, first: &mut Running) -> bool {
        let is_over = |first: &mut Running| first.child.try_wait().unwrap().is_some();
        match &self.trial.disturbance {
            Disturbance::Call(Plan { act: Act::Sleep(_), .. }) => {
                while !front.is_asleep() && !is_over(first) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                if front.is_asleep() {
                    self.succeed();
                    front.wake();
                }
                false
            }
            Disturbance::Call(_) => false,
            Disturbance::State(changes) => {
                let log = self.shop.path(".lifecycle/state.db-wal");
                let look = || std::fs::metadata(&log).map(|found| (found.len(), found.modified().unwrap())).ok();
                let (mut seen, mut changed) = (look(), 0);
                while changed < *changes && !is_over(first) {
                    std::thread::sleep(Duration::from_micros(100));
                    let now = look();
                    changed += usize::from(now != seen);
                    seen = now;
                }
                let _ = first.child.kill();
                changed >= *changes
            }
            Disturbance::Instant(share, name) => {
                std::thread::sleep(self.scenario.takes.mul_f64(*share));
                let is_hit = !is_over(first);
                if is_hit {
                    signal(&first.child, name);
                }
                is_hit
            }
        }
    }

    /// Another process does the work while the first sleeps, as soon as that one's lease is over.
    fn succeed(&self) {
        let begun = Instant::now();
        let mut command = self.scenario.command.clone();
        while begun.elapsed() < Duration::from_secs(30) {
            match self.command(&command, CALM, "successor") {
                Some(Ended { code: Some(0), .. }) => return,
                // The days wait in the sleeper's backfill: its successor takes that over.
                Some(Ended { code: Some(2), said }) if said.contains("is not done with") => {
                    let Some(id) = self.newest_backfill() else { return self.violation("no backfill is known") };
                    command = ["backfill", "resume", &id].map(str::to_owned).to_vec();
                }
                Some(Ended { code: Some(1), said }) if said.contains("is being run by process") => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                // It fell asleep while it held the state file's own lock.
                Some(Ended { code: Some(1), said }) if said.contains("is locked by another process") => return,
                other => return self.violation(format!("its successor: {other:?}")),
            }
        }
        self.violation("the lease of a process that sleeps does not end");
    }

    /// What the command may say and return.
    fn judge(&self, ended: &Ended) {
        let Ended { code, said } = ended;
        self.outcome.lock().unwrap().has_failed = *code != Some(0);
        if said.contains("panicked") {
            self.violation(format!("it panicked: {said}"));
        }
        let is_fine = match (&self.trial.disturbance, code) {
            (_, Some(0)) => true,
            (Disturbance::Call(Plan { act: Act::Kill(_), .. }) | Disturbance::State(_), None) => true,
            (Disturbance::Instant(_, "-KILL"), None) => true,
            // Before it listens for signals.
            (Disturbance::Instant(_, "-TERM"), None) => true,
            (Disturbance::Instant(_, "-TERM") | Disturbance::Call(Plan { act: Act::Terminate(_), .. }), Some(130)) => {
                true
            }
            (Disturbance::Call(Plan { act: Act::Fail(_) | Act::Delay(_) | Act::Sleep(_), .. }), Some(1 | 3)) => true,
            (_, Some(1)) if self.trial.has_twin => said.contains("is being run by process"),
            // The days wait in the twin's backfill.
            (_, Some(2)) if self.trial.has_twin => said.contains("is not done with"),
            _ => false,
        };
        if !is_fine {
            self.violation(format!("it ended with {code:?}: {said}"));
        }
        if *code == Some(0) && !self.trial.has_twin {
            self.check_done(said);
        }
        let now = self.runtime.block_on(published(&self.bucket.objects));
        let was_published = now.is_ok_and(|now| now.release > self.scenario.before.published.release);
        let is_alone = !self.trial.has_twin && self.trial.patience().lease == CALM.lease;
        if was_published && is_alone && self.scenario.kind == Kind::Run && said.contains("nothing was published") {
            self.violation(format!("it published, and denies it: {said}"));
        }
    }

    /// A command that says that it is done has done it.
    fn check_done(&self, said: &str) {
        let (after, objects) = (&self.scenario.after, &self.bucket.objects);
        let differences = self.runtime.block_on(async {
            let tables = match self.scenario.kind {
                Kind::Run | Kind::Backfill => {
                    published(objects).await.map(|now| difference(&now.tables, &after.published.tables))
                }
                Kind::Replay | Kind::Vacuum => Ok(None),
            };
            let landed = match self.scenario.kind {
                Kind::Vacuum => Ok(None),
                _ => landed(objects).await.map(|now| difference(&now, &after.landed)),
            };
            [tables, landed]
        });
        for difference in differences {
            match difference {
                Ok(None) => {}
                Ok(Some(difference)) => self.violation(format!("it says that it is done: {difference}: {said}")),
                Err(error) => self.violation(format!("it says that it is done, and cannot be read: {error:?}")),
            }
        }
    }

    /// Polls what is published.
    fn watch(&self, is_over: &AtomicBool) {
        if self.scenario.kind == Kind::Vacuum {
            return;
        }
        while !is_over.load(Ordering::SeqCst) {
            self.read(&self.bucket.objects);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Reads what was there after each release, and after some of the other steps of a publication: a read of all
    /// tables costs as much as a tenth of the command.
    fn look_at_states(&self) {
        let states: Vec<front::State> = self.states.lock().unwrap().try_iter().collect();
        let each = if self.scenario.kind == Kind::Vacuum { 8 } else { 3 };
        for (number, state) in states.iter().enumerate() {
            if state.is_release || number % each == 0 {
                self.read(&state.objects);
            }
        }
    }

    /// Reads as readers do; what they see must be whole.
    fn read(&self, objects: &InMemory) {
        let Scenario { before, after, kind, .. } = self.scenario;
        if *kind == Kind::Vacuum {
            match self.runtime.block_on(releases(objects)) {
                Ok(found) => {
                    self.outcome.lock().unwrap().reads += found.len();
                    for (number, tables) in found {
                        if self.scenario.releases.get(&number) != Some(&tables) {
                            self.violation(format!("a reader saw something else as release {number}"));
                        }
                    }
                }
                Err(error) => self.violation(format!("a reader could not read a release: {error:?}")),
            }
            return;
        }
        match self.runtime.block_on(published(objects)) {
            Ok(found) if is_whole(&found, &before.published, &after.published, *kind == Kind::Backfill) => {
                // Before the first release there is nothing to read.
                self.outcome.lock().unwrap().reads += usize::from(found.release > 0);
                let is_new = found.release > before.published.release;
                if is_new && found.tables != before.published.tables && found.tables != after.published.tables {
                    self.has_left_days.store(true, Ordering::SeqCst);
                }
            }
            Ok(found) => self.violation(format!("a reader saw half a release: {}", self.halves(&found))),
            Err(error) => self.violation(format!("a reader could not read: {error:?}")),
        }
    }

    fn halves(&self, found: &Published) -> String {
        let to = |wanted: &Tables| difference(&found.tables, wanted).unwrap_or_default();
        let Scenario { before, after, .. } = self.scenario;
        format!("of before: {}; of after: {}", to(&before.published.tables), to(&after.published.tables))
    }

    /// Looks at what is there when the command is over, and nobody has set anything right.
    fn look(&self) {
        self.read(&self.bucket.objects);
        let Scenario { before, after, .. } = self.scenario;
        match self.runtime.block_on(landed(&self.bucket.objects)) {
            Ok(found) => {
                for (source, rows) in found {
                    if rows != before.landed[&source] && rows != after.landed[&source] {
                        self.violation(format!("half of source {source} is landed: {} rows", rows.len()));
                    }
                }
            }
            Err(error) => self.violation(format!("what is landed cannot be read: {error:?}")),
        }
    }

    fn recover(&self) {
        let mut then = self.scenario.then.clone();
        // Days that wait in one backfill are refused to another: it goes on, or is taken off the list.
        if let Some(id) = self.newest_backfill() {
            let what_with = |word: &str| vec!["backfill".to_owned(), word.to_owned(), id.clone()];
            if self.trial.resumes {
                then[0] = what_with("resume");
            } else {
                then.insert(0, what_with("cancel"));
            }
        }
        let most = if self.trial.is_late() { 4 } else { 1 };
        let mut tries = 0;
        loop {
            tries += 1;
            let arrived = self.bucket.arrived();
            self.outcome.lock().unwrap().recoveries += 1;
            let failed = then.iter().find_map(|command| match self.command(command, CALM, "recovery") {
                Some(Ended { code: Some(0), .. }) => None,
                ended => Some(format!("{command:?}: {ended:?}")),
            });
            // Now everything has arrived that was on its way. What came while it worked may make one more look necessary.
            self.runtime.block_on(self.bucket.flush());
            match failed {
                None if self.bucket.arrived() == arrived => return,
                Some(failed) if tries >= most => return self.violation(format!("it cannot be repeated: {failed}")),
                _ => {}
            }
        }
    }

    fn newest_backfill(&self) -> Option<String> {
        self.runtime.block_on(async {
            let state = State::open(&self.shop.path(".lifecycle/state.db")).await.unwrap();
            let listed = state.list_backfills(Utc::now()).await.unwrap();
            state.close().await;
            listed.first().map(|backfill| backfill.backfill_id.clone())
        })
    }

    /// All is as if nobody had disturbed anything.
    fn compare(&self) {
        let (objects, Scenario { after, kind, kept, .. }) = (&self.bucket.objects, self.scenario);
        match self.runtime.block_on(seen(objects)) {
            Ok(now) => {
                let pairs = [
                    ("landed", &now.landed, &after.landed),
                    ("published", &now.published.tables, &after.published.tables),
                    ("exported", &now.exports, &after.exports),
                ];
                for (what, now, after) in pairs {
                    if let Some(difference) = difference(now, after) {
                        self.violation(format!("{what} in the end: {difference}"));
                    }
                }
                let is_numbered = matches!(kind, Kind::Run | Kind::Replay) && !self.trial.is_late();
                // A repair of past days that failed comes with a release of its own.
                let wanted = after.published.release + u64::from(self.has_left_days.load(Ordering::SeqCst));
                if is_numbered && now.published.release != wanted {
                    self.violation(format!("release {} instead of {wanted}", now.published.release));
                }
            }
            Err(error) => self.violation(format!("in the end it cannot be read: {error:?}")),
        }
        match self.runtime.block_on(strays(objects)) {
            Ok(strays) if strays.is_empty() => {}
            strays => self.violation(format!("in the end, unlike the release: {strays:?}")),
        }
        if *kind == Kind::Vacuum {
            let now = self.runtime.block_on(async { (releases(objects).await.ok(), names(objects).await) });
            if now.0.as_ref() != Some(&kept.0) || now.1 != kept.1 {
                self.violation(format!("in the end {} objects, not {}", now.1.len(), kept.1.len()));
            }
        }
        let left = self.runtime.block_on(async {
            let state = State::open(&self.shop.path(".lifecycle/state.db")).await.unwrap();
            let filter = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
            let left = state.list_runs(&filter, Utc::now()).await.unwrap();
            state.close().await;
            left
        });
        if !left.is_empty() {
            self.violation(format!("in the end {} runs are still at work", left.len()));
        }
    }
}
