//! A gift wholesaler's invoices, one CSV a day: sales only, and with returns kept.

use serde_json::Value;

use super::known::Known;
use super::{Project, late_files};

pub const AS_OF: &str = "2011-12-09";
const MARTS: [&str; 5] = [
    "marts.clv_model",
    "marts.cohort_retention",
    "marts.customer_value",
    "marts.revenue_concentration",
    "marts.second_purchase",
];

const MATRIX: [&[i64]; 13] = [
    &[885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235],
    &[417, 92, 111, 96, 134, 120, 103, 101, 125, 136, 152, 49],
    &[380, 71, 71, 108, 103, 94, 96, 106, 94, 116, 26],
    &[452, 68, 114, 90, 101, 76, 121, 104, 126, 39],
    &[300, 64, 61, 63, 59, 68, 65, 78, 22],
    &[284, 54, 49, 49, 59, 66, 75, 27],
    &[242, 42, 38, 64, 56, 81, 23],
    &[188, 34, 39, 42, 51, 21],
    &[169, 35, 42, 41, 21],
    &[299, 70, 90, 34],
    &[358, 86, 41],
    &[323, 36],
    &[41],
];

const MONTHS: [&str; 13] = [
    "2010-12", "2011-01", "2011-02", "2011-03", "2011-04", "2011-05", "2011-06", "2011-07", "2011-08", "2011-09",
    "2011-10", "2011-11", "2011-12",
];

#[test]
fn sales_alone_give_the_known_answers() {
    let Some(project) = Project::over("online_retail", "online_retail") else { return };
    let project = project.only(&MARTS);
    let mut known = Known::of("online_retail, sales only");
    known.says(&project.run(AS_OF), "landed   541,909 rows from 305 objects, 0 rejected");

    landed_lines(&project, &mut known);
    revenue(&project, &mut known);
    cohort_matrix(&project, &mut known);
    let seconds = Seconds {
        bands: [812, 644, 375, 958, 73, 1476],
        returned: 2790,
        over_90: 959,
        probabilities: [".191601983", ".355069478", ".459911721", ".848063239"],
    };
    second_purchases(&project, &mut known, &seconds);

    let model = project.row("select * from marts.clv_model where model = 'bgnbd'");
    // The likelihood is nearly flat along b (its standard error is 22): a and b are not compared.
    known.digits(&model, "log_likelihood", "-37645.538");
    known.digits(&model, "r", ".827");
    known.digits(&model, "alpha", "9.84");
    known.same(&model, "customers", 4338);
    known.same(&model, "is_converged", true);
    known.same(&model, "is_boundary", false);

    known.says(&project.run(AS_OF), "nothing to do");
    known.finish();

    late_files::give_the_tables_of_one_run(&project);
}

fn landed_lines(project: &Project, known: &mut Known) {
    let row = project.row(
        "select
            count(*) as lines,
            count(distinct _object) as days,
            count(distinct customer_no) as customers,
            count(*) filter (where customer_no is null) as anonymous,
            count(*) filter (where invoice_no like 'C%' and quantity < 0) as cancelled,
            count(distinct country) as countries,
            min(unit_price) as lowest_price,
            max(unit_price) as highest_price
        from landed.invoice_lines",
    );
    known.same(&row, "lines", 541_909);
    known.same(&row, "days", 305);
    known.same(&row, "customers", 4372);
    known.same(&row, "anonymous", 135_080);
    known.same(&row, "cancelled", 9288);
    known.same(&row, "countries", 38);
    known.digits(&row, "lowest_price", "-11062");
    known.digits(&row, "highest_price", "38970");
    let row = project.row(
        "with equal_lines as (
            select count(*) as lines
            from landed.invoice_lines
            group by invoice_no, stock_code, description, quantity, invoiced_at, unit_price, customer_no, country
        )
        select sum(lines - 1) as duplicates from equal_lines",
    );
    known.same(&row, "duplicates", 5268);
}

fn revenue(project: &Project, known: &mut Known) {
    let row =
        project.row("select count(*) as customers, cast(sum(revenue) as varchar) as revenue from marts.customer_value");
    known.same(&row, "customers", 4338);
    known.same(&row, "revenue", "8911407.90");
    top_fifth(project, known, "74.6");
    let row = project.row(
        "with ranked as (
            select
                sum(revenue) over (order by revenue desc, customer_id) as so_far,
                sum(revenue) over () as total
            from marts.customer_value
        )
        select count(*) filter (where so_far < 0.8 * total) + 1 as customers from ranked",
    );
    known.same(&row, "customers", 1133);
}

/// The share of revenue of the best fifth of customers, in percent.
fn top_fifth(project: &Project, known: &mut Known, published: &str) {
    let row = project.row("select distinct 100 * top_20_share as percent from marts.revenue_concentration");
    known.digits(&row, "percent", published);
}

fn cohort_matrix(project: &Project, known: &mut Known) {
    let rows = project.rows(
        "select
            substr(cast(cohort as varchar), 1, 7) as month,
            min(cohort_size) as size,
            array_agg(active order by period) as active,
            array_agg(period order by period) as periods
        from marts.cohort_retention
        where cohort_kind = 'calendar_month' and segment = 'all'
        group by cohort
        order by cohort",
    );
    if rows.len() != MATRIX.len() {
        known.differ("cohorts", "13", &rows.len());
    }
    for ((row, month), active) in rows.iter().zip(MONTHS).zip(MATRIX) {
        known.same(row, "month", month);
        known.same(row, "size", active[0]);
        known.same(row, "active", active.to_vec());
        known.same(row, "periods", (0..active.len()).collect::<Vec<_>>());
    }
}

/// What is known of second purchases.
struct Seconds {
    /// Up to 30 days, 31-60, 61-90; 91-365, none in 365, waiting.
    bands: [i64; 6],
    /// Of those with a second purchase day, some had waited longer than 365 days.
    returned: i64,
    over_90: i64,
    /// By lifelines 0.30, `KaplanMeierFitter`, on days 30, 60, 90, 365.
    probabilities: [&'static str; 4],
}

const BANDS: [&str; 6] = ["0-30", "31-60", "61-90", "91-365", "none_in_365", "waiting"];

fn second_purchases(project: &Project, known: &mut Known, published: &Seconds) {
    let bands = project.rows("select * from marts.second_purchase where segment = 'all'");
    let band = |name: &str| bands.iter().find(|row| row["band"] == name).unwrap();
    for (name, customers) in BANDS.into_iter().zip(published.bands) {
        known.same(band(name), "customers", customers);
        // Nobody's first purchase is 455 days ago.
        known.same(band(name), "observed", 0);
        known.same(band(name), "lift_points", Value::Null);
    }
    for (name, probability) in BANDS.into_iter().zip(published.probabilities) {
        known.digits(band(name), "second_purchase_probability", probability);
    }
    for name in ["none_in_365", "waiting"] {
        known.same(band(name), "second_purchase_probability", Value::Null);
    }
    let row = project.row(
        "select
            count(*) as returned,
            count(*) filter (where days > 90) as over_90,
            median(days) as median
        from intermediate.second_purchase_waits
        where has_returned",
    );
    known.same(&row, "returned", published.returned);
    known.same(&row, "over_90", published.over_90);
    known.digits(&row, "median", "57");
}

#[test]
fn returns_kept_as_negative_lines_give_the_known_answers() {
    let Some(project) = Project::over("online_retail", "online_retail_returns") else { return };
    let project = project.only(&MARTS);
    let mut known = Known::of("online_retail, returns kept");
    let said = project.run(AS_OF);
    known.says(&said, "landed   541,909 rows from 305 objects, 0 rejected");
    known.says(&said, "warning: clv_model.models_inside: 1 bad row");

    let row = project.row("select count(*) as customers from marts.customer_value");
    known.same(&row, "customers", 4335);
    top_fifth(&project, &mut known, "73.6");
    let seconds = Seconds {
        bands: [788, 648, 381, 959, 73, 1486],
        returned: 2777,
        over_90: 960,
        probabilities: [".186186078", ".350879151", ".457394474", ".846060567"],
    };
    second_purchases(&project, &mut known, &seconds);
    let row = project.row(
        "select cast(sum(customer_days.revenue) as varchar) as revenue
        from intermediate.customer_days
        left anti join marts.customer_value on customer_days.customer_id = customer_value.customer_id",
    );
    known.same(&row, "revenue", "-10862.66");

    // Nobody drops out: the maximum is at a = 0, whatever b is.
    let model = project.row("select * from marts.clv_model where model = 'bgnbd'");
    known.digits(&model, "log_likelihood", "-37340.436");
    known.same(&model, "is_converged", true);
    known.same(&model, "is_boundary", true);
    known.digits(&model, "dropout_probability", "0.0000");
    for column in ["b", "r_standard_error", "alpha_standard_error", "a_standard_error", "b_standard_error"] {
        known.same(&model, column, Value::Null);
    }
    let row = project.row(
        "select count(*) as customers from marts.customer_value
        where p_alive is null or p_alive < 1 or expected_purchases is null or clv is null",
    );
    known.same(&row, "customers", 0);

    known.says(&project.run(AS_OF), "nothing to do");
    known.finish();
}
