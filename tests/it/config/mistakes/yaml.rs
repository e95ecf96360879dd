//! Files that are not YAML, or hold what has no meaning here.

use super::{Edit, HOURLY, Mistake, NIGHTLY, file, replace};

pub fn mistakes() -> Vec<Mistake> {
    vec![
        replace(NIGHTLY, "    location: ${raw}/orders", "\tlocation: ${raw}/orders", (7, 1), "not valid YAML")
            .hint("indent with spaces"),
        replace(
            NIGHTLY,
            "description: Everything, from",
            "description: Everything: from",
            (2, 24),
            "not valid YAML: mapping values are not allowed",
        )
        .hint("in quotes"),
        replace(NIGHTLY, "\"${env:ALERT_WEBHOOK}\"", "${env:ALERT_WEBHOOK}", (31, 34), "not valid YAML")
            .hint("in double quotes"),
        replace(
            NIGHTLY,
            "name: nightly",
            "name: nightly\nname: nightly",
            (2, 1),
            "the key `name` stands here for the second time",
        )
        .hint("line 1"),
        replace(
            NIGHTLY,
            "      weight:",
            "      line_no:",
            (18, 7),
            "the key `line_no` stands here for the second time",
        )
        .hint("line 15"),
        replace(NIGHTLY, "name: nightly", "name: nightly\n---\nname: other", (1, 1), "more than one YAML document")
            .nowhere(),
        replace(NIGHTLY, "name: nightly", "name: !secret nightly", (1, 7), "the tag `!secret` has no meaning"),
        file(HOURLY, Edit::Create(""), "the file is empty"),
        replace(HOURLY, "name: hourly", "? [a, b]\n: hourly", (1, 4), "a key is a list or a mapping"),
        file(HOURLY, Edit::Create("- name: hourly\n"), "the file is a list, expected a mapping").at((1, 3)),
    ]
}
