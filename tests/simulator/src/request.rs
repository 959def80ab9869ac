//! Client requests. Their facts reach the filter through the host. The policy also gets them
//! natively, to compute the expected charges.

use crate::dice::Dice;
use crate::scenario::{PATHS, TIERS};
use limits::facts::{Facts, Value};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm;
use serde_json::{Value as Json, json};

/// A client's request.
#[derive(Debug, Clone)]
pub struct ClientRequest {
    /// Its method.
    pub method: &'static str,
    /// Its path, without the query.
    pub path: &'static str,
    /// The query parameter `size`, if any.
    pub size: Option<u64>,
    /// The verified user, if any.
    pub user: Option<u64>,
    /// The client's number, which determines its address.
    pub address: u64,
    /// The number in the cookie `session`, if any.
    pub session: Option<u64>,
    /// The header `x-model`, if any.
    pub model: Option<&'static str>,
    /// The header `x-cost`, if any.
    pub cost: Option<u64>,
    /// The header `content-length`, if any.
    pub bytes: Option<u64>,
}

/// The first user and address number of patient clients, who share them with nobody.
pub const PATIENT: u64 = 1_000;
/// The host of all requests.
const HOST: &str = "gateway";

impl ClientRequest {
    /// Creates a request from one of `payers` addresses, with or without one of `payers` users.
    pub fn random(dice: &mut Dice, payers: u64) -> Self {
        let path = if dice.chance(30) { "/free" } else { Self::path(dice) };
        let user = dice.chance(700).then(|| dice.in_range(1..=payers));
        let address = dice.in_range(1..=payers);
        Self { path, user, address, ..Self::details(dice, payers) }
    }

    /// Creates a request of patient client `number`, whose user and address nobody else has.
    pub fn patient(dice: &mut Dice, number: u64) -> Self {
        let number = PATIENT + number;
        let path = Self::path(dice);
        let user = dice.chance(500).then_some(number);
        Self { path, user, address: number, ..Self::details(dice, 1) }
    }

    fn details(dice: &mut Dice, payers: u64) -> Self {
        Self {
            method: dice.pick("GET", &["GET", "POST"]),
            path: "/",
            size: dice.chance(300).then(|| dice.pick(5, &[20])),
            user: None,
            address: 0,
            session: dice.chance(300).then(|| dice.in_range(1..=payers)),
            model: dice.chance(400).then(|| dice.pick("large", &["mini", "medium"])),
            cost: dice.chance(300).then(|| dice.in_range(1..=9)),
            bytes: dice.chance(300).then(|| dice.in_range(0..=4_000)),
        }
    }

    fn path(dice: &mut Dice) -> &'static str {
        let [first, others @ ..] = PATHS;
        dice.pick(first, &others)
    }

    /// Converts to the host's request.
    #[must_use]
    pub fn to_host_request(&self) -> vm::Request {
        let mut headers = Headers::of([
            (":method", self.method),
            (":path", self.target().as_str()),
            (":authority", HOST),
        ]);
        for name in ["x-model", "x-cost", "content-length", "cookie"] {
            if let Some(value) = self.header_text(name) {
                headers.add(name.as_bytes(), value.as_bytes());
            }
        }
        let mut request = vm::Request { headers, is_end: true, ..vm::Request::default() };
        request.properties.set(&["source", "address"], self.source());
        if let Some(claims) = self.claims() {
            let filter = "envoy.filters.http.jwt_authn";
            let path = ["metadata", "filter_metadata", filter, "jwt_payload"];
            request.properties.set_document(&path, &claims);
        }
        request
    }

    /// Returns the path with its query.
    fn target(&self) -> String {
        self.size.map_or_else(|| self.path.to_owned(), |size| format!("{}?size={size}", self.path))
    }

    /// Returns the text of a header, by its lowercase name.
    #[must_use]
    pub fn header_text(&self, name: &str) -> Option<String> {
        match name {
            "x-model" => self.model.map(str::to_owned),
            "x-cost" => self.cost.map(|cost| cost.to_string()),
            "content-length" => self.bytes.map(|bytes| bytes.to_string()),
            "cookie" => self.session.map(|session| format!("theme=dark; session=s-{session}")),
            _ => None,
        }
    }

    /// Returns the claims of the token. A user's claims never change.
    #[must_use]
    pub fn claims(&self) -> Option<Json> {
        let user = self.user?;
        let roles = if user.is_multiple_of(2) { json!(["dev", "admin"]) } else { json!(["dev"]) };
        Some(json!({
            "sub": user.to_string(),
            "tier": tier(user),
            "level": user % 5,
            "daily": 3 + user % 40,
            "roles": roles,
            "zone": if user.is_multiple_of(3) { "Asia/Kathmandu" } else { "Nowhere" },
            "day": user % 31 + 1,
        }))
    }

    /// Returns the address, without the port.
    #[must_use]
    pub fn ip(&self) -> String {
        format!("10.0.{}.{}", self.address / 250, self.address % 250 + 1)
    }

    fn source(&self) -> String {
        format!("{}:40000", self.ip())
    }
}

fn tier(user: u64) -> &'static str {
    let [free, pro, other] = TIERS;
    match user % 3 {
        0 => free,
        1 => pro,
        _ => other,
    }
}

impl Facts for ClientRequest {
    fn method(&self) -> Option<Vec<u8>> {
        Some(self.method.into())
    }

    fn path(&self) -> Option<Vec<u8>> {
        Some(self.target().into_bytes())
    }

    fn host(&self) -> Option<Vec<u8>> {
        Some(HOST.into())
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.header_text(name).map(String::into_bytes)
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        let claims = self.claims()?;
        let value = names.iter().try_fold(&claims, |value, name| value.get(name))?;
        value_of(value)
    }

    fn is_authenticated(&self) -> bool {
        self.user.is_some()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        Some(self.source().into())
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        None
    }

    fn route_metadata(&self, _: &[String]) -> Option<Value> {
        None
    }

    fn metadata(&self, _: &[String]) -> Option<Value> {
        None
    }
}

/// Converts a claim, as the filter decodes it from Envoy.
fn value_of(value: &Json) -> Option<Value> {
    match value {
        Json::Bool(is) => Some(Value::Bool(*is)),
        Json::Number(number) => number.as_f64().map(Value::Number),
        Json::String(text) => Some(Value::Text(text.clone().into_bytes())),
        Json::Array(items) => Some(Value::List(items.iter().filter_map(value_of).collect())),
        Json::Null | Json::Object(_) => None,
    }
}
