//! One simulated Envoy: a process with a VM for the main thread and for each worker.

use crate::fault::Fault;
use proxy_wasm_host::metrics::MAX_DEFINITIONS;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::process::{Cluster, Process};
use proxy_wasm_host::vm::{Options, StartError, Vm};
use serde_json::Value;

/// The Unix time at which all runs begin, in ms: in the middle of an hour, away from any
/// daylight-saving change.
pub const START_MS: u64 = 1_900_002_000_000;

/// A simulated Envoy.
#[derive(Debug)]
pub struct Envoy {
    /// The state that its VMs share.
    pub process: Process,
    /// The main thread's VM, followed by those of the workers.
    pub vms: Vec<Vm>,
    ahead_ms: u64,
}

impl Envoy {
    /// Starts an Envoy with `workers` workers whose clock runs `ahead_ms` ahead.
    ///
    /// # Errors
    /// [`StartError`] if the filter crashes or rejects `policy`.
    pub fn start(
        plugin: &Plugin,
        (ahead_ms, workers): (u64, usize),
        policy: &Value,
        fault: Option<Fault>,
    ) -> Result<Self, StartError> {
        let start_ns = (START_MS + ahead_ms) * 1_000_000;
        let process = Process::new(start_ns, [("tollgate", Cluster::Hosts)]);
        if fault == Some(Fault::NoMetrics) {
            let metrics = &mut process.state().metrics;
            (0..MAX_DEFINITIONS).all(|_| metrics.define(0, "taken").is_ok());
        }
        let options = options(policy);
        validate(plugin, &process, &options)?;
        let vms = (0..=workers).map(|_| Vm::start(plugin, &process, &options));
        let vms = vms.collect::<Result<_, _>>()?;
        Ok(Self { process, vms, ahead_ms })
    }

    /// Sets the clock to `now_us` after the start.
    pub fn set_time(&self, now_us: u64) {
        self.process.set_time_ns((START_MS + self.ahead_ms) * 1_000_000 + now_us * 1_000);
    }

    /// Returns when a VM's next timer is due, in µs after the start.
    #[must_use]
    pub fn next_tick_us(&self, vm: usize) -> Option<u64> {
        let due_ns = self.vms.get(vm)?.next_tick_ns()?;
        Some(due_ns.saturating_sub((START_MS + self.ahead_ms) * 1_000_000).div_ceil(1_000))
    }
}

/// Starts and stops a VM to validate a configuration, as Envoy does before passing it to workers.
///
/// # Errors
/// [`StartError`] if the filter crashes or rejects its configuration.
pub fn validate(plugin: &Plugin, process: &Process, options: &Options) -> Result<(), StartError> {
    Vm::start(plugin, process, options).map(Vm::shut_down)
}

/// Returns the VM options for `policy`.
#[must_use]
pub fn options(policy: &Value) -> Options {
    Options {
        vm_id: "tollgate".to_owned(),
        root_id: "tollgate".to_owned(),
        vm_configuration: Vec::new(),
        configuration: policy.to_string().into_bytes(),
    }
}
