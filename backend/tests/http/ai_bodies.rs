//! `/api/ai/…`: requests refused before Claude is called.

use super::ai::{ROUTES, ada, question};
use super::claude;
use super::client::Reply;
use serde_json::{Value, json};

#[test]
fn every_error_is_reported_with_its_pointer() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let body = json!({
        "resume": {"basics": {"name": 7}, "work": [{"startDate": "2014-19"}]},
        "job_description": ["Rust"],
        "language": "English",
        "model": "claude-opus-5-5",
    });
    insta::assert_snapshot!(user.ask(ROUTES[0], &body).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected a string, found a number",
          "pointer": "/resume/basics/name"
        },
        {
          "detail": "expected a date like 2014-06-29, 2014-06 or 2014, found \"2014-19\"",
          "pointer": "/resume/work/0/startDate"
        },
        {
          "detail": "expected a string, found an array",
          "pointer": "/job_description"
        },
        {
          "detail": "expected a language tag such as en, de-CH or zh-Hant (BCP 47)",
          "pointer": "/language"
        },
        {
          "detail": "unknown member",
          "pointer": "/model"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    insta::assert_snapshot!(user.ask(ROUTES[3], &json!({})).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected either resume_id or resume, found neither",
          "pointer": ""
        },
        {
          "detail": "expected a string, found nothing",
          "pointer": "/job_description"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    assert_eq!(claude.requests(), 0);
}

#[test]
fn invalid_members_are_refused_on_every_route() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let id = "00000000-0000-7000-8000-000000000000";
    let job = "Rust";
    let bad: [(&str, Value); 12] = [
        ("both", json!({"resume": {}, "resume_id": id, "job_description": job})),
        ("no id", json!({"resume_id": "1", "job_description": job})),
        ("an id of another kind", json!({"resume_id": 7, "job_description": job})),
        ("another spelling", json!({"resume_id": id.replace('-', ""), "job_description": job})),
        ("SQL", json!({"resume_id": "' OR '1'='1", "job_description": job})),
        ("Redis", json!({"resume_id": "*\r\nFLUSHALL\r\n", "job_description": job})),
        ("no résumé", json!({"resume": [], "job_description": job})),
        ("null", json!({"resume": null, "job_description": job})),
        ("U+0000", json!({"resume": {}, "job_description": "a\0b"})),
        ("blank", json!({"resume": {}, "job_description": " \n\t"})),
        ("no tag", json!({"resume": {}, "job_description": job, "language": "</language>"})),
        (
            "too many skills",
            json!({
                "resume": {"skills": vec![json!({"name": "Rust"}); 5_000]}, "job_description": job,
            }),
        ),
    ];
    for route in ROUTES {
        for (what, body) in &bad {
            let reply = user.ask(route, body);
            assert_eq!(reply.status, 422, "{route}: {what}");
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            assert!(!reply.json()["errors"].as_array().unwrap().is_empty(), "{what}");
        }
    }
    assert_eq!(claude.requests(), 0);
}

#[test]
fn overlong_texts_are_refused() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let mut body = question(&ada());
    body["job_description"] = json!("a".repeat(32 * 1024 + 1));
    insta::assert_snapshot!(user.ask(ROUTES[2], &body).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected a string of at most 32768 bytes, found 32769",
          "pointer": "/job_description"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    body["job_description"] = json!("a".repeat(1 << 20));
    insta::assert_snapshot!(user.ask(ROUTES[2], &body).show(&[]), @r#"
    413 Payload Too Large
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected a body of at most 394240 bytes.",
      "status": 413,
      "title": "Payload Too Large",
      "type": "about:blank"
    }
    "#);
    body["job_description"] = json!("é".repeat(16 * 1024));
    assert_eq!(user.ask(ROUTES[2], &body).status, 200, "the longest allowed");
    assert_eq!(claude.requests(), 1);
}

/// Writes every character of every string and name as a `\u` escape.
fn escaped(json: &Value) -> String {
    let text = json.to_string();
    let pieces = text.split('"').enumerate().map(|(at, piece)| {
        let escape = |unit: u16| format!("\\u{unit:04x}");
        if at % 2 == 1 { piece.encode_utf16().map(escape).collect() } else { piece.to_owned() }
    });
    pieces.collect::<Vec<String>>().join("\"")
}

#[test]
fn the_size_limit_does_not_depend_on_escapes() {
    let (_claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    for letter in ["a", "é", "€", "😀"] {
        let text =
            |bytes: usize| letter.repeat(bytes / letter.len()) + &"a".repeat(bytes % letter.len());
        let resume = |bytes| json!({"basics": {"summary": text(16 * 1024)}, "work": [{"summary": text(bytes)}]});
        let room = 32 * 1024 - resume(0).to_string().len();
        let ask = |bytes| {
            let body = json!({"resume": resume(bytes), "job_description": text(32 * 1024)});
            let plain = user.ask(ROUTES[2], &body).status;
            let escaped = user.request("POST", ROUTES[2]).json(escaped(&body)).send().status;
            (plain, escaped)
        };
        assert_eq!(ask(room), (200, 200), "{letter}");
        assert_eq!(ask(room + 1), (422, 422), "{letter}");
    }
}

#[test]
fn bodies_that_are_not_json_objects_are_refused() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let deep = format!("{{\"resume\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    let send = |body: &str| user.request("POST", ROUTES[0]).json(body).send();
    let bodies = [
        ("", 400),
        ("{", 400),
        ("[]", 422),
        ("null", 422),
        (r#"{"resume": {"basics": {"name": "\ud800"}}}"#, 400),
        (r#"{"resume": {"basics": {"name": "a", "name": "b"}}}"#, 422),
        (r#"{"resume": {}, "resume": {}}"#, 422),
        (&deep, 400),
    ];
    for (body, status) in bodies {
        assert_eq!(send(body).status, status, "{body:.60}");
    }
    let typed = user.request("POST", ROUTES[0]).header("Content-Type", "text/plain");
    assert_eq!(typed.body(b"{\"resume\": {}}").send().status, 415);
    assert_eq!(claude.requests(), 0);
}

#[test]
fn an_invalid_streaming_request_gets_a_problem() {
    let (_claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let reply = user.ask_events(ROUTES[0], &json!({}));
    assert_eq!(reply.status, 422);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}

#[test]
fn another_users_resume_looks_like_a_missing_one() {
    let (claude, backend) = claude::pair();
    let (ada_, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    let path = ada_.resume(&ada());
    let theirs = json!({"resume_id": path.rsplit('/').next(), "job_description": "Rust"});
    let missing =
        json!({"resume_id": "00000000-0000-7000-8000-000000000000", "job_description": "Rust"});
    assert_eq!(ada_.ask(ROUTES[0], &theirs).status, 200);
    insta::assert_snapshot!(eve.ask(ROUTES[0], &theirs).show(&[]), @r#"
    404 Not Found
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "No résumé has this id.",
      "errors": [
        {
          "detail": "expected the id of one of your résumés",
          "pointer": "/resume_id"
        }
      ],
      "status": 404,
      "title": "Not Found",
      "type": "about:blank"
    }
    "#);
    for route in ROUTES {
        let (one, other) = (eve.ask(route, &theirs), eve.ask(route, &missing));
        assert_eq!((one.status, &one.body), (404, &other.body), "{route}");
        assert_eq!(eve.ask_events(route, &theirs).status, 404, "{route}");
    }
    assert_eq!(claude.requests(), 1);
}

#[test]
fn every_route_requires_a_token() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    user.request("POST", "/api/auth/logout").send();
    let body = question(&ada());
    for route in ROUTES {
        let replies: [Reply; 2] = [backend.post(route, body.to_string()), user.ask(route, &body)];
        assert!(replies.iter().all(|reply| reply.status == 401), "{route}");
        assert_eq!(backend.get(route).status, 405, "{route}");
    }
    assert_eq!(claude.requests(), 0);
}

/// A résumé can be stored even if it is too long for the AI routes.
#[test]
fn an_overlong_resume_is_refused() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let long =
        |entries: usize| json!({"work": vec![json!({"summary": "x".repeat(10_000)}); entries]});
    let inline = question(&long(10));
    let path = user.resume(&long(10));
    let kept = json!({"resume_id": path.rsplit('/').next(), "job_description": "Rust"});
    for route in ROUTES {
        let [inline, kept] = [&inline, &kept].map(|body| user.ask(route, body));
        assert_eq!((inline.status, kept.status), (422, 422), "{route}");
        assert_eq!(inline.json()["errors"][0]["pointer"], "/resume");
        assert_eq!(kept.json()["errors"][0]["pointer"], "/resume_id");
    }
    let reply = user.ask(ROUTES[1], &json!({"resume": long(7)}));
    insta::assert_snapshot!(reply.show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected a résumé and a job description of at most 65536 bytes together, found 70115: shorten them",
          "pointer": "/resume"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    assert_eq!(claude.requests(), 0);
    assert_eq!(user.ask(ROUTES[3], &question(&long(6))).status, 200);
}
