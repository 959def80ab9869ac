//! A root context: configuration, calls to the shim, and releasing streams.

use crate::facts::{self, TokenPaths};
use crate::host::{self, Process};
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::worker::Worker;
use crate::{configuration, direct, redirect};
use limits::gate::{self, CallKind, Gate, Release, Released, Reply, TICK_MS};
use limits::policy::KNOWN_SALT;
use limits::wire::MARKER_HEADER;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, MapType, Status};
use rustc_hash::FxHashMap;
use std::rc::Rc;
use std::time::Duration;

/// The shared-data key of the counter that numbers the workers' queues.
const QUEUE_COUNT: &str = "tollgate.queues";
/// The shared-data key that is set once the process has logged the salt warning.
const SALT_WARNED: &str = "tollgate.salt_warned";
/// The most bytes read of a reply.
const MAX_REPLY_BYTES: usize = 4 << 20;

pub(crate) struct Root {
    id: u32,
    state: Option<Configured>,
    /// True once Envoy has asked this root to end and is waiting for it.
    is_ending: bool,
}

/// The state of a configured root.
struct Configured {
    worker: Rc<Worker>,
    cluster: String,
    authority: String,
    /// The calls under way, by Envoy's token, with the gate's id.
    calls: FxHashMap<u32, (u32, CallKind)>,
    metrics: Metrics,
}

impl Context for Root {
    /// Handles the reply to a call, or its failure.
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _: usize) {
        let Some(call) = self.state.as_mut().and_then(|state| state.calls.remove(&token)) else {
            return;
        };
        if headers == 0 {
            // The reply was cut off, so its headers do not exist.
            self.take_reply(call, Reply::default());
            return self.make_calls();
        }
        let headers = direct::headers(MapType::HttpCallResponseHeaders).unwrap_or_default();
        let (status, marker) = (headers.first(":status"), headers.first(MARKER_HEADER));
        let body = self.get_http_call_response_body(0, body_bytes.min(MAX_REPLY_BYTES));
        let reply = Reply { status, marker, body: &body.unwrap_or_default() };
        self.take_reply(call, reply);
        self.make_calls(); // more requests may have gathered
    }

    /// Closes the gate: the policy has been replaced, or Envoy shuts down. Returns true if nothing
    /// needs to be settled. The calls for that are made at the next tick. When Envoy shuts down,
    /// there are no more ticks, and no call may be made.
    fn on_done(&mut self) -> bool {
        let Some(state) = &mut self.state else { return true };
        let (now_us, metrics) = (host::now_us(), &mut state.metrics);
        let is_idle = state.worker.gate.with(|gate| {
            gate.close(now_us);
            metrics.add(gate);
            gate.is_idle(now_us)
        });
        self.is_ending = is_idle == Some(false);
        !self.is_ending
    }
}

impl RootContext for Root {
    /// Reads the policy. Returns false, and logs an error, if it is invalid.
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match configured(&text) {
            Ok(state) => {
                self.state = Some(state);
                self.set_tick_period(Duration::from_millis(TICK_MS));
                true
            }
            Err(message) => {
                log::error!("tollgate: the policy is refused: {message}");
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        // The message has no content: the work is in the gate.
        let _woken = self.dequeue_shared_queue(queue);
        self.make_calls();
    }

    fn on_tick(&mut self) {
        let Some(state) = &mut self.state else { return };
        let now_us = host::now_us();
        let gate = &state.worker.gate;
        let released = gate.with(|gate| gate.tick(now_us, &Process)).unwrap_or_default();
        let metrics = &mut state.metrics;
        let lines = gate.with(|gate| {
            metrics.add(gate);
            gate.take_log(now_us)
        });
        lines.unwrap_or_default().iter().for_each(|line| log::info!("tollgate: {line}"));
        if let Some(Some(warning)) = gate.with(|gate| gate.take_warning(now_us)) {
            log::error!("tollgate: {warning}");
        }
        self.release(released);
        self.make_calls();
        self.end();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let worker = self.state.as_ref().map(|state| Rc::clone(&state.worker));
        Some(Box::new(Stream { id, worker }))
    }
}

impl Root {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id, state: None, is_ending: false }
    }

    /// Makes the calls that are due. A call that cannot be made counts as failed.
    fn make_calls(&mut self) {
        let Some(state) = &mut self.state else { return };
        let calls = state.worker.gate.with(|gate| gate.ready(host::now_us())).unwrap_or_default();
        let mut failed = Vec::new();
        for call in calls {
            match host::call(&state.cluster, &state.authority, &call) {
                Ok(token) => {
                    state.calls.insert(token, (call.id, call.kind));
                }
                Err(status) => {
                    log::warn!("tollgate: could not call the shim: {status:?}");
                    failed.push((call.id, call.kind));
                }
            }
        }
        failed.into_iter().for_each(|call| self.take_reply(call, Reply::default()));
    }

    fn take_reply(&self, (id, kind): (u32, CallKind), reply: Reply<'_>) {
        let Some(state) = &self.state else { return };
        let gate = &state.worker.gate;
        let released = gate.with(|gate| gate.reply(host::now_us(), id, kind, reply, &Process));
        self.release(released.unwrap_or_default());
    }

    /// Notifies Envoy that this root is done, once nothing is left to settle.
    fn end(&mut self) {
        let Some(state) = self.state.as_ref().filter(|_| self.is_ending) else { return };
        if state.worker.gate.with(|gate| gate.is_idle(host::now_us())).unwrap_or(true) {
            self.is_ending = false;
            self.set_tick_period(Duration::ZERO);
            self.done();
        }
    }

    /// Resumes or answers streams, each in its own context.
    fn release(&self, released: Vec<Released>) {
        let Some(Configured { worker, .. }) = self.state.as_ref().filter(|_| !released.is_empty())
        else {
            return;
        };
        for Released { stream, release } in released {
            // Envoy's ids have 32 bits.
            let stream = u32::try_from(stream).unwrap_or_default();
            if hostcalls::set_effective_context(stream).is_err() {
                continue; // the stream has ended
            }
            match release {
                Release::Pass(summary) => {
                    worker.set_summary(&summary);
                    host::log_failure("resume a request", hostcalls::resume_http_request());
                }
                Release::Refuse(answer) => worker.answer(&answer, facts::is_grpc()),
            }
        }
        host::log_failure("return to the root context", hostcalls::set_effective_context(self.id));
    }
}

fn configured(text: &[u8]) -> Result<Configured, String> {
    let policy = configuration::policy(text).map_err(|errors| errors.to_string())?;
    let queue =
        own_queue().map_err(|status| format!("cannot register a shared queue: {status:?}"))?;
    gate::prepare(&Process);
    redirect::declare();
    if policy.has_known_salt() {
        warn_of_salt();
    }
    Ok(Configured {
        metrics: Metrics::default(),
        cluster: policy.cluster.clone(),
        authority: policy.authority.clone(),
        calls: FxHashMap::default(),
        worker: Rc::new(Worker {
            queue,
            token: TokenPaths::of(&policy.jwt),
            has_filter_state: policy.filter_state,
            gate: Shared::new(Gate::new(policy)),
        }),
    })
}

/// Logs the salt warning once for all workers: Envoy configures a VM in its main thread before
/// those of the workers.
fn warn_of_salt() {
    if hostcalls::get_shared_data(SALT_WARNED) == Ok((None, None)) {
        log::warn!("tollgate: {KNOWN_SALT}");
        let set = hostcalls::set_shared_data(SALT_WARNED, Some(b"1"), None);
        host::log_failure("remember a warning", set);
    }
}

/// Registers a queue with a name unique in this process.
fn own_queue() -> Result<u32, Status> {
    // More tries than workers could be starting at once.
    for _ in 0..1_000 {
        let (bytes, version) = hostcalls::get_shared_data(QUEUE_COUNT)?;
        let count = bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let next = count.wrapping_add(1);
        match hostcalls::set_shared_data(QUEUE_COUNT, Some(&next.to_le_bytes()), version) {
            Ok(()) => return hostcalls::register_shared_queue(&format!("tollgate.{next}")),
            Err(Status::CasMismatch) => {}
            Err(status) => return Err(status),
        }
    }
    Err(Status::CasMismatch)
}
