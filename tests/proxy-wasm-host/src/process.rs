//! One Envoy process: its clock, its clusters, and the state that its VMs share.
//!
//! Nothing moves by itself: the embedder sets the time and tells VMs to run their timers and
//! queues, so every run is reproducible.

use crate::abi::LogLevel;
use crate::metrics::Metrics;
use crate::shared::{SharedData, SharedQueues, VmNumber};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A handle to a process. Clones share its state.
#[derive(Debug, Clone, Default)]
pub struct Process(Rc<RefCell<State>>);

/// The state of a process.
#[derive(Debug, Default)]
pub struct State {
    /// The clock, in Unix ns.
    pub now_ns: u64,
    /// Data that VMs share.
    pub data: SharedData,
    /// Queues that VMs share.
    pub queues: SharedQueues,
    /// All metrics.
    pub metrics: Metrics,
    /// The clusters that can be called.
    pub clusters: BTreeMap<String, Cluster>,
    /// Log lines not yet taken.
    pub log: Vec<LogLine>,
    /// Incorrect host calls not yet taken. A real Envoy would reject them or, worse, accept them.
    pub violations: Vec<Violation>,
    last_vm: VmNumber,
}

/// A target of callouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// The cluster has hosts, which may or may not reply.
    Hosts,
    /// The cluster has no hosts: a callout fails at once, without a callback.
    Empty,
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The VM that logged it.
    pub vm: VmNumber,
    /// Its level.
    pub level: LogLevel,
    /// Its text.
    pub message: String,
}

/// A host call that no correct plugin makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The VM that made the call.
    pub vm: VmNumber,
    /// The function called.
    pub function: &'static str,
    /// A description of the error.
    pub what: String,
}

/// The maximum number of log lines, and of violations, kept; later ones are dropped.
pub const MAX_KEPT: usize = 100_000;

impl Process {
    /// Creates a process whose clock stands at `now_ns` (Unix ns).
    pub fn new<'a>(now_ns: u64, clusters: impl IntoIterator<Item = (&'a str, Cluster)>) -> Self {
        let process = Self::default();
        process.state().now_ns = now_ns;
        let named = clusters.into_iter().map(|(name, cluster)| (name.to_owned(), cluster));
        process.state().clusters.extend(named);
        process
    }

    /// Borrows the state mutably. Drop the borrow before running a VM, which panics otherwise.
    pub fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// Borrows the state.
    #[must_use]
    pub fn read(&self) -> Ref<'_, State> {
        self.0.borrow()
    }

    /// Sets the clock.
    pub fn set_time_ns(&self, now_ns: u64) {
        self.state().now_ns = now_ns;
    }

    /// Takes the log lines recorded since the last call.
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.state().log)
    }

    /// Takes the violations recorded since the last call.
    pub fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut self.state().violations)
    }

    pub(crate) fn next_vm(&self) -> VmNumber {
        let mut state = self.state();
        state.last_vm += 1;
        state.last_vm
    }
}

impl State {
    pub(crate) fn note(&mut self, line: LogLine) {
        if self.log.len() < MAX_KEPT {
            self.log.push(line);
        }
    }

    pub(crate) fn record_violation(&mut self, violation: Violation) {
        if self.violations.len() < MAX_KEPT {
            self.violations.push(violation);
        }
    }
}
