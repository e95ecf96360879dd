//! `lifecycle test`: cases of a user's own models.

use super::Folder;

/// A project with one model of its own and cases for it.
fn project(cases: &str) -> Folder {
    let folder = Folder::with_project();
    folder.write("sql/staging/orders.sql", "select order_no from landed.nightly_orders\n");
    folder.write(
        "sql/staging/orders.yaml",
        "description: One row per order.\nmaterialized: view\ngrain: [order_no]\ncolumns:\n  \
         - {name: order_no, type: string, description: The order.}\n",
    );
    folder.write(
        "sql/marts/order_counts.sql",
        "select left(order_no, 1) as letter, count(*) as orders, $as_of as counted_on\nfrom staging.orders\ngroup by left(order_no, 1)\n",
    );
    folder.write(
        "sql/marts/order_counts.yaml",
        "description: One row per first letter.\nmaterialized: table\ngrain: [letter]\ncolumns:\n  \
         - {name: letter, type: string, description: The letter., checks: [not_null]}\n  \
         - {name: orders, type: integer, description: How many.}\n  \
         - {name: counted_on, type: date, description: When.}\n",
    );
    folder.write("tests/sql/marts.order_counts.yaml", cases);
    folder
}

const SOUND: &str = "model: marts.order_counts
cases:
  - name: letters are counted
    as_of: 2026-01-31
    given:
      landed.nightly_orders: [{order_no: a1}, {order_no: a2}, {order_no: b1}]
    expect:
      - {letter: a, orders: 2, counted_on: 2026-01-31}
      - {letter: b, orders: 1}
  - name: nothing has landed
    as_of: 2026-01-31
    expect: []
";

#[test]
fn cases_that_hold_pass() {
    let folder = project(SOUND);
    insta::assert_snapshot!(folder.run(&["test"]), @r"
    exit code 0
    ----- stdout
    passed  marts.order_counts: letters are counted
    passed  marts.order_counts: nothing has landed
    ----- stderr
    2 cases passed
    ");
    insta::assert_snapshot!(folder.run(&["test", "order_counts", "--failed"]), @r"
    exit code 0
    ----- stderr
    2 cases passed
    ");
    assert!(!folder.path().join("warehouse").exists(), "a case touched the warehouse");
}

#[test]
fn cases_that_differ_say_in_what() {
    let folder = project(
        "model: marts.order_counts
cases:
  - name: counts, and a key that is missing
    as_of: 2026-01-31
    given:
      staging.orders: [{order_no: a1}, {order_no: null}]
    expect:
      - {letter: a, orders: 2}
  - name: another key
    as_of: 2026-01-31
    given:
      staging.orders: [{order_no: a1}]
    expect:
      - {letter: b, orders: 1}
  - name: too few rows
    as_of: 2026-01-31
    given:
      staging.orders: [{order_no: a1}]
    expect_rows: 3
",
    );
    insta::assert_snapshot!(folder.run(&["test"]), @r"
    exit code 1
    ----- stdout
    failed  marts.order_counts: counts, and a key that is missing
        tests/sql/marts.order_counts.yaml:3
        check order_counts.letter.not_null: 1 bad rows: letter null
        2 rows, expected 1
        row letter=a: orders is 1, expected 2
    failed  marts.order_counts: another key
        tests/sql/marts.order_counts.yaml:9
        no row letter=b orders=1
          is letter=a orders=1
    failed  marts.order_counts: too few rows
        tests/sql/marts.order_counts.yaml:15
        1 rows, expected 3
    ----- stderr
    error: 3 of 3 cases failed
    ");
}

#[test]
fn every_mistake_in_cases_is_told_with_its_place() {
    let folder = project(
        "model: marts.order_counts
timezone: Europe/Lodnon
cases:
  - name: mistakes
    as_of: yesterday
    parameters: {churn_window_days: 0, churn_window_dais: 3}
    given:
      landed.nightly_order: []
      staging.orders: [{order_nr: a1}]
    expect:
      - {letter: a, orders: many}
  - name: mistakes
    as_of: 2026-01-31
",
    );
    insta::assert_snapshot!(folder.run(&["test"]), @r"
    exit code 2
    ----- stderr
    error: `timezone` is `Europe/Lodnon`, expected a zone of the IANA database such as `Europe/London`
     --> tests/sql/marts.order_counts.yaml:2:11
      |
    2 | timezone: Europe/Lodnon
      |           ^
      = hint: did you mean `Europe/London`?

    error: `as_of` is `yesterday`, expected a date such as 2025-12-31
     --> tests/sql/marts.order_counts.yaml:5:12
      |
    5 |     as_of: yesterday
      |            ^

    error: `churn_window_days` is `0`, expected from 1 to 36500
     --> tests/sql/marts.order_counts.yaml:6:37
      |
    6 |     parameters: {churn_window_days: 0, churn_window_dais: 3}
      |                                     ^

    error: unknown parameter `churn_window_dais`, expected one of `active_days`, `affinity_min_support`, `attribution_days`, `churn_spend_drop`, `churn_window_days`, `clusters`, `clv_discount_rate`, `clv_horizon_days`, `clv_model`, `contactable_when_unknown`, `conversion_days`, `default_margin_rate`, `dormant_days`, `identity_max_size`, `kpi_period_days`, `lead_half_life_days` and 11 more
     --> tests/sql/marts.order_counts.yaml:6:40
      |
    6 |     parameters: {churn_window_days: 0, churn_window_dais: 3}
      |                                        ^
      = hint: did you mean `churn_window_days`?

    error: `given` names `landed.nightly_order`, expected a model, a seed or a landed source
     --> tests/sql/marts.order_counts.yaml:8:7
      |
    8 |       landed.nightly_order: []
      |       ^
      = hint: did you mean `landed.nightly_orders`?

    error: `staging.orders` has no column `order_nr`
     --> tests/sql/marts.order_counts.yaml:9:25
      |
    9 |       staging.orders: [{order_nr: a1}]
      |                         ^
      = hint: did you mean `order_no`?

    error: `orders` is `many`, which is not a value of type `integer`
      --> tests/sql/marts.order_counts.yaml:11:29
       |
    11 |       - {letter: a, orders: many}
       |                             ^

    error: the case `mistakes` stands here for the second time
      --> tests/sql/marts.order_counts.yaml:12:11
       |
    12 |   - name: mistakes
       |           ^
       = hint: it stands in line 4 already

    error: the case expects nothing, expected `expect`, `expect_some` or `expect_rows`
      --> tests/sql/marts.order_counts.yaml:12:11
       |
    12 |   - name: mistakes
       |           ^

    9 mistakes in 1 file; nothing was touched
    ");
}

#[test]
fn a_file_of_another_model_is_refused() {
    let folder = project("model: marts.order_count\ncases: []\n");
    insta::assert_snapshot!(folder.run(&["test"]), @r"
    exit code 2
    ----- stderr
    error: `model` names `marts.order_count`, expected a model, a seed or a landed source
     --> tests/sql/marts.order_counts.yaml:1:8
      |
    1 | model: marts.order_count
      |        ^
      = hint: did you mean `marts.order_counts`?

    1 mistake in 1 file; nothing was touched
    ");
    let folder = project("model: staging.orders\ncases: []\n");
    insta::assert_snapshot!(folder.run(&["test"]), @r"
    exit code 2
    ----- stderr
    error: the file holds the cases of `staging.orders`, expected those of `marts.order_counts`
     --> tests/sql/marts.order_counts.yaml:1:8
      |
    1 | model: staging.orders
      |        ^
      = hint: rename the file to `staging.orders.yaml`

    1 mistake in 1 file; nothing was touched
    ");
}

#[test]
fn without_cases_there_is_nothing_to_run() {
    let folder = project("model: marts.order_counts\ncases: []\n");
    insta::assert_snapshot!(folder.run(&["test"]), @r"
    exit code 2
    ----- stderr
    error: there is no case to run
    hint: cases lie in tests/sql, one file per model, such as tests/sql/marts.churn.yaml
    ");
    insta::assert_snapshot!(folder.run(&["test", "order_cuonts"]), @r"
    exit code 2
    ----- stderr
    error: the selector `order_cuonts` matches no model
    hint: did you mean `order_counts`?
    ");
}
