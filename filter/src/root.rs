//! The worker's root context: configuration, the calls to the shim, and the releases of streams.

use crate::SharedGate;
use crate::configuration;
use crate::host;
use crate::stream::Stream;
use limits::gate::{CallKind, Disposition, Gate, Release, Reply};
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
const TICK: Duration = Duration::from_secs(1);
/// The largest reply that is read.
const MAX_REPLY_BYTES: usize = 4 << 20;

pub(crate) struct Root {
    id: u32,
    worker: Option<Worker>,
}

/// What a configured worker has.
struct Worker {
    gate: SharedGate,
    queue: u32,
    cluster: String,
    jwt_payload: Rc<str>,
    calls: HashMap<u32, CallKind>,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, worker: None }
    }

    fn configure(&self) -> Result<Worker, String> {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let policy = configuration::policy(&text).map_err(|errors| errors.to_string())?;
        let queue =
            own_queue().map_err(|status| format!("Envoy gave no shared queue: {status:?}"))?;
        Ok(Worker {
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
        let calls = worker.gate.with(|gate| gate.ready(host::now_ms())).unwrap_or_default();
        let mut failed = Vec::new();
        for call in calls {
            match host::call(&worker.cluster, &call) {
                Ok(token) => {
                    worker.calls.insert(token, call.kind);
                }
                Err(status) => {
                    log::warn!("tollgate: could not call the shim: {status:?}");
                    failed.push(call.kind);
                }
            }
        }
        failed.into_iter().for_each(|kind| self.replied(kind, Reply::default()));
    }

    fn replied(&self, kind: CallKind, reply: Reply<'_>) {
        let Some(worker) = &self.worker else { return };
        let released = worker.gate.with(|gate| gate.reply(host::now_ms(), kind, reply));
        self.release(released.unwrap_or_default());
    }

    /// Lets streams go on or answers them, each in its own context.
    fn release(&self, releases: Vec<Release>) {
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
    fn on_http_call_response(
        &mut self,
        token: u32,
        _headers: usize,
        body_bytes: usize,
        _trailers: usize,
    ) {
        let Some(kind) = self.worker.as_mut().and_then(|worker| worker.calls.remove(&token)) else {
            return;
        };
        let status = host::reply_header(":status");
        let marker = host::reply_header(MARKER_HEADER);
        let body = self.get_http_call_response_body(0, body_bytes.min(MAX_REPLY_BYTES));
        let body = body.unwrap_or_default();
        let reply = Reply { status: status.as_deref(), marker: marker.as_deref(), body: &body };
        self.replied(kind, reply);
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
        let Some(worker) = &self.worker else { return };
        let released = worker.gate.with(|gate| gate.tick(host::now_ms())).unwrap_or_default();
        self.release(released);
        self.make_calls();
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
