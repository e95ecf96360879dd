//! Reads raw structs from a tree: values that keep their place, and mappings that keep their order.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::{Key, Kind, Node, Place, ScalarValue};

/// A value with the place where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    pub value: T,
    pub place: Place,
    /// As messages may show it: never the value of an environment variable.
    shown: Option<String>,
}

impl<T> Placed<T> {
    /// Tells that the text came from `${env:…}`, so that it must not be shown.
    pub fn is_secret(&self) -> bool {
        self.shown.is_some()
    }

    /// What messages may show instead of `value`.
    pub fn shown_or<'a>(&'a self, value: &'a str) -> &'a str {
        self.shown.as_deref().unwrap_or(value)
    }
}

impl Placed<String> {
    /// The text as messages may show it.
    pub fn shown(&self) -> &str {
        self.shown_or(&self.value)
    }
}

/// The name by which [`Placed`] asks the tree for a place; nothing else may bear it.
const PLACED: &str = "$placed";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(PLACED, PlacedVisitor(PhantomData))
    }
}

struct PlacedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PlacedVisitor<T> {
    type Value = Placed<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a node with a place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Placed<T>, A::Error> {
        let missing = || A::Error::custom("a node without a place");
        let line: usize = parts.next_element()?.ok_or_else(missing)?;
        let column: usize = parts.next_element()?.ok_or_else(missing)?;
        let shown: String = parts.next_element()?.ok_or_else(missing)?;
        let value = parts.next_element()?.ok_or_else(missing)?;
        Ok(Placed { value, place: Place { line, column }, shown: (!shown.is_empty()).then_some(shown) })
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A mapping with names of the user's choice, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T>(pub Vec<(Placed<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Entries_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

/// Reads a raw struct from a tree whose shape has been checked.
pub(crate) fn from_node<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, TreeError> {
    T::deserialize(node)
}

/// The tree and the raw struct disagree: the shape was not checked against this struct's schema.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TreeError(String);

impl serde::de::Error for TreeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> IntoDeserializer<'de, TreeError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> IntoDeserializer<'de, TreeError> for &'de Key {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = TreeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.kind {
            Kind::Unresolved => visitor.visit_unit(),
            Kind::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Kind::Mapping(entries) => {
                visitor.visit_map(MapDeserializer::new(entries.iter().map(|(key, value)| (key, value))))
            }
            Kind::Scalar(scalar) => match scalar.value {
                ScalarValue::Null => visitor.visit_unit(),
                ScalarValue::Boolean(value) => visitor.visit_bool(value),
                ScalarValue::Integer(value) => visitor.visit_i64(value),
                ScalarValue::Double(value) => visitor.visit_f64(value),
                ScalarValue::Text => visitor.visit_str(&scalar.text),
            },
        }
    }

    /// The text as written, of a number too.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.kind {
            Kind::Scalar(scalar) => visitor.visit_str(&scalar.text),
            Kind::List(_) | Kind::Mapping(_) | Kind::Unresolved => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        match &self.kind {
            Kind::Scalar(scalar) => visitor.visit_enum(StrDeserializer::<TreeError>::new(&scalar.text)),
            Kind::List(_) | Kind::Mapping(_) | Kind::Unresolved => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        if name != PLACED {
            return visitor.visit_newtype_struct(self);
        }
        let shown = match &self.kind {
            Kind::Scalar(scalar) => scalar.shown.as_deref().unwrap_or_default(),
            Kind::List(_) | Kind::Mapping(_) | Kind::Unresolved => "",
        };
        visitor.visit_seq(PlacedAccess { place: self.place, shown, value: Some(self), next: 0 })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl<'de> Deserializer<'de> for &'de Key {
    type Error = TreeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        visitor.visit_str(&self.name)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        if name != PLACED {
            return visitor.visit_newtype_struct(self);
        }
        visitor.visit_seq(PlacedAccess { place: self.place, shown: "", value: Some(self), next: 0 })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Hands a place out as a sequence: line, column, shown text, value.
struct PlacedAccess<'de, D> {
    place: Place,
    shown: &'de str,
    value: Option<D>,
    next: usize,
}

impl<'de, D: Deserializer<'de, Error = TreeError>> SeqAccess<'de> for PlacedAccess<'de, D> {
    type Error = TreeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, TreeError> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(self.place.line.into_deserializer()).map(Some),
            2 => seed.deserialize(self.place.column.into_deserializer()).map(Some),
            3 => seed.deserialize(self.shown.into_deserializer()).map(Some),
            _ => self.value.take().map(|value| seed.deserialize(value)).transpose(),
        }
    }
}
