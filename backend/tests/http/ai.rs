//! `/api/ai/…` while Claude works: each route's answer, plain and streamed.

use super::claude;
use super::client::{Reply, sorted};
use super::user::User;
use serde_json::{Value, json};

/// The AI routes.
pub(crate) const ROUTES: [&str; 5] = [
    "/api/ai/analyze-ats-score",
    "/api/ai/optimize-resume",
    "/api/ai/extract-keywords",
    "/api/ai/generate-cover-letter",
    "/api/ai/optimize-linkedin",
];

impl User<'_> {
    /// Requests a plain answer.
    pub(crate) fn ask(&self, route: &str, body: &Value) -> Reply {
        self.send("POST", route, body)
    }

    /// Requests a streamed answer.
    pub(crate) fn ask_events(&self, route: &str, body: &Value) -> Reply {
        let request = self.request("POST", route).header("Accept", "text/event-stream");
        request.json(body.to_string()).send()
    }
}

/// Returns a résumé.
pub(crate) fn ada() -> Value {
    json!({
        "basics": {
            "name": "Ada Lovelace",
            "label": "Programmer",
            "email": "ada@example.org",
            "summary": "Writes programs for engines that are yet to be built.",
        },
        "work": [{
            "name": "Analytical Engines",
            "position": "Programmer",
            "startDate": "1842-10",
            "endDate": "1843-09",
            "highlights": ["Wrote the first program, 25 steps long", "Translated a memoir"],
        }],
        "skills": [{"name": "Mathematics", "keywords": ["Bernoulli numbers", "analysis"]}],
    })
}

/// Returns a body that every route accepts.
pub(crate) fn question(resume: &Value) -> Value {
    json!({
        "resume": resume,
        "job_description": "We look for a programmer with Rust and mathematics. You write programs.",
    })
}

/// Returns Claude's answer for a route, fixed so that replies can be snapshots.
fn claude_answer(route: &str) -> Value {
    let part = |score: u8| json!({"score": score, "comment": "It is what it is."});
    let change = |op: &str, path: &str, value: &str| json!({"op": op, "path": path, "value": value, "reason": "It is clearer."});
    let keyword = |term: &str, importance: &str| json!({"term": term, "category": "hard_skill", "importance": importance});
    match route.rsplit('/').next().unwrap() {
        "analyze-ats-score" => json!({
            "score": 62,
            "summary": "The work speaks for itself.",
            "dimensions": {
                "relevance": part(70), "impact": part(60), "clarity": part(55), "structure": part(50),
            },
            "suggestions": [
                {"path": "/work/0/highlights/1", "suggestion": "Say whose memoir it was."},
                {"path": "/work/9", "suggestion": "There is no such entry."},
            ],
        }),
        "optimize-resume" => json!({"operations": [
            change("replace", "/work/0/highlights/1", "Translated a memoir at Google in 1850"),
            change("add", "/skills/0/keywords/-", "programs"),
            change("replace", "/basics/name", "Eve"),
        ]}),
        "extract-keywords" => json!({"keywords": [
            keyword("mathematics", "required"), keyword("Rust", "preferred"),
        ]}),
        "generate-cover-letter" => json!({
            "subject": "Programmer – Ada Lovelace",
            "letter": "Dear hiring team,\n\nin 12 years at Babbage Ltd, I wrote programs of 25 steps.\n\nAda",
        }),
        _ => json!({
            "headline": "Programmer and mathematician",
            "about": "I write programs.\n\nOne was 25 steps long.",
            "skills": ["Mathematics", "mathematics", "Programming"],
        }),
    }
}

/// Sends [`question`] to a route, with [`claude_answer`] from Claude, and returns the whole reply.
fn answered(route: &str) -> String {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"text": claude_answer(route).to_string()}));
    let reply = user.ask(route, &question(&ada()));
    assert_eq!(claude.requests(), 1);
    reply.show(&[])
}

#[test]
fn a_score_has_rules_and_a_review() {
    insta::assert_snapshot!(answered(ROUTES[0]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "resume": null,
      "review": {
        "dimensions": {
          "clarity": {
            "comment": "It is what it is.",
            "score": 55
          },
          "impact": {
            "comment": "It is what it is.",
            "score": 60
          },
          "relevance": {
            "comment": "It is what it is.",
            "score": 70
          },
          "structure": {
            "comment": "It is what it is.",
            "score": 50
          }
        },
        "score": 62,
        "suggestions": [
          {
            "pointer": "/work/0/highlights/1",
            "suggestion": "Say whose memoir it was."
          }
        ],
        "summary": "The work speaks for itself."
      },
      "rules": {
        "findings": [
          {
            "code": "contact.phone.missing",
            "detail": "There is no phone number. Add it as basics.phone, with the country code.",
            "pointer": "/basics",
            "severity": "warning"
          },
          {
            "code": "contact.location.missing",
            "detail": "There is no location. Applicant tracking systems filter by it, so add at least the city to basics.location.",
            "pointer": "/basics",
            "severity": "warning"
          },
          {
            "code": "contact.link.missing",
            "detail": "There is no link. Add your website, or a profile with its URL.",
            "pointer": "/basics",
            "severity": "warning"
          },
          {
            "code": "summary.too_short",
            "detail": "The summary has only 10 words. Use 20 to 120 to say what you bring to the job.",
            "pointer": "/basics/summary",
            "severity": "warning"
          },
          {
            "code": "skills.few",
            "detail": "There are only 3 skills. List at least 6.",
            "pointer": "/skills",
            "severity": "warning"
          },
          {
            "code": "education.empty",
            "detail": "There is no education, which many systems filter by. Add your highest degree, or your school or training.",
            "pointer": "",
            "severity": "warning"
          },
          {
            "code": "length.too_short",
            "detail": "All sentences together have only 20 words, fewer than 100. Describe in more detail what you did.",
            "pointer": "",
            "severity": "warning"
          },
          {
            "code": "keyword.missing",
            "detail": "The job description mentions \"Rust\", but the résumé does not. If it applies to you, add it in the same words.",
            "pointer": "/skills",
            "severity": "warning"
          },
          {
            "code": "keyword.missing",
            "detail": "The job description mentions \"look\", but the résumé does not. If it applies to you, add it in the same words.",
            "pointer": "/skills",
            "severity": "warning"
          },
          {
            "code": "keyword.only_listed",
            "detail": "\"mathematics\" is listed, but no sentence shows its use. Mention it in a highlight.",
            "pointer": "/skills/0/name",
            "severity": "info"
          }
        ],
        "keywords": {
          "matched": [
            {
              "keyword": "mathematics",
              "pointers": [
                "/skills/0/name"
              ],
              "weight": 1
            },
            {
              "keyword": "programs",
              "pointers": [
                "/basics/summary",
                "/work/0/highlights/0"
              ],
              "weight": 1
            },
            {
              "keyword": "programmer",
              "pointers": [
                "/basics/label",
                "/work/0/position"
              ],
              "weight": 1
            }
          ],
          "missing": [
            {
              "keyword": "Rust",
              "weight": 3
            },
            {
              "keyword": "look",
              "weight": 1
            }
          ]
        },
        "parts": [
          {
            "maximum": 6,
            "name": "contact",
            "points": 3
          },
          {
            "maximum": 6,
            "name": "summary",
            "points": 3
          },
          {
            "maximum": 12,
            "name": "experience",
            "points": 12
          },
          {
            "maximum": 6,
            "name": "dates",
            "points": 6
          },
          {
            "maximum": 12,
            "name": "achievements",
            "points": 12
          },
          {
            "maximum": 9,
            "name": "skills",
            "points": 6
          },
          {
            "maximum": 6,
            "name": "education",
            "points": 0
          },
          {
            "maximum": 3,
            "name": "format",
            "points": 2
          },
          {
            "maximum": 40,
            "name": "keywords",
            "points": 21
          }
        ],
        "score": 65
      },
      "score": 65,
      "status": "ok"
    }
    "#);
}

#[test]
fn optimizing_a_resume_returns_a_patch() {
    insta::assert_snapshot!(answered(ROUTES[1]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "flags": [
        {
          "found": "Google",
          "kind": "employer",
          "pointer": "/work/0/highlights/1"
        },
        {
          "found": "1850",
          "kind": "number",
          "pointer": "/work/0/highlights/1"
        }
      ],
      "operations": [
        {
          "op": "replace",
          "path": "/work/0/highlights/1",
          "reason": "It is clearer.",
          "value": "Translated a memoir at Google in 1850"
        },
        {
          "op": "add",
          "path": "/skills/0/keywords/-",
          "reason": "It is clearer.",
          "value": "programs"
        }
      ],
      "resume": null
    }
    "#);
}

#[test]
fn keywords_are_extracted() {
    insta::assert_snapshot!(answered(ROUTES[2]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "keywords": [
        {
          "category": "hard_skill",
          "importance": "required",
          "in_resume": true,
          "term": "mathematics"
        },
        {
          "category": "hard_skill",
          "importance": "preferred",
          "in_resume": false,
          "term": "Rust"
        }
      ],
      "resume": null
    }
    "#);
}

#[test]
fn a_letter_is_written() {
    insta::assert_snapshot!(answered(ROUTES[3]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "flags": [
        {
          "found": "Babbage Ltd",
          "kind": "employer",
          "pointer": "/letter"
        },
        {
          "found": "12",
          "kind": "number",
          "pointer": "/letter"
        }
      ],
      "letter": "Dear hiring team,\n\nin 12 years at Babbage Ltd, I wrote programs of 25 steps.\n\nAda",
      "resume": null,
      "subject": "Programmer – Ada Lovelace"
    }
    "#);
}

#[test]
fn a_profile_is_written() {
    insta::assert_snapshot!(answered(ROUTES[4]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss

    {
      "about": "I write programs.\n\nOne was 25 steps long.",
      "flags": [],
      "headline": "Programmer and mathematician",
      "resume": null,
      "skills": [
        "Mathematics",
        "Programming"
      ]
    }
    "#);
}

/// Formats the head and each event on a line, with consecutive deltas joined.
fn shown(reply: &Reply) -> String {
    let mut text = String::new();
    for line in reply.head().lines() {
        // The age differs from run to run.
        let name = line.split_once(": ").map(|(name, _)| name);
        let is_age =
            reply.header("age").is_some() && [Some("age"), Some("cache-status")].contains(&name);
        text.push_str(if is_age { name.unwrap() } else { line });
        text.push('\n');
    }
    let mut written = String::new();
    for (name, data) in reply.events() {
        if name == "delta" {
            written.push_str(data["text"].as_str().unwrap());
        } else {
            if !written.is_empty() {
                text.push_str(&format!("deltas: {}\n", std::mem::take(&mut written)));
            }
            text.push_str(&format!("{name}: {}\n", sorted(&data)));
        }
    }
    text
}

#[test]
fn a_stream_has_the_same_result() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    claude.fault(&json!({"text": claude_answer(ROUTES[4]).to_string()}));
    let written = user.ask_events(ROUTES[4], &question(&ada()));
    insta::assert_snapshot!(shown(&written), @r#"
    200 OK
    content-type: text/event-stream
    cache-control: no-store
    x-cache: MISS
    cache-status: tollgate; fwd=miss
    transfer-encoding: chunked
    start: {"resume":null}
    deltas: {"about":"I write programs.\n\nOne was 25 steps long.","headline":"Programmer and mathematician","skills":["Mathematics","mathematics","Programming"]}
    result: {"about":"I write programs.\n\nOne was 25 steps long.","flags":[],"headline":"Programmer and mathematician","resume":null,"skills":["Mathematics","Programming"]}
    "#);
    let kept = user.ask_events(ROUTES[4], &question(&ada()));
    insta::assert_snapshot!(shown(&kept), @r#"
    200 OK
    content-type: text/event-stream
    cache-control: no-store
    x-cache: HIT
    age
    cache-status
    transfer-encoding: chunked
    start: {"resume":null}
    deltas: {"about":"I write programs.\n\nOne was 25 steps long.","headline":"Programmer and mathematician","skills":["Mathematics","mathematics","Programming"]}
    result: {"about":"I write programs.\n\nOne was 25 steps long.","flags":[],"headline":"Programmer and mathematician","resume":null,"skills":["Mathematics","Programming"]}
    "#);
    assert_eq!(claude.requests(), 1);
}

#[test]
fn every_stream_ends_with_the_plain_answer() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    for route in ROUTES {
        let stream = user.ask_events(route, &question(&ada()));
        let events = stream.events();
        let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names[0], *names.last().unwrap()), ("start", "result"), "{route}");
        assert!(names[1..names.len() - 1].iter().all(|name| *name == "delta"), "{route}");
        assert!(names.len() > 3, "{route}: {names:?}");
        let plain = user.ask(route, &question(&ada()));
        assert_eq!(events.last().unwrap().1, plain.json(), "{route}");
        let deltas = |reply: &Reply| -> String {
            let events = reply.events().into_iter().filter(|(name, _)| name == "delta");
            events.map(|(_, data)| data["text"].as_str().unwrap().to_owned()).collect()
        };
        let again = user.ask_events(route, &question(&ada()));
        assert_eq!(deltas(&again), deltas(&stream), "{route}: a cached stream has the same deltas");
        assert_eq!((plain.header("x-cache"), again.header("x-cache")), (Some("HIT"), Some("HIT")));
    }
    assert_eq!(claude.requests(), ROUTES.len());
}

#[test]
fn a_patch_applies_to_the_version_it_names() {
    let (_claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let id = path.rsplit('/').next().unwrap();
    let answer = user.ask(ROUTES[1], &json!({"resume_id": id})).json();
    assert_eq!(answer["resume"], json!({"id": id, "version": 1}));
    let (operations, tag) = (&answer["operations"], "\"1\"");
    assert!(!operations.as_array().unwrap().is_empty());
    let kind = "application/json-patch+json";
    let changed = user.change(&path, tag, kind, operations);
    assert_eq!(changed.status, 200, "{}", changed.show(&[]));
    for operation in operations.as_array().unwrap() {
        let place = format!("/resume{}", operation["path"].as_str().unwrap());
        assert_eq!(changed.json().pointer(&place), Some(&operation["value"]), "{place}");
    }
    assert_eq!(user.change(&path, tag, kind, operations).status, 412, "but to no other version");
}

#[test]
fn the_language_is_sent() {
    let (claude, backend) = claude::pair();
    let user = backend.user("ada@example.org");
    let mut body = question(&ada());
    for (language, tag) in [("de", "de"), ("PT-br", "pt-BR")] {
        body["language"] = json!(language);
        assert_eq!(user.ask(ROUTES[3], &body).status, 200);
        let sent = claude.last_content();
        assert!(sent.starts_with(&format!("<language>{tag}</language>\n")), "{sent}");
    }
}

#[test]
fn neither_the_users_id_nor_e_mail_address_is_sent() {
    let (claude, backend) = claude::pair();
    let (ada_, eve) = (backend.user("ada.l@example.org"), backend.user("eve@example.org"));
    let ids = [ada_, eve].map(|user| {
        assert_eq!(user.ask(ROUTES[0], &question(&json!({}))).status, 200);
        let id = user.me().json()["id"].as_str().unwrap().to_owned();
        let sent = claude.last();
        assert!(!sent.to_string().contains(&id) && !sent.to_string().contains("@example.org"));
        sent["metadata"]["user_id"].as_str().unwrap().to_owned()
    });
    assert_ne!(ids[0], ids[1]);
}
