//! `business_day(ts)`, `local_time(ts)`, `day_start(date)`: instants and days in the environment's zone.
//!
//! A timestamp is a UTC instant, whatever zone its type names and whichever unit it has.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Date32Array, PrimitiveArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    ArrowTimestampType, DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, form, shared, utc_timestamp, wrong_type};
use super::scalar::RowFunction;
use super::zone_offsets::{DAY_SECONDS, Span, ZoneOffsets};

const MICROSECONDS: i64 = 1_000_000;

pub(super) fn functions(zone: chrono_tz::Tz) -> Vec<ScalarUDF> {
    let offsets = Arc::new(LazyOffsets { zone, table: OnceLock::new() });
    let instant = || vec![form(&[("ts", Accepts::Instant)])];
    let day = || vec![form(&[("date", Accepts::Day)])];
    let (for_day, for_time, for_start) = (offsets.clone(), offsets.clone(), offsets);
    vec![
        RowFunction::new(
            "business_day",
            instant(),
            |_| DataType::Date32,
            move |columns| by_unit(&columns[0], &BusinessDay(for_day.get())),
        )
        .in_zone(zone)
        .build(),
        RowFunction::new("local_time", instant(), without_zone, move |columns| {
            by_unit(&columns[0], &LocalTime(for_time.get()))
        })
        .in_zone(zone)
        .build(),
        RowFunction::new(
            "day_start",
            day(),
            |_| utc_timestamp(),
            move |columns| day_start(&columns[0], for_start.get()),
        )
        .in_zone(zone)
        .build(),
    ]
}

/// The zone's table, made when the first row comes.
struct LazyOffsets {
    zone: chrono_tz::Tz,
    table: OnceLock<ZoneOffsets>,
}

impl LazyOffsets {
    fn get(&self) -> &ZoneOffsets {
        self.table.get_or_init(|| ZoneOffsets::new(self.zone))
    }
}

fn without_zone(given: &[DataType]) -> DataType {
    match given {
        [DataType::Timestamp(unit, _), ..] => DataType::Timestamp(*unit, None),
        _ => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

/// A function of timestamps of any unit.
trait OfInstants {
    fn apply<T: ArrowTimestampType>(&self, instants: &PrimitiveArray<T>, per_second: i64) -> Result<ArrayRef>;
}

fn by_unit(column: &ArrayRef, function: &impl OfInstants) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => apply::<TimestampSecondType>(column, function, 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => apply::<TimestampMillisecondType>(column, function, 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            apply::<TimestampMicrosecondType>(column, function, MICROSECONDS)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            apply::<TimestampNanosecondType>(column, function, 1_000_000_000)
        }
        _ => Err(wrong_type("a timestamp", column)),
    }
}

fn apply<T: ArrowTimestampType>(column: &ArrayRef, function: &impl OfInstants, per_second: i64) -> Result<ArrayRef> {
    let instants = column.as_primitive_opt::<T>().ok_or_else(|| wrong_type("a timestamp", column))?;
    function.apply(instants, per_second)
}

/// The local date.
struct BusinessDay<'a>(&'a ZoneOffsets);

impl OfInstants for BusinessDay<'_> {
    fn apply<T: ArrowTimestampType>(&self, instants: &PrimitiveArray<T>, per_second: i64) -> Result<ArrayRef> {
        let mut last = Span::NONE;
        let days: Date32Array = try_map(instants, |instant| {
            let seconds = instant.div_euclid(per_second);
            let local = seconds.saturating_add(self.0.at(seconds, &mut last));
            i32::try_from(local.div_euclid(DAY_SECONDS)).map_err(|_| out_of_range("business_day", instant))
        })?;
        Ok(shared(days))
    }
}

/// The wall clock.
struct LocalTime<'a>(&'a ZoneOffsets);

impl OfInstants for LocalTime<'_> {
    fn apply<T: ArrowTimestampType>(&self, instants: &PrimitiveArray<T>, per_second: i64) -> Result<ArrayRef> {
        let mut last = Span::NONE;
        let times: PrimitiveArray<T> = try_map(instants, |instant| {
            let offset = self.0.at(instant.div_euclid(per_second), &mut last) * per_second;
            instant.checked_add(offset).ok_or_else(|| out_of_range("local_time", instant))
        })?;
        Ok(shared(times))
    }
}

fn day_start(column: &ArrayRef, offsets: &ZoneOffsets) -> Result<ArrayRef> {
    let days = column.as_primitive_opt::<Date32Type>().ok_or_else(|| wrong_type("a date", column))?;
    // Days of one batch are few and often in order.
    let mut last: Option<(i32, i64)> = None;
    let starts: TimestampMicrosecondArray = try_map(days, |day| match last {
        Some((known, start)) if known == day => Ok(start),
        _ => {
            let start = offsets.day_start(i64::from(day)).checked_mul(MICROSECONDS);
            let start = start.ok_or_else(|| out_of_range("day_start", i64::from(day)))?;
            last = Some((day, start));
            Ok(start)
        }
    })?;
    Ok(shared(starts.with_timezone("UTC")))
}

/// Maps the values that are not null.
fn try_map<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    column: &PrimitiveArray<I>,
    mut function: impl FnMut(I::Native) -> Result<O::Native>,
) -> Result<PrimitiveArray<O>> {
    let mut values = Vec::with_capacity(column.len());
    for (row, value) in column.values().iter().enumerate() {
        values.push(if column.is_valid(row) { function(*value)? } else { O::Native::default() });
    }
    Ok(PrimitiveArray::try_new(values.into(), column.nulls().cloned())?)
}

fn out_of_range(function: &str, instant: i64) -> DataFusionError {
    exec_datafusion_err!("{function}: {instant} is beyond the dates there are")
}
