//! Client requests. Their facts reach the filter through the host. The policy also gets them
//! natively, to compute the expected charges.

use crate::dice::Dice;
use crate::scenario::{PATHS, TIERS};
use limits::facts::{Facts, Value};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm;
use serde_json::json;

/// A client's request.
#[derive(Debug, Clone)]
pub struct ClientRequest {
    /// Its path.
    pub path: &'static str,
    /// The verified user, if any.
    pub user: Option<u64>,
    /// The client's number, which determines its address.
    pub address: u64,
}

/// The first user and address number of patient clients, who share them with nobody.
pub const PATIENT: u64 = 1_000;

impl ClientRequest {
    /// Creates a request from one of `payers` addresses, with or without one of `payers` users.
    pub fn random(dice: &mut Dice, payers: u64) -> Self {
        let path = if dice.chance(30) { "/free" } else { Self::path(dice) };
        let user = dice.chance(700).then(|| dice.in_range(1..=payers));
        Self { path, user, address: dice.in_range(1..=payers) }
    }

    /// Creates a request of patient client `number`, whose user and address nobody else has.
    pub fn patient(dice: &mut Dice, number: u64) -> Self {
        let number = PATIENT + number;
        Self { path: Self::path(dice), user: dice.chance(500).then_some(number), address: number }
    }

    fn path(dice: &mut Dice) -> &'static str {
        let [first, others @ ..] = PATHS;
        dice.pick(first, &others)
    }

    /// Converts to the host's request.
    #[must_use]
    pub fn to_host_request(&self) -> vm::Request {
        let headers =
            Headers::of([(":method", "GET"), (":path", self.path), (":authority", "gateway")]);
        let mut request = vm::Request { headers, is_end: true, ..vm::Request::default() };
        request.properties.set(&["source", "address"], self.source());
        if let Some(user) = self.user {
            let claims = json!({ "sub": user.to_string(), "tier": tier(user) });
            let filter = "envoy.filters.http.jwt_authn";
            let path = ["metadata", "filter_metadata", filter, "jwt_payload"];
            request.properties.set_document(&path, &claims);
        }
        request
    }

    fn source(&self) -> String {
        format!("10.0.{}.{}:40000", self.address / 250, self.address % 250 + 1)
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
        Some(b"GET".to_vec())
    }

    fn path(&self) -> Option<Vec<u8>> {
        Some(self.path.into())
    }

    fn host(&self) -> Option<Vec<u8>> {
        Some(b"gateway".to_vec())
    }

    fn header(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        let user = self.user?;
        let text = match names {
            [name] if name == "sub" => user.to_string(),
            [name] if name == "tier" => tier(user).to_owned(),
            _ => return None,
        };
        Some(Value::Text(text.into_bytes()))
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
