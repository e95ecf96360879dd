//! A trial of two e-mails against a control group (MineThatData, 2008): what each of them achieved.

use serde_json::Value;

use super::known::Known;
use super::{Project, Row};

/// Everyone has bought once on the same day by then; the two weeks after the e-mails are over.
const AS_OF: &str = "2008-03-31";

/// Lift and 95 % interval.
type Lift = [&'static str; 3];

struct Email {
    campaign: &'static str,
    targeted: i64,
    visited: i64,
    conversions: i64,
    revenue: &'static str,
    visits: Lift,
    purchases: Lift,
    spend: Lift,
    incremental: [&'static str; 2],
}

/// Counts of the file. Intervals by statsmodels 0.15: `confint_proportions_2indep` (newcomb), `CompareMeans` (unequal
/// variances). The published lifts are 7.66 points of visits, .68 of conversion and .770 a head for the men's e-mail.
const EMAILS: [Email; 2] = [
    Email {
        campaign: "mens_email",
        targeted: 21_307,
        visited: 3894,
        conversions: 267,
        revenue: "30311.69",
        visits: ["0.0765895637", "0.0699533081", "0.0832267413"],
        purchases: ["0.0068050065", "0.0050143447", "0.0086407234"],
        spend: ["0.7698271559", "0.4851397326", "1.0545145792"],
        incremental: ["144.994274", "16402.71"],
    },
    Email {
        campaign: "womens_email",
        targeted: 21_387,
        visited: 3238,
        conversions: 189,
        revenue: "23038.11",
        visits: ["0.0452331066", "0.0388940954", "0.0515743430"],
        purchases: ["0.0031110575", "0.0015016571", "0.0047454713"],
        spend: ["0.4244122159", "0.1689567899", "0.6798676420"],
        incremental: ["66.536187", "9076.90"],
    },
];

#[test]
fn the_known_lifts_come_out() {
    let Some(project) = Project::over("hillstrom", "hillstrom") else { return };
    let project = project.only(&["marts.campaign_performance"]);
    let mut known = Known::of("hillstrom");
    known.says(&project.run(AS_OF), "landed   64,000 rows from 1 object, 0 rejected");

    for email in &EMAILS {
        let treatment = arm(&project, email.campaign, "treatment");
        counts(&mut known, &treatment, email);
        effects(&mut known, &treatment, email);
        known.same(&treatment, "contacted", email.targeted);
        known.same(&treatment, "none", email.targeted);

        // Both e-mails are compared with the same people, and these heard nothing.
        let control = arm(&project, email.campaign, "control");
        known.same(&control, "targeted", 21_306);
        known.same(&control, "contacted", 0);
        known.same(&control, "visited", 2262);
        known.same(&control, "conversions", 122);
        known.same(&control, "revenue", "13908.33");
        known.digits(&control, "visit_rate", ".10617");
        known.digits(&control, "conversion_rate", ".00573");
        known.digits(&control, "revenue_per_head", ".65279");
        known.same(&control, "visit_lift_points", Value::Null);

        let all = arm(&project, email.campaign, "all");
        known.same(&all, "targeted", email.targeted + 21_306);
        known.same(&all, "conversions", email.conversions + 122);
        effects(&mut known, &all, email);
    }
    let mens = arm(&project, "mens_email", "treatment");
    known.digits(&mens, "visit_rate", ".18276");
    known.digits(&mens, "conversion_rate", ".01253");
    known.digits(&mens, "revenue_per_head", "1.42262");
    let womens = arm(&project, "womens_email", "treatment");
    known.digits(&womens, "visit_rate", ".15140");
    known.digits(&womens, "conversion_rate", ".00884");
    known.digits(&womens, "revenue_per_head", "1.07720");

    let row = project.row("select count(*) as rows from marts.campaign_performance");
    known.same(&row, "rows", 6);
    known.says(&project.run(AS_OF), "nothing to do");
    known.finish();
}

/// Money as text, so that no digit is lost.
fn arm(project: &Project, campaign: &str, arm: &str) -> Row {
    project.row(&format!(
        "select * replace (
            cast(revenue as varchar) as revenue, cast(incremental_revenue as varchar) as incremental_revenue
        )
        from marts.campaign_performance
        where campaign_id = '{campaign}' and arm = '{arm}'"
    ))
}

fn counts(known: &mut Known, row: &Row, email: &Email) {
    known.same(row, "targeted", email.targeted);
    known.same(row, "visited", email.visited);
    known.same(row, "conversions", email.conversions);
    known.same(row, "revenue", email.revenue);
    known.same(row, "is_complete", true);
    // What the e-mails cost is not known, so there is no return on it.
    known.same(row, "roi", Value::Null);
    known.same(row, "incremental_roi", Value::Null);
}

fn effects(known: &mut Known, row: &Row, email: &Email) {
    for (lift, figures) in [
        ("visit_lift_points", email.visits),
        ("conversion_lift_points", email.purchases),
        ("revenue_lift", email.spend),
    ] {
        for (end, figure) in ["", "_low", "_high"].into_iter().zip(figures) {
            known.digits(row, &format!("{lift}{end}"), figure);
        }
    }
    let [conversions, revenue] = email.incremental;
    known.digits(row, "incremental_conversions", conversions);
    known.same(row, "incremental_revenue", revenue);
}
