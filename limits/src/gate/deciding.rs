//! The calls under way that carry requests to be decided. Called by the gate.

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
    /// Whether its failure says more than another that is known: it was made after that.
    pub(super) is_telling: bool,
}

/// All of them, the one that was made first in front.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: Vec<Deciding>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether `gathered` requests are worth a call now. With none under way, one is; beside others
    /// it takes as many as half the largest of them carries: where little is asked nobody waits for
    /// another's reply, and where much is asked the batches stay large, which is what makes a
    /// decision cheap.
    pub(super) fn are_worth_one(&self, gathered: usize) -> bool {
        let largest = self.under_way.iter().map(|call| call.batch.len()).max().unwrap_or(0);
        gathered > 0 && self.under_way.len() < MAX_CALLS && gathered >= largest.div_ceil(2)
    }

    pub(super) fn push(&mut self, call: Deciding) {
        self.under_way.push(call);
    }

    /// The call with this number, which is then not under way any more.
    pub(super) fn take(&mut self, call: u32) -> Option<Deciding> {
        let at = self.under_way.iter().position(|under_way| under_way.call == call)?;
        Some(self.under_way.remove(at))
    }

    /// One that nothing is expected from any more.
    pub(super) fn take_lost(&mut self, now_ms: u64) -> Option<Deciding> {
        let at = self.under_way.iter().position(|call| call.lost.is_due(now_ms))?;
        Some(self.under_way.remove(at))
    }

    /// A failure was counted. What it failed of may be what those will fail of, too, that are under
    /// way: their failures are not counted, and cast no doubt on calls that are made from now on.
    pub(super) fn doubt(&mut self) {
        self.under_way.iter_mut().for_each(|call| call.is_telling = false);
    }

    /// Those who wait for one of them, or did.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.under_way.iter().flat_map(|call| &call.batch)
    }

    /// Those who wait since `until_us` or before.
    pub(super) fn overdue(&self, until_us: u64) -> impl Iterator<Item = &Waiting> {
        let late = move |one: &&Waiting| one.arrived_us <= until_us;
        self.under_way.iter().flat_map(move |call| call.batch.iter().take_while(late))
    }
}
