//! Clients: most ask and forget; a few have counters of their own, wait as long as they are told,
//! and ask again.

use super::{Happening, Place, World};
use crate::fault::Fault;
use crate::record::{Due, Request, Wait};
use crate::request::Ask;
use limits::counter::CounterName;
use proxy_wasm_host::event::StreamNumber;
use proxy_wasm_host::vm::Vm;
use std::collections::BTreeMap;

/// How long before the end nobody asks any more, so that everything comes to rest.
const CALM_US: u64 = 3_000_000;
/// How many patient clients there are.
const PATIENT: usize = 2;

/// Who has asked, and where their streams are.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    streams: BTreeMap<(Place, StreamNumber), usize>,
    places: BTreeMap<usize, (Place, StreamNumber)>,
    patient: BTreeMap<usize, Patient>,
    /// Which requests are a patient client's.
    of_patient: BTreeMap<usize, usize>,
    /// For when each VM's timer has been put into the queue.
    ticks: BTreeMap<Place, u64>,
}

#[derive(Debug)]
struct Patient {
    ask: Ask,
    waits: Option<Told>,
}

/// What a patient client was told.
#[derive(Debug, Clone)]
struct Told {
    seconds: u64,
    generation: usize,
    /// How often its counters had been charged when it asked.
    charges: u64,
}

impl Clients {
    pub(super) fn request(&self, place: Place, stream: StreamNumber) -> Option<usize> {
        self.streams.get(&(place, stream)).copied()
    }

    pub(super) fn place(&self, request: usize) -> Option<(Place, StreamNumber)> {
        self.places.get(&request).copied()
    }

    /// Whether a timer due then is not in the queue yet.
    pub(super) fn is_news(&mut self, place: Place, due_us: u64) -> bool {
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
        self.push(1_000, Happening::Asks);
        for patient in 0..PATIENT {
            let ask = Ask::patient(&mut self.dice, patient as u64);
            self.clients.patient.insert(patient, Patient { ask, waits: None });
            self.push(2_000, Happening::PatientAsks(patient));
        }
    }

    pub(super) fn somebody_asks(&mut self) {
        let ask = Ask::random(&mut self.dice, self.scenario.payers);
        let request = self.asks(&ask);
        if self.dice.chance(self.scenario.leavers) {
            let at_us = self.now_us + self.dice.delay_us(100_000);
            self.push(at_us, Happening::Leaves(request));
        }
        let next_us = self.now_us + self.dice.of_range(0..=self.scenario.pause_us * 2);
        if next_us < self.scenario.busy_us {
            self.push(next_us, Happening::Asks);
        }
    }

    pub(super) fn patient_asks(&mut self, patient: usize) {
        let Some(ask) = self.clients.patient.get(&patient).map(|patient| patient.ask.clone())
        else {
            return;
        };
        // The request is known as his before its answer can come.
        self.clients.of_patient.insert(self.record.requests.len(), patient);
        self.asks(&ask);
    }

    /// A request arrives at some worker: its number.
    fn asks(&mut self, ask: &Ask) -> usize {
        let number = self.record.requests.len();
        let Some(place) = self.somewhere() else { return number };
        let held = self.generations.get(place.envoy).and_then(|vms| vms.get(place.vm));
        let generation = held.copied().unwrap_or(0);
        let Some(policy) = self.policies.get(generation) else { return number };
        let plan = policy.plan(ask).map(|plan| plan.charges).unwrap_or_default();
        let due: Vec<Due> = plan.iter().filter_map(|planned| Due::of(policy, planned)).collect();
        let timeout_ms = policy.timeout_ms;
        self.trace.note(self.now_us, format_args!("request {number} at {place:?}: {ask:?}"));
        self.record.requests.push(Request {
            envoy: place.envoy,
            vm: place.vm,
            generation,
            timeout_ms,
            due,
            ..Request::default()
        });
        if self.fault == Some(Fault::Leak)
            && let Some(envoy) = self.envoys.get(place.envoy)
        {
            let key = format!("leak {number}").into_bytes();
            let mut state = envoy.process.state();
            // Always set: no version is expected.
            let _ = state.data.set("tollgate", &key, &[0; 100_000], 0);
        }
        let mut stream = 0;
        let request = ask.at_envoy();
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
        self.after(place);
        number
    }

    /// A worker: the main thread has no listener.
    fn somewhere(&mut self) -> Option<Place> {
        let envoys = u64::try_from(self.envoys.len()).ok()?.checked_sub(1)?;
        let envoy = usize::try_from(self.dice.of_range(0..=envoys)).ok()?;
        let workers = u64::try_from(self.vms(envoy)).ok()?.checked_sub(1)?;
        let vm = usize::try_from(self.dice.of_range(1..=workers.max(1))).ok()?;
        Some(Place { envoy, vm })
    }

    /// A client leaves; if its request is done with, that is not noticed.
    pub(super) fn leaves(&mut self, request: usize) {
        if self.clients.place(request).is_some() {
            self.trace.note(self.now_us, format_args!("request {request}: its client leaves"));
            let waits = |one: &Request| one.paused_us.is_some() && one.released_us.is_none();
            let is_waiting = self.record.requests.get(request).is_some_and(waits);
            self.record.work.left_waiting += u64::from(is_waiting);
            self.release(request);
            self.ends(request);
        }
    }

    /// A stream ends.
    pub(super) fn ends(&mut self, request: usize) {
        let Some((place, stream)) = self.clients.place(request) else { return };
        self.clients.forget(request);
        self.with(place, |vm: &mut Vm| vm.end(stream));
    }

    /// Notes that a request does not wait any more.
    pub(super) fn release(&mut self, request: usize) {
        let now_us = self.now_us;
        if let Some(request) = self.record.requests.get_mut(request) {
            request.released_us.get_or_insert(now_us);
        }
    }

    /// A client has its answer. A patient one that was refused waits as long as it was told.
    pub(super) fn is_answered(&mut self, request: usize, status: u16, retry_after_s: Option<u64>) {
        let Some(patient) = self.clients.of_patient.remove(&request) else { return };
        let charges = self.own_charges(request);
        let asked = self.record.requests.get(request);
        let generation = asked.map_or(0, |asked| asked.generation);
        let is_degraded = asked.is_some_and(|asked| asked.is_degraded);
        let Some(client) = self.clients.patient.get_mut(&patient) else { return };
        if let Some(told) = client.waits.take()
            && told.generation == generation
            && !is_degraded
        {
            let were_charged = told.charges != charges;
            self.record.waits.push(Wait { told_s: told.seconds, status, were_charged });
        }
        let refused = retry_after_s.filter(|_| status == 429 && !is_degraded);
        client.waits = refused.map(|seconds| Told { seconds, generation, charges });
        let pause_us =
            refused.map_or_else(|| self.dice.of_range(1_000..=60_000), |s| s * 1_000_000);
        let next_us = self.now_us + pause_us;
        let last_us = if refused.is_some() { self.end_us - CALM_US } else { self.scenario.busy_us };
        if next_us < last_us {
            self.push(next_us, Happening::PatientAsks(patient));
        }
    }

    /// How often the counters that a request is held against have been charged so far.
    fn own_charges(&self, request: usize) -> u64 {
        let due = self.record.requests.get(request).into_iter().flat_map(|request| &request.due);
        due.map(|due: &Due| self.charges_of(&due.counter)).sum()
    }

    fn charges_of(&self, counter: &CounterName) -> u64 {
        self.shim.charges(counter)
    }
}
