//! A bucket's limit as it is written: `5`, or `{ by: …, values: …, otherwise: … }`.

use super::mapping::Mapping;
use super::source::{Names, Nothing, RequestSource};
use crate::quota;
use serde::de::value::{F64Deserializer, I64Deserializer, MapAccessDeserializer, U64Deserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// How much a bucket allows.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Limit {
    /// The same for all.
    Fixed(quota::Limit),
    /// Chosen by a value of the request.
    Chosen(ChosenLimit),
}

/// A limit that a value of the request chooses.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct ChosenLimit {
    /// Where the value is found.
    pub(in crate::policy) by: Mapping<By>,
    /// The values, and their limits.
    pub(in crate::policy) values: BTreeMap<String, quota::Limit>,
    /// The limit for any other value, or none.
    pub(in crate::policy) otherwise: quota::Limit,
}

/// Where a value of the request is found: exactly one of these.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct By {
    /// A claim of the token that jwt_authn has verified.
    jwt_claim: Option<Names>,
    /// A request header. A client can write anything there: for what a trusted proxy sets.
    header: Option<String>,
    /// The host that the client asked for, in lower case and without its port.
    host: Option<Mapping<Nothing>>,
    /// The name of Envoy's route.
    route_name: Option<Mapping<Nothing>>,
    /// The metadata of Envoy's route: the namespace, and the names that lead to the value.
    route_metadata: Option<Vec<String>>,
}

impl By {
    pub(in crate::policy) const fn request(&self) -> RequestSource<'_> {
        RequestSource {
            jwt_claim: self.jwt_claim.as_ref(),
            header: self.header.as_ref(),
            host: self.host.as_ref(),
            route_name: self.route_name.as_ref(),
            route_metadata: self.route_metadata.as_ref(),
        }
    }
}

/// A map is read as a [`ChosenLimit`], anything else as a number, so that a mistake inside the
/// map keeps its place (an untagged enum would lose it).
impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 1 to 2^53, or { by, values, otherwise }")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Limit, A::Error> {
        ChosenLimit::deserialize(MapAccessDeserializer::new(map)).map(Limit::Chosen)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Limit, E> {
        fixed(U64Deserializer::new(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Limit, E> {
        fixed(I64Deserializer::new(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Limit, E> {
        fixed(F64Deserializer::new(value))
    }
}

fn fixed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
    quota::Limit::deserialize(deserializer).map(Limit::Fixed)
}
