//! The simulated world: a queue of what happens when, and everybody to whom it happens.
//!
//! One event after the other; each may bring about others, later. Chance comes from the seed, time
//! from the queue, so a run is the same each time. What VMs do is handled in `outcomes`, calls to
//! the shim in `calls`, clients in `clients`.

mod calls;
mod clients;
mod outcomes;

use crate::dice::Dice;
use crate::envoy::{Envoy, START_MS};
use crate::fault::Fault;
use crate::record::{Record, Sizes};
use crate::scenario::Scenario;
use crate::shim::Shim;
use crate::trace::Trace;
use calls::Calls;
use clients::Clients;
use limits::policy::Policy;
use proxy_wasm_host::abi::LogLevel;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::vm::Vm;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How long after the last trouble everything must have come to rest.
const QUIET_US: u64 = 9_000_000;
/// The latest that a timer is.
const TIMER_LATE_US: u64 = 2_000;
/// The most events of a run: one that goes on for ever ends.
const MAX_EVENTS: u64 = 2_000_000;

/// Where a VM is: in which Envoy, and which of its VMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) envoy: usize,
    pub(crate) vm: usize,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// A client asks.
    Asks,
    /// A patient client asks.
    PatientAsks(usize),
    /// A VM's event loop turns.
    Turn(Place),
    /// A VM's timers may be due.
    Tick(Place),
    /// A call reaches the shim.
    CallArrives(u64),
    /// A call's reply, or what stands for it, reaches the VM.
    CallEnds(u64, calls::Ending),
    /// The upstream answers a request.
    UpstreamAnswers(usize),
    /// A client leaves.
    Leaves(usize),
    /// A response is complete.
    Ends(usize),
    /// An Envoy is given another policy.
    Reloads(usize),
    /// One of its VMs is.
    Configures(Place),
}

/// The world.
pub(crate) struct World {
    now_us: u64,
    end_us: u64,
    scenario: Scenario,
    dice: Dice,
    fault: Option<Fault>,
    plugin: Plugin,
    envoys: Vec<Envoy>,
    /// Which policy each VM has.
    generations: Vec<Vec<usize>>,
    policies: Vec<Policy>,
    shim: Shim,
    calls: Calls,
    clients: Clients,
    queue: BinaryHeap<Reverse<(u64, u64, u64, Happening)>>,
    pushed: u64,
    record: Record,
    trace: Trace,
}

impl World {
    /// The world of `seed`.
    pub(crate) fn of(plugin: &Plugin, seed: u64, fault: Option<Fault>, is_traced: bool) -> Self {
        let mut dice = Dice::of(seed);
        let scenario = Scenario::of(&mut dice);
        let shim = Shim::new(scenario.ledger_ahead_ms, fault);
        let last_trouble = scenario.outages.iter().map(|out| out.to_us).max().unwrap_or(0);
        let end_us = scenario.busy_us.max(last_trouble) + QUIET_US;
        let mut world = Self {
            now_us: 0,
            end_us,
            dice,
            fault,
            plugin: plugin.clone(),
            envoys: Vec::new(),
            generations: Vec::new(),
            policies: Vec::new(),
            shim,
            calls: Calls::default(),
            clients: Clients::default(),
            queue: BinaryHeap::new(),
            pushed: 0,
            record: Record::default(),
            trace: Trace::new(is_traced),
            scenario,
        };
        world.begin();
        world
    }

    /// Runs to the end: the record, and the trace.
    pub(crate) fn run(mut self) -> (Record, Trace) {
        let mut events = 0;
        while let Some(Reverse((at_us, _, _, happening))) = self.queue.pop() {
            if at_us > self.end_us || events > MAX_EVENTS {
                break;
            }
            events += 1;
            self.now_us = at_us;
            self.happen(happening);
        }
        self.finish();
        (self.record, self.trace)
    }

    fn begin(&mut self) {
        let policy = self.scenario.policy.clone();
        self.add_policy(&policy);
        let reload = self.scenario.reload.clone();
        if let Some((_, policy)) = &reload {
            self.add_policy(policy);
        }
        self.trace.note(0, format_args!("policy {policy}"));
        for place in self.scenario.envoys.clone() {
            match Envoy::start(&self.plugin, place, &policy, self.fault) {
                Ok(envoy) => {
                    self.generations.push(vec![0; envoy.vms.len()]);
                    self.envoys.push(envoy);
                }
                Err(error) => self.record.misconduct.push(error.to_string()),
            }
        }
        for envoy in 0..self.envoys.len() {
            (0..self.vms(envoy)).for_each(|vm| self.after(Place { envoy, vm }));
            if let Some((at_us, _)) = reload {
                let late_us = self.dice.delay_us(100_000);
                self.push(at_us + late_us, Happening::Reloads(envoy));
            }
        }
        self.begin_clients();
    }

    /// Notes what is left when all is quiet.
    fn finish(&mut self) {
        let now_ms = START_MS + self.end_us / 1_000;
        for due in self.record.requests.iter().flat_map(|request| &request.due) {
            if let Some(used) = self.shim.used(now_ms, &due.counter) {
                self.record.used.insert(due.counter.clone(), used);
            }
        }
        self.record.unsettled = self.calls.unsettled(&self.shim);
        self.record.work.settled = self.shim.settles_applied();
        for envoy in &self.envoys {
            let state = envoy.process.read();
            let count = |name| state.metrics.get(name).map_or(0, |metric| metric.value);
            let work = &mut self.record.work;
            work.leases_spent += count("tollgate.leases.spent");
            work.leases_returned += count("tollgate.leases.returned");
            work.denied_before += count("tollgate.denied_before.hits");
            work.breakers_opened += count("tollgate.breaker.opened");
        }
        (0..self.envoys.len()).for_each(|envoy| self.measure(envoy));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Asks => self.somebody_asks(),
            Happening::PatientAsks(patient) => self.patient_asks(patient),
            Happening::Turn(place) => self.with(place, Vm::run_wakes),
            Happening::Tick(place) if self.fault != Some(Fault::Silence) => {
                self.with(place, Vm::run_ticks);
            }
            Happening::Tick(_) => {}
            Happening::CallArrives(call) => self.call_arrives(call),
            Happening::CallEnds(call, ending) => self.call_ends(call, ending),
            Happening::UpstreamAnswers(request) => self.upstream_answers(request),
            Happening::Leaves(request) => self.leaves(request),
            Happening::Ends(request) => self.ends(request),
            Happening::Reloads(envoy) => self.reloads(envoy),
            Happening::Configures(place) => self.configures(place),
        }
    }

    /// Puts something into the queue. What happens at one time happens in an order that the seed
    /// chooses.
    fn push(&mut self, at_us: u64, happening: Happening) {
        self.pushed += 1;
        let order = self.dice.of_range(0..=u64::from(u16::MAX));
        self.queue.push(Reverse((at_us.max(self.now_us), order, self.pushed, happening)));
    }

    /// Has a VM do something now, and looks at what comes of it.
    fn with(&mut self, place: Place, act: impl FnOnce(&mut Vm)) {
        let Some(envoy) = self.envoys.get_mut(place.envoy) else { return };
        envoy.set_time(self.now_us);
        let Some(vm) = envoy.vms.get_mut(place.vm) else { return };
        act(vm);
        self.after(place);
    }

    /// Looks at what has come of what a VM did: events, wakes, timers, words.
    fn after(&mut self, place: Place) {
        let events = self.vm(place).map(Vm::take_events).unwrap_or_default();
        events.into_iter().for_each(|event| self.comes_of(place, event));
        for vm in 0..self.vms(place.envoy) {
            let other = Place { vm, ..place };
            if self.vm(other).is_some_and(|vm| vm.has_wakes()) {
                let at_us = self.now_us + self.dice.of_range(0..=30);
                self.push(at_us, Happening::Turn(other));
            }
        }
        let due_us = self.envoys.get(place.envoy).and_then(|envoy| envoy.next_tick_us(place.vm));
        if let Some(due_us) = due_us.filter(|due_us| self.clients.is_news(place, *due_us)) {
            let late_us = self.dice.of_range(0..=TIMER_LATE_US);
            self.push(due_us + late_us, Happening::Tick(place));
        }
        self.listen(place.envoy);
    }

    /// Notes what the filter complains of and calls wrongly.
    fn listen(&mut self, envoy: usize) {
        let Some(process) = self.envoys.get(envoy).map(|envoy| envoy.process.clone()) else {
            return;
        };
        for line in process.take_log() {
            self.trace.note(self.now_us, format_args!("envoy {envoy} logs {}", line.message));
            if line.level >= LogLevel::Warn {
                self.record.misconduct.push(format!("{:?}: {}", line.level, line.message));
            }
        }
        for violation in process.take_violations() {
            let what = format!("{}: {}", violation.function, violation.what);
            self.trace.note(self.now_us, format_args!("envoy {envoy} wrongs {what}"));
            self.record.misconduct.push(what);
        }
    }

    fn measure(&mut self, envoy: usize) {
        let calls = (0..self.vms(envoy)).map(|vm| self.calls.of(Place { envoy, vm })).max();
        let Some(envoy) = self.envoys.get(envoy) else { return };
        let state = envoy.process.read();
        let sizes = Sizes {
            memory_bytes: envoy.vms.iter().map(Vm::memory_bytes).max().unwrap_or(0),
            shared_keys: state.data.len(),
            shared_bytes: state.data.bytes(),
            queued: state.queues.waiting(),
            metrics: state.metrics.iter().count(),
            calls: calls.unwrap_or(0),
        };
        drop(state);
        self.record.note_sizes(sizes);
    }

    fn reloads(&mut self, envoy: usize) {
        let Some((_, policy)) = self.scenario.reload.clone() else { return };
        self.trace.note(self.now_us, format_args!("envoy {envoy} gets {policy}"));
        let Some(at) = self.envoys.get(envoy) else { return };
        at.set_time(self.now_us);
        let options = crate::envoy::options(&policy);
        if let Err(error) = crate::envoy::validate(&self.plugin, &at.process, &options) {
            self.record.misconduct.push(error.to_string());
        }
        for vm in 0..self.vms(envoy) {
            let at_us = self.now_us + self.dice.delay_us(20_000);
            self.push(at_us, Happening::Configures(Place { envoy, vm }));
        }
    }

    fn configures(&mut self, place: Place) {
        let Some((_, policy)) = self.scenario.reload.clone() else { return };
        let configuration = Value::to_string(&policy).into_bytes();
        let mut refused = None;
        self.with(place, |vm| refused = vm.configure(configuration).err());
        self.record.work.reloaded += u64::from(refused.is_none());
        self.record.misconduct.extend(refused.map(|error| error.to_string()));
        let held = self.generations.get_mut(place.envoy).and_then(|vms| vms.get_mut(place.vm));
        if let Some(generation) = held {
            *generation = 1;
        }
    }

    fn add_policy(&mut self, policy: &Value) {
        match Policy::from_value(policy.clone()) {
            Ok(policy) => self.policies.push(policy),
            Err(error) => self.record.misconduct.push(format!("no policy: {error}: {policy}")),
        }
    }

    fn vm(&mut self, place: Place) -> Option<&mut Vm> {
        self.envoys.get_mut(place.envoy)?.vms.get_mut(place.vm)
    }

    fn vms(&self, envoy: usize) -> usize {
        self.envoys.get(envoy).map_or(0, |envoy| envoy.vms.len())
    }
}
