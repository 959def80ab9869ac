//! One Envoy process: its clock, its clusters, and what its VMs share.
//!
//! Nothing moves by itself: the embedder sets the time, and has VMs run what is due. So a run is
//! the same each time.

use crate::abi::LogLevel;
use crate::metrics::Metrics;
use crate::shared::{SharedData, SharedQueues, VmNumber};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A process. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Process(Rc<RefCell<State>>);

/// What a process holds.
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
    /// What plugins have logged and that nobody has taken yet.
    pub log: Vec<LogLine>,
    /// What plugins have asked for that a real Envoy would refuse, or worse, take.
    pub violations: Vec<Violation>,
    last_vm: VmNumber,
}

/// Where callouts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// It has hosts (whether they answer shows later).
    Hosts,
    /// It has none: a callout fails at once, without a callback.
    Empty,
}

/// A line that a plugin has logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Which VM.
    pub vm: VmNumber,
    /// How grave.
    pub level: LogLevel,
    /// What.
    pub message: String,
}

/// A call of the host that no correct plugin makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which VM.
    pub vm: VmNumber,
    /// The function called.
    pub function: &'static str,
    /// What was wrong.
    pub what: String,
}

/// The most log lines and violations that are kept.
pub const MAX_KEPT: usize = 100_000;

impl Process {
    /// A process at `now_ns` (Unix ns) with these clusters.
    pub fn new<'a>(now_ns: u64, clusters: impl IntoIterator<Item = (&'a str, Cluster)>) -> Self {
        let process = Self::default();
        process.state().now_ns = now_ns;
        let named = clusters.into_iter().map(|(name, cluster)| (name.to_owned(), cluster));
        process.state().clusters.extend(named);
        process
    }

    /// What it holds, to read and to change. Not to be kept while a VM runs.
    pub fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// What it holds, to read.
    #[must_use]
    pub fn read(&self) -> Ref<'_, State> {
        self.0.borrow()
    }

    /// Sets the clock.
    pub fn set_time_ns(&self, now_ns: u64) {
        self.state().now_ns = now_ns;
    }

    /// Takes what has been logged.
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.state().log)
    }

    /// Takes what has been called wrongly.
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

    pub(crate) fn accuse(&mut self, violation: Violation) {
        if self.violations.len() < MAX_KEPT {
            self.violations.push(violation);
        }
    }
}
