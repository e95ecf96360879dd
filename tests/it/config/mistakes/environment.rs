//! Mistakes in `config/`.

use super::{Edit, LOCAL, Mistake, file, replace};

/// Another address as `state`.
macro_rules! address {
    ($address:literal, $message:literal) => {
        replace(LOCAL, "data/state.db", concat!("postgres://", $address), (4, 8), $message)
    };
}

pub fn mistakes() -> Vec<Mistake> {
    vec![
        replace(LOCAL, "timezone:", "timzone:", (5, 1), "unknown key `timzone`, expected one of `raw`, `warehouse`")
            .hint("did you mean `timezone`?"),
        replace(LOCAL, "currency: GBP\n", "", (1, 1), "the key `currency` is missing").nowhere(),
        replace(LOCAL, "currency: GBP", "currency:", (6, 1), "`currency` is empty, expected text"),
        replace(
            LOCAL,
            "currency: GBP",
            "currency: gbp",
            (6, 11),
            "`currency` is `gbp`, expected three capital letters",
        )
        .hint("did you mean `GBP`?"),
        replace(LOCAL, "Europe/London", "Europe/Londn", (5, 11), "`timezone` is `Europe/Londn`, expected a zone")
            .hint("did you mean `Europe/London`?"),
        replace(LOCAL, "512MiB", "512", (7, 15), "`memory_limit` is `512`, expected text"),
        replace(LOCAL, "512MiB", "512MB of memory", (7, 15), "expected a size such as `512MiB`"),
        replace(LOCAL, "512MiB", "16MiB", (7, 15), "expected at least `64MiB`"),
        replace(LOCAL, "parallelism: 4", "parallelism: 0", (8, 14), "`parallelism` is `0`, expected from 1 to 1024"),
        replace(
            LOCAL,
            "parallelism: 4",
            "parallelism: four",
            (8, 14),
            "`parallelism` is text, expected a whole number",
        ),
        replace(LOCAL, "lease: 90s", "lease: soon", (18, 8), "`lease` is `soon`, expected a duration such as `30s`"),
        replace(LOCAL, "lease: 90s", "lease: 100ms", (18, 8), "expected at least `1s`"),
        replace(
            LOCAL,
            "backfill: {parallel: 6}",
            "backfill: {parallel: 65}",
            (19, 22),
            "`parallel` is `65`, expected from 1 to 64",
        ),
        replace(LOCAL, "backfill: {parallel: 6}", "backfill: {parallell: 6}", (19, 12), "unknown key `parallell`")
            .hint("did you mean `parallel`?"),
        replace(LOCAL, "backfill: {parallel: 6}", "backfill: 6", (19, 11), "`backfill` is `6`, expected a"),
        replace(LOCAL, "lease: 90s", "store_patience: 10ms", (18, 17), "expected at least `100ms`"),
        replace(LOCAL, "[sql]", "[sql, ../shared/sql]", (9, 12), "`sql` names `../shared/sql`, which is not a folder"),
        replace(LOCAL, "[sql]", "sql", (9, 6), "`sql` is text, expected a list"),
        replace(
            LOCAL,
            "raw: data/raw",
            "raw: ftp://example.com/raw",
            (2, 6),
            "expected a URL that begins with one of `file://`",
        ),
        replace(LOCAL, "raw: data/raw", "raw: s3:///orders", (2, 6), "expected a bucket or container after `s3://`"),
        replace(
            LOCAL,
            "s3://lifecycle-warehouse/production",
            "data/raw/tables",
            (3, 12),
            "`warehouse` and `raw` lie in one another",
        ),
        replace(LOCAL, "data/state.db", "s3://bucket/state.db", (4, 8), "expected the path of an SQLite file"),
        address!("lifecycle:geheim@db.internal/lifecycle", "`state` holds a password, expected `${env:NAME}`"),
        address!("db.internal/lifecycle", "expected `postgres://user:${env:NAME}@host:5432/database`")
            .hint("name the user before an `@`"),
        address!("lifecycle@db.internal", "expected `postgres://").hint("name the database after the host"),
        address!("lifecycle@/lifecycle", "expected `postgres://").hint("name the host after the `@`"),
        address!("lifecycle@db.internal:port/lifecycle", "expected a port from 1 to 65535"),
        address!("lifecycle@db1,db2/lifecycle", "expected one host"),
        address!("lifecycle@db/lifecycle?sslmod=require", "expected no options but `schema`, `sslmode`")
            .hint("did you mean `sslmode`?"),
        address!("lifecycle@db/lifecycle?sslmode=verify_full", "expected one of `disable`, `prefer`")
            .hint("did you mean `verify-full`?"),
        address!("lifecycle@db/lifecycle?schema=No-Name", "expected a plain name such as `lifecycle` as `schema`"),
        replace(
            LOCAL,
            "churn_window_days: 60",
            "churn_window_days: soon",
            (11, 22),
            "`churn_window_days` is text, expected a whole number",
        ),
        replace(
            LOCAL,
            "churn_window_days: 60",
            "churn_window_days: 0",
            (11, 22),
            "`churn_window_days` is `0`, expected from 1 to 36500",
        ),
        replace(
            LOCAL,
            "churn_window_days",
            "churn_windw_days",
            (11, 3),
            "the parameter `churn_windw_days` is almost a standard one",
        )
        .hint("did you mean `churn_window_days`?"),
        replace(
            LOCAL,
            "churn_window_days: 60",
            "dormant_days: 30",
            (11, 3),
            "`dormant_days` is 30, expected more than `active_days`, which is 90",
        ),
        replace(
            LOCAL,
            "churn_window_days: 60",
            "clv_model: pareto",
            (11, 14),
            "`clv_model` is `pareto`, expected one of `bgnbd`, `mbgnbd`, `pareto_nbd`",
        ),
        replace(
            LOCAL,
            "2026-01-05",
            "next Monday",
            (13, 24),
            "`referral_goal_start` is `next Monday`, expected a date",
        ),
        replace(LOCAL, "loyalty_points", "LoyaltyPoints", (14, 3), "the parameter `LoyaltyPoints` is not a name")
            .hint("did you mean `loyalty_points`?"),
        replace(LOCAL, "loyalty_points", "as_of", (14, 3), "the parameter `as_of` belongs to a run"),
        replace(LOCAL, "aws_region", "aws_regoin", (16, 3), "unknown option `aws_regoin`")
            .hint("did you mean `aws_region`?"),
        replace(
            LOCAL,
            "${env:WAREHOUSE_SECRET}",
            "AKIA-in-the-clear",
            (17, 26),
            "`aws_secret_access_key` is a secret, expected `${env:NAME}`",
        ),
        replace(
            LOCAL,
            "WAREHOUSE_SECRET",
            "WAREHOUSE_SECRT",
            (17, 26),
            "the environment variable `WAREHOUSE_SECRT` is not set",
        ),
        replace(
            LOCAL,
            "env:WAREHOUSE_SECRET",
            "env:WAREHOUSE-SECRET",
            (17, 26),
            "`${env:WAREHOUSE-SECRET}` does not name an environment variable",
        ),
        replace(LOCAL, "${env:WAREHOUSE_SECRET}", "${env:WAREHOUSE_SECRET", (17, 26), "is not closed"),
        replace(
            LOCAL,
            "env:WAREHOUSE_SECRET",
            "WAREHOUSE_SECRET",
            (17, 26),
            "unknown variable `${WAREHOUSE_SECRET}`, expected `${env:NAME}`",
        ),
        file(LOCAL, Edit::Rename("config/locale.yaml"), "the environment `local` has no file here, expected `locale`")
            .hint("did you mean `locale`?"),
    ]
}
