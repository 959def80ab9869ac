//! However a client spells its token, the backend serves it as a user only if the gateway has
//! counted that user.

use harness::clock::Deadline;
use harness::stack::server::READY_LIMIT;
use serde_json::json;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, binaries};

/// How a request carries `TOKEN`, and whether the backend takes it: lines of its head, without the
/// CR LF that ends the last.
const SPELLINGS: &[(&str, bool)] = &[
    ("authorization: Bearer TOKEN", true),
    ("AUTHORIZATION: Bearer TOKEN", true),
    // HTTP has no blanks at the ends of a value, so these are the same request.
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
    // What is between.
    ("authorization: Bearer  TOKEN", false),
    ("authorization: Bearer\tTOKEN", false),
    ("authorization: Bearer \tTOKEN", false),
    ("authorization: BearerTOKEN", false),
    ("authorization: Bearer=TOKEN", false),
    ("authorization: Bearer\u{a0}TOKEN", false),
    // What is around it.
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

/// Where a token can stand in a path that leads to `/api/me`.
const QUERIES: &[&str] =
    &["?access_token=TOKEN", "?token=TOKEN&jwt=TOKEN", "?authorization=Bearer%20TOKEN"];

/// The status, and which bucket counted the request.
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

/// Limits that nobody meets.
fn start() -> Gateway {
    let mut options = Options::default();
    for bucket in ["authenticated", "public"] {
        options.policy["buckets"][bucket]["limit"] = json!(100_000);
    }
    Gateway::start(&options).unwrap()
}

#[test]
fn whom_the_backend_serves_as_a_user_the_gateway_has_counted_as_that_user() {
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
            let shown = format!("{path} {headers}").replace(&token, "TOKEN");
            wrong
                .push(format!("{shown:?}: {status} by {bucket}, {behind} from the backend itself"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// HTTP/2 knows no blanks that are not part of a value, and no case of names.
#[test]
fn over_http2_it_is_the_same() {
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

/// A new signing key reaches the gateway a little later than the backend uses it.
#[test]
fn a_token_that_the_gateway_cannot_verify_yet_is_served_to_nobody() {
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
    assert!(through.status == 401 || is_counted, "served, and not counted: {}", through.as_text());
}
