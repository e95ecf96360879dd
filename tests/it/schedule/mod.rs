//! Schedules: when jobs are due, who runs them, and what is recorded of it.

mod binary;
mod busy;
mod clocks;
mod conductor;
mod daemon;
mod deploy;
mod files;
mod laws;
mod races;
mod reference;
mod rules;
mod state;
mod takeover;

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use lifecycle::config::{CatchUp, Overlap, Project, Schedule, StateLocation, load_project};
use lifecycle::interrupt::Interrupt;
use lifecycle::run::{Clock, RunError, RunRequest};
use lifecycle::schedule::{Began, Daemon, DaemonSettings, Event, Listener, ProjectFiles, RunEnd, Runner, Timetable};
use lifecycle::state::{LeaseOutcome, RunFinish, RunOutcome, RunStart, State, Trigger};
use tempfile::TempDir;

pub fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A schedule with the given cron expression in UTC, and defaults.
pub fn schedule(cron: &str) -> Schedule {
    Schedule {
        cron: Some(cron.to_owned()),
        after: Vec::new(),
        timezone: Tz::UTC,
        blackout: Vec::new(),
        catch_up: CatchUp::Last,
        catch_up_window: Duration::from_secs(24 * 3600),
        overlap: Overlap::Skip,
        jitter: Duration::ZERO,
        deadline: None,
    }
}

pub fn timetable(schedule: &Schedule) -> Timetable {
    Timetable::new("nightly", schedule, Tz::UTC).unwrap()
}

/// The instants of an expression in a zone within `[from, to)`, as UTC.
pub fn instants(cron: &str, zone: Tz, from: &str, to: &str) -> Vec<String> {
    let timetable = timetable(&Schedule { timezone: zone, ..schedule(cron) });
    let (from, to) = (at(from), at(to));
    let found = timetable.instants(from - TimeDelta::microseconds(1)).take_while(|instant| *instant < to);
    found.map(|instant| instant.format("%m-%dT%H:%M").to_string()).collect()
}

/// A clock that tests set.
#[derive(Clone)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    pub fn new(start: &str) -> Self {
        Self(Arc::new(AtomicI64::new(at(start).timestamp_micros())))
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub fn set(&self, text: &str) {
        self.0.store(at(text).timestamp_micros(), Ordering::SeqCst);
    }

    pub fn pass(&self, delta: TimeDelta) {
        self.0.fetch_add(delta.num_microseconds().unwrap(), Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let time = self.clone();
        Arc::new(move || time.now())
    }
}

/// Counts runs instead of executing them. What it runs is recorded as a run of the state, and takes as long as it is held.
pub struct Counter {
    pub executed: Mutex<Vec<(String, String)>>,
    state: State,
    time: Time,
    outcome: Mutex<RunOutcome>,
    taken_by: Mutex<Option<String>>,
    held: tokio::sync::Semaphore,
    at_work: AtomicUsize,
    number: AtomicUsize,
    name: String,
}

impl Counter {
    pub fn new(state: &State, time: &Time, name: &str) -> Arc<Self> {
        Arc::new(Self {
            executed: Mutex::default(),
            state: state.clone(),
            time: time.clone(),
            outcome: Mutex::new(RunOutcome::Succeeded),
            taken_by: Mutex::default(),
            held: tokio::sync::Semaphore::new(1_000_000),
            at_work: AtomicUsize::new(0),
            number: AtomicUsize::new(0),
            name: name.to_owned(),
        })
    }

    /// Runs that begin from now on do not end before they are let go.
    pub fn hold(&self) {
        self.held.forget_permits(1_000_000);
    }

    pub fn let_go(&self, runs: usize) {
        self.held.add_permits(runs);
    }

    pub fn ends_as(&self, outcome: RunOutcome) {
        *self.outcome.lock().unwrap() = outcome;
    }

    /// Another process runs the jobs.
    pub fn is_taken_by(&self, owner: &str) {
        *self.taken_by.lock().unwrap() = Some(owner.to_owned());
    }

    pub fn is_free(&self) {
        *self.taken_by.lock().unwrap() = None;
    }

    pub fn executed(&self) -> Vec<String> {
        self.executed.lock().unwrap().iter().map(|(job, as_of)| format!("{job} {as_of}")).collect()
    }
}

#[async_trait]
impl Runner for Counter {
    async fn run(&self, _project: &Project, request: &RunRequest, began: Began, mut interrupt: Interrupt) -> RunEnd {
        let end = |outcome| RunEnd { run_id: None, outcome, message: None, report: None, error: None };
        if let Some(owner) = self.taken_by.lock().unwrap().clone() {
            let busy = RunError::Busy { job: request.job.clone(), owner, since: self.time.now() };
            return RunEnd { error: Some(busy), ..end(RunOutcome::Failed) };
        }
        began();
        self.executed.lock().unwrap().push((request.job.clone(), request.as_of.to_string()));
        self.at_work.fetch_add(1, Ordering::SeqCst);
        let is_interrupted = tokio::select! {
            permit = self.held.acquire() => { permit.unwrap().forget(); false }
            () = interrupt.interrupted() => true,
        };
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        if is_interrupted {
            return end(RunOutcome::Interrupted);
        }
        let outcome = *self.outcome.lock().unwrap();
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let run_id = format!("{}-{number:06}", self.name);
        record_run(&self.state, &run_id, &request.job, &request.as_of.to_string(), outcome, self.time.now()).await;
        RunEnd { run_id: Some(run_id), ..end(outcome) }
    }
}

/// Records a run that ended just now.
pub async fn record_run(state: &State, run_id: &str, job: &str, as_of: &str, outcome: RunOutcome, now: DateTime<Utc>) {
    let lease = loop {
        match state.acquire_lease(job, "a test", Duration::from_secs(60), now).await.unwrap() {
            LeaseOutcome::Acquired(lease) => break lease,
            LeaseOutcome::Held { .. } => tokio::task::yield_now().await,
        }
    };
    let start = RunStart {
        run_id: run_id.to_owned(),
        job: job.to_owned(),
        as_of: as_of.parse().unwrap(),
        trigger: Trigger::Manual,
        environment: "local".to_owned(),
        started_at: now,
        lease: lease.clone(),
        backfill_id: None,
    };
    state.start_run(&start).await.unwrap();
    let finish = RunFinish { outcome, finished_at: now, message: None, release: None };
    state.finish_run(run_id, &finish).await.unwrap();
    state.release_lease(&lease, now).await.unwrap();
}

/// Writes down what it hears, in short.
#[derive(Default)]
pub struct Diary(pub Mutex<Vec<String>>);

impl Diary {
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Listener for Diary {
    fn hear(&self, event: &Event<'_>) {
        let line = match event {
            Event::TriesAgain { request, .. } => format!("tries {} again", request.job),
            Event::Started { claim } => format!("started {} {}", claim.job, claim.as_of),
            Event::Ended { claim, end } => format!("ended {} {} {}", claim.job, claim.as_of, end.outcome),
            Event::Returned { claim, .. } => format!("returned {}", claim.job),
            Event::NotRun(not_run) => format!("{} {:?} x{}", not_run.job, not_run.verdict, not_run.instants),
            Event::Looked(_) => return,
            Event::Reloaded { jobs, .. } => format!("reloaded {}", jobs.join(" ")),
            Event::Broken(problems) => format!("broken {}", problems.0[0].file.display()),
            Event::StateLost(_) => "state lost".to_owned(),
            Event::StateBack => "state back".to_owned(),
            Event::Leaving { jobs } => format!("leaving {}", jobs.join(" ")),
        };
        self.0.lock().unwrap().push(line);
    }
}

/// A project that only schedules: what its jobs do is counted.
pub struct Office {
    pub folder: TempDir,
    /// Where its state is, unless that is a file.
    pub server: Option<StateLocation>,
    pub time: Time,
}

impl Office {
    pub fn new(start: &str) -> Self {
        let office = Self { folder: tempfile::tempdir().unwrap(), server: None, time: Time::new(start) };
        office.write(
            "config/local.yaml",
            "raw: raw\nwarehouse: warehouse\nstate: state.db\ntimezone: UTC\ncurrency: GBP\nmemory_limit: 1GiB\n",
        );
        std::fs::create_dir_all(office.path().join("jobs")).unwrap();
        office
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes a job with a source of its own and the given schedule.
    pub fn job(&self, name: &str, schedule: &str) {
        self.write(&format!("jobs/{name}.yaml"), &job_text(name, schedule));
    }

    pub async fn state(&self) -> State {
        let file = StateLocation::File(self.path().join("state.db"));
        State::open(self.server.as_ref().unwrap_or(&file)).await.unwrap()
    }

    pub fn files(&self) -> ProjectFiles {
        let folder = self.path().to_owned();
        ProjectFiles::read(Box::new(move || load_project(&folder, "local", &|_| None))).unwrap()
    }

    pub fn daemon(&self, owner: &str, state: &State, runner: &Arc<Counter>, diary: &Arc<Diary>) -> Daemon {
        let settings = DaemonSettings {
            owner: owner.to_owned(),
            at_once: 4,
            grace: Duration::from_secs(60),
            lease: Duration::from_secs(60),
        };
        Daemon::new(settings, self.files(), state.clone(), self.time.clock(), runner.clone(), diary.clone())
    }
}

pub fn job_text(name: &str, schedule: &str) -> String {
    format!(
        "schedule: {schedule}\nsources:\n  {name}_orders:\n    location: ${{raw}}/{name}/*.csv\n    format: csv\n    \
         columns:\n      order_no: {{type: string, required: true}}\n"
    )
}

/// Opens a state file for one who does not wait for others.
pub async fn open_impatient(file: &Path) -> State {
    State::open_within(file, Duration::from_millis(50)).await.unwrap()
}

/// Looks once, and waits until nothing is at work.
pub async fn tick(daemon: &mut Daemon) {
    daemon.tick().await;
    while daemon.next_end().await.is_some() {
        daemon.tick().await;
    }
}
