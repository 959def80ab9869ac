//! Nothing that a client writes into its headers has another pay for it, or nobody.

use serde_json::json;
use tests::client::Client;
use tests::gateway::{Gateway, Options, shipped_policy, vm_reloads};
use tests::upstream::Upstream;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// It reaches the upstream, and the client's own counter has one less left.
    Counted,
    /// Envoy refuses it; it reaches no upstream.
    Refused,
}
use Becomes::{Counted, Refused};

const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiaXNzIjoidG9sbGdhdGUiLCJhdWQiOiJ0b2xsZ2F0ZSIsImV4cCI6OTk5OTk5OTk5OX0.";

/// Header lines as they are sent, without the CR LF that ends the last.
const HEADERS: &[(&[u8], Becomes)] = &[
    // Values that are no text.
    (b"x-a: \xff\xfe\x80", Counted),
    (b"x-a: caf\xe9", Counted),
    (b"user-agent: \xc3\x28", Counted),
    (b"x-request-id: \xff", Counted),
    (b"cookie: \xf0\x28\x8c\xbc", Counted),
    (b"authorization: Bearer \xff\xff", Counted),
    (b"x-forwarded-for: \xff", Counted),
    (b"x-a:", Counted),
    (b"x-a:\t \t", Counted),
    // Values that would end the header. Envoy joins or drops these; none reaches the upstream.
    (b"x-a: 1\rx-b: 2", Counted),
    (b"x-a: 1\r\r\nx-b: 2", Counted),
    (b"x-a: 1\nx-b: 2", Counted),
    (b"x-a: 1\r\n folded", Counted),
    (b"x-a: 1\0", Refused),
    (b"x-a: \x01", Refused),
    (b"x-a: \x7f", Refused),
    // Names that are none.
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
    // Who the client says that it is.
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
    // A token that is none.
    (b"authorization: Bearer a.b.c", Counted),
    (b"authorization: Bearer", Counted),
    (b"authorization: Basic YTpi", Counted),
    (b"authorization: Bearer a\r\nauthorization: Bearer b", Counted),
    (b"proxy-authorization: Bearer a.b.c", Counted),
    // What a filter before this one would have written.
    (b"x-jwt-payload: eyJzdWIiOiJ4In0", Counted),
    (b"jwt_payload: eyJzdWIiOiJ4In0", Counted),
    (b"x-endpoint-api-userinfo: eyJzdWIiOiJ4In0", Counted),
    (b"x-user-id: 1\r\nx-user: 1\r\nx-tier: pro\r\nsub: 1", Counted),
    // What the shim writes, and what the filter does.
    (b"x-tollgate: 1", Counted),
    (b"x-tollgate-decision: admitted\r\nx-tollgate-lease: 1", Counted),
    (b"ratelimit: \"public\";r=999\r\nx-ratelimit-remaining: 999", Counted),
    (b"retry-after: 0", Counted),
    // Another path or method than that of the request line.
    (b"x-original-url: /health", Counted),
    (b"x-rewrite-url: /health", Counted),
    (b"x-envoy-original-path: /health", Counted),
    (b"x-envoy-original-host: other", Counted),
    (b"x-http-method-override: POST\r\nx-method-override: POST", Counted),
    (b"x-forwarded-proto: ftp\r\nx-forwarded-host: other\r\nx-forwarded-port: 0", Counted),
    (b"x-forwarded-prefix: /health", Counted),
    // Envoy's own orders.
    (b"x-envoy-expected-rq-timeout-ms: 0", Counted),
    (b"x-envoy-upstream-rq-timeout-ms: 60000", Counted),
    (b"x-envoy-max-retries: 5\r\nx-envoy-retry-on: 5xx", Counted),
    (b"x-envoy-upstream-alt-stat-name: x", Counted),
    (b"traceparent: 00-ff\r\ntracestate: x", Counted),
    // The connection's own headers.
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
    // Envoy joins them to a host that there is not.
    (b"host: other", Counted),
];

/// The `Host` of the request, and what becomes of it.
const HOSTS: &[(&[u8], Becomes)] = &[
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

/// What a client has: enough for each table, and so little that none of it is leased. What is left
/// says exactly who paid.
const LIMIT: u64 = 128;

/// A stack whose clients have [`LIMIT`], of which nothing comes back while a test runs.
fn start(upstream: &Upstream) -> Gateway {
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["buckets"]["public"]["limit"] = json!(LIMIT);
    policy["buckets"]["public"]["window"] = json!("1h");
    let upstream = Some(upstream.addr());
    Gateway::start(&Options { policy, upstream, ..Options::default() }).unwrap()
}

/// Whether each line of the request `head` that the upstream saw ends with CR LF, and has none within.
fn is_clean(head: &str) -> bool {
    !head.replace("\r\n", "").contains(['\r', '\n', '\0'])
}

/// The status, what is left, and what the upstream saw.
fn get(client: &Client, host: &[u8], headers: &[u8]) -> (u16, String, String) {
    let parts: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: ", host, b"\r\nConnection: close\r\n", headers];
    let answer = client.send_bytes(&parts.concat()).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (head, seen) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let left = head.lines().find_map(|line| line.strip_prefix("x-ratelimit-remaining: "));
    (status, left.unwrap_or_default().to_owned(), seen.to_owned())
}

/// Sends each of `requests`, and tells those that became something else than expected.
fn surprises(
    gateway: &Gateway,
    upstream: &Upstream,
    requests: impl Iterator<Item = (Vec<u8>, Vec<u8>, Becomes)>,
) -> Vec<String> {
    let mut left = LIMIT;
    let mut wrong = Vec::new();
    for (host, headers, expected) in requests {
        let before = upstream.requests();
        let (status, found, seen) = get(&gateway.client(), &host, &headers);
        let arrived = upstream.requests() - before;
        let counted = found == (left - 1).to_string();
        let became = match (status, counted, arrived) {
            (200, true, 1) if is_clean(&seen) => Some(Counted),
            (400..=499 | 501, false, 0) if found.is_empty() => Some(Refused),
            _ => None,
        };
        if let Ok(found) = found.parse() {
            left = found;
        }
        if became != Some(expected) {
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
        // Two more are there already.
        (hundred(90), Counted),
        (hundred(99), Refused),
        (hundred(2_000), Refused),
    ];
    let made = made.into_iter().map(|(headers, becomes)| (headers.into_bytes(), becomes));
    let listed = HEADERS.iter().map(|(headers, becomes)| (headers.to_vec(), *becomes));
    let requests = listed.chain(made).map(|(mut headers, becomes)| {
        headers.extend(b"\r\n\r\n");
        (b"gateway".to_vec(), headers, becomes)
    });
    let wrong = surprises(&gateway, &upstream, requests);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(vm_reloads(&gateway.envoys[0]), 0);
}

#[test]
fn no_host_changes_who_pays() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let requests = HOSTS.iter().map(|(host, becomes)| (host.to_vec(), b"\r\n".to_vec(), *becomes));
    let wrong = surprises(&gateway, &upstream, requests);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(vm_reloads(&gateway.envoys[0]), 0);
}

#[test]
fn a_key_s_header_may_hold_anything() {
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
    // Sent twice, it is one value of both; empty, it is none, and the client pays.
    assert_eq!(left(b"a\r\nx-key: b"), (200, "6".to_owned()));
    assert_eq!(left(b""), (200, "8".to_owned()));
    assert_eq!(vm_reloads(&gateway.envoys[0]), 0);
}
