//! `/api/ai/…` with a byte-identical body, which is answered without parsing it. The answer must be
//! as correct as the first, whatever another process changes in between.

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

/// Returns the same session, but with another process.
fn at<'a>(backend: &'a Backend, user: &User<'_>) -> User<'a> {
    User { backend, access: user.access.clone(), refresh: user.refresh.clone() }
}

/// Stores a résumé and asks about it until the answer comes from memory. Returns the body.
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
fn a_resume_changed_by_another_process_is_a_miss() {
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
fn a_resume_deleted_by_another_process_is_gone() {
    let (_claude, backend) = claude::pair();
    let another = backend.second();
    let user = backend.user("ada@example.org");
    let question = asked_about(&user);
    let path = path_of(&question);
    assert_eq!(at(&another, &user).request("DELETE", &path).send().status, 204);
    assert_eq!(user.ask(ROUTE, &question).status, 404);
}

#[test]
fn a_session_ended_by_another_process_is_over_at_once() {
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
fn another_users_identical_request_is_a_miss() {
    let (_claude, backend) = claude::pair();
    let [ada, bob] = ["ada@example.org", "bob@example.org"].map(|email| backend.user(email));
    let question = asked_about(&ada);
    assert_eq!(bob.ask(ROUTE, &question).status, 404);
    let inline = json!({ "resume": super::ai::ada() });
    assert_eq!(origin(&ada.ask(ROUTE, &inline)), "HIT", "equal to the stored résumé");
    assert_eq!(origin(&bob.ask(ROUTE, &inline)), "MISS");
}

#[test]
fn cache_control_is_respected() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let question = asked_about(&user);
    for control in ["no-cache", "no-store"] {
        let request = user.request("POST", ROUTE).header("Cache-Control", control);
        assert_eq!(origin(&request.json(question.to_string()).send()), "BYPASS");
    }
    assert_eq!(claude.requests(), 3);
}
