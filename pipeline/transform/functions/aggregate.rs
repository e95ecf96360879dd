//! The frame that all functions of many rows share.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::arguments::{Parameter, coerce};

/// An aggregate whose result does not depend on the order of rows.
pub(super) struct SetFunction {
    name: &'static str,
    forms: Vec<Vec<Parameter>>,
    returns: DataType,
    /// Names and types of what an accumulator hands to another one.
    state: Vec<(&'static str, DataType)>,
    accumulator: fn() -> Box<dyn Accumulator>,
    signature: Signature,
}

impl SetFunction {
    /// Describes an aggregate.
    pub fn new(
        name: &'static str,
        parameters: Vec<Parameter>,
        returns: DataType,
        state: Vec<(&'static str, DataType)>,
        accumulator: fn() -> Box<dyn Accumulator>,
    ) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, forms: vec![parameters], returns, state, accumulator, signature }
    }

    /// Adds another form of the call.
    pub fn or(mut self, parameters: Vec<Parameter>) -> Self {
        self.forms.push(parameters);
        self
    }

    /// Wraps it for DataFusion.
    pub fn build(self) -> AggregateUDF {
        AggregateUDF::new_from_impl(self)
    }
}

impl AggregateUDFImpl for SetFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name, &self.forms, given)
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn accumulator(&self, call: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if call.is_distinct {
            return plan_err!("{} does not take distinct: select distinct rows before", self.name);
        }
        Ok((self.accumulator)())
    }

    fn state_fields(&self, call: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |(name, data_type): &(&str, DataType)| {
            Arc::new(Field::new(format!("{}[{name}]", call.name), data_type.clone(), true))
        };
        Ok(self.state.iter().map(field).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

impl fmt::Debug for SetFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SetFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for SetFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SetFunction {}

impl Hash for SetFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Returns the type of a list of nullable items.
pub(super) fn list_of(items: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(items, true)))
}

/// Wraps a column into one value that is a list.
pub(super) fn one_list(items: ArrayRef) -> ScalarValue {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    ScalarValue::List(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([items.len()]), items, None)))
}
