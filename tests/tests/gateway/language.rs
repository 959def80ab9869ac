//! The policy language on a real Envoy: hosts, headers, routes and their metadata, combined keys,
//! refunds for single statuses.

use harness::clock::Deadline;
use harness::envoy_config::{at, http_connection_manager};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, shipped_policy};
use tests::upstream::Upstream;

const LIMIT: Duration = Duration::from_secs(20);

/// Starts a stack in front of `upstream` with these keys, buckets and rules. Its routes have a name
/// and metadata.
fn start(upstream: &Upstream, keys: &Value, buckets: &Value, rules: &Value) -> Gateway {
    let mut policy = json!({ "version": 1, "shim": { "timeout": "10s" }, "rules": rules });
    policy["keys"] = keys.clone();
    policy["keys"]["client"] = json!({ "client_ip": {} });
    policy["buckets"] = buckets.clone();
    let edit = |config: &mut Value| {
        let http = http_connection_manager(config).unwrap();
        let routes = at(http, "/route_config/virtual_hosts/0/routes").unwrap();
        for route in routes.as_array_mut().unwrap() {
            route["name"] = json!("everything");
            route["metadata"] = json!({ "filter_metadata": { "tollgate": {
                "plan": { "name": "gold" }, "size": 5, "vip": true,
            } } });
        }
    };
    let upstream = Some(upstream.addr());
    Gateway::start(&Options { policy, upstream, edit, ..Options::default() }).unwrap()
}

fn get(client: &Client, path: &str, host: &str, header: Option<(&str, &str)>) -> Reply {
    let mut request = hyper::Request::get(path).header("host", host);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    client.send(request.body(Bytes::new().into()).unwrap())
}

#[test]
fn every_source_is_read_from_envoy() {
    let upstream = Upstream::start().unwrap();
    // One bucket and one rule per source. The limit is 7 if the source has the value, else 1.
    let sources = [
        ("name", json!({ "route_metadata": ["tollgate", "plan", "name"] }), "gold"),
        ("number", json!({ "route_metadata": ["tollgate", "size"] }), "5"),
        ("truth", json!({ "route_metadata": ["tollgate", "vip"] }), "true"),
        ("route", json!({ "route_name": {} }), "everything"),
        ("host", json!({ "host": {} }), "api.example.com"),
        ("header", json!({ "header": "X-Plan" }), "gold"),
        ("host_header", json!({ "header": "Host" }), "API.Example.com:80"),
    ];
    let (mut buckets, mut rules) = (json!({}), Vec::new());
    for (name, source, value) in &sources {
        buckets[name] = json!({ "key": "client", "window": "1m",
            "limit": { "by": source, "values": { *value: 7 }, "otherwise": 1 } });
        rules.push(json!({ "match": { "paths": [format!("/{name}")] }, "charge": [name] }));
    }
    let gateway = start(&upstream, &json!({}), &buckets, &json!(rules));
    for (name, ..) in &sources {
        let path = format!("/{name}");
        let reply = get(&gateway.client(), &path, "API.Example.com:80", Some(("x-plan", "gold")));
        assert_eq!(reply.header("x-ratelimit-limit"), "7", "{name}: {}", reply.as_text());
    }
    for name in ["host", "header", "host_header"] {
        let path = format!("/{name}");
        let reply = get(&gateway.client().at(2), &path, "example.org", None);
        assert_eq!(reply.header("x-ratelimit-limit"), "1", "{name}: {}", reply.as_text());
    }
}

#[test]
fn keys_pay_alone_or_combined() {
    let upstream = Upstream::start().unwrap();
    let keys = json!({
        "plan": { "route_metadata": ["tollgate", "plan", "name"], "otherwise": "client" },
        "none": { "route_metadata": ["tollgate", "absent"], "otherwise": "client" },
        "site": { "host": {} },
        "client_at_site": { "all": ["client", "site"] },
    });
    let (mut buckets, mut rules) = (json!({}), Vec::new());
    for name in ["plan", "none", "site", "client_at_site"] {
        buckets[name] = json!({ "key": name, "window": "1m", "limit": 9 });
        rules.push(json!({ "match": { "paths": [format!("/{name}")] }, "charge": [name] }));
    }
    let gateway = start(&upstream, &keys, &buckets, &json!(rules));
    let left = |key: &str, client: u8, host: &str| {
        let reply = get(&gateway.client().at(client), &format!("/{key}"), host, None);
        reply.header("x-ratelimit-remaining").to_owned()
    };
    let by = |key: &str| [(2, "a"), (3, "a"), (2, "b"), (2, "A:80")].map(|(c, h)| left(key, c, h));
    assert_eq!(by("plan"), ["8", "7", "6", "5"], "all requests have one plan");
    assert_eq!(by("none"), ["8", "8", "7", "6"], "without the metadata, each client pays");
    assert_eq!(by("site"), ["8", "7", "8", "6"], "each host pays");
    assert_eq!(by("client_at_site"), ["8", "8", "8", "7"], "each client pays on each host");
}

#[test]
fn rules_match_hosts_headers_and_keys() {
    let upstream = Upstream::start().unwrap();
    let keys = json!({ "key": { "header": "x-key", "otherwise": "client" } });
    let matches = [
        ("below", json!({ "hosts": ["*.example.com"] })),
        ("exact", json!({ "headers": { "X-Mode": "test" } })),
        ("prefix", json!({ "headers": { "user-agent": { "prefix": "curl/" } } })),
        ("keyed", json!({ "has_key": "key" })),
        ("rest", json!({})),
    ];
    let (mut buckets, mut rules) = (json!({}), Vec::new());
    for (name, matching) in &matches {
        buckets[name] = json!({ "key": "client", "window": "1m", "limit": 100 });
        rules.push(json!({ "name": name, "match": matching, "charge": [name] }));
    }
    let gateway = start(&upstream, &keys, &buckets, &json!(rules));
    let check = |host: &str, header: Option<(&str, &str)>, expected: &str| {
        let reply = get(&gateway.client(), "/", host, header);
        let policy = format!("\"{expected}\";q=100;w=60");
        assert_eq!(reply.header("ratelimit-policy"), policy, "{host} {header:?}");
    };
    check("a.example.com:81", None, "below");
    check("example.com", None, "rest");
    check("x", Some(("x-mode", "test")), "exact");
    check("x", Some(("x-mode", "tests")), "rest");
    check("x", Some(("user-agent", "curl/8.0")), "prefix");
    check("x", Some(("x-key", "1")), "keyed");
    check("x", Some(("x-key", "")), "rest");
}

#[test]
fn a_single_status_can_be_refunded() {
    let upstream = Upstream::start().unwrap();
    let bucket =
        |refund: Value| json!({ "key": "client", "window": "1h", "limit": 1, "refund": refund });
    let buckets = json!({ "free": bucket(json!([404, 200])), "charged": bucket(json!([404])) });
    let rules = json!([
        { "match": { "paths": ["/free"] }, "charge": ["free"] },
        { "charge": ["charged"] },
    ]);
    let gateway = start(&upstream, &json!({}), &buckets, &rules);
    let status = |path: &str| get(&gateway.client(), path, "x", None).status;
    assert_eq!([status("/free"), status("/charged")], [200, 200]);
    let deadline = Deadline::after(LIMIT);
    while status("/free") != 200 {
        assert!(!deadline.has_passed(), "the charge was not refunded");
    }
    assert_eq!(status("/charged"), 429);
}

#[test]
fn the_log_shows_a_rules_name() {
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["rules"][0]["name"] = json!("probes");
    let gateway = Gateway::start(&Options { policy, ..Options::default() }).unwrap();
    assert_eq!(gateway.client().get("/health", None).status, 200);
    let deadline = Deadline::after(LIMIT);
    while !gateway.envoys[0].log_tail().unwrap().contains("admitted rule=probes probes=119") {
        assert!(!deadline.has_passed(), "{}", gateway.envoys[0].log_tail().unwrap());
    }
}
