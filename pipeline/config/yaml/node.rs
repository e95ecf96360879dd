//! A YAML document as a tree in which every node knows its place.

/// Where something stands in a file: both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub const START: Place = Place { line: 1, column: 1 };
}

/// One value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Of a scalar: where it starts. Of a list or mapping: its key, or the first thing in it.
    pub place: Place,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file. Each key stands once.
    Mapping(Vec<(Key, Node)>),
    /// A text whose variables could not be resolved: reported already.
    Unresolved,
}

/// A value without parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub value: ScalarValue,
    /// The text as written, without quotes: `0.10` stays `0.10`.
    pub text: String,
    /// As messages may show it, where that differs from `text`: the name of an environment variable instead of its value.
    pub shown: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ScalarValue {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub name: String,
    pub place: Place,
}

impl Node {
    /// What it is, for messages: `a list`.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Unresolved => "unresolved",
            Kind::Scalar(scalar) => match scalar.value {
                ScalarValue::Null => "empty",
                ScalarValue::Boolean(_) => "true or false",
                ScalarValue::Integer(_) => "a whole number",
                ScalarValue::Double(_) => "a number",
                ScalarValue::Text => "text",
            },
        }
    }

    /// Calls `visit` with the path (`columns.2.type`) and the place of every key and value below this node.
    pub fn visit_places(&self, path: &str, visit: &mut impl FnMut(String, Place)) {
        let below = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
        match &self.kind {
            Kind::Scalar(_) | Kind::Unresolved => {}
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = below(&index.to_string());
                    visit(path.clone(), item.place);
                    item.visit_places(&path, visit);
                }
            }
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    let path = below(&key.name);
                    visit(path.clone(), value.place);
                    value.visit_places(&path, visit);
                }
            }
        }
    }
}
