//! The policy document as it is written, before it is checked. Read by [`super::Policy`] only.

use crate::bounded::Bounded;
use crate::duration::Duration;
use crate::quota::{Limit, Period};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[expect(dead_code, reason = "it is checked by being read")]
    pub(super) version: Bounded<1, 1>,
    #[serde(default)]
    pub(super) salt: String,
    #[serde(default)]
    pub(super) shim: Shim,
    #[serde(default)]
    pub(super) jwt: Jwt,
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shim {
    pub(super) cluster: String,
    pub(super) timeout: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Jwt {
    pub(super) payload: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) jwt_claim: Option<String>,
    pub(super) client_ip: Option<ClientIp>,
    pub(super) header: Option<String>,
    pub(super) otherwise: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientIp {
    #[serde(default = "v4_whole")]
    pub(super) v4_prefix: Bounded<1, 32>,
    #[serde(default = "v6_network")]
    pub(super) v6_prefix: Bounded<1, 128>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bucket {
    pub(super) key: String,
    pub(super) limit: Option<LimitDocument>,
    pub(super) window: Option<Duration>,
    pub(super) per: Option<Period>,
    pub(super) time_zone: Option<String>,
    pub(super) rate: Option<Limit>,
    pub(super) every: Option<Duration>,
    pub(super) burst: Option<Limit>,
    #[serde(default)]
    pub(super) on_failure: super::OnFailure,
    #[serde(default)]
    pub(super) refund: Vec<super::Refund>,
    #[serde(default = "yes")]
    pub(super) enforce: bool,
}

/// `5`, or `{ by: …, values: …, otherwise: … }`.
#[derive(Debug)]
pub(super) enum LimitDocument {
    Fixed(Limit),
    Chosen(ChosenLimit),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChosenLimit {
    pub(super) by: By,
    pub(super) values: BTreeMap<String, Limit>,
    pub(super) otherwise: Limit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct By {
    pub(super) jwt_claim: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default, rename = "match")]
    pub(super) matching: Match,
    pub(super) charge: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Match {
    pub(super) paths: Option<Vec<String>>,
    pub(super) methods: Option<Vec<String>>,
    pub(super) authenticated: Option<bool>,
}

/// A map is read as a [`ChosenLimit`], anything else as a number, so that a mistake inside the
/// map keeps its place (an untagged enum would lose it).
impl<'de> Deserialize<'de> for LimitDocument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = LimitDocument;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number from 1 to 2^53, or { by, values, otherwise }")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<LimitDocument, A::Error> {
                ChosenLimit::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(LimitDocument::Chosen)
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<LimitDocument, E> {
                number(serde::de::value::U64Deserializer::new(value))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<LimitDocument, E> {
                number(serde::de::value::I64Deserializer::new(value))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<LimitDocument, E> {
                number(serde::de::value::F64Deserializer::new(value))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<LimitDocument, D::Error> {
    Limit::deserialize(deserializer).map(LimitDocument::Fixed)
}

impl Default for Shim {
    fn default() -> Self {
        Self { cluster: "tollgate".to_owned(), timeout: Duration::from_ms(50) }
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Self { payload: "jwt_payload".to_owned() }
    }
}

const fn v4_whole() -> Bounded<1, 32> {
    Bounded::clamped(32)
}

/// A provider hands a customer a /64: counting single IPv6 addresses would count nothing.
const fn v6_network() -> Bounded<1, 128> {
    Bounded::clamped(64)
}

const fn yes() -> bool {
    true
}
