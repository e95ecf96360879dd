use super::Folder;

/// The help of a command, without the options that every command has, which `lifecycle --help` shows.
fn help(command: &[&str]) -> String {
    let folder = Folder::new();
    let text = folder.run(&[command, &["--help"]].concat());
    if command.is_empty() {
        return text;
    }
    let (before, rest) = text.split_once("Global options:\n").expect("every command has the global options");
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    format!("{before}Global options: …\n\n{after}")
}

#[test]
fn all_commands() {
    insta::assert_snapshot!(help(&[]), @r#"
    exit code 0
    ----- stdout
    Turns raw customer interactions into checked, published customer-lifecycle tables

    Usage: lifecycle [OPTIONS] <COMMAND>

    Commands:
      demo         Make a business's raw files, run the nightly job over them, say what to look at
      init         Begin a new project from templates
      validate     Report every mistake in the project's files; reads no data
      test         Run the cases of models: given rows, expected rows
      plan         Show what a run would do, and why
      why          Tell from what a table was built, what has come since, and what the next run would do
      run          Land, build, check and publish a job for one day
      backfill     Run a job for a range of days
      schedule     Run jobs when they are due; show, simulate, pause and resume their schedules
      status       Show how the jobs stand: last runs, checks, rejected rows, freshness
      runs         List runs, or show one
      rejected     Look at rows that a source's contract refused
      tables       List the published tables
      query        Query the published tables with SQL
      docs         Write the data dictionary: every table, column, parameter and check
      rollback     Publish an earlier release again
      vacuum       Delete old releases, and files that no reader needs
      doctor       Check the environment: configuration, stores, state, machine
      completions  Print a completion script for a shell

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --project <DIR>        The project's folder: the one that holds config/, jobs/ and sql/
                                 [default: .]
          --env <NAME>           The environment: the file config/NAME.yaml [default: local]
      -q, --quiet                Print data and errors only
      -v, --verbose...           Log what is done (-v), and how (-vv)
          --log-format <FORMAT>  How messages and logs are written to stderr [default: text] [possible
                                 values: text, json]
          --otlp <URL>           Send traces of runs to this OpenTelemetry collector, by OTLP over HTTP
          --color <WHEN>         When to use colours; `auto` also follows NO_COLOR [default: auto]
                                 [possible values: auto, always, never]

    Examples:
      lifecycle demo                        try it on a made-up business
      lifecycle init shop                   begin a project of your own
      lifecycle run nightly                 land, build, check and publish
      lifecycle query "select * from marts.churn_summary"

    Exit codes:
      0 done   1 a run failed   2 usage or configuration   3 part of it failed
      4 checks stopped the release   130 interrupted
    "#);
}

#[test]
fn demo() {
    insta::assert_snapshot!(help(&["demo"]), @r"
    exit code 0
    ----- stdout
    Make a business's raw files, run the nightly job over them, say what to look at

    Usage: lifecycle demo [OPTIONS]

    Options:
          --dir <DIR>      The folder to write to; created, and refused where it holds something else
                           [default: demo]
          --customers <N>  How many customers the business has in the end [default: 5000]
          --days <N>       How many days of business [default: 730]
          --seed <S>       Which business of all that could be [default: 42]
      -h, --help           Print help

    Global options: …

    Examples:
      lifecycle demo
      lifecycle demo --customers 50000 --days 365
      lifecycle demo --dir shop-demo --seed 7

    The same seed makes the same files. Raw files lie under DIR/raw, tables under DIR/warehouse.
    ");
}

#[test]
fn init() {
    insta::assert_snapshot!(help(&["init"]), @r"
    exit code 0
    ----- stdout
    Begin a new project from templates

    Usage: lifecycle init [OPTIONS] <DIR>

    Arguments:
      <DIR>  The folder of the new project: a new one, or an empty one

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle init shop
      lifecycle --project shop validate

    The folder holds a configuration, a job to fill in, and a copy of all the standard models: plain
    SQL, yours to edit.
    ");
}

#[test]
fn validate() {
    insta::assert_snapshot!(help(&["validate"]), @r"
    exit code 0
    ----- stdout
    Report every mistake in the project's files; reads no data

    Usage: lifecycle validate [OPTIONS]

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle validate
      lifecycle validate --env production

    Prints every mistake of every job, configuration and model at once, with file, line and column, and
    exits with 2 if there is one. All SQL is planned against the contracts; no data is read.
    ");
}

#[test]
fn plan() {
    insta::assert_snapshot!(help(&["plan"]), @r"
    exit code 0
    ----- stdout
    Show what a run would do, and why

    Usage: lifecycle plan [OPTIONS] <JOB>

    Arguments:
      <JOB>  The job: the file jobs/JOB.yaml

    Options:
          --as-of <DAY>        The last complete business day that the run sees [default: yesterday in
                               the environment's zone]
      -s, --select <SELECTOR>  Only these models and what they need: a name, a folder, tag:x, +upstream,
                               downstream+; may be repeated
          --full-refresh       Build every selected table whole, changed or not
          --var <NAME=VALUE>   Give a parameter another value for this run; may be repeated
      -h, --help               Print help

    Global options: …

    Examples:
      lifecycle plan nightly
      lifecycle plan nightly --as-of 2026-01-31 -s marts.churn
      lifecycle plan nightly --full-refresh

    Lists the objects to land, the tables to build and the days to rebuild, with the reason for each.
    `run` does just that.
    ");
}

#[test]
fn run() {
    insta::assert_snapshot!(help(&["run"]), @r"
    exit code 0
    ----- stdout
    Land, build, check and publish a job for one day

    Usage: lifecycle run [OPTIONS] <JOB>

    Arguments:
      <JOB>  The job: the file jobs/JOB.yaml

    Options:
          --as-of <DAY>        The last complete business day that the run sees [default: yesterday in
                               the environment's zone]
      -s, --select <SELECTOR>  Only these models and what they need: a name, a folder, tag:x, +upstream,
                               downstream+; may be repeated
          --full-refresh       Build every selected table whole, changed or not
          --var <NAME=VALUE>   Give a parameter another value for this run; may be repeated
          --wait               Wait while another process works on the job, instead of failing at once
          --attempts <N>       Tries in all; 1 does not try again [default: the job's `retry.attempts`]
          --notify             Tell the job's `notify` targets how it ended, as for a scheduled run
      -h, --help               Print help

    Global options: …

    Examples:
      lifecycle run nightly
      lifecycle run nightly --as-of 2026-01-31
      lifecycle run nightly -s +marts.churn --var churn_window_days=60
      lifecycle run nightly --wait --attempts 5
      lifecycle run nightly --notify        from an outside scheduler

    A run may be repeated, and killed at any moment: the published tables stay whole, and the next run
    goes on from there. An older day than the current release's writes that day's history only. Facts
    that came late are put into the history of the job's `repair_window`.

    What may pass (a store or the state's database that fails for a while) is tried again as the job's
    `retry` says, and what was finished is not done again. Mistakes, checks and rejected rows are told
    at once.
    ");
}

#[test]
fn backfill() {
    insta::assert_snapshot!(help(&["backfill"]), @r"
    exit code 0
    ----- stdout
    Run a job for a range of days

    Usage: lifecycle backfill [OPTIONS] <JOB> --from <DAY> --to <DAY>
           lifecycle backfill <list|show|pause|resume|cancel>

    Commands:
      list    List backfills, the newest first
      show    Show one: its days, how far it is, how long it still takes
      pause   Begin no further day; the days at work go on to their end
      resume  Run the days that are left: waiting, failed, cancelled
      cancel  Take the waiting days off the list

    Arguments:
      <JOB>  The job: the file jobs/JOB.yaml

    Options:
          --from <DAY>     The first day
          --to <DAY>       The last day
          --only <WHICH>   Which days of the range: those without a successful run, those whose last run
                           failed, or all [default: missing] [possible values: missing, failed, all]
          --order <ORDER>  Which days before the current release's are begun first; `resume` keeps to it
                           [default: oldest-first] [possible values: oldest-first, newest-first]
          --parallel <N>   Days that are built at once; they share the memory limit. At most `backfill:
                           {parallel: …}` of the environment [default: 2]
          --dry-run        Print the days, what would land and which histories are written, and stop
      -h, --help           Print help

    Global options: …

    Examples:
      lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31
      lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --dry-run
      lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --only failed --parallel 4
      lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --order newest-first
      lifecycle backfill list
      lifecycle backfill show 0192
      lifecycle backfill pause 0192
      lifecycle backfill resume 0192 --only failed

    The list of days is written down first: a backfill that was killed goes on with `resume` where it
    stopped. Days before the current release's write their histories only; later ones come first, and
    the newest of them makes the current tables, in either order. A run of the job that is started
    meanwhile waits for the days at work, and the backfill goes on after it.

    A day that waits or is at work in one backfill of a job is refused to another. One backfill of a job
    works at a time: one that is begun meanwhile is written down, and `resume` starts it.

    Exits with 0 when all days are done, with 3 when some failed, were cancelled or wait because it was
    paused.
    ");
}

#[test]
fn backfill_list() {
    insta::assert_snapshot!(help(&["backfill", "list"]), @r"
    exit code 0
    ----- stdout
    List backfills, the newest first

    Usage: lifecycle backfill list [OPTIONS]

    Options:
      -o, --output <FORMAT>  Print the rows as data instead of a text for people [possible values:
                             table, csv, json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle backfill list
      lifecycle backfill list -o json
    ");
}

#[test]
fn backfill_show() {
    insta::assert_snapshot!(help(&["backfill", "show"]), @r"
    exit code 0
    ----- stdout
    Show one: its days, how far it is, how long it still takes

    Usage: lifecycle backfill show [OPTIONS] <ID>

    Arguments:
      <ID>  The backfill's id, or how it begins

    Options:
      -o, --output <FORMAT>  Print it as data instead of a text for people [possible values: json]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle backfill show 0192
      lifecycle backfill show 0192 -o json

    The pace is that of the last 20 days that were done; there is none before two are done.
    ");
}

#[test]
fn backfill_pause() {
    insta::assert_snapshot!(help(&["backfill", "pause"]), @r"
    exit code 0
    ----- stdout
    Begin no further day; the days at work go on to their end

    Usage: lifecycle backfill pause [OPTIONS] <ID>

    Arguments:
      <ID>  The backfill's id, or how it begins

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle backfill pause 0192

    May be said from another terminal or machine. The process that works on the backfill finishes and
    publishes the days at work, and exits with 3. Nothing but `resume` starts it again.
    ");
}

#[test]
fn backfill_resume() {
    insta::assert_snapshot!(help(&["backfill", "resume"]), @r"
    exit code 0
    ----- stdout
    Run the days that are left: waiting, failed, cancelled

    Usage: lifecycle backfill resume [OPTIONS] <ID>

    Arguments:
      <ID>  The backfill's id, or how it begins

    Options:
          --only <WHICH>  Which of the days that are left [default: all] [possible values: all, failed,
                          waiting]
          --parallel <N>  Days that are built at once; they share the memory limit. At most `backfill:
                          {parallel: …}` of the environment [default: 2]
      -h, --help          Print help

    Global options: …

    Examples:
      lifecycle backfill resume 0192
      lifecycle backfill resume 0192 --only failed --parallel 4

    Goes on after a pause, a kill, an interruption or a failure. Without --only all days that are not
    done are run: waiting, failed and cancelled ones. `--only failed` tries those that failed, and
    leaves the others as they are; `--only waiting` leaves those that failed.
    ");
}

#[test]
fn backfill_cancel() {
    insta::assert_snapshot!(help(&["backfill", "cancel"]), @r"
    exit code 0
    ----- stdout
    Take the waiting days off the list

    Usage: lifecycle backfill cancel [OPTIONS] <ID>

    Arguments:
      <ID>  The backfill's id, or how it begins

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle backfill cancel 0192
    ");
}

#[test]
fn status() {
    insta::assert_snapshot!(help(&["status"]), @r"
    exit code 0
    ----- stdout
    Show how the jobs stand: last runs, checks, rejected rows, freshness

    Usage: lifecycle status [OPTIONS] [JOB]

    Arguments:
      [JOB]  Only this job, in detail

    Options:
          --check            Exit with 1 where something is wrong: a run that failed, late data, failing
                             checks, too many rejected rows
      -o, --output <FORMAT>  How it is printed [default: table] [possible values: table, json]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle status
      lifecycle status nightly
      lifecycle status -o json | jq '.jobs[] | {job, late_by_seconds}'
      lifecycle status --check || echo 'look after it'

    One line per job: the last run, what was rejected, which checks fail, how old the published data
    are, the next run. Below it what is at work now.
    ");
}

#[test]
fn runs() {
    insta::assert_snapshot!(help(&["runs"]), @r"
    exit code 0
    ----- stdout
    List runs, or show one

    Usage: lifecycle runs [OPTIONS] [COMMAND]

    Commands:
      show  Show one run: its sources, tables and checks

    Options:
          --job <JOB>        Only runs of this job
          --status <STATUS>  Only runs with this status: running, succeeded, nothing_to_do, failed,
                             checks_failed, partly_failed, interrupted
      -n, --limit <N>        The newest N [default: 20]
      -o, --output <FORMAT>  Print the rows as data instead of a text for people [possible values:
                             table, csv, json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle runs
      lifecycle runs --job nightly --status failed -n 5
      lifecycle runs show 0192
      lifecycle runs -o csv > runs.csv
    ");
}

#[test]
fn runs_show() {
    insta::assert_snapshot!(help(&["runs", "show"]), @r"
    exit code 0
    ----- stdout
    Show one run: its sources, tables and checks

    Usage: lifecycle runs show [OPTIONS] <ID>

    Arguments:
      <ID>  The run's id, or how it begins

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle runs show 0192f3
    ");
}

#[test]
fn rejected() {
    insta::assert_snapshot!(help(&["rejected"]), @r"
    exit code 0
    ----- stdout
    Look at rows that a source's contract refused

    Usage: lifecycle rejected [OPTIONS] [SOURCE]
           lifecycle rejected replay [OPTIONS] [SOURCE]

    Commands:
      replay  Land refused rows again, when the source's contract has been mended

    Arguments:
      [SOURCE]  Show the refused rows of this source

    Options:
      -n, --limit <N>        The newest N [default: 20]
      -o, --output <FORMAT>  How the rows are printed [default: table] [possible values: table, csv,
                             json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle rejected
      lifecycle rejected orders -n 100
      lifecycle rejected orders -o csv > refused.csv
      lifecycle rejected replay orders

    Without a source: how many rows of each source were refused, by reason. Values of columns marked
    `pii` are masked.
    ");
}

#[test]
fn rejected_replay() {
    insta::assert_snapshot!(help(&["rejected", "replay"]), @r"
    exit code 0
    ----- stdout
    Land refused rows again, when the source's contract has been mended

    Usage: lifecycle rejected replay [OPTIONS] [SOURCE]

    Arguments:
      [SOURCE]  Only this source; without it all that have refused rows

    Options:
          --dry-run          Say what would be read, and stop
      -o, --output <FORMAT>  How the result is printed [default: table] [possible values: table, csv,
                             json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle rejected replay orders --dry-run
      lifecycle rejected replay orders
      lifecycle rejected replay

    Mend the contract in the job's file first. All objects of a source whose contract changed are read
    again, as in a run; of objects that are gone, the refused rows that were kept whole. Rows land once,
    however often this is repeated or killed. Nothing is published: the job's next run builds the days
    that were touched. Exits with 3 if a source failed and another did not.
    ");
}

#[test]
fn tables() {
    insta::assert_snapshot!(help(&["tables"]), @r"
    exit code 0
    ----- stdout
    List the published tables

    Usage: lifecycle tables [OPTIONS]

    Options:
      -o, --output <FORMAT>  How the list is printed [default: table] [possible values: table, csv,
                             json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle tables
      lifecycle tables -o json
    ");
}

#[test]
fn query() {
    insta::assert_snapshot!(help(&["query"]), @r#"
    exit code 0
    ----- stdout
    Query the published tables with SQL

    Usage: lifecycle query [OPTIONS] <SQL>

    Arguments:
      <SQL>  The query; `-` reads it from stdin

    Options:
      -o, --output <FORMAT>   How the rows are printed [default: table] [possible values: table, csv,
                              json, ndjson, parquet]
          --file <FILE>       Write to this file instead of stdout
          --release <NUMBER>  Read this release of the job instead of the current one
          --job <JOB>         Read what this job published; needed with several jobs and --release
      -h, --help              Print help

    Global options: …

    Examples:
      lifecycle query "select * from marts.churn_summary"
      lifecycle query "select * from marts.customer_value" -o parquet --file value.parquet
      lifecycle query "select job, status, count(*) from ops.runs group by job, status" -o csv
      lifecycle query - < question.sql

    Reads the tables of one release. Schemas: marts, intermediate, staging, landed, seeds, ops.
    "#);
}

#[test]
fn rollback() {
    insta::assert_snapshot!(help(&["rollback"]), @r"
    exit code 0
    ----- stdout
    Publish an earlier release again

    Usage: lifecycle rollback [OPTIONS] [RELEASE]

    Arguments:
      [RELEASE]  The release's number [default: the one before the current]

    Options:
          --job <JOB>  The job whose release it is; needed where several jobs publish
      -h, --help       Print help

    Global options: …

    Examples:
      lifecycle rollback
      lifecycle rollback 17 --job nightly

    Publishes the tables of an earlier release as a new one; without a number, of the release before the
    current one.
    ");
}

#[test]
fn vacuum() {
    insta::assert_snapshot!(help(&["vacuum"]), @r"
    exit code 0
    ----- stdout
    Delete old releases, and files that no reader needs

    Usage: lifecycle vacuum [OPTIONS]

    Options:
          --keep <DAYS>  Keep the releases that were current in so many days: from 7d, because younger
                         files stay anyway, to 365d, because the tables' logs reach no farther back
                         [default: 30d]
          --dry-run      Print what would be deleted, by table, and delete nothing
      -h, --help         Print help

    Global options: …

    Examples:
      lifecycle vacuum --dry-run
      lifecycle vacuum
      lifecycle vacuum --keep 90d

    Deletes old releases, the files that only they need, and what killed runs and failed landings have
    left. The newest version of each table stays, and so does everything that a kept release needs:
    those of the last 30 days and the newest five, which `rollback` and `query --release` can reach. No
    file that is younger than 7 days is deleted. Refuses to work while a job runs.
    ");
}

#[test]
fn doctor() {
    insta::assert_snapshot!(help(&["doctor"]), @r"
    exit code 0
    ----- stdout
    Check the environment: configuration, stores, state, machine

    Usage: lifecycle doctor [OPTIONS]

    Options:
          --notify <JOB>  Send a test message to every `notify` target of this job
      -h, --help          Print help

    Global options: …

    Examples:
      lifecycle doctor
      lifecycle doctor --env production
      lifecycle doctor --notify nightly

    Writes and deletes small probe objects in the warehouse. Exits with 1 if a check fails, with 2 if
    only the configuration is wrong.
    ");
}

#[test]
fn completions() {
    insta::assert_snapshot!(help(&["completions"]), @r"
    exit code 0
    ----- stdout
    Print a completion script for a shell

    Usage: lifecycle completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>  The shell [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle completions bash > ~/.local/share/bash-completion/completions/lifecycle
      lifecycle completions zsh > ~/.zfunc/_lifecycle
      lifecycle completions fish > ~/.config/fish/completions/lifecycle.fish
    ");
}

#[test]
fn why() {
    insta::assert_snapshot!(help(&["why"]), @r"
    exit code 0
    ----- stdout
    Tell from what a table was built, what has come since, and what the next run would do

    Usage: lifecycle why [OPTIONS] <TABLE> [DAY]

    Arguments:
      <TABLE>  The table: marts.churn, or churn where no other schema has one; a history is
               marts.churn_history
      [DAY]    A day of a table that is built by days, or of a history

    Options:
          --job <JOB>        The job that builds the table, where several do
          --as-of <DAY>      The day of the next run [default: yesterday in the environment's zone]
      -o, --output <FORMAT>  How it is printed [default: text] [possible values: text, json]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle why marts.churn
      lifecycle why intermediate.order_days 2025-12-06
      lifecycle why marts.churn_history 2025-12-06
      lifecycle why churn -o json

    Says when the table, or the day of it, was last built, from which landed versions, what has landed
    since and what waits, what changed of its definition, and what the next run would do with it.
    Nothing is changed.
    ");
}

#[test]
fn version() {
    let folder = Folder::new();
    let expected = format!("exit code 0\n----- stdout\nlifecycle {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(folder.run(&["--version"]), expected);
}

#[test]
fn every_command_gives_examples() {
    let folder = Folder::new();
    for command in [
        "demo",
        "init",
        "validate",
        "plan",
        "why",
        "run",
        "backfill",
        "status",
        "runs",
        "rejected",
        "tables",
        "query",
        "rollback",
        "doctor",
        "completions",
    ] {
        let text = folder.run(&[command, "--help"]);
        assert!(text.contains(&format!("Examples:\n  lifecycle {command}")), "{text}");
    }
}

#[test]
fn schedule() {
    insta::assert_snapshot!(help(&["schedule"]), @r#"
    exit code 0
    ----- stdout
    Run jobs when they are due; show, simulate, pause and resume their schedules

    Usage: lifecycle schedule [OPTIONS]
           lifecycle schedule <COMMAND>

    Commands:
      next      Print when jobs run next
      simulate  Print what the rules would do in a span of time
      tick      Run what is due now, once: for an outside cron
      pause     Start no run of a job until it is resumed
      resume    Let a paused job start runs again
      log       Print what was decided: runs, missed and skipped ones

    Options:
          --listen <ADDRESS>  Serve /metrics and /healthz at this address
          --at-once <N>       Runs at work at once, of different jobs; each may take the memory limit
                              [default: 1]
          --grace <DURATION>  How long runs at work may go on after SIGTERM [default: 10m]
      -h, --help              Print help

    Global options: …

    Examples:
      lifecycle schedule                        run every job when it is due, until stopped
      lifecycle schedule --at-once 2 --listen 127.0.0.1:9464
      lifecycle schedule next                   when each job runs next
      lifecycle schedule simulate --from 2026-03-28 --to 2026-03-31 nightly
      lifecycle schedule tick                   for an outside cron: run what is due once
      lifecycle schedule pause nightly --reason "the till is being moved"

    Several daemons may work on one state: each run is executed once, and what a dead one leaves is
    taken over. Changed files are read while it runs. Ctrl-C or SIGTERM starts nothing more and waits
    for the runs at work; once more interrupts them.
    "#);
}

#[test]
fn schedule_next() {
    insta::assert_snapshot!(help(&["schedule", "next"]), @r"
    exit code 0
    ----- stdout
    Print when jobs run next

    Usage: lifecycle schedule next [OPTIONS] [JOB]

    Arguments:
      [JOB]  Only this job

    Options:
      -n, --limit <N>        How many runs of each job [default: 3]
      -o, --output <FORMAT>  Print the rows as data instead of a text for people [possible values:
                             table, csv, json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle schedule next
      lifecycle schedule next nightly -n 10
      lifecycle schedule next -o csv
    ");
}

#[test]
fn schedule_simulate() {
    insta::assert_snapshot!(help(&["schedule", "simulate"]), @r"
    exit code 0
    ----- stdout
    Print what the rules would do in a span of time

    Usage: lifecycle schedule simulate [OPTIONS] --from <TIME> --to <TIME> [JOB]

    Arguments:
      [JOB]  Only this job

    Options:
          --from <TIME>      The beginning, included: a day, or a time such as 2026-03-29T00:30 or
                             2026-03-29T00:30:00Z
          --to <TIME>        The end, not included
      -o, --output <FORMAT>  Print the rows as data instead of a text for people [possible values:
                             table, csv, json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle schedule simulate --from 2026-03-28 --to 2026-03-31
      lifecycle schedule simulate --from 2026-10-25T00:00 --to 2026-10-25T06:00 landing -o csv

    Each run is taken to start at once, to take no time and to end well. Times without a zone are in the
    environment's.
    ");
}

#[test]
fn schedule_tick() {
    insta::assert_snapshot!(help(&["schedule", "tick"]), @r"
    exit code 0
    ----- stdout
    Run what is due now, once: for an outside cron

    Usage: lifecycle schedule tick [OPTIONS]

    Options:
      -h, --help  Print help

    Global options: …
    ");
}

#[test]
fn schedule_pause() {
    insta::assert_snapshot!(help(&["schedule", "pause"]), @r#"
    exit code 0
    ----- stdout
    Start no run of a job until it is resumed

    Usage: lifecycle schedule pause [OPTIONS] <JOB>

    Arguments:
      <JOB>  The job: the file jobs/JOB.yaml

    Options:
          --reason <TEXT>  Why, for those who wonder
      -h, --help           Print help

    Global options: …

    Examples:
      lifecycle schedule pause nightly
      lifecycle schedule pause nightly --reason "the till is being moved"

    A run at work goes on. What becomes due meanwhile is recorded as skipped, and not made up for.
    "#);
}

#[test]
fn schedule_resume() {
    insta::assert_snapshot!(help(&["schedule", "resume"]), @r"
    exit code 0
    ----- stdout
    Let a paused job start runs again

    Usage: lifecycle schedule resume [OPTIONS] <JOB>

    Arguments:
      <JOB>  The job: the file jobs/JOB.yaml

    Options:
      -h, --help  Print help

    Global options: …

    Examples:
      lifecycle schedule resume nightly
    ");
}

#[test]
fn schedule_log() {
    insta::assert_snapshot!(help(&["schedule", "log"]), @r"
    exit code 0
    ----- stdout
    Print what was decided: runs, missed and skipped ones

    Usage: lifecycle schedule log [OPTIONS] [JOB]

    Arguments:
      [JOB]  Only this job

    Options:
      -n, --limit <N>        The newest N [default: 20]
      -o, --output <FORMAT>  Print the rows as data instead of a text for people [possible values:
                             table, csv, json, ndjson, parquet]
      -h, --help             Print help

    Global options: …

    Examples:
      lifecycle schedule log
      lifecycle schedule log nightly -n 50
      lifecycle schedule log -o csv
    ");
}
