//! The environment variables for Claude and the log. (Others are tested elsewhere: limits in
//! `tests/tests/gateway/variables.rs`, cache and Redis in [`super::cached`], tokens in
//! [`super::login`] and [`super::sessions`].)

use super::ai::{ROUTES, ada, question};
use super::backend::Backend;
use super::claude::{Claude, KEY};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::{sleep, spawn};
use std::time::Duration;

#[test]
fn claude_is_called_at_the_configured_url_with_the_configured_key() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/below", listener.local_addr().unwrap());
    let head = spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
        head
    });
    let vars = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", &*url)];
    let backend = Backend::start_with(&vars);
    assert_eq!(backend.user("ada@example.org").ask(ROUTES[3], &question(&ada())).status, 503);
    let head = head.join().unwrap();
    assert_eq!(head[0], "POST /below/v1/messages HTTP/1.1");
    assert!(head.contains(&format!("x-api-key: {KEY}")), "{head:?}");
}

#[test]
fn each_task_uses_the_model_effort_and_limit_of_its_variable() {
    let variables = [
        "AI_ANALYZE_ATS_SCORE",
        "AI_OPTIMIZE_RESUME",
        "AI_EXTRACT_KEYWORDS",
        "AI_GENERATE_COVER_LETTER",
        "AI_OPTIMIZE_LINKEDIN",
    ];
    let efforts = ["low", "medium", "high", "default", "low"];
    let models: Vec<_> =
        (0..5).map(|n| format!("claude-model-{n}:{}:{}", efforts[n], 5000 + n)).collect();
    let vars: Vec<_> = variables.into_iter().zip(models.iter().map(String::as_str)).collect();
    let claude = Claude::start();
    let backend = claude.backend(&vars);
    let user = backend.user("ada@example.org");
    for (route, model) in ROUTES.into_iter().zip(&models) {
        assert_eq!(user.ask(route, &question(&ada())).status, 200, "{route}");
        let sent = claude.last();
        let effort = sent["output_config"].get("effort").map_or("default", |e| e.as_str().unwrap());
        let sent = format!("{}:{effort}:{}", sent["model"].as_str().unwrap(), sent["max_tokens"]);
        assert_eq!(&sent, model, "{route}");
    }
}

/// Claude takes a second and a half to respond.
#[test]
fn claude_timeouts_are_respected() {
    for (whole_s, idle_s, status) in [("60", "60", 200), ("1", "60", 503), ("60", "1", 503)] {
        let claude = Claude::start();
        claude.fault(&json!({"delay_ms": 1500}));
        let vars = [("CLAUDE_TIMEOUT", whole_s), ("CLAUDE_IDLE_TIMEOUT", idle_s)];
        let backend = claude.backend(&vars);
        let reply = backend.user("ada@example.org").ask(ROUTES[3], &question(&ada()));
        assert_eq!(reply.status, status, "{whole_s} {idle_s}: {}", reply.show(&[]));
    }
}

/// The idle timeout applies even if the timeout for the whole answer is long.
#[test]
fn the_idle_timeout_of_a_stream_is_respected() {
    let claude = Claude::start();
    claude.fault(&json!({"hang_after_events": 20}));
    let backend = claude.backend(&[("CLAUDE_TIMEOUT", "600"), ("CLAUDE_IDLE_TIMEOUT", "1")]);
    let reply = backend.user("ada@example.org").ask_events(ROUTES[3], &question(&ada()));
    assert_eq!(reply.events().pop().unwrap().0, "error");
}

#[test]
fn claude_max_retries_is_respected() {
    for (retries, asked) in [("0", 1), ("1", 2), ("2", 3)] {
        let claude = Claude::start();
        claude.fault(&json!({"status": 529, "type": "overloaded_error"}));
        let backend = claude.backend(&[("CLAUDE_MAX_RETRIES", retries)]);
        let reply = backend.user("ada@example.org").ask(ROUTES[3], &question(&ada()));
        assert_eq!((reply.status, claude.requests()), (503, asked), "{retries}");
    }
}

#[test]
fn claude_max_concurrent_is_respected() {
    for most in [1, 3] {
        let claude = Claude::start();
        claude.fault(&json!({"hang": true}));
        let backend = claude.backend(&[("CLAUDE_MAX_CONCURRENT", &*most.to_string())]);
        // Each from another user, since one user gets only a share.
        let asked = question(&ada()).to_string();
        let ask = |number| {
            let user = backend.user(&format!("ada{number}@example.org"));
            user.request("POST", ROUTES[3]).json(&asked).begin()
        };
        let _asking: Vec<_> = (0..6).map(ask).collect();
        let at_once = || claude.running.sim().at_once.now();
        backend.wait_until("all slots are taken", || at_once() == most);
        // Leaves time for a further call to appear.
        sleep(Duration::from_millis(300));
        assert_eq!(at_once(), most);
    }
}

#[test]
fn claude_prices_are_respected() {
    let costs = |prices: &str| {
        let claude = Claude::start();
        let backend = claude.backend(&[("CLAUDE_PRICES", prices)]);
        backend.user("ada@example.org").ask(ROUTES[2], &question(&ada()));
        let text = String::from_utf8(backend.get("/metrics").body).unwrap();
        let sum = |name: &str| -> u64 {
            // Thinking is part of the output.
            let is_meant = |line: &&str| line.starts_with(name) && !line.contains("thinking");
            let numbers =
                text.lines().filter(is_meant).map(|line| line.rsplit(' ').next().unwrap());
            numbers.map(|number| number.parse::<u64>().unwrap()).sum()
        };
        let [tokens, cost, unpriced] =
            ["claude_tokens_total{", "claude_cost_micro_usd_total{", "claude_unpriced_total{"]
                .map(sum);
        assert!(tokens > 0, "{text}");
        assert_eq!(cost % tokens, 0, "{text}");
        (cost / tokens, unpriced)
    };
    // A dollar per million tokens is a micro-dollar per token.
    assert_eq!(costs("claude-haiku-5-5=1/1/1/1/1"), (1, 0));
    assert_eq!(costs("claude-haiku-5-5=7/7/7/7/7"), (7, 0));
    assert_eq!(costs("another=1/1"), (0, 1));
}

#[test]
fn backend_log_is_respected() {
    let check = |levels: &str, is_logged: bool| {
        let log = Backend::start_with(&[("BACKEND_LOG", levels)]).stop();
        assert_eq!(log.contains("DEBUG sqlx"), is_logged, "{levels}: {log}");
    };
    check("info", false);
    check("debug", true);
    check("info,sqlx=debug", true);
    check("debug,sqlx=info", false);
}
