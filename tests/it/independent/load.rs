//! The demo business, run by the real binary, and its staged facts and published marts as rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use chrono::NaiveDate;
use serde_json::{Map, Value as Json};
use tempfile::TempDir;

use super::Parameters;
use super::facts::{Facts, Staged};
use super::moments::date;
use super::touches;

pub type Rows = Vec<Map<String, Json>>;

/// One run of the nightly job and the facts that it saw.
pub struct Run {
    pub name: &'static str,
    environment: &'static str,
    project: PathBuf,
    pub facts: Facts,
    pub models: BTreeMap<String, Map<String, Json>>,
}

impl Run {
    pub fn published(&self, table: &str) -> Rows {
        self.rows(&format!("select * from marts.{table}"))
    }

    pub fn rows(&self, sql: &str) -> Rows {
        query(&self.project, self.environment, sql)
    }
}

/// A tenth of the orders, of all times but the first weeks.
const ORDERS: &str = "\
select order_id, customer_id, min(ordered_at) as at
from staging.order_lines
where customer_id is not null and order_id like '%7'
group by order_id, customer_id
having sum(net_amount) > 0 and min(ordered_at) > timestamp '2024-01-01'
order by order_id";

/// Half of the members of campaigns who never had a line.
const MEMBERS: &str = "\
select members.customer_id, min(members.assigned_at) as at
from staging.campaign_members as members
left join staging.order_lines as lines on members.customer_id = lines.customer_id
where lines.customer_id is null and right(members.customer_id, 1) in ('1', '3', '4', '6', '8')
group by members.customer_id
order by members.customer_id";

/// Another demo business than the usual one: a wider search for differences, by hand.
const SEED: &str = "LIFECYCLE_INDEPENDENT_SEED";

/// Both runs, made once.
pub fn runs() -> &'static [Run] {
    static RUNS: OnceLock<(TempDir, Vec<Run>)> = OnceLock::new();
    &RUNS.get_or_init(make).1
}

fn make() -> (TempDir, Vec<Run>) {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("shop");
    let seed = std::env::var(SEED).unwrap_or_else(|_| "5".to_owned());
    lifecycle(
        folder.path(),
        &["demo", "--dir", "shop", "--customers", "700", "--days", "800", "--seed", &seed, "--quiet"],
    );
    let latest = query(&project, "local", "select max(as_of) as as_of from ops.runs where status = 'succeeded'");
    let latest = date(&latest[0]["as_of"]).unwrap();
    touches::add(
        &project,
        &query(&project, "local", ORDERS),
        &query(&project, "local", "select * from staging.content"),
    );
    touches::add_lines(&project, &query(&project, "local", MEMBERS));
    lifecycle(&project, &["run", "nightly", "--as-of", &latest.to_string(), "--quiet"]);
    let earlier = earlier();
    std::fs::write(project.join("config/earlier.yaml"), environment(&earlier)).unwrap();
    lifecycle(&project, &["run", "nightly", "--env", "earlier", "--as-of", &earlier.as_of.to_string(), "--quiet"]);
    let runs = vec![
        load("the demo's run", "local", &project, defaults(latest)),
        load("the earlier day's run", "earlier", &project, earlier),
    ];
    (folder, runs)
}

/// The parameters' defaults.
fn defaults(as_of: NaiveDate) -> Parameters {
    Parameters {
        as_of,
        churn_window_days: 90,
        churn_spend_drop: 100,
        default_margin_rate: 1000,
        referral_days: 180,
        referral_goal_weeks: 10,
        referral_goal_start: None,
        referral_goal: 100,
        matrix_compare_days: 90,
        movement_days: 30,
        conversion_days: 90,
        lead_half_life_days: 30,
        active_days: 90,
        dormant_days: 180,
        lost_days: 365,
        attribution_days: 30,
        second_purchase_from: 30,
        second_purchase_to: 60,
        kpi_period_days: 30,
        clusters: 5,
        affinity_min_support: 1000,
        contactable_when_unknown: false,
        vip_share: 200,
        low_share: 200,
    }
}

/// Other ones than the defaults.
fn earlier() -> Parameters {
    Parameters {
        as_of: NaiveDate::from_ymd_opt(2025, 7, 6).unwrap(),
        churn_window_days: 75,
        churn_spend_drop: 250,
        default_margin_rate: 355,
        referral_days: 120,
        referral_goal_weeks: 12,
        referral_goal_start: NaiveDate::from_ymd_opt(2025, 5, 14),
        referral_goal: 150,
        matrix_compare_days: 120,
        movement_days: 45,
        conversion_days: 60,
        lead_half_life_days: 20,
        active_days: 70,
        dormant_days: 150,
        lost_days: 300,
        attribution_days: 20,
        second_purchase_from: 20,
        second_purchase_to: 75,
        kpi_period_days: 45,
        clusters: 4,
        affinity_min_support: 2500,
        contactable_when_unknown: true,
        vip_share: 150,
        low_share: 250,
    }
}

/// The configuration of a place where these are the parameters.
fn environment(parameters: &Parameters) -> String {
    let values = [
        ("churn_window_days", parameters.churn_window_days.to_string()),
        ("churn_spend_drop", (parameters.churn_spend_drop as f64 / 1000.0).to_string()),
        ("default_margin_rate", (parameters.default_margin_rate as f64 / 1000.0).to_string()),
        ("referral_days", parameters.referral_days.to_string()),
        ("referral_goal_weeks", parameters.referral_goal_weeks.to_string()),
        (
            "referral_goal_start",
            parameters.referral_goal_start.map_or_else(|| "null".to_owned(), |day| day.to_string()),
        ),
        ("referral_goal", (parameters.referral_goal as f64 / 1000.0).to_string()),
        ("matrix_compare_days", parameters.matrix_compare_days.to_string()),
        ("movement_days", parameters.movement_days.to_string()),
        ("conversion_days", parameters.conversion_days.to_string()),
        ("lead_half_life_days", parameters.lead_half_life_days.to_string()),
        ("active_days", parameters.active_days.to_string()),
        ("dormant_days", parameters.dormant_days.to_string()),
        ("lost_days", parameters.lost_days.to_string()),
        ("attribution_days", parameters.attribution_days.to_string()),
        ("second_purchase_from", parameters.second_purchase_from.to_string()),
        ("second_purchase_to", parameters.second_purchase_to.to_string()),
        ("kpi_period_days", parameters.kpi_period_days.to_string()),
        ("clusters", parameters.clusters.to_string()),
        ("affinity_min_support", (parameters.affinity_min_support as f64 / 1_000_000.0).to_string()),
        ("contactable_when_unknown", parameters.contactable_when_unknown.to_string()),
        ("vip_share", (parameters.vip_share as f64 / 1000.0).to_string()),
        ("low_share", (parameters.low_share as f64 / 1000.0).to_string()),
    ];
    let values: String = values.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect();
    format!(
        "raw: raw\nwarehouse: earlier/warehouse\nstate: earlier/state.db\ntimezone: Europe/London\ncurrency: GBP\n\
         memory_limit: 1GiB\nparameters:\n{values}"
    )
}

fn load(name: &'static str, environment: &'static str, project: &Path, parameters: Parameters) -> Run {
    let rows = |table: &str| query(project, environment, &format!("select * from {table}"));
    let staged = Staged {
        customers: rows("staging.customers"),
        interactions: rows("staging.interactions"),
        order_lines: rows("staging.order_lines"),
        products: rows("staging.products"),
        campaigns: rows("staging.campaigns"),
        campaign_members: rows("staging.campaign_members"),
        content: rows("staging.content"),
        referrals: rows("staging.referrals"),
        surveys: rows("staging.surveys"),
        identities: rows("staging.identities"),
        stages: rows("seeds.stages"),
        interaction_kinds: rows("seeds.interaction_kinds"),
        churn_reasons: rows("seeds.churn_reasons"),
        tenure_bands: rows("seeds.tenure_bands"),
        age_bands: rows("seeds.age_bands"),
        rfm_segments: rows("seeds.rfm_segments"),
        actions: rows("seeds.actions"),
        kpi_targets: rows("seeds.kpi_targets"),
    };
    let models =
        rows("marts.clv_model").into_iter().map(|row| (row["model"].as_str().unwrap().to_owned(), row)).collect();
    Run { name, environment, project: project.to_owned(), facts: Facts::new(&staged, parameters), models }
}

fn query(project: &Path, environment: &str, sql: &str) -> Rows {
    serde_json::from_slice(&lifecycle(project, &["query", sql, "--env", environment, "-o", "json"])).unwrap()
}

fn lifecycle(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_lifecycle")).current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "lifecycle {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    output.stdout
}
