//! AI routes behind the gateway: cached and failed answers are free, paid-for answers are charged,
//! and each plan's quota is enforced.

use harness::stack::Server;
use harness::stack::claude_sim as sim_server;
use harness::stack::server::READY_LIMIT;
use hyper::Request;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tests::backends::start_claude_sim;
use tests::claude::{clear_faults, put_fault, requests};
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, PAYMENT_TOKEN};
use tests::midnight;

const SCORE: &str = "/api/ai/analyze-ats-score";
const LETTER: &str = "/api/ai/generate-cover-letter";
const KEYWORDS: &str = "/api/ai/extract-keywords";

/// A stack with a Claude simulator. Its limit per minute is out of reach, because the tests are
/// about daily quotas.
struct Stack {
    gateway: Gateway,
    claude: Server,
    _dir: TempDir,
}

impl Stack {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let claude = start_claude_sim(dir.path()).unwrap();
        let mut options = Options::default();
        options.policy["buckets"]["ai"]["limit"] = json!(100_000);
        options.backend_env = sim_server::backend_vars(Some(&claude));
        options.backend_env.push(("CLAUDE_MAX_RETRIES".to_owned(), "0".into()));
        Self { gateway: Gateway::start(&options).unwrap(), claude, _dir: dir }
    }

    fn ask(&self, token: &str, path: &str, body: &Value) -> Reply {
        self.gateway.client().post(path, body, Some(token))
    }

    /// Signs up a user directly at the backend, so nothing is charged. Returns the tokens.
    fn tokens_of(&self, email: &str) -> Value {
        let direct = Client::of(self.gateway.backend.addr());
        let account = json!({"email": email, "password": "correct horse battery"});
        assert_eq!(direct.post("/api/auth/signup", &account, None).status, 201);
        direct.post("/api/auth/login", &account, None).json()
    }

    /// Upgrades a user to the paid plan `tier`. Returns the new access token.
    fn upgrade(&self, tokens: &Value, tier: &str) -> String {
        let direct = Client::of(self.gateway.backend.addr());
        let access = tokens["access_token"].as_str().unwrap();
        let change = Request::put("/api/subscription")
            .header("authorization", format!("Bearer {access}"))
            .header("payment-token", PAYMENT_TOKEN)
            .header("content-type", "application/json");
        let changed = direct.send(change.body(json!({ "tier": tier }).to_string().into()).unwrap());
        assert_eq!(changed.status, 200, "{}", changed.as_text());
        let refresh = json!({"refresh_token": tokens["refresh_token"]});
        let refreshed = direct.post("/api/auth/refresh", &refresh, None).json();
        refreshed["access_token"].as_str().unwrap().to_owned()
    }

    /// Waits until `expected` of the daily quota is used. Refunds arrive with a delay.
    fn wait_used(&self, token: &str, expected: u64) {
        let used = || {
            let usage = Client::of(self.gateway.backend.addr()).get("/api/usage", Some(token));
            usage.json()["ai_daily"]["used"].as_u64().unwrap()
        };
        let pause = Duration::from_millis(50);
        for _ in 0..READY_LIMIT.as_millis() / pause.as_millis() {
            if used() == expected {
                return;
            }
            sleep(pause);
        }
        panic!("expected {expected} used, found {}", used());
    }
}

fn question(number: u32) -> Value {
    let job = format!("We look for a programmer with Rust for engine number {number}.");
    json!({"resume": {"basics": {"name": "Ada"}}, "job_description": job})
}

#[test]
fn cached_and_failed_answers_are_free() {
    let stack = Stack::start();
    let token = stack.gateway.token_of("ada@example.com");
    let made = stack.gateway.client().post("/api/resumes", &json!({}), Some(&token)).json();
    let asked = json!({"resume_id": made["id"]});

    let first = stack.ask(&token, SCORE, &asked);
    assert_eq!((first.status, first.header("x-cache")), (200, "MISS"), "{}", first.as_text());
    let second = stack.ask(&token, SCORE, &asked);
    assert_eq!((second.status, second.header("x-cache")), (200, "HIT"), "{}", second.as_text());
    assert_eq!(first.body, second.body);
    let stream = Request::post(SCORE)
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "text/event-stream")
        .header("content-type", "application/json");
    let stream = stack.gateway.client().send(stream.body(asked.to_string().into()).unwrap());
    assert_eq!((stream.status, stream.header("x-cache")), (200, "HIT"));
    assert!(stream.body.starts_with(b"event: start\n"));
    stack.wait_used(&token, 1);
    assert_eq!(requests(&stack.claude), 1);

    let overloaded = json!({"status": 529, "type": "overloaded_error"});
    put_fault(&stack.claude, &overloaded);
    let failed = stack.ask(&token, LETTER, &question(1));
    assert_eq!(failed.status, 503, "{}", failed.as_text());
    stack.wait_used(&token, 1);
    assert_eq!(
        stack.ask(&token, SCORE, &asked).header("x-cache"),
        "HIT",
        "cached answers are served during an outage"
    );
    stack.wait_used(&token, 1);
}

/// Answers that Claude bills are charged even if unusable; unbilled failures are not.
#[test]
fn unusable_but_billed_answers_are_charged() {
    let stack = Stack::start();
    let token = &stack.upgrade(&stack.tokens_of("ada@example.com"), "pro");
    let paid = [
        (json!({"stop_reason": "refusal"}), 422),
        (json!({"cut_after_events": 3}), 424),
        (json!({"text": "not json"}), 424),
        (json!({"error_after_events": 3}), 424),
        (json!({"stop_reason": "max_tokens"}), 424),
    ];
    let ask = |number: u32, fault: &Value| {
        clear_faults(&stack.claude);
        put_fault(&stack.claude, fault);
        stack.ask(token, LETTER, &question(number))
    };
    for (number, (fault, status)) in (1..=20).zip(paid.iter().cycle()) {
        let reply = ask(number, fault);
        assert_eq!(reply.status, *status, "{fault}: {}", reply.as_text());
    }
    stack.wait_used(token, 20);
    let unpaid = ask(21, &json!({"status": 529, "type": "overloaded_error"}));
    assert_eq!(unpaid.status, 503, "{}", unpaid.as_text());
    let paid = ask(22, &paid[0].0);
    assert_eq!(paid.status, 422, "{}", paid.as_text());
    stack.wait_used(token, 21);
}

#[test]
fn an_upgrade_raises_the_daily_quota_from_10_to_50() {
    let stack = Stack::start();
    let direct = Client::of(stack.gateway.backend.addr());
    let tokens = stack.tokens_of("ada@example.com");
    let free = tokens["access_token"].as_str().unwrap();
    for number in 1..=10 {
        let reply = stack.ask(free, KEYWORDS, &question(number));
        assert_eq!(reply.status, 200, "{number}: {}", reply.as_text());
    }
    let refused = stack.ask(free, KEYWORDS, &question(11));
    assert_eq!(refused.status, 429, "{}", refused.as_text());
    assert_eq!(refused.json()["violated-policies"], json!(["ai_daily"]));
    let usage = direct.get("/api/usage", Some(free)).json();
    assert_eq!(usage["ai_daily"]["left"], 0);
    let resets_at = usage["ai_daily"]["resets_at"].as_str().unwrap();
    assert!(resets_at.ends_with("T00:00:00Z"), "expected midnight UTC, got {resets_at}");
    let wait_s: u64 = refused.header("retry-after").parse().unwrap();
    let off_s = wait_s.abs_diff(midnight::seconds_left());
    assert!(off_s <= 60, "a wait of {wait_s} s ends {off_s} s from midnight");

    let starter = &stack.upgrade(&tokens, "starter");
    for number in 11..=50 {
        let reply = stack.ask(starter, KEYWORDS, &question(number));
        assert_eq!(reply.status, 200, "{number}: {}", reply.as_text());
    }
    assert_eq!(stack.ask(starter, KEYWORDS, &question(51)).status, 429);
    assert_eq!(requests(&stack.claude), 50);
}
