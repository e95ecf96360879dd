//! Sellers whom a marketplace wins: leads of marketing, closed deals.

use super::known::Known;
use super::{Project, Row};

const AS_OF: &str = "2018-11-30";

#[test]
fn the_known_conversion_by_origin_comes_out() {
    let Some(project) = Project::over("olist", "olist") else { return };
    let mut known = Known::of("olist");
    known.says(&project.run(AS_OF), "landed   8,842 rows from 2 objects, 0 rejected");

    let funnel = |source: &str| -> Row {
        project.row(&format!(
            "select * from marts.stage_funnel
            where stage = 'prospect' and entry_month = 'all' and acquisition_source = '{source}'"
        ))
    };
    for (source, leads, won, rate) in [
        ("all", 8000, 842, ".10525"),
        ("unknown", 1099, 179, ".163"),
        ("paid search", 1586, 195, ".123"),
        ("organic search", 2296, 271, ".118"),
        ("direct traffic", 499, 56, ".112"),
        ("referral", 284, 24, ".0845"),
        ("social", 1350, 75, ".0556"),
        ("display", 118, 6, ".051"),
        ("email", 493, 15, ".030"),
        ("other publicities", 65, 3, ".0462"),
        ("other", 150, 4, ".0267"),
        // Nobody noted where they came from; `unknown` was noted.
        ("(none)", 60, 14, ".233"),
    ] {
        let row = funnel(source);
        known.same(&row, "entered", leads);
        known.same(&row, "advanced", won);
        known.digits(&row, "advance_rate", rate);
    }
    known.digits(&funnel("all"), "median_days_to_advance", "14");

    days_to_win(&project, &mut known);
    the_rest_are_leads(&project, &mut known);

    known.says(&project.run(AS_OF), "nothing to do");
    known.finish();
}

/// As landed, one deal was won two days before its lead's first contact; as a stage that takes 0 days.
fn days_to_win(project: &Project, known: &mut Known) {
    let row = project.row(
        "select
            median(cast(days_between(leads.contacted_on, business_day(deals.won_at)) as double)) as median,
            min(days_between(leads.contacted_on, business_day(deals.won_at))) as smallest,
            count(*) filter (where days_between(leads.contacted_on, business_day(deals.won_at)) < 0) as dirty
        from landed.deals
        inner join landed.leads on deals.lead_no = leads.lead_no",
    );
    known.digits(&row, "median", "14");
    known.same(&row, "smallest", -2);
    known.same(&row, "dirty", 1);
    let row = project.row(
        "select min(days_between(prospects.entered_on, won.entered_on)) as smallest
        from marts.stage_entries as prospects
        inner join marts.stage_entries as won on prospects.customer_id = won.customer_id
        where prospects.stage = 'prospect' and won.stage = 'new'",
    );
    known.same(&row, "smallest", 0);
}

/// The leads that are left are scored; nobody who has signed is among them.
fn the_rest_are_leads(project: &Project, known: &mut Known) {
    let row = project.row(
        "select
            (select count(*) from marts.lead_scores) as leads,
            (select count(*) from marts.customer_value) as sellers,
            (select sum(leads) from marts.lead_score_bands) as leads_before,
            (select sum(converted) from marts.lead_score_bands) as converted",
    );
    known.same(&row, "leads", 8000 - 842);
    known.same(&row, "sellers", 842);
    // 90 days before, on 1 September: all leads had come, and 792 of them had signed.
    known.same(&row, "leads_before", 7208);
    known.same(&row, "converted", 50);
}
