//! What is asked of the backend, and what is aimed at.

use super::servers::Servers;
use crate::bench::bound::Bound;
use crate::bench::wrk::{self, Load};
use anyhow::Result;

/// Connections that each always have a request under way.
const CONNECTIONS: u32 = 32;

/// One work.
#[derive(Debug)]
pub(crate) struct Work {
    /// What it is, in a few words.
    pub title: &'static str,
    /// Whether the cache answers it.
    pub is_cached: bool,
    /// What its throughput should be, of `/health/live`'s.
    pub aim: Option<Bound>,
    /// wrk's script.
    script: fn(&Servers) -> String,
    /// What is asked.
    path: fn(&Servers) -> String,
}

/// All works. The first is the one that the others are measured against.
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
    /// Puts it on the backend for `seconds`.
    ///
    /// # Errors
    /// Where wrk fails.
    pub(crate) fn put(&self, servers: &Servers, seconds: u32) -> Result<Load> {
        let (script, url) = ((self.script)(servers), servers.backend.url(&(self.path)(servers)));
        wrk::run(&servers.wrk, &script, CONNECTIONS, &url, seconds, &servers.dir)
    }
}

/// A script whose requests are the user's.
#[must_use]
pub(crate) fn authorized(servers: &Servers) -> String {
    format!("wrk.headers[\"authorization\"] = \"Bearer {}\"\n", servers.token)
}

/// A script whose requests have this body.
#[must_use]
pub(crate) fn post(body: &str) -> String {
    format!(
        "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\n\
         wrk.body = [==[{body}]==]\n"
    )
}
