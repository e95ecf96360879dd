//! `kmeans_fit(features, k)`: groups of similar rows; `kmeans_cluster(model, features)`: the group of a row, from 1.
//!
//! `features` is a list of numbers, as many in each row; they are standardised by the fit, so units do not matter. Rows
//! with a null list or item, or with a number that is not finite (or beyond 1e140), are ignored by the fit and have no
//! cluster. `k` is the same in all rows; with fewer distinct points there are fewer clusters. Cluster 1 has the greatest mean
//! of the first feature (of equal ones, of the second, ...). Without rows every field but the counts is null.
//!
//! | field | |
//! |---|---|
//! | `clusters`, `points`, `ignored` | how many clusters, rows in them, rows left out |
//! | `means`, `deviations` | of the features, as they were given: a centre in their units is mean + deviation x centre |
//! | `centres` | per cluster, standardised |
//! | `sizes`, `within_sums` | per cluster: rows, and the sum of their squared distances to the centre |
//! | `within_sum`, `total_sum` | over all, to the own centre and to the mean; 1 - their ratio is what the clusters explain |
//! | `iterations`, `is_converged` | |

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, AggregateUDF, ScalarUDF};

use super::aggregate::{SetFunction, list_of, one_list};
use super::arguments::{Accepts, doubles, form, shared, wrong_type};
use super::models::kmeans::{Clustering, LARGEST_NUMBER, MAX_CLUSTERS, cluster, nearest, standardise};
use super::scalar::RowFunction;

const FIT: &str = "kmeans_fit";
const CLUSTER: &str = "kmeans_cluster";
const MODEL_FIELDS: &[&str] = &["means", "deviations", "centres"];

pub(super) fn fit() -> AggregateUDF {
    let parameters = form(&[("features", Accepts::Numbers), ("k", Accepts::Whole)]);
    let state = vec![
        ("values", list_of(DataType::Float64)),
        ("dimensions", DataType::Int64),
        ("k", DataType::Int64),
        ("ignored", DataType::Int64),
    ];
    SetFunction::new(FIT, parameters, DataType::Struct(model_fields()), state, || Box::<Rows>::default()).build()
}

pub(super) fn assignment() -> ScalarUDF {
    let forms = vec![form(&[("model", Accepts::Fit(MODEL_FIELDS)), ("features", Accepts::Numbers)])];
    RowFunction::new(CLUSTER, forms, |_| DataType::Int64, assign).build()
}

#[derive(Debug, Default)]
struct Rows {
    /// One row after another.
    values: Vec<f64>,
    dimensions: Option<usize>,
    k: Option<i64>,
    ignored: u64,
}

impl Rows {
    fn set_dimensions(&mut self, given: usize) -> Result<()> {
        match self.dimensions {
            Some(known) if known != given => {
                exec_err!("{FIT}: some rows have {known} features and others {given}")
            }
            _ => {
                self.dimensions = Some(given);
                Ok(())
            }
        }
    }

    fn set_k(&mut self, given: i64) -> Result<()> {
        if usize::try_from(given).is_ok_and(|k| (1..=MAX_CLUSTERS).contains(&k)) {
            match self.k {
                Some(known) if known != given => {
                    return exec_err!("{FIT}: k is {known} in some rows and {given} in others");
                }
                _ => self.k = Some(given),
            }
            return Ok(());
        }
        exec_err!("{FIT}: k is {given}, expected 1 to {MAX_CLUSTERS}")
    }
}

impl Accumulator for Rows {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [features, k] = columns else {
            return internal_err!("{} columns, expected 2", columns.len());
        };
        let features = Lists::new(features)?;
        let k = k.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type("a whole number", k))?;
        for row in 0..k.len() {
            if k.is_null(row) {
                return exec_err!("{FIT}: k is null, expected 1 to {MAX_CLUSTERS}");
            }
            self.set_k(k.value(row))?;
            match features.numbers(row) {
                Some(numbers) => {
                    self.set_dimensions(numbers.len())?;
                    self.values.extend_from_slice(numbers);
                }
                None => self.ignored += 1,
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, dimensions, k, ignored] = states else {
            return internal_err!("a state of {} columns, expected 4", states.len());
        };
        let values = values.as_list_opt::<i32>().ok_or_else(|| wrong_type("a list", values))?;
        let whole = |column: &ArrayRef, row: usize| {
            let numbers = column.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type("a whole number", column))?;
            Ok::<_, datafusion::common::DataFusionError>(numbers.is_valid(row).then(|| numbers.value(row)))
        };
        for row in 0..values.len() {
            self.ignored += whole(ignored, row)?.unwrap_or(0) as u64;
            if let Some(k) = whole(k, row)? {
                self.set_k(k)?;
            }
            if let Some(dimensions) = whole(dimensions, row)? {
                self.set_dimensions(dimensions as usize)?;
            }
            self.values.extend_from_slice(doubles(&values.value(row))?.values());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if i32::try_from(self.values.len()).is_err() {
            return exec_err!("{FIT}: {} numbers, more than a list holds", self.values.len());
        }
        Ok(vec![
            one_list(shared(Float64Array::from(self.values.clone()))),
            ScalarValue::Int64(self.dimensions.map(|dimensions| dimensions as i64)),
            ScalarValue::Int64(self.k),
            ScalarValue::Int64(Some(self.ignored as i64)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let clusters = self.k.unwrap_or(0) as usize;
        let fitted = match self.dimensions {
            Some(0) => return exec_err!("{FIT}: the lists of features are empty"),
            Some(dimensions) => cluster(&self.values, dimensions, clusters),
            None => None,
        };
        model(fitted.as_ref(), self.ignored)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<f64>()
    }
}

fn model_fields() -> Fields {
    let whole = |name: &str| Field::new(name, DataType::Int64, true);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let numbers = |name: &str| Field::new(name, list_of(DataType::Float64), true);
    Fields::from(vec![
        whole("clusters"),
        whole("points"),
        whole("ignored"),
        numbers("means"),
        numbers("deviations"),
        Field::new("centres", list_of(list_of(DataType::Float64)), true),
        Field::new("sizes", list_of(DataType::Int64), true),
        numbers("within_sums"),
        number("within_sum"),
        number("total_sum"),
        whole("iterations"),
        Field::new("is_converged", DataType::Boolean, true),
    ])
}

fn model(fitted: Option<&Clustering>, ignored: u64) -> Result<ScalarValue> {
    let whole = |number: Option<u64>| shared(Int64Array::from(vec![number.map(|number| number as i64)]));
    let number = |number: Option<f64>| shared(Float64Array::from(vec![number]));
    let list = |items: Option<ArrayRef>, item_type: DataType| match items {
        Some(items) => one_list(items).to_array(),
        None => Ok(Arc::new(ListArray::new_null(Arc::new(Field::new_list_field(item_type, true)), 1)) as ArrayRef),
    };
    let numbers = |pick: fn(&Clustering) -> &Vec<f64>| {
        let items = fitted.map(|fitted| shared(Float64Array::from(pick(fitted).clone())));
        list(items, DataType::Float64)
    };
    let sizes = fitted.map(|fitted| shared(fitted.sizes.iter().map(|size| Some(*size as i64)).collect::<Int64Array>()));
    let columns: Vec<ArrayRef> = vec![
        whole(Some(fitted.map_or(0, |fitted| fitted.sizes.len() as u64))),
        whole(Some(fitted.map_or(0, |fitted| fitted.sizes.iter().sum()))),
        whole(Some(ignored)),
        numbers(|fitted| &fitted.scale.means)?,
        numbers(|fitted| &fitted.scale.deviations)?,
        list(fitted.map(centres), list_of(DataType::Float64))?,
        list(sizes, DataType::Int64)?,
        numbers(|fitted| &fitted.within_sums)?,
        number(fitted.map(|fitted| fitted.within_sums.iter().sum())),
        number(fitted.map(|fitted| fitted.total_sum)),
        whole(fitted.map(|fitted| fitted.iterations)),
        shared(BooleanArray::from(vec![fitted.map(|fitted| fitted.is_converged)])),
    ];
    Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(model_fields(), columns, None)?)))
}

fn centres(fitted: &Clustering) -> ArrayRef {
    let dimensions = fitted.scale.means.len();
    let lengths = fitted.sizes.iter().map(|_| dimensions);
    let field = Arc::new(Field::new_list_field(DataType::Float64, true));
    let values = shared(Float64Array::from(fitted.centres.clone()));
    shared(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, None))
}

fn assign(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [model, features] = columns else {
        return internal_err!("{} columns, expected 2", columns.len());
    };
    let features = Lists::new(features)?;
    let model = model.as_struct_opt().ok_or_else(|| wrong_type("a struct", model))?;
    let field = |name: &str| -> Result<&ArrayRef> {
        model.column_by_name(name).ok_or_else(|| datafusion::common::exec_datafusion_err!("{CLUSTER}: no field {name}"))
    };
    let numbers_type = list_of(DataType::Float64);
    let cast = |column: &ArrayRef, to: &DataType| datafusion::arrow::compute::cast(column, to);
    let (means, deviations) = (cast(field("means")?, &numbers_type)?, cast(field("deviations")?, &numbers_type)?);
    let (means, deviations) = (Lists::new(&means)?, Lists::new(&deviations)?);
    let centres = cast(field("centres")?, &list_of(numbers_type))?;
    let centres = centres.as_list_opt::<i32>().ok_or_else(|| wrong_type("a list", &centres))?;
    let centre_lists = Lists::new(centres.values())?;
    let mut standardised = Vec::new();
    let mut clusters = Vec::with_capacity(model.len());
    for row in 0..model.len() {
        let is_known = model.is_valid(row) && centres.is_valid(row);
        let (Some(numbers), Some(means), Some(deviations), true) =
            (features.numbers(row), means.numbers(row), deviations.numbers(row), is_known)
        else {
            clusters.push(None);
            continue;
        };
        let offsets = centres.value_offsets();
        let Some(centres) = centre_lists.span(offsets[row] as usize, offsets[row + 1] as usize, means.len()) else {
            return exec_err!("{CLUSTER}: the model's centres do not all have {} numbers", means.len());
        };
        if numbers.len() != means.len() || deviations.len() != means.len() {
            return exec_err!("{CLUSTER}: {} features, but the model has {}", numbers.len(), means.len());
        }
        standardised.clear();
        let scale = means.iter().zip(deviations);
        standardised.extend(numbers.iter().zip(scale).map(|(value, (mean, sd))| standardise(*value, *mean, *sd)));
        clusters.push(nearest(&standardised, centres).map(|(place, _)| place as i64 + 1));
    }
    Ok(shared(Int64Array::from(clusters)))
}

/// A column of lists of doubles, read without a copy.
struct Lists<'a> {
    lists: &'a ListArray,
    items: &'a Float64Array,
}

impl<'a> Lists<'a> {
    fn new(column: &'a ArrayRef) -> Result<Self> {
        let lists = column.as_list_opt::<i32>().ok_or_else(|| wrong_type("a list of numbers", column))?;
        Ok(Self { lists, items: doubles(lists.values())? })
    }

    /// Returns a row's numbers; `None` if one of them is null or cannot be reckoned with.
    fn numbers(&self, row: usize) -> Option<&'a [f64]> {
        if self.lists.is_null(row) {
            return None;
        }
        let offsets = self.lists.value_offsets();
        let (from, to) = (*offsets.get(row)? as usize, *offsets.get(row + 1)? as usize);
        let is_known = self.items.null_count() == 0 || (from..to).all(|place| self.items.is_valid(place));
        let numbers = self.items.values().get(from..to)?;
        (is_known && numbers.iter().all(|number| number.abs() <= LARGEST_NUMBER)).then_some(numbers)
    }

    /// Returns the numbers of the rows from one to before another, if each has `length`.
    fn span(&self, from: usize, to: usize, length: usize) -> Option<&'a [f64]> {
        let offsets = self.lists.value_offsets().get(from..=to)?;
        let is_even = offsets.windows(2).all(|pair| pair[1] - pair[0] == length as i32);
        let (first, last) = (*offsets.first()? as usize, *offsets.last()? as usize);
        is_even.then(|| self.items.values().get(first..last)).flatten()
    }
}
