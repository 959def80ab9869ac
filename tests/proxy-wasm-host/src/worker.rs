//! A worker's VM as Envoy keeps it with `failure_policy: FAIL_RELOAD`: after a crash, a new one is
//! started for a request that comes once the back-off has passed. What was paused in the old one
//! hangs until something ends it.

use crate::event::StreamNumber;
use crate::plugin::Plugin;
use crate::process::Process;
use crate::vm::{Options, Request, StartError, Vm};

/// How long after a VM was started a crashed one is left as it is. (Envoy adds some jitter.)
pub const RELOAD_BACKOFF_NS: u64 = 1_000_000_000;

/// A stream of a worker: in which of its VMs, and there which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerStream {
    /// How many times the worker had been reloaded.
    pub reload: usize,
    /// The stream, as that VM numbers it.
    pub stream: StreamNumber,
}

/// One worker.
#[derive(Debug)]
pub struct Worker {
    plugin: Plugin,
    process: Process,
    options: Options,
    started_ns: u64,
    vms: Vec<Vm>,
}

impl Worker {
    /// Starts its first VM.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        plugin: &Plugin,
        process: &Process,
        options: &Options,
    ) -> Result<Self, StartError> {
        let first = Vm::start(plugin, process, options)?;
        let started_ns = process.read().now_ns;
        Ok(Self {
            plugin: plugin.clone(),
            process: process.clone(),
            options: options.clone(),
            started_ns,
            vms: vec![first],
        })
    }

    /// How many times it has been reloaded.
    #[must_use]
    pub fn reloads(&self) -> usize {
        self.vms.len() - 1
    }

    /// A request arrives; a crashed VM is replaced first, if it may be by now. Without one, the
    /// client gets a 503.
    pub fn open(&mut self, request: Request) -> Option<WorkerStream> {
        let now_ns = self.process.read().now_ns;
        let has_crashed = self.vms.last().is_none_or(|vm| vm.crash().is_some());
        if has_crashed && now_ns >= self.started_ns + RELOAD_BACKOFF_NS {
            self.started_ns = now_ns;
            let next = Vm::start(&self.plugin, &self.process, &self.options);
            self.vms.extend(next.ok());
        }
        let reload = self.reloads();
        let vm = self.vms.last_mut().filter(|vm| vm.crash().is_none())?;
        Some(WorkerStream { reload, stream: vm.open(request) })
    }

    /// All VMs that there have been, the newest last.
    pub fn vms(&mut self) -> &mut [Vm] {
        &mut self.vms
    }
}
