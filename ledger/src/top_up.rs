//! Tops up balances, for operators.
//!
//! Called by front-ends; calls [`crate::store`].

use crate::ledger::Ledger;
use crate::store::Fault;
use limits::ledger::{TopUp, ToppedUp};

impl Ledger {
    /// Adds to a balance, unless the same top-up was applied before.
    ///
    /// # Errors
    /// [`Fault`] if the ledger did not confirm it. It can be repeated unchanged.
    pub async fn top_up(&self, top_up: &TopUp) -> Result<ToppedUp, Fault> {
        self.store.top_up(top_up).await
    }
}
