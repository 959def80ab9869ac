//! Whatever arrives gets an ordinary answer, and the filter goes on.

use hyper::body::Bytes;
use hyper::header::HeaderValue;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, vm_reloads};

fn request(client: &Client, name: &'static str, value: HeaderValue) -> Reply {
    let request = hyper::Request::get("/").header(name, value);
    client.send(request.body(Bytes::new().into()).unwrap())
}

/// The filter is still there, its VM is the first one, and requests are still counted.
fn goes_on(gateway: &Gateway) {
    let reply = gateway.client().at(9).get("/", None);
    assert_eq!(reply.status, 200);
    assert!(!reply.header("x-ratelimit-remaining").is_empty(), "{}", reply.as_text());
    assert_eq!(vm_reloads(&gateway.envoys[0]), 0);
    let log = gateway.envoys[0].log_tail().unwrap();
    assert!(!log.contains("panicked") && !log.contains("Wasm VM failed"), "{log}");
}

#[test]
fn header_values_that_are_no_text_are_ordinary() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    for name in ["x-anything", "authorization", "user-agent", "cookie", "x-request-id", "x-cache"] {
        let value = HeaderValue::from_bytes(b"\xff\xfe\x80 \xc3\x28").unwrap();
        let reply = request(&client, name, value);
        assert!([200, 400].contains(&reply.status), "{name}: {}", reply.as_text());
    }
    goes_on(&gateway);
}

#[test]
fn a_header_of_64_kb_is_refused_or_passed_but_answered() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    let big = |bytes: usize| HeaderValue::from_str(&"a".repeat(bytes)).unwrap();
    assert_eq!(request(&client, "x-big", big(64 * 1024)).status, 431);
    assert_eq!(request(&client, "x-big", big(50 * 1024)).status, 200);
    goes_on(&gateway);
}

#[test]
fn a_missing_or_garbled_token_is_no_token() {
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
    goes_on(&gateway);
}

#[test]
fn a_request_without_host_gets_an_ordinary_answer() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let bare = hyper::Request::get("/").body(Bytes::new().into()).unwrap();
    assert_eq!(gateway.client().send_as_is(bare).unwrap().status, 400);
    goes_on(&gateway);
}

#[test]
fn an_unknown_method_is_counted_and_passed_on() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let request = hyper::Request::builder().method("BREW").uri("/");
    let reply = gateway.client().send(request.body(Bytes::new().into()).unwrap());
    assert!([400, 405, 501].contains(&reply.status), "{}", reply.as_text());
    goes_on(&gateway);
}

#[test]
fn bytes_that_are_no_http_close_the_connection() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    for bytes in [&b"\x00\x01\x02\xff\r\n\r\n"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let answer = gateway.client().send_bytes(bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    goes_on(&gateway);
}
