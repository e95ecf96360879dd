//! Compares a tree with a JSON Schema of a raw struct: unknown and missing keys, wrong types, values outside a choice.
//!
//! Only what our schemas use is understood: `type`, `properties`, `required`, `additionalProperties`, `items`, `enum`,
//! `const`, `anyOf`, `oneOf`, `minimum` and `maximum`; subschemas stand inline.

use serde_json::Value;

use super::{Flaw, Key, Kind, Node, Place, Scalar, ScalarValue};
use crate::config::text::{did_you_mean, one_of};

/// Reports what does not fit, and takes it out of the tree, so that the rest can be read into the raw struct.
pub(crate) fn check_shape(root: &mut Node, schema: &Value, flaws: &mut Vec<Flaw>) {
    if matches!(&root.kind, Kind::Mapping(_)) {
        Check { flaws }.node(root, schema, "", None);
        return;
    }
    let message = format!("the file is {}, expected a mapping such as `name: value`", root.describe());
    let is_empty = matches!(&root.kind, Kind::Scalar(scalar) if scalar.value == ScalarValue::Null);
    flaws.push(Flaw { place: (!is_empty).then_some(root.place), message, hint: None });
    root.kind = Kind::Mapping(Vec::new());
}

struct Check<'flaws> {
    flaws: &'flaws mut Vec<Flaw>,
}

impl Check<'_> {
    fn flaw(&mut self, place: Option<Place>, message: String, hint: Option<String>) {
        self.flaws.push(Flaw { place, message, hint });
    }

    /// Tells whether the node may stay. `name` is what messages call it; a mapping's place is `key_place`, `None` for the root.
    fn node(&mut self, node: &mut Node, schema: &Value, name: &str, key_place: Option<Place>) -> bool {
        let alternatives = alternatives(schema);
        let place = node.place;
        let found = node.describe();
        match &mut node.kind {
            Kind::Mapping(entries) => match alternatives.iter().find(|schema| allows(schema, "object")) {
                Some(schema) => {
                    self.mapping(entries, schema, name, key_place);
                    true
                }
                None => self.wrong_type(place, name, found, &alternatives),
            },
            Kind::List(items) => match alternatives.iter().find(|schema| allows(schema, "array")) {
                Some(schema) => {
                    if let Some(item_schema) = schema.get("items") {
                        let item_name = format!("an item of {name}");
                        items.retain_mut(|item| {
                            let item_place = item.place;
                            self.node(item, item_schema, &item_name, Some(item_place))
                        });
                    }
                    true
                }
                None => self.wrong_type(place, name, found, &alternatives),
            },
            Kind::Scalar(scalar) => self.scalar(scalar, place, &alternatives, name),
            Kind::Unresolved => false,
        }
    }

    fn mapping(&mut self, entries: &mut Vec<(Key, Node)>, schema: &Value, name: &str, place: Option<Place>) {
        let none = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let missing: Vec<&str> = required
            .iter()
            .filter_map(Value::as_str)
            .filter(|required| !entries.iter().any(|(key, _)| key.name == *required))
            .collect();
        let mut unknown = Vec::new();
        entries.retain_mut(|(key, value)| {
            let Some(schema) = properties.get(&key.name).or(others) else {
                let close = did_you_mean(&key.name, known.iter().copied());
                let message = format!("unknown key `{}`, expected {}", key.name, one_of(&known));
                self.flaw(Some(key.place), message, close);
                unknown.push(key.name.clone());
                return false;
            };
            self.node(value, schema, &format!("`{}`", key.name), Some(key.place))
        });
        for key in missing {
            // A misspelt key is one mistake, not two.
            if unknown.iter().any(|unknown| did_you_mean(unknown, [key]).is_some()) {
                continue;
            }
            let whose = if name.is_empty() { String::new() } else { format!(" in {name}") };
            self.flaw(place, format!("the key `{key}` is missing{whose}"), None);
        }
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place, alternatives: &[&Value], name: &str) -> bool {
        let types: &[&str] = match scalar.value {
            ScalarValue::Null if alternatives.iter().any(|schema| schema.get("const") == Some(&Value::Null)) => {
                return true;
            }
            ScalarValue::Null => {
                let expected = expectation(alternatives);
                let message = format!("{name} is empty, expected {expected}");
                self.flaw(Some(place), message, Some("give it a value, or remove the key".to_owned()));
                return false;
            }
            ScalarValue::Boolean(_) => &["boolean"],
            ScalarValue::Integer(_) => &["integer", "number"],
            ScalarValue::Double(_) => &["number"],
            ScalarValue::Text => &["string"],
        };
        let fitting: Vec<&&Value> =
            alternatives.iter().filter(|schema| types.iter().any(|name| allows(schema, name))).collect();
        if fitting.is_empty() {
            let found = match scalar.value {
                ScalarValue::Text => "text".to_owned(),
                _ => format!("`{}`", scalar.text),
            };
            let message = format!("{name} is {found}, expected {}", expectation(alternatives));
            let wants_text = alternatives.iter().any(|schema| allows(schema, "string"));
            let hint = wants_text.then(|| format!("put it in quotes: \"{}\"", scalar.text));
            self.flaw(Some(place), message, hint);
            return false;
        }
        let choices: Vec<&str> = fitting.iter().flat_map(|schema| choices(schema)).collect();
        if !choices.is_empty() && !choices.contains(&scalar.text.as_str()) {
            let shown = scalar.shown.as_deref().unwrap_or(&scalar.text);
            let close = if scalar.shown.is_none() { did_you_mean(&scalar.text, choices.iter().copied()) } else { None };
            self.flaw(Some(place), format!("{name} is `{shown}`, expected {}", one_of(&choices)), close);
            return false;
        }
        self.bounds(scalar, place, fitting.first().copied().copied(), name)
    }

    fn bounds(&mut self, scalar: &Scalar, place: Place, schema: Option<&Value>, name: &str) -> bool {
        let number = match scalar.value {
            ScalarValue::Integer(value) => value as f64,
            ScalarValue::Double(value) => value,
            _ => return true,
        };
        let bound = |key: &str| schema.and_then(|schema| schema.get(key)).and_then(Value::as_f64);
        let (low, high) = (bound("minimum"), bound("maximum"));
        let fits = low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high);
        if fits {
            return true;
        }
        let expected = match (low, high) {
            (Some(low), Some(high)) => format!("from {low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => return true,
        };
        self.flaw(Some(place), format!("{name} is `{}`, expected {expected}", scalar.text), None);
        false
    }

    fn wrong_type(&mut self, place: Place, name: &str, found: &str, alternatives: &[&Value]) -> bool {
        self.flaw(Some(place), format!("{name} is {found}, expected {}", expectation(alternatives)), None);
        false
    }
}

/// The schemas of which one must fit.
fn alternatives(schema: &Value) -> Vec<&Value> {
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        Some(several) => several.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

fn allows(schema: &Value, type_name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == type_name,
        Some(Value::Array(several)) => several.iter().any(|one| one == type_name),
        _ => schema.get("const").is_some_and(Value::is_string) && type_name == "string",
    }
}

fn choices(schema: &Value) -> Vec<&str> {
    let several = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    several.iter().chain(schema.get("const")).filter_map(Value::as_str).collect()
}

/// What would fit, in words.
fn expectation(alternatives: &[&Value]) -> String {
    let mut words: Vec<String> = Vec::new();
    let texts: Vec<&str> = alternatives.iter().flat_map(|schema| choices(schema)).collect();
    if !texts.is_empty() {
        words.push(one_of(&texts));
    }
    let kinds = [
        ("string", "text"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("boolean", "true or false"),
        ("array", "a list"),
        ("object", "a mapping"),
    ];
    for (type_name, word) in kinds {
        if alternatives.iter().any(|schema| allows(schema, type_name) && choices(schema).is_empty()) {
            words.push(word.to_owned());
        }
    }
    words.join(" or ")
}
