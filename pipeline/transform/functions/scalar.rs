//! The frame that all functions of one row share: names, forms of call, types, and the computation on columns.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::arguments::{Parameter, coerce};

type Compute = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

/// A function whose result depends on nothing but its arguments, and the zone if it has one: calls on literals are folded.
pub(super) struct RowFunction {
    name: &'static str,
    forms: Vec<Vec<Parameter>>,
    returns: fn(&[DataType]) -> DataType,
    zone: Option<chrono_tz::Tz>,
    signature: Signature,
    compute: Arc<Compute>,
}

impl RowFunction {
    /// Describes a function; `compute` gets columns of equal length, cast to the types of the form that was called.
    pub fn new(
        name: &'static str,
        forms: Vec<Vec<Parameter>>,
        returns: fn(&[DataType]) -> DataType,
        compute: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, forms, returns, zone: None, signature, compute: Arc::new(compute) }
    }

    /// Sets the zone that the function works in, which makes it another function than that of a different zone.
    pub fn in_zone(self, zone: chrono_tz::Tz) -> Self {
        Self { zone: Some(zone), ..self }
    }

    /// Wraps it for DataFusion.
    pub fn build(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(self)
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name, &self.forms, given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok((self.returns)(given))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let result = (self.compute)(&ColumnarValue::values_to_arrays(&call.args)?)?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RowFunction")
            .field("name", &self.name)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.zone == other.zone
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.zone.hash(state);
    }
}
