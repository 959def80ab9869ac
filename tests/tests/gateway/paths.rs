//! No spelling of a path escapes its rule: what the upstream sees and what was charged agree.

use serde_json::json;
use tests::client::Client;
use tests::gateway::{Gateway, Options, shipped_policy};
use tests::upstream::Upstream;

/// What becomes of a spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// It is charged as a log-in.
    Login,
    /// It is charged as some other path.
    Other,
    /// It is refused and reaches no upstream.
    Refused,
}
use Becomes::{Login, Other, Refused};

/// Spellings of `/api/auth/login`, of paths like it, and of no path at all.
const SPELLINGS: &[(&[u8], Becomes)] = &[
    // Plain, and with what is not part of the path.
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
    // Escapes of what needs none.
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
    // Escapes of escapes: decoded once, they are other paths, to us and to the upstream.
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
    // Parameters of a segment.
    (b"/api/auth/login;v=1", Login),
    (b"/api/auth/login;", Login),
    (b"/api;a=b/auth;c/login", Login),
    (b"/api/auth/login;jsessionid=x?y", Login),
    (b"/x/..;/api/auth/login", Login),
    (b"/health/..;x=y/api/auth/login", Login),
    (b"/;/api/auth/login", Login),
    (b"/api/auth/login%3bv=1", Other),
    (b"/api/auth/;login", Other),
    // Controls, and what is not UTF-8.
    (b"/api/auth/login%00", Refused),
    (b"/api/auth/log%00in", Refused),
    (b"/api/auth/login%0a", Refused),
    (b"/api/auth/login%0d%0ax:y", Refused),
    (b"/api/auth/login%7f", Refused),
    (b"/api/auth/login%09", Refused),
    (b"/api/auth/login\x01", Refused),
    (b"/api/auth/login\0", Refused),
    // Envoy takes the tab for the space that ends a target.
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
    // Other letters are other paths: case is kept, and so is every letter beyond ASCII, which Envoy
    // takes only escaped.
    (b"/API/auth/login", Other),
    (b"/api/auth/Login", Other),
    (b"/api/auth/log%C4%B1n", Other),
    (b"/api/auth/%EF%BD%8Cogin", Other),
    ("/api/auth/ｌogin".as_bytes(), Refused),
    (b"/api/auth/login%20", Other),
    (b"/api/auth/login+", Other),
    (b"/api/auth/login.json", Other),
    (b"/api/auth", Other),
    // The other forms of a request's target.
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

/// How servers could read a path: decoded or not, with or without parameters, and so on. Written
/// without a look at the filter's own reading, which it is to be held against.
fn readings(target: &str) -> Vec<String> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    // Parameters are told apart before anything is unescaped (RFC 3986 §3.3).
    let mut all = vec![path.to_owned(), without_parameters(path)];
    let steps: [fn(&str) -> String; 4] =
        [unescaped, |path| path.replace('\\', "/"), resolved, trimmed];
    // Each server does some of these, in some order: as many rounds reach every order's end.
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

/// Unescapes as lax servers do: what is no escape is kept. Never twice: `%25` stays.
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

/// Up to a NUL, where C's strings end, and without the slash that many frameworks drop.
fn trimmed(path: &str) -> String {
    path.split('\0').next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// The bucket that was charged, and the request line that the upstream saw.
fn sent(client: &Client, target: &[u8]) -> (u16, String, String) {
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

/// The same over HTTP/2: the printable ones, which its client neither refuses nor takes apart.
fn sent_http2(client: &Client, target: &[u8]) -> Option<(u16, String, String)> {
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

/// The gateway with room for all spellings, and the shipped rules, but for log-ins alone.
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

/// Sends each spelling by `send`; how many it could send. Each becomes what it should.
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
        let seen = line.rsplit_once(" HTTP/1.1").map_or("", |(seen, _)| seen);
        let became = match (status, bucket.as_str(), arrived) {
            (200, "auth", 1) => Some(Login),
            (200, "public" | "probes", 1) => Some(Other),
            (400, "", 0) => Some(Refused),
            _ => None,
        };
        // Whatever was expected: if any server could take it for a log-in, it was charged as one.
        let is_login = readings(seen).iter().any(|path| path == "/api/auth/login");
        if became != Some(*expected) || (is_login && became != Some(Login)) {
            let target = target.escape_ascii();
            wrong.push(format!(
                "{target}: {status} {bucket:?}, upstream saw {seen:?}, expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tests::gateway::vm_reloads(&gateway.envoys[0]), 0);
    count
}

#[test]
fn no_spelling_of_a_path_escapes_its_rule() {
    assert_eq!(check(|client, target| Some(sent(client, target))), SPELLINGS.len());
}

#[test]
fn no_spelling_of_a_path_escapes_its_rule_over_http_2() {
    let count = check(sent_http2);
    assert!(count > 80, "only {count} could be sent");
}

#[test]
fn a_path_without_end_is_refused() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let client = gateway.client();
    let status = |target: String| sent(&client, target.as_bytes()).0;
    assert_eq!(status(format!("/{}", "a".repeat(70_000))), 431);
    assert_eq!(status("/a".repeat(257)), 400);
    assert_eq!(status("/a".repeat(20_000)), 400);
    assert_eq!(upstream.requests(), 0);
    assert_eq!(status(format!("/{}", "a".repeat(20_000))), 200);
    assert_eq!(status("/a".repeat(256)), 200);
    assert_eq!(status(format!("{}/api/auth/login", "/x/..".repeat(1_000))), 200);
}
