//! A number as written: `5`, `unlimited`, `{ by: …, values: …, otherwise: … }` or `{ from: … }`. A
//! limit or a cost.

use super::mapping::Mapping;
use super::source::Source;
use crate::bounded::{Bounded, MAX_SAFE};
use serde::de::value::{F64Deserializer, I64Deserializer, MapAccessDeserializer, U64Deserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A number from 0 to 2^53.
pub(in crate::policy) type Number = Bounded<0, MAX_SAFE>;

/// A limit, or the cost of a request.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Amount {
    /// The same number for every request. A limit of 0 refuses every request.
    Fixed(Number),
    /// Counted, but never refused. Only in a limit.
    Unlimited(Unlimited),
    /// A number that depends on the request.
    Chosen(Box<Chosen>),
}

/// The word that lifts a limit.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub(in crate::policy) enum Unlimited {
    /// Counted, but never refused.
    Unlimited,
}

/// A number that depends on the request: looked up in a table (`by`, `values`, `otherwise`), or
/// read from the request (`from`, `min`, `max`, `otherwise`).
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Chosen {
    /// The source of the value that is looked up.
    pub(in crate::policy) by: Option<Mapping<Source>>,
    /// The number for each value, with `by`. Each can be a table of its own.
    pub(in crate::policy) values: Option<BTreeMap<String, Amount>>,
    /// The source of the number.
    pub(in crate::policy) from: Option<Mapping<Source>>,
    /// The divisor of the number, with `from`. A cost is rounded up, a limit down.
    pub(in crate::policy) divide_by: Option<Bounded<1, MAX_SAFE>>,
    /// The smallest number, with `from`. Defaults to 1.
    pub(in crate::policy) min: Option<Number>,
    /// The largest number, with `from`.
    pub(in crate::policy) max: Option<Number>,
    /// The number if the value is missing, is not listed, or is not a number.
    pub(in crate::policy) otherwise: Amount,
}

/// Reads a map as a [`Chosen`] and anything else as a number. An untagged enum would lose the
/// location of a mistake inside the map.
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a whole number from 0 to 2^53, unlimited, { by, values, otherwise } or { from, max, otherwise }",
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Amount, A::Error> {
        let chosen = Chosen::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Amount::Chosen(Box::new(chosen)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
        match text {
            "unlimited" => Ok(Amount::Unlimited(Unlimited::Unlimited)),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Amount, E> {
        fixed(U64Deserializer::new(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Amount, E> {
        fixed(I64Deserializer::new(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Amount, E> {
        fixed(F64Deserializer::new(value))
    }
}

fn fixed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    Number::deserialize(deserializer).map(Amount::Fixed)
}
