//! Mistakes in SQL, which show when it is planned: in models, and in the checks of their YAML.

use super::{CHURN, Edit, Mistake, replace};

const CHURN_SQL: &str = "sql/marts/churn.sql";
const CUSTOMERS_SQL: &str = "sql/staging/customers.sql";

/// The model `churn`, written over several lines, with other text from a line on.
const fn churn(text: &'static str, place: (usize, usize), message: &'static str) -> Mistake {
    Mistake { file: CHURN_SQL, edit: Edit::Create(text), reported_file: None, place: Some(place), message, hint: None }
}

macro_rules! after_columns {
    ($rest:literal) => {
        concat!("select\n    customer_id,\n    'none' as category,\n    cast(0 as decimal(18, 2)) as revenue\n", $rest)
    };
}

pub fn mistakes() -> Vec<Mistake> {
    [tables(), columns(), syntax(), expressions(), checks()].into_iter().flatten().collect()
}

fn tables() -> Vec<Mistake> {
    vec![
        churn(after_columns!("from staging.customer\n"), (5, 6), "no model `staging.customer`")
            .hint("did you mean `staging.customers`?"),
        churn(
            after_columns!("-- not staging.customer\nfrom staging.customer\n"),
            (6, 6),
            "no model `staging.customer`",
        ),
        churn(after_columns!("from stage.customers\n"), (5, 6), "no schema `stage`, expected one of"),
        churn(after_columns!("from customers\n"), (5, 6), "table `customers` has no schema"),
        churn(
            "with buyers as (select customer_id from staging.customers)\n\nselect customer_id from buyer\n",
            (3, 25),
            "table `buyer` has no schema",
        ),
        churn(after_columns!("from landed.customer\n"), (5, 6), "no source `customer`")
            .hint("did you mean `landed.customers`?"),
        churn(
            after_columns!("from landed.customers\ncross join landed.addresses\n"),
            (6, 12),
            "no source `addresses`, though the model reads others that are there",
        ),
        churn(
            after_columns!("from staging.customers\ninner join seeds.stage on true\n"),
            (6, 12),
            "no seed `seeds.stage`",
        )
        .hint("did you mean `seeds.stages`?"),
        churn(
            after_columns!("from marts.churn\n"),
            (5, 6),
            "models read each other in a circle: marts.churn -> marts.churn",
        ),
        Mistake {
            file: CUSTOMERS_SQL,
            ..churn(
                "select customer_id, cast(null as date) as born_on\nfrom marts.churn\n",
                (1, 83),
                "models read each other in a circle: marts.churn -> staging.customers -> marts.churn",
            )
        }
        .reported_in(CHURN_SQL),
    ]
}

fn columns() -> Vec<Mistake> {
    vec![
        churn(
            after_columns!("    , 1 as extra\nfrom staging.customers\n"),
            (5, 12),
            "column `extra` is not described in the model's YAML",
        )
        .hint("describe it under `columns`, or leave it out of the query"),
        churn(
            "select\n    customer_id,\n    colour as category,\n    cast(0 as decimal(18, 2)) as revenue\n\
             from staging.customers\n",
            (3, 5),
            "no field named colour",
        )
        .hint("valid fields are staging.customers.customer_id, staging.customers.born_on"),
        churn(after_columns!("from staging.customers\nwhere born_at is null\n"), (6, 7), "no field named born_at"),
        churn(
            after_columns!("from staging.customers as people\nwhere customers.born_on is null\n"),
            (6, 7),
            "no field named customers.born_on",
        ),
        churn(
            after_columns!("from staging.customers\ncross join staging.customers as others\n"),
            (2, 5),
            "ambiguous reference to unqualified field customer_id",
        ),
        churn(
            "select customer_id, 'none' as category, 'much' as revenue\nfrom staging.customers\n",
            (19, 11),
            "gave column `revenue` of type string, expected decimal(18,2)",
        )
        .reported_in(CHURN)
        .hint("sql/marts/churn.sql"),
        churn(
            "select customer_id, cast(0 as decimal(18, 2)) as revenue\nfrom staging.customers\n",
            (15, 11),
            "gives no column `category`",
        )
        .reported_in(CHURN),
        churn(
            "select\n    customer_id,\n    customer_id,\n    'none' as category,\n    cast(0 as decimal(18, 2)) as revenue\n\
             from staging.customers\n",
            (2, 5),
            "have the same name",
        ),
        churn(
            after_columns!("from staging.customers\ngroup by category\n"),
            (2, 5),
            "must appear in the GROUP BY clause",
        ),
    ]
}

fn syntax() -> Vec<Mistake> {
    vec![
        churn(after_columns!("from staging.customers\nwhere and true\n"), (6, 11), "found: true"),
        churn(after_columns!("from staging.customers\nwhere (true\n\n"), (6, 12), "expected: ), found: EOF"),
        churn(
            after_columns!("from staging.customers\nwhere customer_id = 'a\n"),
            (6, 21),
            "unterminated string literal",
        ),
        churn(
            after_columns!("from staging.customers; -- done\n\nselect 1\n"),
            (7, 1),
            "more than one statement, expected one select",
        ),
        churn("drop table staging.customers\n", (1, 1), "not a query, expected one select"),
        churn("-- nothing yet\n", (1, 1), "no query here, expected one select"),
    ]
}

fn expressions() -> Vec<Mistake> {
    vec![
        churn(after_columns!("from staging.customers\nwhere born_on > $as_off\n"), (6, 17), "no parameter `$as_off`")
            .hint("did you mean `as_of`?"),
        churn(
            after_columns!("from staging.customers\nwhere 1 > $churn_window_day\n"),
            (6, 11),
            "no parameter `$churn_window_day`",
        )
        .hint("did you mean `churn_window_days`?"),
        churn(
            after_columns!("from staging.customers\nwhere date_trunc('day', born_on, 3) is null\n"),
            (6, 7),
            "expects 2 arguments but received 3",
        ),
        churn(
            after_columns!("from staging.customers\nwhere round_cents(1, 2) > 0\n"),
            (6, 7),
            "2 arguments were given, expected round_cents(x)",
        ),
        churn(
            after_columns!("from staging.customers\nwhere no_function(customer_id)\n"),
            (6, 7),
            "invalid function 'no_function'",
        ),
        churn(
            after_columns!("from staging.customers\nwhere born_on > 'yesterday'\n"),
            (6, 18),
            "cannot cast string 'yesterday' to value of Date32 type",
        ),
    ]
}

fn checks() -> Vec<Mistake> {
    vec![
        replace(CHURN, "where revenue < 0", "where revenu < 0", (25, 42), "no field named revenu")
            .hint("did you mean 'marts.churn.revenue'"),
        replace(
            CHURN,
            "sql: select * from marts.churn where revenue < 0",
            "sql: |\n      select *\n      from marts.churn\n      where revenu < 0",
            (28, 13),
            "no field named revenu",
        ),
        replace(CHURN, "from marts.churn where", "from marts.churns where", (25, 24), "'marts.churns' not found"),
        replace(CHURN, "sql: select *", "sql: selec *", (25, 10), "expected: an SQL statement, found: selec"),
        replace(CHURN, "where revenue < 0", "where revenue < $limit", (25, 52), "no parameter `$limit`"),
    ]
}
