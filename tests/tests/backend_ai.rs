//! AI answers from several backends with a real Redis and the Claude simulator, each of which fails
//! at times.

use harness::clock::Deadline;
use harness::stack::server::READY_LIMIT;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;
use tests::backends::{Backends, resume};
use tests::claude::{clear_faults, put_fault, requests};
use tests::client::Reply;

/// The polling interval of conditions.
const POLL: Duration = Duration::from_millis(20);

/// A Redis timeout long enough for a busy machine, for tests in which processes coordinate through
/// it.
const LONG_REDIS_TIMEOUT: (&str, &str) = ("REDIS_SOCKET_TIMEOUT", "30");

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Deadline::after(READY_LIMIT);
    while !condition() {
        assert!(!deadline.has_passed(), "timed out waiting until {what}");
        sleep(POLL);
    }
}

fn health(stack: &Backends, at: usize) -> Value {
    stack.client(at).get("/health", None).json()
}

/// The requests go to two processes that coordinate through Redis only.
#[test]
fn two_hundred_identical_requests_make_one_call() {
    let stack = Backends::start(2, &[LONG_REDIS_TIMEOUT]).unwrap();
    let token = stack.token_of("ada@example.com");
    // The delay lets all requests arrive before the answer.
    put_fault(&stack.claude_sim, &json!({ "delay_ms": 3_000 }));
    let replies: Vec<Reply> = scope(|scope| {
        let ask = |at: usize| {
            let (stack, token) = (&stack, &token);
            scope.spawn(move || stack.score(at % 2, token))
        };
        let asked: Vec<_> = (0..200).map(ask).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let first = replies[0].json();
    assert_eq!(first["status"], "ok", "{first}");
    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.as_text());
        assert_eq!(reply.json(), first);
    }
    assert_eq!(requests(&stack.claude_sim), 1);
    let misses = replies.iter().filter(|reply| reply.header("x-cache") == "MISS").count();
    assert_eq!(misses, 1, "exactly one request made the call");
    assert_eq!(stack.score(1, &token).header("x-cache"), "HIT");
}

#[test]
fn the_first_client_can_disconnect_and_the_others_get_the_answer() {
    let stack = Backends::start(2, &[LONG_REDIS_TIMEOUT]).unwrap();
    let token = stack.token_of("ada@example.com");
    put_fault(&stack.claude_sim, &json!({ "delay_ms": 2_000 }));
    let body = json!({ "resume": resume() }).to_string();
    let mut first = TcpStream::connect(stack.backends[0].addr()).unwrap();
    write!(
        first,
        "POST /api/ai/analyze-ats-score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    wait_until("the call is made", || requests(&stack.claude_sim) == 1);
    scope(|scope| {
        let others: Vec<_> = (0..4)
            .map(|at| {
                let (stack, token) = (&stack, &token);
                scope.spawn(move || stack.score(at % 2, token))
            })
            .collect();
        drop(first);
        for other in others {
            let reply = other.join().unwrap();
            assert_eq!(reply.status, 200, "{}", reply.as_text());
            assert_eq!(reply.json()["status"], "ok");
        }
    });
    assert_eq!(requests(&stack.claude_sim), 1);
}

#[test]
fn answers_are_not_shared_between_users() {
    let stack = Backends::start(1, &[]).unwrap();
    let (ada, bob) = (stack.token_of("ada@example.com"), stack.token_of("bob@example.com"));
    assert_eq!(stack.score(0, &ada).header("x-cache"), "MISS");
    assert_eq!(stack.score(0, &bob).header("x-cache"), "MISS");
    assert_eq!(stack.score(0, &ada).header("x-cache"), "HIT");
    assert_eq!(requests(&stack.claude_sim), 2);
}

/// Redis dies, hangs and recovers while résumés are read and changed and scores are requested.
#[test]
fn redis_outages_lose_no_answer_and_serve_nothing_stale() {
    let mut stack = Backends::start(2, &[]).unwrap();
    let token = stack.token_of("ada@example.com");
    let created = stack.client(0).post("/api/resumes", &resume(), Some(&token)).json();
    let path = format!("/api/resumes/{}", created["id"].as_str().unwrap());
    let ended = AtomicBool::new(false);
    let Backends { backends, claude_sim: _, redis, dir: _ } = &mut stack;
    let clients = [
        tests::client::Client::of(backends[0].addr()),
        tests::client::Client::of(backends[1].addr()),
    ];
    scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|number| {
                let (clients, token, path, ended) = (&clients, &token, &path, &ended);
                scope.spawn(move || {
                    let mut answers = 0;
                    while !ended.load(Ordering::Relaxed) {
                        let client = &clients[number % 2];
                        let read = client.get(path, Some(token));
                        assert_eq!(read.status, 200, "{}", read.as_text());
                        let asked = client.post(
                            "/api/ai/analyze-ats-score",
                            &json!({ "resume": resume() }),
                            Some(token),
                        );
                        assert_eq!(asked.status, 200, "{}", asked.as_text());
                        assert_eq!(asked.json()["status"], "ok");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        let mut version = 1;
        // Changes the résumé through a backend and reads it back from the same one.
        let mut change = |client: &tests::client::Client| {
            let label = format!("Engineer, version {}", version + 1);
            let change = hyper::Request::patch(path.as_str())
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/merge-patch+json")
                .header("if-match", format!("\"{version}\""))
                .body(json!({ "basics": { "label": label } }).to_string().into());
            let changed = client.send(change.unwrap());
            assert_eq!(changed.status, 200, "{}", changed.as_text());
            version += 1;
            let read = client.get(&path, Some(&token)).json();
            assert_eq!(read["version"], version);
            assert_eq!(read["resume"]["basics"]["label"], label);
        };
        let redis_is = |state: &str| {
            for client in &clients {
                wait_until(state, || client.get("/health", None).json()["redis"] == *state);
            }
        };
        for _ in 0..2 {
            change(&clients[0]);
            redis.kill();
            change(&clients[1]);
            redis_is("down");
            change(&clients[0]);
            redis.restart().unwrap();
            redis_is("up");
            change(&clients[1]);
            redis.pause();
            change(&clients[0]);
            redis_is("down");
            redis.resume();
            redis_is("up");
        }
        ended.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
        let last = clients.map(|client| client.get(&path, Some(&token)).json()["version"].clone());
        assert_eq!(last, [json!(version), json!(version)]);
    });
}

/// If Claude fails, scores are still answered, other tasks fail clearly, and no partial answer is
/// cached.
#[test]
fn failures_of_claude_are_not_cached_and_scores_still_work() {
    let faults = [
        json!({ "status": 529, "type": "overloaded_error" }),
        json!({ "hang": true }),
        json!({ "cut_after_events": 3 }),
        json!({ "error_after_events": 3 }),
        json!({ "stop_reason": "max_tokens" }),
        json!({ "text": "not JSON" }),
    ];
    for fault in &faults {
        let vars =
            [("CLAUDE_TIMEOUT", "2"), ("CLAUDE_IDLE_TIMEOUT", "1"), ("CLAUDE_MAX_RETRIES", "0")];
        let stack = Backends::start(1, &vars).unwrap();
        let token = stack.token_of("ada@example.com");
        put_fault(&stack.claude_sim, fault);
        let score = stack.score(0, &token);
        assert_eq!(score.status, 200, "{fault}: {}", score.as_text());
        assert_eq!(score.json()["status"], "degraded", "{fault}");
        assert_eq!(score.json()["review"], Value::Null, "{fault}");
        assert!(score.json()["score"].as_u64().is_some_and(|score| score <= 100), "{fault}");
        let letter = json!({ "resume": resume(), "job_description": "We look for Rust and SQL." });
        let refused = stack.ask(0, &token, "generate-cover-letter", &letter);
        assert!([424, 503].contains(&refused.status), "{fault}: {}", refused.as_text());
        assert_eq!(refused.header("content-type"), "application/problem+json", "{fault}");

        clear_faults(&stack.claude_sim);
        wait_until("the backend calls Claude again", || {
            let again = stack.score(0, &token);
            assert_ne!(again.header("x-cache"), "HIT", "{fault}: {}", again.as_text());
            again.json()["status"] == "ok"
        });
        assert_eq!(stack.score(0, &token).header("x-cache"), "HIT", "{fault}");
    }
}

/// Uses the default timeouts: nobody waits a minute for a score.
#[test]
fn health_reports_a_hanging_claude_and_scores_still_work() {
    let stack = Backends::start(1, &[]).unwrap();
    let token = stack.token_of("ada@example.com");
    put_fault(&stack.claude_sim, &json!({ "hang": true }));
    scope(|scope| {
        let asked = scope.spawn(|| stack.score(0, &token));
        wait_until("claude is down", || health(&stack, 0)["claude"] == "down");
        assert!(!asked.is_finished(), "health must report it before the request gives up");
        let reply = asked.join().unwrap();
        assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("degraded")));
    });
}

/// Cached answers are unreadable without the user's secret, and lost for good when it is deleted.
#[test]
fn a_cached_answer_is_encrypted_under_a_hashed_key_for_an_hour() {
    let stack = Backends::start(1, &[]).unwrap();
    let token = stack.token_of("ada@example.com");
    assert_eq!(stack.score(0, &token).header("x-cache"), "MISS");
    let client = redis::Client::open(harness::stack::redis::url(&stack.redis)).unwrap();
    let mut connection = client.get_connection().unwrap();
    let keys = |connection: &mut redis::Connection| {
        redis::cmd("KEYS").arg("cache:ai:*").query::<Vec<String>>(connection).unwrap()
    };
    wait_until("the answer is cached", || {
        let mut connection = client.get_connection().unwrap();
        keys(&mut connection).len() == 1
    });
    let key = keys(&mut connection).remove(0);
    let hash = key.strip_prefix("cache:ai:").unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
    let ttl_s: u64 = redis::cmd("TTL").arg(&key).query(&mut connection).unwrap();
    assert!((3_000..=3_600).contains(&ttl_s), "{ttl_s}");
    let value: Vec<u8> = redis::cmd("GET").arg(&key).query(&mut connection).unwrap();
    for word in ["score", "status", "Engine", "findings"] {
        let found = value.windows(word.len()).any(|bytes| bytes == word.as_bytes());
        assert!(!found, "{word} can be read");
    }
}

#[test]
fn health_reports_an_outage_of_claude_and_its_end() {
    let stack = Backends::start(1, &[("CLAUDE_MAX_RETRIES", "0")]).unwrap();
    let token = stack.token_of("ada@example.com");
    assert_eq!(health(&stack, 0)["claude"], "up");
    put_fault(&stack.claude_sim, &json!({ "status": 529, "type": "overloaded_error" }));
    // Degraded scores are not cached, so each request is a call.
    wait_until("claude is down", || {
        let _degraded = stack.score(0, &token);
        health(&stack, 0)["claude"] == "down"
    });
    assert_eq!(health(&stack, 0)["status"], "degraded");
    clear_faults(&stack.claude_sim);
    wait_until("claude is up", || {
        let _answered = stack.score(0, &token);
        health(&stack, 0)["claude"] == "up"
    });
}
