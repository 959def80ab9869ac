//! A policy's gate, which all workers share, and its paused requests.
//!
//! Workers call it from their hooks, [`crate::drive`] from the module's thread. The lock is held
//! only while the gate works, and never across a call of Envoy that reads a request.

use crate::abi::configuration::{Configuration, MainWaker};
use crate::abi::stream::{Stream, Waker};
use crate::abi::{LogLevel, log};
use crate::clock::now_us;
use crate::configuration::Settings;
use crate::connection::Headers;
use crate::facts::RequestFacts;
use crate::local::Local;
use crate::metrics::{self, Metrics};
use crate::runtime;
use crate::sync::{Condvar, Mutex, MutexGuard};
use limits::gate::{
    self, Arrival, CallKind, Disposition, Gate, Release, Released, Response, ResponseFacts,
    SettleResult, StreamId,
};
use limits::policy::{Jwt, KNOWN_SALT, Policy};
use limits::wire::{Decision, Request, Settle};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;
use tokio::sync::Notify;

/// The longest that Envoy's main thread waits for a replaced policy to give its leases back. When
/// Envoy stops, there is no later chance.
const CLOSES_WITHIN: Duration = Duration::from_millis(250);

/// Returns [`CLOSES_WITHIN`], or 0 for a test in which the same thread is the ledger.
fn closes_within() -> Duration {
    #[cfg(feature = "simulated")]
    if crate::clock::simulated_us().is_some() {
        return Duration::ZERO;
    }
    CLOSES_WITHIN
}

/// Numbers the configurations of this process, for marks.
static FRONTS: AtomicU64 = AtomicU64::new(0);
/// True once this process has warned of a known salt.
static WARNED: AtomicBool = AtomicBool::new(false);

/// A configured filter: its policy, its gate and its paused requests.
pub(crate) struct Front {
    number: u64,
    policy: Arc<Policy>,
    /// The next stream's id.
    ids: AtomicU64,
    state: Mutex<State>,
    /// Notified once nothing is left to settle.
    idle: Condvar,
    /// Wakes the module's thread, to make calls.
    pub(crate) calls: Notify,
    metrics: Metrics,
    main: MainWaker,
    main_thread: ThreadId,
}

struct State {
    gate: Gate,
    paused: FxHashMap<StreamId, Paused>,
    /// The stream that will wake the module's thread, once its worker has handled what else came in.
    caller: Option<StreamId>,
    is_closed: bool,
}

/// A paused request.
struct Paused {
    waker: Waker,
    release: Option<Release>,
}

/// The release of a stream that has been woken.
pub(crate) enum Woken {
    /// It is still paused, or was never.
    Not,
    By(Release),
}

/// A call of the gate to the ledger.
pub(crate) struct Call {
    pub(crate) id: u32,
    pub(crate) content: Content,
    /// In ms.
    pub(crate) timeout_ms: u64,
}

pub(crate) enum Content {
    /// With the headers for a shim.
    Requests(Vec<Request>, Headers),
    Settles(Vec<Settle>),
    Probe,
}

/// The result of a call.
pub(crate) enum Reply {
    /// `None` if it failed.
    Decisions(Option<Vec<Decision>>),
    Settled(SettleResult),
    /// True if the ledger can decide.
    Probed(bool),
}

impl Front {
    /// Creates a front for the document in `text`. With `is_validating`, it only checks the
    /// document.
    ///
    /// # Errors
    /// Fails with a sentence about what is wrong.
    pub(crate) fn configure(
        configuration: &mut Configuration<'_>,
        text: &[u8],
        is_validating: bool,
    ) -> Result<Arc<Self>, String> {
        let Settings { ledger, policy } = Settings::parse(text)?;
        if policy.has_known_salt() && !WARNED.swap(true, Ordering::Relaxed) {
            log(LogLevel::Warn, &format!("tollgate: {KNOWN_SALT}"));
        }
        let policy = Arc::new(policy);
        let front = Arc::new(Self {
            number: FRONTS.fetch_add(1, Ordering::Relaxed),
            ids: AtomicU64::new(0),
            state: Mutex::new(State {
                gate: Gate::beside_ledger(Arc::clone(&policy)),
                paused: FxHashMap::default(),
                caller: None,
                is_closed: false,
            }),
            policy,
            idle: Condvar::new(),
            calls: Notify::new(),
            metrics: Metrics::define(configuration),
            main: configuration.waker(),
            main_thread: thread::current().id(),
        });
        if !is_validating {
            gate::prepare(&Local);
            runtime::drive(&front, ledger).inspect_err(|_| metrics::end_configuration())?;
        }
        Ok(front)
    }

    pub(crate) fn next_id(&self) -> StreamId {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn jwt(&self) -> &Jwt {
        &self.policy.jwt
    }

    /// Returns true if the policy wants decisions in the filter state.
    pub(crate) fn has_filter_state(&self) -> bool {
        self.policy.filter_state
    }

    /// Handles a request that has arrived on `stream`.
    pub(crate) fn arrive(
        &self,
        id: StreamId,
        stream: &Stream<'_>,
        facts: &RequestFacts<'_>,
    ) -> Disposition {
        let arrival = Arrival::of(&self.policy, facts);
        let now_us = now_us();
        let mut state = self.lock();
        let disposition = state.gate.arrive(now_us, id, arrival, facts, &Local);
        #[cfg(feature = "planted-panic")]
        crate::planted::at(crate::planted::Place::Lock, stream);
        let wakes = state.gate.take_wake(now_us);
        if disposition == Disposition::Pause {
            let waker = stream.waker();
            if wakes {
                // Envoy calls the stream's hook once this worker has handled what else came in, so that
                // one call carries all of it.
                waker.wake();
                state.caller = Some(id);
            }
            state.paused.insert(id, Paused { waker, release: None });
        } else if wakes {
            self.calls.notify_one();
        }
        disposition
    }

    /// Returns the mark of a request that may come back by an internal redirect.
    pub(crate) const fn mark_of(&self, id: StreamId) -> u64 {
        // Enough for 16 million configurations of a trillion requests each.
        (self.number << 40) | (id & ((1 << 40) - 1))
    }

    /// Handles a request that comes back by an internal redirect.
    pub(crate) fn redirected(&self, id: StreamId, mark: u64) -> Release {
        let before = (mark >> 40 == self.number).then_some(mark & ((1 << 40) - 1));
        self.lock().gate.redirected(id, before)
    }

    /// Returns the release of a paused request, once.
    pub(crate) fn woken(&self, id: StreamId) -> Woken {
        let mut state = self.lock();
        self.call_for(&mut state, id);
        let release = state.paused.get_mut(&id).and_then(|paused| paused.release.take());
        match release {
            Some(release) => {
                state.paused.remove(&id);
                Woken::By(release)
            }
            None => Woken::Not,
        }
    }

    /// Forgets a paused request that has been answered without its decision.
    pub(crate) fn forget(&self, id: StreamId) {
        let mut state = self.lock();
        if state.paused.remove(&id).is_some_and(|paused| paused.release.is_none()) {
            state.gate.done(id);
        }
    }

    /// Handles a response: returns the headers to set and to remove.
    pub(crate) fn response(&self, id: StreamId, facts: &impl ResponseFacts) -> Response {
        let response = self.lock().gate.response(id, facts, now_us);
        if response.wakes {
            self.calls.notify_one();
        }
        response
    }

    /// Ends a request. Returns true if it may come back by an internal redirect.
    pub(crate) fn end(&self, id: StreamId) -> bool {
        let mut state = self.lock();
        self.call_for(&mut state, id);
        state.paused.remove(&id);
        state.gate.done(id)
    }

    /// Wakes the module's thread, if `id` is the stream that was to do it.
    fn call_for(&self, state: &mut State, id: StreamId) {
        if state.caller == Some(id) {
            state.caller = None;
            self.calls.notify_one();
        }
    }

    /// Closes the gate: the policy has been replaced, or Envoy stops. Waits a moment for its leases
    /// to go back, unless a worker calls it, because the last request of a replaced policy was there.
    pub(crate) fn close(&self) {
        let now_us = now_us();
        let mut state = self.lock();
        state.gate.close(now_us);
        state.is_closed = true;
        self.calls.notify_one();
        if thread::current().id() == self.main_thread {
            let is_busy = |state: &mut State| !state.gate.is_idle(now_us);
            let waited = self.idle.wait_timeout_while(state, closes_within(), is_busy);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        self.metrics.leave(&mut state.gate);
        metrics::end_configuration();
    }

    /// Exports the metrics counted since the last call.
    pub(crate) fn export_metrics(&self, configuration: &mut Configuration<'_>) {
        let samples = metrics::take(&mut self.lock().gate);
        self.metrics.export(configuration, &samples);
    }

    /// Returns the calls to make now.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut state = self.lock();
        let calls = state.gate.ready(now_us());
        let content = |id, kind, headers| match kind {
            CallKind::Decide => Content::Requests(state.gate.requests(id), headers),
            CallKind::Settle => Content::Settles(state.gate.settles(id)),
            CallKind::Probe => Content::Probe,
        };
        let call = |call: gate::Call| Call {
            id: call.id,
            content: content(call.id, call.kind, call.headers),
            timeout_ms: call.timeout_ms,
        };
        calls.into_iter().map(call).collect()
    }

    /// Handles the reply to a call.
    pub(crate) fn reply(&self, id: u32, reply: Reply) {
        let mut state = self.lock();
        let now_us = now_us();
        match reply {
            Reply::Decisions(decisions) => {
                #[cfg(feature = "planted-panic")]
                crate::planted::on_thread();
                let released = state.gate.decided(now_us, id, decisions, &Local);
                state.release(released);
            }
            Reply::Settled(result) => state.gate.settled(now_us, id, result),
            Reply::Probed(ok) => state.gate.probed(now_us, ok),
        }
        if state.is_closed && state.gate.is_idle(now_us) {
            self.idle.notify_all();
        }
    }

    /// Lets time pass. Returns true once the front is closed and has nothing left to do.
    pub(crate) fn tick(&self) -> bool {
        let now_us = now_us();
        let mut state = self.lock();
        let released = state.gate.tick(now_us, &Local);
        state.release(released);
        let lines = state.gate.take_log(now_us);
        let warning = state.gate.take_warning(now_us);
        let is_over = state.is_closed && state.paused.is_empty() && state.gate.is_idle(now_us);
        if state.is_closed {
            self.metrics.leave(&mut state.gate);
        } else {
            // Under the lock, which closing takes too: then Envoy's main thread exists.
            self.main.wake();
        }
        drop(state);
        lines.iter().for_each(|line| log(LogLevel::Info, &format!("tollgate: {line}")));
        if let Some(warning) = warning {
            log(LogLevel::Error, &format!("tollgate: {warning}"));
        }
        is_over
    }

    /// Locks the state, even after a panic, which at worst left one request half decided.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes released streams. They exist, since a stream that ends leaves the table under the lock.
    fn release(&mut self, released: Vec<Released>) {
        for Released { stream, release } in released {
            if let Some(paused) = self.paused.get_mut(&stream) {
                paused.release = Some(release);
                paused.waker.wake();
            }
        }
    }
}
