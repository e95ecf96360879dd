//! Mistakes in `jobs/`, its sources aside.

use super::{Edit, HOURLY, Mistake, NIGHTLY, file, replace};

pub fn mistakes() -> Vec<Mistake> {
    vec![
        replace(
            NIGHTLY,
            "name: nightly",
            "name: nigthly",
            (1, 7),
            "`name` is `nigthly`, expected that of the file, `nightly`",
        ),
        replace(NIGHTLY, "schedule:", "shedule:", (3, 1), "unknown key `shedule`").hint("did you mean `schedule`?"),
        replace(
            NIGHTLY,
            "0 2 * * *",
            "0 2 * *",
            (3, 18),
            "expected five fields (minute, hour, day of month, month, day of week), or six with seconds first; found 4",
        ),
        replace(NIGHTLY, "0 2 * * *", "0 25 * * *", (3, 18), "expected an hour from 0 to 23"),
        replace(
            NIGHTLY,
            "0 2 * * *",
            "0 2 30 2 *",
            (3, 18),
            "`cron` is `0 2 30 2 *`, expected an expression that fires sometime",
        ),
        replace(NIGHTLY, "0 2 * * *", "@daily", (3, 18), "found 1").hint("write `0 0 * * *`"),
        replace(
            NIGHTLY,
            "timezone: Europe/London, catch_up: last",
            "timezone: London, catch_up: last",
            (3, 41),
            "`timezone` is `London`, expected a zone",
        )
        .hint("did you mean `Europe/London`?"),
        replace(
            NIGHTLY,
            "catch_up: last",
            "catch_up: latest",
            (3, 66),
            "`catch_up` is `latest`, expected one of `none`, `last`, `all`",
        ),
        replace(
            NIGHTLY,
            "name: nightly",
            "name: nightly\nrepair_window: 36h",
            (2, 16),
            "`repair_window` is `36h`, expected whole days such as `90d`, or `none`",
        ),
        replace(NIGHTLY, "overlap: skip", "overlap: queue_on", (3, 103), "`overlap` is `queue_on`")
            .hint("did you mean `queue_one`?"),
        replace(
            NIGHTLY,
            "catch_up_window: 24h",
            "catch_up_window: 24",
            (3, 89),
            "`catch_up_window` is `24`, expected text",
        )
        .hint("put it in quotes"),
        replace(
            NIGHTLY,
            "jitter: 2m",
            "jitter: two minutes",
            (3, 117),
            "`jitter` is `two minutes`, expected a duration such as `30s`",
        ),
        replace(NIGHTLY, "deadline: 3h", "deadline: 3hours", (3, 131), "`deadline` is `3hours`, expected a duration"),
        replace(NIGHTLY, "attempts: 3", "attempts: 0", (4, 19), "`attempts` is `0`, expected from 1 to 100"),
        replace(NIGHTLY, "max_backoff: 10m", "max_backoff: 10s", (4, 49), "`max_backoff` is shorter than `backoff`"),
        replace(NIGHTLY, "models: [marts]", "models: [mart]", (29, 10), "the selector `mart` matches no model")
            .hint("did you mean `marts`?"),
        replace(
            NIGHTLY,
            "models: [marts]",
            "models: [tag:wekly]",
            (29, 10),
            "the selector `tag:wekly` matches no model",
        )
        .hint("did you mean `tag:weekly`?"),
        replace(NIGHTLY, "models: [marts]", "models: [\"+\"]", (29, 10), "the selector `+` names nothing"),
        replace(
            NIGHTLY,
            "exports: [parquet, csv]",
            "exports: [parquet, xlsx]",
            (30, 30),
            "an item of `exports` is `xlsx`, expected one of `parquet`, `csv`",
        ),
        replace(
            NIGHTLY,
            "[{webhook: \"${env:ALERT_WEBHOOK}\"}]",
            "[{webhook: alerts.example.com}]",
            (31, 33),
            "`webhook` is `alerts.example.com`, expected a URL",
        ),
        replace(
            NIGHTLY,
            "env:ALERT_WEBHOOK",
            "env:ALERT_HOOK",
            (31, 33),
            "the environment variable `ALERT_HOOK` is not set",
        ),
        replace(
            NIGHTLY,
            "  churn_window_days: 90",
            "  churn_window: 90",
            (33, 3),
            "unknown parameter `churn_window`, expected one of",
        ),
        replace(
            NIGHTLY,
            "  churn_window_days: 90",
            "  loyalty_points: many",
            (33, 19),
            "`loyalty_points` is `many`, expected a whole number",
        ),
        replace(
            HOURLY,
            "  cron: \"15 * * * *\"\n",
            "  jitter: 5m\n",
            (3, 1),
            "the key `cron` or `after` is missing in `schedule`",
        )
        .hint("such as `cron: \"0 2 * * *\"`"),
        replace(
            NIGHTLY,
            "0 2 * * *",
            "* * * * * *",
            (3, 18),
            "`cron` is `* * * * * *`, expected an expression that fires at most once a minute",
        )
        .hint("name one second, as in `0 * * * * *`"),
        replace(NIGHTLY, "deadline: 3h", "deadline: 1m", (3, 131), "`deadline` is shorter than `jitter`"),
        replace(
            HOURLY,
            "  cron: \"15 * * * *\"\n",
            "  after: [nigthly]\n",
            (4, 11),
            "`after` names the job `nigthly`, which does not exist",
        )
        .hint("did you mean `nightly`?"),
        replace(
            HOURLY,
            "  cron: \"15 * * * *\"\n",
            "  after: [nightly, nightly]\n",
            (4, 20),
            "`after` names the job `nightly` twice",
        ),
        replace(
            HOURLY,
            "  cron: \"15 * * * *\"\n",
            "  after: [hourly]\n",
            (4, 11),
            "the jobs wait for each other: `hourly` after `hourly`",
        ),
        replace(
            HOURLY,
            "  cron: \"15 * * * *\"\n",
            "  cron: \"15 * * * *\"\n  blackout: [2026-02-30]\n",
            (5, 14),
            "`blackout` names `2026-02-30`, expected a day of the calendar",
        ),
        replace(
            HOURLY,
            "  cron: \"15 * * * *\"\n",
            "  cron: \"15 * * * *\"\n  blackout: [{from: 2026-12-26, to: 2026-12-24}]\n",
            (5, 37),
            "`to` is before `from`: 2026-12-24 before 2026-12-26",
        ),
        replace(
            HOURLY,
            "  visits:",
            "  customers:",
            (23, 3),
            "`landed.customers` is written by two jobs: `hourly` and this one",
        )
        .reported_in(NIGHTLY),
        replace(
            HOURLY,
            "models: [tag:live]",
            "models: [tag:weekly]",
            (29, 10),
            "`marts.churn` is written by two jobs: `hourly` and this one",
        )
        .reported_in(NIGHTLY),
        file(HOURLY, Edit::Rename("jobs/hourly.yml"), "a job's file ends in `.yaml`").reported_in("jobs/hourly.yml"),
        file(
            "jobs/idle.yaml",
            Edit::Create("description: Nothing.\n"),
            "the job does nothing, expected `sources`, `models` or both",
        ),
        file("jobs/My-Job.yaml", Edit::Create("models: [tag:live]\n"), "the job `My-Job` is not a name"),
    ]
}
