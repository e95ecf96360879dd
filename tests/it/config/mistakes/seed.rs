//! Mistakes in seeds.

use super::{Edit, Mistake, STAGES, STAGES_CSV, file, replace};

pub fn mistakes() -> Vec<Mistake> {
    vec![
        replace(
            STAGES_CSV,
            "rank,stage,",
            "rank,stag,",
            (1, 1),
            "the header is `rank,stag,entered_on,share`, expected `rank,stage,entered_on,share`",
        )
        .hint("did you mean `stage`?"),
        replace(
            STAGES_CSV,
            "1,suspect",
            "one,suspect",
            (2, 1),
            "`rank` is `one`, which is not a value of type `integer`",
        ),
        replace(STAGES_CSV, "2,prospect,,0.25", "2,prospect,0.25", (3, 1), "the row has 3 fields, expected 4"),
        replace(
            STAGES_CSV,
            "2026-02-28",
            "2026-02-30",
            (4, 1),
            "`entered_on` is `2026-02-30`, which is not a value of type `date`",
        ),
        replace(STAGES_CSV, "0.25", "0.255", (3, 1), "`share` is `0.255`, which is not a value of type `decimal(4,2)`"),
        replace(STAGES_CSV, "\"new, or back\"", "\"new, or back", (4, 1), "a quoted field is not closed"),
        replace(STAGES, "type: integer", "type: whole", (3, 24), "`type` is `whole`, expected one of `string`"),
        replace(STAGES, "columns:", "colums:", (2, 1), "unknown key `colums`").hint("did you mean `columns`?"),
        file(STAGES_CSV, Edit::Remove, "the seed has no `stages.csv` beside this file").reported_in(STAGES),
        file(STAGES, Edit::Remove, "the seed has no `stages.yaml` beside this file").reported_in(STAGES_CSV),
        file(STAGES_CSV, Edit::Create(""), "the file is empty, expected the header"),
    ]
}
