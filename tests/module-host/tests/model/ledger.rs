//! A ledger that replies as a test wants.

use limits::gate::SettleResult;
use limits::wire::{ChargeOutcome, Decision};
use module_host::Filter;
use module_under_test::simulated::{self, Asked, Driver};

/// More ticks than a closed configuration needs.
const MAX_TICKS: usize = 100;

/// The ledger of a configuration.
pub(crate) struct Ledger(pub(crate) Driver);

/// The decision on a request, of its number and its charges.
pub(crate) type Decide = fn(u32, usize) -> Decision;

pub(crate) fn admitted(id: u32, charges: usize) -> Decision {
    decision(id, charges, true)
}

pub(crate) fn denied(id: u32, charges: usize) -> Decision {
    decision(id, charges, false)
}

fn decision(id: u32, charges: usize, admitted: bool) -> Decision {
    let outcome = ChargeOutcome {
        admitted,
        limit: 5,
        remaining: u64::from(admitted),
        reset_ms: 1_000,
        retry_after_ms: if admitted { 0 } else { 1_000 },
        lease: None,
        blocked: false,
    };
    Decision {
        id: format!("1790000000000-{id}"),
        admitted,
        retry_after_ms: outcome.retry_after_ms,
        charges: vec![outcome; charges],
        error: None,
    }
}

impl Ledger {
    /// Takes the ledger's side of the last configuration.
    pub(crate) fn take() -> Option<Self> {
        simulated::drivers().pop().map(Self)
    }

    /// Replies to all calls of now. Returns the number of requests decided.
    pub(crate) fn reply(&self, decide: Decide) -> usize {
        let mut decided = 0;
        for call in self.0.calls() {
            match call.content {
                Asked::Requests(requests) => {
                    decided += requests.len();
                    let decide =
                        |request: &limits::wire::Request| decide(call.id, request.charges.len());
                    self.0.decided(call.id, Some(requests.iter().map(decide).collect()));
                }
                Asked::Settles(_) => self.0.settled(call.id, SettleResult::Accepted),
                Asked::Probe => self.0.probed(call.id, true),
            }
        }
        decided
    }

    /// Fails all calls of now.
    pub(crate) fn fail(&self) {
        for call in self.0.calls() {
            match call.content {
                Asked::Requests(_) => self.0.decided(call.id, None),
                Asked::Settles(_) => self.0.settled(call.id, SettleResult::Lost),
                Asked::Probe => self.0.probed(call.id, false),
            }
        }
    }

    /// Destroys the configuration, and waits until it has ended.
    pub(crate) fn end(self, filter: Filter) {
        self.0.notify();
        let ledger = shuttle::thread::spawn(move || self.reply_until_over());
        filter.destroy();
        ledger.join().unwrap();
    }

    pub(crate) fn wait_until_over(self) {
        self.reply_until_over();
    }

    fn reply_until_over(self) {
        for _ in 0..MAX_TICKS {
            self.reply(admitted);
            if self.0.tick() {
                return;
            }
            shuttle::thread::yield_now();
        }
        panic!("a closed configuration does not end");
    }
}
