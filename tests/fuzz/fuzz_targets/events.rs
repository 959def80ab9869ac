//! Any sequence of events: no request is released twice or left waiting, and the gate becomes idle.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use limits::gate::{
    Call, CallKind, Disposition, Gate, MAX_CALLS, Outcome, Released, Reply, ResponseFacts,
};
use limits::wire::{DecideBody, DecideReply};
use std::collections::BTreeSet;
use tollgate_fuzz::{FuzzRequest, Process, decisions, gate};

/// The policy's timeout plus a tick, in µs.
const LONGEST_WAIT_US: u64 = 100_000;

#[derive(Debug, Arbitrary)]
enum Event {
    Request { path: u8, user: u8 },
    Odd(Box<FuzzRequest>),
    Ready,
    Decide { admits: bool, left: u16, lease: u16, wait_ms: u16 },
    Garble(Vec<u8>),
    Fail,
    Probe(bool),
    Pass { ms: u16 },
    Respond { stream: u8, status: u16, is_cache_hit: bool },
    Leave { stream: u8 },
    StepBack { ms: u16 },
}

/// A response with this outcome, and without rate limit headers of its own.
struct Shown(Outcome);

impl ResponseFacts for Shown {
    fn outcome(&self) -> Outcome {
        self.0
    }

    fn header(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

struct World {
    gate: Gate,
    process: Process,
    now_us: u64,
    calls: Vec<Call>,
    waiting: BTreeSet<u64>,
    next: u64,
}

impl World {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Request { path, user } => self.ask(&FuzzRequest::known(path, user)),
            Event::Odd(request) => self.ask(&request),
            Event::Ready => self.ready(),
            Event::Decide { admits, left, lease, wait_ms } => {
                // Replies arrive in any order: every other time, the last call's comes first.
                if wait_ms % 2 == 1 {
                    self.calls.reverse();
                }
                self.reply(CallKind::Decide, |call| {
                    decided(call, admits, left.into(), lease.into(), u64::from(wait_ms) + 1)
                });
            }
            Event::Garble(body) => self.reply(CallKind::Decide, |_| Some(body)),
            Event::Fail => {
                self.reply(CallKind::Decide, |_| None);
                self.reply(CallKind::Settle, |_| None);
            }
            Event::Probe(ok) => {
                self.reply(CallKind::Probe, |_| ok.then(Vec::new));
                self.reply(CallKind::Settle, |_| ok.then(Vec::new));
            }
            Event::Pass { ms } => self.pass(ms.into()),
            Event::Respond { stream, status, is_cache_hit } => {
                let outcome = Outcome { status, is_cache_hit };
                if !self.waiting.contains(&stream.into())
                    && self.gate.response(stream.into(), &Shown(outcome), || self.now_us).wakes
                {
                    self.ready();
                }
            }
            Event::Leave { stream } => {
                self.gate.done(stream.into());
                self.waiting.remove(&stream.into());
            }
            Event::StepBack { ms } => self.now_us -= u64::from(ms) * 1_000,
        }
    }

    fn ask(&mut self, request: &FuzzRequest) {
        let stream = self.next;
        self.next += 1;
        if self.gate.request(self.now_us, stream, request, &self.process) == Disposition::Pause {
            self.waiting.insert(stream);
        }
        if self.gate.take_wake(self.now_us) {
            self.ready();
        }
    }

    fn ready(&mut self) {
        let calls = self.gate.ready(self.now_us);
        for (kind, most) in
            [(CallKind::Decide, MAX_CALLS), (CallKind::Settle, 1), (CallKind::Probe, 1)]
        {
            let of_kind = |calls: &[Call]| calls.iter().filter(|call| call.kind == kind).count();
            assert!(of_kind(&calls) <= most);
            // If there are too many calls, the gate has given up the first one, so it gets no
            // reply.
            for _ in most..of_kind(&self.calls) + of_kind(&calls) {
                let first = self.calls.iter().position(|call| call.kind == kind);
                self.calls
                    .remove(first.expect("at most the limit are new, so an old call is left"));
            }
        }
        self.calls.extend(calls);
    }

    /// Answers the first call of `kind` under way. `body` builds the reply, or returns `None` to
    /// fail it.
    fn reply(&mut self, kind: CallKind, body: impl FnOnce(&Call) -> Option<Vec<u8>>) {
        let Some(at) = self.calls.iter().position(|call| call.kind == kind) else { return };
        let call = self.calls.remove(at);
        let body = body(&call);
        let genuine = |body| Reply { status: Some(b"200"), marker: Some(b"1"), body };
        let reply = body.as_deref().map_or_else(Reply::default, genuine);
        let released = self.gate.reply(self.now_us, call.id, call.kind, reply, &self.process);
        self.release(released);
        self.ready();
    }

    fn pass(&mut self, ms: u64) {
        self.now_us += ms * 1_000;
        let released = self.gate.tick(self.now_us, &self.process);
        self.release(released);
        self.gate.take_samples();
        self.gate.take_log(self.now_us);
        self.ready();
    }

    fn release(&mut self, released: Vec<Released>) {
        for release in released {
            assert!(self.waiting.remove(&release.stream), "{} was released twice", release.stream);
        }
    }

    /// Lets time pass and calls fail until the gate is idle.
    fn run_until_idle(&mut self) {
        self.now_us += 1 << 40; // beyond any step back
        self.gate.tick(self.now_us, &self.process).into_iter().for_each(|release| {
            self.waiting.remove(&release.stream);
        });
        self.pass(LONGEST_WAIT_US / 1_000);
        assert_eq!(self.waiting, BTreeSet::new(), "left waiting");
        self.gate.close(self.now_us);
        for _ in 0..100 {
            self.pass(1_100);
            self.reply(CallKind::Probe, |_| Some(Vec::new()));
            self.reply(CallKind::Decide, |_| None);
            self.reply(CallKind::Settle, |_| Some(Vec::new()));
        }
        assert!(self.gate.is_idle(self.now_us));
    }
}

/// Builds a genuine reply to `call`.
fn decided(call: &Call, admits: bool, left: u64, lease: u64, wait_ms: u64) -> Option<Vec<u8>> {
    let body: DecideBody = serde_json::from_slice(&call.body).expect("a valid request body");
    let decisions = decisions(&body.requests, call.id, admits, left, lease, wait_ms);
    let reply = DecideReply { now_ms: 1_790_000_000_000, decisions };
    serde_json::to_vec(&reply).ok()
}

fuzz_target!(|events: Vec<Event>| {
    let mut world = World {
        gate: gate(),
        process: Process::default(),
        now_us: 1_790_000_000_000_000,
        calls: Vec::new(),
        waiting: BTreeSet::new(),
        next: 0,
    };
    for event in events {
        world.apply(event);
    }
    world.run_until_idle();
});
