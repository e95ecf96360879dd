//! Data that nobody would order: every model builds, its checks pass, and what can be said is right.

use chrono::NaiveDate;
use lifecycle::config::{Project, TableName};

use super::builder::{Tables, build_every_model, built_models, graph, project};
use super::feeds::{Feeds, assert_says, build_only, on, says, with};
use super::random_business::random_business;

const AS_OF: &str = "2025-03-31";

/// Every table with a row per customer, or more than one.
fn tables_of_customers(project: &Project) -> Vec<TableName> {
    let models = project.models.values().filter(|model| model.name.schema == "marts");
    models
        .filter(|model| model.columns.iter().any(|column| column.name == "customer_id"))
        .map(|model| model.name.clone())
        .collect()
}

/// Nothing but lines and links says what was sold to whom.
#[tokio::test]
async fn a_feed_is_missing() {
    let project = project();
    let graph = graph(&project);
    let whole = random_business(&project, 3);
    let revenue = "select sum(revenue) as revenue from marts.customer_value";
    let mut builder = build_every_model(&project, &graph, &whole, &on(AS_OF)).await;
    let known = says(&builder, revenue).await;
    let mut built = whole.clone();
    for name in built_models(&project) {
        built.insert(name.clone(), builder.build(&name).await.expect("it is built"));
    }
    for missing in whole.keys() {
        // What does not depend on the feed stays as it is.
        let mut given = built.clone();
        let mut gone = vec![missing.clone()];
        while let Some(name) = gone.pop() {
            if given.remove(&name).is_some() {
                gone.extend(graph.downstream(&name));
            }
        }
        let builder = build_every_model(&project, &graph, &given, &on(AS_OF)).await;
        match missing.table.as_str() {
            "order_lines" => assert_says(&builder, revenue, &["null"]).await,
            "identities" => {}
            _ => assert_eq!(says(&builder, revenue).await, known, "without {missing}"),
        }
    }
}

/// Sales or interactions are all that is required; profiles alone are known customers of whom nothing is known.
#[tokio::test]
async fn a_feed_is_all_there_is() {
    let project = project();
    let graph = graph(&project);
    let whole = random_business(&project, 5);
    for (feed, rows) in
        whole.into_iter().filter(|(feed, _)| is_one_of(feed, &["order_lines", "interactions", "customers"]))
    {
        let given = Tables::from([(feed.clone(), rows)]);
        let builder = build_every_model(&project, &graph, &given, &on(AS_OF)).await;
        let customers = says(&builder, "select count(*) as customers from intermediate.known_customers").await;
        assert_ne!(customers, ["0"], "{feed} alone");
    }
}

fn is_one_of(feed: &TableName, names: &[&str]) -> bool {
    names.contains(&feed.table.as_str())
}

/// Products, kinds, campaigns and content that no feed or seed lists, and keys that only look like mistakes.
#[tokio::test]
async fn keys_that_nobody_lists() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    for number in 0..4 {
        feeds.add("products", &format!("product_id: listed{number}, category: shoes"));
        feeds.add(
            "order_lines",
            &format!(
                "order_id: o{number}, line_no: 1, customer_id: \"o'neill {number}\", ordered_at: '2025-01-0{}T10:00:00Z', \
                 product_id: unheard_of, quantity: 1, net_amount: 10.00, campaign_id: unheard_of, channel: unheard_of",
                number + 1
            ),
        );
        feeds.add(
            "order_lines",
            &format!(
                "order_id: o{number}, line_no: 2, customer_id: \"o'neill {number}\", ordered_at: '2025-01-0{}T10:00:00Z', \
                 product_id: '%', quantity: 1, net_amount: 10.00",
                number + 1
            ),
        );
        feeds.add(
            "interactions",
            &format!(
                "interaction_id: i{number}, customer_id: \"o'neill {number}\", occurred_at: '2025-01-0{}T10:00:00Z', \
                 direction: outbound, channel: unheard_of, kind: unheard_of, campaign_id: unheard_of, content_id: unheard_of, \
                 product_id: unheard_of, response: positive",
                number + 2
            ),
        );
        feeds.add(
            "interactions",
            &format!(
                "interaction_id: j{number}, customer_id: \"o'neill {number}\", occurred_at: '2025-02-01T10:00:00Z'"
            ),
        );
        feeds.add(
            "campaign_members",
            &format!("campaign_id: unheard_of, customer_id: ünknown {number}, assigned_at: '2025-01-01T00:00:00Z'"),
        );
        feeds.add(
            "surveys",
            &format!(
                "survey_id: s{number}, customer_id: '', responded_at: '2025-01-01T00:00:00Z', kind: nps, score: 9"
            ),
        );
        feeds.add(
            "referrals",
            &format!("referral_id: r{number}, referrer_id: ghost, referred_id: g{number}, referred_at: '2025-01-01T00:00:00Z'"),
        );
    }
    feeds.add("campaigns", "campaign_id: listed, objective: referral, cost: 100.00");
    feeds.add("content", "content_id: listed, content_type: article, buying_stage: research");
    let builder = build_every_model(&project, &graph, &feeds.tables(&project), &on(AS_OF)).await;
    let customers = "select count(*) as customers from intermediate.known_customers";
    assert_says(&builder, customers, &["14"]).await;
    let value = "select concat_ws(' ', customer_id, revenue, cost_to_serve, marketing_cost) as value
        from marts.customer_value order by customer_id limit 1";
    assert_says(&builder, value, &["o'neill 0 20.00 0.00 0.00"]).await;
    let pairs =
        "select concat_ws(' ', level, item_a, item_b, baskets) as pair from marts.product_affinity order by item_a";
    assert_says(&builder, pairs, &["product % unheard_of 4", "product unheard_of % 4"]).await;
}

/// A later return of more than was bought leaves a buyer with less than nothing.
#[tokio::test]
async fn revenue_below_and_at_nothing() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    for number in 0..6 {
        let customer = format!("c{number}");
        feeds.sale(&format!("o{number}"), &customer, "2024-12-01T10:00:00Z", "p1", 1, "10.00");
        feeds.sale(&format!("r{number}"), &customer, "2025-01-20T10:00:00Z", "p1", -5, "-50.00");
    }
    feeds.sale("o7", "free", "2025-01-05T10:00:00Z", "p1", 1, "0.00");
    feeds.sale("o8", "free", "2025-02-05T10:00:00Z", "p2", 1, "0.00");
    feeds.sale("o9", "back", "2025-01-05T10:00:00Z", "p1", 1, "10.00");
    feeds.sale("q9", "back", "2025-01-05T12:00:00Z", "p1", -1, "-10.00");
    let builder = build_every_model(&project, &graph, &feeds.tables(&project), &on(AS_OF)).await;
    let value = "select concat_ws(' ', customer_id, purchase_days, revenue) as value
        from marts.customer_value where customer_id >= 'c5' order by customer_id";
    assert_says(&builder, value, &["c5 1 -40.00", "free 2 0.00"]).await;
    let churn = "select concat_ws(' ', category, products_now, revenue_lost) as lost from marts.churn
        where customer_id in ('c5', 'free') order by customer_id";
    assert_says(&builder, churn, &["account 0 60.00", "none 2 0.00"]).await;
    let shares = "select count(*) as shares from marts.revenue_concentration where cumulative_share is not null";
    let total = says(&builder, "select sum(revenue) as total from marts.customer_value").await;
    assert_eq!(total, ["-240.00"], "and {:?} shares", says(&builder, shares).await);
}

#[tokio::test]
async fn nobody_has_more_than_returned() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    for number in 0..5 {
        feeds.sale(&format!("r{number}"), &format!("c{number}"), "2025-01-20T10:00:00Z", "p1", -1, "-50.00");
    }
    let builder = build_every_model(&project, &graph, &feeds.tables(&project), &on(AS_OF)).await;
    assert_says(&builder, "select count(*) as customers from intermediate.known_customers", &["5"]).await;
    for table in ["customer_value", "churn", "customer_matrix", "product_affinity", "next_product", "reactivation"] {
        assert_says(&builder, &format!("select count(*) as rows from marts.{table}"), &["0"]).await;
    }
}

/// One customer with every kind of fact, some of them about themselves.
#[tokio::test]
async fn a_single_customer() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    feeds.add(
        "customers",
        "customer_id: c1, first_seen_at: '2024-01-01T00:00:00Z', acquisition_source: web, is_contactable: true",
    );
    feeds.sale("o1", "c1", "2024-02-01T10:00:00Z", "p1", 1, "10.00");
    feeds.sale("o2", "web7", "2024-03-01T10:00:00Z", "p2", 1, "30.00");
    feeds.sale("o3", "c1", "2025-03-01T10:00:00Z", "p1", 1, "20.00");
    feeds.add("products", "product_id: p1, category: shoes");
    feeds.add("identities", "alias_id: web7, customer_id: c1");
    feeds.add("campaigns", "campaign_id: k1, objective: retention, channel: email, started_on: 2024-01-01, cost: 1.00");
    feeds
        .add("campaign_members", "campaign_id: k1, customer_id: c1, assigned_at: '2024-02-10T00:00:00Z', arm: control");
    feeds.add("content", "content_id: t1, content_type: article, buying_stage: purchase");
    for (number, (direction, response)) in
        [("inbound", "null"), ("outbound", "positive"), ("outbound", "later"), ("outbound", "negative")]
            .iter()
            .enumerate()
    {
        feeds.add(
            "interactions",
            &format!(
                "interaction_id: i{number}, customer_id: c1, occurred_at: '2024-11-0{}T10:00:00Z', direction: {direction}, \
                 channel: email, kind: offer, campaign_id: k1, content_id: t1, response: {response}",
                number + 1
            ),
        );
    }
    feeds.add("surveys", "survey_id: s1, customer_id: c1, responded_at: '2024-12-01T00:00:00Z', kind: nps, score: 10");
    feeds.add("referrals", "referral_id: r1, referrer_id: c1, referred_id: web7, referred_at: '2024-02-20T00:00:00Z'");
    for as_of in ["2025-03-31", "2024-02-29"] {
        let builder = build_every_model(&project, &graph, &feeds.tables(&project), &on(as_of)).await;
        assert_says(&builder, "select customer_id from intermediate.known_customers", &["c1"]).await;
        let tier = "select concat_ws(' ', customer_id, value_tier) as tier from marts.customer_value";
        assert_says(&builder, tier, &["c1 vip"]).await;
        for table in tables_of_customers(&project) {
            let others = format!("select customer_id from {table} where customer_id <> 'c1'");
            assert_says(&builder, &others, &[]).await;
        }
    }
}

#[tokio::test]
async fn as_of_before_the_first_fact() {
    let project = project();
    let graph = graph(&project);
    let given = random_business(&project, 9);
    let builder = build_every_model(&project, &graph, &given, &on("2020-02-29")).await;
    for table in tables_of_customers(&project) {
        assert_says(&builder, &format!("select count(*) as rows from {table}"), &["0"]).await;
    }
    assert_says(&builder, "select count(*) as rows from intermediate.known_customers", &["0"]).await;
}

fn identical_customers(customers: usize) -> Feeds {
    let mut feeds = Feeds::default();
    for number in 0..customers {
        let customer = format!("c{number:03}");
        for (order, day) in ["2024-06-01", "2024-08-01", "2024-10-01", "2025-02-01"].iter().enumerate() {
            feeds.sale(&format!("o{number}x{order}"), &customer, &format!("{day}T10:00:00Z"), "p1", 1, "10.00");
            feeds.add(
                "interactions",
                &format!(
                    "interaction_id: i{number}x{order}, customer_id: {customer}, occurred_at: '{day}T09:00:00Z', \
                     direction: {}, channel: email, kind: offer, response: {}",
                    if order % 2 == 0 { "inbound" } else { "outbound" },
                    if order == 1 { "positive" } else { "none" },
                ),
            );
        }
        feeds.add("customers", &format!("customer_id: {customer}, first_seen_at: '2024-05-01T00:00:00Z', gender: f"));
    }
    feeds
}

/// Nobody differs, so everybody is in one cell of the matrix, in one class of each score.
#[tokio::test]
async fn all_customers_are_identical() {
    let project = project();
    let graph = graph(&project);
    let given = identical_customers(30).tables(&project);
    let builder = build_every_model(&project, &graph, &given, &on(AS_OF)).await;
    let cells = "select concat_ws(' ', cell, customers) as cell from marts.customer_matrix_cells where customers > 0";
    assert_says(&builder, cells, &["3-12 / 1 30"]).await;
    let classes = "select concat_ws(' ', r, f, m, count(*)) as class from marts.customer_value group by r, f, m";
    assert_says(&builder, classes, &["1 1 1 30"]).await;
    let clv = "select concat_ws(' ', count(*), count(clv), count(p_alive)) as values
        from (select clv, p_alive from marts.customer_value group by clv, p_alive)";
    assert_says(&builder, clv, &["1 1 1"]).await;
}

/// Everyone still buys as they always did: the drop-out probability is 0 for all, a maximum on the boundary.
#[tokio::test]
async fn nobody_drops_out() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    let start = NaiveDate::from_ymd_opt(2024, 4, 1).expect("a date");
    let end = NaiveDate::from_ymd_opt(2025, 3, 31).expect("a date");
    for number in 0..40 {
        let step = [7, 14, 28, 52][number % 4];
        for (order, day) in end.iter_days().rev().step_by(step).take_while(|day| *day >= start).enumerate() {
            let amount = format!("{}.00", 10 + number % 7);
            feeds.sale(
                &format!("o{number}x{order}"),
                &format!("c{number}"),
                &format!("{day}T10:00:00Z"),
                "p1",
                1,
                &amount,
            );
        }
    }
    let builder = build_every_model(&project, &graph, &feeds.tables(&project), &on(AS_OF)).await;
    let model = "select concat_ws(' ', is_converged, is_boundary, round(dropout_probability, 6)) as model
        from marts.clv_model where model = 'bgnbd'";
    assert_says(&builder, model, &["true true 0.0"]).await;
    let alive = "select concat_ws(' ', count(*), min(p_alive), count(*) filter (where clv > 0)) as alive
        from marts.customer_value";
    assert_says(&builder, alive, &["40 1.0 40"]).await;
}

#[tokio::test]
async fn more_clusters_than_customers() {
    let project = project();
    let graph = graph(&project);
    let setting = with(on(AS_OF), &[("clusters", "50")]);
    build_every_model(&project, &graph, &identical_customers(3).tables(&project), &setting).await;
}

#[tokio::test]
async fn everything_on_one_day() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    for number in 0..60 {
        let (customer, at) = (format!("c{}", number % 40), format!("2025-03-31T{:02}:{:02}:00Z", number % 22, number));
        feeds.sale(&format!("o{number}"), &customer, &at, &format!("p{}", number % 7), 1, &format!("{number}.00"));
        feeds.add(
            "interactions",
            &format!(
                "interaction_id: i{number}, customer_id: {customer}, occurred_at: '{at}', direction: {}, channel: web, \
                 kind: offer, campaign_id: k1, response: {}",
                ["inbound", "outbound"][number % 2],
                ["positive", "negative", "none"][number % 3],
            ),
        );
        feeds.add(
            "surveys",
            &format!(
                "survey_id: s{number}, customer_id: {customer}, responded_at: '{at}', kind: nps, score: {}",
                number % 11
            ),
        );
        feeds.add(
            "referrals",
            &format!("referral_id: r{number}, referrer_id: {customer}, referred_id: f{number}, referred_at: '{at}'"),
        );
    }
    for number in 0..40 {
        feeds.add("customers", &format!("customer_id: c{number}, first_seen_at: '2025-03-31T00:00:00Z'"));
        feeds.add(
            "campaign_members",
            &format!("campaign_id: k1, customer_id: c{number}, assigned_at: '2025-03-31T00:00:00Z'"),
        );
    }
    feeds.add(
        "campaigns",
        "campaign_id: k1, objective: acquisition, started_on: 2025-03-31, ended_on: 2025-03-31, cost: 10.00",
    );
    let given = feeds.tables(&project);
    for as_of in ["2025-03-31", "2025-11-30"] {
        let builder = build_every_model(&project, &graph, &given, &on(as_of)).await;
        // the first of the 40 to buy for nothing is number 0, who buys again for 40.00
        let buyers = "select concat_ws(' ', count(*), sum(revenue)) as buyers from marts.customer_value";
        assert_says(&builder, buyers, &["40 1770.00"]).await;
    }
}

/// Clocks went forward on 30 March 2025 at 01:00 UTC, and back on 27 October 2024 at 01:00 UTC.
#[tokio::test]
async fn nights_when_the_clocks_change() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    let instants = [
        "2024-10-26T22:59:59Z", // 23:59 on the 26th
        "2024-10-26T23:00:00Z", // midnight
        "2024-10-27T00:30:00Z", // 01:30, the first time
        "2024-10-27T01:30:00Z", // 01:30 again
        "2024-10-27T23:59:59Z", // the end of 25 hours
        "2024-10-28T00:00:00Z",
        "2025-03-29T23:59:59Z",
        "2025-03-30T00:59:59Z", // 00:59:59; the next second is 02:00
        "2025-03-30T01:00:00Z",
        "2025-03-30T22:59:59Z", // the end of 23 hours
        "2025-03-30T23:00:00Z", // midnight
    ];
    for (number, at) in instants.iter().enumerate() {
        for customer in ["c1", "c2"] {
            feeds.sale(&format!("o{number}{customer}"), customer, at, "p1", 1, "1.00");
            feeds.add(
                "interactions",
                &format!(
                    "interaction_id: i{number}{customer}, customer_id: {customer}, occurred_at: '{at}', direction: {}, \
                     channel: email, kind: offer, response: positive",
                    ["inbound", "outbound"][number % 2]
                ),
            );
        }
        feeds.add(
            "surveys",
            &format!("survey_id: s{number}, customer_id: c1, responded_at: '{at}', kind: csat, score: 5"),
        );
    }
    let given = feeds.tables(&project);
    let days = "select concat_ws(' ', day, cast(revenue as bigint)) as day
        from intermediate.customer_days where customer_id = 'c1' order by day";
    let autumn = ["2024-10-26 1", "2024-10-27 4", "2024-10-28 1"];
    let spring = ["2025-03-29 1", "2025-03-30 3", "2025-03-31 1"];
    for (as_of, expected) in [
        ("2024-10-26", autumn[..1].to_vec()),
        ("2024-10-27", autumn[..2].to_vec()),
        ("2025-03-29", [&autumn[..], &spring[..1]].concat()),
        ("2025-03-30", [&autumn[..], &spring[..2]].concat()),
        ("2025-03-31", [&autumn[..], &spring[..]].concat()),
    ] {
        let builder = build_only("intermediate.customer_days", &project, &graph, &given, &on(as_of)).await;
        assert_says(&builder, days, &expected).await;
    }
    for as_of in ["2024-10-27", "2025-03-30"] {
        let builder = build_every_model(&project, &graph, &given, &on(as_of)).await;
        let contacts = "select concat_ws(' ', day, contacts) as day
            from intermediate.contact_days where day = '2025-03-30' and customer_id = 'c1'";
        assert_says(&builder, contacts, &["2025-03-30 2"]).await;
    }
}

/// More pairs than a year of shopping: it is left out of what is bought together, and of nothing else.
#[tokio::test]
async fn an_order_of_a_thousand_and_one_products() {
    let project = project();
    let graph = graph(&project);
    let mut feeds = Feeds::default();
    for line in 0..1001 {
        feeds.add(
            "order_lines",
            &format!(
                "order_id: stock, line_no: {line}, customer_id: c1, ordered_at: '2025-01-05T10:00:00Z', product_id: p{line}, \
                 quantity: 1, net_amount: 1.00"
            ),
        );
    }
    for (line, product) in ["p1", "p2"].iter().enumerate() {
        feeds.add(
            "order_lines",
            &format!(
                "order_id: o1, line_no: {line}, customer_id: c2, ordered_at: '2025-01-05T10:00:00Z', product_id: {product}, \
                 quantity: 1, net_amount: 1.00"
            ),
        );
    }
    let builder = build_every_model(&project, &graph, &feeds.tables(&project), &on(AS_OF)).await;
    let pairs =
        "select concat_ws(' ', item_a, item_b, all_baskets) as pair from marts.product_affinity order by item_a";
    assert_says(&builder, pairs, &["p1 p2 1", "p2 p1 1"]).await;
    let revenue = "select concat_ws(' ', customer_id, revenue) as value from marts.customer_value order by customer_id";
    assert_says(&builder, revenue, &["c1 1001.00", "c2 2.00"]).await;
}

#[tokio::test]
async fn windows_of_a_day_and_of_a_century() {
    let project = project();
    let graph = graph(&project);
    let given = random_business(&project, 17);
    let shortest = [
        ("active_days", "1"),
        ("dormant_days", "2"),
        ("lost_days", "3"),
        ("second_purchase_from", "1"),
        ("second_purchase_to", "1"),
        ("vip_share", "0"),
        ("low_share", "0"),
        ("affinity_min_support", "0"),
        ("clusters", "2"),
    ];
    let longest = [
        ("active_days", "36498"),
        ("dormant_days", "36499"),
        ("lost_days", "36500"),
        ("second_purchase_from", "36500"),
        ("second_purchase_to", "36500"),
        ("vip_share", "1"),
        ("low_share", "0"),
        ("affinity_min_support", "1"),
    ];
    let windows = [
        "churn_window_days",
        "lead_half_life_days",
        "conversion_days",
        "movement_days",
        "referral_days",
        "clv_horizon_days",
        "matrix_compare_days",
        "attribution_days",
        "kpi_period_days",
    ];
    for (others, days) in [(&shortest[..], "1"), (&longest[..], "36500")] {
        let of_windows: Vec<(&str, &str)> = windows.iter().map(|name| (*name, days)).collect();
        let setting = with(with(on(AS_OF), &of_windows), others);
        build_every_model(&project, &graph, &given, &setting).await;
    }
}
