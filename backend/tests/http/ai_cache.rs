//! `/api/ai/…` and the cache: which answers are reused, and which are asked for again.

use super::ai::{ROUTES, ada, question};
use super::claude::{self, Claude};
use super::client::Reply;
use super::user::{PASSWORD, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const MERGE: &str = "application/merge-patch+json";

fn origin(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.show(&[]));
    reply.header("x-cache").unwrap()
}

#[test]
fn an_answer_is_charged_once() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    for route in ROUTES {
        let first = user.ask(route, &question(&ada()));
        let second = user.ask(route, &question(&ada()));
        assert_eq!((origin(&first), origin(&second)), ("MISS", "HIT"), "{route}");
        assert_eq!(first.body, second.body, "{route}");
        assert_eq!(first.header("age"), None);
        assert!(second.header("age").unwrap().parse::<u64>().unwrap() < 60);
        assert_eq!(first.header("cache-status"), Some("tollgate; fwd=miss"));
        assert!(second.header("cache-status").unwrap().starts_with("tollgate; hit; ttl="));
        assert_eq!(second.header("cache-control"), Some("no-store"));
    }
    assert_eq!(claude.requests(), ROUTES.len());
}

#[test]
fn the_money_spent_and_saved_is_counted() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let of = |name: &str| backend.metric(&format!("{name}{{route=\"extract-keywords\"}}"));
    user.ask(ROUTES[2], &question(&ada()));
    let spent = of("ai_spent_micro_usd_total");
    assert!(spent > 0);
    assert_eq!(spent, backend.metric("claude_cost_micro_usd_total{model=\"claude-haiku-5-5\"}"));
    assert_eq!(of("ai_saved_micro_usd_total"), 0);
    for _ in 0..2 {
        user.ask(ROUTES[2], &question(&ada()));
    }
    assert_eq!(of("ai_spent_micro_usd_total"), spent);
    assert_eq!(of("ai_saved_micro_usd_total"), 2 * spent);
    claude.fault(&json!({"text": "not json"}));
    user.ask(ROUTES[3], &question(&ada()));
    let answered = |outcome: &str, route: &str| {
        backend.metric(&format!("ai_requests_total{{route=\"{route}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!(answered("ok", "extract-keywords"), 3);
    assert_eq!(answered("unusable", "generate-cover-letter"), 1);
}

/// However a stream breaks off, the usage that Claude has reported by then is charged.
#[test]
fn a_broken_off_stream_is_charged() {
    for fault in [
        json!({"cut_after_events": 5}),
        json!({"error_after_events": 5}),
        json!({"hang_after_events": 5}),
    ] {
        let claude = Claude::start();
        let backend = claude.backend(&[("CLAUDE_IDLE_TIMEOUT", "3"), ("CLAUDE_MAX_RETRIES", "0")]);
        let user = backend.user("ada@example.org");
        let spent = || backend.metric("ai_spent_micro_usd_total{route=\"generate-cover-letter\"}");
        let billed = || backend.metric("claude_cost_micro_usd_total{model=\"claude-sonnet-5-5\"}");
        claude.fault(&fault);
        assert_eq!(user.ask(ROUTES[3], &question(&ada())).status, 424, "{fault}");
        assert!(spent() > 0, "{fault}");
        assert_eq!(spent(), billed(), "{fault}");
        let broken = spent();
        claude.clear();
        assert_eq!(origin(&user.ask(ROUTES[3], &question(&ada()))), "MISS");
        assert!(spent() > broken);
        assert_eq!(spent(), billed(), "{fault}");
    }
}

#[test]
fn cache_outcomes_are_counted_by_route() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let counted = |route: &str| {
        ["hit", "miss", "coalesced", "bypass", "error"].map(|outcome| {
            let labels = format!("{{route=\"{route}\",outcome=\"{outcome}\"}}");
            backend.metric(&format!("cache_requests_total{labels}"))
        })
    };
    for _ in 0..3 {
        user.ask(ROUTES[2], &question(&ada()));
    }
    let request = user.request("POST", ROUTES[2]).header("Cache-Control", "no-store");
    request.json(question(&ada()).to_string()).send();
    assert_eq!(counted("extract-keywords"), [2, 1, 0, 1, 0]);

    claude.fault(&json!({"text": "not json"}));
    assert_eq!(user.ask(ROUTES[1], &question(&ada())).status, 424);
    assert_eq!(counted("optimize-resume"), [0, 0, 0, 0, 1]);

    // Two concurrent requests. On a busy machine the second can come too late, so retry.
    let seen = Mutex::new(BTreeMap::<String, u64>::new());
    claude.fault(&json!({"delay_ms": 500}));
    let number = AtomicUsize::new(0);
    backend.wait_until("a request joins another", || {
        let mut body = question(&ada());
        body["job_description"] = json!(format!("Job {}", number.fetch_add(1, Ordering::Relaxed)));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let reply = user.ask(ROUTES[3], &body);
                    *seen.lock().unwrap().entry(origin(&reply).to_owned()).or_default() += 1;
                });
            }
        });
        seen.lock().unwrap().contains_key("COALESCED")
    });
    let count_of = |origin: &str| seen.lock().unwrap().get(origin).copied().unwrap_or_default();
    let expected = [count_of("HIT"), count_of("MISS"), count_of("COALESCED"), 0, 0];
    assert_eq!(counted("generate-cover-letter"), expected);
    let saved = backend.metric("ai_saved_micro_usd_total{route=\"generate-cover-letter\"}");
    assert!(saved > 0, "joining costs nothing");
}

#[test]
fn cache_control_is_respected() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let ask = |control: &str| {
        let request = user.request("POST", ROUTES[2]).header("Cache-Control", control);
        origin(&request.json(question(&ada()).to_string()).send()).to_owned()
    };
    assert_eq!(ask("no-store"), "BYPASS");
    assert_eq!(ask(""), "MISS", "nothing was stored");
    assert_eq!(ask(""), "HIT");
    assert_eq!(ask("no-cache"), "BYPASS");
    assert_eq!(ask("max-age=600"), "HIT");
    assert_eq!(claude.requests(), 3);
}

#[test]
fn without_the_cache_claude_is_asked_every_time() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CACHE_ENABLED", "false")]);
    let user = backend.user("ada@example.org");
    for _ in 0..2 {
        assert_eq!(origin(&user.ask(ROUTES[2], &question(&ada()))), "BYPASS");
    }
    assert_eq!(claude.requests(), 2);
}

#[test]
fn an_answer_expires_after_its_ttl() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CACHE_AI_RESPONSE_TTL", "1")]);
    let user = backend.user("ada@example.org");
    user.ask(ROUTES[2], &question(&ada()));
    backend.wait_until("the answer expires", || {
        origin(&user.ask(ROUTES[2], &question(&ada()))) == "MISS"
    });
}

#[test]
fn requests_that_differ_are_cached_separately() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let same = question(&ada());
    assert_eq!(origin(&user.ask(ROUTES[0], &same)), "MISS");
    let mut others = vec![json!({"resume": ada()})];
    for (member, value) in [
        ("job_description", json!("We look for a programmer with Rust and mathematics.")),
        ("language", json!("de")),
        ("resume", json!({"basics": {"name": "Ada"}})),
    ] {
        let mut other = same.clone();
        other[member] = value;
        others.push(other);
    }
    for other in &others {
        assert_eq!(origin(&user.ask(ROUTES[0], other)), "MISS", "{other}");
        assert_eq!(origin(&user.ask(ROUTES[0], other)), "HIT", "{other}");
    }
    assert_eq!(claude.requests(), 1 + others.len());
}

#[test]
fn equivalent_requests_share_an_answer() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let id = path.rsplit('/').next().unwrap();
    let job = "Line one\nLine two";
    let asked = json!({"resume_id": id, "job_description": job});
    assert_eq!(origin(&user.ask(ROUTES[0], &asked)), "MISS");
    // Different whitespace, a different order of members, and the same document inline.
    let mut sorted: Vec<_> = ada().as_object().unwrap().clone().into_iter().collect();
    sorted.reverse();
    let members: Vec<_> =
        sorted.iter().map(|(name, value)| format!("\"{name}\": {value:#}")).collect();
    let sent = format!(
        r#"{{"language":"EN", "job_description":"  Line one\r\nLine two\n", "resume":{{{}}}}}"#,
        members.join(" ,\n")
    );
    let reply = user.request("POST", ROUTES[0]).json(sent).send();
    assert_eq!(origin(&reply), "HIT");
    assert_eq!(reply.json()["resume"], Value::Null, "the inline résumé is not a stored one");
    assert_eq!(claude.requests(), 1);
}

#[test]
fn each_model_is_cached_separately() {
    let claude = Claude::start();
    let backend = claude.backend(&[]);
    let user = backend.user("ada@example.org");
    user.ask(ROUTES[2], &question(&ada()));
    assert_eq!(claude.last()["model"], "claude-haiku-5-5");
    for model in ["claude-sonnet-5-5:low:2048", "claude-sonnet-5-5:high:2048"] {
        let other = claude.backend_beside(&backend, &[("AI_EXTRACT_KEYWORDS", model)]);
        let again = other.log_in("ada@example.org", PASSWORD);
        again.ask(ROUTES[2], &question(&ada()));
        let sent = claude.last();
        let used = format!(
            "{}:{}:{}",
            sent["model"].as_str().unwrap(),
            sent["output_config"]["effort"].as_str().unwrap(),
            sent["max_tokens"]
        );
        assert_eq!(used, model);
    }
}

#[test]
fn answers_are_not_shared_between_users() {
    let (claude, backend) = claude::pair();
    let (ada_, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    assert_eq!(origin(&ada_.ask(ROUTES[0], &question(&ada()))), "MISS");
    assert_eq!(origin(&eve.ask(ROUTES[0], &question(&ada()))), "MISS");
    assert_eq!(claude.requests(), 2);
}

#[test]
fn a_changed_resume_is_a_miss_and_a_deleted_one_a_404() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let asked = json!({"resume_id": path.rsplit('/').next()});
    let version = |reply: &Reply| reply.json()["resume"]["version"].clone();
    let first = user.ask(ROUTES[0], &asked);
    assert_eq!((origin(&first), version(&first)), ("MISS", json!(1)));

    user.change(&path, "\"1\"", MERGE, &json!({"basics": {"label": "Analyst"}}));
    let changed = user.ask(ROUTES[0], &asked);
    assert_eq!((origin(&changed), version(&changed)), ("MISS", json!(2)));
    assert!(claude.last_content().contains("Analyst"));

    // Back to the original content: a hit, but for the new version.
    user.change(&path, "\"2\"", MERGE, &json!({"basics": {"label": "Programmer"}}));
    let back = user.ask(ROUTES[0], &asked);
    assert_eq!((origin(&back), version(&back)), ("HIT", json!(3)));

    assert_eq!(user.request("DELETE", &path).send().status, 204);
    assert_eq!(user.ask(ROUTES[0], &asked).status, 404);
    assert_eq!(claude.requests(), 2);
}

fn ask_concurrently(user: &User<'_>, claude: &Claude, count: usize) -> Vec<Reply> {
    claude.fault(&json!({"delay_ms": 1000}));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    let body = question(&ada());
                    if number % 5 == 4 {
                        user.ask_events(ROUTES[3], &body)
                    } else {
                        user.ask(ROUTES[3], &body)
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn fifty_concurrent_requests_get_one_answer() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let replies = ask_concurrently(&user, &claude, 50);
    assert_eq!(claude.requests(), 1);
    let answer = |reply: &Reply| {
        if reply.header("content-type") == Some("text/event-stream") {
            reply.events().pop().unwrap().1
        } else {
            reply.json()
        }
    };
    assert!(replies.iter().all(|reply| answer(reply) == answer(&replies[0])));
    let first = replies.iter().filter(|reply| origin(reply) == "MISS").count();
    let joined = replies.iter().filter(|reply| origin(reply) == "COALESCED").count();
    assert!(first <= 1, "at most one began the load");
    // Requests that came after the load have a hit.
    assert!(first + joined <= 50, "{first} {joined}");
}

#[test]
fn dropping_the_first_request_does_not_end_the_load() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"delay_ms": 1500}));
    let first = user.request("POST", ROUTES[3]).json(question(&ada()).to_string()).begin();
    backend.wait_until("Claude is asked", || claude.requests() == 1);
    let reply = thread::scope(|scope| {
        let second = scope.spawn(|| user.ask(ROUTES[3], &question(&ada())));
        drop(first);
        second.join().unwrap()
    });
    // On a busy machine the second request can come after the load.
    assert!(["COALESCED", "HIT"].contains(&origin(&reply)), "{}", origin(&reply));
    assert_eq!(origin(&user.ask(ROUTES[3], &question(&ada()))), "HIT");
    assert_eq!(claude.requests(), 1);
}

#[test]
fn an_answer_is_cached_even_if_its_request_is_dropped() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"delay_ms": 500}));
    let request = user.request("POST", ROUTES[1]).header("Accept", "text/event-stream");
    let first = request.json(question(&ada()).to_string()).begin();
    backend.wait_until("Claude is asked", || claude.requests() == 1);
    drop(first);
    backend.wait_until("the answer is cached", || {
        origin(&user.ask(ROUTES[1], &question(&ada()))) == "HIT"
    });
    assert_eq!(claude.requests(), 1);
}
