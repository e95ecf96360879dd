//! Stages are the user's: four and seven of them, by an edited seed and `stage_entries.sql`, nothing else.

use std::path::Path;
use std::sync::OnceLock;

use lifecycle::demo::{DemoSettings, generate};
use serde_json::Value;
use tempfile::TempDir;

use super::Project;
use super::known::Known;

const AS_OF: &str = "2025-12-31";

/// A made-up business's raw files, in `demo/raw`, made once.
fn business() -> &'static TempDir {
    static BUSINESS: OnceLock<TempDir> = OnceLock::new();
    BUSINESS.get_or_init(make)
}

fn make() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = DemoSettings { customers: 400, days: 500, ..DemoSettings::new(folder.path().join("demo")) };
    generate(&settings, &mut |_| {}).unwrap();
    folder
}

fn texts(project: &Project, sql: &str) -> Vec<String> {
    let rows = project.rows(sql);
    rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

/// The stages are those of the seed wherever stages are published, and they count what they say.
fn assert_stages(name: &'static str, stages: &[&str], counted: &[(&str, &str)]) {
    let project = Project::in_folder(name, business().path());
    let mut known = Known::of(name);
    known.says(&project.run(AS_OF), "as of 2025-12-31: release 1");

    for (table, sql) in [
        (
            "stage_funnel",
            "select stage as text from marts.stage_funnel
            where acquisition_source = 'all' and entry_month = 'all' order by stage_rank",
        ),
        (
            "lifecycle_stages",
            "select stages.stage as text
            from (select distinct stage from marts.lifecycle_stages) as found
            inner join seeds.stages on found.stage = stages.stage
            order by stages.rank",
        ),
    ] {
        let found = texts(&project, sql);
        if found != stages {
            known.differ(table, &format!("{stages:?}"), &found);
        }
    }
    let row = project.row(
        "select count(*) as moves, count(distinct from_stage) > 2 as has_many
        from marts.stage_movements
        inner join seeds.stages on stage_movements.to_stage = stages.stage
        where stage_movements.from_stage = '(none)'
            or stage_movements.from_stage in (select stage from seeds.stages)",
    );
    known.same(&row, "moves", project.row("select count(*) as moves from marts.stage_movements")["moves"].clone());
    known.same(&row, "has_many", true);
    for (stage, expected) in counted {
        let row = project.row(&format!(
            "select
                stage_funnel.entered,
                stage_funnel.entered = ({expected}) as is_expected
            from marts.stage_funnel
            where stage = '{stage}' and acquisition_source = 'all' and entry_month = 'all'"
        ));
        if row["is_expected"] != Value::Bool(true) || row["entered"] == 0 {
            known.differ(stage, expected, &row);
        }
    }
    known.says(&project.run(AS_OF), "nothing to do");
    known.finish();
}

#[test]
fn four_stages() {
    assert_stages(
        "four_stages",
        &["contact", "customer", "regular", "ambassador"],
        &[
            ("contact", "select count(*) from intermediate.known_customers"),
            (
                "regular",
                "select count(*) from (
                    select customer_id from marts.customer_value where purchase_days >= 3
                    union
                    select key as customer_id from marts.referral_roi where level = 'referrer' and converted > 0
                )",
            ),
            ("ambassador", "select count(*) from marts.referral_roi where level = 'referrer' and converted > 0"),
        ],
    );
}

#[test]
fn seven_stages() {
    assert_stages(
        "seven_stages",
        &["stranger", "visitor", "enquirer", "first order", "second order", "user", "speaks for us"],
        &[
            ("stranger", "select count(*) from intermediate.known_customers"),
            ("first order", "select count(*) from marts.customer_value"),
            ("second order", "select count(*) from marts.customer_value where purchase_days >= 2"),
        ],
    );
}

/// Only the seed and the one model are the project's own; the job is the standard one.
#[test]
fn nothing_else_is_edited() {
    for name in ["four_stages", "seven_stages"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects").join(name);
        let mut files: Vec<String> = ["sql/seeds", "sql/marts", "sql"]
            .iter()
            .flat_map(|part| std::fs::read_dir(folder.join(part)).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(
            files,
            ["marts", "seeds", "stage_entries.sql", "stage_entries.yaml", "stages.csv", "stages.yaml"],
            "{name}"
        );
        let job = |path: &Path| std::fs::read_to_string(path.join("jobs/nightly.yaml")).unwrap();
        assert_eq!(job(&folder), job(Path::new(env!("CARGO_MANIFEST_DIR"))), "{name}: the job");
    }
}
