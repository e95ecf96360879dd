//! What the functions accept: one place that says which types fit a parameter and what they are read as.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_err};

use super::aggregate::list_of;

/// A parameter of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub accepts: Accepts,
}

/// What a parameter may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepts {
    /// A timestamp of any unit; without a zone it is read as UTC.
    Instant,
    Day,
    /// A whole number.
    Whole,
    /// A number, read as a double.
    Number,
    /// A list of numbers, read as doubles.
    Numbers,
    /// True or false.
    Flag,
    /// An exact or a double number, read as it is.
    Money,
    /// Text; whole numbers are written out.
    Text,
    /// A fitted model: a struct that has at least these fields.
    Fit(&'static [&'static str]),
}

impl Accepts {
    /// Returns the type an argument is cast to; `None` if it does not fit.
    fn read_as(self, given: &DataType) -> Option<DataType> {
        if let DataType::Dictionary(_, value) = given {
            return self.read_as(value);
        }
        match self {
            Self::Instant => match given {
                DataType::Timestamp(..) => Some(given.clone()),
                DataType::Null => Some(utc_timestamp()),
                _ => None,
            },
            Self::Day => {
                matches!(given, DataType::Date32 | DataType::Date64 | DataType::Null).then_some(DataType::Date32)
            }
            Self::Whole => (given.is_integer() || given.is_null()).then_some(DataType::Int64),
            Self::Number => (given.is_numeric() || given.is_null()).then_some(DataType::Float64),
            Self::Numbers => match given {
                DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                    Self::Number.read_as(item.data_type()).map(list_of)
                }
                DataType::Null => Some(list_of(DataType::Float64)),
                _ => None,
            },
            Self::Flag => matches!(given, DataType::Boolean | DataType::Null).then_some(DataType::Boolean),
            Self::Money => match given {
                DataType::Decimal128(..) | DataType::Float64 => Some(given.clone()),
                DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal256(_, scale) => {
                    Some(DataType::Decimal128(38, *scale))
                }
                DataType::Float16 | DataType::Float32 => Some(DataType::Float64),
                DataType::Null => Some(DataType::Decimal128(18, 2)),
                whole if whole.is_integer() => Some(DataType::Decimal128(20, 0)),
                _ => None,
            },
            Self::Text => match given {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Some(DataType::Utf8),
                whole if whole.is_integer() => Some(DataType::Utf8),
                _ => None,
            },
            Self::Fit(fields) => match given {
                DataType::Struct(present) if fields.iter().all(|name| present.find(name).is_some()) => {
                    Some(given.clone())
                }
                _ => None,
            },
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Instant => "a timestamp".into(),
            Self::Day => "a date (business_day(ts) makes one from a timestamp)".into(),
            Self::Whole => "a whole number".into(),
            Self::Number | Self::Money => "a number".into(),
            Self::Numbers => "a list of numbers (make_array makes one)".into(),
            Self::Flag => "true or false".into(),
            Self::Text => "text".into(),
            Self::Fit(fields) => format!("a struct with the fields {}", fields.join(", ")),
        }
    }
}

/// The type of an instant in the project's tables.
pub(super) fn utc_timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the types that a call's arguments are cast to: those of the first form that they fit.
pub(super) fn coerce(function: &str, forms: &[Vec<Parameter>], given: &[DataType]) -> Result<Vec<DataType>> {
    let mut problem = None;
    for form in forms.iter().filter(|form| form.len() == given.len()) {
        let read: Vec<Option<DataType>> =
            form.iter().zip(given).map(|(parameter, given)| parameter.accepts.read_as(given)).collect();
        match read.iter().position(Option::is_none) {
            None => return Ok(read.into_iter().flatten().collect()),
            Some(wrong) => problem = problem.or(Some((wrong, form[wrong]))),
        }
    }
    if let Some((place, parameter)) = problem {
        return plan_err!(
            "{function}: argument {} ({}) is {}, expected {}",
            place + 1,
            parameter.name,
            given[place],
            parameter.accepts.expected()
        );
    }
    let calls: Vec<String> = forms.iter().map(|form| call(function, form)).collect();
    plan_err!("{function}: {} arguments were given, expected {}", given.len(), calls.join(" or "))
}

fn call(function: &str, form: &[Parameter]) -> String {
    let names: Vec<&str> = form.iter().map(|parameter| parameter.name).collect();
    format!("{function}({})", names.join(", "))
}

/// Returns a column of doubles.
pub(super) fn doubles(array: &ArrayRef) -> Result<&Float64Array> {
    array.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_type("a column of doubles", array))
}

/// Returns a column of flags.
pub(super) fn flags(array: &ArrayRef) -> Result<&BooleanArray> {
    array.as_boolean_opt().ok_or_else(|| wrong_type("a column of true and false", array))
}

/// Returns a column of lists.
pub(super) fn lists(array: &ArrayRef) -> Result<&ListArray> {
    array.as_list_opt::<i32>().ok_or_else(|| wrong_type("a column of lists", array))
}

/// Returns a field of a struct column as doubles; a null struct has null fields.
pub(super) fn field_doubles(array: &ArrayRef, name: &str) -> Result<Float64Array> {
    let fit = array.as_struct_opt().ok_or_else(|| wrong_type("a struct", array))?;
    let column = fit.column_by_name(name).ok_or_else(|| exec_datafusion_err!("the fit has no field {name}"))?;
    let column = cast(column, &DataType::Float64)?;
    let numbers = doubles(&column)?;
    Ok(match fit.nulls() {
        None => numbers.clone(),
        Some(outer) => (0..numbers.len())
            .map(|row| (outer.is_valid(row) && numbers.is_valid(row)).then(|| numbers.value(row)))
            .collect(),
    })
}

/// Returns the number in a row, if there is one.
pub(super) fn number(column: &Float64Array, row: usize) -> Option<f64> {
    column.is_valid(row).then(|| column.value(row))
}

/// An error that should not be possible, since the planner casts arguments.
pub(super) fn wrong_type(expected: &str, array: &ArrayRef) -> DataFusionError {
    exec_datafusion_err!("{} was given where {expected} is expected", array.data_type())
}

/// Makes an error of the execution from a module's error and its sources.
pub(super) fn failure(function: &str, error: &dyn std::error::Error) -> DataFusionError {
    let mut message = format!("{function}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    DataFusionError::Execution(message)
}

/// Shorthand for a form of a call.
pub(super) fn form(parameters: &[(&'static str, Accepts)]) -> Vec<Parameter> {
    parameters.iter().map(|(name, accepts)| Parameter { name, accepts: *accepts }).collect()
}

/// Shares a column.
pub(super) fn shared(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}
