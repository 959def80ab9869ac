//! The process: startup, listening, shutdown.

use harness::stack::Port;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;
use tests::client::Client;
use tests::gateway::binaries;
use tests::shim::{Shims, Store, charge, counter, request, sliding, start_shim, wait_for};

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(&binaries().shim);
    command.args(args).envs(env.iter().copied()).output().expect("the program runs")
}

#[test]
fn a_bad_value_prints_one_line_that_names_the_variable() {
    for (variable, value, expected) in [
        ("TOLLGATE_LISTEN", "8081", "expected an address and a port"),
        ("TOLLGATE_LISTEN", "", "expected an address and a port"),
        ("TOLLGATE_LEDGER", "http://secret@x", "expected memory:, redis://"),
        ("TOLLGATE_ADMIN_TOKEN", "secret", "expected a token of 16 to 256"),
        ("TOLLGATE_ADMIN_LISTEN", "localhost", "expected an address and a port"),
        ("TOLLGATE_LOG", "shim=loud", "expected error, warn, info, debug, trace"),
        ("TOLLGATE_REDIS_CONNECT_TIMEOUT_MS", "1s", "expected a whole number of milliseconds"),
        ("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "0", "expected a whole number of milliseconds"),
        ("TOLLGATE_DEADLINE_MS", "60001", "expected a whole number of milliseconds"),
        ("TOLLGATE_MEMORY_COUNTERS", "-1", "expected a whole number of counters"),
        ("TOLLGATE_THREADS", "0", "expected a whole number of threads"),
    ] {
        let output = run(&["serve"], &[(variable, value)]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{variable}: {message}");
        assert!(message.contains(variable), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("secret"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn checking_an_invalid_policy_lists_all_errors_and_exits_with_1() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("policy.yaml");
    let check = || run(&["policy", "check", file.to_str().expect("a path")], &[]);
    let shipped = harness::paths::root().join("envoy/policy.yaml");
    let shipped = std::fs::read_to_string(shipped).expect("the shipped policy");
    // The shipped salt causes a warning.
    let shipped = shipped.replace("tollgate-development", "our-own");
    std::fs::write(&file, &shipped).expect("a file");
    let good = check();
    assert!(good.status.success() && good.stderr.is_empty(), "{good:?}");
    let bad = shipped.replace("limit: 5,", "limit: -1,").replace("[public]", "[pubic]");
    std::fs::write(&file, bad).expect("a file");
    let output = check();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(output.stdout.is_empty());
    for place in [":13:24: buckets.auth.limit: ", "rules[4].charge[0]: "] {
        assert!(message.contains(place), "{message}");
    }
}

#[test]
fn a_port_in_use_prints_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("an address").to_string();
    let output = run(&["serve", "--ledger", "memory:", "--listen", &addr], &[]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let sentence = message.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(sentence.contains(&format!("cannot listen on {addr}")), "{message}");
    assert!(sentence.contains("--listen"), "{message}");
}

#[test]
fn the_admin_port_opens_only_with_a_token() {
    let dir = TempDir::new().expect("a directory");
    let admin = Port::free().expect("a free port");
    let start = |token: Option<&str>| {
        let listen = Some(("TOLLGATE_ADMIN_LISTEN", admin.addr().to_string()));
        let token = token.map(|token| ("TOLLGATE_ADMIN_TOKEN", token.to_owned()));
        let env = listen.into_iter().chain(token);
        let mut shim = harness::stack::shim::start(harness::stack::shim::Options {
            program: binaries().shim.clone(),
            port: Port::free().expect("a free port"),
            ledger: "memory:".to_owned(),
            admin: None,
            dir: dir.path(),
            env: env.map(|(name, value)| (name.to_owned(), value.into())).collect(),
        })
        .expect("the shim starts");
        shim.wait_ready().expect("the shim becomes ready");
        shim
    };
    let shim = start(None);
    let refused = TcpStream::connect(admin.addr()).expect_err("the port is closed");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let log = std::fs::read_to_string(shim.log()).expect("a log");
    assert!(!log.contains("operator"), "{log}");
    drop(shim);
    // With a token, the port opens.
    let _shim = start(Some(tests::shim::TOKEN));
    wait_for("the port to be open", || TcpStream::connect(admin.addr()).ok());
}

#[test]
fn help_shows_no_secret() {
    let env = [
        ("TOLLGATE_ADMIN_TOKEN", "secret-secret-secret"),
        ("TOLLGATE_LEDGER", "redis://:secret@127.0.0.1"),
    ];
    let output = run(&["serve", "--help"], &env);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    assert!(help.contains("TOLLGATE_LEDGER") && !help.contains("secret"), "{help}");
}

#[test]
fn the_redis_password_is_not_logged() {
    let dir = TempDir::new().expect("a directory");
    let shim =
        start_shim(dir.path(), "redis://user:hush-hush@127.0.0.1:1", &[("TOLLGATE_LOG", "trace")]);
    let read = || std::fs::read_to_string(shim.log()).expect("a log");
    wait_for("the shim to try to connect", || read().contains("cannot be reached").then_some(()));
    assert!(!read().contains("hush-hush"), "{}", read());
}

#[test]
fn one_port_speaks_http_1_and_2() {
    let shims = Shims::start(Store::Memory, 1);
    let one = || vec![request([charge(counter("a", "b"), sliding(10, 60_000))])];
    shims.api(0).decide(one());
    let body = serde_json::to_value(limits::wire::DecideBody { requests: one() }).expect("JSON");
    let reply = Client::of(shims.shims[0].addr()).post("/v1/decide", &body, None);
    assert_eq!(reply.status, 200, "{}", reply.as_text());
}

#[test]
fn sigterm_lets_calls_finish_and_ends_with_0() {
    let dir = TempDir::new().expect("a directory");
    let mut shim = start_shim(dir.path(), "memory:", &[]);
    shim.wait_ready().expect("the shim becomes ready");
    // Start a call by sending only its head.
    let mut stream = TcpStream::connect(shim.addr()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let body = serde_json::to_string(&limits::wire::DecideBody {
        requests: vec![request([charge(counter("a", "b"), sliding(10, 60_000))])],
    })
    .expect("JSON");
    let head = format!(
        "POST /v1/decide HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let mut first = [0; 12];
    stream.read_exact(&mut first).expect("100 Continue");
    assert_eq!(&first, b"HTTP/1.1 100");
    // Send the signal, and wait until it is handled, before the body.
    let killed = Command::new("kill").args(["-TERM", &shim.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    wait_for("the shim to log the signal", || {
        let log = std::fs::read_to_string(shim.log()).expect("a log");
        log.contains("SIGTERM").then_some(())
    });
    stream.write_all(body.as_bytes()).expect("a body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and the end of the stream");
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"admitted\":true"), "{answer}");
    let status = wait_for("the process to end", || shim.exited().expect("a process"));
    assert_eq!(status.code(), Some(0));
    assert!(TcpStream::connect(shim.addr()).is_err());
}

#[test]
fn a_healthcheck_reports_by_exit_code() {
    let shims = Shims::start(Store::Memory, 1);
    let well = run(&["healthcheck", "--url", &shims.shims[0].url("/healthz")], &[]);
    assert_eq!(well.status.code(), Some(0), "{}", String::from_utf8_lossy(&well.stderr));
    let nobody = run(&["healthcheck", "--url", "http://127.0.0.1:1/healthz"], &[]);
    assert_eq!(nobody.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&nobody.stderr).lines().count(), 1);
}

#[test]
fn a_missing_body_is_408() {
    let shims = Shims::start(Store::Memory, 1);
    let mut stream = TcpStream::connect(shims.shims[0].addr()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let head = "POST /v1/decide HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nx-envoy-expected-rq-timeout-ms: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("a head");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn correlation_ids_appear_in_the_log() {
    let dir = TempDir::new().expect("a directory");
    let env = [("TOLLGATE_LOG", "debug")];
    let mut shim = start_shim(dir.path(), "memory:", &env);
    shim.wait_ready().expect("the shim becomes ready");
    let mut api = tests::shim::Api::connect(shim.addr());
    let headers = [
        ("x-request-id", "the-request"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let body = serde_json::to_vec(&limits::wire::DecideBody {
        requests: vec![request([charge(counter("a", "b"), sliding(10, 60_000))])],
    })
    .expect("JSON");
    assert_eq!(api.post("/v1/decide", &headers, body).status, 200);
    let log = std::fs::read_to_string(shim.log()).expect("a log");
    assert!(log.contains("the-request") && log.contains("0af7651916cd43dd"), "{log}");
}
