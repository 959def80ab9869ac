//! Tests the backend against its own OpenAPI document: schemathesis generates valid and invalid
//! requests from it, and checks every reply.
//!
//! Its settings are in `backend_schema/schemathesis.toml`.

use harness::stack::{Port, Server, backend, claude_sim, redis};
use harness::{command, paths, setup};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::time::Duration;
use tempfile::TempDir;
use tests::client::Client;
use tests::gateway::binaries;

const AI: [&str; 5] = [
    "/api/ai/analyze-ats-score",
    "/api/ai/optimize-resume",
    "/api/ai/extract-keywords",
    "/api/ai/generate-cover-letter",
    "/api/ai/optimize-linkedin",
];
const SETTINGS: &str = "tests/tests/backend_schema/schemathesis.toml";
/// Much longer than it takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(1200);
/// The maximum size of a report in a failure message. A generated request can be megabytes.
const SHOWN_LINES: usize = 100;
const SHOWN_CHARS: usize = 400;

/// Starts the backend with a Claude simulator and a Redis.
fn start(dir: &TempDir) -> (Server, [Server; 2]) {
    let redis = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    let claude = claude_sim::start(claude_sim::Options {
        program: binaries().claude_sim.clone(),
        port: Port::free().unwrap(),
        dir: dir.path(),
        args: Vec::new(),
    })
    .unwrap();
    let backend = backend::start(backend::Options {
        program: binaries().backend.clone(),
        port: Port::free().unwrap(),
        redis_url: Some(redis::url(&redis)),
        shim_url: None,
        dir: dir.path(),
        env: vec![
            ("ANTHROPIC_API_KEY".to_owned(), claude_sim::KEY.into()),
            ("ANTHROPIC_BASE_URL".to_owned(), claude.url("").into()),
        ],
    })
    .unwrap();
    (backend, [claude, redis])
}

/// Signs up a user and returns the access token.
fn token(backend: &Server, email: &str) -> String {
    let client = Client::of(backend.addr());
    let credentials = json!({ "email": email, "password": "correct horse" });
    assert_eq!(client.post("/api/auth/signup", &credentials, None).status, 201);
    let reply = client.post("/api/auth/login", &credentials, None);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// Runs schemathesis on the service. Panics if it finds a failure.
fn run_schemathesis(backend: &Server, dir: &TempDir, args: &[&str]) {
    let report = dir.path().join("report.txt");
    let file = File::create(&report).unwrap();
    let mut command = setup::schemathesis().unwrap().command();
    command
        .arg("--no-color")
        .arg("--config-file")
        .arg(paths::root().join(SETTINGS))
        .arg("run")
        .arg(backend.url("/openapi.json"))
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", token(backend, "ada@example.org")))
        .args(args)
        .env("LOG_OUT_TOKEN", token(backend, "bob@example.org"))
        .current_dir(dir.path())
        .stdout(file.try_clone().unwrap())
        .stderr(file);
    let ended = command::show(&mut command, LIMIT);
    let report = String::from_utf8_lossy(&fs::read(&report).unwrap()).into_owned();
    assert!(ended.is_ok(), "{:#}\n{}", ended.unwrap_err(), failures_of(&report));
}

/// Returns the failures in a report.
fn failures_of(report: &str) -> String {
    let found = report.find("= FAILURES =").or_else(|| report.find("= ERRORS ="));
    let lines = report.get(found.unwrap_or_default()..).unwrap_or_default().lines();
    let lines = lines.map(|line| line.chars().take(SHOWN_CHARS).collect::<String>());
    lines.filter(|line| !line.is_empty()).take(SHOWN_LINES).collect::<Vec<_>>().join("\n")
}

/// The service's request counters, which show that a run covered every route.
struct Counted(String);

impl Counted {
    fn by(backend: &Server) -> Self {
        let metrics = Client::of(backend.addr()).get("/metrics", None);
        Self(String::from_utf8(metrics.body.to_vec()).unwrap())
    }

    /// Returns the number of replies by method, route and status class.
    fn answered(&self, method: &str, route: &str, class: &str) -> u64 {
        let name = format!(
            "backend_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{class}\"}} "
        );
        let count = self.0.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
        count.unwrap_or_default()
    }
}

/// Tests every route alone: with the document's examples, at and beyond the bounds of its schemas,
/// and at random.
#[test]
fn every_reply_matches_the_document() {
    let dir = TempDir::new().unwrap();
    let (backend, _asked) = start(&dir);
    run_schemathesis(&backend, &dir, &["--phases", "examples,coverage,fuzzing"]);

    let health = Client::of(backend.addr()).get("/health", None).json();
    assert_eq!([&health["redis"], &health["claude"]], ["up", "up"], "{health}");
    let document: Value = Client::of(backend.addr()).get("/openapi.json", None).json();
    let counted = Counted::by(&backend);
    for (route, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let count = |class| counted.answered(&method, route, class);
            assert!(count("2xx") + count("4xx") > 0, "{method} {route} was never requested");
        }
    }
    let asked = ["/api/auth/signup", "/api/auth/logout", "/api/resumes"];
    for route in asked.into_iter().chain(AI) {
        assert!(counted.answered("POST", route, "2xx") > 0, "POST {route} never succeeded");
    }
}

/// Tests chains of requests on the résumé that the first one created.
#[test]
fn every_reply_in_a_chain_of_requests_matches_the_document() {
    let dir = TempDir::new().unwrap();
    let (backend, _asked) = start(&dir);
    let about = ["--phases", "stateful", "--include-path-regex", "^/api/resumes"];
    run_schemathesis(&backend, &dir, &about);
    let counted = Counted::by(&backend);
    for (method, route) in [
        ("GET", "/api/resumes/{id}"),
        ("PUT", "/api/resumes/{id}"),
        ("DELETE", "/api/resumes/{id}"),
        ("GET", "/api/resumes/{id}/export"),
    ] {
        assert!(counted.answered(method, route, "2xx") > 0, "{method} {route} never succeeded");
    }
}
