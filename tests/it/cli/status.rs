use super::runs::with_runs;
use super::{Folder, stable};

#[tokio::test]
async fn every_job_has_a_line() {
    let folder = with_runs().await;
    let _stable = stable();
    insta::assert_snapshot!(folder.run(&["status"]), @r"
    exit code 0
    ----- stdout
    job      last run     as of       started                        took  rejected  bad checks  published up to
    landing  succeeded    2026-01-01  2026-01-02 05:00:00 GMT  1 min 36 s  0.02%     0           2026-01-01 (AGE)
    nightly  interrupted  2026-01-01  2026-01-02 06:00:00 GMT              0.02%     1 error     2026-01-01 (AGE)
    ");
}

#[tokio::test]
async fn one_job_is_shown_in_detail() {
    let folder = with_runs().await;
    let _stable = stable();
    insta::assert_snapshot!(folder.run(&["status", "nightly"]), @r"
    exit code 0
    ----- stdout
    nightly: Everything.
    published up to 2026-01-01 (AGE)

    run            job      as of       status         started                        took  landed  rejected  tables  message
    0192f3a4-0000  nightly  2026-01-01  interrupted    2026-01-02 06:00:00 GMT              15,000         3       0
    0192f3a2-0000  nightly  2026-01-01  checks failed  2026-01-02 04:00:00 GMT  1 min 36 s  15,000         3       1  1 check stopped the release
    0192f3a1-0000  nightly  2026-01-01  succeeded      2026-01-02 03:00:00 GMT  1 min 36 s  15,000         3       1

    rejected when rows last came: 3 rows of orders (0.02%): `lifecycle rejected` shows them
    ");
}

#[test]
fn a_job_that_never_ran_says_how_to_run_it() {
    let folder = Folder::with_project();
    insta::assert_snapshot!(folder.run(&["status"]), @r"
    exit code 0
    ----- stdout
    job      last run  as of  started  took  rejected  bad checks  published up to
    landing  never                                                 nothing yet
    nightly  never                                                 nothing yet
    ");
    insta::assert_snapshot!(folder.run(&["status", "nightly"]), @r"
    exit code 0
    ----- stdout
    nightly: Everything.
    ----- stderr
    it has never run; `lifecycle run nightly` starts it
    ");
    insta::assert_snapshot!(folder.run(&["status", "nigtly"]), @r"
    exit code 2
    ----- stderr
    error: there is no job `nigtly`
    hint: did you mean `nightly`?
    ");
    assert!(!folder.state_file().exists(), "looking writes nothing");
}

#[tokio::test]
async fn a_mistake_in_a_job_does_not_hide_the_runs() {
    let folder = with_runs().await;
    let _stable = stable();
    folder.write("jobs/nightly.yaml", "name: nightly\nsauces: {}\n");
    insta::assert_snapshot!(folder.run(&["status"]), @r"
    exit code 0
    ----- stdout
    job      last run     as of       started                        took  rejected  bad checks  published up to
    landing  succeeded    2026-01-01  2026-01-02 05:00:00 GMT  1 min 36 s  0.02%     0           2026-01-01 (AGE)
    nightly  interrupted  2026-01-01  2026-01-02 06:00:00 GMT              0.02%     1 error     2026-01-01 (AGE)
    ----- stderr
    warning: the project's files have mistakes
    hint: `lifecycle validate` shows them
    ");
    assert!(folder.run(&["runs"]).starts_with("exit code 0"));
}
