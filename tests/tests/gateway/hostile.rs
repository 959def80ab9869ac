//! Malformed and hostile requests get an ordinary answer, and the filter keeps working.

use hyper::body::Bytes;
use hyper::header::HeaderValue;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, crashes};

fn request(client: &Client, name: &'static str, value: HeaderValue) -> Reply {
    let request = hyper::Request::get("/").header(name, value);
    client.send(request.body(Bytes::new().into()).unwrap())
}

/// Asserts that the filter never crashed and still counts requests.
fn assert_filter_works(gateway: &Gateway) {
    let reply = gateway.client().at(9).get("/", None);
    assert_eq!(reply.status, 200);
    assert!(!reply.header("x-ratelimit-remaining").is_empty(), "{}", reply.as_text());
    assert_eq!(crashes(&gateway.envoys[0]), 0);
    let log = gateway.envoys[0].log_tail().unwrap();
    assert!(!log.contains("panicked") && !log.contains("Wasm VM failed"), "{log}");
}

#[test]
fn non_text_header_values_get_an_ordinary_answer() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    for name in ["x-anything", "authorization", "user-agent", "cookie", "x-request-id", "x-cache"] {
        let value = HeaderValue::from_bytes(b"\xff\xfe\x80 \xc3\x28").unwrap();
        let reply = request(&client, name, value);
        assert!([200, 400].contains(&reply.status), "{name}: {}", reply.as_text());
    }
    assert_filter_works(&gateway);
}

#[test]
fn a_header_of_64_kb_is_rejected_and_one_of_50_kb_passes() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    let big = |bytes: usize| HeaderValue::from_str(&"a".repeat(bytes)).unwrap();
    assert_eq!(request(&client, "x-big", big(64 * 1024)).status, 431);
    assert_eq!(request(&client, "x-big", big(50 * 1024)).status, 200);
    assert_filter_works(&gateway);
}

#[test]
fn a_missing_or_garbled_token_counts_as_no_token() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    for token in
        ["", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer ....", "Basic YTpi", "Bearer \u{1}"]
    {
        let Ok(value) = HeaderValue::from_str(token) else { continue };
        let reply = request(&client, "authorization", value);
        assert_eq!(reply.status, 200, "{token:?}: {}", reply.as_text());
        assert_eq!(reply.header("x-ratelimit-limit"), "30", "{token:?}");
    }
    assert_filter_works(&gateway);
}

#[test]
fn a_request_without_a_host_is_a_bad_request() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let bare = hyper::Request::get("/").body(Bytes::new().into()).unwrap();
    assert_eq!(gateway.client().send_as_is(bare).unwrap().status, 400);
    assert_filter_works(&gateway);
}

#[test]
fn an_unknown_method_gets_an_ordinary_answer() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let request = hyper::Request::builder().method("BREW").uri("/");
    let reply = gateway.client().send(request.body(Bytes::new().into()).unwrap());
    assert!([400, 405, 501].contains(&reply.status), "{}", reply.as_text());
    assert_filter_works(&gateway);
}

#[test]
fn bytes_that_are_not_http_close_the_connection() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    for bytes in [&b"\x00\x01\x02\xff\r\n\r\n"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let answer = gateway.client().send_bytes(bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert_filter_works(&gateway);
}
