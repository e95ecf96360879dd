//! Mistakes in the sources of a job.

use super::{HOURLY, Mistake, NIGHTLY, replace};

pub fn mistakes() -> Vec<Mistake> {
    vec![
        replace(
            NIGHTLY,
            "    location: ${raw}/orders",
            "    locaton: ${raw}/orders",
            (7, 5),
            "unknown key `locaton`, expected one of `location`, `format`",
        )
        .hint("did you mean `location`?"),
        replace(
            NIGHTLY,
            "    location: ${raw}/customers/*.ndjson\n",
            "",
            (23, 3),
            "the key `location` is missing in `customers`",
        ),
        replace(
            NIGHTLY,
            "${raw}/customers/*.ndjson",
            "${row}/customers/*.ndjson",
            (24, 15),
            "unknown variable `${row}`, expected `${env:NAME}` or `${raw}`",
        ),
        replace(
            NIGHTLY,
            "${raw}/customers/*.ndjson",
            "old/${raw}/*.ndjson",
            (24, 15),
            "expected `${raw}` at its start only",
        ),
        replace(NIGHTLY, "date={day}", "date={date}", (7, 15), "expected no placeholder but `{day}`, not `{date}`"),
        replace(NIGHTLY, "/*.csv.gz", "/[ab.csv.gz", (7, 15), "expected a pattern of `*`, `?`, `[…]` and `**`"),
        replace(NIGHTLY, "date={day}/*.csv.gz", "", (7, 15), "expected objects, not a folder").hint("add `*`"),
        replace(HOURLY, "s3://visits", "s4://visits", (7, 15), "expected a URL that begins with one of"),
        replace(
            NIGHTLY,
            "format: csv",
            "format: xml",
            (8, 13),
            "`format` is `xml`, expected one of `csv`, `ndjson`, `parquet`",
        ),
        replace(
            NIGHTLY,
            "compression: gzip",
            "compression: gz",
            (9, 18),
            "`compression` is `gz`, expected one of `none`, `gzip`, `zstd`",
        ),
        replace(
            HOURLY,
            "format: parquet",
            "format: parquet\n    compression: gzip",
            (9, 18),
            "`compression` is for `csv` and `ndjson`",
        ),
        replace(
            NIGHTLY,
            "delimiter: \";\"",
            "delimiter: tab",
            (10, 22),
            "`delimiter` is `tab`, expected one character",
        )
        .hint("write a tab as"),
        replace(
            NIGHTLY,
            "format: ndjson",
            "format: ndjson\n    csv: {header: false}",
            (26, 5),
            "`csv` is for `format: csv` only",
        ),
        replace(
            NIGHTLY,
            "key: [order_id, line_no]",
            "key: [order_id, line_number]",
            (11, 21),
            "`key` names `line_number`, which is not among the columns",
        ),
        replace(
            NIGHTLY,
            "key: [order_id, line_no]",
            "key: [order_id, weight]",
            (11, 21),
            "`key` names `weight`, which is a double",
        ),
        replace(
            NIGHTLY,
            "event_time: ordered_at",
            "event_time: orderd_at",
            (12, 17),
            "`event_time` names `orderd_at`, which is not among the columns",
        )
        .hint("did you mean `ordered_at`?"),
        replace(
            NIGHTLY,
            "event_time: ordered_at",
            "event_time: channel",
            (12, 17),
            "`event_time` names `channel`, expected a timestamp or a date",
        )
        .hint("its type is `string`"),
        replace(
            NIGHTLY,
            "order_id: {type: string, required: true}",
            "OrderId: {type: string, required: true}, order_id: {type: string}",
            (14, 46),
            "not valid YAML",
        ),
        replace(
            NIGHTLY,
            "email: {type: string, pii: true}",
            "E-Mail: {type: string, pii: true}",
            (20, 7),
            "the column `E-Mail` is not a name",
        )
        .hint("did you mean `e_mail`?"),
        replace(
            NIGHTLY,
            "weight: {type: double",
            "weight: {type: float",
            (18, 22),
            "`type` is `float`, expected one of `string`",
        )
        .hint("did you mean `double`?"),
        replace(
            NIGHTLY,
            "decimal(12,3)",
            "decimal(42,3)",
            (17, 24),
            "expected `decimal(p,s)` with a precision from 1 to 38",
        ),
        replace(NIGHTLY, "line_no: {type: integer, ", "line_no: {", (15, 7), "the key `type` is missing in `line_no`"),
        replace(
            NIGHTLY,
            "order_id: {type: string, required: true}",
            "order_id: {type: string, required: yes}",
            (14, 42),
            "`required` is text, expected true or false",
        ),
        replace(
            NIGHTLY,
            "min: -10.5",
            "min: -10.55555",
            (17, 46),
            "`min` holds `-10.55555`, which is not a value of type `decimal(12,3)`",
        ),
        replace(NIGHTLY, "min: 1, max: 99", "min: 1, max: 0", (15, 45), "`max` is less than `min`"),
        replace(
            NIGHTLY,
            "min: 1900-01-01",
            "min: 1900",
            (28, 34),
            "`min` holds `1900`, which is not a value of type `date`",
        ),
        replace(
            NIGHTLY,
            "{type: integer, min: 1, max: 99}",
            "{type: integer, accepted_values: [1, two]}",
            (15, 53),
            "`accepted_values` holds `two`, which is not a value of type `integer`",
        ),
        replace(NIGHTLY, "\"%d/%m/%Y %H:%M:%S\"", "\"%d/%m/%Y %Q\"", (16, 88), "expected a strftime pattern"),
        replace(
            NIGHTLY,
            "\"%d/%m/%Y %H:%M:%S\"",
            "\"%d/%m %H:%M\"",
            (16, 88),
            "expected a pattern with year, month, day and time",
        ),
        replace(
            NIGHTLY,
            "email: {type: string, pii: true}",
            "email: {type: string, formats: [\"%Y\"]}",
            (20, 39),
            "`formats` are for dates and timestamps",
        ),
        replace(
            NIGHTLY,
            "born_on: {type: date,",
            "born_on: {type: date, timezone: UTC,",
            (28, 39),
            "`timezone` is for timestamps",
        ),
        replace(
            NIGHTLY,
            "unknown_columns: reject",
            "unknown_columns: refuse",
            (21, 22),
            "`unknown_columns` is `refuse`, expected one of `ignore`, `reject`, `add`",
        ),
        replace(
            NIGHTLY,
            "max_rejected: 1%",
            "max_rejected: 0.01",
            (22, 19),
            "`max_rejected` is `0.01`, expected a share",
        )
        .hint("`1%`"),
        replace(
            NIGHTLY,
            "max_rejected: 1%",
            "max_rejected: 101%",
            (22, 19),
            "`max_rejected` is `101%`, expected a share",
        ),
        replace(
            NIGHTLY,
            "max_rejected: 1%",
            "max_rejected: 1%\n    max_object_bytes: \"2000\"",
            (23, 23),
            "`max_object_bytes` is `2000`, expected a size such as `512MiB`",
        )
        .hint("add a unit"),
        replace(
            NIGHTLY,
            "max_rejected: 1%",
            "max_rejected: 1%\n    max_object_bytes: 0B",
            (23, 23),
            "`max_object_bytes` is `0B`, expected at least `1KiB`",
        ),
        replace(
            HOURLY,
            "    columns:\n      visitor_id:\n        type: string\n        required: true\n",
            "",
            (6, 3),
            "the source `visits` has no columns",
        )
        .hint("unknown_columns: add"),
    ]
}
