//! A grocery's baskets over the counter: what is bought together is known, and there is nobody to know anything else about.

use super::Project;
use super::known::Known;

const AS_OF: &str = "2024-01-31";

#[test]
fn what_is_bought_together_comes_out() {
    let Some(project) = Project::over("groceries", "groceries") else { return };
    let mut known = Known::of("groceries");
    known.says(&project.run(AS_OF), "landed   9,835 rows from 1 object, 0 rejected");

    let row = project.row(
        "select
            count(*) as lines,
            count(distinct order_id) as baskets
        from staging.order_lines",
    );
    known.same(&row, "lines", 43_367);
    known.same(&row, "baskets", 9835);

    pair(&project, &mut known, ["whole milk", "other vegetables"], [2513, 1903], ".29288");
    pair(&project, &mut known, ["other vegetables", "whole milk"], [1903, 2513], ".38676");
    every_pair_is_counted_right(&project, &mut known);

    let row = project.row(
        "select
            count(*) filter (where level = 'category') as categories,
            count(*) filter (where support < 0.001) as rare
        from marts.product_affinity",
    );
    known.same(&row, "categories", 0);
    known.same(&row, "rare", 0);
    for table in ["next_product", "customer_value", "reactivation", "lifecycle_stages"] {
        let row = project.row(&format!("select count(*) as customers from marts.{table}"));
        known.same(&row, "customers", 0);
    }

    known.says(&project.run(AS_OF), "nothing to do");
    known.finish();
}

fn pair(project: &Project, known: &mut Known, items: [&str; 2], baskets: [i64; 2], confidence: &str) {
    let [item_a, item_b] = items;
    let row = project.row(&format!(
        "select * from marts.product_affinity
        where level = 'product' and item_a = '{item_a}' and item_b = '{item_b}'"
    ));
    known.same(&row, "all_baskets", 9835);
    known.same(&row, "baskets_a", baskets[0]);
    known.same(&row, "baskets_b", baskets[1]);
    known.same(&row, "baskets", 736);
    known.digits(&row, "support", ".074835");
    known.digits(&row, "confidence", confidence);
    known.digits(&row, "lift_ratio", "1.513634");
}

/// All pairs, counted from the landed lines without what the models do to count fast.
fn every_pair_is_counted_right(project: &Project, known: &mut Known) {
    let row = project.row(
        "with written as (
            select _line as basket, unnest(string_to_array(items, ',')) as item from landed.baskets
        ),
        items as (
            select distinct basket, trim(item) as item from written
        ),
        pairs as (
            select ones.item as item_a, others.item as item_b, count(*) as baskets
            from items as ones
            inner join items as others on ones.basket = others.basket and ones.item <> others.item
            group by ones.item, others.item
            having count(*) >= 10
        )
        select
            count(*) as pairs,
            count(*) filter (where product_affinity.baskets = pairs.baskets) as alike
        from pairs
        full outer join marts.product_affinity
            on pairs.item_a = product_affinity.item_a and pairs.item_b = product_affinity.item_b",
    );
    // 0.001 of 9,835 baskets are 9.8
    known.same(&row, "pairs", 5962);
    known.same(&row, "alike", 5962);
}
