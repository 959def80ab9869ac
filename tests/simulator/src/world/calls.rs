//! Calls to the shim: in flight, answered, lost in either direction, garbled, or late.

use super::state::{Call, Calls, Ending, Executed, GARBLED, Place, World, WorldEvent};
use crate::envoy::START_MS;
use crate::fault::Fault;
use crate::log::Line;
use crate::shim::Shim;
use limits::counter::CounterName;
use limits::wire::{DECIDE_PATH, MARKER_HEADER, SETTLE_PATH, SettleAmount, SettleBody};
use proxy_wasm_host::callout::{Callout, Fate, Reply};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm::Vm;
use std::collections::BTreeMap;

impl Calls {
    /// Returns the number of a VM's calls in flight.
    pub(super) fn of(&self, place: Place) -> usize {
        self.calls.values().filter(|call| call.place == place && !call.has_ended).count()
    }

    /// Returns the refunds in settles that never reached the shim.
    pub(super) fn unsettled(&self, shim: &Shim) -> BTreeMap<CounterName, u64> {
        // Settles of a lease carry running totals, so the largest counts.
        let mut totals = BTreeMap::<_, (u64, u64)>::new();
        for (id, back) in &self.settles {
            for (part, amount) in back {
                let (sent, arrived) = totals.entry(part).or_default();
                *sent = (*sent).max(*amount);
                if shim.has_settled(id) {
                    *arrived = (*arrived).max(*amount);
                }
            }
        }
        let mut sums = BTreeMap::new();
        for ((_, counter, _), (sent, arrived)) in totals {
            *sums.entry(counter.clone()).or_default() += sent - arrived;
        }
        sums
    }

    fn note_settles(&mut self, callout: &Callout) {
        if callout.headers.text(":path") != SETTLE_PATH {
            return;
        }
        let body = limits::json::parse::<SettleBody>(&callout.body);
        for settle in body.map(|body| body.settles).unwrap_or_default() {
            let back = settle.charges.iter().filter_map(|charge| match charge.amount {
                SettleAmount::GiveBack(amount) => {
                    let is_lease = charge.lease_ms.is_some();
                    let part = (settle.decision.clone(), charge.counter.clone(), is_lease);
                    Some((part, amount.get()))
                }
                SettleAmount::Charge(_) => None,
            });
            self.settles.insert(settle.id.clone(), back.collect());
        }
    }
}

impl World {
    /// Sends a worker's call to the shim.
    pub(super) fn calls(&mut self, place: Place, callout: Callout) {
        self.calls.last += 1;
        let number = self.calls.last;
        self.trace.note(
            self.now_us,
            format_args!(
                "call {number} {place:?} {} {}",
                callout.headers.text(":path"),
                String::from_utf8_lossy(&callout.body)
            ),
        );
        self.calls.note_settles(&callout);
        let timeout_us = callout.timeout_ms.map(|ms| u64::from(ms) * 1_000);
        let call = Call { place, callout, executed: None, has_ended: false };
        self.calls.calls.insert(number, call);
        self.measure(place.envoy);
        if self.fault == Some(Fault::Silence) {
            return;
        }
        if let Some(timeout_us) = timeout_us {
            let at_us = self.now_us + timeout_us;
            self.push(at_us, WorldEvent::CallEnds(number, Ending::TimedOut));
        }
        let there_us = self.now_us + self.dice.delay_us(self.scenario.network.slowest_us);
        let outage = self.scenario.outage(self.now_us);
        let is_lost =
            self.is_network_faulty() && self.dice.chance(self.scenario.network.lost_there);
        match (outage.map(|outage| outage.hangs), is_lost) {
            (Some(true), _) => {}
            (Some(false), _) => self.push(there_us, WorldEvent::CallEnds(number, Ending::Refused)),
            (None, true) if self.dice.chance(500) => {
                self.push(there_us, WorldEvent::CallEnds(number, Ending::Refused));
            }
            (None, true) => {}
            (None, false) => self.push(there_us, WorldEvent::CallArrives(number)),
        }
    }

    /// Executes a call at the shim, even if the worker no longer waits for it.
    pub(super) fn call_arrives(&mut self, number: u64) {
        let Some(call) = self.calls.calls.get_mut(&number) else { return };
        let path = call.callout.headers.text(":path");
        let now_ms = START_MS + self.now_us / 1_000;
        let answered = self.shim.call(now_ms, path, &call.callout.body);
        self.trace.note(
            self.now_us,
            format_args!(
                "call {number} gets {} with {} answers: {}",
                answered.reply.headers.text(":status"),
                answered.answers,
                String::from_utf8_lossy(&answered.reply.body)
            ),
        );
        let (Place { envoy, vm }, at_us, ledger_ms) = (call.place, self.now_us, answered.now_ms);
        let lines = answered.acts.into_iter();
        let lines = lines.map(|act| Line { at_us, now_ms: ledger_ms, envoy, vm, act });
        self.record.ledger.extend(lines);
        if call.has_ended {
            return self.lose(answered.charged);
        }
        let (reply, charged) = (answered.reply, answered.charged);
        call.executed = Some(Executed { reply, charged, at_us: self.now_us });
        let back_us = self.now_us + self.dice.delay_us(self.scenario.network.slowest_us);
        if let Some(ending) = self.ending() {
            self.push(back_us, WorldEvent::CallEnds(number, ending));
        }
    }

    /// Chooses how an executed call ends; `None` lets it time out.
    fn ending(&mut self) -> Option<Ending> {
        let network = self.scenario.network;
        if self.scenario.outage(self.now_us).is_some() {
            return self.dice.chance(500).then_some(Ending::Refused);
        }
        if self.is_network_faulty() && self.dice.chance(network.lost_back) {
            return self.dice.pick(None, &[Some(Ending::Refused), Some(Ending::Reset)]);
        }
        if self.is_network_faulty() && self.dice.chance(network.garbled) {
            return Some(Ending::Garbled(self.dice.in_range(0..=GARBLED - 1)));
        }
        Some(Ending::Replied)
    }

    /// Ends a call for its worker. Only the first ending counts.
    pub(super) fn call_ends(&mut self, number: u64, ending: Ending) {
        let now_us = self.now_us;
        let Some(call) = self.calls.calls.get_mut(&number).filter(|call| !call.has_ended) else {
            return;
        };
        call.has_ended = true;
        let (place, token) = (call.place, call.callout.token);
        let is_decision = call.callout.headers.text(":path") == DECIDE_PATH;
        let Executed { reply, charged, at_us } = call.executed.take().unwrap_or_default();
        self.trace.note(now_us, format_args!("call {number} ends {ending:?}"));
        if ending == Ending::Replied {
            if is_decision {
                self.record.lag_us = self.record.lag_us.max(now_us - at_us);
            }
        } else {
            self.lose(charged);
        }
        let fate = fate(ending, reply);
        self.run_vm(place, |vm: &mut Vm| vm.answer_callout(token, fate));
    }

    fn lose(&mut self, charged: Vec<(CounterName, u64)>) {
        for (counter, amount) in charged {
            *self.record.lost.entry(counter).or_default() += amount;
        }
    }

    /// Returns true while the network may still fail.
    fn is_network_faulty(&self) -> bool {
        self.now_us < self.scenario.busy_us
    }
}

fn fate(ending: Ending, reply: Reply) -> Fate {
    match ending {
        Ending::Replied => Fate::Replied(reply),
        Ending::Garbled(kind) => Fate::Replied(garbled(kind, reply)),
        Ending::Refused => Fate::Refused,
        Ending::Reset => Fate::Reset,
        Ending::TimedOut => Fate::TimedOut,
    }
}

/// Garbles a reply: another server's, a truncated one, or one for another question.
fn garbled(kind: u64, mut reply: Reply) -> Reply {
    match kind {
        0 => reply.headers.remove(MARKER_HEADER.as_bytes()),
        1 => reply.headers.set(b":status", b"500"),
        2 => reply.headers.set(b":status", b"503"),
        3 => reply.body.truncate(reply.body.len() / 2),
        4 => reply.body = br#"{"now_ms":1,"decisions":[],"settled":[]}"#.to_vec(),
        _ => {
            reply.headers = Headers::of([(":status", "200"), (MARKER_HEADER, "9")]);
            reply.body = b"\xff\0{".to_vec();
        }
    }
    reply
}
