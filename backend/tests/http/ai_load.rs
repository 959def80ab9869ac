//! Many clients while Claude fails in every way, sometimes or always: their responses, and the
//! cache.

use super::ai::{ROUTES, ada};
use super::backend::Backend;
use super::claude::Claude;
use super::client::Reply;
use super::user::User;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;

/// Short timeouts, so that a hung Claude does not slow the test.
const SHORT_TIMEOUTS: [(&str, &str); 3] =
    [("CLAUDE_TIMEOUT", "3"), ("CLAUDE_IDLE_TIMEOUT", "1"), ("CLAUDE_MAX_RETRIES", "0")];
const CLIENTS: usize = 8;
/// Routes with and without a degraded answer.
const ASKED: [&str; 3] = [ROUTES[0], ROUTES[1], ROUTES[3]];

/// A route and a request body.
type Question = (&'static str, Value);

fn questions() -> Vec<Question> {
    let about = |number| {
        let job = format!("Job {number}: we look for a programmer with mathematics.");
        ASKED.map(|route| (route, json!({"resume": ada(), "job_description": job})))
    };
    (0..3).flat_map(about).collect()
}

/// Returns the complete answer in a reply, if it has one. Otherwise checks that the reply is an
/// expected problem, or a degraded score.
fn answer_in(route: &str, reply: &Reply) -> Option<Value> {
    let is_stream = reply.header("content-type") == Some("text/event-stream");
    let (status, body) = match reply.status {
        200 if is_stream => match reply.events().pop().expect("events") {
            (name, answer) if name == "result" => (200, answer),
            (name, problem) => {
                assert_eq!(name, "error");
                (problem["status"].as_u64().unwrap(), problem)
            }
        },
        status => (status.into(), reply.json()),
    };
    let allowed = if route == ROUTES[0] { &[200][..] } else { &[200, 424, 503] };
    assert!(allowed.contains(&status), "{route}: {body}");
    (status == 200 && body["status"] != "degraded").then_some(body)
}

/// Lets every client ask every question, each starting at another one, and every other request as a
/// stream. Returns the complete answers by question.
fn ask_from_all_clients(user: &User<'_>, questions: &[Question]) -> BTreeMap<usize, Vec<Value>> {
    let answers = thread::scope(|scope| {
        let ask_all = |client: usize| {
            let numbers = (0..questions.len()).map(move |at| (at + client) % questions.len());
            let ask = move |number: usize| {
                let (route, body) = &questions[number];
                let reply = match (client + number) % 2 {
                    0 => user.ask(route, body),
                    _ => user.ask_events(route, body),
                };
                Some((number, answer_in(route, &reply)?))
            };
            scope.spawn(move || numbers.filter_map(ask).collect::<Vec<_>>())
        };
        let clients: Vec<_> = (0..CLIENTS).map(ask_all).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let mut by_question: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for (number, answer) in answers {
        by_question.entry(number).or_default().push(answer);
    }
    by_question
}

/// Checks, while Claude works, that exactly the completely answered questions are cached, with one
/// answer for all clients.
fn check_cached(
    backend: &Backend,
    user: &User<'_>,
    questions: &[Question],
    before: &BTreeMap<usize, Vec<Value>>,
) {
    for (number, (route, body)) in questions.iter().enumerate() {
        let (expected, before) = match before.get(&number) {
            Some(answers) => ("HIT", answers.as_slice()),
            None => ("MISS", &[][..]),
        };
        backend.wait_until("Claude answers", || {
            let reply = user.ask(route, body);
            let Some(whole) = answer_in(route, &reply) else { return false };
            assert_eq!(reply.header("x-cache"), Some(expected), "{route}: {body}");
            assert!(before.iter().all(|answer| *answer == whole), "{route}: {before:?} {whole}");
            let again = user.ask(route, body);
            assert_eq!(again.header("x-cache"), Some("HIT"), "{route}: {body}");
            assert_eq!(again.json(), whole);
            true
        });
    }
}

#[test]
fn constant_claude_failures_cause_no_500_and_no_cached_answer() {
    for fault in [
        json!({"status": 529, "type": "overloaded_error"}),
        json!({"hang": true}),
        json!({"cut_after_events": 5}),
        json!({"hang_after_events": 5}),
        json!({"error_after_events": 5}),
    ] {
        let claude = Claude::start();
        let backend = claude.backend(&SHORT_TIMEOUTS);
        let user = backend.user("ada@example.org");
        claude.fault(&fault);
        let answers = ask_from_all_clients(&user, &questions());
        assert!(answers.is_empty(), "{fault}: {answers:?}");
        claude.clear();
        check_cached(&backend, &user, &questions(), &answers);
    }
}

#[test]
fn occasional_claude_failures_give_complete_answers_or_none() {
    let claude = Claude::start();
    let backend = claude.backend(&SHORT_TIMEOUTS);
    let user = backend.user("ada@example.org");
    let all = [
        json!({"cut_after_events": 5}),
        json!({}),
        json!({"status": 529, "type": "overloaded_error"}),
        json!({"cut_after_events": 2}),
        json!({}),
        json!({"hang": true}),
        json!({"text": "{}"}),
        json!({}),
        json!({"hang_after_events": 7}),
        json!({"error_after_events": 6}),
    ];
    claude.one_after_another(&all);
    let answers = ask_from_all_clients(&user, &questions());
    claude.clear();
    check_cached(&backend, &user, &questions(), &answers);
}
