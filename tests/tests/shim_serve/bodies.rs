//! Bodies that the shim rejects, with the complete replies. None of them changes the ledger.

use tests::client::{Client, Reply};
use tests::shim::{Api, Shims, Store, charge, counter, only_charge, request, sliding};

const NAME: &str = "tg:{0123456789abcdef0123456789abcdef}:b";

fn charge_with(quota: &str) -> String {
    format!(r#"{{"requests":[{{"charges":[{{"counter":"{NAME}","quota":{quota}}}]}}]}}"#)
}

fn window(limit: &str, window_ms: &str) -> String {
    charge_with(&format!(r#"{{"sliding_window":{{"limit":{limit},"window_ms":{window_ms}}}}}"#))
}

fn decide(api: &mut Api, body: impl Into<Vec<u8>>) -> String {
    render(&api.post("/v1/decide", &[], body.into()))
}

fn settle(api: &mut Api, body: &str) -> String {
    render(&api.post("/v1/settle", &[], body.to_owned()))
}

/// Renders a reply for a snapshot, without its length and date.
fn render(reply: &Reply) -> String {
    assert_eq!(reply.header("tollgate-version"), "1");
    let kind = reply.header("content-type");
    let body = serde_json::to_string_pretty(&reply.json()).expect("JSON");
    format!("{} {kind}\n{body}", reply.status)
}

fn memory() -> (Shims, Api) {
    let shims = Shims::start(Store::Memory, 1);
    let api = shims.api(0);
    (shims, api)
}

#[test]
fn invalid_json_is_refused() {
    let (_shims, mut api) = memory();
    insta::assert_snapshot!(decide(&mut api, ""), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "EOF while parsing a value at line 1 column 0",
      "pointer": ""
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, "{\"requests\":["), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "EOF while parsing a list at line 1 column 13",
      "pointer": "/requests"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, "null"), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid type: null, expected struct DecideBody at line 1 column 4",
      "pointer": ""
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, b"{\"requests\":[{\"charges\":[{\"counter\":\"\xff\xfe\"}]}]}".as_slice()), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid unicode code point at line 1 column 38",
      "pointer": "/requests/0/charges/0/counter"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, b"{\"requests\":\0[]}".as_slice()), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "expected value at line 1 column 13",
      "pointer": "/requests"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, "{\"requests\":[]} x"), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "trailing characters at line 1 column 17",
      "pointer": ""
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn ten_thousand_levels_of_nesting_are_refused() {
    let (_shims, mut api) = memory();
    insta::assert_snapshot!(decide(&mut api, "[".repeat(10_000)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid type: sequence, expected a string at line 1 column 5",
      "pointer": "/0/0/0/0/0"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, format!("{{\"requests\":{}", "[".repeat(10_000))), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid type: sequence, expected a string at line 1 column 16",
      "pointer": "/requests/0/0/0/0"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    let quota = format!("{{\"sliding_window\":{}", "{\"limit\":".repeat(10_000));
    insta::assert_snapshot!(decide(&mut api, charge_with(&quota)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid type: map, expected a whole number from 1 to 9007199254740992 at line 1 column 114",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let (_shims, mut api) = memory();
    insta::assert_snapshot!(decide(&mut api, window("0", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: integer `0`, expected a whole number from 1 to 9007199254740992 at line 1 column 114",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("-5", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: integer `-5`, expected a whole number from 1 to 9007199254740992 at line 1 column 115",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("9007199254740993", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: integer `9007199254740993`, expected a whole number from 1 to 9007199254740992 at line 1 column 129",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("1e400", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "number out of range at line 1 column 118",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("1.5", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: floating point `1.5`, expected a whole number from 1 to 9007199254740992 at line 1 column 116",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("5", "0")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: integer `0`, expected a whole number from 1 to 31622400000 at line 1 column 128",
      "pointer": "/requests/0/charges/0/quota/sliding_window/window_ms"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    // 100 years.
    insta::assert_snapshot!(decide(&mut api, window("5", "3155760000000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: integer `3155760000000`, expected a whole number from 1 to 31622400000 at line 1 column 140",
      "pointer": "/requests/0/charges/0/quota/sliding_window/window_ms"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("\"5\"", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid type: string \"5\", expected a whole number from 1 to 9007199254740992 at line 1 column 116",
      "pointer": "/requests/0/charges/0/quota/sliding_window/limit"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn unknown_fields_and_values_are_refused() {
    let (_shims, mut api) = memory();
    insta::assert_snapshot!(decide(&mut api, charge_with(r#"{"leaky_bucket":{"limit":5}}"#)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "unknown variant `leaky_bucket`, expected one of `sliding_window`, `fixed_window`, `token_bucket`, `balance` at line 1 column 101",
      "pointer": "/requests/0/charges/0/quota"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, charge_with(r#"{"fixed_window":{"limit":5,"per":"decade"}}"#)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "unknown variant `decade`, expected one of `minute`, `hour`, `day`, `week`, `month`, `year` at line 1 column 127",
      "pointer": "/requests/0/charges/0/quota/fixed_window/per"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, charge_with(r#"{"fixed_window":{"limit":5,"per":"day","time_zone":"Mars/Olympus"}}"#)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "expected an IANA time zone such as Europe/Berlin, found \"Mars/Olympus\" at line 1 column 152",
      "pointer": "/requests/0/charges/0/quota/fixed_window/time_zone"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, charge_with(r#"{"token_bucket":{"rate":1,"per_ms":2000000,"burst":9007199254740992}}"#)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "expected burst × per_ms to be at most 2^53, found 9007199254740992 × 2000000 at line 1 column 155",
      "pointer": "/requests/0/charges/0/quota/token_bucket"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, r#"{"requests":[],"dry_run":true}"#), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "unknown field `dry_run`, expected `requests` at line 1 column 24",
      "pointer": "/dry_run"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn invalid_counter_names_are_refused() {
    let (_shims, mut api) = memory();
    let named = |name: &str| window("5", "1000").replace(NAME, name);
    insta::assert_snapshot!(decide(&mut api, named("user:42")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "expected a counter name, tg:{<32 hex digits>}:<bucket>, found \"user:42\" at line 1 column 45",
      "pointer": "/requests/0/charges/0/counter"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, named(&NAME.replace(":b", ":b\\u0000"))), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "expected a counter name, tg:{<32 hex digits>}:<bucket>, found \"tg:{0123456789abcdef0123456789abcdef}:b\\0\" at line 1 column 83",
      "pointer": "/requests/0/charges/0/counter"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, named(&NAME.replace(":b", ":b\\r\\nDEL x"))), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "expected a counter name, tg:{<32 hex digits>}:<bucket>, found \"tg:{0123456789abcdef0123456789abcdef}:b\\r\\nDEL x\" at line 1 column 86",
      "pointer": "/requests/0/charges/0/counter"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn duplicate_fields_are_refused() {
    let (_shims, mut api) = memory();
    insta::assert_snapshot!(decide(&mut api, r#"{"requests":[],"requests":[]}"#), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "duplicate field `requests` at line 1 column 25",
      "pointer": ""
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, window("5,\"limit\":6", "1000")), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "duplicate field `limit` at line 1 column 122",
      "pointer": "/requests/0/charges/0/quota/sliding_window"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn all_errors_across_fields_are_listed() {
    let (_shims, mut api) = memory();
    let quota = r#"{"sliding_window":{"limit":5,"window_ms":1000}}"#;
    let body = format!(
        r#"{{"requests":[
            {{"charges":[]}},
            {{"charges":[
                {{"counter":"{NAME}","quota":{quota}}},
                {{"counter":"{NAME}","quota":{quota},"cost":6}}
            ]}}
        ]}}"#
    );
    insta::assert_snapshot!(decide(&mut api, body), @r#"
400 application/problem+json
{
  "detail": "The body has invalid values; see errors.",
  "errors": [
    {
      "detail": "expected 1 to 16 charges, found 0",
      "pointer": "/requests/0/charges"
    },
    {
      "detail": "expected each counter once, found the one of charge 0 again",
      "pointer": "/requests/1/charges/1/counter"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    let body = format!(
        r#"{{"settles":[
            {{"id":"","decision":"yesterday","charges":[]}},
            {{"id":"a b","decision":"1-2","charges":[
                {{"counter":"{NAME}","quota":{quota},"amount":{{"give_back":1}}}},
                {{"counter":"{NAME}","quota":{quota},"amount":{{"charge":1}}}}
            ]}}
        ]}}"#
    );
    insta::assert_snapshot!(settle(&mut api, &body), @r#"
400 application/problem+json
{
  "detail": "The body has invalid values; see errors.",
  "errors": [
    {
      "detail": "expected a settle id, 1 to 64 letters, digits, `.`, `_` or `-`, found \"\"",
      "pointer": "/settles/0/id"
    },
    {
      "detail": "expected a decision id, <now_ms>-<unique>, found \"yesterday\"",
      "pointer": "/settles/0/decision"
    },
    {
      "detail": "expected 1 to 16 charges, found 0",
      "pointer": "/settles/0/charges"
    },
    {
      "detail": "expected a settle id, 1 to 64 letters, digits, `.`, `_` or `-`, found \"a b\"",
      "pointer": "/settles/1/id"
    },
    {
      "detail": "expected each counter once, found the one of charge 0 again",
      "pointer": "/settles/1/charges/1/counter"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(settle(&mut api, r#"{"settles":[]}"#), @r#"
400 application/problem+json
{
  "detail": "The body has invalid values; see errors.",
  "errors": [
    {
      "detail": "expected 1 to 1024 settles, found 0",
      "pointer": "/settles"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(settle(&mut api, &format!(r#"{{"settles":[{{"id":"a","decision":"1-2","charges":[{{"counter":"{NAME}","quota":{quota},"amount":{{"give_back":0}}}}]}}]}}"#)), @r#"
400 application/problem+json
{
  "detail": "The body is not valid for this path; see errors.",
  "errors": [
    {
      "detail": "invalid value: integer `0`, expected a whole number from 1 to 9007199254740992 at line 1 column 182",
      "pointer": "/settles/0/charges/0/amount/give_back"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
}

#[test]
fn too_many_charges_and_requests_are_refused() {
    let (_shims, mut api) = memory();
    let charges = |count: usize| {
        let one = |at| {
            format!(
                r#"{{"counter":"tg:{{{at:032x}}}:b","quota":{{"sliding_window":{{"limit":5,"window_ms":1000}}}}}}"#
            )
        };
        let charges: Vec<_> = (0..count).map(one).collect();
        format!(r#"{{"charges":[{}]}}"#, charges.join(","))
    };
    let calls = |count: usize, charges: &str| {
        format!(r#"{{"requests":[{}]}}"#, vec![charges; count].join(","))
    };
    insta::assert_snapshot!(decide(&mut api, calls(1, &charges(17))), @r#"
400 application/problem+json
{
  "detail": "The body has invalid values; see errors.",
  "errors": [
    {
      "detail": "expected 1 to 16 charges, found 17",
      "pointer": "/requests/0/charges"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    // A request with 10,000 buckets exceeds the body limit.
    insta::assert_snapshot!(decide(&mut api, calls(1, &charges(10_000))), @r#"
413 application/problem+json
{
  "detail": "Expected a body of at most 1048576 bytes, found more.",
  "errors": [
    {
      "detail": "expected at most 1048576 bytes",
      "pointer": ""
    }
  ],
  "status": 413,
  "title": "Payload Too Large",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, calls(1, &charges(5_000))), @r#"
400 application/problem+json
{
  "detail": "The body has invalid values; see errors.",
  "errors": [
    {
      "detail": "expected 1 to 16 charges, found 5000",
      "pointer": "/requests/0/charges"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    insta::assert_snapshot!(decide(&mut api, calls(1_025, &charges(1))), @r#"
400 application/problem+json
{
  "detail": "The body has invalid values; see errors.",
  "errors": [
    {
      "detail": "expected 1 to 1024 requests, found 1025",
      "pointer": "/requests"
    }
  ],
  "status": 400,
  "title": "Bad Request",
  "type": "about:blank"
}
"#);
    let mistakes = decide(&mut api, calls(1_024, r#"{"charges":[]}"#));
    assert!(mistakes.contains("has 1024 mistakes; errors lists the first 256"), "{mistakes}");
    assert_eq!(mistakes.matches("pointer").count(), 256);
}

#[test]
fn a_body_of_ten_megabytes_is_refused() {
    let (shims, mut api) = memory();
    let body = || " ".repeat(10 << 20);
    insta::assert_snapshot!(decide(&mut api, body()), @r#"
413 application/problem+json
{
  "detail": "Expected a body of at most 1048576 bytes, found more.",
  "errors": [
    {
      "detail": "expected at most 1048576 bytes",
      "pointer": ""
    }
  ],
  "status": 413,
  "title": "Payload Too Large",
  "type": "about:blank"
}
"#);
    let http1 = Client::of(shims.shims[0].addr());
    let post = || hyper::Request::post("/v1/decide");
    let reply = http1.send(post().body(body().into()).expect("a request"));
    assert_eq!(reply.status, 413);
    // Chunked, so that no content-length announces the size.
    let mut chunked = b"POST /v1/decide HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"40000\r\n");
        chunked.extend(vec![b' '; 0x40000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = http1.send_bytes(&chunked).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let (shims, _api) = memory();
    let client = Client::of(shims.shims[0].addr());
    insta::assert_snapshot!(render(&client.get("/", None)), @r#"
404 application/problem+json
{
  "detail": "Expected /v1/decide, /v1/settle, /v1/peek, /healthz or /metrics.",
  "status": 404,
  "title": "Not Found",
  "type": "about:blank"
}
"#);
    let reply = client.get("/v1/decide", None);
    assert_eq!(reply.header("allow"), "POST");
    insta::assert_snapshot!(render(&reply), @r#"
405 application/problem+json
{
  "detail": "This path does not support this method; see the Allow header.",
  "status": 405,
  "title": "Method Not Allowed",
  "type": "about:blank"
}
"#);
}

#[test]
fn a_rejected_call_charges_nothing() {
    let shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    let good = || charge(counter("a", "b"), sliding(5, 60_000));
    let twice = request([good(), good()]);
    let crowd = (0..100).map(|at| charge(counter(&at.to_string(), "b"), sliding(5, 60_000)));
    let many = vec![request([good()]); limits::wire::MAX_BATCH + 1];
    for bad in [
        vec![request([good()]), twice],
        vec![request([good()]), request(crowd.collect::<Vec<_>>())],
        vec![request([good()]), request(Vec::new())],
        many,
    ] {
        let reply = api.try_decide(bad).expect_err("an invalid call");
        assert!([400, 413].contains(&reply.status), "{}", reply.as_text());
    }
    assert_eq!(only_charge(&api.decide_one(request([good()]))).remaining, 4);
}
