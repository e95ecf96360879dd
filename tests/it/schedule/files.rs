//! The project's files while a daemon runs: edits that come while they are read, folders that are named anew, settings
//! that are taken once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use lifecycle::config::load_project;
use lifecycle::schedule::{Daemon, DaemonSettings, ProjectFiles};

use super::{Counter, Diary, Office, job_text, tick};

const HOURLY: &str = "{cron: \"0 * * * *\"}";
const HALF_PAST: &str = "{cron: \"30 * * * *\"}";

async fn look(office: &Office, daemon: &mut Daemon, looks: usize) {
    for _ in 0..looks {
        office.time.pass(TimeDelta::seconds(6));
        tick(daemon).await;
    }
}

fn cron_of<'d>(daemon: &'d Daemon, job: &str) -> &'d str {
    daemon.files().project().jobs[job].schedule.as_ref().unwrap().cron.as_deref().unwrap()
}

fn daemon_over(office: &Office, files: ProjectFiles, state: &lifecycle::state::State) -> Daemon {
    let minute = std::time::Duration::from_secs(60);
    let settings = DaemonSettings { owner: "a".to_owned(), at_once: 1, grace: minute, lease: minute };
    let counter = Counter::new(state, &office.time, "a");
    Daemon::new(settings, files, state.clone(), office.time.clock(), counter, Arc::new(Diary::default()))
}

#[tokio::test]
async fn an_edit_that_comes_while_the_files_are_read_is_used() {
    // The first reading takes two calls: one says where the files are.
    for edited_in in [2, 3] {
        let office = Office::new("2026-03-02T00:10:00Z");
        office.job("nightly", HOURLY);
        office.job("landing", HOURLY);
        let calls = AtomicUsize::new(0);
        let folder = office.path().to_owned();
        let files = ProjectFiles::read(Box::new(move || {
            let project = load_project(&folder, "local", &|_| None)?;
            if calls.fetch_add(1, Ordering::SeqCst) + 1 == edited_in {
                std::fs::write(folder.join("jobs/landing.yaml"), job_text("landing", HALF_PAST)).unwrap();
            }
            Ok(project)
        }));
        let state = office.state().await;
        let mut daemon = daemon_over(&office, files.unwrap(), &state);
        assert_eq!(cron_of(&daemon, "landing"), "0 * * * *");
        look(&office, &mut daemon, 1).await;
        if edited_in == 3 {
            office.job("nightly", HALF_PAST);
        }
        look(&office, &mut daemon, 5).await;
        assert_eq!(cron_of(&daemon, "landing"), "30 * * * *", "edited in call {edited_in}");
    }
}

#[tokio::test]
async fn what_is_mended_where_nobody_looks_is_found_within_a_minute() {
    let office = Office::new("2026-03-02T00:10:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    look(&office, &mut daemon, 1).await;
    // A folder of models is named, and holds a mistake.
    office.write("more/marts/sums.sql", "select 1 as one");
    office.write("more/marts/sums.yaml", "description: One row.\nbogus: true\n");
    let config = std::fs::read_to_string(office.path().join("config/local.yaml")).unwrap();
    office.write("config/local.yaml", &format!("{config}sql: [more]\n"));
    look(&office, &mut daemon, 15).await;
    assert_eq!(diary.take(), ["broken more/marts/sums.yaml"], "once");
    std::fs::remove_dir_all(office.path().join("more/marts")).unwrap();
    look(&office, &mut daemon, 11).await;
    assert_eq!(diary.take(), ["reloaded nightly"]);
    assert!(!daemon.files().is_broken());
    // From now on it is looked at.
    office.write("more/marts/sums.yaml", "description: One row.\nbogus: true\n");
    look(&office, &mut daemon, 3).await;
    assert_eq!(diary.take(), ["broken more/marts/sums.yaml"]);
}

#[tokio::test]
async fn another_state_or_lease_is_not_taken_over_while_it_runs() {
    let office = Office::new("2026-03-02T00:10:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    look(&office, &mut daemon, 1).await;
    let config = std::fs::read_to_string(office.path().join("config/local.yaml")).unwrap();
    let used = daemon.files().project().environment.state.clone();
    for changed in [config.replace("state.db", "other.db"), format!("{config}lease: 5m\n")] {
        office.write("config/local.yaml", &changed);
        look(&office, &mut daemon, 3).await;
        assert_eq!(diary.take(), ["broken config/local.yaml"], "{changed}");
        assert_eq!(daemon.files().project().environment.state, used);
    }
    office.write("config/local.yaml", &config);
    look(&office, &mut daemon, 3).await;
    assert_eq!(diary.take(), ["reloaded nightly"]);
}
