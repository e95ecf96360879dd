//! `kaplan_meier(duration, is_event)`: how likely it is that something has not happened yet, by time, from those to whom it
//! happened after `duration` and those who had waited that long when they were last seen.
//!
//! A list of struct(time, at_risk, events, censored, survival), one per distinct duration and in their order; no rows, an
//! empty list. At ties events come before censorings. After the last time the estimate says nothing, unless survival is 0.
//! Rows with a null are ignored; a negative duration is an error. Source: [`models::survival`](super::models::survival).

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::{SetFunction, list_of, one_list};
use super::arguments::{Accepts, failure, form, shared};
use super::models::survival::{Step, kaplan_meier};
use super::tally::Tally;

const NAME: &str = "kaplan_meier";

pub(super) fn function() -> AggregateUDF {
    let parameters = form(&[("duration", Accepts::Number), ("is_event", Accepts::Flag)]);
    let state = Tally::<2>::state_fields(["duration", "is_event"]);
    let returns = list_of(DataType::Struct(step_fields()));
    SetFunction::new(NAME, parameters, returns, state, || Box::<Observations>::default()).build()
}

#[derive(Debug, Default)]
struct Observations(Tally<2>);

impl Accumulator for Observations {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        // A flag is counted as 1 or 0.
        let numbers = columns.iter().map(|column| cast(column, &DataType::Float64));
        self.0.update(&numbers.collect::<std::result::Result<Vec<_>, _>>()?, |_| true)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.0.state())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let observations = self.0.rows().map(|([duration, event], count)| (duration, event != 0.0, count));
        let steps = kaplan_meier(observations).map_err(|error| failure(NAME, &error))?;
        let counts = |count: fn(&Step) -> u64| -> ArrayRef {
            shared(Int64Array::from_iter_values(steps.iter().map(|step| count(step) as i64)))
        };
        let columns: Vec<ArrayRef> = vec![
            shared(Float64Array::from_iter_values(steps.iter().map(|step| step.time))),
            counts(|step| step.at_risk),
            counts(|step| step.events),
            counts(|step| step.censored),
            shared(Float64Array::from_iter_values(steps.iter().map(|step| step.survival))),
        ];
        Ok(one_list(shared(StructArray::try_new(step_fields(), columns, None)?)))
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

fn step_fields() -> Fields {
    Fields::from(vec![
        Field::new("time", DataType::Float64, true),
        Field::new("at_risk", DataType::Int64, true),
        Field::new("events", DataType::Int64, true),
        Field::new("censored", DataType::Int64, true),
        Field::new("survival", DataType::Float64, true),
    ])
}
