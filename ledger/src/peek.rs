//! What a charge would come to, without making it.
//!
//! For clients that ask what is left, and for operators.

use crate::ledger::Ledger;
use crate::prepare::Preparer;
use crate::store::{Fault, Timed};
use limits::counter::CounterName;
use limits::ledger::Charge;
use limits::quota::Quota;
use limits::wire::{ChargeOutcome, Cost};

/// Why nothing can be seen.
#[derive(Debug, thiserror::Error)]
pub enum NotSeen {
    /// What overrides there are is not known yet.
    #[error("The ledger has not been reached yet.")]
    NotYet,
    /// The calendar knows no period for the time.
    #[error("{0}")]
    NoPeriod(#[from] crate::prepare::NoPeriod),
    /// The ledger gave no answer.
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl Ledger {
    /// Returns what a charge of 1 would come to; nothing is charged.
    ///
    /// # Errors
    /// [`NotSeen`].
    pub async fn peek(
        &self,
        counter: CounterName,
        quota: Quota,
    ) -> Result<Timed<ChargeOutcome>, NotSeen> {
        let book = self.overrides.book().ok_or(NotSeen::NotYet)?;
        let terms = Preparer { book: &book, now_ms: self.store.now_ms() }.terms(&counter, quota)?;
        let charge = Charge { counter, cost: Cost::clamped(1), enforce: true, terms, lease: None };
        Ok(self.store.peek(charge).await?)
    }
}
