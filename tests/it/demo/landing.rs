//! The landing stage meets the demo's dirt: it refuses exactly the planted rows, object by object.

use std::collections::BTreeMap;
use std::path::Path;

use lifecycle::config::load_project;
use lifecycle::demo::deliver_next_day;
use lifecycle::land::{LandingReport, LandingRequest, Reland, Sizes, land};
use lifecycle::storage::{Stores, Table, join};

use super::{small, write};

/// A project without models: the sources of `jobs/nightly.yaml`, and a place for them.
fn lay_out_project(root: &Path) {
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/nightly.yaml");
    let job = std::fs::read_to_string(job).unwrap();
    let (sources, _) = job.split_once("\nmodels:").unwrap();
    for folder in ["jobs", "config", "sql"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("jobs/nightly.yaml"), format!("{sources}\nmodels: []\n")).unwrap();
    let environment = "raw: raw\nwarehouse: warehouse\nstate: state.db\ntimezone: Europe/London\ncurrency: GBP\n";
    std::fs::write(root.join("config/local.yaml"), environment).unwrap();
}

async fn land_all(root: &Path) -> BTreeMap<String, LandingReport> {
    let project = load_project(root, "local", &|_| None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let stores = Stores::new(&BTreeMap::new());
    let mut reports = BTreeMap::new();
    for source in &project.jobs["nightly"].sources {
        let url = join(&project.environment.warehouse.0, &format!("landed/{}", source.name));
        let table = Table::open(&stores, &url).unwrap();
        let request = LandingRequest {
            source,
            stores: &stores,
            table: &table,
            raw: &project.environment.raw.0,
            timezone: project.environment.timezone,
            parallelism: 2,
            reland: Reland::default(),
            run: None,
            now: chrono::DateTime::UNIX_EPOCH,
            sizes: Sizes::default(),
            progress: &lifecycle::progress::Silent,
        };
        let report = land(&request).await.unwrap_or_else(|error| panic!("{}: {error}", source.name));
        reports.insert(source.name.clone(), report);
    }
    reports
}

#[tokio::test]
async fn the_landing_stage_refuses_exactly_the_broken_rows_of_each_object() {
    let directory = tempfile::tempdir().unwrap();
    let settings = small(directory.path(), 3_000, 150);
    let summary = write(&settings);
    lay_out_project(directory.path());

    let reports = land_all(directory.path()).await;
    let mut landed = BTreeMap::new();
    for (source, report) in &reports {
        for object in &report.objects {
            landed.insert(format!("{source} {}", object.name), (object.rows_in, object.rejected));
        }
    }
    let planted: BTreeMap<String, (u64, u64)> = summary
        .objects
        .iter()
        .map(|object| {
            (format!("{} {}", object.feed, object.path.trim_start_matches("raw/")), (object.rows, object.broken))
        })
        .collect();
    assert_eq!(landed, planted);
    assert!(reports["orders"].superseded > 0, "rows that came twice");

    // A night later: only the new objects are read.
    let next = deliver_next_day(&settings, 1).unwrap();
    let reports = land_all(directory.path()).await;
    for (source, report) in &reports {
        let new = next.objects.iter().filter(|object| object.feed == source);
        assert_eq!(report.objects.len(), new.clone().count(), "{source}");
        assert_eq!(report.rejected(), new.map(|object| object.broken).sum::<u64>(), "{source}");
    }
}
