//! A worker's VM under Envoy's `failure_policy: FAIL_RELOAD`. After a crash, the first request that
//! arrives once the backoff has passed starts a new VM. Streams paused in the old VM hang until
//! something ends them.

use crate::event::StreamNumber;
use crate::plugin::Plugin;
use crate::process::Process;
use crate::vm::{Options, Request, StartError, Vm};

/// The minimum time between the start of a VM and its replacement. (Envoy adds some jitter.)
pub const RELOAD_BACKOFF_NS: u64 = 1_000_000_000;

/// A stream of a worker: the VM and the stream's number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerStream {
    /// The number of reloads before the stream opened, which identifies its VM.
    pub reload: usize,
    /// The stream's number in that VM.
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
    /// Starts a worker and its first VM.
    ///
    /// # Errors
    /// [`StartError`] if the plugin crashes or rejects its configuration.
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

    /// Returns the number of reloads so far.
    #[must_use]
    pub fn reloads(&self) -> usize {
        self.vms.len() - 1
    }

    /// Opens a stream, first replacing a crashed VM if the backoff has passed. Returns `None` if
    /// there is no running VM: the client gets a 503.
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

    /// Returns all VMs since the start, the newest last.
    pub fn vms(&mut self) -> &mut [Vm] {
        &mut self.vms
    }
}
