//! A bucket's limit as written: `5`, or `{ by: …, values: …, otherwise: … }`.

use super::mapping::Mapping;
use super::source::{Names, Nothing, RequestSource};
use crate::quota;
use serde::de::value::{F64Deserializer, I64Deserializer, MapAccessDeserializer, U64Deserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A bucket's limit.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Limit {
    /// The same limit for every request.
    Fixed(quota::Limit),
    /// A limit looked up by a value of the request.
    Chosen(ChosenLimit),
}

/// A limit looked up by a value of the request.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct ChosenLimit {
    /// The source of the value.
    pub(in crate::policy) by: Mapping<By>,
    /// The limit for each value.
    pub(in crate::policy) values: BTreeMap<String, quota::Limit>,
    /// The limit if the value is missing or not listed.
    pub(in crate::policy) otherwise: quota::Limit,
}

/// The source of a value of the request. Exactly one field must be set.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct By {
    /// A claim of the token verified by jwt_authn.
    jwt_claim: Option<Names>,
    /// A request header. Clients can set it to anything, so use only headers set by a trusted
    /// proxy.
    header: Option<String>,
    /// The requested host, in lowercase and without its port.
    host: Option<Mapping<Nothing>>,
    /// The name of Envoy's route.
    route_name: Option<Mapping<Nothing>>,
    /// The metadata of Envoy's route: the namespace, then the path to the value.
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

/// Reads a map as a [`ChosenLimit`] and anything else as a number. An untagged enum would lose the
/// location of a mistake inside the map.
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
