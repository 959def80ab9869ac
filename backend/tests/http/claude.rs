//! A Claude for one test: `claude-sim` in this process.

use super::backend::Backend;
use claude_sim::faults::Fault;
use claude_sim::server::Running;
use claude_sim::sim::Settings;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// The API key.
pub(crate) const KEY: &str = "sk-test-not-to-be-shown";

/// The server. It stops when dropped.
pub(crate) struct Claude {
    pub(crate) running: Running,
    _runtime: Runtime,
}

/// Starts a working Claude, and a backend that uses it.
pub(crate) fn pair() -> (Claude, Backend) {
    let claude = Claude::start();
    let backend = claude.backend(&[]);
    (claude, backend)
}

impl Claude {
    /// Starts a Claude.
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(Running::start(Settings::default())).unwrap();
        Self { running, _runtime: runtime }
    }

    /// Starts a backend that uses it, with these variables.
    pub(crate) fn backend(&self, vars: &[(&str, &str)]) -> Backend {
        let url = self.running.url();
        let ours = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        Backend::start_with(&[&ours, vars].concat())
    }

    /// Starts a backend that uses it, on the database of `other`.
    pub(crate) fn backend_beside(&self, other: &Backend, vars: &[(&str, &str)]) -> Backend {
        self.backend_on(&other.url, vars)
    }

    /// Starts a backend that uses it, on the database at the URL `database`.
    pub(crate) fn backend_on(&self, database: &str, vars: &[(&str, &str)]) -> Backend {
        let url = self.running.url();
        let ours = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        Backend::start_on(database, &[&ours, vars].concat())
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        usize::try_from(self.running.sim().recorded.show().0).unwrap()
    }

    /// Returns the body of the last request.
    pub(crate) fn last(&self) -> Value {
        self.running.sim().recorded.show().1.pop().unwrap()
    }

    /// Returns the user message of the last request.
    pub(crate) fn last_content(&self) -> String {
        self.last()["messages"][0]["content"].as_str().unwrap().to_owned()
    }

    /// Injects a fault into all further requests.
    pub(crate) fn fault(&self, fault: &Value) {
        self.clear();
        let fault: Fault = serde_json::from_value(fault.clone()).unwrap();
        self.running.sim().faults.add(vec![fault]).unwrap();
    }

    /// Injects a fault into the next `times` requests.
    pub(crate) fn faults(&self, times: u32, fault: &Value) {
        let mut fault = fault.clone();
        fault["times"] = times.into();
        self.fault(&fault);
    }

    /// Injects each of these faults into one request, in turn, repeated as often as possible.
    pub(crate) fn one_after_another(&self, faults: &[Value]) {
        self.clear();
        let once = faults.iter().map(|fault| {
            let fault: Fault = serde_json::from_value(fault.clone()).unwrap();
            Fault { times: Some(1), ..fault }
        });
        let once: Vec<_> = once.collect();
        while self.running.sim().faults.add(once.clone()).is_ok() {}
    }

    /// Removes all faults.
    pub(crate) fn clear(&self) {
        self.running.sim().faults.clear();
    }
}
