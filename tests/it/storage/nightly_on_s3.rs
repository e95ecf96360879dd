//! The whole nightly job on S3, over real HTTP with signatures: drop zone, warehouse, releases and exports in a bucket.

use std::path::Path;
use std::process::Command;

use lifecycle::demo::{DemoSettings, generate};

use crate::land::s3::Server;

const CONFIGURATION: &str = "
raw: s3://bucket/raw
warehouse: s3://bucket/warehouse
state: state.db
timezone: Europe/London
currency: GBP
parallelism: 2
storage:
  aws_region: eu-west-2
  aws_allow_http: \"true\"
  aws_endpoint: ${env:TEST_ENDPOINT}
sql: [SQL]
";

fn project(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(folder.join("config")).unwrap();
    std::fs::create_dir_all(folder.join("jobs")).unwrap();
    let configuration = CONFIGURATION.replace("SQL", root.join("sql").to_str().unwrap());
    std::fs::write(folder.join("config/local.yaml"), configuration).unwrap();
    let job = std::fs::read_to_string(root.join("jobs/nightly.yaml")).unwrap();
    // All feeds, and some marts with and without history: more of them only take longer.
    let some = job.replace("models: [marts]", "models: [marts.churn_summary, marts.cohort_retention]");
    assert_ne!(some, job);
    std::fs::write(folder.join("jobs/nightly.yaml"), some).unwrap();
}

async fn lifecycle(project: &Path, endpoint: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
    command.arg("--project").arg(project).args(arguments);
    command.env("TEST_ENDPOINT", endpoint).env("AWS_ACCESS_KEY_ID", "reader");
    command.env("AWS_SECRET_ACCESS_KEY", "a secret");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nightly_job_lands_builds_and_publishes_in_a_bucket() {
    let server = Server::start().await;
    let bucket = server.folder.path().join("bucket");
    let mut settings = DemoSettings::new(&bucket);
    (settings.customers, settings.days) = (60, 20);
    let made = generate(&settings, &mut |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let as_of = made.last_day.to_string();
    let run = ["run", "nightly", "--as-of", &as_of];

    let (code, _, told) = lifecycle(folder.path(), &server.endpoint, &run).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("release 1"), "{told}");
    assert!(bucket.join("warehouse/releases/nightly/00000001.json").exists());
    assert!(bucket.join("warehouse/exports/nightly/churn.parquet").exists());
    let count = ["query", "select count(*) as lines from staging.order_lines", "-o", "csv"];
    let (code, lines, told) = lifecycle(folder.path(), &server.endpoint, &count).await;
    assert_eq!(code, 0, "{told}");
    let planted = &made.feeds["orders"];
    assert_eq!(lines, format!("lines\n{}\n", planted.rows - planted.broken - planted.twice));

    let (code, _, told) = lifecycle(folder.path(), &server.endpoint, &run).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("nothing to do"), "{told}");
}
