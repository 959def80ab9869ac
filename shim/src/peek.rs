//! What a charge would come to, without making it.
//!
//! Called by [`crate::http`] for whoever asks what is left, and by [`crate::admin`] for the
//! operator.

use crate::app::App;
use crate::checked::Measure;
use crate::ledger::{Fault, Timed};
use crate::prepare::Preparer;
use limits::counter::CounterName;
use limits::ledger::Charge;
use limits::wire::{ChargeOutcome, Cost};

/// Why nothing can be seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSeen {
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

/// What a charge of 1 would come to.
pub(crate) async fn peek(
    app: &App,
    counter: CounterName,
    measure: &Measure,
) -> Result<Timed<ChargeOutcome>, NotSeen> {
    let book = app.overrides.book().ok_or(NotSeen::NotYet)?;
    let terms = Preparer { book: &book, now_ms: app.ledger.now_ms() }.terms(&counter, measure)?;
    let charge = Charge { counter, cost: Cost::clamped(1), enforce: true, terms, lease: None };
    Ok(app.ledger.peek(charge).await?)
}
