//! Graceful shutdown, and the log's content.

use super::backend::Backend;
use super::client::{Reply, connect};
use rustix::process::Signal;
use std::io::{Read, Write};

#[test]
fn a_signal_stops_the_service_successfully() {
    for signal in [Signal::TERM, Signal::INT] {
        let backend = Backend::start();
        backend.get("/health");
        backend.signal(signal);
        let (status, log) = backend.wait();
        assert!(status.success(), "{signal:?}: {status}: {log}");
    }
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let backend = Backend::start();
    backend.sign_up("ada@example.org", "12345678");
    let body = r#"{"email": "ada@example.org", "password": "12345678"}"#;
    let mut stream = connect(backend.address);
    write!(
        stream,
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The interim response shows that the handler is waiting for the body.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    backend.signal(Signal::TERM);
    backend.wait_for_log("stopping");
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(Reply::read(&mut stream).status, 200);
    assert!(backend.wait().0.success());
}

#[test]
fn the_log_has_request_ids_and_no_personal_data() {
    let backend = Backend::start_with(&[("BACKEND_LOG", "trace")]);
    // Long enough not to occur in a random id by chance.
    let (email, password) = ("somebody@example.org", "the-right-password");
    backend.sign_up(email, password);
    let token = backend.log_in(email, password).access;
    backend.me(&token);
    backend.post_credentials("/api/auth/login", email, "a-wrong-password");
    backend.post_credentials("/api/auth/signup", email, "another-password");
    backend.post("/api/auth/signup", format!(r#"{{"email": "{email}", "password": "{password}"#));
    backend.get(&format!("/unknown/{email}"));
    backend
        .request("GET", "/health")
        .header("X-Request-Id", "this-very-request")
        .header("Cookie", "session=of-somebody")
        .send();
    let log = backend.stop();
    assert!(log.contains(r#"request{id="this-very-request"}"#), "{log}");
    assert!(log.contains(r#"method=POST route="/api/auth/login" status=401"#), "{log}");
    let signature = token.rsplit('.').next().unwrap();
    for private in ["somebody", "-password", "$argon2", signature] {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}
