//! YAML text into a tree of nodes with places. The only module that knows serde_yaml.
//!
//! serde_yaml gives places in errors alone, so a scalar is captured by a visitor that stores it and then fails: the
//! error carries the place, the parser has moved past the scalar, and reading goes on. Mappings and lists take the place
//! of their key or of the first thing in them. So what is read is exactly what serde_yaml reads.

mod node;
mod placed;
mod shape;

pub(crate) use node::{Key, Kind, Node, Place, Scalar, ScalarValue};
pub(crate) use placed::{Entries, Placed, from_node};
pub(crate) use shape::check_shape;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor};

/// What is wrong with a document as YAML.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flaw {
    pub place: Option<Place>,
    pub message: String,
    pub hint: Option<String>,
}

/// Reads one document. The tree is `None` where the text is not YAML; keys that stand twice are flaws, and the first counts.
pub(crate) fn parse(text: &str) -> (Option<Node>, Vec<Flaw>) {
    let lines: Vec<&str> = text.lines().collect();
    let reading = Reading { lines: &lines, flaws: RefCell::default() };
    let mut slot = None;
    let result = Capture { slot: &mut slot, reading: &reading }.deserialize(serde_yaml::Deserializer::from_str(text));
    let root = match result {
        Ok(()) => slot,
        Err(error) if error.to_string().contains(CAPTURED) => {
            let place = place_of(&error);
            slot.map(|node| Node { place, ..node })
        }
        Err(error) => {
            reading.flaws.borrow_mut().push(syntax_flaw(&error, &lines));
            None
        }
    };
    (root, reading.flaws.into_inner())
}

/// The message of the error that carries a captured scalar's place.
const CAPTURED: &str = "\u{1}captured";

struct Reading<'text> {
    lines: &'text [&'text str],
    flaws: RefCell<Vec<Flaw>>,
}

impl Reading<'_> {
    fn flaw(&self, place: Place, message: String, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.flaws.borrow_mut().push(Flaw { place: Some(place), message, hint });
    }

    /// The plain word at a place: a number, `true`. Empty where something else stands there (an anchor, a tag).
    fn word_at(&self, place: Place) -> String {
        // Looking so far into a line for each of its numbers would take long.
        const FARTHEST_COLUMN: usize = 10_000;
        if place.column > FARTHEST_COLUMN {
            return String::new();
        }
        let line = self.lines.get(place.line.saturating_sub(1)).copied().unwrap_or_default();
        let is_part = |character: &char| character.is_ascii_alphanumeric() || "+-._~".contains(*character);
        line.chars().skip(place.column.saturating_sub(1)).take_while(is_part).collect()
    }

    /// Puts the place, and for numbers the text as written, into a captured node.
    fn settle(&self, mut node: Node, error: &impl fmt::Display) -> Node {
        node.place = place_of(error);
        if let Kind::Scalar(scalar) = &mut node.kind
            && scalar.value != ScalarValue::Text
        {
            let word = self.word_at(node.place);
            if !word.is_empty() {
                scalar.text = word;
            }
        }
        node
    }
}

/// The place at the end of a serde_yaml error's text; inside a visitor the error's type is not known, so its text it is.
fn place_of(error: &impl fmt::Display) -> Place {
    let text = error.to_string();
    let place = text.rsplit_once(" at line ").and_then(|(_, place)| {
        let (line, column) = place.split_once(" column ")?;
        Some(Place { line: line.parse().ok()?, column: column.parse().ok()? })
    });
    // serde_yaml leaves the very first place out.
    place.unwrap_or(Place::START)
}

fn syntax_flaw(error: &serde_yaml::Error, lines: &[&str]) -> Flaw {
    let place = error.location().map(|location| Place { line: location.line(), column: location.column() });
    let text = error.to_string();
    let message = match text.as_str() {
        "EOF while parsing a value" => "the file is empty".to_owned(),
        text if text.contains("more than one document") => "the file holds more than one YAML document".to_owned(),
        text => {
            let here = place.map(|place| format!(" at line {} column {}", place.line, place.column));
            format!("not valid YAML: {}", here.map_or(text.to_owned(), |here| text.replacen(&here, "", 1)))
        }
    };
    let near = |line: usize| lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
    let hint = place.and_then(|place| {
        let (before, here) = (near(place.line.saturating_sub(1)), near(place.line));
        if [before, here].iter().any(|line| line.trim_start_matches(' ').starts_with('\t')) {
            Some("indent with spaces, not with tabs".to_owned())
        } else if [before, here].iter().any(|line| line.contains("${")) {
            Some("inside `{…}` or `[…]`, put a text that holds `${…}` in double quotes".to_owned())
        } else if message.contains("scanning an alias") || message.contains("scanning an anchor") {
            Some("put a text that begins with `*` or `&` in quotes".to_owned())
        } else if message.contains("mapping values are not allowed") {
            Some("put a text that holds `: ` in quotes; check the indentation".to_owned())
        } else {
            None
        }
    });
    Flaw { place, message, hint }
}

/// Reads any value into a slot. A scalar ends with an error on purpose; see the module's doc.
struct Capture<'slot, 'text> {
    slot: &'slot mut Option<Node>,
    reading: &'slot Reading<'text>,
}

impl Capture<'_, '_> {
    fn scalar<E: serde::de::Error>(self, value: ScalarValue, text: String) -> Result<(), E> {
        let kind = Kind::Scalar(Scalar { value, text, shown: None });
        *self.slot = Some(Node { place: Place::START, kind });
        Err(E::custom(CAPTURED))
    }
}

impl<'de> DeserializeSeed<'de> for Capture<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Capture<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(ScalarValue::Boolean(value), value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(ScalarValue::Integer(value), value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.scalar(ScalarValue::Text, value.to_string()),
        }
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        self.scalar(ScalarValue::Text, value.to_string())
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<(), E> {
        self.scalar(ScalarValue::Text, value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.scalar(ScalarValue::Double(value), value.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.scalar(ScalarValue::Text, value.to_owned())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(ScalarValue::Null, String::new())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        loop {
            let mut slot = None;
            let read = sequence.next_element_seed(Capture { slot: &mut slot, reading: self.reading });
            match (read, slot) {
                (Ok(None), _) => break,
                (Ok(Some(())), Some(node)) => items.push(node),
                (Err(error), Some(node)) => items.push(self.reading.settle(node, &error)),
                (Ok(Some(())), None) => return Err(A::Error::custom("a list item could not be read")),
                (Err(error), None) => return Err(error),
            }
        }
        let place = items.first().map_or(Place::START, |item| item.place);
        *self.slot = Some(Node { place, kind: Kind::List(items) });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut line_of_key: HashMap<String, usize> = HashMap::new();
        loop {
            let mut slot = None;
            let read = map.next_key_seed(Capture { slot: &mut slot, reading: self.reading });
            let key = match (read, slot) {
                (Ok(None), _) => break,
                (Ok(Some(())), Some(node)) => node,
                (Err(error), Some(node)) => self.reading.settle(node, &error),
                (Ok(Some(())), None) => return Err(A::Error::custom("a key could not be read")),
                (Err(error), None) => return Err(error),
            };
            let mut slot = None;
            let read = map.next_value_seed(Capture { slot: &mut slot, reading: self.reading });
            let mut value = match (read, slot) {
                (Ok(()), Some(node)) => node,
                (Err(error), Some(node)) => self.reading.settle(node, &error),
                (Ok(()), None) => return Err(A::Error::custom("a value could not be read")),
                (Err(error), None) => return Err(error),
            };
            let Kind::Scalar(scalar) = key.kind else {
                self.reading.flaw(key.place, "a key is a list or a mapping, expected text".to_owned(), "quote it");
                continue;
            };
            let key = Key { name: scalar.text, place: key.place };
            // An empty value has no place of its own, and a mapping is best found by its key.
            if !matches!(&value.kind, Kind::Scalar(scalar) if scalar.value != ScalarValue::Null) {
                value.place = key.place;
            }
            match line_of_key.get(&key.name) {
                Some(line) => {
                    let message = format!("the key `{}` stands here for the second time", key.name);
                    self.reading.flaw(key.place, message, &format!("it stands in line {} already", line));
                }
                None => {
                    line_of_key.insert(key.name.clone(), key.place.line);
                    entries.push((key, value));
                }
            }
        }
        let place = entries.first().map_or(Place::START, |(key, _)| key.place);
        *self.slot = Some(Node { place, kind: Kind::Mapping(entries) });
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant::<String>()?;
        let mut slot = None;
        let read = value.newtype_variant_seed(Capture { slot: &mut slot, reading: self.reading });
        let place = match (&read, &slot) {
            (Err(error), Some(_)) => place_of(error),
            (_, Some(node)) => node.place,
            (_, None) => Place::START,
        };
        if slot.is_some() {
            let message = format!("the tag `!{}` has no meaning here", tag.trim_start_matches('!'));
            self.reading.flaw(place, message, "remove it, or quote the text");
        }
        *self.slot = slot;
        read
    }
}
