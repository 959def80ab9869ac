//! The calls under way that carry requests to be decided. Called by the gate's events.

use super::outbox::Waiting;
use super::timer::Timer;

/// The most calls that carry requests to be decided, under way at once.
pub const MAX_CALLS: usize = 4;

/// The requests of a call under way.
#[derive(Debug)]
pub(super) struct Deciding {
    pub(super) call: u32,
    pub(super) batch: Vec<Waiting>,
    pub(super) sent_ms: u64,
    /// A reply that comes later is not waited for.
    pub(super) lost: Timer,
    /// Whether its failure says more than the failures before it: it was made after the last of them.
    pub(super) is_telling: bool,
}

/// All calls under way, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: Vec<Deciding>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Returns true if `gathered` requests are worth a call now. With no call under way, one request
    /// is enough; otherwise it takes half as many as the largest call carries. So at low load no
    /// request waits for another's reply, and at high load batches stay large, which makes a decision
    /// cheap.
    pub(super) fn are_worth_one(&self, gathered: usize) -> bool {
        let largest = self.under_way.iter().map(|call| call.batch.len()).max().unwrap_or(0);
        gathered > 0 && self.under_way.len() < MAX_CALLS && gathered >= largest.div_ceil(2)
    }

    pub(super) fn push(&mut self, call: Deciding) {
        self.under_way.push(call);
    }

    /// Takes out the call with this number.
    pub(super) fn take(&mut self, call: u32) -> Option<Deciding> {
        let at = self.under_way.iter().position(|under_way| under_way.call == call)?;
        Some(self.under_way.remove(at))
    }

    /// Takes out a call whose reply is not waited for any longer.
    pub(super) fn take_lost(&mut self, now_ms: u64) -> Option<Deciding> {
        let at = self.under_way.iter().position(|call| call.lost.is_due(now_ms))?;
        Some(self.under_way.remove(at))
    }

    /// Notes that a failure was counted. The calls under way may fail for the same reason, so their
    /// failures will not be counted again.
    pub(super) fn doubt(&mut self) {
        self.under_way.iter_mut().for_each(|call| call.is_telling = false);
    }

    /// Returns the requests of all calls, decided since or not.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.under_way.iter().flat_map(|call| &call.batch)
    }

    /// Returns the requests that arrived at `until_us` or before.
    pub(super) fn overdue(&self, until_us: u64) -> impl Iterator<Item = &Waiting> {
        let late = move |one: &&Waiting| one.arrived_us <= until_us;
        self.under_way.iter().flat_map(move |call| call.batch.iter().take_while(late))
    }
}
