//! Builds the struct that a fit returns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue};

/// A field's value, which also says the field's type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Number(Option<f64>),
    Count(Option<u64>),
    Flag(Option<bool>),
}

impl Value {
    fn data_type(self) -> DataType {
        match self {
            Self::Number(_) => DataType::Float64,
            Self::Count(_) => DataType::Int64,
            Self::Flag(_) => DataType::Boolean,
        }
    }

    fn column(self) -> ArrayRef {
        match self {
            Self::Number(number) => Arc::new(Float64Array::from(vec![number])),
            Self::Count(count) => Arc::new(Int64Array::from(vec![count.map(|count| count as i64)])),
            Self::Flag(flag) => Arc::new(BooleanArray::from(vec![flag])),
        }
    }
}

fn fields(values: &[(&str, Value)]) -> Fields {
    values.iter().map(|(name, value)| Field::new(*name, value.data_type(), true)).collect()
}

/// Returns the type of a struct with such fields.
pub(super) fn struct_type(values: &[(&str, Value)]) -> DataType {
    DataType::Struct(fields(values))
}

/// Returns one struct.
pub(super) fn one_struct(values: &[(&str, Value)]) -> Result<ScalarValue> {
    let columns = values.iter().map(|(_, value)| value.column()).collect();
    Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields(values), columns, None)?)))
}
