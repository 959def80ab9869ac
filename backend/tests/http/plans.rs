//! `GET /api/pricing`, `/api/subscription` and `GET /api/usage`. (The `tests` crate covers usage
//! with a running shim.)

use super::backend::{Backend, PAYMENT_TOKEN};
use super::user::User;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn tier_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["tier"].clone()
}

#[test]
fn anyone_sees_the_prices() {
    let backend = Backend::start_with(&[
        ("FREE_AI_ASSIST_LIMIT", "7"),
        ("STARTER_AI_ASSIST_LIMIT", "8"),
        ("PRO_AI_ASSIST_LIMIT", "9"),
    ]);
    insta::assert_snapshot!(backend.get("/api/pricing").show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: public, max-age=300
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "currency": "USD",
      "plans": [
        {
          "ai_requests_per_day": 7,
          "price_cents_per_month": 0,
          "tier": "free"
        },
        {
          "ai_requests_per_day": 8,
          "price_cents_per_month": 900,
          "tier": "starter"
        },
        {
          "ai_requests_per_day": 9,
          "price_cents_per_month": 2900,
          "tier": "pro"
        }
      ]
    }
    "#);
}

#[test]
fn a_change_of_plan_is_in_the_next_token() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    insta::assert_snapshot!(user.get("/api/subscription").show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "ai_requests_per_day": 10,
      "tier": "free",
      "token_tier": "free"
    }
    "#);
    let changed = user.subscribe("starter");
    insta::assert_snapshot!(changed.show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "ai_requests_per_day": 50,
      "tier": "starter",
      "token_tier": "free"
    }
    "#);
    assert_eq!(user.me().json()["tier"], "starter");
    assert_eq!(tier_of(&user.access), "free", "an issued token does not change");

    let refreshed = user.refreshed();
    assert_eq!(tier_of(&refreshed.access), "starter");
    assert_eq!(refreshed.get("/api/subscription").json()["token_tier"], "starter");
    let again = backend.log_in("ada@example.org", super::user::PASSWORD);
    assert_eq!(tier_of(&again.access), "starter");
    refreshed.send("PUT", "/api/subscription", &json!({"tier": "free"}));
    assert_eq!(tier_of(&refreshed.refreshed().access), "free");
}

#[test]
fn an_unknown_plan_is_refused() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let reply = user.send("PUT", "/api/subscription", &json!({"tier": "platinum", "price": 0}));
    insta::assert_snapshot!(reply.show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected one of free, starter and pro",
          "pointer": "/tier"
        },
        {
          "detail": "unknown member",
          "pointer": "/price"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    for tier in [json!(null), json!("Pro"), json!(["pro"]), json!("pro'; --"), json!("")] {
        let reply = user.send("PUT", "/api/subscription", &json!({ "tier": tier }));
        assert_eq!(reply.status, 422, "{tier}");
    }
    assert_eq!(user.me().json()["tier"], "free");
}

/// Cheaper plans and the current one need no payment.
#[test]
fn a_more_expensive_plan_requires_payment() {
    for configured in [PAYMENT_TOKEN, ""] {
        let backend = Backend::start_with(&[("PAYMENT_TOKEN", configured)]);
        let user = backend.user("ada@example.org");
        let ask = |tier: &str, proof: Option<&str>| {
            let mut request = user.request("PUT", "/api/subscription");
            if let Some(proof) = proof {
                request = request.header("Payment-Token", proof);
            }
            request.json(json!({ "tier": tier }).to_string()).send()
        };
        for proof in [None, Some(""), Some("paid-in-full-by-a-tesT"), Some("paid")] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(ask("pro", proof).show(&[]), @r#"
                403 Forbidden
                content-type: application/problem+json
                cache-control: no-store

                {
                  "detail": "Moving to a more expensive plan requires payment: expected the operator's secret in the Payment-Token header.",
                  "status": 403,
                  "title": "Forbidden",
                  "type": "about:blank"
                }
                "#);
            }
            assert_eq!(user.me().json()["tier"], "free");
        }
        assert_eq!(ask("free", None).status, 200);
        let expected = if configured.is_empty() { 403 } else { 200 };
        assert_eq!(ask("pro", Some(PAYMENT_TOKEN)).status, expected, "{configured:?}");
        if expected == 200 {
            assert_eq!(ask("starter", None).status, 200, "a cheaper plan needs no payment");
            assert_eq!(ask("pro", None).status, 403, "but the way back does");
        }
    }
}

/// Concurrent changes through two processes: a plan that was given up never comes back.
#[test]
fn concurrent_changes_never_upgrade_a_plan() {
    let backend = Backend::start();
    let second = backend.second();
    let user = backend.user("ada@example.org");
    user.subscribe("pro");
    let beside = User { backend: &second, access: user.access.clone(), refresh: String::new() };
    let ask = |user: &User<'_>, tier: &str| {
        user.send("PUT", "/api/subscription", &json!({ "tier": tier })).status
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (asks, tier) in [(&user, "pro"), (&beside, "starter"), (&beside, "pro")] {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    ask(asks, tier);
                }
            });
        }
        assert_eq!(ask(&user, "free"), 200);
        let seen: Vec<_> = (0..20).map(|_| beside.me().json()["tier"].clone()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(seen.iter().all(|tier| tier == "free"), "{seen:?}");
    });
}

#[test]
fn another_users_plan_is_unaffected() {
    let backend = Backend::start();
    let (ada, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    eve.subscribe("pro");
    assert_eq!(ada.me().json()["tier"], "free");
}

#[test]
fn without_the_shim_usage_is_degraded() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let urls = [
        String::new(),
        format!("http://{closed}"),
        format!("http://{}", silent.local_addr().unwrap()),
    ];
    for url in urls {
        let backend = Backend::start_with(&[("TOLLGATE_URL", &url)]);
        let user = backend.user("ada@example.org");
        insta::allow_duplicates! {
            insta::assert_snapshot!(user.get("/api/usage").show(&["/ai_daily/resets_at"]), @r#"
            200 OK
            content-type: application/json
            cache-control: no-store

            {
              "ai_daily": {
                "left": null,
                "limit": 10,
                "resets_at": "…",
                "used": null
              },
              "status": "degraded"
            }
            "#);
        }
    }
}

#[test]
fn another_service_at_the_shims_url_is_not_trusted() {
    // Another backend responds, but it is not a shim.
    let other = Backend::start();
    let url = format!("http://{}", other.address);
    let backend = Backend::start_with(&[("TOLLGATE_URL", &url)]);
    let usage = backend.user("ada@example.org").get("/api/usage").json();
    assert_eq!((&usage["status"], &usage["ai_daily"]["used"]), (&json!("degraded"), &json!(null)));
}
