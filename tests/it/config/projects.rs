//! What is read from projects without mistakes.

use std::path::Path;
use std::time::Duration;

use lifecycle::config::*;

use super::{copy_of, environment_variables, fixture, load};

#[test]
fn a_minimal_project_has_defaults() {
    let project = load(&fixture("minimal")).expect("a valid project");
    let environment = &project.environment;
    assert_eq!(environment.name, "local");
    assert_eq!((environment.memory_limit, environment.lease), (2 << 30, Duration::from_secs(60)));
    assert_eq!(environment.store_patience, Duration::from_secs(120));
    assert!(environment.parallelism >= 1);
    assert_eq!(environment.backfill_parallel, 64);
    assert_eq!(environment.parameters, Parameters::standard());
    assert!(environment.sql.is_empty() && environment.storage.is_empty() && project.models.is_empty());
    let raw = fixture("minimal").join("data/raw");
    assert_eq!(environment.raw.0.to_file_path().expect("a path"), raw);

    let job = &project.jobs["nightly"];
    assert!(job.schedule.is_none());
    let retry = Retry { attempts: 3, backoff: Duration::from_secs(30), max_backoff: Duration::from_secs(600) };
    assert_eq!(job.retry, retry);
    let source = &job.sources[0];
    assert_eq!(source.location, format!("{}/orders/*.csv", environment.raw.0));
    assert_eq!(source.unknown_columns, UnknownColumns::Ignore);
    assert_eq!(source.max_rejected, MaxRejected::Share(0.01));
    assert_eq!(source.max_object_bytes, 20 << 30);
    let csv = CsvOptions { delimiter: Delimiter::Byte(b','), header: true, quote: Some(b'"') };
    assert_eq!(source.format, Format::Csv(csv));
    assert_eq!(source.compression, None);
}

#[test]
fn every_key_is_read() {
    let project = load(&fixture("project")).expect("a valid project");
    let environment = &project.environment;
    assert_eq!(environment.warehouse.0.as_str(), "s3://lifecycle-warehouse/production");
    assert_eq!(environment.state, StateLocation::File(fixture("project").join("data/state.db")));
    assert_eq!((environment.timezone, environment.currency.as_str()), (chrono_tz::Europe::London, "GBP"));
    assert_eq!((environment.memory_limit, environment.parallelism), (512 << 20, 4));
    assert_eq!(environment.backfill_parallel, 6);
    assert_eq!(environment.lease, Duration::from_secs(90));
    assert_eq!(environment.sql, [fixture("project").join("sql")]);
    assert_eq!(environment.storage["aws_secret_access_key"], "hunter2-is-secret");
    let parameter = |name: &str| environment.parameters.get(name).expect("a parameter").clone();
    assert_eq!(parameter("churn_window_days"), ParameterValue::Integer(60));
    assert_eq!(parameter("clv_discount_rate"), ParameterValue::Double(0.08));
    assert_eq!(parameter("loyalty_points"), ParameterValue::Integer(10));
    let goal_start = chrono::NaiveDate::from_ymd_opt(2026, 1, 5);
    assert_eq!(parameter("referral_goal_start"), ParameterValue::Date(goal_start));

    let job = &project.jobs["nightly"];
    let schedule = job.schedule.as_ref().expect("a schedule");
    assert_eq!((schedule.cron.as_deref(), schedule.timezone), (Some("0 2 * * *"), chrono_tz::Europe::London));
    assert_eq!((schedule.catch_up, schedule.overlap), (CatchUp::Last, Overlap::Skip));
    assert_eq!((schedule.jitter, schedule.deadline), (Duration::from_secs(120), Some(Duration::from_secs(10_800))));
    assert_eq!(job.parameters.get("churn_window_days"), Some(&ParameterValue::Integer(90)));
    assert_eq!(job.exports, [ExportFormat::Parquet, ExportFormat::Csv]);
    let webhook = NotifyTarget::Webhook("https://alerts.example.com/hook/hunter3-is-secret".to_owned());
    assert_eq!(job.notify.on_failure, [webhook]);
    let names: Vec<&str> = job.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["orders", "customers"], "sources keep the order of the file");
}

#[test]
fn a_contract_is_read() {
    let project = load(&fixture("project")).expect("a valid project");
    let source = &project.jobs["nightly"].sources[0];
    assert!(source.location.ends_with("/data/raw/orders/date={day}/*.csv.gz"), "{}", source.location);
    let csv = CsvOptions { delimiter: Delimiter::Byte(b';'), header: true, quote: Some(b'"') };
    assert_eq!((&source.format, source.compression), (&Format::Csv(csv), Some(Compression::Gzip)));
    assert_eq!(
        (source.key.as_slice(), source.event_time.as_deref()),
        (&["order_id", "line_no"].map(String::from)[..], Some("ordered_at"))
    );
    let names: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["order_id", "line_no", "ordered_at", "quantity", "weight", "channel", "email"]);
    let quantity = &source.columns[3];
    assert_eq!(quantity.data_type, DataType::Decimal { precision: 12, scale: 3 });
    assert_eq!((quantity.min.as_deref(), quantity.max.as_deref()), (Some("-10.5"), Some("1000")), "as written");
    let channel = &source.columns[5];
    assert_eq!(channel.from.as_deref(), Some("Sales Channel"));
    assert_eq!(channel.accepted_values, ["web", "store", "none"]);
    assert!(source.columns[6].pii && !channel.pii && source.columns[0].required && !channel.required);
    assert_eq!(source.columns[2].timezone, Some(chrono_tz::Europe::London));
    assert_eq!(source.columns[4].null_values, ["-"]);
}

#[test]
fn a_model_and_its_checks_are_read() {
    let project = load(&fixture("project")).expect("a valid project");
    let model = &project.models[&TableName::new("marts", "churn")];
    assert_eq!(model.sql_file, Path::new("sql/marts/churn.sql"));
    assert!(model.sql.starts_with("select customer_id"));
    assert_eq!((model.history, &model.materialized), (History::Daily, &Materialization::Table));
    assert_eq!(model.columns[2].data_type, DataType::Decimal { precision: 18, scale: 2 });
    let names: Vec<&str> = model.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "churn.grain",
            "churn.customer_id.not_null",
            "churn.customer_id.relationships",
            "churn.category.accepted_values",
            "churn.revenue.not_null",
            "churn.revenue_is_positive",
            "churn.customer_id_category.unique",
        ]
    );
    assert_eq!(model.checks[4].severity, Severity::Warn);
    assert_eq!(model.places["columns.1.type"], (15, 11));
    assert_eq!(model.places["checks.0.sql"], (25, 10));

    let materialized = |schema: &str, table: &str| project.models[&TableName::new(schema, table)].materialized.clone();
    assert_eq!(materialized("staging", "customers"), Materialization::View);
    assert_eq!(materialized("staging", "order_lines"), Materialization::Incremental { day: "ordered_on".to_owned() });
}

#[test]
fn a_seed_is_read() {
    let project = load(&fixture("project")).expect("a valid project");
    let seed = &project.seeds["stages"];
    let rows = seed.rows();
    assert_eq!(rows.len(), 3);
    let entered_on = chrono::NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date");
    let first = [
        Some(Value::Integer(1)),
        Some(Value::Text("suspect".to_owned())),
        Some(Value::Date(entered_on)),
        Some(Value::Decimal(10)),
    ];
    assert_eq!(rows[0], first);
    assert_eq!(rows[1][2], None);
    assert_eq!(rows[2][1], Some(Value::Text("new, or back".to_owned())));
}

#[test]
fn secrets_are_not_in_what_debug_prints() {
    let project = load(&fixture("project")).expect("a valid project");
    let printed = format!("{project:?}");
    assert!(!printed.contains("hunter"), "{printed}");
}

#[test]
fn the_first_sql_root_that_has_a_model_wins() {
    let base = copy_of("project");
    let child = base.path().join("child");
    for folder in ["config", "jobs", "sql/staging"] {
        std::fs::create_dir_all(child.join(folder)).expect("a folder");
    }
    let write = |file: &str, text: &str| std::fs::write(child.join(file), text).expect("a file");
    let environment = std::fs::read_to_string(fixture("minimal").join("config/local.yaml")).expect("a fixture");
    write("config/local.yaml", &format!("{environment}sql: [sql, ../sql]\n"));
    write("jobs/all.yaml", "models: [marts]\n");
    write("sql/staging/customers.sql", "select 'one' as customer_id");
    write("sql/staging/customers.yaml", "description: Another.\ncolumns: [{name: customer_id, type: string}]\n");

    let project = load(&child).expect("a valid project");
    let customers = &project.models[&TableName::new("staging", "customers")];
    assert_eq!(customers.sql, "select 'one' as customer_id");
    let churn = &project.models[&TableName::new("marts", "churn")];
    assert_eq!(churn.sql_file, Path::new("../sql/marts/churn.sql"));
    assert_eq!(project.seeds.len(), 1);
}

#[test]
fn the_shipped_environments_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let with_models = root.join("sql/marts").is_dir();
    for (name, variables) in [("local", false), ("production.example", true)] {
        let read =
            |variable: &str| variables.then(|| format!("value-of-{}", variable.to_lowercase().replace('_', "-")));
        match load_project(root, name, &read) {
            Ok(project) => assert_eq!(project.environment.name, name),
            // Until the models stand beside it, the job's selector matches nothing.
            Err(problems) if !with_models => {
                let others: Vec<&Problem> =
                    problems.0.iter().filter(|problem| !problem.message.contains("matches no model")).collect();
                assert!(others.is_empty(), "{problems}");
            }
            Err(problems) => panic!("{problems}"),
        }
    }
}

#[test]
fn a_folder_with_blanks_and_globs_in_its_name_is_a_plain_folder() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let root = parent.path().join("my [best] project*");
    super::copy(&fixture("minimal"), &root);
    let project = load(&root).expect("a valid project");
    assert_eq!(project.environment.raw.0.to_file_path().expect("a path"), root.join("data/raw"));
    let location = &project.jobs["nightly"].sources[0].location;
    assert!(location.ends_with("/my%20%5Bbest%5D%20project%2A/data/raw/orders/*.csv"), "{location}");
}

#[test]
fn an_unknown_environment_is_reported_with_those_that_exist() {
    let problems = load_project(&fixture("project"), "locl", &environment_variables).expect_err("a mistake");
    let text = problems.to_string();
    assert!(text.contains("the environment `locl` has no file here, expected `local`"), "{text}");
    assert!(text.contains("did you mean `local`?"), "{text}");
}

/// The location of the one source of the minimal project, with another text for it.
fn location_of(text: &str) -> String {
    let project = copy_of("minimal");
    let path = project.path().join("jobs/nightly.yaml");
    let job = std::fs::read_to_string(&path).expect("a fixture");
    std::fs::write(&path, job.replace("${raw}/orders/*.csv", &format!("\"{text}\""))).expect("a written file");
    let project = load(project.path()).expect("a valid project");
    let root = url::Url::from_file_path(&project.root).expect("a URL");
    project.jobs["nightly"].sources[0].location.replace(root.as_str(), "file:///project")
}

#[test]
fn a_location_is_a_url_up_to_its_first_pattern() {
    for (text, expected) in [
        ("${raw}/orders/date={day}/*.csv", "file:///project/data/raw/orders/date={day}/*.csv"),
        ("${raw}/My Orders/a?.csv", "file:///project/data/raw/My%20Orders/a?.csv"),
        ("${raw}/100%/x.csv", "file:///project/data/raw/100%25/x.csv"),
        ("${raw}/*.csv", "file:///project/data/raw/*.csv"),
        ("../other/My *.csv", "file:///other/My *.csv"),
        ("drop/**", "file:///project/drop/**"),
        ("*.csv", "file:///project/*.csv"),
        ("/*.csv", "file:///*.csv"),
        ("/data/raw/one file.csv", "file:///data/raw/one%20file.csv"),
        ("s3://bucket/{day}/[ab]*.csv.gz", "s3://bucket/{day}/[ab]*.csv.gz"),
        ("s3://bucket/a b/*.csv", "s3://bucket/a%20b/*.csv"),
        ("abfss://box@account.dfs.core.windows.net/raw/*", "abfss://box@account.dfs.core.windows.net/raw/*"),
    ] {
        let location = location_of(text);
        // What stands beside the project's folder has a path that differs from run to run.
        let is_same = location == expected || (text.starts_with("../") && location.ends_with("/other/My *.csv"));
        assert!(is_same, "{text}: {location}");
    }
}

#[test]
fn cron_expressions_of_five_and_six_fields_are_read() {
    for cron in
        ["*/15 * * * *", "0 0 2 * * *", "0 2 29 2 *", "0 2 * * MON-FRI", "0 0 L * *", "0 3 1,15 * 0", "  0   2 * * * "]
    {
        let project = copy_of("minimal");
        let path = project.path().join("jobs/nightly.yaml");
        let job = std::fs::read_to_string(&path).expect("a fixture");
        std::fs::write(&path, format!("schedule: {{cron: \"{cron}\"}}\n{job}")).expect("a written file");
        let project = load(project.path()).expect("a valid project");
        let schedule = project.jobs["nightly"].schedule.as_ref().expect("a schedule");
        assert_eq!(schedule.timezone, chrono_tz::UTC);
        assert!(cron_parser().parse(schedule.cron.as_ref().expect("a cron")).is_ok(), "{cron}");
    }
}

#[test]
fn a_name_may_stand_in_two_schemas() {
    let project = copy_of("project");
    for ending in ["sql", "yaml"] {
        let file = |schema: &str| project.path().join(format!("sql/{schema}/churn.{ending}"));
        std::fs::copy(file("marts"), file("staging")).expect("a copy");
    }
    let project = load(project.path()).expect("a valid project");
    assert!(project.models.contains_key(&TableName::new("staging", "churn")));
    assert!(project.models.contains_key(&TableName::new("marts", "churn")));
}

#[test]
fn other_environments_are_checked_apart_from_variables_that_are_not_set() {
    let project = copy_of("project");
    let text = "raw: s3://${env:BUCKET}/raw\nwarehouse: s3://b/w\nstate: s.db\ntimezone: Mars\ncurrency: EUR\n";
    std::fs::write(project.path().join("config/production.yaml"), text).expect("a written file");
    load(project.path()).expect("the used environment is right");
    let problems = check_other_environments(project.path(), "local", &environment_variables);
    assert_eq!(problems.len(), 1, "{problems}");
    assert_eq!((problems.0[0].file.as_path(), problems.0[0].line), (Path::new("config/production.yaml"), Some(4)));

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let problems = check_other_environments(root, "local", &|_| None);
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn a_model_cannot_have_the_table_of_a_history() {
    let project = copy_of("project");
    let columns = "columns:\n  - {name: churned, type: integer, description: How many.}\n";
    let yaml = format!("description: Another table.\n{columns}");
    std::fs::write(project.path().join("sql/marts/churn_history.sql"), "select 1 as churned\n").expect("a file");
    std::fs::write(project.path().join("sql/marts/churn_history.yaml"), yaml).expect("a file");
    let problems = load(project.path()).expect_err("a mistake");
    let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    let message = "`history` of `marts.churn` is kept in `marts.churn_history`, which is a model of its own";
    assert!(matches!(told.as_slice(), [problem] if problem.contains(message)), "{told:#?}");
    assert_eq!((problems.0[0].line, problems.0[0].file.ends_with("sql/marts/churn.yaml")), (Some(5), true));
    assert!(problems.0[0].hint.as_deref().is_some_and(|hint| hint.contains("rename the model")), "{told:#?}");
    // Without the history there is no such table.
    let churn = project.path().join("sql/marts/churn.yaml");
    let text = std::fs::read_to_string(&churn).expect("a fixture").replace("history: daily\n", "");
    std::fs::write(&churn, text).expect("a file");
    load(project.path()).expect("a valid project");
}
