//! `/api/ai/…` and the cache: what is paid for once, and what is asked anew.

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
fn an_answer_is_paid_for_once() {
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

/// Whatever breaks it off: what Claude had said by then that it used has been paid for.
#[test]
fn a_stream_that_breaks_off_is_paid_for_as_well() {
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
fn what_the_cache_did_for_each_route_is_counted() {
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

    // Two at once; on a busy machine the second may have come too late, so it is tried again.
    let told = Mutex::new(BTreeMap::<String, u64>::new());
    claude.fault(&json!({"delay_ms": 500}));
    let number = AtomicUsize::new(0);
    backend.wait_until("one joins another", || {
        let mut body = question(&ada());
        body["job_description"] = json!(format!("Job {}", number.fetch_add(1, Ordering::Relaxed)));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let reply = user.ask(ROUTES[3], &body);
                    *told.lock().unwrap().entry(origin(&reply).to_owned()).or_default() += 1;
                });
            }
        });
        told.lock().unwrap().contains_key("COALESCED")
    });
    let told = |origin: &str| told.lock().unwrap().get(origin).copied().unwrap_or_default();
    let expected = [told("HIT"), told("MISS"), told("COALESCED"), 0, 0];
    assert_eq!(counted("generate-cover-letter"), expected);
    let saved = backend.metric("ai_saved_micro_usd_total{route=\"generate-cover-letter\"}");
    assert!(saved > 0, "who joins pays nothing");
}

#[test]
fn a_client_says_what_the_cache_may_do() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let ask = |control: &str| {
        let request = user.request("POST", ROUTES[2]).header("Cache-Control", control);
        origin(&request.json(question(&ada()).to_string()).send()).to_owned()
    };
    assert_eq!(ask("no-store"), "BYPASS");
    assert_eq!(ask(""), "MISS", "it was not stored");
    assert_eq!(ask(""), "HIT");
    assert_eq!(ask("no-cache"), "BYPASS");
    assert_eq!(ask("max-age=600"), "HIT");
    assert_eq!(claude.requests(), 3);
}

#[test]
fn without_the_cache_everything_is_asked() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CACHE_ENABLED", "false")]);
    let user = backend.user("ada@example.org");
    for _ in 0..2 {
        assert_eq!(origin(&user.ask(ROUTES[2], &question(&ada()))), "BYPASS");
    }
    assert_eq!(claude.requests(), 2);
}

#[test]
fn an_answer_is_good_as_long_as_it_is_said() {
    let claude = Claude::start();
    let backend = claude.backend(&[("CACHE_AI_RESPONSE_TTL", "1")]);
    let user = backend.user("ada@example.org");
    user.ask(ROUTES[2], &question(&ada()));
    backend.wait_until("it is over", || origin(&user.ask(ROUTES[2], &question(&ada()))) == "MISS");
}

#[test]
fn whatever_shapes_an_answer_names_it() {
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
fn the_same_said_otherwise_is_the_same() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let id = path.rsplit('/').next().unwrap();
    let job = "Line one\nLine two";
    let asked = json!({"resume_id": id, "job_description": job});
    assert_eq!(origin(&user.ask(ROUTES[0], &asked)), "MISS");
    // Other blanks, another order of members, another place for the same document.
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
    assert_eq!(reply.json()["resume"], Value::Null, "but this one is not kept here");
    assert_eq!(claude.requests(), 1);
}

#[test]
fn another_model_answers_for_itself() {
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
        let told = format!(
            "{}:{}:{}",
            sent["model"].as_str().unwrap(),
            sent["output_config"]["effort"].as_str().unwrap(),
            sent["max_tokens"]
        );
        assert_eq!(told, model);
    }
}

#[test]
fn nobody_is_given_anothers_answer() {
    let (claude, backend) = claude::pair();
    let (ada_, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    assert_eq!(origin(&ada_.ask(ROUTES[0], &question(&ada()))), "MISS");
    assert_eq!(origin(&eve.ask(ROUTES[0], &question(&ada()))), "MISS");
    assert_eq!(claude.requests(), 2);
}

#[test]
fn a_changed_resume_is_asked_about_anew_and_a_deleted_one_not_at_all() {
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

    // As it was: the answer is known, and it is about this version.
    user.change(&path, "\"2\"", MERGE, &json!({"basics": {"label": "Programmer"}}));
    let back = user.ask(ROUTES[0], &asked);
    assert_eq!((origin(&back), version(&back)), ("HIT", json!(3)));

    assert_eq!(user.request("DELETE", &path).send().status, 204);
    assert_eq!(user.ask(ROUTES[0], &asked).status, 404);
    assert_eq!(claude.requests(), 2);
}

fn asked_by_many(user: &User<'_>, claude: &Claude, count: usize) -> Vec<Reply> {
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
fn fifty_who_ask_the_same_at_once_get_one_answer() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let replies = asked_by_many(&user, &claude, 50);
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
    assert!(first <= 1, "one of them began it");
    // Whoever came after it was done has a hit.
    assert!(first + joined <= 50, "{first} {joined}");
}

#[test]
fn who_leaves_first_does_not_end_it_for_the_others() {
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
    // On a busy machine the second may have come when it was done.
    assert!(["COALESCED", "HIT"].contains(&origin(&reply)), "{}", origin(&reply));
    assert_eq!(origin(&user.ask(ROUTES[3], &question(&ada()))), "HIT");
    assert_eq!(claude.requests(), 1);
}

#[test]
fn an_answer_is_kept_though_nobody_waited_for_it() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"delay_ms": 500}));
    let request = user.request("POST", ROUTES[1]).header("Accept", "text/event-stream");
    let first = request.json(question(&ada()).to_string()).begin();
    backend.wait_until("Claude is asked", || claude.requests() == 1);
    drop(first);
    backend.wait_until("it is kept", || origin(&user.ask(ROUTES[1], &question(&ada()))) == "HIT");
    assert_eq!(claude.requests(), 1);
}
