//! Clients. Most send requests regardless of the answers. A few patient ones have their own
//! counters, wait for the given Retry-After, and try again.

use super::state::{Clients, Patient, Place, PromisedRetry, World, WorldEvent};
use crate::fault::Fault;
use crate::record::{DecidedBy, Due, Request, Wait};
use crate::request::ClientRequest;
use crate::terms;
use limits::counter::CounterName;
use proxy_wasm_host::event::StreamNumber;
use proxy_wasm_host::vm::Vm;

/// The time before the end without new requests, so that everything can settle, in µs.
const CALM_US: u64 = 3_000_000;
/// The number of patient clients.
const PATIENT: usize = 2;

impl Clients {
    pub(super) fn request(&self, place: Place, stream: StreamNumber) -> Option<usize> {
        self.streams.get(&(place, stream)).copied()
    }

    pub(super) fn place(&self, request: usize) -> Option<(Place, StreamNumber)> {
        self.places.get(&request).copied()
    }

    /// Returns true if a timer due at `due_us` is not scheduled yet, and marks it as scheduled.
    pub(super) fn needs_tick(&mut self, place: Place, due_us: u64) -> bool {
        self.ticks.insert(place, due_us) != Some(due_us)
    }

    fn forget(&mut self, request: usize) {
        if let Some(at) = self.places.remove(&request) {
            self.streams.remove(&at);
        }
    }
}

impl World {
    pub(super) fn begin_clients(&mut self) {
        self.push(1_000, WorldEvent::Asks);
        for patient in 0..PATIENT {
            let ask = ClientRequest::patient(&mut self.dice, patient as u64);
            self.clients.patient.insert(patient, Patient { ask, promised: None });
            self.push(2_000, WorldEvent::PatientAsks(patient));
        }
    }

    pub(super) fn random_client_asks(&mut self) {
        let ask = ClientRequest::random(&mut self.dice, self.scenario.payers);
        let request = self.send(&ask);
        if self.dice.chance(self.scenario.leavers) {
            let at_us = self.now_us + self.dice.delay_us(100_000);
            self.push(at_us, WorldEvent::Leaves(request));
        }
        let next_us = self.now_us + self.dice.in_range(0..=self.scenario.pause_us * 2);
        if next_us < self.scenario.busy_us {
            self.push(next_us, WorldEvent::Asks);
        }
    }

    pub(super) fn patient_asks(&mut self, patient: usize) {
        let Some(ask) = self.clients.patient.get(&patient).map(|patient| patient.ask.clone())
        else {
            return;
        };
        // Register the request first: its answer can come immediately.
        self.clients.of_patient.insert(self.record.requests.len(), patient);
        self.send(&ask);
    }

    /// Sends a request to a random worker and returns the request's number.
    fn send(&mut self, ask: &ClientRequest) -> usize {
        let number = self.record.requests.len();
        let Some(place) = self.random_worker() else { return number };
        let held = self.generations.get(place.envoy).and_then(|vms| vms.get(place.vm));
        let generation = held.copied().unwrap_or(0);
        let Some(policy) = self.policies.get(generation) else { return number };
        let plan = policy.plan(ask).map(|plan| plan.charges).unwrap_or_default();
        let due: Vec<Due> = plan.iter().filter_map(|planned| Due::of(policy, planned)).collect();
        let (timeout_ms, salt) = (policy.timeout_ms, policy.salt.clone());
        let document = self.document(generation);
        let terms = document.map(|document| terms::of(document, ask)).unwrap_or_default();
        self.trace.note(self.now_us, format_args!("request {number} at {place:?}: {ask:?}"));
        self.record.requests.push(Request {
            envoy: place.envoy,
            vm: place.vm,
            generation,
            timeout_ms,
            salt,
            due,
            terms,
            ..Request::default()
        });
        if self.fault == Some(Fault::Leak)
            && let Some(envoy) = self.envoys.get(place.envoy)
        {
            let key = format!("leak {number}").into_bytes();
            let mut state = envoy.process.state();
            // Version 0 cannot mismatch.
            let _ = state.data.set("tollgate", &key, &[0; 100_000], 0);
        }
        let mut stream = 0;
        let request = ask.to_host_request();
        let Some(envoy) = self.envoys.get_mut(place.envoy) else { return number };
        envoy.set_time(self.now_us);
        if let Some(vm) = envoy.vms.get_mut(place.vm) {
            stream = vm.open(request);
        }
        self.clients.streams.insert((place, stream), number);
        self.clients.places.insert(number, (place, stream));
        let is_paused = self.vm(place).is_some_and(|vm| vm.is_paused(stream));
        if let Some(request) = self.record.requests.get_mut(number).filter(|_| is_paused) {
            request.paused_us = Some(self.now_us);
        }
        self.collect_outcomes(place);
        number
    }

    /// Chooses a random worker. The main thread (VM 0) has no listener.
    fn random_worker(&mut self) -> Option<Place> {
        let envoys = u64::try_from(self.envoys.len()).ok()?.checked_sub(1)?;
        let envoy = usize::try_from(self.dice.in_range(0..=envoys)).ok()?;
        let workers = u64::try_from(self.vms(envoy)).ok()?.checked_sub(1)?;
        let vm = usize::try_from(self.dice.in_range(1..=workers.max(1))).ok()?;
        Some(Place { envoy, vm })
    }

    /// Disconnects a client. Does nothing if its request has ended.
    pub(super) fn leaves(&mut self, request: usize) {
        if self.clients.place(request).is_some() {
            self.trace.note(self.now_us, format_args!("request {request}: its client disconnects"));
            let waits = |one: &Request| one.paused_us.is_some() && one.released_us.is_none();
            let is_waiting = self.record.requests.get(request).is_some_and(waits);
            self.record.work.left_waiting += u64::from(is_waiting);
            self.release(request);
            self.ends(request);
        }
    }

    /// Ends a request's stream.
    pub(super) fn ends(&mut self, request: usize) {
        let Some((place, stream)) = self.clients.place(request) else { return };
        self.clients.forget(request);
        self.run_vm(place, |vm: &mut Vm| vm.end(stream));
    }

    /// Records that a request is no longer paused.
    pub(super) fn release(&mut self, request: usize) {
        let now_us = self.now_us;
        if let Some(request) = self.record.requests.get_mut(request) {
            request.released_us.get_or_insert(now_us);
        }
    }

    /// Delivers an answer to its client. A patient client that was refused waits for the
    /// Retry-After.
    pub(super) fn client_gets_answer(&mut self, request: usize, retry_after_s: Option<u64>) {
        let Some(patient) = self.clients.of_patient.remove(&request) else { return };
        let charges = self.own_charges(request);
        let asked = self.record.requests.get(request);
        let generation = asked.map_or(0, |asked| asked.generation);
        let is_degraded = asked.is_some_and(|asked| asked.is_degraded);
        let refusal = asked.and_then(|asked| asked.refusal.clone());
        let is_blocked = refusal.as_ref().is_some_and(|refusal| refusal.is_blocked);
        let is_repeated =
            refusal.as_ref().is_some_and(|refusal| refusal.by == DecidedBy::DeniedBefore);
        let is_denied = refusal.is_some();
        let Some(client) = self.clients.patient.get_mut(&patient) else { return };
        if let Some(promised) = client.promised.take()
            && promised.generation == generation
            && !is_degraded
        {
            let were_changed = promised.charges != charges || promised.is_repeated && is_blocked;
            self.record.waits.push(Wait {
                retry_after_s: promised.seconds,
                is_denied,
                were_changed,
            });
        }
        let refused = retry_after_s.filter(|_| is_denied && !is_degraded);
        let is_repeated = is_repeated && !is_blocked;
        client.promised =
            refused.map(|seconds| PromisedRetry { seconds, generation, charges, is_repeated });
        let pause_us =
            refused.map_or_else(|| self.dice.in_range(1_000..=60_000), |s| s * 1_000_000);
        let next_us = self.now_us + pause_us;
        let last_us = if refused.is_some() { self.end_us - CALM_US } else { self.scenario.busy_us };
        if next_us < last_us {
            self.push(next_us, WorldEvent::PatientAsks(patient));
        }
    }

    /// Returns the number of charges so far to the counters of a request.
    fn own_charges(&self, request: usize) -> u64 {
        let due = self.record.requests.get(request).into_iter().flat_map(|request| &request.due);
        due.map(|due: &Due| self.charges_of(&due.counter)).sum()
    }

    fn charges_of(&self, counter: &CounterName) -> u64 {
        self.shim.charges(counter)
    }
}
