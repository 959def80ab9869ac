//! The format of a recipe's file.

use crate::time;
use limits::path::NormalPath;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A wish, the policy that grants it, and requests that show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The file's name without the extension.
    #[serde(skip)]
    pub name: String,
    /// The wish: a phrase for the table in the book.
    pub wish: String,
    /// The part of the table that it belongs to.
    pub area: Area,
    /// The policy, without `salt` and `shim`, which the runner sets.
    pub policy: Map<String, Value>,
    /// The part of the file that says keys, buckets and rules.
    #[serde(skip)]
    pub policy_text: String,
    /// The gateway's routes: the first whose prefix fits. Without any, routes have no name and no
    /// metadata.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The time at which a native run begins. Envoy has its own.
    #[serde(default = "noon", deserialize_with = "time::time_ms")]
    pub start: u64,
    /// Set if the recipe cannot run through Envoy: the reason.
    #[serde(default)]
    pub only_native: Option<String>,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// A part of the book's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are the headings of the table")]
pub enum Area {
    #[default]
    Matches,
    Keys,
    Limits,
    Costs,
    Periods,
    Rules,
    Refusals,
    Blocks,
    Paths,
    Failures,
}

impl Area {
    /// All areas, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Matches,
        Self::Keys,
        Self::Limits,
        Self::Costs,
        Self::Periods,
        Self::Rules,
        Self::Refusals,
        Self::Blocks,
        Self::Paths,
        Self::Failures,
    ];
}

/// One of the gateway's routes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The beginning of the paths that it serves.
    pub prefix: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its metadata: namespace → document.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What happens, then what is expected of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The time that passes first. From the first step on that lets more than 3 s pass, a recipe
    /// only runs natively.
    #[serde(default, deserialize_with = "time::duration")]
    pub after: Option<Duration>,
    /// Takes the ledger away, or brings it back.
    #[serde(default)]
    pub ledger: Option<LedgerState>,
    /// Tops up balances of the request's payer before it is sent: bucket → amount.
    #[serde(default)]
    pub top_up: BTreeMap<String, u64>,
    /// The request.
    #[serde(default)]
    pub send: Send,
    /// The expected outcome.
    #[serde(default)]
    pub expect: Expect,
}

/// The state of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerState {
    /// It answers.
    Up,
    /// It does not answer.
    Down,
}

/// A request, and the upstream's response to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The host, as sent.
    pub host: String,
    /// The headers. Those of gRPC (`content-type: application/grpc`) are sent over HTTP/2.
    pub headers: BTreeMap<String, OneOrMany>,
    /// The client's address.
    pub client: IpAddr,
    /// The claims of the token; without them, no token is sent.
    pub claims: Option<Map<String, Value>>,
    /// The name under which jwt_authn stores the claims (`payload_in_metadata`).
    pub payload: String,
    /// Dynamic metadata of other filters: namespace → document.
    pub metadata: Map<String, Value>,
    /// The length of the body, which also sets `content-length`.
    pub body_bytes: Option<u64>,
    /// The number of times it is sent. Each time, the status, the rule and the charges must be as
    /// expected. The rest must be so the last time.
    pub times: u32,
    /// The upstream's response.
    pub upstream: Upstream,
}

/// A header's value, or several headers of one name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The upstream's response.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
}

/// The expected outcome. What is absent is not checked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The status that the client gets.
    pub status: Option<u16>,
    /// The name of the rule, or its index; `none` if no rule matches.
    pub rule: Option<String>,
    /// All charges: bucket → cost.
    pub charges: Option<BTreeMap<String, u64>>,
    /// The limits of these buckets, for this request.
    pub limits: BTreeMap<String, u64>,
    /// The amounts left in these buckets, by the header `RateLimit`.
    pub left: BTreeMap<String, u64>,
    /// The headers that the client gets; `null` if a header must be absent.
    pub headers: BTreeMap<String, Option<Header>>,
    /// A part of the body.
    pub body: Option<String>,
    /// A part of the gateway's log line.
    pub log: Option<String>,
}

/// The expected value of a header.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Header {
    /// The whole value.
    Number(i64),
    /// The whole value.
    Text(String),
    /// A part of the value.
    Contains {
        /// The part.
        contains: String,
    },
    /// A number within bounds, both inclusive.
    Between {
        /// The bounds.
        between: [i64; 2],
    },
}

impl Recipe {
    /// Returns the whole policy. Its salt is the recipe's name, so recipes can share a ledger.
    #[must_use]
    pub fn policy(&self) -> Value {
        let mut policy = self.policy.clone();
        policy.insert("salt".to_owned(), self.name.clone().into());
        policy.insert("shim".to_owned(), serde_json::json!({ "timeout": "10s" }));
        Value::Object(policy)
    }

    /// Returns the route of a request.
    #[must_use]
    pub fn route(&self, send: &Send) -> Option<&Route> {
        // Envoy normalizes the path before it selects the route, but leaves an odd one as it is.
        let path = NormalPath::parse(send.path.as_bytes());
        let path = path.map_or_else(|_| send.path.clone(), |path| path.to_string());
        self.routes.iter().find(|route| path.starts_with(&route.prefix))
    }
}

/// A recipe without a policy and without requests.
impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "unnamed".to_owned(),
            wish: String::new(),
            area: Area::default(),
            policy: Map::new(),
            policy_text: String::new(),
            routes: Vec::new(),
            start: noon(),
            only_native: None,
            steps: Vec::new(),
        }
    }
}

impl Send {
    /// Returns the token's claims: those of the recipe, with an issuer.
    #[must_use]
    pub fn claims(&self) -> Option<Map<String, Value>> {
        let mut claims = self.claims.clone()?;
        claims.entry("iss").or_insert_with(|| "https://issuer.example".into());
        Some(claims)
    }

    /// Returns a header's values, joined by commas. `name` is lowercase.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let mut headers = self.headers.iter();
        let (_, values) = headers.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(values.values().join(","))
    }

    /// Returns true if this is a gRPC request, by Envoy's rule.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        let content_type = self.header("content-type");
        content_type.is_some_and(|value| limits::grpc::is_grpc(value.as_bytes()))
    }
}

/// The name under which the shipped configuration stores the claims.
const PAYLOAD: &str = "jwt_payload";

impl Default for Send {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "example.com".to_owned(),
            headers: BTreeMap::new(),
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            claims: None,
            payload: PAYLOAD.to_owned(),
            metadata: Map::new(),
            body_bytes: None,
            times: 1,
            upstream: Upstream::default(),
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new() }
    }
}

impl OneOrMany {
    /// Returns the values.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// Noon on a Monday in the middle of a year, far from the end of any period.
const fn noon() -> u64 {
    1_781_524_800_000
}
