//! The real binary: subcommands, exit codes, files that change while the daemon runs, and what it costs to idle.

use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cli::Folder;
use crate::crash::{day, deliver, signal, stall};
use crate::run::Shop;
use crate::run::until::until;

use super::job_text;
use super::takeover::{daemon, is_due, with_a_day};

fn folder() -> Folder {
    let folder = Folder::with_project();
    folder.write(
        "jobs/nightly.yaml",
        &job_text("nightly", "{cron: \"30 1 * * *\", timezone: Europe/London, jitter: 5m}"),
    );
    folder.write("jobs/landing.yaml", &job_text("landing", "{cron: \"0 * * * *\", blackout: [2026-03-30]}"));
    folder.write("jobs/report.yaml", &job_text("report", "{after: [nightly]}"));
    folder
}

#[test]
fn next_says_when_jobs_run() {
    let folder = folder();
    let now = ["--now", "2026-03-28T12:10:00Z"];
    insta::assert_snapshot!(folder.run(&[&["schedule", "next", "-n", "2"], &now[..]].concat()), @r"
    exit code 0
    ----- stdout
    job      due                      starts                   as of       note
    landing  2026-03-28 13:00:00 GMT  2026-03-28 13:00:00 GMT  2026-03-27
    landing  2026-03-28 14:00:00 GMT  2026-03-28 14:00:00 GMT  2026-03-27
    nightly  2026-03-29 02:00:00 BST  2026-03-29 02:00:09 BST  2026-03-28
    nightly  2026-03-30 01:30:00 BST  2026-03-30 01:32:07 BST  2026-03-29
    report                                                                 after nightly
    ");
    insta::assert_snapshot!(folder.run(&[&["schedule", "next", "nightly", "-n", "1", "-o", "csv"], &now[..]].concat()), @r"
    exit code 0
    ----- stdout
    job,scheduled_at,start_at,as_of,note
    nightly,2026-03-29T01:00:00Z,2026-03-29T01:00:09.405Z,2026-03-28,
    ");
    insta::assert_snapshot!(folder.run(&["schedule", "next", "nigthly"]), @r"
    exit code 2
    ----- stderr
    error: there is no job `nigthly`
    hint: did you mean `nightly`?
    ");
}

#[test]
fn simulate_plays_a_night_without_its_hour() {
    let folder = folder();
    let span = ["--from", "2026-03-29T00:00", "--to", "2026-03-29T03:00"];
    insta::assert_snapshot!(folder.run(&[&["schedule", "simulate"], &span[..]].concat()), @r"
    exit code 0
    ----- stdout
    job      due                      starts                   as of       decision
    landing  2026-03-29 00:00:00 GMT  2026-03-29 00:00:00 GMT  2026-03-28  run
    landing  2026-03-29 02:00:00 BST  2026-03-29 02:00:00 BST  2026-03-28  run
    nightly  2026-03-29 02:00:00 BST  2026-03-29 02:00:09 BST  2026-03-28  run
    report   2026-03-29 02:00:09 BST  2026-03-29 02:00:09 BST  2026-03-28  run
    ");
    let span = ["--from", "2026-03-30T00:30:00Z", "--to", "2026-03-30T01:30:00Z", "landing", "-o", "json"];
    insta::assert_snapshot!(folder.run(&[&["schedule", "simulate"], &span[..]].concat()), @r#"
    exit code 0
    ----- stdout
    [{"job":"landing","scheduled_at":"2026-03-30T01:00:00Z","start_at":"2026-03-30T01:00:00Z","as_of":"2026-03-29","decision":"skipped: a blackout day"}]
    "#);
    let empty = ["schedule", "simulate", "--from", "2026-03-30", "--to", "2026-03-30"];
    insta::assert_snapshot!(folder.run(&empty), @r"
    exit code 2
    ----- stderr
    error: the span is empty: --from is not before --to
    hint: --from is included, --to is not
    ");
    let wrong = ["schedule", "simulate", "--from", "tomorrow", "--to", "2026-03-30"];
    insta::assert_snapshot!(folder.run(&wrong), @r"
    exit code 2
    ----- stderr
    error: invalid value 'tomorrow' for '--from <TIME>': a time is written 2026-03-29, 2026-03-29T00:30 or 2026-03-29T00:30:00Z

    For more information, try '--help'.
    ");
}

#[test]
fn pause_and_resume_say_what_they_do() {
    let folder = folder();
    let run = |now: &str, arguments: &[&str]| {
        let mut command = folder.command(&[arguments, &["--now", now]].concat());
        folder.shown(&command.env("USER", "anna").output().unwrap())
    };
    let pause = ["schedule", "pause", "landing", "--reason", "the till is being moved"];
    insta::assert_snapshot!(run("2026-03-28T12:10:00Z", &pause), @r"
    exit code 0
    ----- stderr
    landing is paused; `lifecycle schedule resume landing` lets it go on
    ");
    insta::assert_snapshot!(run("2026-03-28T12:20:00Z", &["schedule", "pause", "landing"]), @r"
    exit code 0
    ----- stderr
    landing is paused already, since 2026-03-28 12:10:00 GMT by anna: the till is being moved
    ");
    insta::assert_snapshot!(run("2026-03-28T12:20:00Z", &["schedule", "next", "landing", "-n", "1"]), @r"
    exit code 0
    ----- stdout
    job      due                      starts                   as of       note
    landing  2026-03-28 13:00:00 GMT  2026-03-28 13:00:00 GMT  2026-03-27  paused since 2026-03-28 12:10:00 GMT by anna: the till is being moved
    ");
    insta::assert_snapshot!(run("2026-03-28T14:10:00Z", &["schedule", "resume", "landing"]), @r"
    exit code 0
    ----- stderr
    landing goes on; what became due in the pause is not made up for
    ");
    insta::assert_snapshot!(run("2026-03-28T14:10:00Z", &["schedule", "resume", "landing"]), @r"
    exit code 0
    ----- stderr
    landing was not paused
    ");
    // Who has no name of the one kind has it of the other.
    let mut command = folder.command(&["schedule", "pause", "nightly", "--now", "2026-03-28T14:10:00Z"]);
    assert!(command.env("USER", "").env("LOGNAME", "ben").status().unwrap().success());
    assert!(run("2026-03-28T14:20:00Z", &["schedule", "pause", "nightly"]).contains("14:10:00 GMT by ben"));
    insta::assert_snapshot!(folder.run(&["schedule", "pause", "landng"]), @r"
    exit code 2
    ----- stderr
    error: there is no job `landng`
    hint: did you mean `landing`?
    ");
}

#[test]
fn what_is_due_in_a_pause_is_recorded_without_a_daemon() {
    let folder = folder();
    for (now, arguments) in [
        ("2026-03-28T12:10:00Z", &["schedule", "tick"][..]),
        ("2026-03-28T12:20:00Z", &["schedule", "pause", "landing"]),
        ("2026-03-28T14:10:00Z", &["schedule", "resume", "landing"]),
    ] {
        assert!(folder.run(&[arguments, &["--now", now]].concat()).starts_with("exit code 0"));
    }
    insta::assert_snapshot!(folder.run(&["schedule", "log"]), @r"
    exit code 0
    ----- stdout
    job      due                      as of       status   run  why
    landing  2026-03-28 14:00:00 GMT  2026-03-27  skipped       the job was paused
    landing  2026-03-28 13:00:00 GMT  2026-03-27  skipped       the job was paused
    ");
}

#[test]
fn tick_runs_what_is_due_once_and_ends_as_its_run_does() {
    let shop = with_a_day(stall());
    let text = std::fs::read_to_string(shop.path("jobs/nightly.yaml")).unwrap();
    shop.write("jobs/nightly.yaml", &format!("schedule: {{cron: \"0 2 * * *\"}}\nretry: {{attempts: 1}}\n{text}"));
    let tick = |now: &str| shop.lifecycle(&["schedule", "tick", "--now", now]);
    tick("2026-01-28T12:00:00Z").expect(0).says(&["nothing is due"]);
    tick("2026-01-29T02:00:10Z")
        .expect(0)
        .says(&["nightly as of 2026-01-28: due 2026-01-29 02:00:00 UTC", "release 1"]);
    tick("2026-01-29T02:01:10Z").expect(0).says(&["nothing is due"]);
    // A day whose objects are all broken.
    shop.write(&format!("raw/sales/date={}/broken.csv", day(1)), "sale_id\n1\n2\n");
    let failed = tick("2026-01-30T02:00:10Z").expect(1);
    let why =
        ["nightly as of 2026-01-29 failed", "rows were rejected", "caused by: object sales/date=2026-01-29/broken.csv"];
    failed.says(&[&why[..], &["hint: mend the source's contract", "; see `lifecycle runs show "]].concat());
    std::fs::remove_file(shop.path(&format!("raw/sales/date={}/broken.csv", day(1)))).unwrap();
    deliver(&shop, day(1), 1);
    let missed =
        "nightly as of 2026-01-30: due 2026-01-31 02:00:00 UTC, missed: nobody was there, and it is not made up for";
    let late = "started (4 min 10 s late: nobody was there at its time)";
    tick("2026-02-01T02:04:10Z").expect(0).says(&[missed, "as of 2026-01-31", late]);
    let log = shop.query("select as_of, status, outcome, reason from ops.schedules order by scheduled_at");
    assert_eq!(
        log,
        [
            "2026-01-28,done,succeeded,",
            "2026-01-29,done,failed,",
            "2026-01-30,missed,,catch_up",
            "2026-01-31,done,succeeded,"
        ]
    );
}

#[test]
fn what_is_missed_or_given_up_is_something() {
    use chrono::TimeDelta;
    use lifecycle::state::{Decision, State, Verdict};
    let folder = folder();
    folder.write("jobs/landing.yaml", &job_text("landing", "{cron: \"0 * * * *\", catch_up: none}"));
    let tick = |now: &str| folder.run(&["schedule", "tick", "--now", now]);
    assert!(tick("2026-03-28T12:10:00Z").contains("nothing is due"));
    let missed = tick("2026-03-28T13:30:00Z");
    assert!(missed.starts_with("exit code 0") && missed.contains("missed: nobody was there"), "{missed}");
    assert!(!missed.contains("nothing is due"), "{missed}");
    // A run that has killed three processes.
    let begun = super::at("2026-03-28T13:40:00Z");
    crate::run::wait_for(async {
        let state = State::open(&folder.state_file()).await.unwrap();
        let basis = state.schedules().await.unwrap().into_iter().find(|found| found.job == "landing").unwrap();
        let verdict = Verdict::Start { is_made_up: false };
        let day = begun.date_naive();
        let start = Decision { instant: begun, first: begun, instants: 1, as_of: day, verdict, answers: None };
        assert!(state.decide(&basis, &[start], &[], basis.decided_until, "a test", begun).await.unwrap());
        for death in 0..3 {
            let open = state.open_scheduled_runs().await.unwrap();
            let (now, lease) = (begun + TimeDelta::seconds(10 * death), Duration::from_secs(1));
            state.claim_scheduled_run(&open[0], "a test", lease, now).await.unwrap().unwrap();
        }
        state.close().await;
    });
    let given_up = tick("2026-03-28T13:50:00Z");
    assert!(given_up.starts_with("exit code 1") && given_up.contains("its process died 3 times"), "{given_up}");
    // Names that nothing has.
    insta::assert_snapshot!(folder.run(&["schedule", "log", "landng"]), @r"
    exit code 2
    ----- stderr
    error: there is no job `landng`
    hint: did you mean `landing`?
    ");
    assert!(folder.run(&["schedule", "log", "report"]).contains("nothing has been decided yet"));
}

/// What a child says on stderr, as it says it.
fn listen(process: &mut super::takeover::Process) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let (writer, stderr) = (said.clone(), process.child().stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut said = writer.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
    said
}

#[test]
fn a_file_that_breaks_while_the_daemon_runs_is_told_with_its_place() {
    let shop = with_a_day(stall());
    is_due(&shop);
    let mut process = daemon(&shop, &[]);
    let said = listen(&mut process);
    let says = |word: &str| said.lock().unwrap().contains(word);
    until("the first run", || says("release 1"));
    shop.edit("sql/marts/totals.sql", "marts.days", "marts.dayz");
    until("the mistake", || says("marts.dayz"));
    assert!(says("what was read before stays in use") && says("sql/marts/totals.sql:"), "{}", said.lock().unwrap());
    shop.edit("sql/marts/totals.sql", "marts.dayz", "marts.days");
    until("its end", || says("the project's files have changed and are in use: 1 job"));
    signal(process.child(), "-TERM");
    until("the end", || says("stopped"));
    assert_eq!(process.child().wait().unwrap().code(), Some(0));
}

#[test]
fn a_project_with_mistakes_starts_no_daemon() {
    let folder = folder();
    folder.write("jobs/landing.yaml", &job_text("landing", "{cron: \"0 2 30 2 *\"}"));
    assert!(folder.run(&["schedule"]).starts_with("exit code 2"));
    // Also those that show only when the SQL is planned.
    let shop = stall();
    shop.edit("sql/marts/totals.sql", "marts.days", "marts.dayz");
    let mut process = daemon(&shop, &[]);
    until("its end", || process.child().try_wait().unwrap().is_some());
    let (code, said) = process.end();
    assert!(code == Some(2) && said.contains("--> sql/marts/totals.sql:"), "{said}");
}

/// Resident bytes, those of them that are the process's own, and processor seconds.
fn cost(pid: u32) -> (u64, u64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let bytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit_once(')').unwrap().1.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // User and system time are the fields 14 and 15, of which the state, a letter, was left out.
    (bytes("VmRSS:"), bytes("RssAnon:"), (fields[10] + fields[11]) as f64 / 100.0)
}

#[test]
#[ignore = "long: a minute of a daemon with 100 jobs"]
fn a_hundred_jobs_cost_next_to_nothing() {
    let shop = Shop::bare();
    for job in 0..100 {
        let name = format!("job_{job}");
        let schedule = match job % 4 {
            0 => format!("{{after: [job_{}]}}", job + 1),
            _ => format!("{{cron: \"{} 3 * * *\", timezone: Europe/London, jitter: 5m}}", job % 60),
        };
        shop.write(&format!("jobs/{name}.yaml"), &job_text(&name, &schedule));
    }
    let mut process = daemon(&shop, &[]);
    let said = listen(&mut process);
    until("the beginning", || said.lock().unwrap().contains("watching the clock for 100 jobs"));
    let pid = process.child().id();
    let wait = |span: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < span {
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    wait(Duration::from_secs(5));
    let (_, _, before) = cost(pid);
    let begun = Instant::now();
    wait(Duration::from_secs(40));
    let (bytes, own, after) = cost(pid);
    let share = (after - before) / begun.elapsed().as_secs_f64();
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (all, own) = (mebibytes(bytes), mebibytes(own));
    println!(
        "100 jobs, idle: {all:.1} MiB resident, {own:.1} MiB of them not the program's; {:.2} % of a core",
        share * 100.0
    );
    signal(process.child(), "-TERM");
    assert_eq!(process.child().wait().unwrap().code(), Some(0));
    assert!(own < 20.0, "{own}");
    // Without optimisation the program itself is larger by about 8 MiB.
    assert!(all < if cfg!(debug_assertions) { 68.0 } else { 60.0 }, "{all}");
    assert!(share < 0.01, "{share}");
}

#[test]
#[ignore = "long: next with 10,000 decisions"]
fn next_answers_at_once_with_ten_thousand_decisions() {
    use chrono::TimeDelta;
    use lifecycle::state::{Decision, State, Verdict};
    let folder = folder();
    let begun = super::at("2026-01-01T00:00:00Z");
    crate::run::wait_for(async {
        let state = State::open(&folder.state_file()).await.unwrap();
        let basis = state.begin_schedule("landing", "0 * * * * | UTC | ", begun).await.unwrap();
        let decisions: Vec<Decision> = (1..=10_000)
            .map(|hour| {
                let instant = begun + TimeDelta::hours(hour);
                let verdict = Verdict::Missed(lifecycle::state::NotRunReason::CatchUp);
                Decision { instant, first: instant, instants: 1, as_of: begun.date_naive(), verdict, answers: None }
            })
            .collect();
        assert!(state.decide(&basis, &decisions, &[], begun, "a test", begun).await.unwrap());
        state.close().await;
    });
    let took = |arguments: &[&str]| {
        (0..5)
            .map(|_| {
                let begun = Instant::now();
                assert!(folder.command(arguments).output().unwrap().status.success());
                begun.elapsed()
            })
            .min()
            .unwrap()
    };
    let (next, log) = (took(&["schedule", "next"]), took(&["schedule", "log"]));
    println!("with 10,000 decisions: `schedule next` {next:.0?}, `schedule log` {log:.0?}");
    assert!(next < Duration::from_millis(100), "{next:?}");
}
