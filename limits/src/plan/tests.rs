use super::*;
use crate::facts::Value;
use std::collections::BTreeMap;

mod amounts;
mod lists;

/// A request with given facts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FakeRequest {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: BTreeMap<&'static str, &'static str>,
    pub(crate) claims: Option<BTreeMap<&'static str, Value>>,
    pub(crate) address: &'static str,
    pub(crate) host: &'static str,
    pub(crate) route: &'static str,
    pub(crate) metadata: BTreeMap<&'static str, Value>,
    pub(crate) refused_token: Option<&'static str>,
}

impl FakeRequest {
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
            refused_token: None,
        }
    }

    pub(crate) fn post(path: &'static str) -> Self {
        Self { method: "POST", ..Self::get(path) }
    }

    pub(crate) fn user(self, sub: &'static str, tier: &'static str) -> Self {
        self.claims([("sub", sub.into()), ("tier", tier.into())])
    }

    pub(crate) fn claims<const N: usize>(self, claims: [(&'static str, Value); N]) -> Self {
        Self { claims: Some(BTreeMap::from(claims)), ..self }
    }

    pub(crate) fn from(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Facts for FakeRequest {
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
        self.claims.as_ref()?.get(names.join(".").as_str()).cloned()
    }
    fn route_name(&self) -> Option<Vec<u8>> {
        Some(self.route.into())
    }
    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        self.metadata.get(names.join(".").as_str()).cloned()
    }
    fn metadata(&self, names: &[String]) -> Option<Value> {
        self.route_metadata(names)
    }
    fn refused_token(&self) -> Option<Vec<u8>> {
        self.refused_token.map(Into::into)
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

/// Returns each charge of `request` as `bucket/limit`.
fn charged(request: &FakeRequest) -> Vec<String> {
    let plan = shipped().plan(request).unwrap();
    plan.charges
        .iter()
        .map(|c| format!("{}/{}", c.charge.counter.bucket(), c.charge.quota.limit()))
        .collect()
}

#[test]
fn the_first_matching_rule_decides() {
    assert_eq!(charged(&FakeRequest::get("/")), ["public/30"]);
    for probe in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(charged(&FakeRequest::get(probe)), ["probes/120"], "{probe}");
    }
    for counted in ["/healthy", "/health/x", "/health/live/now", "/health/../", "/metrics/all"] {
        assert_eq!(charged(&FakeRequest::get(counted)), ["public/30"], "{counted}");
    }
    assert_eq!(charged(&FakeRequest::post("/api/auth/login")), ["auth/5"]);
    assert_eq!(charged(&FakeRequest::get("/api/auth/login")), ["public/30"]);
    assert_eq!(charged(&FakeRequest::get("/api/me").user("42", "free")), ["authenticated/60"]);
    let ai = charged(&FakeRequest::post("/api/ai/x").user("42", "free"));
    assert_eq!(ai, ["ai/10", "ai_daily/10", "ai_client/2000"]);
}

#[test]
fn a_claim_selects_the_limit() {
    let daily = |tier| charged(&FakeRequest::post("/api/ai/x").user("42", tier)).swap_remove(1);
    assert_eq!(daily("starter"), "ai_daily/50");
    assert_eq!(daily("pro"), "ai_daily/999");
    assert_eq!(daily("platinum"), "ai_daily/10");
}

fn counter(request: &FakeRequest) -> String {
    shipped().plan(request).unwrap().charges.first().unwrap().charge.counter.to_string()
}

#[test]
fn users_pay_independently_of_their_address() {
    let me = FakeRequest::get("/api/me").user("42", "free");
    assert_eq!(counter(&me), counter(&me.clone().from("198.51.100.7:1")));
    assert_ne!(counter(&me), counter(&me.clone().user("43", "free")));
    assert_eq!(counter(&me), counter(&me.clone().with("x-user-id", "43")));
}

#[test]
fn without_a_user_the_client_pays() {
    let ask = FakeRequest::post("/api/ai/x");
    assert_eq!(counter(&ask), counter(&ask.clone().from("192.0.2.1:2000")));
    assert_ne!(counter(&ask), counter(&ask.clone().from("192.0.2.2:1000")));
}

#[test]
fn a_typed_key_yields_the_request_s_counter() {
    let policy = shipped();
    let name = |key, value, bucket| {
        CounterName::new(&key::of_text(&policy, key, value).unwrap(), bucket).unwrap().to_string()
    };
    assert_eq!(
        name("user", "42", "authenticated"),
        counter(&FakeRequest::get("/x").user("42", "free"))
    );
    assert_eq!(name("client", "192.0.2.1", "public"), counter(&FakeRequest::get("/")));
    assert!(key::of_text(&policy, "client", "localhost").is_err());
    assert!(key::of_text(&policy, "nobody", "1").is_err());
}

/// Returns a policy that charges every request to key `key`. `rules` precede the last rule.
fn charging(key: &str, keys: &str, rules: &str) -> Policy {
    let text = format!(
        "{{version: 1, keys: {{client: {{client_ip: {{}}}}, {keys}}}, \
         buckets: {{b: {{key: {key}, limit: 1, window: 1s}}, other: {{key: client, limit: 2, window: 1s}}}}, \
         rules: [{rules} {{charge: [b]}}]}}"
    );
    Policy::from_value(serde_saphyr::from_str(&text).unwrap()).unwrap()
}

/// Returns true if both requests are charged to the same counter.
fn same_counter(policy: &Policy, one: &FakeRequest, other: &FakeRequest) -> bool {
    let name = |request| policy.plan(request).unwrap().charges[0].charge.counter.clone();
    name(one) == name(other)
}

#[test]
fn a_key_can_be_any_source() {
    let get = FakeRequest::get("/");
    let check = |source: &str, same: &[&FakeRequest], other: &[&FakeRequest]| {
        let policy = charging("k", &format!("k: {{{source}}}"), "");
        let base = same[0];
        assert!(same.iter().all(|request| same_counter(&policy, base, request)), "{source}");
        assert!(!other.iter().any(|request| same_counter(&policy, base, request)), "{source}");
    };
    let host = |host| FakeRequest { host, ..get.clone() };
    check("host: {}", &[&host("a.example"), &host("A.Example:80"), &host("a.example.")], &[&get]);
    let route = |route| FakeRequest { route, ..get.clone() };
    check("route_name: {}, otherwise: client", &[&route("r"), &route("r")], &[&get, &route("s")]);
    let plan = |value: Value| FakeRequest {
        metadata: BTreeMap::from([("tollgate.plan", value)]),
        ..get.clone()
    };
    let text = |text: &str| plan(Value::Text(text.into()));
    check(
        "route_metadata: [tollgate, plan], otherwise: client",
        &[&text("5"), &plan(Value::Number(5.0))],
        &[&get, &text("6")],
    );
    let key = |value| get.clone().with("x-api-key", value);
    check("header: X-API-Key, otherwise: client", &[&key("1"), &key("1")], &[&key("2"), &get]);
    let to = |path| FakeRequest::get(path);
    check(
        "query: api key, otherwise: client",
        &[&to("/?api+key=1"), &to("/x?a=b&api%20key=%31&api+key=2")],
        &[&to("/?api+key=2"), &to("/?api+key="), &get],
    );
    check(
        "cookie: sid, otherwise: client",
        &[&get.clone().with("cookie", "sid=1"), &get.clone().with("cookie", "a=b; sid=1")],
        &[&get.clone().with("cookie", "sid=2"), &get],
    );
    check("path: {}", &[&to("/a/b"), &to("/a/./%62/?x=1")], &[&to("/a"), &get]);
    check("method: {}", &[&get, &to("/a")], &[&FakeRequest::post("/")]);
    check(
        "constant: all",
        &[&get, &FakeRequest::post("/a").user("42", "pro").from("[::1]:1")],
        &[],
    );
    check("metadata: [tollgate, plan], otherwise: client", &[&text("5")], &[&get, &text("6")]);
    let roles = |roles: &[&str]| {
        let roles = roles.iter().map(|role| Value::from(*role)).collect();
        get.clone().claims([("roles", Value::List(roles))])
    };
    check(
        "jwt_claim: roles, otherwise: client",
        &[&roles(&["a", "b"]), &roles(&["b", "a", "b"])],
        &[&roles(&["a"]), &roles(&["a,b"]), &roles(&[]), &get],
    );
    check(
        "jwt_claim: roles, otherwise: client",
        &[&roles(&["a"]), &get.clone().claims([("roles", "a".into())])],
        &[],
    );
    let org = |org| get.clone().claims([("org.id", Value::from(org))]);
    check("jwt_claim: [org, id], otherwise: client", &[&org("1"), &org("1")], &[&org("2"), &get]);
}

#[test]
fn combined_keys_count_each_combination() {
    let policy = charging(
        "both",
        "user: {jwt_claim: sub, otherwise: client}, site: {host: {}}, both: {all: [user, site]}",
        "",
    );
    let at = |request: &FakeRequest, host| FakeRequest { host, ..request.clone() };
    let (ada, bob) =
        (FakeRequest::get("/").user("ada", "free"), FakeRequest::get("/").user("bob", "free"));
    assert!(same_counter(&policy, &at(&ada, "a.example"), &at(&ada, "A.example:80")));
    assert!(!same_counter(&policy, &at(&ada, "a.example"), &at(&ada, "b.example")));
    assert!(!same_counter(&policy, &at(&ada, "a.example"), &at(&bob, "a.example")));
    // Without a token the client pays, separately for each site.
    let anonymous = FakeRequest::get("/");
    assert!(!same_counter(&policy, &at(&anonymous, "a.example"), &at(&anonymous, "b.example")));
    assert!(!same_counter(&policy, &anonymous, &anonymous.clone().from("192.0.2.2:1")));
    // A user named like a client's address is not that client.
    assert!(!same_counter(&policy, &anonymous, &FakeRequest::get("/").user("192.0.2.1", "free")));
}

#[test]
fn combined_values_cannot_collide() {
    let policy = charging(
        "both",
        "a: {header: a, otherwise: client}, b: {header: b, otherwise: client}, both: {all: [a, b]}",
        "",
    );
    let of = |a, b| FakeRequest::get("/").with("a", a).with("b", b);
    assert!(!same_counter(&policy, &of("xy", "z"), &of("x", "yz")));
    assert!(!same_counter(&policy, &of("x", "y"), &of("y", "x")));
    assert!(!same_counter(&policy, &of("x", "b\0\0y"), &of("xb\0\0", "y")));
}

#[test]
fn a_typed_combination_yields_the_request_s_counter() {
    let policy = charging(
        "both",
        "user: {jwt_claim: sub, otherwise: client}, site: {host: {}}, both: {all: [user, site]}",
        "",
    );
    let counter =
        |request: &FakeRequest| policy.plan(request).unwrap().charges[0].charge.counter.to_string();
    let typed = |text| key::of_text(&policy, "both", text);
    let name = |text| CounterName::new(&typed(text).unwrap(), "b").unwrap().to_string();
    let ada = FakeRequest::get("/").user("ada", "free");
    assert_eq!(name("user=ada,site=Example.com"), counter(&ada));
    assert_eq!(name("client=192.0.2.1,site=example.com"), counter(&FakeRequest::get("/")));
    insta::assert_snapshot!(typed("ada").unwrap_err(), @r#"expected a value for each key, such as user=…,site=… (with \, for a comma in a value), found "ada""#);
    insta::assert_snapshot!(typed("site=example.com,user=ada").unwrap_err(), @r#"expected a value for each key, such as user=…,site=… (with \, for a comma in a value), found "site=example.com,user=ada""#);
    insta::assert_snapshot!(typed("client=me,site=a").unwrap_err(), @r#"expected an IP address for key "client", found "me""#);
}

#[test]
fn a_rule_matches_if_all_its_conditions_hold() {
    let keys = "key: {header: x-api-key, otherwise: client}, org: {jwt_claim: org, otherwise: client}, \
                pair: {all: [key, org]}";
    let get = FakeRequest::get("/a/b");
    let check = |matching: &str, fits: &[&FakeRequest], other: &[&FakeRequest]| {
        let rule = format!("{{match: {{{matching}}}, charge: [other]}},");
        let policy = charging("client", keys, &rule);
        let rule =
            |request: &&&FakeRequest| policy.plan(**request).unwrap().matched.rule == Some(0);
        assert_eq!(fits.iter().find(|request| !rule(request)), None, "{matching}");
        assert_eq!(other.iter().find(|request| rule(request)), None, "{matching}");
    };
    let host = |host| FakeRequest { host, ..get.clone() };
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
    let member = get.clone().claims([("org", "1".into())]);
    check(
        "has_key: pair",
        &[&member.clone().with("x-api-key", "1")],
        &[&get, &member, &with("x-api-key", "1")],
    );
    check("headers: {x-a: [one, two]}", &[&with("x-a", "two")], &[&get, &with("x-a", "o")]);
    check(
        "headers: {x-a: {at_least: 5, below: 10}}",
        &[&with("x-a", "5"), &with("x-a", "9.5")],
        &[&get, &with("x-a", "10"), &with("x-a", "many")],
    );
    check(
        "headers: {x-a: {regex: '^v[0-9]+$', ignore_case: true}}",
        &[&with("x-a", "V2")],
        &[&get, &with("x-a", "v2 ")],
    );
    check(
        "keys: {key: [a, b]}",
        &[&with("x-api-key", "a")],
        &[&get, &with("x-api-key", "c"), &with("x-api-key", "")],
    );
    check(
        "query: {q: {prefix: a}}",
        &[&FakeRequest::get("/?q=a%62"), &FakeRequest::get("/?p=1&q=a&q=b")],
        &[&get, &FakeRequest::get("/?q=b&q=a"), &FakeRequest::get("/?q=")],
    );
    check("query: {q: {present: true}}", &[&FakeRequest::get("/?q")], &[&get]);
    check(
        "cookies: {sid: [a, b]}",
        &[&with("cookie", "x=1; sid=b")],
        &[&get, &with("cookie", "sid=c; sid=a")],
    );
    check("keys: {key: {present: false}}", &[&get], &[&with("x-api-key", "a")]);
    check("claims: {org: 1}", &[&member], &[&get]);
    let nested = get.clone().claims([("a/b.c", "1".into())]);
    check("claims: {/a~1b/c: {at_most: 1}}", &[&nested], &[&get, &member]);
    let from = |address| get.clone().from(address);
    check(
        "client: [192.0.2.0/24, '2001:db8::/32']",
        &[&get, &from("[::ffff:192.0.2.7]:1"), &from("[2001:db8::1]:1")],
        &[&from("192.0.3.1:1"), &from("[::1]:1"), &from("@/tmp/socket")],
    );
    check(
        "not: {client: [192.0.2.0/24]}",
        &[&from("192.0.3.1:1"), &from("@/tmp/socket")],
        &[&get, &from("[::ffff:192.0.2.7]:1")],
    );
    check(
        "any: [{paths: [/x]}, {methods: [POST], not: {paths: [/y]}}]",
        &[&FakeRequest::get("/x"), &FakeRequest::post("/x"), &FakeRequest::post("/z")],
        &[&get, &FakeRequest::post("/y")],
    );
    check(
        "methods: [GET], any: [{any: [{paths: [/x]}, {paths: [/y]}]}], not: {hosts: [b]}",
        &[&FakeRequest::get("/x"), &FakeRequest::get("/y")],
        &[&get, &FakeRequest::post("/x"), &FakeRequest { host: "b", ..FakeRequest::get("/x") }],
    );
    check("authenticated: true", &[&member], &[&get]);
    check("authenticated: false", &[&get], &[&member]);
    check(
        "paths: [/a/*], methods: [GET], hosts: [example.com]",
        &[&get],
        &[&FakeRequest::post("/a/b"), &FakeRequest::get("/b"), &host("x")],
    );
}

#[test]
fn a_fact_selects_the_limit() {
    let text = "{version: 1, keys: {client: {client_ip: {}}}, rules: [{charge: [b]}], buckets: {b: {key: client, \
                window: 1s, limit: {by: {route_metadata: [tollgate, quota]}, values: {'5': 55, 'true': 66}, otherwise: 7}}}}";
    let policy = Policy::from_value(serde_saphyr::from_str(text).unwrap()).unwrap();
    let limit = |value: Value| {
        let metadata = BTreeMap::from([("tollgate.quota", value)]);
        let plan = policy.plan(&FakeRequest { metadata, ..FakeRequest::get("/") }).unwrap();
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
fn a_typed_value_yields_the_request_s_counter() {
    let policy = charging(
        "k",
        "k: {path: {}}, all: {constant: everyone}, roles: {jwt_claim: roles, otherwise: k}",
        "",
    );
    let of_path = |path| key::of_text(&policy, "k", path).map(|identity| identity.to_string());
    let counter = policy.plan(&FakeRequest::get("/a/b")).unwrap().charges[0].charge.counter.clone();
    assert!(counter.to_string().contains(&of_path("/a/./b/").unwrap()));
    assert!(key::of_text(&policy, "all", "everyone").is_ok());
    insta::assert_snapshot!(of_path("/..").unwrap_err(), @r#"expected a path for key "k": the path leads above the root"#);
    insta::assert_snapshot!(key::of_text(&policy, "all", "me").unwrap_err(), @r#"expected "everyone", the only value of key "all", found "me""#);
}

#[test]
fn an_invalid_path_has_no_plan() {
    assert_eq!(shipped().plan(&FakeRequest::get("/%2fx")), Err(BadPath::EscapedSlash));
}

#[test]
fn a_claim_selects_the_calendar() {
    let policy = Policy::from_value(serde_json::json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "calls": {
            "key": "client",
            "limit": 5,
            "per": "month",
            "time_zone": { "from": { "jwt_claim": "sub" }, "otherwise": "Europe/Berlin" },
            "anchor": { "from": { "jwt_claim": "tier" }, "otherwise": 3 },
        } },
        "rules": [{ "charge": ["calls"] }],
    }));
    let policy = policy.unwrap();
    let quota = |request: &FakeRequest| {
        let plan = policy.plan(request).unwrap();
        serde_json::to_string(&plan.charges.first().unwrap().charge.quota).unwrap()
    };
    let with = |zone, day| quota(&FakeRequest::get("/").user(zone, day));
    assert_eq!(
        with("asia/tokyo", "31"),
        r#"{"fixed_window":{"limit":5,"per":"month","time_zone":"Asia/Tokyo","anchor":31}}"#
    );
    assert_eq!(with("UTC", "1"), r#"{"fixed_window":{"limit":5,"per":"month"}}"#);
    let otherwise =
        r#"{"fixed_window":{"limit":5,"per":"month","time_zone":"Europe/Berlin","anchor":3}}"#;
    assert_eq!(with("Mars", "32"), otherwise);
    assert_eq!(quota(&FakeRequest::get("/")), otherwise);
}
