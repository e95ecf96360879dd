//! `jobs/<name>.yaml` as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{AnyText, RawParameters, Text};
use crate::config::yaml::{Entries, Placed};
use crate::config::{CatchUp, Compression, ExportFormat, Overlap, UnknownColumns};

/// What runs: sources to land, models to build, when, and where the results go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "job")]
pub(crate) struct RawJob {
    /// The job's name: that of the file.
    pub name: Option<Text>,
    /// What the job is for, in one sentence.
    pub description: Option<Text>,
    /// When it runs; without it only by hand.
    pub schedule: Option<Placed<RawSchedule>>,
    /// How often a failed run is tried again.
    #[serde(default)]
    pub retry: RawRetry,
    /// How far back a run puts facts that came late into the histories: `90d` (the default), or `none`.
    pub repair_window: Option<Text>,
    /// The feeds to land, by name: `orders` is landed as `landed.orders`.
    #[serde(default)]
    pub sources: Entries<Placed<RawSource>>,
    /// The models to build: names, folders, `tag:x`, `+upstream`, `downstream+`. What they need upstream is built with them.
    #[serde(default)]
    pub models: Vec<Text>,
    /// What is published beside the tables.
    #[serde(default)]
    pub publish: RawPublish,
    /// Who is told.
    #[serde(default)]
    pub notify: RawNotify,
    /// How old the published data may become, such as `36h`: the age of the end of the newest published business day.
    /// Without it nothing is stale.
    pub freshness: Option<Text>,
    /// This job's values of parameters that are known to the environment.
    #[serde(default)]
    pub parameters: RawParameters,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSchedule {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds first. Without it the job runs `after` others alone.
    pub cron: Option<Text>,
    /// Jobs that this one follows: it runs when each of them has a good run of the same day that it has not answered yet. With `cron` as well, not before that time.
    #[serde(default)]
    pub after: Vec<Text>,
    /// The zone of the cron expression and of `blackout`; the default is UTC.
    pub timezone: Option<Text>,
    /// Days on which nothing starts: `2026-12-25`, or `{from: 2026-12-24, to: 2026-12-26}`.
    #[serde(default)]
    pub blackout: Vec<Placed<RawBlackout>>,
    /// Which missed runs are made up for: the last one (the default), all, or none.
    pub catch_up: Option<CatchUp>,
    /// How old a missed run may be to be made up for; the default is `24h`.
    pub catch_up_window: Option<Text>,
    /// What happens when a run is due while one is working; the default is to skip it.
    pub overlap: Option<Overlap>,
    /// A run starts at a moment up to this after its time; the default is none.
    pub jitter: Option<Text>,
    /// A run that could only start later than this after its time is missed; the default is never.
    pub deadline: Option<Text>,
}

/// A day, or a range of days.
#[derive(Debug)]
pub(crate) enum RawBlackout {
    Day(String),
    Range(RawBlackoutRange),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBlackoutRange {
    /// The first day, yyyy-mm-dd.
    #[schemars(required)]
    pub from: Option<Text>,
    /// The last day, yyyy-mm-dd.
    #[schemars(required)]
    pub to: Option<Text>,
}

impl<'de> Deserialize<'de> for RawBlackout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawBlackoutVisitor)
    }
}

struct RawBlackoutVisitor;

impl<'de> Visitor<'de> for RawBlackoutVisitor {
    type Value = RawBlackout;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a day or a range of days")
    }

    fn visit_str<E>(self, day: &str) -> Result<RawBlackout, E> {
        Ok(RawBlackout::Day(day.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawBlackout, A::Error> {
        RawBlackoutRange::deserialize(MapAccessDeserializer::new(map)).map(RawBlackout::Range)
    }
}

impl JsonSchema for RawBlackout {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Blackout".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let day = generator.subschema_for::<String>();
        let range = generator.subschema_for::<RawBlackoutRange>();
        json_schema!({ "anyOf": [day, range] })
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetry {
    /// Tries in all, the first one counted; the default is 3.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<Placed<u32>>,
    /// The pause before the second try; it doubles from try to try. The default is `30s`.
    pub backoff: Option<Text>,
    /// The longest pause; the default is `10m`.
    pub max_backoff: Option<Text>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPublish {
    /// One object per published table in each of these formats, for tools that do not read Delta.
    #[serde(default)]
    pub exports: Vec<Placed<ExportFormat>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNotify {
    /// Told when a run has failed for good.
    #[serde(default)]
    pub on_failure: Vec<Placed<RawNotifyTarget>>,
    /// Told of the first good run after a failed one.
    #[serde(default)]
    pub on_recovery: Vec<Placed<RawNotifyTarget>>,
    /// Told when a run was due and did not start in time.
    #[serde(default)]
    pub on_missed: Vec<Placed<RawNotifyTarget>>,
    /// Told when the published data become older than `freshness`; once, until they are fresh again.
    #[serde(default)]
    pub on_stale: Vec<Placed<RawNotifyTarget>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNotifyTarget {
    /// A URL that gets a POST with JSON as Slack reads it; a secret one as `${env:NAME}`.
    pub webhook: Option<Text>,
    /// Addresses that get an e-mail, sent by the environment's `smtp`.
    pub email: Option<Vec<Text>>,
}

/// One feed of raw objects and the contract that its rows must keep.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSource {
    /// Where its objects are: `${raw}/orders/date={day}/*.csv.gz`. `{day}` stands for yyyy-mm-dd; `*`, `?`, `[…]` and `**` match.
    #[schemars(required)]
    pub location: Option<Text>,
    /// How its objects are written.
    #[schemars(required)]
    pub format: Option<Placed<RawFormat>>,
    /// The default is by the object's ending: `.gz`, `.zst`.
    pub compression: Option<Placed<Compression>>,
    /// How its CSV objects are written.
    pub csv: Option<Placed<RawCsvOptions>>,
    /// The columns that identify a row: the newest version of a key wins. Without it every row counts.
    #[serde(default)]
    pub key: Vec<Text>,
    /// The column whose business day is the row's day; without it the feed is a dimension.
    pub event_time: Option<Text>,
    /// The columns of the landed table, by name.
    #[serde(default)]
    pub columns: Entries<Placed<RawColumn>>,
    /// What happens to columns that are not named here; the default is `ignore`.
    pub unknown_columns: Option<Placed<UnknownColumns>>,
    /// More rejected rows than this share (`1%`, the default) or number (`100`) fail the run.
    pub max_rejected: Option<Placed<AnyText>>,
    /// The most decompressed bytes of one object that are read; the default is `20GiB`. One rejected row stands for the rest, and
    /// the run warns of it.
    pub max_object_bytes: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawFormat {
    /// Text with delimiters.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCsvOptions {
    /// One character, or `whitespace` for runs of blanks and tabs; the default is a comma.
    pub delimiter: Option<Text>,
    /// Whether the first line names the columns (the default). If not, the contract's columns are the file's, in order.
    pub header: Option<Placed<bool>>,
    /// The quote character; `none` for files without quoting. The default is `"`.
    pub quote: Option<Text>,
}

/// What a value of a column must be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawColumn {
    /// `string`, `integer`, `double`, `boolean`, `date`, `timestamp`, `decimal(p,s)`, or `money` for `decimal(18,2)`.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub data_type: Option<Text>,
    /// A null or missing value rejects the row.
    #[serde(default)]
    pub required: bool,
    /// Personal: masked in logs, errors and listings of rejected rows.
    #[serde(default)]
    pub pii: bool,
    /// The column's name in the raw objects, where it differs.
    pub from: Option<Placed<AnyText>>,
    /// Any other value rejects the row.
    #[serde(default)]
    pub accepted_values: Vec<Placed<AnyText>>,
    /// The smallest value that is accepted.
    pub min: Option<Placed<AnyText>>,
    /// The greatest value that is accepted.
    pub max: Option<Placed<AnyText>>,
    /// strftime patterns of dates and timestamps, tried in order; without them ISO 8601.
    #[serde(default)]
    pub formats: Vec<Text>,
    /// The zone of timestamps that carry none; the default is UTC.
    pub timezone: Option<Text>,
    /// Texts that mean null, besides the empty one in CSV.
    #[serde(default)]
    pub null_values: Vec<Placed<AnyText>>,
}
