//! Killed, interrupted, cancelled, failing, and not alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::Utc;
use lifecycle::state::{Lease, LeaseOutcome, PauseOutcome, State};

use super::kiosk::{DAYS, Kiosk, day};
use crate::run::until::until;
use crate::run::{Rows, assert_same, wait_for};

/// The kiosk after its newest day, and after single runs of all days before.
fn business() -> &'static (Kiosk, BTreeMap<String, Rows>) {
    static BUSINESS: OnceLock<(Kiosk, BTreeMap<String, Rows>)> = OnceLock::new();
    BUSINESS.get_or_init(|| {
        let kiosk = Kiosk::new(7);
        kiosk.run(DAYS - 1).expect(0);
        let single = Kiosk(kiosk.0.copy());
        for number in 0..DAYS - 1 {
            single.run(number).expect(0);
        }
        let rows = single.rows();
        (kiosk, rows)
    })
}

pub(super) fn kiosk() -> Kiosk {
    Kiosk(business().0.0.copy())
}

#[track_caller]
pub(super) fn is_as_single_runs_left_it(kiosk: &Kiosk) {
    assert_same(&kiosk.rows(), &business().1);
}

pub(super) fn start(kiosk: &Kiosk, arguments: &[String]) -> Child {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    kiosk.0.command(&arguments).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a process says on stderr, as it says it.
fn listen(child: &mut Child) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let (writer, stderr) = (said.clone(), child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut said = writer.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
    said
}

/// What a process still says, and how it ended.
pub(super) fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Leases that this process holds, as another process of the tool would.
pub(super) struct Holder(pub State);

impl Holder {
    pub fn new(kiosk: &Kiosk) -> Self {
        Self(wait_for(State::open(&kiosk.0.path(".lifecycle/state.db"))).unwrap())
    }

    pub fn hold(&self, name: &str) -> Lease {
        wait_for(self.hold_it(name))
    }

    pub async fn hold_it(&self, name: &str) -> Lease {
        let owner = "process 7 on moon";
        match self.0.acquire_lease(name, owner, Duration::from_secs(300), Utc::now()).await.unwrap() {
            LeaseOutcome::Acquired(lease) => lease,
            held => panic!("{held:?}"),
        }
    }

    pub fn give_back(&self, lease: &Lease) {
        wait_for(self.0.release_lease(lease, Utc::now())).unwrap();
    }

    pub fn owner(&self, name: &str) -> Option<String> {
        wait_for(self.0.lease_owner(name, Utc::now())).unwrap()
    }

    pub fn newest_backfill(&self) -> String {
        let listed = wait_for(self.0.list_backfills(Utc::now())).unwrap();
        listed.first().unwrap().backfill_id.clone()
    }

    /// Pauses a backfill at once: the command takes as long as one of its days.
    pub fn pause(&self, id: &str) {
        let paused = wait_for(self.0.pause_backfill(id, "anna on moon", Utc::now())).unwrap();
        assert_eq!(paused, PauseOutcome::Paused);
    }

    pub fn days(&self, status: &str) -> u64 {
        let listed = wait_for(self.0.list_backfills(Utc::now())).unwrap();
        listed.first().map_or(0, |backfill| match status {
            "done" => backfill.done,
            "cancelled" => backfill.cancelled,
            "pending" => backfill.pending,
            _ => backfill.running,
        })
    }
}

pub(super) fn newest_backfill(kiosk: &Kiosk) -> String {
    Holder::new(kiosk).newest_backfill()
}

/// Starts a backfill of seven days that steps aside, with some days done, for a run that never comes.
#[track_caller]
pub(super) fn stop_between_days(kiosk: &Kiosk, holder: &Holder) -> (Child, Lease) {
    let child = start(kiosk, &kiosk.arguments(0, DAYS - 2, &["--parallel", "1"]));
    until("it begins", || holder.owner("nightly").is_some());
    let next = holder.hold("next of nightly");
    until("it waits", || holder.owner("nightly").is_none());
    let done = holder.days("done");
    assert!((1..DAYS - 1).contains(&done) && holder.days("running") == 0, "{done}");
    (child, next)
}

#[test]
fn a_killed_backfill_is_resumed_and_its_finished_days_are_not_run_again() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    // It is killed where it waits with some days done, and once more in the middle of its work.
    let (mut child, next) = stop_between_days(&kiosk, &holder);
    child.kill().unwrap();
    child.wait().unwrap();
    let done = holder.days("done");
    assert!((1..DAYS - 1).contains(&done), "{done}");
    holder.give_back(&next);
    let id = newest_backfill(&kiosk);
    let mut child = start(&kiosk, &["backfill", "resume", &id].map(str::to_owned));
    until("it works on", || holder.days("running") > 0 || child.try_wait().unwrap().is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0).says(&["7 days done"]);
    is_as_single_runs_left_it(&kiosk);
    let attempts = kiosk.0.query("select attempts from ops.backfill_days order by as_of");
    assert_eq!(attempts[0], "1", "{attempts:?}");
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0).says(&["all its days are done"]);
}

#[test]
fn a_day_that_fails_does_not_stop_the_others() {
    let kiosk = kiosk();
    let file = "sql/marts/balances.yaml";
    let sound = std::fs::read_to_string(kiosk.0.path(file)).unwrap();
    let check = "checks:\n  - name: no_such_day\n    severity: error\n    description: A day that is bad.\n    \
                 sql: select customer_id from marts.balances where $as_of = date '2025-11-29'\n";
    kiosk.0.write(file, &format!("{sound}{check}"));
    kiosk.backfill(0, DAYS - 2, &[]).expect(3).says(&[
        "2025-11-29: a check stopped the release",
        "1 of 7 days failed",
        "lifecycle backfill resume",
    ]);
    let days = "select as_of from ops.backfill_days where status = 'failed'";
    assert_eq!(kiosk.0.query(days), ["2025-11-29"]);
    assert_eq!(kiosk.0.query("select count(distinct as_of) from marts.balances_history"), ["7"]);
    // Asked for anew, only what failed is run; it fails again, and so it does when resumed.
    kiosk.backfill(0, DAYS - 2, &["--only", "failed"]).expect(3).says(&["1 day of nightly", "1 of 1 days failed"]);
    kiosk.0.write(file, &sound);
    let id = newest_backfill(&kiosk);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0).says(&["1 day done"]);
    kiosk.backfill(0, DAYS - 2, &[]).expect(0).says(&["nothing to do"]);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn a_mistake_in_what_all_days_share_fails_each_and_publishes_nothing() {
    let kiosk = kiosk();
    let before = kiosk.0.release();
    let sql = std::fs::read_to_string(kiosk.0.path("sql/marts/calendar.sql")).unwrap();
    kiosk.0.write("sql/marts/calendar.sql", "select day, 1 / (sales - sales) as sales from intermediate.sale_days\n");
    kiosk.backfill(0, 2, &[]).expect(3).says(&["2025-11-26: model `marts.calendar` failed", "3 of 3 days failed"]);
    assert_eq!(kiosk.0.release(), before);
    kiosk.0.write("sql/marts/calendar.sql", &sql);
    kiosk.backfill(0, DAYS - 2, &[]).expect(0);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn an_interrupted_backfill_keeps_what_is_done() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let (child, next) = stop_between_days(&kiosk, &holder);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("lifecycle backfill resume"), "{said}");
    assert!(holder.days("pending") > 0 && holder.owner("nightly").is_none());
    holder.give_back(&next);
    kiosk.0.lifecycle(&["backfill", "resume", &newest_backfill(&kiosk)]).expect(0);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn a_backfill_that_is_cancelled_elsewhere_stops_after_the_days_at_work() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let (child, next) = stop_between_days(&kiosk, &holder);
    let id = newest_backfill(&kiosk);
    kiosk.0.lifecycle(&["backfill", "cancel", &id]).expect(0).says(&["off the list"]);
    holder.give_back(&next);
    let (code, said) = end(child);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cancelled:") && said.contains("of 7 days are not done"), "{said}");
    assert!(holder.days("cancelled") > 0 && holder.days("done") > 0);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn one_backfill_of_a_job_at_a_time() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let lease = holder.hold("backfill of nightly");
    kiosk.backfill(0, 2, &[]).expect(1).says(&[
        "a backfill of job `nightly` is being run by process 7 on moon since",
        "hint: wait until it has ended",
        "lifecycle backfill resume",
    ]);
    let id = newest_backfill(&kiosk);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(1).says(&["is being run by process 7 on moon"]);
    holder.give_back(&lease);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0).says(&["3 days done"]);
}

#[test]
fn a_run_waits_for_the_backfill_to_step_aside() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let (backfill, job) = (holder.hold("backfill of nightly"), holder.hold("nightly"));
    let child = start(&kiosk, &["run", "nightly", "--as-of", &day(2).to_string()].map(str::to_owned));
    until("the run waits", || holder.owner("next of nightly").is_some());
    // One waits; the next is told.
    kiosk.run(3).expect(1).says(&["job `nightly` is being run by process 7 on moon"]);
    holder.give_back(&job);
    let (code, said) = end(child);
    assert_eq!(code, Some(0), "{said}");
    assert!(holder.owner("next of nightly").is_none() && holder.owner("nightly").is_none());
    holder.give_back(&backfill);
    // Where a run has the job, and no backfill, nobody waits.
    let job = holder.hold("nightly");
    kiosk.run(3).expect(1).says(&["job `nightly` is being run by process 7 on moon"]);
    holder.give_back(&job);
}

#[test]
fn a_backfill_waits_for_the_run_and_steps_aside_for_it() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let job = holder.hold("nightly");
    let mut child = start(&kiosk, &kiosk.arguments(0, DAYS - 2, &["--parallel", "2", "-vvv"]));
    let said = listen(&mut child);
    let says = |words: &str| said.lock().unwrap().matches(words).count();
    until("it says that it waits", || says("process 7 on moon is at work") > 0);
    assert_eq!(holder.days("pending"), DAYS - 1);
    let next = holder.hold("next of nightly");
    holder.give_back(&job);
    // The second look from here on began after the job was free.
    let looks = says("somebody else is next");
    until("it looks twice", || says("somebody else is next") >= looks + 2);
    assert_eq!(holder.days("pending"), DAYS - 1, "it waits as long as somebody is to be next");
    holder.give_back(&next);
    until("a day is at work", || holder.days("running") > 0);
    // The run that comes between changes what the days build on.
    let late = "sale_id,sold_at,customer_id,amount\nx1,2025-11-28 10:00:00,c1,5.00\n";
    kiosk.0.write("raw/sales/date=2025-11-28/late.csv", late);
    kiosk.run(DAYS - 1).expect(0);
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", said.lock().unwrap());
    let anew = kiosk.anew();
    anew.run(DAYS - 1).expect(0);
    assert_same(&kiosk.0.tables(), &anew.0.tables());
    assert_eq!(kiosk.0.query("select count(distinct as_of) from marts.balances_history"), ["8"]);
}

#[test]
fn a_landing_that_fails_stops_the_backfill_and_its_days_wait() {
    let kiosk = kiosk();
    kiosk.0.edit("jobs/nightly.yaml", "max_rejected: 50%", "max_rejected: 0%");
    kiosk.0.write("raw/sales/date=2025-11-28/bad.csv", "sale_id,sold_at,customer_id,amount\nx1,never,c1,5.00\n");
    kiosk.backfill(0, 2, &[]).expect(1).says(&["landing failed", "`lifecycle backfill resume"]);
    let days = kiosk.0.query("select status from ops.backfill_days order by as_of");
    assert_eq!(days, ["failed", "pending", "pending"]);
    std::fs::remove_file(kiosk.0.path("raw/sales/date=2025-11-28/bad.csv")).unwrap();
    kiosk.0.edit("jobs/nightly.yaml", "max_rejected: 0%", "max_rejected: 50%");
    kiosk.0.lifecycle(&["backfill", "resume", &newest_backfill(&kiosk)]).expect(0).says(&["3 days done"]);
}
