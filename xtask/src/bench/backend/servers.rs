//! The servers, and one user of them who has a résumé. All on loopback.

use harness::command;
use harness::stack::{Port, Server, backend, claude_sim, redis};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one request of the set-up may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Long enough for any run.
const TOKEN_TTL_S: &str = "86400";
const EMAIL: &str = "ada@example.com";
/// Somebody else, who logs in again and again: a user's oldest sessions end where there are too many.
const OTHER: &str = "bob@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// The programs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The Redis server.
    pub redis: PathBuf,
    /// The load generator.
    pub wrk: PathBuf,
    /// What sets things up.
    pub curl: PathBuf,
    /// The backend, optimized.
    pub backend: PathBuf,
    /// The Claude simulator.
    pub claude_sim: PathBuf,
}

/// The running servers, and their user. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Servers {
    /// The backend.
    pub backend: Server,
    _claude_sim: Server,
    _redis: Server,
    /// The load generator.
    pub wrk: PathBuf,
    /// A folder for what is written meanwhile.
    pub dir: PathBuf,
    /// The user's access token.
    pub token: String,
    /// Their résumé.
    pub resume_id: String,
}

impl Servers {
    /// Starts everything in `dir`.
    ///
    /// # Errors
    /// The server that does not get ready, with the end of its log.
    pub(crate) fn start(parts: &Parts, dir: &Path) -> Result<Self> {
        let program = parts.redis.clone();
        let redis =
            redis::start(redis::Options { program, port: Port::free()?, dir, args: Vec::new() })?;
        let program = parts.claude_sim.clone();
        let claude_sim = claude_sim::start(claude_sim::Options {
            program,
            port: Port::free()?,
            dir,
            args: Vec::new(),
        })?;
        let mut env = claude_sim::backend_vars(Some(&claude_sim));
        env.push(("ACCESS_TOKEN_TTL".to_owned(), TOKEN_TTL_S.into()));
        env.push(("BACKEND_LOG".to_owned(), OsString::from("warn")));
        let backend = backend::start(backend::Options {
            program: parts.backend.clone(),
            port: Port::free()?,
            redis_url: Some(redis::url(&redis)),
            shim_url: None,
            dir,
            env,
        })?;
        let ask = |path: &str, token: Option<&str>, body: &Value| {
            post(&parts.curl, &backend.url(path), token, body)
        };
        for email in [EMAIL, OTHER] {
            ask("/api/auth/signup", None, &account(email))?;
        }
        let token = text(&ask("/api/auth/login", None, &account(EMAIL))?, "access_token")?;
        let resume_id = text(&ask("/api/resumes", Some(&token), &resume())?, "id")?;
        let (wrk, dir) = (parts.wrk.clone(), dir.to_owned());
        Ok(Self { backend, _claude_sim: claude_sim, _redis: redis, wrk, dir, token, resume_id })
    }

    /// What the user asks of an AI route.
    #[must_use]
    pub(crate) fn ai_body(&self) -> String {
        json!({ "resume_id": self.resume_id }).to_string()
    }

    /// How many requests the cache has answered.
    ///
    /// # Errors
    /// Where the backend does not tell.
    pub(crate) fn hits(&self) -> Result<u64> {
        let answer = self.backend.get("/metrics")?;
        if answer.status != 200 {
            bail!("the backend's metrics: status {}", answer.status);
        }
        Ok(hits(&answer.body))
    }
}

/// What signing up and logging in take.
fn account(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

/// What logs in again and again.
#[must_use]
pub(crate) fn others_account() -> Value {
    account(OTHER)
}

/// As large as résumés are: 4 KB.
fn resume() -> Value {
    let highlight =
        |at: u32| format!("Cut the time of report {at} from days to minutes for 3 teams");
    let job = |at: u32| {
        json!({
            "name": format!("Engine Works {at}"),
            "position": "Engineer",
            "startDate": format!("20{:02}-01", 10 + 2 * at),
            "endDate": format!("20{:02}-12", 11 + 2 * at),
            "summary": "Designs and programs analytical engines, from punched cards to print.",
            "highlights": (1..=5).map(highlight).collect::<Vec<_>>(),
        })
    };
    json!({
        "basics": { "name": "Ada Example", "label": "Engineer", "email": EMAIL,
            "summary": "Fifteen years of machines that compute." },
        "work": (0..6).map(job).collect::<Vec<_>>(),
        "skills": [{ "name": "Programming", "keywords": ["Rust", "SQL", "Kubernetes"] }],
    })
}

fn hits(metrics: &str) -> u64 {
    let is_hit =
        |line: &&str| line.starts_with("cache_requests_total{") && line.contains("outcome=\"hit\"");
    let counts = metrics.lines().filter(is_hit).filter_map(|line| line.rsplit_once(' '));
    counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
}

/// One POST; the JSON that it is answered with.
fn post(curl: &Path, url: &str, token: Option<&str>, body: &Value) -> Result<Value> {
    let mut command = Command::new(curl);
    command.args(["--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]);
    command.args(["--header", "content-type: application/json"]);
    if let Some(token) = token {
        command.arg("--header").arg(format!("authorization: Bearer {token}"));
    }
    command.arg("--data").arg(body.to_string()).arg(url);
    let answer = command::output(&mut command, LIMIT)?;
    serde_json::from_str(&answer).with_context(|| format!("{url} answered {answer:?}"))
}

fn text(answer: &Value, name: &str) -> Result<String> {
    let text = answer.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("expected a {name} in {answer}"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_counted_whatever_the_route() {
        let metrics = "# TYPE cache_requests_total counter\n\
            cache_requests_total{route=\"ai\",outcome=\"hit\"} 3\n\
            cache_requests_total{route=\"resume\",outcome=\"hit\"} 4\n\
            cache_requests_total{route=\"resume\",outcome=\"miss\"} 9\n";
        assert_eq!(hits(metrics), 7);
    }
}
