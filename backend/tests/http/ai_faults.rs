//! `/api/ai/…` with a Claude that is not well: what is answered, and that nothing half-done is kept.

use super::ai::{ROUTES, ada, question};
use super::backend::Backend;
use super::claude::{self, Claude};
use super::user::User;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

/// So that a test does not wait as long as a user might.
const IMPATIENT: [(&str, &str); 3] = [("CLAUDE_TIMEOUT", "3"), ("CLAUDE_IDLE_TIMEOUT", "1"), ONCE];
/// The same where Claude answers at once, whatever it answers: nothing is to be late on a busy
/// machine.
const ONCE: (&str, &str) = ("CLAUDE_MAX_RETRIES", "0");

/// What cannot be answered is a problem for every route but one, which counts by itself.
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

/// Nobody asks once the pause is over: whether it is back is not known.
#[test]
fn a_claude_that_nobody_has_asked_again_is_neither_down_nor_up() {
    let claude = Claude::start();
    let backend = claude.backend(&[ONCE]);
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

/// Once Claude is well, and is asked again, nothing is there that was not whole.
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
fn without_a_key_a_score_is_counted_and_nothing_else_is_done() {
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
    assert_eq!(user.ask_events(ROUTES[3], &question(&ada())).status, 503, "a status of its own");
}

#[test]
fn with_claude_away_all_goes_on_that_can() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let vars = [("ANTHROPIC_API_KEY", "sk-test"), ("ANTHROPIC_BASE_URL", &*url), ONCE];
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
    assert_eq!(backend.get("/health/ready").status, 200, "it still serves");
    backend.wait_until("it is told how long Claude is not asked", || {
        let refused = user.ask(ROUTES[3], &question(&ada()));
        let wait = refused.header("retry-after").map(|wait| wait.parse::<u64>().unwrap());
        wait.is_some_and(|wait| (1..=600).contains(&wait))
    });
}

#[test]
fn an_overloaded_claude_is_not_asked_for_ever_and_nothing_of_it_is_kept() {
    let claude = Claude::start();
    let backend = claude.backend(&[ONCE]);
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
fn when_to_come_back_is_told_where_claude_tells_it() {
    let claude = Claude::start();
    let backend = claude.backend(&[ONCE]);
    let user = backend.user("ada@example.org");
    claude.fault(
        &json!({"status": 429, "type": "rate_limit_error", "headers": {"retry-after": "17"}}),
    );
    let reply = user.ask(ROUTES[3], &question(&ada()));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("17")));
}

#[test]
fn a_claude_that_hangs_is_not_waited_for() {
    let claude = Claude::start();
    let backend = claude.backend(&IMPATIENT);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"hang": true}));
    check_unanswered(&user, 503);
    claude.clear();
    check_answered(&backend, &user);
}

#[test]
fn a_stream_that_is_cut_is_asked_for_once_more() {
    let claude = Claude::start();
    let backend = claude.backend(&[ONCE]);
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
fn a_stream_that_is_cut_again_is_an_error_and_nothing_of_it_is_kept() {
    let claude = Claude::start();
    let backend = claude.backend(&[ONCE]);
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

/// Claude is paid for each of these, so none has a status that a gateway refunds; how often Claude
/// is asked.
#[test]
fn answers_that_cannot_be_used_are_refused_and_not_kept() {
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
        // Nothing is paid for these.
        (vec![overloaded], 503, 1),
        (vec![json!({"cut_after_events": 0})], 503, 1),
        (vec![json!({"status": 400, "type": "invalid_request_error"})], 502, 1),
    ];
    for (fault, status, asked) in faults {
        let claude = Claude::start();
        let backend = claude.backend(&IMPATIENT);
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
fn a_first_answer_that_cannot_be_used_is_made_good() {
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
fn a_score_beyond_the_scale_is_no_score() {
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
fn a_key_that_is_no_good_is_our_fault_and_is_not_shown() {
    let claude = Claude::start();
    let backend = claude.backend(&[ONCE]);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"status": 401, "type": "authentication_error"}));
    check_unanswered(&user, 503);
    let log = backend.stop();
    assert!(!log.contains(claude::KEY), "{log}");
    assert!(!log.contains("Lovelace"), "{log}");
}

/// The most requests that may wait for Claude at once.
const PLACES: usize = 256;

/// A question on its way that nobody reads the answer of.
fn asked(user: &User<'_>) -> TcpStream {
    let stream = user.request("POST", ROUTES[3]).json(question(&ada()).to_string()).begin();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Whether nothing has come yet.
fn waits(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// What someone is told who asks nothing.
fn one_more(user: &User<'_>) -> u16 {
    user.request("POST", ROUTES[3]).json("{}").send().status
}

/// Takes all places, until there is none for one more. Where the machine is busy, some who ask are
/// refused for another reason than that there is no place: others come instead of them.
fn take_all_places(user: &User<'_>) -> Vec<TcpStream> {
    let waiting = RefCell::new(Vec::new());
    user.backend.wait_until("all places are taken", || {
        let mut waiting = waiting.borrow_mut();
        waiting.retain(waits);
        waiting.resize_with(PLACES, || asked(user));
        // The one who looks is among them.
        user.backend.metric("backend_http_in_flight_requests") > PLACES as u64
            && one_more(user) == 503
    });
    waiting.into_inner()
}

#[test]
fn asking_claude_does_not_keep_others_waiting() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CLAUDE_IDLE_TIMEOUT", "600"), ("CLAUDE_TIMEOUT", "600")]);
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"hang": true}));
    let waiting = take_all_places(&user);
    assert_eq!(user.me().status, 200);
    assert_eq!(backend.get("/health").status, 200);
    drop(waiting);
    backend.wait_until("there is a place again", || one_more(&user) == 422);
}

/// One user's calls hang, as many as may; another's is made all the same.
#[test]
fn a_user_who_asks_much_does_not_keep_others_from_claude() {
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
    backend.wait_until("all are under way or wait", || {
        let [running, waiting] = ["claude_in_flight", "claude_waiting"].map(|m| backend.metric(m));
        running + waiting == ASKED && claude.requests() as u64 == running
    });
    claude.clear();
    let reply = other.ask(ROUTES[3], &question(&ada()));
    assert_eq!(reply.status, 200, "{}", reply.show(&[]));
    drop(waiting);
}

/// A user who asks for more than a fair share of the places is told when to come back.
#[test]
fn more_calls_than_one_user_may_have_are_refused() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CLAUDE_IDLE_TIMEOUT", "600"), ("CLAUDE_TIMEOUT", "600")]);
    let (greedy, other) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    claude.fault(&json!({"hang": true}));
    let about =
        |number: usize| json!({"resume": ada(), "job_description": format!("Job {number}")});
    let ask = |number| greedy.request("POST", ROUTES[3]).json(about(number).to_string()).begin();
    // A quarter of 16 that run and 64 that wait.
    let waiting: Vec<_> = (0..20).map(ask).collect();
    backend.wait_until("the user has all that one may have", || {
        backend.metric("claude_in_flight") + backend.metric("claude_waiting") == 20
    });
    let refused = greedy.ask(ROUTES[3], &about(20));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    claude.clear();
    assert_eq!(other.ask(ROUTES[3], &about(20)).status, 200);
    drop(waiting);
}
