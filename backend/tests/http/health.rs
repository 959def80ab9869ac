//! `GET /health`, with Redis down or hung. (The `tests` crate covers a working Redis.)

use super::backend::{Backend, TIMEOUT};
use backend::clock;
use std::net::TcpListener;

#[test]
fn health_reports_the_services_state() {
    let reply = Backend::start().get("/health");
    insta::assert_snapshot!(reply.show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "cache_enabled": true,
      "claude": "not_configured",
      "database": "up",
      "environment": "development",
      "rate_limit_enabled": true,
      "redis": "not_configured",
      "status": "ok"
    }
    "#);
}

#[test]
fn health_reports_the_configuration() {
    let backend = Backend::start_with(&[
        ("ENVIRONMENT", "production"),
        ("CACHE_ENABLED", "false"),
        ("RATE_LIMIT_ENABLED", "0"),
        ("REDIS_URL", ""),
    ]);
    insta::assert_snapshot!(backend.get("/health").show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "cache_enabled": false,
      "claude": "not_configured",
      "database": "up",
      "environment": "production",
      "rate_limit_enabled": false,
      "redis": "not_configured",
      "status": "ok"
    }
    "#);
}

#[test]
fn without_redis_the_service_is_degraded_but_serves() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let backend = Backend::start_with(&[("REDIS_URL", &format!("redis://{closed}"))]);
    insta::assert_snapshot!(backend.get("/health").show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "cache_enabled": true,
      "claude": "not_configured",
      "database": "up",
      "environment": "development",
      "rate_limit_enabled": true,
      "redis": "down",
      "status": "degraded"
    }
    "#);
    backend.sign_up("ada@example.org", "12345678");
}

#[test]
fn a_hung_redis_delays_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let backend = Backend::start_with(&[("REDIS_URL", &url)]);
    let start = clock::start();
    // Each would take half a second if it asked Redis directly.
    for _ in 0..200 {
        assert_eq!(backend.get("/health").json()["redis"], "down");
    }
    assert!(start.elapsed() < TIMEOUT, "{:?}", start.elapsed());
}

#[test]
fn a_running_service_is_live_and_ready() {
    let backend = Backend::start();
    for path in ["/health/live", "/health/ready"] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(backend.get(path).show(&[]), @r#"
            200 OK
            content-type: application/json
            cache-control: no-store

            {
              "status": "ok"
            }
            "#);
        }
    }
}
