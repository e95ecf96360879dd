//! Mistakes in the YAML of models, and in how their files lie.

use super::{CHURN, Edit, LINES, Mistake, file, replace};

pub fn mistakes() -> Vec<Mistake> {
    vec![
        replace(CHURN, "materialized: table", "materialised: table", (3, 1), "unknown key `materialised`")
            .hint("did you mean `materialized`?"),
        replace(
            CHURN,
            "materialized: table",
            "materialized: tables",
            (3, 15),
            "`materialized` is `tables`, expected one of `view`, `table`, `incremental`",
        )
        .hint("did you mean `table`?"),
        replace(
            CHURN,
            "materialized: table",
            "materialized: incremental",
            (3, 15),
            "an incremental model needs the key `day`",
        ),
        replace(CHURN, "materialized: table", "materialized: view", (5, 10), "`history` needs a table"),
        replace(
            CHURN,
            "history: daily",
            "history: weekly",
            (5, 10),
            "`history` is `weekly`, expected one of `none`, `monthly`, `daily`",
        ),
        replace(
            CHURN,
            "grain: [customer_id]",
            "grain: [customer]",
            (4, 9),
            "`grain` names `customer`, which is not among the columns",
        ),
        replace(
            CHURN,
            "  - name: revenue\n    type",
            "  - name: category\n    type",
            (18, 11),
            "the column `category` stands here for the second time",
        ),
        replace(CHURN, "type: money", "type: moneys", (19, 11), "`type` is `moneys`, expected one of")
            .hint("did you mean `money`?"),
        replace(
            CHURN,
            "  - name: revenue\n    type",
            "  - name: Revenue\n    type",
            (18, 11),
            "the column `Revenue` is not a name",
        )
        .hint("did you mean `revenue`?"),
        replace(CHURN, "- not_null\n", "- not_nul\n", (12, 9), "is `not_nul`, expected one of `not_null`, `unique`")
            .hint("did you mean `not_null`?"),
        replace(CHURN, "{not_null: true, severity: warn}", "{severity: warn}", (20, 15), "the check checks nothing"),
        replace(
            CHURN,
            "severity: warn",
            "severity: info",
            (20, 41),
            "`severity` is `info`, expected one of `error`, `warn`",
        ),
        replace(
            CHURN,
            "to: staging.customers",
            "to: staging.customer",
            (13, 29),
            "`to` names the table `staging.customer`, which does not exist",
        )
        .hint("did you mean `staging.customers`?"),
        replace(
            CHURN,
            "to: staging.customers",
            "to: customers",
            (13, 29),
            "`to` is `customers`, expected a table with its schema",
        ),
        replace(
            CHURN,
            "column: customer_id}",
            "column: id}",
            (13, 56),
            "`column` names `id`, which is not among the columns of `staging.customers`",
        ),
        replace(
            CHURN,
            "  - name: revenue_is_positive\n    description",
            "  - description",
            (22, 5),
            "the key `name` is missing in the check",
        ),
        replace(
            CHURN,
            "    sql: select * from marts.churn where revenue < 0\n",
            "",
            (22, 5),
            "the check checks nothing, expected `sql` or `unique`",
        ),
        replace(
            CHURN,
            "unique: [customer_id, category]",
            "unique: [customer_id, categry]",
            (26, 27),
            "`unique` names `categry`, which is not among the columns",
        ),
        replace(
            CHURN,
            "- unique: [customer_id, category]",
            "- {name: revenue_is_positive, sql: select 1}",
            (26, 6),
            "the check `revenue_is_positive` stands here for the second time",
        ),
        replace(
            CHURN,
            "description: One row per customer and what was lost.\n",
            "",
            (1, 1),
            "the key `description` is missing",
        )
        .nowhere(),
        replace(LINES, "day: ordered_on", "day: orderd_on", (3, 6), "`day` names `orderd_on`")
            .hint("did you mean `ordered_on`?"),
        replace(
            LINES,
            "day: ordered_on",
            "day: customer_id",
            (3, 6),
            "`day` names `customer_id`, which is a string, expected a date",
        ),
        replace(LINES, "materialized: incremental", "materialized: table", (3, 6), "`day` is for incremental models"),
        file("sql/marts/churn.sql", Edit::Remove, "the model has no `churn.sql` beside this file").reported_in(CHURN),
        file(LINES, Edit::Remove, "the model has no `order_lines.yaml` beside this file")
            .reported_in("sql/staging/order_lines.sql"),
        file("sql/marts/churn.sql", Edit::Create(" \n"), "the file is empty, expected a query"),
        file("sql/marts/Big.sql", Edit::Create("select 1"), "the model `Big` is not a name"),
        file("sql/Big/model.sql", Edit::Create("select 1"), "the folder `Big` is not a name").reported_in("sql/Big"),
        // Its tag cannot be read, yet the job that selects the tag is right.
        replace("sql/marts/live_visits.yaml", "tags: [live]", "tags: [live", (4, 8), "not valid YAML"),
        replace(
            "sql/marts/live_visits.yaml",
            "to: landed.visits, column: visitor_id",
            "to: landed.visits, column: visit_id",
            (8, 52),
            "`column` names `visit_id`, which is not among the columns of `landed.visits`",
        )
        .hint("did you mean `visitor_id`?"),
        replace(
            "sql/marts/live_visits.yaml",
            "to: landed.visits",
            "to: landed.visit",
            (8, 29),
            "`to` names the table `landed.visit`, which does not exist",
        )
        .hint("did you mean `landed.visits`?"),
        file("sql/marts/churn.yml", Edit::Create("description: x\n"), "a model's file ends in `.yaml`"),
        file("sql/landed/orders.sql", Edit::Create("select 1"), "the schema `landed` is not built from SQL")
            .reported_in("sql/landed"),
        file("sql/orphan.sql", Edit::Create("select 1"), "the file lies in no schema's folder"),
        file("sql/marts/old/churn.sql", Edit::Create("select 1"), "a folder inside a schema's folder is not read")
            .reported_in("sql/marts/old"),
    ]
}
