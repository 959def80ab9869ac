//! Refusals in the form that a bucket chose, the upstream's own rate limit headers, internal
//! redirects, and CORS.

use super::tracing::wait_for;
use harness::envoy_config::{at, http_connection_manager};
use hyper::Request;
use serde_json::{Value, json};
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options};
use tests::upstream::Upstream;

fn send(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request.body(Vec::new().into()).unwrap())
}

#[test]
fn a_bucket_chooses_the_form_of_its_refusals() {
    let mut options = Options { is_redis: false, ..Options::default() };
    options.policy["buckets"]["public"] = json!({
        "key": "client", "limit": 1, "window": "1m",
        "refusal": {
            "status": 403,
            "body": { "html": "<p>{detail}</p><a href=\"/plans?id={instance}\">Plans</a>" },
            "headers": { "X-Plan": "basic, {limit} a minute" },
        },
    });
    let gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    assert_eq!(client.get("/", None).status, 200);
    // First by the ledger, then because the worker remembers the denial.
    for _ in 0..2 {
        let denied = client.get("/", None);
        assert_eq!(denied.status, 403);
        assert_eq!(denied.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(denied.header("x-plan"), "basic, 1 a minute");
        assert_eq!(denied.header("cache-control"), "no-store");
        assert_eq!(denied.header("x-ratelimit-remaining"), "0");
        assert!(denied.header("retry-after").parse::<u64>().is_ok());
        let text = denied.as_text();
        assert!(text.contains("<p>The limit &quot;public&quot; of 1 in any 60 s"), "{text}");
        assert!(text.contains("\"/plans?id=urn:tollgate:counter:"), "{text}");
    }
    let head = send(&client, "HEAD", "/", &[]);
    assert_eq!((head.status, head.body.len()), (403, 0));
    assert_eq!(head.header("x-plan"), "basic, 1 a minute");
    let grpc = send(&client, "POST", "/", &[("content-type", "application/grpc")]);
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, "7"));
    assert!(grpc.header("grpc-message").contains("is used up"), "{}", grpc.header("grpc-message"));
}

#[test]
fn a_refusal_names_its_counter_in_the_body_and_the_log() {
    let mut options = Options { is_redis: false, ..Options::default() };
    options.policy["buckets"]["public"]["limit"] = json!(1);
    let gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    assert_eq!(client.get("/", None).status, 200);
    let denied = client.get("/", None).json();
    let instance = denied["instance"].as_str().unwrap();
    let digits = instance.strip_prefix("urn:tollgate:counter:").unwrap();
    assert_eq!(digits.len(), 32);
    wait_for("the denial is logged", || {
        let log = std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
        log.contains(&format!(" counter={digits}"))
    });
}

/// Answers `GET /?status=429&x-a=1` with that status and those headers.
fn echo_query(head: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut status = "200";
    let mut headers = String::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "status" => status = value,
            _ => headers.push_str(&format!("{name}: {value}\r\n")),
        }
    }
    format!("HTTP/1.1 {status} Status\r\n{headers}content-length: 0\r\n\r\n").into_bytes()
}

#[test]
fn the_stricter_headers_of_upstream_and_gateway_are_sent() {
    let upstream = Upstream::answering(echo_query).unwrap();
    let options = |choice: &str| {
        let mut options =
            Options { is_redis: false, upstream: Some(upstream.addr()), ..Options::default() };
        options.policy["buckets"]["public"]["limit"] = json!(1_000);
        options.policy["upstream_headers"] = json!(choice);
        options
    };
    let shown = |gateway: &Gateway, query: &str| {
        let reply = gateway.client().get(&format!("/?{query}"), None);
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "ratelimit", "retry-after"];
        let values = names.map(|name| match reply.header(name) {
            value if value.starts_with("\"public\"") || value.len() == 3 || value == "1000" => {
                "ours"
            }
            value => value,
        });
        format!("{} {}", reply.status, values.join(" | "))
    };
    let gateway = Gateway::start(&options("stricter")).unwrap();
    let theirs = "x-ratelimit-limit=50&x-ratelimit-remaining=7&x-ratelimit-reset=30";
    assert_eq!(shown(&gateway, ""), "200 ours | ours | ours | ");
    assert_eq!(shown(&gateway, theirs), "200 50 | 7 | ours | ");
    assert_eq!(shown(&gateway, "x-ratelimit-remaining=5000"), "200 ours | ours | ours | ");
    assert_eq!(shown(&gateway, "status=429&retry-after=9"), "429  |  |  | 9");
    assert_eq!(shown(&gateway, "ratelimit=x;r=3;t=9"), "200 ours | ours | x;r=3;t=9 | ");
    gateway.put_policy(0, &options("keep").policy).unwrap();
    wait_for("the policy is loaded", || {
        shown(&gateway, "x-ratelimit-remaining=5000") == "200  | 5000 | ours | "
    });
    gateway.put_policy(0, &options("replace").policy).unwrap();
    wait_for("the policy is loaded", || shown(&gateway, theirs) == "200 ours | ours | ours | ");
    assert_eq!(shown(&gateway, "status=429&retry-after=9"), "429 ours | ours | ours | 9");
}

/// A balance never resets, so the upstream's reset would contradict the gateway's headers.
#[test]
fn a_balance_removes_the_upstreams_reset() {
    let upstream = Upstream::answering(echo_query).unwrap();
    let mut options = Options { upstream: Some(upstream.addr()), ..Options::default() };
    options.policy["buckets"]["public"] = json!({ "key": "client", "balance": 9 });
    options.policy["upstream_headers"] = json!("replace");
    let gateway = Gateway::start(&options).unwrap();
    let reply = gateway.client().get("/?x-ratelimit-reset=30&x-kept=1", None);
    assert_eq!((reply.status, reply.header("x-ratelimit-remaining")), (200, "8"));
    assert!(!reply.headers.contains_key("x-ratelimit-reset"), "{}", reply.as_text());
    assert_eq!(reply.header("x-kept"), "1");
}

/// Redirects some paths.
fn redirect(head: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let (status, target) = match head.split(' ').nth(1).unwrap_or_default() {
        "/from" | "/free" => ("302 Found", "/to"),
        "/twice" => ("302 Found", "/from"),
        "/same" => ("302 Found", "/same?again"),
        "/failing" => ("302 Found", "/fails"),
        "/fails" => ("503 Unavailable", ""),
        _ => ("200 OK", ""),
    };
    let location = match target {
        "" => String::new(),
        target => format!("location: http://gateway{target}\r\n"),
    };
    format!("HTTP/1.1 {status}\r\n{location}content-length: 0\r\n\r\n").into_bytes()
}

/// Makes Envoy follow redirects itself.
fn follow_redirects(config: &mut Value) {
    let http = http_connection_manager(config).unwrap();
    let routes = at(http, "/route_config/virtual_hosts/0/routes").unwrap();
    for route in routes.as_array_mut().unwrap() {
        route["route"]["internal_redirect_policy"] =
            json!({ "max_internal_redirects": 3, "redirect_response_codes": [302] });
    }
}

#[test]
fn an_internal_redirect_charges_once() {
    let upstream = Upstream::answering(redirect).unwrap();
    let mut options = Options {
        is_redis: false,
        upstream: Some(upstream.addr()),
        edit: follow_redirects,
        ..Options::default()
    };
    options.policy["buckets"] = json!({
        "from": { "key": "client", "limit": 100, "window": "1m", "refund": ["server_error"] },
        "to": { "key": "client", "limit": 50, "window": "1m" },
    });
    options.policy["rules"] = json!([
        { "match": { "paths": ["/free"] }, "charge": [] },
        { "match": { "paths": ["/to"] }, "charge": ["to"] },
        { "charge": ["from"] },
    ]);
    let gateway = Gateway::start(&options).unwrap();
    let left = |path: &str| {
        let before = upstream.requests();
        let reply = gateway.client().get(path, None);
        let counts: Vec<_> = reply.headers.get_all("x-ratelimit-remaining").iter().collect();
        assert_eq!(counts.len(), 1, "{}", reply.as_text());
        let limit = reply.header("x-ratelimit-limit").to_owned();
        (upstream.requests() - before, limit, reply.header("x-ratelimit-remaining").to_owned())
    };
    let expected =
        |requests: u64, limit: &str, left: &str| (requests, limit.to_owned(), left.to_owned());
    assert_eq!(left("/to"), expected(1, "50", "49"));
    assert_eq!(left("/from"), expected(2, "100", "99"), "to another rule");
    assert_eq!(left("/same"), expected(2, "100", "98"), "to the same rule");
    assert_eq!(left("/twice"), expected(3, "100", "97"), "two redirects");
    assert_eq!(left("/to"), expected(1, "50", "48"), "the target was not charged");
    assert_eq!(
        left("/free"),
        expected(2, "50", "47"),
        "an exempt request is charged at its target"
    );
    // Clients cannot pass for redirected.
    let forged = [("x-envoy-original-url", "http://gateway/from")];
    assert_eq!(
        send(&gateway.client(), "GET", "/to", &forged).header("x-ratelimit-remaining"),
        "46"
    );
    // The charge is refunded by the outcome of the last request.
    let failed = gateway.client().get("/failing", None);
    assert_eq!((failed.status, failed.header("x-ratelimit-remaining")), (503, "96"));
    let mut sent = 0;
    wait_for("the charge is given back", || {
        sent += 1;
        let reply = gateway.client().get("/other", None);
        reply.header("x-ratelimit-remaining") == (97 - sent).to_string()
    });
    let log = std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
    assert!(!log.contains("could not"), "{log}");
}

/// The headers of a browser's preflight request.
const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", "http://localhost:3000"),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "authorization"),
];

#[test]
fn preflights_are_answered_and_scripts_can_read_the_limit_headers() {
    let mut options = Options { is_redis: false, ..Options::default() };
    options.policy["buckets"]["public"]["limit"] = json!(1);
    let gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    for _ in 0..3 {
        let preflight = send(&client, "OPTIONS", "/api/resumes", &PREFLIGHT);
        assert_eq!(preflight.status, 200);
        let allowed = preflight.header("access-control-allow-origin");
        assert_eq!(allowed, "http://localhost:3000");
        assert!(preflight.header("access-control-allow-headers").contains("authorization"));
        assert_eq!(preflight.header("ratelimit"), "", "not charged");
    }
    let exposed = |reply: &Reply| {
        let allowed = reply.header("access-control-allow-origin") == "http://localhost:3000";
        let exposed = reply.header("access-control-expose-headers");
        allowed && exposed.contains("retry-after") && exposed.contains("x-ratelimit-remaining")
    };
    let page = [("origin", "http://localhost:3000")];
    let admitted = send(&client, "GET", "/", &page);
    assert_eq!((admitted.status, admitted.header("x-ratelimit-remaining")), (200, "0"));
    assert!(exposed(&admitted));
    let denied = send(&client, "GET", "/", &page);
    assert_eq!(denied.status, 429);
    assert!(exposed(&denied), "a refusal too");
    // Another page's preflight is a request like any other.
    let other = [("origin", "https://evil.example"), PREFLIGHT[1]];
    let refused = send(&client, "OPTIONS", "/api/resumes", &other);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("access-control-allow-origin"), "");
}
