//! The works: requests to the backend, with their aims.

use super::servers::Servers;
use crate::bench::bound::Bound;
use crate::bench::wrk::{self, Load};
use anyhow::Result;

/// The number of connections. Each always has a request in progress.
const CONNECTIONS: u32 = 32;

/// A kind of request.
#[derive(Debug)]
pub(crate) struct Work {
    /// The title in reports.
    pub title: &'static str,
    /// True if the cache answers it.
    pub is_cached: bool,
    /// The aim for the ratio of its throughput to that of `/health/live`.
    pub aim: Option<Bound>,
    /// wrk's script.
    script: fn(&Servers) -> String,
    /// The path to request.
    path: fn(&Servers) -> String,
}

/// All works. The first is the baseline of the others.
pub(crate) const WORKS: [Work; 3] = [
    Work {
        title: "/health/live",
        is_cached: false,
        aim: None,
        script: |_| String::new(),
        path: |_| "/health/live".to_owned(),
    },
    Work {
        title: "a cached résumé",
        is_cached: true,
        aim: Some(Bound::AtLeast(0.70)),
        script: authorized,
        path: |servers| format!("/api/resumes/{}", servers.resume_id),
    },
    Work {
        title: "a cached AI answer",
        is_cached: true,
        aim: Some(Bound::AtLeast(0.50)),
        script: |servers| authorized(servers) + &post(&servers.ai_body()),
        path: |_| "/api/ai/analyze-ats-score".to_owned(),
    },
];

impl Work {
    /// Puts this load on the backend for `seconds`.
    ///
    /// # Errors
    /// Fails if wrk does.
    pub(crate) fn put(&self, servers: &Servers, seconds: u32) -> Result<Load> {
        let (script, url) = ((self.script)(servers), servers.backend.url(&(self.path)(servers)));
        wrk::run(&servers.wrk, &script, CONNECTIONS, &url, seconds, &servers.dir)
    }
}

/// Returns a script that sends the user's access token.
#[must_use]
pub(crate) fn authorized(servers: &Servers) -> String {
    format!("wrk.headers[\"authorization\"] = \"Bearer {}\"\n", servers.token)
}

/// Returns a script that POSTs `body`.
#[must_use]
pub(crate) fn post(body: &str) -> String {
    format!(
        "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\n\
         wrk.body = [==[{body}]==]\n"
    )
}
