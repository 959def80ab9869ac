//! The policy document as written, before it is checked. The JSON Schema is generated from it. Used
//! only by [`super::Policy`].

mod amount;
mod block;
mod calendar;
mod charge;
mod condition;
mod jwt;
mod mapping;
mod on_failure;
mod refusal;
mod source;
mod tiers;

use super::on_error::OnError;
use super::spelling::{EncodedSlash, OnUndecodable};
use crate::bounded::Bounded;
use crate::duration::Duration;
use crate::headers::{Family, Reset, UpstreamHeaders};
use crate::quota::{self, Period};
pub(super) use amount::{Amount, Chosen};
pub(super) use block::Block;
pub(super) use calendar::{Day, Setting};
pub(super) use charge::Charge;
pub(super) use condition::{Condition, ConditionFields, ConditionNumber, Scalar};
pub(super) use jwt::Jwt;
pub(super) use mapping::Mapping;
pub(super) use on_failure::OnFailure;
pub(super) use refusal::{Body, Refusal};
use serde::Deserialize;
use serde_json::Value;
pub(super) use source::Source;
use source::{Names, Nothing};
use std::collections::{BTreeMap, BTreeSet};
pub(super) use tiers::{CountingFields, Tiers};

/// The most keys, buckets or rules of one policy.
pub(super) const MAX_ITEMS: usize = 1_000;
/// The required fields of a policy.
pub(super) const REQUIRED: [&str; 4] = ["version", "keys", "buckets", "rules"];

/// The policy of a Tollgate filter: which requests are charged, how much, and who pays.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(title = "Tollgate policy", extend("required" = REQUIRED))
)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The version of the policy language.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Bounded<1, 1>"))]
    #[expect(dead_code, reason = "deserializing it checks it")]
    pub(super) version: Option<Bounded<1, 1>>,
    /// The key of the hash that counter names are derived from. Choose your own and keep it:
    /// changing it resets all counters.
    #[serde(default)]
    pub(super) salt: String,
    /// Access to the ledger.
    #[serde(default)]
    pub(super) shim: Mapping<Shim>,
    /// The location of the verified token's claims.
    #[serde(default)]
    pub(super) jwt: Mapping<Jwt>,
    /// The rate limit headers sent to clients; `[]` for none. `Retry-After` is always sent with a
    /// refusal.
    #[serde(default = "Family::all")]
    pub(super) response_headers: BTreeSet<Family>,
    /// The form of `X-RateLimit-Reset`.
    #[serde(default)]
    pub(super) x_ratelimit_reset: Reset,
    /// The rate limit headers of a response whose upstream sends its own.
    #[serde(default)]
    pub(super) upstream_headers: UpstreamHeaders,
    /// True if each decision is stored in Envoy's filter state, from which the access log takes it
    /// (`%FILTER_STATE(wasm.tollgate:PLAIN)%`). False saves the time if no log shows it.
    #[serde(default = "yes")]
    pub(super) filter_state: bool,
    /// Networks, by name, for the `client` of rules. Each is a CIDR such as 10.0.0.0/8 or
    /// 2001:db8::/32, or a single address. At most 20,000 in all.
    #[serde(default)]
    pub(super) networks: BTreeMap<String, Vec<String>>,
    /// The keys, which define who pays, by name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Key>"))]
    pub(super) keys: BTreeMap<String, Value>,
    /// The limits and quotas, by name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Bucket>"))]
    pub(super) buckets: BTreeMap<String, Value>,
    /// The treatment of paths with an escaped slash or backslash, for the exemptions and for rules
    /// that do not say otherwise.
    #[serde(default)]
    pub(super) encoded_slash: EncodedSlash,
    /// The treatment of paths with undecodable bytes, for the exemptions and for rules that do not
    /// say otherwise.
    #[serde(default)]
    pub(super) undecodable: OnUndecodable,
    /// The requests that are charged nothing, whatever the rules say: conditions, one of which must
    /// match.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Match>"))]
    pub(super) exempt: Vec<Value>,
    /// The rules, which define what is charged. The first one that matches decides, in addition to
    /// those before it with `continue`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Rule>"))]
    pub(super) rules: Vec<Value>,
}

/// Access to the ledger.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shim {
    /// The Envoy cluster of the shim.
    pub(super) cluster: String,
    /// The host named in calls to the shim (`:authority`).
    pub(super) authority: String,
    /// The time that a request waits for the ledger, at most 10s.
    pub(super) timeout: Duration,
}

// The fields of `Source` are repeated here: in a flattened struct, serde loses a mistake's location.
/// The payer: one source, or a combination of other keys.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// A claim of the token verified by jwt_authn. A list is one value: sorted, without duplicates.
    jwt_claim: Option<Names>,
    /// The client's address, cut to a network.
    pub(super) client_ip: Option<Mapping<ClientIp>>,
    /// A request header. Clients can set it to anything, so use only headers set by a trusted
    /// proxy.
    header: Option<String>,
    /// A parameter of the query, decoded. The first one of this name counts. Clients can set it to
    /// anything.
    query: Option<String>,
    /// A cookie. The first one of this name counts. Clients can set it to anything.
    cookie: Option<String>,
    /// The requested host, in lowercase and without its port.
    host: Option<Mapping<Nothing>>,
    /// The path in its normal form, without the query.
    path: Option<Mapping<Nothing>>,
    /// The method, as sent.
    method: Option<Mapping<Nothing>>,
    /// The name of Envoy's route.
    route_name: Option<Mapping<Nothing>>,
    /// The metadata of Envoy's route: the namespace, then the path to the value.
    route_metadata: Option<Vec<String>>,
    /// The dynamic metadata that another filter of Envoy stored: the namespace, then the path to
    /// the value.
    metadata: Option<Vec<String>>,
    /// A text of your choice: all requests pay together.
    pub(super) constant: Option<String>,
    /// Other keys to combine. Each combination of their values has its own counters.
    pub(super) all: Option<Vec<String>>,
    /// The key that pays if this one has no value.
    pub(super) otherwise: Option<String>,
    /// `true` shows the key's value in the access log and in the log of denials. It can be personal
    /// data.
    #[serde(default)]
    pub(super) log_key: bool,
}

impl Key {
    /// Returns the fields that limits and costs can have too.
    pub(super) fn source(&self) -> Source {
        Source {
            jwt_claim: self.jwt_claim.clone(),
            header: self.header.clone(),
            query: self.query.clone(),
            cookie: self.cookie.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            method: self.method.clone(),
            route_name: self.route_name.clone(),
            route_metadata: self.route_metadata.clone(),
            metadata: self.metadata.clone(),
            content_length: None,
        }
    }
}

/// The client's address, cut to a network.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ClientIp {
    /// The number of leading bits of an IPv4 address that identify a client.
    #[serde(default = "v4_whole")]
    pub(super) v4_prefix: Bounded<1, 32>,
    /// The number of leading bits of an IPv6 address that identify a client.
    #[serde(default = "v6_network")]
    pub(super) v6_prefix: Bounded<1, 128>,
}

/// A limit or quota. Exactly one of `window`, `per`, `rate` and `balance` selects the algorithm.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Bucket {
    /// The name of the key that pays.
    pub(super) key: String,
    /// The limit, with `window` or `per`.
    pub(super) limit: Option<Amount>,
    /// Sliding window: at most `limit` in every interval of this length.
    pub(super) window: Option<Duration>,
    /// Calendar quota: at most `limit` in each period.
    pub(super) per: Option<Period>,
    /// The IANA time zone of the calendar, with `per`. Defaults to UTC.
    pub(super) time_zone: Option<Setting<String>>,
    /// The day on which the period begins, with `per`: a day of the week, a day of the month (a
    /// shorter month uses its last day), or the month and day of a year (`04-06`). Defaults to
    /// Monday, the 1st, and 1 January.
    pub(super) anchor: Option<Setting<Day>>,
    /// Token bucket: the number of tokens that flow in per `every`.
    pub(super) rate: Option<quota::Limit>,
    /// The time in which `rate` tokens flow in.
    pub(super) every: Option<Duration>,
    /// The most tokens that can be spent at once, with `rate`.
    pub(super) burst: Option<quota::Limit>,
    /// Prepaid balance: the amount that everyone starts with, 0 for nothing. It never resets.
    /// Operators top it up with `tollgate counters top-up`.
    pub(super) balance: Option<Amount>,
    /// Requests that are counted in another way.
    pub(super) tiers: Option<Mapping<Tiers>>,
    /// The behavior when the ledger cannot answer. Defaults to `local`, or to `deny` for a balance,
    /// which only the ledger knows.
    pub(super) on_failure: Option<OnFailure>,
    /// Outcomes for which the charge is given back.
    #[serde(default)]
    pub(super) refund: Vec<Refund>,
    /// `false` for a shadow bucket, which is counted and reported but never refuses a request.
    #[serde(default = "yes")]
    pub(super) enforce: bool,
    /// The block for keys that this bucket refuses again and again.
    pub(super) block: Option<Mapping<Block>>,
    /// `false` for a bucket that clients do not learn of: no header and no refusal names it.
    #[serde(default = "yes")]
    pub(super) visible: bool,
    /// The most, up to 1h, that is added to the wait that a refusal names, with `per`. Each counter
    /// adds its own part, so that clients do not all return when the period ends.
    pub(super) jitter: Option<Duration>,
    /// The form of the bucket's refusals.
    pub(super) refusal: Option<Mapping<Refusal>>,
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
    /// 2xx and 3xx. A gRPC response counts by the HTTP status that its `grpc-status` stands for.
    Success,
    /// 4xx.
    ClientError,
    /// 5xx, including an upstream that failed.
    ServerError,
    /// A response from a cache: `X-Cache: HIT`.
    CacheHit,
}

/// The requests that match, and the buckets they are charged to.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// The rule's name in logs. Defaults to its index.
    pub(super) name: Option<String>,
    /// The conditions for a match, all of which must hold. By default, every request matches.
    #[serde(default, rename = "match")]
    pub(super) matching: Mapping<Match>,
    /// The buckets to charge; `[]` for an exemption.
    pub(super) charge: Vec<Charge>,
    /// `true` to look at the rules that follow too: this rule charges in addition to them. Costs of
    /// the same bucket add up.
    #[serde(default, rename = "continue")]
    pub(super) continues: bool,
    /// The treatment of paths with an escaped slash or backslash. Defaults to the policy's.
    pub(super) encoded_slash: Option<EncodedSlash>,
    /// The treatment of paths with undecodable bytes. Defaults to the policy's.
    pub(super) undecodable: Option<OnUndecodable>,
}

/// Conditions on a request, all of which must hold.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Match {
    /// Path patterns, one of which must match. `*` matches within a segment, `**` any number of
    /// segments.
    pub(super) paths: Option<Vec<String>>,
    /// Methods, one of which must match.
    pub(super) methods: Option<Vec<String>>,
    /// Hosts, one of which must match. `*.example.com` matches any subdomain.
    pub(super) hosts: Option<Vec<String>>,
    /// Networks, one of which must contain the client's address: names of `networks`, or CIDRs.
    pub(super) client: Option<Vec<String>>,
    /// Conditions on headers, by name. The values of a repeated header are joined by commas.
    pub(super) headers: BTreeMap<String, Condition>,
    /// Conditions on parameters of the query, decoded, by name. The first one of a name counts.
    pub(super) query: BTreeMap<String, Condition>,
    /// Conditions on cookies, by name. The first one of a name counts.
    pub(super) cookies: BTreeMap<String, Condition>,
    /// Conditions on claims of the token verified by jwt_authn, by name. A name that begins with a
    /// slash is a JSON pointer to a nested claim. A list matches if one of its items does.
    pub(super) claims: BTreeMap<String, Condition>,
    /// Conditions on the values of keys, by name, without their fallbacks.
    pub(super) keys: BTreeMap<String, Condition>,
    /// A key that must have a value itself, rather than fall back on another key.
    pub(super) has_key: Option<String>,
    /// `true` requires a verified token; `false` requires its absence.
    pub(super) authenticated: Option<bool>,
    /// An expression in CEL that must be true, such as `claims.level >= 3`.
    pub(super) when: Option<String>,
    /// The behavior if `when` cannot be evaluated. Defaults to `skip`.
    pub(super) on_error: Option<OnError>,
    /// Alternatives, one of which must match.
    pub(super) any: Option<Vec<Mapping<Match>>>,
    /// Conditions that must not all hold.
    pub(super) not: Option<Box<Mapping<Match>>>,
}

impl Match {
    /// Returns true if there are no conditions, so any request matches.
    pub(super) fn is_empty(&self) -> bool {
        let Self { paths, methods, hosts, client, has_key, authenticated, any, not, when, .. } =
            self;
        let lists = [paths, methods, hosts, client];
        let values = [&self.headers, &self.query, &self.cookies, &self.claims, &self.keys];
        lists.iter().all(|list| list.is_none())
            && values.iter().all(|values| values.is_empty())
            && (has_key.is_none() && authenticated.is_none() && any.is_none() && not.is_none())
            && when.is_none()
    }
}

impl Bucket {
    pub(super) fn counting(&self) -> CountingFields<'_> {
        CountingFields {
            limit: self.limit.as_ref(),
            window: self.window,
            per: self.per,
            time_zone: self.time_zone.as_ref(),
            anchor: self.anchor.as_ref(),
            rate: self.rate,
            every: self.every,
            burst: self.burst,
            balance: self.balance.as_ref(),
            selectors: "window (sliding), per (calendar), rate (token bucket), balance (prepaid)",
        }
    }
}

impl Default for Shim {
    fn default() -> Self {
        let name = "tollgate".to_owned();
        Self { cluster: name.clone(), authority: name, timeout: Duration::from_ms(50) }
    }
}

const fn v4_whole() -> Bounded<1, 32> {
    Bounded::clamped(32)
}

/// Customers usually get a whole /64, so limits on single IPv6 addresses would be ineffective.
const fn v6_network() -> Bounded<1, 128> {
    Bounded::clamped(64)
}

const fn yes() -> bool {
    true
}
