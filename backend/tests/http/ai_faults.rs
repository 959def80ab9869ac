//! `/api/ai/…` while Claude fails: the responses, and that no partial answer is cached.

use super::ai::{ROUTES, ada, question};
use super::backend::Backend;
use super::claude::{self, Claude};
use super::user::User;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

/// Short timeouts for tests in which Claude hangs.
const SHORT_TIMEOUTS: [(&str, &str); 3] =
    [("CLAUDE_TIMEOUT", "3"), ("CLAUDE_IDLE_TIMEOUT", "1"), NO_RETRIES];
/// Disables retries, but keeps the default timeouts: for tests in which Claude responds at once,
/// even on a busy machine.
const NO_RETRIES: (&str, &str) = ("CLAUDE_MAX_RETRIES", "0");

/// Checks that every route returns a problem, except for the score, which is computed without
/// Claude.
fn check_unanswered(user: &User<'_>, status: u16) {
    for route in ROUTES {
        let reply = user.ask(route, &question(&ada()));
        if route == ROUTES[0] {
            assert_eq!(reply.status, 200, "{}", reply.show(&[]));
            assert_eq!(
                (&reply.json()["status"], &reply.json()["review"]),
                (&json!("degraded"), &Value::Null)
            );
        } else {
            assert_eq!(reply.status, status, "{route}: {}", reply.show(&[]));
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            assert_eq!(reply.header("x-cache"), None);
        }
    }
}

/// After the pause, no request has tried Claude yet, so its state is unknown.
#[test]
fn claude_is_half_open_until_the_next_request() {
    let claude = Claude::start();
    let backend = claude.backend(&[NO_RETRIES]);
    let user = backend.user("ada@example.org");
    let is = |state: &str| backend.get("/health").json()["claude"] == state;
    claude.fault(&json!({"status": 529, "type": "overloaded_error"}));
    backend.wait_until("it is down", || {
        user.ask(ROUTES[3], &question(&ada()));
        is("down")
    });
    backend.wait_until("its pause is over", || is("half_open"));
    assert_eq!(backend.get("/health").json()["status"], "degraded");
    claude.clear();
    assert_eq!(user.ask(ROUTES[3], &question(&ada())).status, 200);
    assert!(is("up"));
}

/// Checks that once Claude works again, every answer is new, so no partial one was cached.
fn check_answered(backend: &Backend, user: &User<'_>) {
    for route in ROUTES {
        backend.wait_until("Claude answers", || {
            let reply = user.ask(route, &question(&ada()));
            let is_whole = reply.status == 200 && reply.json()["status"] != "degraded";
            if is_whole {
                assert_eq!(reply.header("x-cache"), Some("MISS"), "{route}");
            }
            is_whole
        });
    }
}

#[test]
fn without_a_key_only_the_score_works() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    assert_eq!(backend.get("/health").json()["claude"], "not_configured");
    assert_eq!(backend.get("/health").json()["status"], "ok");
    check_unanswered(&user, 503);
    insta::assert_snapshot!(user.ask(ROUTES[0], &question(&ada())).show(&["/rules"]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "resume": null,
      "review": null,
      "rules": "…",
      "score": 65,
      "status": "degraded"
    }
    "#);
    insta::assert_snapshot!(user.ask(ROUTES[3], &question(&ada())).show(&[]), @r#"
    503 Service Unavailable
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Claude is unavailable. Try again later.",
      "status": 503,
      "title": "Service Unavailable",
      "type": "about:blank"
    }
    "#);
    let stream = user.ask_events(ROUTES[0], &question(&ada())).events();
    let names: Vec<_> = stream.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["start", "result"]);
    assert_eq!(user.ask_events(ROUTES[3], &question(&ada())).status, 503, "the status is not 200");
}

#[test]
fn an_unreachable_claude_degrades_the_service() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let vars = [("ANTHROPIC_API_KEY", "sk-test"), ("ANTHROPIC_BASE_URL", &*url), NO_RETRIES];
    let backend = Backend::start_with(&vars);
    let user = backend.user("ada@example.org");
    for _ in 0..3 {
        check_unanswered(&user, 503);
    }
    backend.wait_until("it is noticed", || {
        user.ask(ROUTES[3], &question(&ada()));
        backend.get("/health").json()["claude"] == "down"
    });
    assert_eq!(backend.get("/health").json()["status"], "degraded");
    assert_eq!(backend.get("/health/ready").status, 200, "the service still serves");
    backend.wait_until("the reply has Retry-After", || {
        let refused = user.ask(ROUTES[3], &question(&ada()));
        let wait = refused.header("retry-after").map(|wait| wait.parse::<u64>().unwrap());
        wait.is_some_and(|wait| (1..=600).contains(&wait))
    });
}

#[test]
fn an_overloaded_claude_is_unavailable_and_nothing_is_cached() {
    let claude = Claude::start();
    let backend = claude.backend(&[NO_RETRIES]);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"status": 529, "type": "overloaded_error"}));
    insta::assert_snapshot!(user.ask(ROUTES[3], &question(&ada())).show(&[]), @r#"
    503 Service Unavailable
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Claude is unavailable. Try again later.",
      "status": 503,
      "title": "Service Unavailable",
      "type": "about:blank"
    }
    "#);
    claude.clear();
    check_answered(&backend, &user);
}

#[test]
fn claudes_retry_after_is_passed_on() {
    let claude = Claude::start();
    let backend = claude.backend(&[NO_RETRIES]);
    let user = backend.user("ada@example.org");
    claude.fault(
        &json!({"status": 429, "type": "rate_limit_error", "headers": {"retry-after": "17"}}),
    );
    let reply = user.ask(ROUTES[3], &question(&ada()));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("17")));
}

#[test]
fn a_hung_claude_times_out() {
    let claude = Claude::start();
    let backend = claude.backend(&SHORT_TIMEOUTS);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"hang": true}));
    check_unanswered(&user, 503);
    claude.clear();
    check_answered(&backend, &user);
}

#[test]
fn a_truncated_stream_is_retried_once() {
    let claude = Claude::start();
    let backend = claude.backend(&[NO_RETRIES]);
    let user = backend.user("ada@example.org");
    claude.faults(1, &json!({"cut_after_events": 5}));
    let reply = user.ask_events(ROUTES[3], &question(&ada()));
    let names: Vec<_> = reply.events().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().filter(|name| *name == "start").count(), 2, "{names:?}");
    assert_eq!(names.last().unwrap(), "result");
    assert_eq!(claude.requests(), 2);
    let kept = user.ask(ROUTES[3], &question(&ada()));
    assert_eq!(kept.header("x-cache"), Some("HIT"));
}

#[test]
fn a_stream_truncated_twice_is_an_error_and_not_cached() {
    let claude = Claude::start();
    let backend = claude.backend(&[NO_RETRIES]);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"cut_after_events": 5}));
    let reply = user.ask_events(ROUTES[3], &question(&ada()));
    let (name, problem) = reply.events().pop().unwrap();
    assert_eq!(name, "error");
    insta::assert_snapshot!(format!("{problem:#}"), @r#"
    {
      "detail": "Claude's answer is unusable. Asking again is charged again.",
      "status": 424,
      "title": "Failed Dependency",
      "type": "about:blank"
    }
    "#);
    assert_eq!(claude.requests(), 2);
    claude.clear();
    check_answered(&backend, &user);
}

/// The table has each fault with the reply's status and the number of calls. Claude charges for
/// most of them, so their status is one the gateway does not refund.
#[test]
fn unusable_answers_are_errors_and_not_cached() {
    let overloaded = json!({"status": 529, "type": "overloaded_error"});
    let faults = [
        (vec![json!({"text": "not json"})], 424, 2),
        (vec![json!({"text": "{}"})], 424, 2),
        (vec![json!({"text": "{\"subject\": \"a\", \"letter\": \"b\", \"score\": 1}"})], 424, 2),
        (vec![json!({"text": "{\"subject\": \"\", \"letter\": \"b\"}"})], 424, 2),
        (vec![json!({"stop_reason": "max_tokens"})], 424, 1),
        (vec![json!({"stop_reason": "pause_turn"})], 424, 1),
        (vec![json!({"stop_reason": "refusal"})], 422, 1),
        (vec![json!({"text": "{}"}), json!({"stop_reason": "refusal"})], 422, 2),
        (vec![json!({"text": "{}"}), overloaded.clone()], 424, 2),
        (vec![json!({"cut_after_events": 3})], 424, 2),
        (vec![json!({"error_after_events": 3})], 424, 2),
        (vec![json!({"hang_after_events": 3})], 424, 1),
        // Claude charges nothing for these.
        (vec![overloaded], 503, 1),
        (vec![json!({"cut_after_events": 0})], 503, 1),
        (vec![json!({"status": 400, "type": "invalid_request_error"})], 502, 1),
    ];
    for (fault, status, asked) in faults {
        let claude = Claude::start();
        let backend = claude.backend(&SHORT_TIMEOUTS);
        let user = backend.user("ada@example.org");
        claude.one_after_another(&fault);
        let reply = user.ask(ROUTES[3], &question(&ada()));
        assert_eq!(reply.status, status, "{fault:?}: {}", reply.show(&[]));
        assert_eq!(reply.header("retry-after"), None);
        assert_eq!(claude.requests(), asked, "{fault:?}");
        let spent = r#"ai_spent_micro_usd_total{route="generate-cover-letter"}"#;
        assert_eq!(backend.metric(spent) > 0, status < 500, "{fault:?}");
        claude.clear();
        let reply = user.ask(ROUTES[3], &question(&ada()));
        assert_eq!((reply.status, reply.header("x-cache")), (200, Some("MISS")), "{fault:?}");
    }
}

#[test]
fn an_unusable_first_answer_is_retried() {
    let claude = Claude::start();
    let backend = claude.backend(&[]);
    let user = backend.user("ada@example.org");
    for route in ROUTES {
        claude.faults(1, &json!({"text": "Certainly!"}));
        let reply = user.ask(route, &question(&ada()));
        assert_eq!((reply.status, reply.header("x-cache")), (200, Some("MISS")), "{route}");
        assert_ne!(reply.json()["status"], "degraded", "{route}");
    }
    assert_eq!(claude.requests(), 2 * ROUTES.len());
}

#[test]
fn an_out_of_range_score_is_discarded() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let part = json!({"score": 50, "comment": "x"});
    let review = |score: i64| {
        json!({
            "score": score, "summary": "x", "suggestions": [],
            "dimensions": {"relevance": part, "impact": part, "clarity": part, "structure": part},
        })
    };
    for (score, status) in
        [(101, "degraded"), (-1, "degraded"), (1_000_000, "degraded"), (100, "ok")]
    {
        claude.fault(&json!({"text": review(score).to_string()}));
        let reply = user.ask(ROUTES[0], &question(&ada())).json();
        assert_eq!(reply["status"], status, "{score}");
        assert_eq!(reply["review"].is_null(), status == "degraded");
    }
}

#[test]
fn an_invalid_key_is_a_503_and_never_logged() {
    let claude = Claude::start();
    let backend = claude.backend(&[NO_RETRIES]);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"status": 401, "type": "authentication_error"}));
    check_unanswered(&user, 503);
    let log = backend.stop();
    assert!(!log.contains(claude::KEY), "{log}");
    assert!(!log.contains("Lovelace"), "{log}");
}

/// The most requests that can wait for Claude.
const PLACES: usize = 256;

/// Sends a question without reading the answer.
fn send_question(user: &User<'_>) -> TcpStream {
    let stream = user.request("POST", ROUTES[3]).json(question(&ada()).to_string()).begin();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Returns true if no response has arrived yet.
fn waits(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Returns the status of one more request, with an empty body.
fn one_more(user: &User<'_>) -> u16 {
    user.request("POST", ROUTES[3]).json("{}").send().status
}

/// Takes all places, until one more request is refused. On a busy machine some requests are refused
/// for another reason; they are replaced.
fn take_all_places(user: &User<'_>) -> Vec<TcpStream> {
    let waiting = RefCell::new(Vec::new());
    user.backend.wait_until("all places are taken", || {
        let mut waiting = waiting.borrow_mut();
        waiting.retain(waits);
        waiting.resize_with(PLACES, || send_question(user));
        // The request for metrics counts too.
        user.backend.metric("backend_http_in_flight_requests") > PLACES as u64
            && one_more(user) == 503
    });
    waiting.into_inner()
}

#[test]
fn requests_waiting_for_claude_do_not_delay_others() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CLAUDE_IDLE_TIMEOUT", "600"), ("CLAUDE_TIMEOUT", "600")]);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"hang": true}));
    let waiting = take_all_places(&user);
    assert_eq!(user.me().status, 200);
    assert_eq!(backend.get("/health").status, 200);
    drop(waiting);
    backend.wait_until("a place is free again", || one_more(&user) == 422);
}

/// One user's calls hang, as many as allowed. Another user's call is made nevertheless.
#[test]
fn one_user_cannot_block_others_from_claude() {
    const ASKED: u64 = 8;
    let claude = Claude::start();
    let backend = claude.backend(&[
        ("CLAUDE_MAX_CONCURRENT", "4"),
        ("CLAUDE_IDLE_TIMEOUT", "600"),
        ("CLAUDE_TIMEOUT", "600"),
    ]);
    let (greedy, other) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    claude.fault(&json!({"hang": true}));
    let large = |number: u64| {
        let work = vec![json!({"summary": "x".repeat(10_000)}); 6];
        json!({"resume": {"work": work}, "job_description": format!("Job {number}")})
    };
    let ask = |number| greedy.request("POST", ROUTES[3]).json(large(number).to_string()).begin();
    let waiting: Vec<_> = (0..ASKED).map(ask).collect();
    backend.wait_until("all calls are running or waiting", || {
        let [running, waiting] = ["claude_in_flight", "claude_waiting"].map(|m| backend.metric(m));
        running + waiting == ASKED && claude.requests() as u64 == running
    });
    claude.clear();
    let reply = other.ask(ROUTES[3], &question(&ada()));
    assert_eq!(reply.status, 200, "{}", reply.show(&[]));
    drop(waiting);
}

/// A user who exceeds the fair share of places gets `Retry-After`.
#[test]
fn calls_beyond_a_users_share_are_refused() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CLAUDE_IDLE_TIMEOUT", "600"), ("CLAUDE_TIMEOUT", "600")]);
    let (greedy, other) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    claude.fault(&json!({"hang": true}));
    let about =
        |number: usize| json!({"resume": ada(), "job_description": format!("Job {number}")});
    let ask = |number| greedy.request("POST", ROUTES[3]).json(about(number).to_string()).begin();
    // A quarter of 16 running and 64 waiting calls.
    let waiting: Vec<_> = (0..20).map(ask).collect();
    backend.wait_until("the user's share is used up", || {
        backend.metric("claude_in_flight") + backend.metric("claude_waiting") == 20
    });
    let refused = greedy.ask(ROUTES[3], &about(20));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    claude.clear();
    assert_eq!(other.ask(ROUTES[3], &about(20)).status, 200);
    drop(waiting);
}
