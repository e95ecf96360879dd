use super::Folder;

#[test]
fn usage_errors_exit_with_2_and_help_along() {
    let folder = Folder::with_project();
    insta::assert_snapshot!(folder.run(&["stauts"]), @r"
    exit code 2
    ----- stderr
    error: unrecognized subcommand 'stauts'

      tip: a similar subcommand exists: 'status'

    Usage: lifecycle [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["run"]), @r"
    exit code 2
    ----- stderr
    error: the following required arguments were not provided:
      <JOB>

    Usage: lifecycle run <JOB>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["run", "nightly", "--as-of", "2026-1-3"]), @r"
    exit code 2
    ----- stderr
    error: invalid value '2026-1-3' for '--as-of <DAY>': a day is written yyyy-mm-dd, as in 2026-01-31

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["run", "nightly", "--as-of", "2026-02-30"]), @r"
    exit code 2
    ----- stderr
    error: invalid value '2026-02-30' for '--as-of <DAY>': there is no such day in the calendar

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["run", "nightly", "--var", "churn_window_days"]), @r"
    exit code 2
    ----- stderr
    error: invalid value 'churn_window_days' for '--var <NAME=VALUE>': a parameter is written name=value, as in churn_window_days=60

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["run", "nightly", "--as-off", "2026-01-03"]), @r"
    exit code 2
    ----- stderr
    error: unexpected argument '--as-off' found

      tip: a similar argument exists: '--as-of'

    Usage: lifecycle run --as-of <DAY> <JOB>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["backfill"]), @r"
    exit code 2
    ----- stderr
    error: the following required arguments were not provided:
      --from <DAY>
      --to <DAY>
      <JOB>

    Usage: lifecycle backfill [OPTIONS] <JOB> --from <DAY> --to <DAY>
           lifecycle backfill <list|show|pause|resume|cancel>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["backfill", "nightly", "--from", "2026-01-01"]), @r"
    exit code 2
    ----- stderr
    error: the following required arguments were not provided:
      --to <DAY>

    Usage: lifecycle backfill [OPTIONS] <JOB> --from <DAY> --to <DAY>
           lifecycle backfill <list|show|pause|resume|cancel>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["runs", "--status", "faild"]), @r"
    exit code 2
    ----- stderr
    error: invalid value 'faild' for '--status <STATUS>': unknown status `faild`: did you mean `failed`?

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["runs", "-o", "cvs"]), @r"
    exit code 2
    ----- stderr
    error: invalid value 'cvs' for '--output <FORMAT>'
      [possible values: table, csv, json, ndjson, parquet]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.run(&["-q", "-v", "status"]), @r"
    exit code 2
    ----- stderr
    error: the argument '--quiet' cannot be used with '--verbose...'

    Usage: lifecycle --quiet <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn without_a_command_the_help_is_shown() {
    let text = Folder::new().run(&[]);
    assert!(text.starts_with("exit code 2\n----- stderr\nTurns raw customer interactions"), "{text}");
}

#[test]
fn a_folder_that_is_no_project_is_a_configuration_error() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.run(&["status"]), @r"
    exit code 2
    ----- stderr
    error: the environment `local` has no file here
     --> config/local.yaml
      = hint: a project is a folder with `config/`, `jobs/` and `sql/`

    1 mistake in 1 file; nothing was touched
    ");
    insta::assert_snapshot!(folder.run(&["--project", "nowhere", "runs"]), @r"
    exit code 2
    ----- stderr
    error: there is no such folder
     --> nowhere

    1 mistake in 1 file; nothing was touched
    ");
}

#[test]
fn an_environment_that_is_not_there_gets_a_suggestion() {
    let folder = Folder::with_project();
    insta::assert_snapshot!(folder.run(&["runs", "--env", "lokal"]), @r"
    exit code 2
    ----- stderr
    error: the environment `lokal` has no file here, expected `local`
     --> config/lokal.yaml
      = hint: did you mean `local`?

    1 mistake in 1 file; nothing was touched
    ");
}

#[test]
fn mistakes_are_shown_with_their_place() {
    let folder = Folder::with_project();
    folder.write(
        "config/local.yaml",
        "raw: raw\nwarehuose: warehouse\nstate: .lifecycle/state.db\ntimezone: Europe/Lodnon\ncurrency: GBP\n",
    );
    insta::assert_snapshot!(folder.run(&["runs"]), @r"
    exit code 2
    ----- stderr
    error: unknown key `warehuose`, expected one of `raw`, `warehouse`, `state`, `timezone`, `currency`, `memory_limit`, `parallelism`, `lease`, `backfill`, `store_patience`, `sql`, `parameters`, `storage`, `smtp`, `openlineage`
     --> config/local.yaml:2:1
      |
    2 | warehuose: warehouse
      | ^
      = hint: did you mean `warehouse`?

    error: `timezone` is `Europe/Lodnon`, expected a zone of the IANA database such as `Europe/London`
     --> config/local.yaml:4:11
      |
    4 | timezone: Europe/Lodnon
      |           ^
      = hint: did you mean `Europe/London`?

    2 mistakes in 1 file; nothing was touched
    ");
}

#[test]
fn mistakes_are_objects_with_json_logs() {
    let folder = Folder::with_project();
    folder.write(
        "config/local.yaml",
        "raw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\ntimezone: Europe/Lodnon\ncurrency: GBP\n",
    );
    let output = folder.command(&["runs", "--log-format", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["level"], &lines[0]["line"]), (&"error".into(), &4.into()));
    assert_eq!(lines[0]["file"], "config/local.yaml");
}

#[test]
fn a_damaged_state_file_fails_with_a_hint() {
    let folder = Folder::with_project();
    folder.write(".lifecycle/state.db", &"this is no database at all ".repeat(100));
    insta::assert_snapshot!(folder.run(&["runs"]), @r"
    exit code 1
    ----- stderr
    error: the state file FOLDER/.lifecycle/state.db is damaged: file is not a database
    hint: move FOLDER/.lifecycle/state.db and the -wal and -shm files beside it away, or restore a copy: a new file starts an empty history, and no landed or published table is lost
    ");
}
