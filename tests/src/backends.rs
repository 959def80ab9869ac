//! Several backends that share a database, a Redis and the Claude simulator, without a gateway.
//! Everything stops when [`Backends`] is dropped.

use crate::client::{Client, Reply};
use crate::gateway::{binaries, token_from};
use anyhow::Result;
use harness::stack::claude_sim as sim_server;
use harness::stack::{Port, Server, backend, claude_sim, redis};
use serde_json::{Value, json};
use std::ffi::OsString;
use tempfile::TempDir;

/// Returns the résumé that tests use.
#[must_use]
pub fn resume() -> Value {
    json!({
        "basics": {
            "name": "Ada Example",
            "label": "Engineer",
            "email": "ada@example.com",
            "phone": "+44 20 7946 0000",
            "summary": "Fifteen years of machines that compute, from punched cards to print."
        },
        "work": [{
            "name": "Engine Works",
            "position": "Lead engineer",
            "startDate": "2015-03",
            "endDate": "2023-08",
            "summary": "Designed and programmed analytical engines.",
            "highlights": ["Cut the time of a table from 12 days to 3 hours"]
        }],
        "education": [{ "institution": "University of London", "studyType": "Bachelor",
            "area": "Mathematics", "startDate": "2011", "endDate": "2014" }],
        "skills": [{ "name": "Programming", "keywords": ["Rust", "SQL", "Kubernetes"] }]
    })
}

/// The running processes. Fields are declared in the order in which they stop.
#[derive(Debug)]
pub struct Backends {
    /// The backends, which share everything else.
    pub backends: Vec<Server>,
    /// The simulator that they call instead of Claude.
    pub claude_sim: Server,
    /// The Redis of their cache.
    pub redis: Server,
    /// Logs and the database.
    pub dir: TempDir,
}

impl Backends {
    /// Starts `count` backends with the additional environment variables `env`, and waits until
    /// they answer.
    ///
    /// # Errors
    /// Fails if a process does not become ready. The error includes the end of its log.
    pub fn start(count: usize, env: &[(&str, &str)]) -> Result<Self> {
        let dir = TempDir::new()?;
        let redis = redis::start(redis::Options::new(dir.path())?)?;
        let claude_sim = start_claude_sim(dir.path())?;
        let mut database = OsString::from("sqlite://");
        database.push(dir.path().join("shared.db"));
        let mut vars = sim_server::backend_vars(Some(&claude_sim));
        vars.push(("DATABASE_URL".to_owned(), database));
        vars.extend(env.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))));
        let start = |_| {
            backend::start(backend::Options {
                program: binaries().backend.clone(),
                port: Port::free()?,
                redis_url: Some(redis::url(&redis)),
                shim_url: None,
                dir: dir.path(),
                env: vars.clone(),
            })
        };
        let backends = (0..count).map(start).collect::<Result<Vec<_>>>()?;
        Ok(Self { backends, claude_sim, redis, dir })
    }

    /// Returns a client of backend `at`.
    #[must_use]
    pub fn client(&self, at: usize) -> Client {
        Client::of(self.backends[at].addr())
    }

    /// Signs up a user and logs in. Returns the token.
    #[must_use]
    pub fn token_of(&self, email: &str) -> String {
        token_from(&self.client(0), email)
    }

    /// Requests an ATS score of [`resume`] from backend `at`.
    #[must_use]
    pub fn score(&self, at: usize, token: &str) -> Reply {
        self.ask(at, token, "analyze-ats-score", &json!({ "resume": resume() }))
    }

    /// Sends an AI task to backend `at`.
    #[must_use]
    pub fn ask(&self, at: usize, token: &str, task: &str, body: &Value) -> Reply {
        self.client(at).post(&format!("/api/ai/{task}"), body, Some(token))
    }
}

/// Starts a Claude simulator on a free port.
///
/// # Errors
/// Fails if it does not become ready.
pub fn start_claude_sim(dir: &std::path::Path) -> Result<Server> {
    claude_sim::start(claude_sim::Options {
        program: binaries().claude_sim.clone(),
        port: Port::free()?,
        dir,
        args: Vec::new(),
    })
}
