//! A charge as written: `ai`, or `{ bucket: ai, cost: 5 }`.

use super::amount::Amount;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

/// A bucket to charge: its name for a cost of 1, or a mapping.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Charge {
    /// The bucket's name. The cost is 1.
    Bucket(String),
    /// A bucket and a cost.
    Priced(PricedCharge),
}

/// A bucket and the cost charged to it.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct PricedCharge {
    /// The bucket's name.
    pub(in crate::policy) bucket: String,
    /// The cost. A request that costs 0 is not charged to this bucket, and cannot be refused by it.
    /// Defaults to 1.
    pub(in crate::policy) cost: Option<Amount>,
}

impl Charge {
    /// Returns the name of the bucket.
    pub(in crate::policy) fn bucket(&self) -> &str {
        match self {
            Self::Bucket(name) => name,
            Self::Priced(charge) => &charge.bucket,
        }
    }

    /// Returns the cost, if one is given.
    pub(in crate::policy) const fn cost(&self) -> Option<&Amount> {
        match self {
            Self::Bucket(_) => None,
            Self::Priced(charge) => charge.cost.as_ref(),
        }
    }
}

/// Reads a string as a name and a map as a [`PricedCharge`], with the locations of its mistakes.
impl<'de> Deserialize<'de> for Charge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Charge;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bucket's name, or { bucket, cost }")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Charge, A::Error> {
        PricedCharge::deserialize(MapAccessDeserializer::new(map)).map(Charge::Priced)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Charge, E> {
        Ok(Charge::Bucket(name.to_owned()))
    }
}
