//! `/api/ai/…` asked again in the same words, which is answered without reading them: as exact as
//! the first time, whatever another process has changed meanwhile.

use super::ai::{ROUTES, ada};
use super::backend::Backend;
use super::claude;
use super::client::Reply;
use super::user::{PASSWORD, User};
use serde_json::{Value, json};

const ROUTE: &str = ROUTES[0];

fn origin(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.show(&[]));
    reply.header("x-cache").unwrap()
}

/// The same session, at another process.
fn at<'a>(backend: &'a Backend, user: &User<'_>) -> User<'a> {
    User { backend, access: user.access.clone(), refresh: user.refresh.clone() }
}

/// A résumé is kept, asked about until it is answered from memory, and named.
fn asked_about(user: &User<'_>) -> Value {
    let kept = user.send("POST", "/api/resumes", &ada());
    let question = json!({ "resume_id": kept.json()["id"] });
    assert_eq!(origin(&user.ask(ROUTE, &question)), "MISS");
    for _ in 0..3 {
        let hit = user.ask(ROUTE, &question);
        assert_eq!(origin(&hit), "HIT");
        assert_eq!(hit.json()["resume"], json!({ "id": question["resume_id"], "version": 1 }));
    }
    question
}

fn path_of(question: &Value) -> String {
    format!("/api/resumes/{}", question["resume_id"].as_str().unwrap())
}

#[test]
fn a_resume_that_another_process_changes_is_asked_about_anew() {
    let (claude, backend) = claude::pair();
    let another = backend.second();
    let user = backend.user("ada@example.org");
    let question = asked_about(&user);
    for version in 2..6 {
        let mut changed = ada();
        changed["basics"]["label"] = json!(format!("Engineer {version}"));
        let path = path_of(&question);
        let request = at(&another, &user).request("PUT", &path).header("If-Match", "*");
        assert_eq!(request.json(changed.to_string()).send().status, 200);
        for expected in ["MISS", "HIT"] {
            let reply = user.ask(ROUTE, &question);
            assert_eq!(origin(&reply), expected);
            assert_eq!(reply.json()["resume"]["version"], json!(version));
        }
    }
    assert_eq!(claude.requests(), 5);
}

#[test]
fn a_resume_that_another_process_deletes_is_gone() {
    let (_claude, backend) = claude::pair();
    let another = backend.second();
    let user = backend.user("ada@example.org");
    let question = asked_about(&user);
    let path = path_of(&question);
    assert_eq!(at(&another, &user).request("DELETE", &path).send().status, 204);
    assert_eq!(user.ask(ROUTE, &question).status, 404);
}

#[test]
fn a_session_that_another_process_ends_is_over_at_once() {
    let (_claude, backend) = claude::pair();
    let another = backend.second();
    for (email, method, path) in
        [("ada@example.org", "POST", "/api/auth/logout"), ("bob@example.org", "DELETE", "/api/me")]
    {
        let user = backend.user(email);
        let question = asked_about(&user);
        let left = at(&another, &user).send(method, path, &json!({ "password": PASSWORD }));
        assert_eq!(left.status, 204, "{}", left.show(&[]));
        assert_eq!(user.ask(ROUTE, &question).status, 401);
        assert_eq!(user.get(&path_of(&question)).status, 401);
    }
}

#[test]
fn the_same_words_of_somebody_else_find_nothing() {
    let (_claude, backend) = claude::pair();
    let [ada, bob] = ["ada@example.org", "bob@example.org"].map(|email| backend.user(email));
    let question = asked_about(&ada);
    assert_eq!(bob.ask(ROUTE, &question).status, 404);
    let inline = json!({ "resume": super::ai::ada() });
    assert_eq!(origin(&ada.ask(ROUTE, &inline)), "HIT", "it is the kept one");
    assert_eq!(origin(&bob.ask(ROUTE, &inline)), "MISS");
}

#[test]
fn what_the_client_says_of_the_cache_is_heeded() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let question = asked_about(&user);
    for control in ["no-cache", "no-store"] {
        let request = user.request("POST", ROUTE).header("Cache-Control", control);
        assert_eq!(origin(&request.json(question.to_string()).send()), "BYPASS");
    }
    assert_eq!(claude.requests(), 3);
}
