//! The servers on loopback, and a user with a résumé.

use harness::command;
use harness::stack::{Port, Server, backend, claude_sim, redis};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The timeout of a setup request.
const LIMIT: Duration = Duration::from_secs(60);
/// The lifetime of access tokens, long enough for any run.
const TOKEN_TTL_S: &str = "86400";
const EMAIL: &str = "ada@example.com";
/// The account that logs in repeatedly. It is a separate one because a user's oldest sessions end when
/// there are too many.
const OTHER: &str = "bob@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// The paths of the programs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The Redis server.
    pub redis: PathBuf,
    /// The load generator.
    pub wrk: PathBuf,
    /// The HTTP client that creates the users.
    pub curl: PathBuf,
    /// The optimized backend.
    pub backend: PathBuf,
    /// The Claude simulator.
    pub claude_sim: PathBuf,
}

/// The running servers and the user. Dropping it kills the servers.
#[derive(Debug)]
pub(crate) struct Servers {
    /// The backend.
    pub backend: Server,
    _claude_sim: Server,
    _redis: Server,
    /// The load generator.
    pub wrk: PathBuf,
    /// The folder for temporary files.
    pub dir: PathBuf,
    /// The user's access token.
    pub token: String,
    /// The id of the user's résumé.
    pub resume_id: String,
}

impl Servers {
    /// Starts everything in `dir`.
    ///
    /// # Errors
    /// Fails if a server does not become ready. The error has the end of its log.
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

    /// Returns the body of a request to an AI route.
    #[must_use]
    pub(crate) fn ai_body(&self) -> String {
        json!({ "resume_id": self.resume_id }).to_string()
    }

    /// Returns the number of requests that the cache has answered.
    ///
    /// # Errors
    /// Fails if the backend's metrics cannot be read.
    pub(crate) fn hits(&self) -> Result<u64> {
        let answer = self.backend.get("/metrics")?;
        if answer.status != 200 {
            bail!("expected status 200 for the backend's metrics, got {}", answer.status);
        }
        Ok(hits(&answer.body))
    }
}

/// Returns the body of a signup or login.
fn account(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

/// Returns the body of the repeated logins.
#[must_use]
pub(crate) fn others_account() -> Value {
    account(OTHER)
}

/// Returns a résumé of a typical size, 4 KB.
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

/// Sends a POST and returns the JSON response.
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
    fn hits_of_all_routes_are_counted() {
        let metrics = "# TYPE cache_requests_total counter\n\
            cache_requests_total{route=\"ai\",outcome=\"hit\"} 3\n\
            cache_requests_total{route=\"resume\",outcome=\"hit\"} 4\n\
            cache_requests_total{route=\"resume\",outcome=\"miss\"} 9\n";
        assert_eq!(hits(metrics), 7);
    }
}
