//! `GET /metrics`.

use super::ai::{ROUTES, ada, question};
use super::backend::Backend;
use super::claude;

/// Returns the lines of `/metrics` that begin with `start`.
fn lines(backend: &Backend, start: &str) -> Vec<String> {
    let reply = backend.get("/metrics");
    assert_eq!(reply.status, 200);
    let text = String::from_utf8(reply.body).unwrap();
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn requests_are_counted_by_route() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    for id in ["x", "019ab000-0000-7000-8000-000000000000"] {
        user.get(&format!("/api/resumes/{id}"));
    }
    backend.request("BREW", "/health").send();
    backend.get("/.env");
    backend.get("/'%3b--/ada@example.org");
    let mut counted = lines(&backend, "backend_http_requests_total{");
    counted.sort();
    insta::assert_snapshot!(counted.join("\n"), @r#"
    backend_http_requests_total{method="GET",route="/api/resumes/{id}",status="4xx"} 2
    backend_http_requests_total{method="GET",route="none",status="4xx"} 2
    backend_http_requests_total{method="POST",route="/api/auth/login",status="2xx"} 1
    backend_http_requests_total{method="POST",route="/api/auth/signup",status="2xx"} 1
    backend_http_requests_total{method="none",route="/health",status="4xx"} 1
    "#);
}

#[test]
fn request_durations_are_a_histogram_by_route() {
    let backend = Backend::start();
    backend.get("/health");
    backend.get("/health");
    let counted = lines(&backend, "backend_http_request_seconds_count{");
    assert_eq!(counted, ["backend_http_request_seconds_count{route=\"/health\"} 2"]);
    let buckets = lines(&backend, "backend_http_request_seconds_bucket{route=\"/health\"");
    assert_eq!(buckets.len(), 15, "{buckets:#?}");
}

#[test]
fn the_request_for_metrics_counts_as_in_flight() {
    let backend = Backend::start();
    assert_eq!(
        lines(&backend, "backend_http_in_flight_requests "),
        ["backend_http_in_flight_requests 1"]
    );
    assert_eq!(
        lines(&backend, "backend_http_in_flight_requests "),
        ["backend_http_in_flight_requests 1"]
    );
}

#[test]
fn cache_and_cost_metrics_have_help() {
    let (_claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    for _ in 0..2 {
        assert_eq!(user.ask(ROUTES[2], &question(&ada())).status, 200);
    }
    let mut help = [lines(&backend, "# HELP cache_"), lines(&backend, "# HELP ai_")].concat();
    help.sort();
    insta::assert_snapshot!(help.join("\n"), @r"
    # HELP ai_requests_total Answers of the AI routes, by route and outcome
    # HELP ai_saved_micro_usd_total Money saved by the cache, in millionths of a dollar
    # HELP ai_spent_micro_usd_total Money spent on answers, in millionths of a dollar
    # HELP cache_memory_bytes Memory used by cached values in this process
    # HELP cache_requests_total Cache lookups, by route and outcome
    ");
}

#[test]
fn metrics_have_the_version_and_help() {
    let backend = Backend::start();
    let version = format!("backend_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines(&backend, "backend_build_info"), [version]);
    backend.get("/");
    let mut help = lines(&backend, "# HELP backend_http_");
    help.sort();
    insta::assert_snapshot!(help.join("\n"), @r"
    # HELP backend_http_in_flight_requests Requests whose response has not started
    # HELP backend_http_request_seconds Time until the response starts, by route
    # HELP backend_http_requests_total Answered requests, by method, route and status class
    ");
    let reply = backend.get("/metrics");
    let expected = Some("text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(reply.header("content-type"), expected);
}
