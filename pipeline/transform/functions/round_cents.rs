//! `round_cents(x)`: money from a decimal or a double, to two places, half away from zero.
//!
//! A double is read as the decimal that it is written as: 1.005 is 1.01, although the double nearest to 1.005 lies below it.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, form, shared, wrong_type};
use super::scalar::RowFunction;

const NAME: &str = "round_cents";
const PRECISION: u8 = 18;
const SCALE: i8 = 2;
/// One more than the most cents of `decimal(18,2)`.
const TOO_MANY_CENTS: i128 = 1_000_000_000_000_000_000;

pub(super) fn function() -> ScalarUDF {
    RowFunction::new(
        NAME,
        vec![form(&[("x", Accepts::Money)])],
        |_| DataType::Decimal128(PRECISION, SCALE),
        |columns| round_cents(&columns[0]),
    )
    .build()
}

fn round_cents(column: &ArrayRef) -> Result<ArrayRef> {
    let cents: Decimal128Array = match column.data_type() {
        DataType::Decimal128(_, scale) => {
            let decimals =
                column.as_primitive_opt::<Decimal128Type>().ok_or_else(|| wrong_type("a decimal", column))?;
            let scale = i32::from(*scale);
            decimals
                .try_unary(|unscaled| cents_of_decimal(unscaled, scale).ok_or_else(|| too_large(unscaled as f64)))?
        }
        DataType::Float64 => {
            let doubles = column.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_type("a double", column))?;
            doubles.try_unary(|x| cents_of_double(x).ok_or_else(|| too_large(x)))?
        }
        _ => return Err(wrong_type("a number", column)),
    };
    Ok(shared(cents.with_precision_and_scale(PRECISION, SCALE)?))
}

fn too_large(x: f64) -> DataFusionError {
    exec_datafusion_err!("{NAME}: {x} does not fit decimal({PRECISION},{SCALE})")
}

fn in_range(cents: i128) -> Option<i128> {
    (cents.abs() < TOO_MANY_CENTS).then_some(cents)
}

fn cents_of_decimal(unscaled: i128, scale: i32) -> Option<i128> {
    let power = 10_i128.checked_pow((scale - i32::from(SCALE)).unsigned_abs())?;
    if scale <= i32::from(SCALE) {
        return in_range(unscaled.checked_mul(power)?);
    }
    let (cents, rest) = (unscaled / power, unscaled % power);
    // Twice the rest overflows only where the power is 10^38, and then nothing is left but the rest.
    let is_half = rest.unsigned_abs() >= power.unsigned_abs() - rest.unsigned_abs();
    in_range(if is_half { cents + unscaled.signum() } else { cents })
}

fn cents_of_double(x: f64) -> Option<i128> {
    let scaled = x.abs() * 100.0;
    if scaled.is_nan() || scaled >= TOO_MANY_CENTS as f64 {
        return None;
    }
    let below = scaled.floor();
    // Within the product's rounding of a half only the written number decides.
    let is_near_half = ((scaled - below) - 0.5).abs() <= scaled * 4.0 * f64::EPSILON;
    let cents = if is_near_half { cents_as_written(x.abs())? } else { scaled.round() as i128 };
    in_range(if x < 0.0 { -cents } else { cents })
}

/// Rounds the shortest decimal that reads back as `x`, which is not negative.
fn cents_as_written(x: f64) -> Option<i128> {
    let written = x.to_string();
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let mut digits = fraction.bytes().map(|digit| i128::from(digit - b'0')).chain(std::iter::repeat(0));
    let cents = whole.parse::<i128>().ok()? * 100 + digits.next()? * 10 + digits.next()?;
    Some(if digits.next()? >= 5 { cents + 1 } else { cents })
}
