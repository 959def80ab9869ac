//! No header that a client forges can change who pays.

use serde_json::json;
use tests::client::Client;
use tests::gateway::{Gateway, Options, crashes, shipped_policy};
use tests::upstream::Upstream;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Reaches the upstream and is charged to the client's own counter.
    Counted,
    /// Rejected by Envoy before it reaches the upstream.
    Refused,
}
use Outcome::{Counted, Refused};

const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiaXNzIjoidG9sbGdhdGUiLCJhdWQiOiJ0b2xsZ2F0ZSIsImV4cCI6OTk5OTk5OTk5OX0.";

/// Raw header lines, without the final CR LF.
const HEADERS: &[(&[u8], Outcome)] = &[
    // Values that are not text.
    (b"x-a: \xff\xfe\x80", Counted),
    (b"x-a: caf\xe9", Counted),
    (b"user-agent: \xc3\x28", Counted),
    (b"x-request-id: \xff", Counted),
    (b"cookie: \xf0\x28\x8c\xbc", Counted),
    (b"authorization: Bearer \xff\xff", Counted),
    (b"x-forwarded-for: \xff", Counted),
    (b"x-a:", Counted),
    (b"x-a:\t \t", Counted),
    // Values that would end the header. Envoy joins or drops them; none reaches the upstream.
    (b"x-a: 1\rx-b: 2", Counted),
    (b"x-a: 1\r\r\nx-b: 2", Counted),
    (b"x-a: 1\nx-b: 2", Counted),
    (b"x-a: 1\r\n folded", Counted),
    (b"x-a: 1\0", Refused),
    (b"x-a: \x01", Refused),
    (b"x-a: \x7f", Refused),
    // Invalid names.
    (b"x a: 1", Refused),
    (b"x-a : 1", Refused),
    (b": 1", Refused),
    (b"x-\xff: 1", Refused),
    (b"x-\0: 1", Refused),
    (b"x-a(): 1", Refused),
    (b"no colon", Refused),
    (b":path: /health", Refused),
    (b":authority: other", Refused),
    (b"x_user_id: 1", Counted),
    (b"X-!#$%&'*+.^`|~: 1", Counted),
    // Claims about the client's address.
    (b"x-forwarded-for: 203.0.113.1", Counted),
    (b"x-forwarded-for: 203.0.113.1, 203.0.113.2", Counted),
    (b"x-forwarded-for: 203.0.113.1\r\nx-forwarded-for: 203.0.113.2", Counted),
    (b"X-FORWARDED-FOR: [2001:db8::1]:80", Counted),
    (b"x-forwarded-for: unknown, , ;;", Counted),
    (b"forwarded: for=203.0.113.1;by=x", Counted),
    (b"x-real-ip: 203.0.113.1", Counted),
    (b"true-client-ip: 203.0.113.1", Counted),
    (b"cf-connecting-ip: 203.0.113.1", Counted),
    (b"x-envoy-external-address: 203.0.113.1", Counted),
    (b"x-envoy-internal: true", Counted),
    (b"via: 1.1 trusted", Counted),
    // Invalid tokens.
    (b"authorization: Bearer a.b.c", Counted),
    (b"authorization: Bearer", Counted),
    (b"authorization: Basic YTpi", Counted),
    (b"authorization: Bearer a\r\nauthorization: Bearer b", Counted),
    (b"proxy-authorization: Bearer a.b.c", Counted),
    // Headers that an earlier filter could have written.
    (b"x-jwt-payload: eyJzdWIiOiJ4In0", Counted),
    (b"jwt_payload: eyJzdWIiOiJ4In0", Counted),
    (b"x-endpoint-api-userinfo: eyJzdWIiOiJ4In0", Counted),
    (b"x-user-id: 1\r\nx-user: 1\r\nx-tier: pro\r\nsub: 1", Counted),
    // Headers that the shim or the filter writes.
    (b"x-tollgate: 1", Counted),
    (b"x-tollgate-decision: admitted\r\nx-tollgate-lease: 1", Counted),
    (b"ratelimit: \"public\";r=999\r\nx-ratelimit-remaining: 999", Counted),
    (b"retry-after: 0", Counted),
    // Overrides of the path or method.
    (b"x-original-url: /health", Counted),
    (b"x-rewrite-url: /health", Counted),
    (b"x-envoy-original-path: /health", Counted),
    (b"x-envoy-original-host: other", Counted),
    (b"x-http-method-override: POST\r\nx-method-override: POST", Counted),
    (b"x-forwarded-proto: ftp\r\nx-forwarded-host: other\r\nx-forwarded-port: 0", Counted),
    (b"x-forwarded-prefix: /health", Counted),
    // Instructions to Envoy.
    (b"x-envoy-expected-rq-timeout-ms: 0", Counted),
    (b"x-envoy-upstream-rq-timeout-ms: 60000", Counted),
    (b"x-envoy-max-retries: 5\r\nx-envoy-retry-on: 5xx", Counted),
    (b"x-envoy-upstream-alt-stat-name: x", Counted),
    (b"traceparent: 00-ff\r\ntracestate: x", Counted),
    // Connection-level headers.
    (b"connection: x-forwarded-for, authorization, host", Refused),
    (b"connection: x\r\nkeep-alive: timeout=0", Counted),
    (b"te: trailers\r\ntrailer: x-a", Counted),
    (b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk", Counted),
    (b"content-length: 0\r\ncontent-length: 1", Refused),
    (b"content-length: -1", Refused),
    (b"content-length: 18446744073709551616", Refused),
    (b"transfer-encoding: chunked, chunked", Refused),
    (b"transfer-encoding: xchunked", Refused),
    (b"transfer-encoding: chunked\r\ncontent-length: 5", Refused),
    // Envoy joins both values to a host that does not exist.
    (b"host: other", Counted),
];

/// Values of `Host` and the request's outcome.
const HOSTS: &[(&[u8], Outcome)] = &[
    (b"gateway", Counted),
    (b"GATEWAY:80", Counted),
    (b"gateway.", Counted),
    (b"gateway:99999", Counted),
    (b"user:secret@gateway", Counted),
    (b"[::1]:80", Counted),
    (b"127.0.0.1", Counted),
    (b"a_b.example", Counted),
    (b"", Counted),
    (b"gate way", Refused),
    (b"gateway/health", Refused),
    (b"gateway\\health", Refused),
    (b"gateway\0", Refused),
    (b"gateway\x01", Refused),
    (b"g\xffteway", Refused),
    (b"gateway?x", Refused),
    (b"gateway#x", Refused),
];

/// A client's limit: enough for each table, but too low for leases, so the remaining quota shows
/// exactly who paid.
const LIMIT: u64 = 128;

/// Starts a stack with [`LIMIT`] per client and a window longer than any test.
fn start(upstream: &Upstream) -> Gateway {
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["buckets"]["public"]["limit"] = json!(LIMIT);
    policy["buckets"]["public"]["window"] = json!("1h");
    let upstream = Some(upstream.addr());
    Gateway::start(&Options { policy, upstream, ..Options::default() }).unwrap()
}

/// Returns true if `head`, the request that the upstream saw, contains no stray CR, LF or NUL.
fn is_clean(head: &str) -> bool {
    !head.replace("\r\n", "").contains(['\r', '\n', '\0'])
}

/// Sends a request. Returns the status, the remaining quota, and the request that the upstream saw.
fn get(client: &Client, host: &[u8], headers: &[u8]) -> (u16, String, String) {
    let parts: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: ", host, b"\r\nConnection: close\r\n", headers];
    let answer = client.send_bytes(&parts.concat()).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (head, upstream_head) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let left = head.lines().find_map(|line| line.strip_prefix("x-ratelimit-remaining: "));
    (status, left.unwrap_or_default().to_owned(), upstream_head.to_owned())
}

/// Sends each of `requests` and describes those with an unexpected outcome.
fn unexpected_outcomes(
    gateway: &Gateway,
    upstream: &Upstream,
    requests: impl Iterator<Item = (Vec<u8>, Vec<u8>, Outcome)>,
) -> Vec<String> {
    let mut left = LIMIT;
    let mut wrong = Vec::new();
    for (host, headers, expected) in requests {
        let before = upstream.requests();
        let (status, found, upstream_head) = get(&gateway.client(), &host, &headers);
        let arrived = upstream.requests() - before;
        let counted = found == (left - 1).to_string();
        let outcome = match (status, counted, arrived) {
            (200, true, 1) if is_clean(&upstream_head) => Some(Counted),
            (400..=499 | 501, false, 0) if found.is_empty() => Some(Refused),
            _ => None,
        };
        if let Ok(found) = found.parse() {
            left = found;
        }
        if outcome != Some(expected) {
            let (host, headers) = (host.escape_ascii(), headers.escape_ascii());
            wrong.push(format!("Host: {host} {headers}: {status}, {found:?} left, {arrived} arrived, expected {expected:?}"));
        }
    }
    wrong
}

#[test]
fn no_header_changes_who_pays() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let unsigned = format!("authorization: Bearer {TOKEN}");
    let hundred =
        |count: usize| (0..count).map(|n| format!("x-{n}: {n}")).collect::<Vec<_>>().join("\r\n");
    let long = |bytes: usize| format!("x-a: {}", "a".repeat(bytes));
    let made = [
        (unsigned.clone(), Counted),
        (format!("{unsigned}\r\n{unsigned}"), Counted),
        (format!("authorization: Bearer {}", "a".repeat(50_000)), Counted),
        (long(50_000), Counted),
        (long(70_000), Refused),
        (format!("x-{}: 1", "a".repeat(10_000)), Counted),
        // The request already has two headers.
        (hundred(90), Counted),
        (hundred(99), Refused),
        (hundred(2_000), Refused),
    ];
    let made = made.into_iter().map(|(headers, outcome)| (headers.into_bytes(), outcome));
    let listed = HEADERS.iter().map(|(headers, outcome)| (headers.to_vec(), *outcome));
    let requests = listed.chain(made).map(|(mut headers, outcome)| {
        headers.extend(b"\r\n\r\n");
        (b"gateway".to_vec(), headers, outcome)
    });
    let wrong = unexpected_outcomes(&gateway, &upstream, requests);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(crashes(&gateway.envoys[0]), 0);
}

#[test]
fn no_host_changes_who_pays() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let requests = HOSTS.iter().map(|(host, outcome)| (host.to_vec(), b"\r\n".to_vec(), *outcome));
    let wrong = unexpected_outcomes(&gateway, &upstream, requests);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(crashes(&gateway.envoys[0]), 0);
}

#[test]
fn a_key_header_can_contain_anything() {
    let upstream = Upstream::start().unwrap();
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["keys"]["api"] = json!({ "header": "x-key", "otherwise": "client" });
    policy["buckets"]["public"] = json!({ "key": "api", "limit": 9, "window": "1m" });
    let options = Options { policy, upstream: Some(upstream.addr()), ..Options::default() };
    let gateway = Gateway::start(&options).unwrap();
    let left = |value: &[u8]| {
        let headers = [b"x-key: ", value, b"\r\n\r\n"].concat();
        let (status, left, _) = get(&gateway.client(), b"gateway", &headers);
        (status, left)
    };
    let long = "k".repeat(40_000).into_bytes();
    let values: [&[u8]; 7] =
        [b"\xff\xfe", b"\xff", b"{}", b"tg:{x}:public", b"\"'; --", b"a,b", &long];
    for value in values {
        assert_eq!(left(value), (200, "8".to_owned()), "{}", value.escape_ascii());
        assert_eq!(left(value), (200, "7".to_owned()), "{}", value.escape_ascii());
    }
    // Repeated headers form one value. An empty header counts as missing, so the client pays.
    assert_eq!(left(b"a\r\nx-key: b"), (200, "6".to_owned()));
    assert_eq!(left(b""), (200, "8".to_owned()));
    assert_eq!(crashes(&gateway.envoys[0]), 0);
}
