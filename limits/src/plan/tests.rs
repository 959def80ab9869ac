use super::*;
use std::collections::BTreeMap;

/// A request as a test tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: BTreeMap<&'static str, &'static str>,
    pub(crate) claims: Option<BTreeMap<&'static str, &'static str>>,
    pub(crate) address: &'static str,
}

impl Told {
    pub(crate) fn get(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            headers: BTreeMap::new(),
            claims: None,
            address: "192.0.2.1:1000",
        }
    }

    pub(crate) fn post(path: &'static str) -> Self {
        Self { method: "POST", ..Self::get(path) }
    }

    pub(crate) fn user(self, sub: &'static str, tier: &'static str) -> Self {
        Self { claims: Some(BTreeMap::from([("sub", sub), ("tier", tier)])), ..self }
    }

    pub(crate) fn from(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Facts for Told {
    fn method(&self) -> Option<Vec<u8>> {
        Some(self.method.into())
    }
    fn path(&self) -> Option<Vec<u8>> {
        Some(self.path.into())
    }
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers.get(name).map(|value| (*value).into())
    }
    fn claim(&self, name: &str) -> Option<Vec<u8>> {
        self.claims.as_ref()?.get(name).map(|value| (*value).into())
    }
    fn is_authenticated(&self) -> bool {
        self.claims.is_some()
    }
    fn client_address(&self) -> Option<Vec<u8>> {
        Some(self.address.into())
    }
}

pub(crate) fn shipped() -> Policy {
    Policy::from_value(serde_saphyr::from_str(include_str!("../../../envoy/policy.yaml")).unwrap())
        .unwrap()
}

/// `bucket/limit` of each charge.
fn charged(told: &Told) -> Vec<String> {
    let plan = shipped().plan(told).unwrap();
    plan.charges
        .iter()
        .map(|c| format!("{}/{}", c.charge.counter.bucket(), c.charge.quota.limit()))
        .collect()
}

#[test]
fn the_first_rule_that_matches_decides() {
    assert_eq!(charged(&Told::get("/")), ["public/30"]);
    assert_eq!(charged(&Told::get("/health")), [""; 0]);
    assert_eq!(charged(&Told::post("/api/auth/login")), ["auth/5"]);
    assert_eq!(charged(&Told::get("/api/auth/login")), ["public/30"]);
    assert_eq!(charged(&Told::get("/api/me").user("42", "free")), ["authenticated/60"]);
    assert_eq!(charged(&Told::post("/api/ai/x").user("42", "free")), ["ai/10", "ai_daily/10"]);
}

#[test]
fn a_claim_chooses_the_limit() {
    let daily = |tier| charged(&Told::post("/api/ai/x").user("42", tier)).pop().unwrap();
    assert_eq!(daily("starter"), "ai_daily/50");
    assert_eq!(daily("pro"), "ai_daily/999");
    assert_eq!(daily("platinum"), "ai_daily/10");
}

fn counter(told: &Told) -> String {
    shipped().plan(told).unwrap().charges.first().unwrap().charge.counter.to_string()
}

#[test]
fn users_pay_for_themselves_wherever_they_are() {
    let me = Told::get("/api/me").user("42", "free");
    assert_eq!(counter(&me), counter(&me.clone().from("198.51.100.7:1")));
    assert_ne!(counter(&me), counter(&me.clone().user("43", "free")));
    assert_eq!(counter(&me), counter(&me.clone().with("x-user-id", "43")));
}

#[test]
fn without_a_user_the_client_pays() {
    let ask = Told::post("/api/ai/x");
    assert_eq!(counter(&ask), counter(&ask.clone().from("192.0.2.1:2000")));
    assert_ne!(counter(&ask), counter(&ask.clone().from("192.0.2.2:1000")));
}

#[test]
fn a_typed_key_leads_to_the_request_s_counter() {
    let policy = shipped();
    let name = |key, value, bucket| {
        CounterName::new(&key::of_text(&policy, key, value).unwrap(), bucket).unwrap().to_string()
    };
    assert_eq!(name("user", "42", "authenticated"), counter(&Told::get("/x").user("42", "free")));
    assert_eq!(name("client", "192.0.2.1", "public"), counter(&Told::get("/")));
    assert!(key::of_text(&policy, "client", "localhost").is_err());
    assert!(key::of_text(&policy, "nobody", "1").is_err());
}

#[test]
fn a_path_that_cannot_be_read_has_no_plan() {
    assert_eq!(shipped().plan(&Told::get("/%2fx")), Err(BadPath::EscapedSlash));
}
