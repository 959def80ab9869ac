//! No spelling of a token makes the backend serve a user whom the gateway has not counted.

use harness::clock::Deadline;
use harness::stack::server::READY_LIMIT;
use serde_json::json;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, binaries};

/// Header lines that carry `TOKEN`, without the final CR LF, and true if the backend accepts them.
const SPELLINGS: &[(&str, bool)] = &[
    ("authorization: Bearer TOKEN", true),
    ("AUTHORIZATION: Bearer TOKEN", true),
    // HTTP ignores whitespace around a value, so these are the same request.
    ("authorization:Bearer TOKEN", true),
    ("authorization: \t Bearer TOKEN", true),
    ("authorization: Bearer TOKEN \t ", true),
    // The scheme.
    ("authorization: bearer TOKEN", false),
    ("authorization: BEARER TOKEN", false),
    ("authorization: bEARER TOKEN", false),
    ("authorization: Bearer: TOKEN", false),
    ("authorization: Token TOKEN", false),
    ("authorization: Basic Bearer TOKEN", false),
    ("authorization: xBearer TOKEN", false),
    ("authorization: Bearer Bearer TOKEN", false),
    ("authorization: bearer Bearer TOKEN", false),
    ("authorization: TOKEN", false),
    // The separator.
    ("authorization: Bearer  TOKEN", false),
    ("authorization: Bearer\tTOKEN", false),
    ("authorization: Bearer \tTOKEN", false),
    ("authorization: BearerTOKEN", false),
    ("authorization: Bearer=TOKEN", false),
    ("authorization: Bearer\u{a0}TOKEN", false),
    // Text around the token.
    ("authorization: Bearer \"TOKEN\"", false),
    ("authorization: Bearer 'TOKEN'", false),
    ("authorization: Bearer <TOKEN>", false),
    ("authorization: Bearer token=TOKEN", false),
    ("authorization: Bearer TOKEN,", false),
    ("authorization: Bearer TOKEN;q=1", false),
    ("authorization: Bearer TOKEN=", false),
    ("authorization: Bearer TOKEN x", false),
    ("authorization: Bearer TOKEN, Bearer TOKEN", false),
    ("authorization: Bearer x, Bearer TOKEN", false),
    ("authorization: Basic YTpi, Bearer TOKEN", false),
    // Sent twice.
    ("authorization: Bearer TOKEN\r\nauthorization: Bearer TOKEN", false),
    ("authorization: Bearer TOKEN\r\nauthorization: bearer TOKEN", false),
    ("authorization: bearer TOKEN\r\nauthorization: Bearer TOKEN", false),
    ("authorization: Basic YTpi\r\nauthorization: Bearer TOKEN", false),
    ("authorization: Bearer TOKEN\r\nauthorization:", false),
    // Elsewhere.
    ("cookie: authorization=Bearer TOKEN", false),
    ("cookie: access_token=TOKEN; token=TOKEN; jwt=TOKEN", false),
    ("proxy-authorization: Bearer TOKEN", false),
    ("x-authorization: Bearer TOKEN", false),
    ("x-forwarded-authorization: Bearer TOKEN", false),
    ("x-original-authorization: Bearer TOKEN", false),
    ("x-access-token: TOKEN\r\nx-auth-token: TOKEN\r\nx-api-key: TOKEN", false),
    ("authorization_: Bearer TOKEN", false),
    ("sec-websocket-protocol: Bearer, TOKEN", false),
];

/// Query strings of `/api/me` that carry a token.
const QUERIES: &[&str] =
    &["?access_token=TOKEN", "?token=TOKEN&jwt=TOKEN", "?authorization=Bearer%20TOKEN"];

/// Sends a `GET` with raw header lines. Returns the status and the charged bucket.
fn get(client: &Client, path: &str, headers: &str) -> (u16, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{headers}\r\n\r\n");
    let answer = client.send_bytes(request.as_bytes()).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let policy = answer.lines().find_map(|line| line.strip_prefix("ratelimit-policy: \""));
    let bucket = policy.and_then(|policy| policy.split('"').next()).unwrap_or_default();
    (status, bucket.to_owned())
}

/// Starts a gateway with limits that the tests never reach.
fn start() -> Gateway {
    let mut options = Options::default();
    for bucket in ["authenticated", "public"] {
        options.policy["buckets"][bucket]["limit"] = json!(100_000);
    }
    Gateway::start(&options).unwrap()
}

#[test]
fn the_gateway_counts_every_user_whom_the_backend_serves() {
    let gateway = start();
    let token = gateway.token_of("ada@example.com");
    let (through, direct) = (gateway.client(), Client::of(gateway.backend.addr()));
    let headers =
        SPELLINGS.iter().map(|(headers, is_taken)| ("/api/me".to_owned(), *headers, *is_taken));
    let queries = QUERIES.iter().map(|query| (format!("/api/me{query}"), "x-a: b", false));
    let mut wrong = Vec::new();
    for (path, headers, is_taken) in headers.chain(queries) {
        let (path, headers) = (path.replace("TOKEN", &token), headers.replace("TOKEN", &token));
        let (status, bucket) = get(&through, &path, &headers);
        let (behind, _) = get(&direct, &path, &headers);
        let is_as_listed = (behind == 200) == is_taken && (status == 200 || !is_taken);
        let is_counted = status != 200 || bucket == "authenticated";
        if !is_as_listed || !is_counted {
            let request = format!("{path} {headers}").replace(&token, "TOKEN");
            wrong.push(format!(
                "{request:?}: {status} by {bucket}, {behind} from the backend directly"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// HTTP/2 has no whitespace around values, and its header names are lowercase.
#[test]
fn the_gateway_counts_every_user_over_http2() {
    let gateway = start();
    let token = gateway.token_of("ada@example.com");
    let ask = |values: &[&str]| -> Reply {
        let url = format!("http://{}/api/me", gateway.client().to);
        let request = values.iter().fold(hyper::Request::get(url), |request, value| {
            request.header("authorization", value.replace("TOKEN", &token))
        });
        gateway
            .client()
            .send_http2(request.body(hyper::body::Bytes::new().into()).unwrap())
            .unwrap()
    };
    let served = ask(&["Bearer TOKEN"]);
    assert_eq!(
        (served.status, served.header("ratelimit-policy")),
        (200, "\"authenticated\";q=100000;w=60")
    );
    for values in [
        &["bearer TOKEN"][..],
        &["Bearer  TOKEN"],
        &["Bearer TOKEN", "bearer TOKEN"],
        &["Bearer x", "Bearer TOKEN"],
    ] {
        assert_eq!(ask(values).status, 401, "{values:?}");
    }
}

/// The gateway learns of a new signing key a little after the backend starts to use it.
#[test]
fn a_token_that_the_gateway_cannot_verify_yet_is_not_served() {
    let gateway = start();
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    let before = header(&gateway.token_of("ada@example.com"));
    let database = format!("backend-{}.db", gateway.backend.addr().port());
    let rotated = Command::new(&binaries().backend)
        .args(["rotate-key", "--now"])
        .env("DATABASE_URL", format!("sqlite://{}", gateway.dir.path().join(database).display()))
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let direct = Client::of(gateway.backend.addr());
    let account = json!({ "email": "ada@example.com", "password": "correct horse battery" });
    let deadline = Deadline::after(READY_LIMIT);
    let token = loop {
        let reply = direct.post("/api/auth/login", &account, None);
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        if header(&token) != before {
            break token;
        }
        assert!(!deadline.has_passed(), "the backend does not use its new key");
        sleep(Duration::from_millis(100));
    };
    assert_eq!(direct.get("/api/me", Some(&token)).status, 200);
    let through = gateway.client().get("/api/me", Some(&token));
    let is_counted = through.header("ratelimit-policy").starts_with("\"authenticated\"");
    assert!(through.status == 401 || is_counted, "served but not counted: {}", through.as_text());
}
