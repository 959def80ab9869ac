//! Reads a counter: the outcome of a hypothetical charge.
//!
//! For clients that ask how much is left, and for operators.

use crate::ledger::Ledger;
use crate::prepare::Preparer;
use crate::store::{Fault, Timed};
use limits::block::Block;
use limits::counter::CounterName;
use limits::ledger::Charge;
use limits::quota::Quota;
use limits::wire::{ChargeOutcome, Cost};

/// The reason a counter could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PeekError {
    /// The overrides are not loaded yet.
    #[error("The ledger has not been reached yet.")]
    NotReady,
    /// The calendar has no period for the time.
    #[error("{0}")]
    NoPeriod(#[from] crate::prepare::NoPeriod),
    /// The ledger did not answer.
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl Ledger {
    /// Returns the outcome of a hypothetical charge of 1. Nothing is charged. `block`: the bucket's
    /// block for repeated refusals; without it, a block is not seen.
    ///
    /// # Errors
    /// [`PeekError`] if the counter could not be read.
    pub async fn peek(
        &self,
        counter: CounterName,
        quota: Quota,
        block: Option<Block>,
    ) -> Result<Timed<ChargeOutcome>, PeekError> {
        let book = self.overrides.book().ok_or(PeekError::NotReady)?;
        let terms = Preparer { book: &book, now_ms: self.store.now_ms() }.terms(&counter, quota)?;
        let charge =
            Charge { counter, cost: Cost::clamped(1), enforce: true, terms, lease: None, block };
        Ok(self.store.peek(charge).await?)
    }
}
