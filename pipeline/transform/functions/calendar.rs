//! `add_days(date, n)`, `days_between(from, to)`, `months_between(from, to)`: arithmetic on days.

use chrono::{Datelike, NaiveDate};
use datafusion::arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, PrimitiveArray};
use datafusion::arrow::compute::try_binary;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, form, shared, wrong_type};
use super::scalar::RowFunction;

/// Days from 0000-12-31, from which `chrono` counts, to 1970-01-01.
const DAYS_TO_1970: i32 = 719_163;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let from_to = || vec![form(&[("from", Accepts::Day), ("to", Accepts::Day)])];
    vec![
        RowFunction::new(
            "add_days",
            vec![form(&[("date", Accepts::Day), ("n", Accepts::Whole)])],
            |_| DataType::Date32,
            |columns| {
                let days = columns[1].as_primitive_opt::<Int64Type>();
                let days = days.ok_or_else(|| wrong_type("a whole number", &columns[1]))?;
                let sum: Date32Array = try_binary(dates(&columns[0])?, days, add_days)?;
                Ok(shared(sum))
            },
        )
        .build(),
        RowFunction::new(
            "days_between",
            from_to(),
            |_| DataType::Int64,
            |columns| between(columns, |from, to| Ok(i64::from(to) - i64::from(from))),
        )
        .build(),
        RowFunction::new("months_between", from_to(), |_| DataType::Int64, |columns| between(columns, months_between))
            .build(),
    ]
}

fn dates(column: &ArrayRef) -> Result<&PrimitiveArray<Date32Type>> {
    column.as_primitive_opt::<Date32Type>().ok_or_else(|| wrong_type("a date", column))
}

fn between(columns: &[ArrayRef], count: fn(i32, i32) -> Result<i64, ArrowError>) -> Result<ArrayRef> {
    let counts: Int64Array = try_binary(dates(&columns[0])?, dates(&columns[1])?, count)?;
    Ok(shared(counts))
}

fn add_days(day: i32, days: i64) -> Result<i32, ArrowError> {
    let sum = i64::from(day).checked_add(days).and_then(|sum| i32::try_from(sum).ok());
    sum.ok_or_else(|| out_of_range("add_days", days))
}

/// Counts whole calendar months. A month has passed once the day of the month is reached again, or the month's last day
/// where that day does not exist: 31 January to 28 February is one month, and 28 February to 31 March is one too.
/// Backwards it is the same number, negative.
fn months_between(from: i32, to: i32) -> Result<i64, ArrowError> {
    if to < from {
        return months_between(to, from).map(|months| -months);
    }
    let (from, to) = (calendar_date(from)?, calendar_date(to)?);
    let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    let is_reached = to.day() >= from.day() || to.succ_opt().is_none_or(|next| next.day() == 1);
    Ok(if is_reached { months } else { months - 1 })
}

fn calendar_date(day: i32) -> Result<NaiveDate, ArrowError> {
    day.checked_add(DAYS_TO_1970)
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .ok_or_else(|| out_of_range("months_between", i64::from(day)))
}

fn out_of_range(function: &str, days: i64) -> ArrowError {
    ArrowError::ComputeError(format!("{function}: {days} days lead beyond the dates there are"))
}
