//! The ways in which a row arrives broken: each makes its row, and no other, unreadable under the contract.

use super::feeds::{Feed, Format, Kind};
use super::random::Dice;
use super::record::{Record, Value};

/// One way to break a row; `column` is the index among the feed's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breakage {
    /// The line ends before its columns do.
    Cut {
        column: usize,
    },
    TextInNumber {
        column: usize,
    },
    BadTime {
        column: usize,
    },
    MissingRequired {
        column: usize,
    },
    UnknownWord {
        column: usize,
    },
    /// `1,234.50` without quotes: a column too many.
    ThousandsComma {
        column: usize,
    },
}

impl Breakage {
    /// Draws a breakage that this row of this feed can suffer.
    pub(super) fn draw(feed: Feed, record: &Record, dice: &mut Dice) -> Self {
        let columns = feed.columns();
        let is_typed = feed.format() == Format::Parquet && !feed.is_all_text();
        let is_parquet = feed.format() == Format::Parquet;
        let has = |index: usize| record.values.get(index).is_some_and(|value| *value != Value::Null);
        let mut ways = Vec::new();
        if !is_parquet {
            // Before the last column, which is required in every text feed that is ever broken.
            let column = dice.between(1, (columns.len() / 2) as u32) as usize;
            ways.extend([Self::Cut { column }; 2]);
        }
        for (index, column) in columns.iter().enumerate() {
            if column.comes_midway {
                continue;
            }
            if column.is_required {
                ways.push(Self::MissingRequired { column: index });
            }
            match column.kind {
                Kind::Number | Kind::Money if !is_typed && has(index) => {
                    ways.push(Self::TextInNumber { column: index })
                }
                Kind::LocalTime | Kind::BritishTime | Kind::Instant | Kind::BritishDate | Kind::Date
                    if !is_typed && has(index) =>
                {
                    ways.extend([Self::BadTime { column: index }; 2]);
                }
                Kind::Word if has(index) => ways.push(Self::UnknownWord { column: index }),
                _ => {}
            }
            if feed.format() == Format::Csv && column.kind == Kind::Money && column.is_required {
                ways.push(Self::ThousandsComma { column: index });
            }
        }
        dice.pick(&ways)
    }

    /// Spoils the text of one column, if it is the broken one.
    pub(super) fn spoil_field(self, field: &mut String, index: usize) {
        match self {
            Self::TextInNumber { column } if column == index => field.push_str(" n/a"),
            Self::BadTime { column } if column == index => {
                *field = field.replace(['/', '-'], ".");
                field.insert_str(0, "31.02.");
            }
            Self::MissingRequired { column } if column == index => field.clear(),
            Self::UnknownWord { column } if column == index => field.push_str("_x"),
            Self::ThousandsComma { column } if column == index => field.insert_str(0, "1,"),
            _ => {}
        }
    }
}
