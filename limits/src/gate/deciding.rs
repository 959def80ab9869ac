//! The decide calls under way. Called by the gate's events.

use super::outbox::Waiting;
use super::timer::Timer;

/// The most decide calls under way at once.
pub const MAX_CALLS: usize = 4;

/// A decide call under way, with its requests.
#[derive(Debug)]
pub(super) struct Deciding {
    pub(super) call: u32,
    pub(super) batch: Vec<Waiting>,
    pub(super) sent_ms: u64,
    /// The time when the call counts as lost.
    pub(super) lost: Timer,
    /// True if the call's failure counts toward the breaker: the call was made after the last
    /// failure that counted.
    pub(super) counts_failure: bool,
}

/// The calls under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: Vec<Deciding>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Returns true if `gathered` requests should be sent now. With no call under way, one request
    /// is enough. Otherwise it takes half as many as the largest call carries. So at low load no
    /// request waits for another's reply, and at high load batches stay large, which makes
    /// decisions cheap.
    pub(super) fn is_call_due(&self, gathered: usize) -> bool {
        let largest = self.under_way.iter().map(|call| call.batch.len()).max().unwrap_or(0);
        gathered > 0 && self.under_way.len() < MAX_CALLS && gathered >= largest.div_ceil(2)
    }

    pub(super) fn push(&mut self, call: Deciding) {
        self.under_way.push(call);
    }

    /// Returns the call with this id.
    pub(super) fn find(&self, call: u32) -> Option<&Deciding> {
        self.under_way.iter().find(|under_way| under_way.call == call)
    }

    /// Removes and returns the call with this id.
    pub(super) fn take(&mut self, call: u32) -> Option<Deciding> {
        let at = self.under_way.iter().position(|under_way| under_way.call == call)?;
        Some(self.under_way.remove(at))
    }

    /// Removes and returns a call that counts as lost.
    pub(super) fn take_lost(&mut self, now_ms: u64) -> Option<Deciding> {
        let at = self.under_way.iter().position(|call| call.lost.is_due(now_ms))?;
        Some(self.under_way.remove(at))
    }

    /// Excludes the calls under way from the breaker's count. A failure has just been counted, and
    /// they may fail for the same reason.
    pub(super) fn ignore_failures(&mut self) {
        self.under_way.iter_mut().for_each(|call| call.counts_failure = false);
    }

    /// Returns the requests of all calls, including those that have been decided since.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.under_way.iter().flat_map(|call| &call.batch)
    }

    /// Returns the requests that arrived at or before `until_us`.
    pub(super) fn overdue(&self, until_us: u64) -> impl Iterator<Item = &Waiting> {
        let late = move |one: &&Waiting| one.arrived_us <= until_us;
        self.under_way.iter().flat_map(move |call| call.batch.iter().take_while(late))
    }
}
