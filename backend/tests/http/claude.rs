//! A Claude of the test's own: `claude-sim`, in this process.

use super::backend::Backend;
use claude_sim::faults::Fault;
use claude_sim::server::Running;
use claude_sim::sim::Settings;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// What it is asked with.
pub(crate) const KEY: &str = "sk-test-not-to-be-shown";

/// The server, ended when dropped.
pub(crate) struct Claude {
    pub(crate) running: Running,
    _runtime: Runtime,
}

/// A Claude that is well, and a service that asks it.
pub(crate) fn pair() -> (Claude, Backend) {
    let claude = Claude::start();
    let backend = claude.backend(&[]);
    (claude, backend)
}

impl Claude {
    /// Starts one that nobody has asked yet.
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(Running::start(Settings::default())).unwrap();
        Self { running, _runtime: runtime }
    }

    /// A service that asks it, with these variables too.
    pub(crate) fn backend(&self, vars: &[(&str, &str)]) -> Backend {
        let url = self.running.url();
        let ours = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        Backend::start_with(&[&ours, vars].concat())
    }

    /// The same, on the database of another.
    pub(crate) fn backend_beside(&self, other: &Backend, vars: &[(&str, &str)]) -> Backend {
        self.backend_on(&other.url, vars)
    }

    /// The same, on the database at `database`.
    pub(crate) fn backend_on(&self, database: &str, vars: &[(&str, &str)]) -> Backend {
        let url = self.running.url();
        let ours = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        Backend::start_on(database, &[&ours, vars].concat())
    }

    /// How often it was asked.
    pub(crate) fn requests(&self) -> usize {
        usize::try_from(self.running.sim().recorded.show().0).unwrap()
    }

    /// What it was asked last.
    pub(crate) fn last(&self) -> Value {
        self.running.sim().recorded.show().1.pop().unwrap()
    }

    /// The user's message of that.
    pub(crate) fn last_content(&self) -> String {
        self.last()["messages"][0]["content"].as_str().unwrap().to_owned()
    }

    /// Lets this go wrong with every request from now on.
    pub(crate) fn fault(&self, fault: &Value) {
        self.clear();
        let fault: Fault = serde_json::from_value(fault.clone()).unwrap();
        self.running.sim().faults.add(vec![fault]).unwrap();
    }

    /// The same with so many requests.
    pub(crate) fn faults(&self, times: u32, fault: &Value) {
        let mut fault = fault.clone();
        fault["times"] = times.into();
        self.fault(&fault);
    }

    /// Lets each of these go wrong with one request, in turn, as often as there is room for.
    pub(crate) fn one_after_another(&self, faults: &[Value]) {
        self.clear();
        let once = faults.iter().map(|fault| {
            let fault: Fault = serde_json::from_value(fault.clone()).unwrap();
            Fault { times: Some(1), ..fault }
        });
        let once: Vec<_> = once.collect();
        while self.running.sim().faults.add(once.clone()).is_ok() {}
    }

    /// Lets nothing go wrong any more.
    pub(crate) fn clear(&self) {
        self.running.sim().faults.clear();
    }
}
