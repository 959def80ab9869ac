//! The policy document as it is written, before it is checked: what people write, and what the JSON
//! Schema tells their editors. Read by [`super::Policy`] only.

mod limit;
mod mapping;
mod source;

use super::on_failure::OnFailure;
use crate::bounded::Bounded;
use crate::duration::Duration;
use crate::headers::Family;
use crate::quota::{self, Period};
pub(super) use limit::Limit;
pub(super) use mapping::Mapping;
use serde::Deserialize;
use serde_json::Value;
pub(super) use source::{Names, Nothing, RequestSource};
use std::collections::{BTreeMap, BTreeSet};

/// The most keys, buckets or rules of one policy.
pub(super) const MAX_ITEMS: usize = 1_000;
/// The fields that every policy has.
pub(super) const REQUIRED: [&str; 4] = ["version", "keys", "buckets", "rules"];

/// Who is charged what for which request: the policy of a Tollgate filter.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(title = "Tollgate policy", extend("required" = REQUIRED))
)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The language's version.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Bounded<1, 1>"))]
    #[expect(dead_code, reason = "it is checked by being read")]
    pub(super) version: Option<Bounded<1, 1>>,
    /// The key of the hash that counters are named by. Choose your own, and keep it: another salt
    /// starts all counts anew.
    #[serde(default)]
    pub(super) salt: String,
    /// Where the ledger is asked.
    #[serde(default)]
    pub(super) shim: Mapping<Shim>,
    /// Where the verified token's claims are.
    #[serde(default)]
    pub(super) jwt: Mapping<Jwt>,
    /// Which headers tell clients of the limits; none for `[]`. A refusal's `Retry-After` is always
    /// there.
    #[serde(default = "Family::all")]
    pub(super) response_headers: BTreeSet<Family>,
    /// Who can pay, by name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Key>"))]
    pub(super) keys: BTreeMap<String, Value>,
    /// The limits and quotas, by name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Bucket>"))]
    pub(super) buckets: BTreeMap<String, Value>,
    /// Which requests are charged what: the first that matches decides.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Rule>"))]
    pub(super) rules: Vec<Value>,
}

/// Where the ledger is asked.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shim {
    /// Envoy's cluster for the shim.
    pub(super) cluster: String,
    /// How long a request waits for it, at most 10s.
    pub(super) timeout: Duration,
}

/// Where the verified token's claims are.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Jwt {
    /// jwt_authn's `payload_in_metadata`.
    pub(super) payload: String,
}

/// Who pays: one source, or several keys together.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// A claim of the token that jwt_authn has verified.
    pub(super) jwt_claim: Option<Names>,
    /// The client's address, cut to a network.
    pub(super) client_ip: Option<Mapping<ClientIp>>,
    /// A request header. A client can write anything there: for what a trusted proxy sets.
    pub(super) header: Option<String>,
    /// The host that the client asked for, in lower case and without its port.
    pub(super) host: Option<Mapping<Nothing>>,
    /// The name of Envoy's route.
    pub(super) route_name: Option<Mapping<Nothing>>,
    /// The metadata of Envoy's route: the namespace, and the names that lead to the value.
    pub(super) route_metadata: Option<Vec<String>>,
    /// Other keys, which pay together: each combination of their values has counters of its own.
    pub(super) all: Option<Vec<String>>,
    /// The key that pays where this one has no value.
    pub(super) otherwise: Option<String>,
}

impl Key {
    pub(super) const fn request(&self) -> RequestSource<'_> {
        RequestSource {
            jwt_claim: self.jwt_claim.as_ref(),
            header: self.header.as_ref(),
            host: self.host.as_ref(),
            route_name: self.route_name.as_ref(),
            route_metadata: self.route_metadata.as_ref(),
        }
    }
}

/// The client's address, cut to a network.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ClientIp {
    /// How many leading bits of an IPv4 address count.
    #[serde(default = "v4_whole")]
    pub(super) v4_prefix: Bounded<1, 32>,
    /// How many leading bits of an IPv6 address count.
    #[serde(default = "v6_network")]
    pub(super) v6_prefix: Bounded<1, 128>,
}

/// A limit or quota. Exactly one of `window`, `per` and `rate` says how it counts.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Bucket {
    /// Who pays.
    pub(super) key: String,
    /// How much may be charged: with `window` or `per`.
    pub(super) limit: Option<Limit>,
    /// Sliding: at most `limit` in every interval of this length.
    pub(super) window: Option<Duration>,
    /// Calendar: at most `limit` in each of these.
    pub(super) per: Option<Period>,
    /// The IANA time zone of the calendar, UTC unless said: with `per`.
    pub(super) time_zone: Option<String>,
    /// Token bucket: how many flow in `every` so long.
    pub(super) rate: Option<quota::Limit>,
    /// The time in which `rate` flow in.
    pub(super) every: Option<Duration>,
    /// How many can be taken at once: with `rate`.
    pub(super) burst: Option<quota::Limit>,
    /// What happens when the ledger cannot answer.
    #[serde(default)]
    pub(super) on_failure: OnFailure,
    /// Outcomes that are free: the charge is given back.
    #[serde(default)]
    pub(super) refund: Vec<Refund>,
    /// `false` for a shadow: counted and reported, never refused.
    #[serde(default = "yes")]
    pub(super) enforce: bool,
}

/// An outcome, or a status from 100 to 599.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected success, client_error, server_error, cache_hit or a status from 100 to 599"
)]
pub(super) enum Refund {
    Outcome(Outcome),
    Status(Bounded<100, 599>),
}

/// An outcome of a request.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// 2xx and 3xx.
    Success,
    /// 4xx.
    ClientError,
    /// 5xx, an upstream that died included.
    ServerError,
    /// An answer from a cache: `X-Cache: HIT`.
    CacheHit,
}

/// Which requests, and what they are charged.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// What it is called in logs; its place in the list unless said.
    pub(super) name: Option<String>,
    /// Which requests: those that have all of this. Any, unless said.
    #[serde(default, rename = "match")]
    pub(super) matching: Mapping<Match>,
    /// The buckets, or none for an exemption.
    pub(super) charge: Vec<String>,
}

/// Which requests: those that have all of this.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Match {
    /// One of these paths; `*` is anything within a segment, `**` any number of segments.
    pub(super) paths: Option<Vec<String>>,
    /// One of these methods.
    pub(super) methods: Option<Vec<String>>,
    /// One of these hosts; `*.example.com` is any below it.
    pub(super) hosts: Option<Vec<String>>,
    /// All of these headers.
    pub(super) headers: BTreeMap<String, HeaderMatch>,
    /// This key, with a value of its own rather than one that it falls back on.
    pub(super) has_key: Option<String>,
    /// A verified token, or none.
    pub(super) authenticated: Option<bool>,
}

/// What a header must be: this very text, or a condition.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a text, { present: true or false } or { prefix: text }")]
pub(super) enum HeaderMatch {
    /// Exactly this.
    Exact(String),
    /// A condition.
    Condition(Mapping<HeaderCondition>),
}

/// A condition on a header: exactly one of these.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderCondition {
    /// Whether it is there.
    pub(super) present: Option<bool>,
    /// How it begins.
    pub(super) prefix: Option<String>,
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
