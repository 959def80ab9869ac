//! The worker's root context: configuration, the calls to the shim, and the releases of streams.

use crate::SharedGate;
use crate::configuration;
use crate::host::{self, Process};
use crate::metrics::Metrics;
use crate::stream::Stream;
use limits::gate::{self, CallKind, Disposition, Gate, Release, Reply, TICK_MS};
use limits::wire::MARKER_HEADER;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, Status};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Numbers the workers' queues, in the shared data of the Envoy process.
const QUEUE_COUNT: &str = "tollgate.queues";
/// How often [`Gate::tick`] is called.
const TICK: Duration = Duration::from_millis(TICK_MS);
/// The largest reply that is read.
const MAX_REPLY_BYTES: usize = 4 << 20;

pub(crate) struct Root {
    id: u32,
    worker: Option<Worker>,
    /// Envoy has said that this root is not used any more, and waits for it to be done.
    is_ending: bool,
}

/// What a configured worker has.
struct Worker {
    gate: SharedGate,
    queue: u32,
    cluster: String,
    jwt_payload: Rc<str>,
    /// The calls under way: Envoy's token, and the gate's name for it.
    calls: HashMap<u32, (u32, CallKind)>,
    metrics: Metrics,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, worker: None, is_ending: false }
    }

    fn configure(&self) -> Result<Worker, String> {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let policy = configuration::policy(&text).map_err(|errors| errors.to_string())?;
        let queue =
            own_queue().map_err(|status| format!("Envoy gave no shared queue: {status:?}"))?;
        gate::prepare(&Process);
        Ok(Worker {
            metrics: Metrics::default(),
            queue,
            cluster: policy.cluster.clone(),
            jwt_payload: policy.jwt_payload.as_str().into(),
            calls: HashMap::new(),
            gate: SharedGate::new(Gate::new(policy)),
        })
    }

    /// Makes the calls that are due. One that cannot be made has failed.
    fn make_calls(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        let calls = worker.gate.with(|gate| gate.ready(host::now_us())).unwrap_or_default();
        let mut failed = Vec::new();
        for call in calls {
            match host::call(&worker.cluster, &call) {
                Ok(token) => {
                    worker.calls.insert(token, (call.id, call.kind));
                }
                Err(status) => {
                    log::warn!("tollgate: could not call the shim: {status:?}");
                    failed.push((call.id, call.kind));
                }
            }
        }
        failed.into_iter().for_each(|call| self.replied(call, Reply::default()));
    }

    fn replied(&self, (id, kind): (u32, CallKind), reply: Reply<'_>) {
        let Some(worker) = &self.worker else { return };
        let released =
            worker.gate.with(|gate| gate.reply(host::now_us(), id, kind, reply, &Process));
        self.release(released.unwrap_or_default());
    }

    /// Tells Envoy that nothing is left to be done, once that is so.
    fn end_if_done(&mut self) {
        let Some(worker) = self.worker.as_ref().filter(|_| self.is_ending) else { return };
        if worker.gate.with(|gate| gate.is_idle(host::now_us())).unwrap_or(true) {
            self.is_ending = false;
            self.set_tick_period(Duration::ZERO);
            self.done();
        }
    }

    /// Lets streams go on or answers them, each in its own context.
    fn release(&self, releases: Vec<Release>) {
        if releases.is_empty() {
            return;
        }
        for Release { stream, disposition } in releases {
            if hostcalls::set_effective_context(stream).is_err() {
                continue; // it has gone since
            }
            match disposition {
                Disposition::Pass(summary) => {
                    host::set_summary(&summary);
                    host::tell("resume a request", hostcalls::resume_http_request());
                }
                Disposition::Answer(answer) => host::answer(&answer),
                Disposition::Pause => {}
            }
        }
        host::tell("return to the root context", hostcalls::set_effective_context(self.id));
    }
}

impl Context for Root {
    /// The policy has been replaced, or Envoy ends: what is leased is given back first. The calls
    /// for it are made at the next tick: when Envoy ends there is none, and no call may be made.
    fn on_done(&mut self) -> bool {
        let Some(worker) = &mut self.worker else { return true };
        let (now_us, metrics) = (host::now_us(), &mut worker.metrics);
        let is_idle = worker.gate.with(|gate| {
            gate.close(now_us);
            metrics.add(gate);
            gate.is_idle(now_us)
        });
        self.is_ending = is_idle == Some(false);
        !self.is_ending
    }

    fn on_http_call_response(
        &mut self,
        token: u32,
        headers: usize,
        body_bytes: usize,
        _trailers: usize,
    ) {
        let Some(call) = self.worker.as_mut().and_then(|worker| worker.calls.remove(&token)) else {
            return;
        };
        if headers == 0 {
            // The reply broke off. There is no map of its headers then, and asking for one would
            // panic.
            self.replied(call, Reply::default());
            return self.make_calls();
        }
        let status = host::reply_header(":status");
        let marker = host::reply_header(MARKER_HEADER);
        let body = self.get_http_call_response_body(0, body_bytes.min(MAX_REPLY_BYTES));
        let body = body.unwrap_or_default();
        let reply = Reply { status: status.as_deref(), marker: marker.as_deref(), body: &body };
        self.replied(call, reply);
        self.make_calls(); // more may have gathered meanwhile
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _config_bytes: usize) -> bool {
        match self.configure() {
            Ok(worker) => {
                self.worker = Some(worker);
                self.set_tick_period(TICK);
                true
            }
            Err(message) => {
                log::error!("tollgate: the policy is refused: {message}");
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        // What woke us says nothing: the work is in the gate.
        let _woken = hostcalls::dequeue_shared_queue(queue);
        self.make_calls();
    }

    fn on_tick(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        let now_us = host::now_us();
        let released = worker.gate.with(|gate| gate.tick(now_us, &Process)).unwrap_or_default();
        let metrics = &mut worker.metrics;
        let lines = worker.gate.with(|gate| {
            metrics.add(gate);
            gate.take_log(now_us)
        });
        lines.unwrap_or_default().iter().for_each(|line| log::info!("tollgate: {line}"));
        self.release(released);
        self.make_calls();
        self.end_if_done();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let worker = self.worker.as_ref()?;
        Some(Box::new(Stream::new(
            id,
            worker.gate.clone(),
            worker.queue,
            worker.jwt_payload.clone(),
        )))
    }
}

/// Registers a queue whose name no other worker of this process has.
fn own_queue() -> Result<u32, Status> {
    // As many tries as there could be workers starting at once, and then some.
    for _ in 0..1_000 {
        let (bytes, cas) = hostcalls::get_shared_data(QUEUE_COUNT)?;
        let count = bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        let next = count.wrapping_add(1);
        match hostcalls::set_shared_data(QUEUE_COUNT, Some(&next.to_le_bytes()), cas) {
            Ok(()) => return hostcalls::register_shared_queue(&format!("tollgate.{next}")),
            Err(Status::CasMismatch) => {}
            Err(status) => return Err(status),
        }
    }
    Err(Status::CasMismatch)
}
