//! Envoy's log has denials, and its access log has every decision.

use super::login::statuses;
use harness::clock::Deadline;
use std::time::Duration;
use tests::gateway::{Gateway, Options};

pub fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Deadline::after(Duration::from_secs(30));
    while !is_there() {
        assert!(!deadline.has_passed(), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_denial_is_logged_with_its_bucket_rule_and_wait() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    assert_eq!(statuses(&gateway.client(), 6), [401, 401, 401, 401, 401, 429]);
    wait_for("the denial is not in Envoy's log", || {
        let log = std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
        log.contains("tollgate: denied rule=1 bucket=auth retry_after_ms=")
    });
}

/// Waits for a line of the access log that contains all of `parts`.
fn wait_for_line(gateway: &Gateway, parts: &[&str]) {
    wait_for(&format!("no line of the access log has {parts:?}"), || {
        let log = std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
        log.lines().any(|line| parts.iter().all(|part| line.contains(part)))
    });
}

#[test]
fn the_access_log_shows_each_decision() {
    let mut gateway = Gateway::start(&Options::default()).unwrap();
    assert_eq!(statuses(&gateway.client(), 7), [401, 401, 401, 401, 401, 429, 429]);
    let login = "POST /api/auth/login";
    wait_for_line(&gateway, &[login, " 401 ", "admitted rule=1 auth=4"]);
    wait_for_line(&gateway, &[login, " 429 ", "denied rule=1 bucket=auth retry_after_ms="]);
    wait_for_line(&gateway, &[login, " 429 ", "by=denied_before"]);
    gateway.ledger_server().kill();
    assert_eq!(gateway.client().get("/", None).status, 200);
    wait_for_line(&gateway, &["GET / 200 ", "degraded admitted rule=4"]);
}

/// Without filter state, the access log has no decisions, and Envoy's own log still has denials.
#[test]
fn the_policy_can_leave_out_the_filter_state() {
    let mut options = Options::default();
    options.policy["filter_state"] = serde_json::json!(false);
    let gateway = Gateway::start(&options).unwrap();
    assert_eq!(statuses(&gateway.client(), 7), [401, 401, 401, 401, 401, 429, 429]);
    let log = || std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
    let of_logins = |log: &str| -> Vec<String> {
        log.lines()
            .filter(|line| line.contains("POST /api/auth/login"))
            .map(str::to_owned)
            .collect()
    };
    wait_for("seven logins are not in the access log", || of_logins(&log()).len() == 7);
    for line in of_logins(&log()) {
        assert!(line.ends_with("ms -"), "{line}");
    }
    wait_for("the denial is not in Envoy's log", || log().contains("denied rule=1 bucket=auth"));
}
