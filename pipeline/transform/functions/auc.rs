//! `auc(score, label)`: the probability that a positive has a higher score than another row; equal scores count a half.
//!
//! Rows with a null, or with a score that is no number, are ignored. Null without both kinds of label. See
//! [`models::ranking`](super::models::ranking) for the source.

use std::mem::size_of;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::{SetFunction, list_of, one_list};
use super::arguments::{Accepts, doubles, flags, form, lists, number, shared};
use super::models::ranking::auc;

const NAME: &str = "auc";

pub(super) fn function() -> AggregateUDF {
    let parameters = form(&[("score", Accepts::Number), ("label", Accepts::Flag)]);
    let state = vec![("scores", list_of(DataType::Float64)), ("labels", list_of(DataType::Boolean))];
    SetFunction::new(NAME, parameters, DataType::Float64, state, || Box::<Ranking>::default()).build()
}

#[derive(Debug, Default)]
struct Ranking(Vec<(f64, bool)>);

impl Accumulator for Ranking {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [scores, labels] = columns else {
            return internal_err!("{} columns, expected 2", columns.len());
        };
        let (scores, labels) = (doubles(scores)?, flags(labels)?);
        for row in 0..labels.len() {
            if let Some(score) = number(scores, row).filter(|score| labels.is_valid(row) && !score.is_nan()) {
                // Adding 0 turns -0 into 0.
                self.0.push((score + 0.0, labels.value(row)));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [scores, labels] = states else {
            return internal_err!("a state of {} columns, expected 2", states.len());
        };
        let (scores, labels) = (lists(scores)?, lists(labels)?);
        for row in 0..scores.len() {
            self.update_batch(&[scores.value(row), labels.value(row)])?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if i32::try_from(self.0.len()).is_err() {
            return exec_err!("{NAME}: {} rows, more than a list holds", self.0.len());
        }
        let scores = Float64Array::from_iter_values(self.0.iter().map(|(score, _)| *score));
        let labels: BooleanArray = self.0.iter().map(|(_, label)| Some(*label)).collect();
        Ok(vec![one_list(shared(scores)), one_list(shared(labels))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(auc(&mut self.0)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.capacity() * size_of::<(f64, bool)>()
    }
}
