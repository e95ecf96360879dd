//! Binds `$as_of` and the parameters to a parsed statement, as typed values.
//!
//! Values enter the syntax tree as literals of their type, never the text: nothing in a value can become SQL. It happens
//! before planning, because the planner must know the type of an argument to choose a function.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Statement, Value, VisitMut, visit_expressions_mut,
};

use crate::config::{ParameterValue, Parameters};

/// The values that a run binds: its day and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Bindings(BTreeMap<String, ParameterValue>);

impl Bindings {
    pub fn new(as_of: chrono::NaiveDate, parameters: &Parameters) -> Self {
        let mut values = parameters.0.clone();
        values.insert("as_of".to_owned(), ParameterValue::Date(Some(as_of)));
        Self(values)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.0.get(name)
    }

    /// Puts values in the place of `$name`; the error is the first name that has none.
    pub(super) fn bind(&self, statement: &mut ParsedStatement) -> Result<(), String> {
        let ParsedStatement::Statement(statement) = statement else { return Ok(()) };
        self.bind_statement(statement)
    }

    fn bind_statement(&self, statement: &mut Statement) -> Result<(), String> {
        match visit(statement, |expression| {
            let Some(name) = placeholder(expression) else { return ControlFlow::Continue(()) };
            match self.0.get(&name) {
                Some(value) => {
                    *expression = literal(value);
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(name),
            }
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(name) => Err(name),
        }
    }
}

fn visit<V: VisitMut>(node: &mut V, visitor: impl FnMut(&mut Expr) -> ControlFlow<String>) -> ControlFlow<String> {
    visit_expressions_mut(node, visitor)
}

fn placeholder(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => Some(name.trim_start_matches('$').to_owned()),
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &ParameterValue) -> Expr {
    match value {
        ParameterValue::Integer(number) => cast(Value::Number(number.to_string(), false), DataType::BigInt(None)),
        // The shortest text that reads back as the same double.
        ParameterValue::Double(number) => {
            cast(Value::SingleQuotedString(format!("{number:?}")), DataType::Double(ExactNumberInfo::None))
        }
        ParameterValue::Boolean(boolean) => Expr::Value(Value::Boolean(*boolean).with_empty_span()),
        ParameterValue::Text(text) => Expr::Value(Value::SingleQuotedString(text.clone()).with_empty_span()),
        ParameterValue::Date(Some(date)) => cast(Value::SingleQuotedString(date.to_string()), DataType::Date),
        ParameterValue::Date(None) => cast(Value::Null, DataType::Date),
    }
}

fn cast(value: Value, data_type: DataType) -> Expr {
    Expr::Nested(Box::new(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(value.with_empty_span())),
        data_type,
        array: false,
        format: None,
    }))
}
