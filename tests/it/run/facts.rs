//! What the generator planted is what the marts say.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use lifecycle::demo::{DemoSettings, DemoSummary, generate};

use super::Shop;

/// A business that is large and old enough for written lives.
fn business() -> &'static (Shop, DemoSummary) {
    static BUSINESS: OnceLock<(Shop, DemoSummary)> = OnceLock::new();
    BUSINESS.get_or_init(|| {
        let shop = Shop::whole();
        let settings = DemoSettings { customers: 700, days: 560, ..DemoSettings::new(shop.root()) };
        let summary = generate(&settings, &mut |_| {}).unwrap();
        shop.night(summary.last_day).expect(0);
        (shop, summary)
    })
}

fn query(sql: &str) -> Vec<String> {
    let rows = business().0.read(None, &BTreeMap::from([("rows".to_owned(), sql.to_owned())]));
    rows.into_values().next().unwrap()
}

#[test]
fn stages_are_as_planted() {
    let facts = &business().1.facts;
    let found = query("select stage_rank, count(*) from marts.stage_entries group by stage_rank");
    let expected: Vec<String> =
        (1..).zip(facts.stages.reached).map(|(rank, count)| format!("{rank}|{count}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn churn_is_as_planted() {
    let churn = &business().1.facts.churn;
    for (category, planted) in [("account", &churn.account), ("product", &churn.product), ("spend", &churn.spend)] {
        let found =
            query(&format!("select customer_id from marts.churn where is_new_churn and category = '{category}'"));
        assert_eq!(&found, planted, "{category}");
        assert!(!found.is_empty(), "{category}");
    }
    let lost = churn.revenue_lost_cents;
    assert_eq!(
        query(
            "select base, cast(revenue_lost * 100 as bigint) from marts.churn_summary where category = 'all' and reason = 'all'"
        ),
        [format!("{}|{lost}", churn.base)]
    );
    let base = query("select distinct base from marts.churn_summary");
    assert_eq!(base, [churn.base.to_string()]);
}

#[test]
fn referrals_are_as_planted() {
    let planted = &business().1.facts.referrals;
    assert_eq!(
        query(
            "select referrals, converted, excluded_self + excluded_circle from marts.referral_roi where level = 'program'"
        ),
        [format!("{}|{}|{}", planted.valid, planted.converted, planted.excluded)]
    );
    for referrer in planted.best.iter().filter(|referrer| referrer.converted > 0) {
        let sql = format!(
            "select referrals, converted from marts.referral_roi where level = 'referrer' and key = '{}'",
            referrer.customer
        );
        assert_eq!(query(&sql), [format!("{}|{}", referrer.referrals, referrer.converted)], "{}", referrer.customer);
    }
    let best = query("select key from marts.referral_roi where level = 'referrer' and rank = 1");
    let most = planted.best[0].converted;
    assert!(
        planted.best.iter().any(|referrer| referrer.converted == most && best.contains(&referrer.customer)),
        "{best:?}"
    );
}

#[test]
fn second_purchases_are_as_planted() {
    let planted = &business().1.facts.second_purchase;
    let mut expected: Vec<String> = planted.customers.iter().map(|(band, count)| format!("{band}|{count}")).collect();
    expected.sort();
    assert_eq!(query("select band, customers from marts.second_purchase where segment = 'all'"), expected);
}

/// Who comes back in the planted band spends more and stays longer than those who come back at other times, or never.
#[test]
fn the_second_purchase_that_pays_is_as_planted() {
    let best = business().1.facts.second_purchase.best_band;
    let sql = "select band, observed, revenue_12m, active_after_year, lift_points_low, second_purchase_probability
        from marts.second_purchase where segment = 'all'";
    let bands: BTreeMap<String, Vec<Option<f64>>> = query(sql)
        .into_iter()
        .map(|row| {
            let mut cells = row.split('|');
            let band = cells.next().unwrap().to_owned();
            (band, cells.map(|cell| cell.parse().ok()).collect())
        })
        .collect();
    let of = |band: &str, place: usize| bands[band][place].unwrap();
    assert!(of(best, 0) > 10.0 && of(best, 3) > 0.0, "{bands:?}");
    for other in ["61-90", "91-365", "none_in_365"] {
        assert!(of(best, 1) > 1.2 * of(other, 1), "revenue of {other}: {bands:?}");
        assert!(of(best, 2) > of(other, 2) + 0.05, "active of {other}: {bands:?}");
    }
    assert!(of("0-30", 4) < of(best, 4) && of(best, 4) < of("91-365", 4), "{bands:?}");
    assert_eq!((bands["none_in_365"][4], bands["waiting"][4], bands["waiting"][1]), (None, None, None));
}

#[test]
fn the_campaign_that_works_is_told_from_the_one_that_does_not() {
    let facts = &business().1.facts;
    let (working, idle) = (facts.working_campaign.as_ref().unwrap(), facts.idle_campaign.as_ref().unwrap());
    for campaign in [working, idle] {
        let sql = format!(
            "select arm, targeted, conversions from marts.campaign_performance \
             where campaign_id = '{}' and arm <> 'all'",
            campaign.code
        );
        let expected = [
            format!("control|{}|{}", campaign.control, campaign.control_bought),
            format!("treatment|{}|{}", campaign.treated, campaign.treated_bought),
        ];
        assert_eq!(query(&sql), expected, "{}", campaign.code);
    }
    let verdict = |code: &str| {
        query(&format!(
            "select
                case
                    when conversion_lift_points_low > 0 then 'works'
                    when conversion_lift_points_high < 0 then 'harms'
                    else 'nothing shown'
                end,
                incremental_conversions > 0
            from marts.campaign_performance where campaign_id = '{code}' and arm = 'treatment'"
        ))
    };
    assert_eq!(verdict(&working.code), ["works|true"]);
    let idle = verdict(&idle.code);
    assert!(idle[0].starts_with("nothing shown"), "{idle:?}");
    let without_control = query(
        "select count(*) from marts.campaign_performance
        where (conversion_lift_points is null) <> (incremental_revenue is null)",
    );
    assert_eq!(without_control, ["0"]);
}

#[test]
fn every_written_life_is_told_by_the_marts() {
    let scripted = &business().1.facts.scripted;
    assert!(scripted.len() > 40, "{}", scripted.len());
    let text = |value: Option<&str>| value.unwrap_or("null").to_owned();
    let by_customer = |rows: Vec<String>| -> BTreeMap<String, String> {
        rows.iter().map(|row| row.split_once('|').map(|(id, rest)| (id.to_owned(), rest.to_owned())).unwrap()).collect()
    };
    let stages = by_customer(query("select customer_id, stage from marts.lifecycle_stages"));
    let churn =
        by_customer(query("select customer_id, category, is_new_churn, reason, reason_source from marts.churn"));
    let waits = by_customer(query("select customer_id, band from intermediate.second_purchase_waits"));
    let referrals =
        by_customer(query("select key, referrals, converted from marts.referral_roi where level = 'referrer'"));
    let mut wrong = Vec::new();
    let mut expect = |what: String, found: Option<&String>, expected: Option<String>| {
        if found != expected.as_ref() {
            wrong.push(format!("{what}: found {found:?}, planted {expected:?}"));
        }
    };
    for life in scripted {
        let (id, role) = (&life.customer, life.role);
        if role == "merged_alias" {
            expect(format!("stage of {role}"), stages.get(id), None);
            continue;
        }
        expect(format!("stage of {role} {id}"), stages.get(id), Some(life.stage.to_owned()));
        let planted = life.churn.map(|category| {
            // What nobody stated and nothing shows has an unknown source.
            let source = life.reason_source.or(life.reason.filter(|reason| *reason == "unknown"));
            format!("{category}|{}|{}|{}", life.is_new_churn, text(life.reason), text(source))
        });
        expect(format!("churn of {role} {id}"), churn.get(id), planted);
        expect(format!("second purchase of {role} {id}"), waits.get(id), life.second_purchase_band.map(str::to_owned));
        let made = (life.referrals > 0).then(|| format!("{}|{}", life.referrals, life.converted));
        if made.is_some() {
            expect(format!("referrals of {role} {id}"), referrals.get(id), made);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is written to call for an action is proposed, and in a business of this size every action has its customers.
#[test]
fn every_action_is_proposed() {
    let actions = ["ask_for_referral", "complaint_follow_up", "contact_later_due", "cross_sell", "hot_lead"];
    let more = ["say_welcome_back", "second_purchase_window", "thank_you", "unappreciated_risk", "win_back"];
    assert_eq!(
        query("select distinct action from marts.next_best_actions"),
        actions.into_iter().chain(more).collect::<Vec<_>>()
    );
    let found = query("select customer_id, action from marts.next_best_actions");
    let mut planted = std::collections::BTreeSet::new();
    for life in &business().1.facts.scripted {
        let Some(action) = life.action else { continue };
        planted.insert(action);
        assert!(found.contains(&format!("{}|{action}", life.customer)), "{action} for {} {}", life.role, life.customer);
    }
    assert_eq!(planted.len(), 9, "all but cross_sell, which depends on what the others buy");
}

/// Every table that answers a question of the design, by name.
const TABLES: [&str; 37] = [
    "attribution",
    "campaign_performance",
    "channel_preference",
    "channel_responses",
    "churn",
    "churn_summary",
    "cluster_profiles",
    "clv_model",
    "cohort_retention",
    "content_performance",
    "customer_matrix",
    "customer_matrix_cells",
    "customer_matrix_moves",
    "customer_value",
    "engagement_value",
    "geography",
    "kpis",
    "lead_score_bands",
    "lead_scores",
    "lifecycle_stages",
    "next_best_actions",
    "next_product",
    "product_affinity",
    "propensities",
    "propensity_models",
    "reactivation",
    "reactivation_results",
    "referral_goal",
    "referral_roi",
    "revenue_concentration",
    "satisfaction",
    "second_purchase",
    "segment_performance",
    "segments",
    "stage_entries",
    "stage_funnel",
    "stage_movements",
];

#[test]
fn every_question_has_a_table_with_rows_and_a_description() {
    let listed = business().0.lifecycle(&["tables", "-o", "json"]).expect(0).stdout;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    for table in TABLES {
        let name = format!("marts.{table}");
        let row = listed.iter().find(|row| row["table"] == name.as_str());
        let row = row.unwrap_or_else(|| panic!("{name} is not listed"));
        assert!(row["rows"].as_u64().is_some_and(|rows| rows > 0), "{name} is empty");
        assert!(row["description"].as_str().is_some_and(|words| words.len() > 20), "{row}");
    }
}
