//! Lets a test be the clock and the ledger. Only for tests: the feature `simulated` exists in
//! `tests/module/Cargo.toml` and not in the module's own manifest.

use crate::clock;
use crate::front::{Call, Content, Front, Reply};
use crate::local;
use limits::gate::SettleResult;
use limits::wire::{Decision, Request, Settle};
use std::sync::{Arc, Mutex, PoisonError};

/// The configurations that wait for a test to take them.
static DRIVERS: Mutex<Vec<Driver>> = Mutex::new(Vec::new());

/// The ledger's side of a configuration, in place of `drive`.
pub struct Driver(Arc<Front>);

/// A call to the ledger.
#[derive(Debug)]
pub struct Ask {
    /// The call's number.
    pub id: u32,
    /// The content.
    pub content: Asked,
}

/// The content of a call.
#[derive(Debug)]
pub enum Asked {
    /// Requests to decide: reply with [`Driver::decided`].
    Requests(Vec<Request>),
    /// Charges to settle: reply with [`Driver::settled`].
    Settles(Vec<Settle>),
    /// The question if the ledger can decide: reply with [`Driver::probed`].
    Probe,
}

/// Sets the time. From then on, new configurations wait for [`drivers`].
pub fn set_now_us(now_us: u64) {
    clock::simulate(now_us);
}

/// Takes the new configurations, oldest first.
#[must_use]
pub fn drivers() -> Vec<Driver> {
    std::mem::take(&mut *DRIVERS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Forgets the counters that this process has kept without the ledger.
pub fn forget_local() {
    local::clear();
}

/// Hands `front` to the test. Returns false if time is real.
pub(crate) fn takes(front: &Arc<Front>) -> bool {
    let is_simulated = clock::simulated_us().is_some();
    if is_simulated {
        let mut drivers = DRIVERS.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.push(Driver(Arc::clone(front)));
    }
    is_simulated
}

impl Driver {
    /// Returns the calls to make now.
    #[must_use]
    pub fn calls(&self) -> Vec<Ask> {
        let asked = |call: Call| Ask {
            id: call.id,
            content: match call.content {
                Content::Requests(requests, _) => Asked::Requests(requests),
                Content::Settles(settles) => Asked::Settles(settles),
                Content::Probe => Asked::Probe,
            },
        };
        self.0.calls().into_iter().map(asked).collect()
    }

    /// Waits until there may be calls to make.
    pub async fn notified(&self) {
        self.0.calls.notified().await;
    }

    /// Ends [`Self::notified`].
    pub fn notify(&self) {
        self.0.calls.notify_one();
    }

    /// Replies to requests; `None` if the call failed.
    pub fn decided(&self, id: u32, decisions: Option<Vec<Decision>>) {
        self.0.reply(id, Reply::Decisions(decisions));
    }

    /// Replies to settles.
    pub fn settled(&self, id: u32, result: SettleResult) {
        self.0.reply(id, Reply::Settled(result));
    }

    /// Replies to a probe.
    pub fn probed(&self, id: u32, is_up: bool) {
        self.0.reply(id, Reply::Probed(is_up));
    }

    /// Lets time pass. Returns true once the configuration is closed and nothing is left to do.
    #[must_use]
    pub fn tick(&self) -> bool {
        self.0.tick()
    }
}
