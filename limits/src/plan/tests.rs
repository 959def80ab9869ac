use super::*;
use crate::facts::Value;
use std::collections::BTreeMap;

/// A request as a test tells of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: BTreeMap<&'static str, &'static str>,
    pub(crate) claims: Option<BTreeMap<&'static str, &'static str>>,
    pub(crate) address: &'static str,
    pub(crate) host: &'static str,
    pub(crate) route: &'static str,
    pub(crate) metadata: BTreeMap<&'static str, Value>,
}

impl Told {
    pub(crate) fn get(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            headers: BTreeMap::new(),
            claims: None,
            address: "192.0.2.1:1000",
            host: "example.com",
            route: "",
            metadata: BTreeMap::new(),
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
    fn host(&self) -> Option<Vec<u8>> {
        Some(self.host.into())
    }
    fn claim(&self, names: &[String]) -> Option<Value> {
        let value = self.claims.as_ref()?.get(names.join(".").as_str())?;
        Some(Value::Text((*value).into()))
    }
    fn route_name(&self) -> Option<Vec<u8>> {
        Some(self.route.into())
    }
    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        self.metadata.get(names.join(".").as_str()).cloned()
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
    for probe in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(charged(&Told::get(probe)), ["probes/120"], "{probe}");
    }
    for counted in ["/healthy", "/health/x", "/health/live/now", "/health/../", "/metrics/all"] {
        assert_eq!(charged(&Told::get(counted)), ["public/30"], "{counted}");
    }
    assert_eq!(charged(&Told::post("/api/auth/login")), ["auth/5"]);
    assert_eq!(charged(&Told::get("/api/auth/login")), ["public/30"]);
    assert_eq!(charged(&Told::get("/api/me").user("42", "free")), ["authenticated/60"]);
    let ai = charged(&Told::post("/api/ai/x").user("42", "free"));
    assert_eq!(ai, ["ai/10", "ai_daily/10", "ai_client/2000"]);
}

#[test]
fn a_claim_chooses_the_limit() {
    let daily = |tier| charged(&Told::post("/api/ai/x").user("42", tier)).swap_remove(1);
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

/// A policy in which each request is charged to key `key`, with `rules` before the last.
fn charging(key: &str, keys: &str, rules: &str) -> Policy {
    let text = format!(
        "{{version: 1, keys: {{client: {{client_ip: {{}}}}, {keys}}}, \
         buckets: {{b: {{key: {key}, limit: 1, window: 1s}}, other: {{key: client, limit: 2, window: 1s}}}}, \
         rules: [{rules} {{charge: [b]}}]}}"
    );
    Policy::from_value(serde_saphyr::from_str(&text).unwrap()).unwrap()
}

/// Whether both requests pay from one counter.
fn together(policy: &Policy, one: &Told, other: &Told) -> bool {
    let name = |told| policy.plan(told).unwrap().charges[0].charge.counter.clone();
    name(one) == name(other)
}

#[test]
fn a_key_can_be_any_source() {
    let get = Told::get("/");
    let check = |source: &str, same: &[&Told], other: &[&Told]| {
        let policy = charging("k", &format!("k: {{{source}}}"), "");
        let base = same[0];
        assert!(same.iter().all(|told| together(&policy, base, told)), "{source}");
        assert!(!other.iter().any(|told| together(&policy, base, told)), "{source}");
    };
    let host = |host| Told { host, ..get.clone() };
    check("host: {}", &[&host("a.example"), &host("A.Example:80"), &host("a.example.")], &[&get]);
    let route = |route| Told { route, ..get.clone() };
    check("route_name: {}, otherwise: client", &[&route("r"), &route("r")], &[&get, &route("s")]);
    let plan =
        |value: Value| Told { metadata: BTreeMap::from([("tollgate.plan", value)]), ..get.clone() };
    let text = |text: &str| plan(Value::Text(text.into()));
    check(
        "route_metadata: [tollgate, plan], otherwise: client",
        &[&text("5"), &plan(Value::Number(5.0))],
        &[&get, &text("6")],
    );
    let key = |value| get.clone().with("x-api-key", value);
    check("header: X-API-Key, otherwise: client", &[&key("1"), &key("1")], &[&key("2"), &get]);
    let org = |org| Told { claims: Some(BTreeMap::from([("org.id", org)])), ..get.clone() };
    check("jwt_claim: [org, id], otherwise: client", &[&org("1"), &org("1")], &[&org("2"), &get]);
}

#[test]
fn keys_together_pay_for_each_combination() {
    let policy = charging(
        "both",
        "user: {jwt_claim: sub, otherwise: client}, site: {host: {}}, both: {all: [user, site]}",
        "",
    );
    let at = |told: &Told, host| Told { host, ..told.clone() };
    let (ada, bob) = (Told::get("/").user("ada", "free"), Told::get("/").user("bob", "free"));
    assert!(together(&policy, &at(&ada, "a.example"), &at(&ada, "A.example:80")));
    assert!(!together(&policy, &at(&ada, "a.example"), &at(&ada, "b.example")));
    assert!(!together(&policy, &at(&ada, "a.example"), &at(&bob, "a.example")));
    // Without a token the client pays, for each site by itself.
    let nobody = Told::get("/");
    assert!(!together(&policy, &at(&nobody, "a.example"), &at(&nobody, "b.example")));
    assert!(!together(&policy, &nobody, &nobody.clone().from("192.0.2.2:1")));
    // A user whose name is a client's address is not that client.
    assert!(!together(&policy, &nobody, &Told::get("/").user("192.0.2.1", "free")));
}

#[test]
fn values_do_not_run_into_each_other() {
    let policy = charging(
        "both",
        "a: {header: a, otherwise: client}, b: {header: b, otherwise: client}, both: {all: [a, b]}",
        "",
    );
    let of = |a, b| Told::get("/").with("a", a).with("b", b);
    assert!(!together(&policy, &of("xy", "z"), &of("x", "yz")));
    assert!(!together(&policy, &of("x", "y"), &of("y", "x")));
    assert!(!together(&policy, &of("x", "b\0\0y"), &of("xb\0\0", "y")));
}

#[test]
fn a_typed_key_together_leads_to_the_request_s_counter() {
    let policy = charging(
        "both",
        "user: {jwt_claim: sub, otherwise: client}, site: {host: {}}, both: {all: [user, site]}",
        "",
    );
    let counter = |told: &Told| policy.plan(told).unwrap().charges[0].charge.counter.to_string();
    let typed = |text| key::of_text(&policy, "both", text);
    let name = |text| CounterName::new(&typed(text).unwrap(), "b").unwrap().to_string();
    let ada = Told::get("/").user("ada", "free");
    assert_eq!(name("user=ada,site=Example.com"), counter(&ada));
    assert_eq!(name("client=192.0.2.1,site=example.com"), counter(&Told::get("/")));
    insta::assert_snapshot!(typed("ada").unwrap_err(), @r#"expected a value for each of its keys, such as user=…,site=…, found "ada""#);
    insta::assert_snapshot!(typed("site=example.com,user=ada").unwrap_err(), @r#"expected a value for each of its keys, such as user=…,site=…, found "site=example.com,user=ada""#);
    insta::assert_snapshot!(typed("client=me,site=a").unwrap_err(), @r#"expected an IP address for key "client", found "me""#);
}

#[test]
fn a_rule_is_for_requests_that_have_all_it_names() {
    let keys = "key: {header: x-api-key, otherwise: client}, org: {jwt_claim: org, otherwise: client}, \
                pair: {all: [key, org]}";
    let get = Told::get("/a/b");
    let check = |matching: &str, fits: &[&Told], other: &[&Told]| {
        let rule = format!("{{match: {{{matching}}}, charge: [other]}},");
        let policy = charging("client", keys, &rule);
        let rule = |told: &&&Told| policy.plan(**told).unwrap().rule == Some(0);
        assert_eq!(fits.iter().find(|told| !rule(told)), None, "{matching}");
        assert_eq!(other.iter().find(|told| rule(told)), None, "{matching}");
    };
    let host = |host| Told { host, ..get.clone() };
    let with = |name, value| get.clone().with(name, value);
    check(
        "hosts: [example.com]",
        &[&get, &host("EXAMPLE.com:1")],
        &[&host("a.example.com"), &host("")],
    );
    check("hosts: ['*.example.com']", &[&host("a.example.com")], &[&get]);
    check(
        "headers: {X-A: one}",
        &[&with("x-a", "one")],
        &[&get, &with("x-a", "one,two"), &with("x-a", "One")],
    );
    check("headers: {x-a: {prefix: 'on'}}", &[&with("x-a", "one")], &[&get, &with("x-a", "no")]);
    check("headers: {x-a: {present: true}}", &[&with("x-a", "")], &[&get]);
    check("headers: {x-a: {present: false}}", &[&get], &[&with("x-a", "")]);
    check(
        "headers: {x-a: '1', x-b: '2'}",
        &[&with("x-a", "1").with("x-b", "2")],
        &[&with("x-a", "1")],
    );
    check("has_key: key", &[&with("x-api-key", "1")], &[&get, &with("x-api-key", "")]);
    let member = Told { claims: Some(BTreeMap::from([("org", "1")])), ..get.clone() };
    check(
        "has_key: pair",
        &[&member.clone().with("x-api-key", "1")],
        &[&get, &member, &with("x-api-key", "1")],
    );
    check("authenticated: true", &[&member], &[&get]);
    check("authenticated: false", &[&get], &[&member]);
    check(
        "paths: [/a/*], methods: [GET], hosts: [example.com]",
        &[&get],
        &[&Told::post("/a/b"), &Told::get("/b"), &host("x")],
    );
}

#[test]
fn a_value_of_the_request_chooses_the_limit() {
    let text = "{version: 1, keys: {client: {client_ip: {}}}, rules: [{charge: [b]}], buckets: {b: {key: client, \
                window: 1s, limit: {by: {route_metadata: [tollgate, quota]}, values: {'5': 55, 'true': 66}, otherwise: 7}}}}";
    let policy = Policy::from_value(serde_saphyr::from_str(text).unwrap()).unwrap();
    let limit = |value: Value| {
        let metadata = BTreeMap::from([("tollgate.quota", value)]);
        let plan = policy.plan(&Told { metadata, ..Told::get("/") }).unwrap();
        plan.charges[0].charge.quota.limit()
    };
    let text = |bytes: &[u8]| limit(Value::Text(bytes.to_vec()));
    assert_eq!(limit(Value::Number(5.0)), 55);
    assert_eq!(text(b"5"), 55);
    assert_eq!(limit(Value::Bool(true)), 66);
    assert_eq!(text(b"6"), 7);
    assert_eq!(text(b"\xff"), 7);
    assert_eq!(text(b""), 7);
}

#[test]
fn a_path_that_cannot_be_read_has_no_plan() {
    assert_eq!(shipped().plan(&Told::get("/%2fx")), Err(BadPath::EscapedSlash));
}
