use std::io::Read;
use std::process::Stdio;

use super::Folder;
use super::runs::with_runs;

#[tokio::test]
async fn data_has_every_format() {
    let folder = with_runs().await;
    let runs = |format| folder.run(&["runs", "--job", "landing", "-o", format]);
    insta::assert_snapshot!(runs("table"), @r"
    exit code 0
    ----- stdout
    +--------------------------------------+---------+------------+---------+-------------+-----------+----------------------+--------------------------+---------+---------+---------+-------------+-------------+---------------+--------------+---------------+--------+---------------+
    | run_id                               | job     | as_of      | trigger | environment | status    | started_at           | finished_at              | seconds | message | release | backfill_id | rows_landed | rows_rejected | tables_built | tables_failed | checks | checks_failed |
    +--------------------------------------+---------+------------+---------+-------------+-----------+----------------------+--------------------------+---------+---------+---------+-------------+-------------+---------------+--------------+---------------+--------+---------------+
    | 0192f3a3-0000-7000-8000-000000000003 | landing | 2026-01-01 | manual  | local       | succeeded | 2026-01-02T05:00:00Z | 2026-01-02T05:01:35.500Z | 95.5    | null    | 7       | null        | 15000       | 3             | 1            | 0             | 2      | 0             |
    +--------------------------------------+---------+------------+---------+-------------+-----------+----------------------+--------------------------+---------+---------+---------+-------------+-------------+---------------+--------------+---------------+--------+---------------+
    ");
    insta::assert_snapshot!(runs("csv"), @r"
    exit code 0
    ----- stdout
    run_id,job,as_of,trigger,environment,status,started_at,finished_at,seconds,message,release,backfill_id,rows_landed,rows_rejected,tables_built,tables_failed,checks,checks_failed
    0192f3a3-0000-7000-8000-000000000003,landing,2026-01-01,manual,local,succeeded,2026-01-02T05:00:00Z,2026-01-02T05:01:35.500Z,95.5,,7,,15000,3,1,0,2,0
    ");
    insta::assert_snapshot!(runs("json"), @r#"
    exit code 0
    ----- stdout
    [{"run_id":"0192f3a3-0000-7000-8000-000000000003","job":"landing","as_of":"2026-01-01","trigger":"manual","environment":"local","status":"succeeded","started_at":"2026-01-02T05:00:00Z","finished_at":"2026-01-02T05:01:35.500Z","seconds":95.5,"message":null,"release":7,"backfill_id":null,"rows_landed":15000,"rows_rejected":3,"tables_built":1,"tables_failed":0,"checks":2,"checks_failed":0}]
    "#);
    insta::assert_snapshot!(runs("ndjson"), @r#"
    exit code 0
    ----- stdout
    {"run_id":"0192f3a3-0000-7000-8000-000000000003","job":"landing","as_of":"2026-01-01","trigger":"manual","environment":"local","status":"succeeded","started_at":"2026-01-02T05:00:00Z","finished_at":"2026-01-02T05:01:35.500Z","seconds":95.5,"message":null,"release":7,"backfill_id":null,"rows_landed":15000,"rows_rejected":3,"tables_built":1,"tables_failed":0,"checks":2,"checks_failed":0}
    "#);
    let parquet = folder.command(&["runs", "-o", "parquet"]).output().unwrap().stdout;
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(parquet), 100);
    let rows: usize = reader.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 4);
}

#[test]
fn an_empty_result_keeps_its_shape() {
    let folder = Folder::with_project();
    let runs = |format| folder.run(&["runs", "-o", format]);
    insta::assert_snapshot!(runs("csv"), @r"
    exit code 0
    ----- stdout
    run_id,job,as_of,trigger,environment,status,started_at,finished_at,seconds,message,release,backfill_id,rows_landed,rows_rejected,tables_built,tables_failed,checks,checks_failed
    ");
    insta::assert_snapshot!(runs("json"), @r"
    exit code 0
    ----- stdout
    []
    ");
    insta::assert_snapshot!(runs("ndjson"), @"exit code 0");
}

#[tokio::test]
async fn colours_are_for_terminals_or_on_demand() {
    let folder = with_runs().await;
    assert!(!folder.run(&["runs"]).contains('\u{1b}'));
    assert!(folder.run(&["runs", "--color", "always"]).contains("\u{1b}[1;31mchecks failed\u{1b}[0m"));
    let error = folder.run(&["runs", "show", "nothing", "--color", "always"]);
    assert!(error.contains("\u{1b}[1;31merror:\u{1b}[0m"), "{error}");
}

#[test]
fn quiet_keeps_messages_away_but_not_errors() {
    let folder = Folder::with_project();
    assert_eq!(folder.run(&["-q", "runs"]), "exit code 0\n");
    assert!(folder.run(&["-q", "status", "nobody"]).contains("error: there is no job `nobody`"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    let mut command = folder.command(&["completions", "zsh"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(errors, "");
}

#[test]
fn completions_are_made_for_every_shell() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = folder.run(&["completions", shell]);
        assert!(text.starts_with("exit code 0\n----- stdout\n") && text.contains("backfill"), "{shell}");
    }
}
