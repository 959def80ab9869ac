//! A calendar's time zone and anchor as written: a value, or `{ from: …, otherwise: … }`.

use super::mapping::Mapping;
use super::source::Source;
use crate::bounded::Bounded;
use serde::de::value::{
    F64Deserializer, I64Deserializer, MapAccessDeserializer, StrDeserializer, U64Deserializer,
};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A value that is the same for every request, or is taken from the request.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Setting<T> {
    /// The same value for every request.
    Fixed(T),
    /// A value taken from the request.
    From(Taken<T>),
}

/// A value taken from the request.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Taken<T> {
    /// The source of the value. A client who can choose the value can begin new periods early, so
    /// use only sources that clients cannot change.
    pub(in crate::policy) from: Mapping<Source>,
    /// The value if the request has none, or an invalid one.
    pub(in crate::policy) otherwise: T,
}

/// The day on which a week, month or year begins: `friday`, `31` or `04-06`.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected a day of the week, a day from 1 to 31, or a month and a day such as 04-06"
)]
pub(in crate::policy) enum Day {
    /// A day of the month. A shorter month uses its last day.
    OfMonth(Bounded<1, 31>),
    /// A day of the week, or a month and a day.
    Named(String),
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfMonth(day) => day.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Reads a map as [`Taken`] and anything else as a value. An untagged enum would lose the location
/// of a mistake inside the map.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = Setting<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or { from, otherwise }")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Setting<T>, A::Error> {
        Taken::deserialize(MapAccessDeserializer::new(map)).map(Setting::From)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Setting<T>, E> {
        T::deserialize(StrDeserializer::new(value)).map(Setting::Fixed)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Setting<T>, E> {
        T::deserialize(U64Deserializer::new(value)).map(Setting::Fixed)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Setting<T>, E> {
        T::deserialize(I64Deserializer::new(value)).map(Setting::Fixed)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Setting<T>, E> {
        T::deserialize(F64Deserializer::new(value)).map(Setting::Fixed)
    }
}
