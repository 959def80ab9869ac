//! No spelling of a path escapes its rule: the charge matches the path that the upstream sees.

use serde_json::json;
use tests::client::Client;
use tests::gateway::{Gateway, Options, shipped_policy};
use tests::upstream::Upstream;

/// The outcome of a spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Charged as a login.
    Login,
    /// Charged as some other path.
    Other,
    /// Rejected before it reaches the upstream.
    Refused,
}
use Outcome::{Login, Other, Refused};

/// Spellings of `/api/auth/login` and similar paths, and targets that are not paths.
const SPELLINGS: &[(&[u8], Outcome)] = &[
    // The plain path, with and without query or fragment.
    (b"/api/auth/login", Login),
    (b"/api/auth/login?", Login),
    (b"/api/auth/login?x=/health", Login),
    (b"/api/auth/login?x=/../../health", Login),
    (b"/api/auth/login??", Login),
    (b"/api/auth/login?%zz", Login),
    (b"/health?/../api/auth/login", Other),
    (b"/health?next=/api/auth/login", Other),
    (b"/api/auth/login#top", Refused),
    (b"/health#/../api/auth/login", Refused),
    // Trailing, double and leading slashes.
    (b"/api/auth/login/", Login),
    (b"/api/auth/login//", Login),
    (b"/api/auth/login/?x=1", Login),
    (b"//api/auth/login", Login),
    (b"///api/auth/login", Login),
    (b"/api//auth/login", Login),
    (b"/api///auth////login", Login),
    // Dot segments.
    (b"/./api/auth/login", Login),
    (b"/api/./auth/./login/.", Login),
    (b"/x/../api/auth/login", Login),
    (b"/health/../api/auth/login", Login),
    (b"/api/auth/x/../login", Login),
    (b"/api/auth/login/x/..", Login),
    (b"/api/auth/login/./", Login),
    (b"/api/x/..//auth/login", Login),
    (b"/api/auth/login/../../../health", Other),
    (b"/api/auth/login/..", Other),
    (b"/...", Other),
    (b"/api/.../auth/login", Other),
    // Dot segments that lead above the root: Envoy resolves them as browsers do.
    (b"/../api/auth/login", Login),
    (b"/x/../../api/auth/login", Login),
    // Needless escapes.
    (b"/api/auth/%6cogin", Login),
    (b"/api/auth/%6Cogin", Login),
    (b"/%61pi/auth/login", Login),
    (b"/%61%70%69/%61%75%74%68/%6c%6f%67%69%6e", Login),
    (b"/api/auth/logi%6e?%6e", Login),
    (b"/%2e/api/auth/login", Login),
    (b"/x/%2e%2e/api/auth/login", Login),
    (b"/x/%2E%2e/api/auth/login", Login),
    (b"/x/.%2e/api/auth/login", Login),
    (b"/x/%2e./api/auth/login", Login),
    (b"/%2e%2e/api/auth/login", Login),
    // Double escapes: decoded once, they are other paths, for us and for the upstream.
    (b"/api/auth/%256cogin", Other),
    (b"/x/%252e%252e/api/auth/login", Other),
    (b"/api%252fauth%252flogin", Other),
    // Escaped slashes and backslashes.
    (b"/api%2fauth/login", Refused),
    (b"/api%2Fauth%2Flogin", Refused),
    (b"/%2fapi/auth/login", Refused),
    (b"/api/auth/login%2f", Refused),
    (b"/x%2f..%2fapi/auth/login", Refused),
    (b"/api%5cauth%5clogin", Refused),
    (b"/api%5Cauth/login", Refused),
    // Backslashes.
    (b"/api\\auth\\login", Login),
    (b"\\api\\auth\\login", Refused),
    (b"/api/auth\\login", Login),
    (b"/x\\..\\api/auth/login", Login),
    (b"/health\\..\\api\\auth\\login", Login),
    // Path parameters.
    (b"/api/auth/login;v=1", Login),
    (b"/api/auth/login;", Login),
    (b"/api;a=b/auth;c/login", Login),
    (b"/api/auth/login;jsessionid=x?y", Login),
    (b"/x/..;/api/auth/login", Login),
    (b"/health/..;x=y/api/auth/login", Login),
    (b"/;/api/auth/login", Login),
    (b"/api/auth/login%3bv=1", Other),
    (b"/api/auth/;login", Other),
    // Control characters and invalid UTF-8.
    (b"/api/auth/login%00", Refused),
    (b"/api/auth/log%00in", Refused),
    (b"/api/auth/login%0a", Refused),
    (b"/api/auth/login%0d%0ax:y", Refused),
    (b"/api/auth/login%7f", Refused),
    (b"/api/auth/login%09", Refused),
    (b"/api/auth/login\x01", Refused),
    (b"/api/auth/login\0", Refused),
    // Envoy treats the tab as the space that ends the target.
    (b"/api/auth/login\t", Login),
    (b"/\xff/api/auth/login", Refused),
    (b"/%ff/api/auth/login", Refused),
    (b"/%c0%af/api/auth/login", Refused),
    (b"/%c0%ae%c0%ae/api/auth/login", Refused),
    (b"/%e0%80%af/api/auth/login", Refused),
    (b"/api%c0%afauth/login", Refused),
    (b"/api%u002fauth/login", Refused),
    (b"/api/auth/login%", Refused),
    (b"/api/auth/login%6", Refused),
    (b"/api/auth/%zzlogin", Refused),
    // Different letters make different paths. Case matters, and so do letters beyond ASCII, which
    // Envoy accepts only escaped.
    (b"/API/auth/login", Other),
    (b"/api/auth/Login", Other),
    (b"/api/auth/log%C4%B1n", Other),
    (b"/api/auth/%EF%BD%8Cogin", Other),
    ("/api/auth/ｌogin".as_bytes(), Refused),
    (b"/api/auth/login%20", Other),
    (b"/api/auth/login+", Other),
    (b"/api/auth/login.json", Other),
    (b"/api/auth", Other),
    // Other forms of a request target.
    (b"http://gateway/api/auth/login", Login),
    (b"http://gateway//api/auth/%6cogin", Login),
    (b"http://other/x/../api/auth/login", Login),
    (b"http://gateway/health", Other),
    (b"http://gateway", Other),
    (b"ftp://gateway/api/auth/login", Refused),
    (b"api/auth/login", Refused),
    (b"?/api/auth/login", Refused),
    (b"*", Refused),
];

/// Returns all paths that servers could make of a target: decoded or not, with or without
/// parameters, and so on. It shares no code with the filter, so the two check each other.
fn readings(target: &str) -> Vec<String> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    // Parameters are separated before anything is unescaped (RFC 3986 §3.3).
    let mut all = vec![path.to_owned(), without_parameters(path)];
    let steps: [fn(&str) -> String; 4] =
        [unescaped, |path| path.replace('\\', "/"), resolved, trimmed];
    // Each server applies some of these steps in some order. One round per step covers every order.
    for _ in steps {
        for step in steps {
            let more: Vec<_> = all.iter().map(|path| step(path)).collect();
            all.extend(more);
            all.sort();
            all.dedup();
        }
    }
    all
}

fn without_parameters(path: &str) -> String {
    let segments = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    segments.collect::<Vec<_>>().join("/")
}

/// Unescapes once, as lax servers do: keeps invalid escapes, and `%25` to avoid double decoding.
fn unescaped(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' && byte != b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn resolved(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Cuts at a NUL, where C strings end, and drops the trailing slash, as many frameworks do.
fn trimmed(path: &str) -> String {
    path.split('\0').next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// Sends a request. Returns the status, the charged bucket, and the request line that the upstream
/// saw.
fn send(client: &Client, target: &[u8]) -> (u16, String, String) {
    let head: [&[u8]; 3] = [
        b"POST ",
        target,
        b" HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ];
    let answer = client.send_bytes(&head.concat()).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let policy = head.lines().find_map(|line| line.strip_prefix("ratelimit-policy: "));
    let bucket = policy.and_then(|policy| policy.split('"').nth(1)).unwrap_or_default();
    let line = body.lines().next().unwrap_or_default();
    (status, bucket.to_owned(), line.strip_prefix("POST ").unwrap_or_default().to_owned())
}

/// Like [`send`], over HTTP/2. Returns `None` for targets that the client library cannot send.
fn send_http2(client: &Client, target: &[u8]) -> Option<(u16, String, String)> {
    let text = std::str::from_utf8(target).ok()?;
    if !text.is_ascii() || !text.starts_with('/') || text.contains('#') {
        return None;
    }
    let uri = hyper::Uri::builder().scheme("http").authority("gateway").path_and_query(text);
    let request = hyper::Request::post(uri.build().ok()?).body(hyper::body::Bytes::new().into());
    let reply = client.send_http2(request.unwrap()).unwrap();
    let bucket = reply.header("ratelimit-policy").split('"').nth(1).unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    let line = body.lines().next().unwrap_or_default();
    Some((reply.status, bucket, line.strip_prefix("POST ").unwrap_or_default().to_owned()))
}

/// Starts a gateway with limits high enough for all spellings, and the shipped login rule reduced
/// to one path.
fn start(upstream: &Upstream) -> Gateway {
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["rules"][1]["match"]["paths"] = json!(["/api/auth/login"]);
    for bucket in ["auth", "public"] {
        policy["buckets"][bucket]["limit"] = json!(10_000);
    }
    let upstream = Some(upstream.addr());
    Gateway::start(&Options { policy, upstream, ..Options::default() }).unwrap()
}

/// Sends each spelling with `send` and checks its outcome. Returns the number of spellings sent.
fn check(send: impl Fn(&Client, &[u8]) -> Option<(u16, String, String)>) -> usize {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let mut wrong = Vec::new();
    let mut count = 0;
    for (target, expected) in SPELLINGS {
        let before = upstream.requests();
        let Some((status, bucket, line)) = send(&gateway.client(), target) else { continue };
        count += 1;
        let arrived = upstream.requests() - before;
        let upstream_path = line.rsplit_once(" HTTP/1.1").map_or("", |(path, _)| path);
        let outcome = match (status, bucket.as_str(), arrived) {
            (200, "auth", 1) => Some(Login),
            (200, "public" | "probes", 1) => Some(Other),
            (400, "", 0) => Some(Refused),
            _ => None,
        };
        // If any server could read the path as a login, it must have been charged as one.
        let is_login = readings(upstream_path).iter().any(|path| path == "/api/auth/login");
        if outcome != Some(*expected) || (is_login && outcome != Some(Login)) {
            let target = target.escape_ascii();
            wrong.push(format!(
                "{target}: {status} {bucket:?}, upstream saw {upstream_path:?}, expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tests::gateway::crashes(&gateway.envoys[0]), 0);
    count
}

#[test]
fn no_spelling_of_a_path_escapes_its_rule() {
    assert_eq!(check(|client, target| Some(send(client, target))), SPELLINGS.len());
}

#[test]
fn no_spelling_of_a_path_escapes_its_rule_over_http_2() {
    let count = check(send_http2);
    assert!(count > 80, "only {count} could be sent");
}

#[test]
fn an_overlong_path_is_rejected() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let client = gateway.client();
    let status = |target: String| send(&client, target.as_bytes()).0;
    assert_eq!(status(format!("/{}", "a".repeat(70_000))), 431);
    assert_eq!(status("/a".repeat(257)), 400);
    assert_eq!(status("/a".repeat(20_000)), 400);
    assert_eq!(upstream.requests(), 0);
    assert_eq!(status(format!("/{}", "a".repeat(20_000))), 200);
    assert_eq!(status("/a".repeat(256)), 200);
    assert_eq!(status(format!("{}/api/auth/login", "/x/..".repeat(1_000))), 200);
}
