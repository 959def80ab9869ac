//! The simulated world: an event queue and all participants.
//!
//! Events run one at a time and may schedule later ones. Randomness comes from the seed and time
//! from the queue, so every run is reproducible. `outcomes` handles the effects of VMs, `calls` the
//! calls to the shim, `clients` the clients, and `operator` the operator.

mod calls;
mod clients;
mod operator;
mod outcomes;
mod state;

use crate::dice::Dice;
use crate::envoy::{Envoy, START_MS};
use crate::fault::{self, Fault};
use crate::record::{Record, Sizes};
use crate::scenario::Scenario;
use crate::shim::Shim;
use crate::trace::Trace;
use limits::policy::Policy;
use proxy_wasm_host::abi::LogLevel;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::vm::Vm;
use serde_json::Value;
pub(crate) use state::World;
use state::{Calls, Clients, Place, WorldEvent};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The time after the last disturbance until the run ends, in µs. Everything must settle by then.
const QUIET_US: u64 = 9_000_000;
/// The maximum delay of a timer, in µs.
const TIMER_LATE_US: u64 = 2_000;
/// The maximum number of events in a run, which stops endless ones.
const MAX_EVENTS: u64 = 2_000_000;

impl World {
    /// Creates the world that `seed` determines.
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

    /// Runs to the end and returns the record and the trace.
    pub(crate) fn run(mut self) -> (Record, Trace) {
        let mut events = 0;
        while let Some(Reverse((at_us, _, _, event))) = self.queue.pop() {
            if at_us > self.end_us || events > MAX_EVENTS {
                break;
            }
            events += 1;
            self.now_us = at_us;
            self.handle(event);
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
        let policy = self.configuration(policy);
        for place in self.scenario.envoys.clone() {
            match Envoy::start(&self.plugin, place, &policy, self.fault) {
                Ok(envoy) => {
                    self.generations.push(vec![0; envoy.vms.len()]);
                    self.envoys.push(envoy);
                }
                Err(error) => self.record.misbehavior.push(error.to_string()),
            }
        }
        for envoy in 0..self.envoys.len() {
            (0..self.vms(envoy)).for_each(|vm| self.collect_outcomes(Place { envoy, vm }));
            if let Some((at_us, _)) = reload {
                let late_us = self.dice.delay_us(100_000);
                self.push(at_us + late_us, WorldEvent::Reloads(envoy));
            }
        }
        self.begin_clients();
        self.begin_operator();
    }

    /// Returns the document of a policy.
    fn document(&self, generation: usize) -> Option<&Value> {
        let reload = self.scenario.reload.as_ref().map(|(_, policy)| policy);
        if generation == 0 { Some(&self.scenario.policy) } else { reload }
    }

    /// Returns a policy as Envoy gets it.
    fn configuration(&self, mut policy: Value) -> Value {
        if self.fault == Some(Fault::CostOfOne) {
            fault::forget_costs(&mut policy);
        }
        policy
    }

    /// Records the final state.
    fn finish(&mut self) {
        let now_ms = START_MS + self.end_us / 1_000;
        for due in self.record.requests.iter().flat_map(|request| &request.due) {
            if let Some(used) = self.shim.used(now_ms, &due.counter) {
                self.record.used.insert(due.counter.clone(), used);
            }
        }
        self.record.unsettled = self.calls.unsettled(&self.shim);
        self.record.work.settled = self.shim.settles_applied();
        self.record.work.blocks = self.shim.blocks();
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

    fn handle(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Asks => self.random_client_asks(),
            WorldEvent::PatientAsks(patient) => self.patient_asks(patient),
            WorldEvent::Turn(place) => self.run_vm(place, Vm::run_wakes),
            WorldEvent::Tick(place) if self.fault != Some(Fault::Silence) => {
                self.run_vm(place, Vm::run_ticks);
            }
            WorldEvent::Tick(_) => {}
            WorldEvent::CallArrives(call) => self.call_arrives(call),
            WorldEvent::CallEnds(call, ending) => self.call_ends(call, ending),
            WorldEvent::UpstreamAnswers(request) => self.upstream_answers(request),
            WorldEvent::TopsUp => self.tops_up(),
            WorldEvent::Leaves(request) => self.leaves(request),
            WorldEvent::Ends(request) => self.ends(request),
            WorldEvent::Reloads(envoy) => self.reloads(envoy),
            WorldEvent::Configures(place) => self.configures(place),
        }
    }

    /// Schedules an event. The seed determines the order of simultaneous events.
    fn push(&mut self, at_us: u64, event: WorldEvent) {
        self.pushed += 1;
        let order = self.dice.in_range(0..=u64::from(u16::MAX));
        self.queue.push(Reverse((at_us.max(self.now_us), order, self.pushed, event)));
    }

    /// Runs `act` on a VM now and collects the outcomes.
    fn run_vm(&mut self, place: Place, act: impl FnOnce(&mut Vm)) {
        let Some(envoy) = self.envoys.get_mut(place.envoy) else { return };
        envoy.set_time(self.now_us);
        let Some(vm) = envoy.vms.get_mut(place.vm) else { return };
        act(vm);
        self.collect_outcomes(place);
    }

    /// Collects the outcomes of a VM's activity: events, wake-ups, timers and log lines.
    fn collect_outcomes(&mut self, place: Place) {
        let events = self.vm(place).map(Vm::take_events).unwrap_or_default();
        events.into_iter().for_each(|event| self.handle_vm_event(place, event));
        for vm in 0..self.vms(place.envoy) {
            let other = Place { vm, ..place };
            if self.vm(other).is_some_and(|vm| vm.has_wakes()) {
                let at_us = self.now_us + self.dice.in_range(0..=30);
                self.push(at_us, WorldEvent::Turn(other));
            }
        }
        let due_us = self.envoys.get(place.envoy).and_then(|envoy| envoy.next_tick_us(place.vm));
        if let Some(due_us) = due_us.filter(|due_us| self.clients.needs_tick(place, *due_us)) {
            let late_us = self.dice.in_range(0..=TIMER_LATE_US);
            self.push(due_us + late_us, WorldEvent::Tick(place));
        }
        self.collect_log(place.envoy);
    }

    /// Records the filter's warnings, errors and violations.
    fn collect_log(&mut self, envoy: usize) {
        let Some(process) = self.envoys.get(envoy).map(|envoy| envoy.process.clone()) else {
            return;
        };
        for line in process.take_log() {
            self.trace.note(self.now_us, format_args!("envoy {envoy} logs {}", line.message));
            // An outage can last from the start.
            let is_unanswered = line.message.contains("the shim has not answered");
            if line.level >= LogLevel::Warn && !is_unanswered {
                self.record.misbehavior.push(format!("{:?}: {}", line.level, line.message));
            }
        }
        for violation in process.take_violations() {
            let what = format!("{}: {}", violation.function, violation.what);
            self.trace.note(self.now_us, format_args!("envoy {envoy} violation: {what}"));
            self.record.misbehavior.push(what);
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
        let options = crate::envoy::options(&self.configuration(policy));
        if let Err(error) = crate::envoy::validate(&self.plugin, &at.process, &options) {
            self.record.misbehavior.push(error.to_string());
        }
        for vm in 0..self.vms(envoy) {
            let at_us = self.now_us + self.dice.delay_us(20_000);
            self.push(at_us, WorldEvent::Configures(Place { envoy, vm }));
        }
    }

    fn configures(&mut self, place: Place) {
        let Some((_, policy)) = self.scenario.reload.clone() else { return };
        let configuration = self.configuration(policy).to_string().into_bytes();
        let mut refused = None;
        self.run_vm(place, |vm| refused = vm.configure(configuration).err());
        self.record.work.reloaded += u64::from(refused.is_none());
        self.record.misbehavior.extend(refused.map(|error| error.to_string()));
        let held = self.generations.get_mut(place.envoy).and_then(|vms| vms.get_mut(place.vm));
        if let Some(generation) = held {
            *generation = 1;
        }
    }

    fn add_policy(&mut self, policy: &Value) {
        match Policy::from_value(policy.clone()) {
            Ok(policy) => self.policies.push(policy),
            Err(error) => {
                self.record.misbehavior.push(format!("invalid policy: {error}: {policy}"))
            }
        }
    }

    fn vm(&mut self, place: Place) -> Option<&mut Vm> {
        self.envoys.get_mut(place.envoy)?.vms.get_mut(place.vm)
    }

    fn vms(&self, envoy: usize) -> usize {
        self.envoys.get(envoy).map_or(0, |envoy| envoy.vms.len())
    }
}
