//! Many clients of a Claude that fails in every way, now and then or all the time: what each is
//! told, and what is kept of it.

use super::ai::{ROUTES, ada};
use super::backend::Backend;
use super::claude::Claude;
use super::client::Reply;
use super::user::User;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;

/// So that nobody waits for a Claude that hangs as long as a user might.
const IMPATIENT: [(&str, &str); 3] =
    [("CLAUDE_TIMEOUT", "3"), ("CLAUDE_IDLE_TIMEOUT", "1"), ("CLAUDE_MAX_RETRIES", "0")];
const CLIENTS: usize = 8;
/// Routes with a degraded answer, and without.
const ASKED: [&str; 3] = [ROUTES[0], ROUTES[1], ROUTES[3]];

/// A route, and what it is asked.
type Question = (&'static str, Value);

fn questions() -> Vec<Question> {
    let about = |number| {
        let job = format!("Job {number}: we look for a programmer with mathematics.");
        ASKED.map(|route| (route, json!({"resume": ada(), "job_description": job})))
    };
    (0..3).flat_map(about).collect()
}

/// The whole answer, if it is one. Else it is a problem, and never one of ours; a score always is an
/// answer.
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
    let may_be = if route == ROUTES[0] { &[200][..] } else { &[200, 424, 503] };
    assert!(may_be.contains(&status), "{route}: {body}");
    (status == 200 && body["status"] != "degraded").then_some(body)
}

/// Everyone asks everything, each from another one on, every other one as a stream: the whole
/// answers, by question.
fn asked_by_all(user: &User<'_>, questions: &[Question]) -> BTreeMap<usize, Vec<Value>> {
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

/// With a Claude that is well: what has been answered whole is kept, what has not is asked for, and
/// both are the same for everyone.
fn check_kept(
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
fn a_claude_that_fails_all_the_time_is_no_fault_of_ours_and_nothing_of_it_is_kept() {
    for fault in [
        json!({"status": 529, "type": "overloaded_error"}),
        json!({"hang": true}),
        json!({"cut_after_events": 5}),
        json!({"hang_after_events": 5}),
        json!({"error_after_events": 5}),
    ] {
        let claude = Claude::start();
        let backend = claude.backend(&IMPATIENT);
        let user = backend.user("ada@example.org");
        claude.fault(&fault);
        let answers = asked_by_all(&user, &questions());
        assert!(answers.is_empty(), "{fault}: {answers:?}");
        claude.clear();
        check_kept(&backend, &user, &questions(), &answers);
    }
}

#[test]
fn a_claude_that_fails_now_and_then_gives_whole_answers_or_none() {
    let claude = Claude::start();
    let backend = claude.backend(&IMPATIENT);
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
    let answers = asked_by_all(&user, &questions());
    claude.clear();
    check_kept(&backend, &user, &questions(), &answers);
}
