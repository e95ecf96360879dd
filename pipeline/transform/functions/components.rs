//! `connected_components(alias_id, customer_id)` and `strong_components(from_id, to_id)`: lists of struct(id, component,
//! size), by id in byte order. Rows with a null side are ignored.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::{SetFunction, list_of, one_list};
use super::arguments::{Accepts, failure, form, shared, wrong_type};
use super::models::graph::{Arrows, Identities, Member};

const CONNECTED: &str = "connected_components";
const STRONG: &str = "strong_components";

/// Joins ids that a chain of links connects; a component's name is the smallest `customer_id` in it.
pub(super) fn connected_components() -> AggregateUDF {
    let parameters = form(&[("alias_id", Accepts::Text), ("customer_id", Accepts::Text)]);
    let state = vec![
        ("ids", list_of(DataType::Utf8)),
        ("same_as", list_of(DataType::Utf8)),
        ("is_customer", list_of(DataType::Boolean)),
    ];
    SetFunction::new(CONNECTED, parameters, members_type(), state, || Box::<ConnectedIds>::default()).build()
}

/// Joins ids that reach each other along the edges' direction; a component's name is the smallest id in it.
pub(super) fn strong_components() -> AggregateUDF {
    let parameters = form(&[("from_id", Accepts::Text), ("to_id", Accepts::Text)]);
    let state = vec![("from_ids", list_of(DataType::Utf8)), ("to_ids", list_of(DataType::Utf8))];
    SetFunction::new(STRONG, parameters, members_type(), state, || Box::<DirectedIds>::default()).build()
}

#[derive(Debug, Default)]
struct ConnectedIds(Identities);

impl Accumulator for ConnectedIds {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for_each_pair(columns, |alias, customer| {
            self.0.link(alias, customer).map_err(|error| failure(CONNECTED, &error))
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [ids, same_as, is_customer] = states else {
            return internal_err!("a state of {} columns, expected 3", states.len());
        };
        for row in 0..ids.len() {
            let (ids, same_as) = (list_item(ids, row)?, list_item(same_as, row)?);
            let is_customer = list_item(is_customer, row)?;
            let (ids, same_as) = (texts(&ids)?, texts(&same_as)?);
            let is_customer = is_customer.as_boolean_opt().ok_or_else(|| wrong_type("flags", &is_customer))?;
            for entry in 0..ids.len() {
                (self.0.absorb(ids.value(entry), same_as.value(entry), is_customer.value(entry)))
                    .map_err(|error| failure(CONNECTED, &error))?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let links = self.0.state();
        Ok(vec![
            one_list(shared(text_column(CONNECTED, links.iter().map(|(id, _, _)| *id))?)),
            one_list(shared(text_column(CONNECTED, links.iter().map(|(_, same_as, _)| *same_as))?)),
            one_list(shared(links.iter().map(|(_, _, is_customer)| Some(*is_customer)).collect::<BooleanArray>())),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        members_list(CONNECTED, &self.0.components())
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

#[derive(Debug, Default)]
struct DirectedIds(Arrows);

impl Accumulator for DirectedIds {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for_each_pair(columns, |from, to| self.0.add(from, to).map_err(|error| failure(STRONG, &error)))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [from, to] = states else {
            return internal_err!("a state of {} columns, expected 2", states.len());
        };
        for row in 0..from.len() {
            self.update_batch(&[list_item(from, row)?, list_item(to, row)?])?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let edges = self.0.edges();
        Ok(vec![
            one_list(shared(text_column(STRONG, edges.iter().map(|(from, _)| *from))?)),
            one_list(shared(text_column(STRONG, edges.iter().map(|(_, to)| *to))?)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        members_list(STRONG, &self.0.strong_components())
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

fn for_each_pair(columns: &[ArrayRef], mut use_pair: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
    let [one, other] = columns else {
        return internal_err!("{} columns, expected 2", columns.len());
    };
    for (one, other) in texts(one)?.iter().zip(texts(other)?) {
        if let (Some(one), Some(other)) = (one, other) {
            use_pair(one, other)?;
        }
    }
    Ok(())
}

fn texts(column: &ArrayRef) -> Result<&StringArray> {
    column.as_string_opt::<i32>().ok_or_else(|| wrong_type("text", column))
}

fn list_item(column: &ArrayRef, row: usize) -> Result<ArrayRef> {
    Ok(column.as_list_opt::<i32>().ok_or_else(|| wrong_type("a list", column))?.value(row))
}

/// Makes a column, unless its bytes are more than the 32-bit offsets of a text column can address.
fn text_column<'a>(function: &str, ids: impl Iterator<Item = &'a str> + Clone) -> Result<StringArray> {
    let bytes: usize = ids.clone().map(str::len).sum();
    if i32::try_from(bytes).is_err() {
        return exec_err!("{function}: the ids take {bytes} bytes, more than a column of text holds (2 GiB)");
    }
    Ok(StringArray::from_iter_values(ids))
}

fn member_fields() -> Fields {
    Fields::from(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("component", DataType::Utf8, true),
        Field::new("size", DataType::Int64, true),
    ])
}

fn members_type() -> DataType {
    list_of(DataType::Struct(member_fields()))
}

fn members_list(function: &str, members: &[Member<'_>]) -> Result<ScalarValue> {
    if i32::try_from(members.len()).is_err() {
        return exec_err!("{function}: {} ids, more than a list holds", members.len());
    }
    let sizes = members.iter().map(|member| i64::try_from(member.size));
    let sizes: Vec<i64> =
        sizes.collect::<Result<_, _>>().map_err(|error| exec_datafusion_err!("{function}: {error}"))?;
    let columns: Vec<ArrayRef> = vec![
        shared(text_column(function, members.iter().map(|member| member.id))?),
        shared(text_column(function, members.iter().map(|member| member.component))?),
        Arc::new(Int64Array::from(sizes)),
    ];
    Ok(one_list(shared(StructArray::try_new(member_fields(), columns, None)?)))
}
