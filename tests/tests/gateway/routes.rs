//! Every backend route through the gateway: reads match the backend's answers, writes take effect,
//! and users cannot reach each other's data.

use harness::envoy_config::{at, http_connection_manager};
use harness::stack::Server;
use harness::stack::claude_sim as sim_server;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::backends::{resume, start_claude_sim};
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, PAYMENT_TOKEN};

/// A stack with limits that the tests never reach.
struct Stack {
    gateway: Gateway,
    _claude: Server,
    _dir: TempDir,
}

impl Stack {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let claude = start_claude_sim(dir.path()).unwrap();
        let mut options = Options::default();
        for bucket in ["auth", "ai", "authenticated", "public"] {
            options.policy["buckets"][bucket]["limit"] = json!(100_000);
        }
        options.backend_env = sim_server::backend_vars(Some(&claude));
        Self { gateway: Gateway::start(&options).unwrap(), _claude: claude, _dir: dir }
    }

    fn direct(&self) -> Client {
        Client::of(self.gateway.backend.addr())
    }

    /// Sends a request through the gateway.
    fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Reply {
        self.ask_with(method, path, token, body, &[])
    }

    fn ask_with(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let request = request(method, path, token, body, headers);
        self.gateway.client().send(request)
    }
}

fn request(
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> tests::client::Request {
    let mut request = hyper::Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let is_typed = headers.iter().any(|(name, _)| *name == "content-type");
    if body.is_some() && !is_typed {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.map(Value::to_string).unwrap_or_default().into()).unwrap()
}

fn expect(reply: &Reply, status: u16) -> &Reply {
    assert_eq!(reply.status, status, "{}", reply.as_text());
    reply
}

#[test]
fn reads_through_the_gateway_match_the_backend() {
    let stack = Stack::start();
    let token = stack.gateway.token_of("ada@example.com");
    let made = stack.ask("POST", "/api/resumes", &token, Some(&resume()));
    let id = expect(&made, 201).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/api/resumes/{id}"));
    let of_the_resume =
        ["", "/export?format=json", "/export?format=markdown", "/export?format=text"]
            .map(|rest| format!("/api/resumes/{id}{rest}"));
    let others = [
        "/",
        "/.well-known/jwks.json",
        "/api/me",
        "/api/resumes",
        "/api/resumes?limit=1",
        "/api/pricing",
        "/api/subscription",
        "/api/usage",
        "/docs",
        "/openapi.json",
        "/health",
        "/health/live",
        "/health/ready",
        // Errors match too.
        "/api/nothing",
        "/api/resumes?limit=0",
        "/api/resumes/nothing",
    ];
    for path in others.into_iter().map(str::to_owned).chain(of_the_resume) {
        let direct = stack.direct().send(request("GET", &path, &token, None, &[]));
        let through = stack.ask("GET", &path, &token, None);
        assert_eq!(through.status, direct.status, "{path}: {}", through.as_text());
        assert_eq!(through.body, direct.body, "{path}");
        for name in ["content-type", "etag", "cache-control", "content-security-policy"] {
            assert_eq!(through.header(name), direct.header(name), "{path}: {name}");
        }
    }
    let metrics = stack.ask("GET", "/metrics", "", None);
    assert!(expect(&metrics, 200).body.starts_with(b"# "), "expected Prometheus metrics");
}

#[test]
fn writes_through_the_gateway_take_effect() {
    let stack = Stack::start();
    let account = json!({ "email": "ada@example.com", "password": "correct horse battery" });
    expect(&stack.ask("POST", "/api/auth/signup", "", Some(&account)), 201);
    let tokens = stack.ask("POST", "/api/auth/login", "", Some(&account)).json();
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    let tokens = stack.ask("POST", "/api/auth/refresh", "", Some(&refresh)).json();
    let token = tokens["access_token"].as_str().unwrap();
    expect(&stack.ask("POST", "/api/auth/refresh", "", Some(&json!({}))), 422);

    let made = stack.ask("POST", "/api/resumes", token, Some(&resume())).json();
    let path = format!("/api/resumes/{}", made["id"].as_str().unwrap());
    let read = stack.ask("GET", &path, token, None);
    let etag = expect(&read, 200).header("etag").to_owned();
    let kept = stack.ask_with("GET", &path, token, None, &[("if-none-match", &etag)]);
    expect(&kept, 304);
    expect(&stack.ask("PUT", &path, token, Some(&resume())), 428);
    let put = stack.ask_with("PUT", &path, token, Some(&resume()), &[("if-match", &etag)]);
    let newer = expect(&put, 200).header("etag").to_owned();
    assert_ne!(newer, etag);
    let merge = [("if-match", &*etag), ("content-type", "application/merge-patch+json")];
    let label = json!({ "basics": { "label": "Lead engineer" } });
    expect(&stack.ask_with("PATCH", &path, token, Some(&label), &merge), 412);
    let merge = [("if-match", &*newer), ("content-type", "application/merge-patch+json")];
    let patched = stack.ask_with("PATCH", &path, token, Some(&label), &merge);
    assert_eq!(expect(&patched, 200).json()["resume"]["basics"]["label"], "Lead engineer");

    let job = "We look for Rust, SQL and Kubernetes.";
    let asked = json!({ "resume_id": made["id"], "job_description": job });
    for task in [
        "analyze-ats-score",
        "optimize-resume",
        "extract-keywords",
        "generate-cover-letter",
        "optimize-linkedin",
    ] {
        let answer = stack.ask("POST", &format!("/api/ai/{task}"), token, Some(&asked));
        assert_eq!(expect(&answer, 200).json()["resume"]["version"], 3, "{task}");
        assert_eq!(answer.header("x-cache"), "MISS", "{task}");
    }
    let pro = Some(json!({ "tier": "pro" }));
    let paid = [("payment-token", PAYMENT_TOKEN)];
    expect(&stack.ask("PUT", "/api/subscription", token, pro.as_ref()), 403);
    expect(&stack.ask_with("PUT", "/api/subscription", token, pro.as_ref(), &paid), 200);
    expect(&stack.ask("DELETE", &path, token, None), 204);
    expect(&stack.ask("GET", &path, token, None), 404);

    let passwords = json!({ "current_password": "correct horse battery",
        "new_password": "another horse battery" });
    expect(&stack.ask("POST", "/api/auth/password", token, Some(&passwords)), 204);
    expect(&stack.ask("POST", "/api/auth/login", "", Some(&account)), 401);
    let account = json!({ "email": "ada@example.com", "password": "another horse battery" });
    let again = stack.ask("POST", "/api/auth/login", "", Some(&account)).json();
    let again = again["access_token"].as_str().unwrap();
    expect(&stack.ask("POST", "/api/auth/logout", again, None), 204);
    expect(&stack.ask("GET", "/api/me", again, None), 401);
    let password = json!({ "password": "another horse battery" });
    expect(&stack.ask("DELETE", "/api/me", token, Some(&password)), 204);
    expect(&stack.ask("GET", "/api/me", token, None), 401);
    expect(&stack.ask("POST", "/api/auth/login", "", Some(&account)), 401);
}

#[test]
fn users_cannot_reach_each_others_data_through_the_gateway() {
    let stack = Stack::start();
    let ada = stack.gateway.token_of("ada@example.com");
    let bob = stack.gateway.token_of("bob@example.com");
    let made = stack.ask("POST", "/api/resumes", &bob, Some(&resume())).json();
    let path = format!("/api/resumes/{}", made["id"].as_str().unwrap());
    let any = [("if-match", "*")];
    expect(&stack.ask("GET", &path, &ada, None), 404);
    expect(&stack.ask("GET", &format!("{path}/export?format=text"), &ada, None), 404);
    expect(&stack.ask_with("PUT", &path, &ada, Some(&resume()), &any), 404);
    let merge = [("if-match", "*"), ("content-type", "application/merge-patch+json")];
    expect(&stack.ask_with("PATCH", &path, &ada, Some(&json!({ "basics": null })), &merge), 404);
    expect(&stack.ask("DELETE", &path, &ada, None), 404);
    let asked = json!({ "resume_id": made["id"] });
    expect(&stack.ask("POST", "/api/ai/analyze-ats-score", &ada, Some(&asked)), 404);
    assert_eq!(stack.ask("GET", "/api/resumes", &ada, None).json()["items"], json!([]));
    let read = stack.ask("GET", &path, &bob, None).json();
    assert_eq!(
        (&read["version"], &read["resume"]),
        (&json!(1), &resume()),
        "the résumé is unchanged"
    );
}

/// Applies the route from the book: no spelling of the path exposes the metrics to clients, and
/// nothing else changes.
#[test]
fn metrics_can_be_hidden_from_clients() {
    let edit = |config: &mut Value| {
        let page = harness::paths::root().join("docs/demo/companion-api.md");
        let page = std::fs::read_to_string(page).unwrap();
        let line = page.lines().find(|line| line.contains("direct_response")).unwrap();
        let route: Vec<Value> = serde_saphyr::from_str(line).unwrap();
        let http = http_connection_manager(config).unwrap();
        let routes = at(http, "/route_config/virtual_hosts/0/routes").unwrap();
        routes.as_array_mut().unwrap().splice(0..0, route);
    };
    let gateway = Gateway::start(&Options { edit, ..Options::default() }).unwrap();
    let client = gateway.client();
    for path in [
        "/metrics",
        "/metrics?x=1",
        "/metrics/",
        "//metrics",
        "/./metrics",
        "/x/../metrics",
        "/%6detrics",
        "/metrics%20",
        "/metrics;x",
        "/METRICS",
    ] {
        assert_eq!(client.get(path, None).status, 404, "{path}");
    }
    assert_eq!(client.get("/health", None).status, 200);
    assert_eq!(Client::of(gateway.backend.addr()).get("/metrics", None).status, 200);
}
