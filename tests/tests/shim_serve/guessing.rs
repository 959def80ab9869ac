//! Guesses of the admin API's token.

use harness::clock::Deadline;
use harness::stack::Server;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use tests::client::Client;
use tests::shim::{Shims, Store, TOKEN, wait_for};

/// Returns the number of rejected attempts.
fn refused(shim: &Server) -> u64 {
    let metrics = shim.get("/metrics").expect("metrics").body;
    let count = metrics.lines().find_map(|line| line.strip_prefix("tollgate_admin_refused_total "));
    count.map_or(0, |count| count.parse().expect("a whole number"))
}

#[test]
fn wrong_tokens_are_counted_logged_and_slow_but_do_not_lock_out_operators() {
    let shims = Shims::start(Store::Memory, 1);
    let (shim, admin) = (&shims.shims[0], shims.shims[0].admin_addr().expect("an admin port"));
    let a_second = Deadline::after(Duration::from_secs(1));
    let reply = Client::of(admin).get("/v1/overrides", Some("a-wrong-token-for-tests"));
    assert_eq!(reply.status, 401, "{}", reply.as_text());
    assert!(a_second.has_passed(), "the rejection was not delayed");
    assert_eq!(refused(shim), 1);
    // Attack from the operator's own address, with more connections than the limit.
    let attempt = "GET /v1/overrides HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong-wrong-wrong-wrong\r\n\r\n";
    let mut intruders: Vec<_> =
        (0..100).map(|_| TcpStream::connect(admin).expect("the kernel accepts")).collect();
    for stream in &mut intruders {
        // Fails if the shim has already closed the connection.
        let _closed = stream.write_all(attempt.as_bytes());
    }
    for _ in 0..3 {
        let reply = Client::of(admin).get("/v1/overrides", Some(TOKEN));
        assert_eq!(reply.status, 200, "{}", reply.as_text());
    }
    wait_for("the attempts to be counted", || (refused(shim) > 32).then_some(()));
    let log = std::fs::read_to_string(shim.log()).expect("a log");
    let lines = log.matches("an attempt to use the admin API without its token").count();
    assert!((1..20).contains(&lines), "{lines} lines:\n{log}");
    assert!(!log.contains("wrong-wrong"), "{log}");
}
