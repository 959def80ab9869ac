//! Settles the decisions of one call: gives back, or charges more.
//!
//! Calls [`crate::prepare`], and [`crate::store`] through [`crate::agree`].

use crate::agree;
use crate::checked::Settle;
use crate::clock;
use crate::decide::counted;
use crate::ledger::Ledger;
use crate::log_throttle::LogThrottle;
use crate::overrides::Book;
use crate::prepare::Preparer;
use crate::seal;
use crate::store::{Fault, Timed};
use crate::telemetry;
use limits::ledger;
use limits::problem::PlacedError;
use limits::wire::{SettleReply, Settled};
use metrics::counter;
use std::time::Duration;
use tracing::warn;

static REFUSED: LogThrottle = LogThrottle::new(Duration::from_secs(5));

/// The settles of one call, checked against the decisions' seals.
pub struct Accepted {
    settles: Vec<Settle>,
    parts: Vec<Part>,
}

/// A part of one settle. The ledger applies each part by itself, because the counters of different
/// parts can be on different servers.
struct Part {
    /// The settle's index in the call.
    place: usize,
    part: seal::Part,
}

/// The reason settles are not accepted.
#[derive(Debug)]
pub enum AcceptError {
    /// The sealing key is not known yet.
    Fault(Fault),
    /// The charges at these locations were not made by the decision.
    Unsealed(Vec<PlacedError>),
}

impl From<Fault> for AcceptError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Ledger {
    /// Checks that the decisions made the charges that `settles` settle. Counts and logs
    /// violations.
    ///
    /// # Errors
    /// [`AcceptError`] if any settle is not accepted; none is settled.
    pub fn accept(&self, settles: Vec<Settle>) -> Result<Accepted, AcceptError> {
        let sealer = self.sealer()?;
        let mut parts = Vec::with_capacity(settles.len());
        let (mut mistakes, mut refused) = (Vec::new(), 0);
        for (place, settle) in settles.iter().enumerate() {
            match sealer.parts(settle) {
                Ok(found) => parts.extend(found.into_iter().map(|part| Part { place, part })),
                Err(unsealed) => {
                    refused += 1;
                    mistakes.extend(unsealed.into_iter().map(|at| {
                        PlacedError {
                            pointer: format!("/settles/{place}/charges/{at}"),
                            detail:
                                "expected a charge of this decision, and the decision's full id; found a \
                                 charge that is not sealed in the id"
                                    .to_owned(),
                        }
                    }));
                }
            }
        }
        if mistakes.is_empty() {
            return Ok(Accepted { settles, parts });
        }
        counter!(telemetry::SETTLES, "outcome" => "refused").increment(refused);
        if let Some(held_back) = REFUSED.permit(clock::instant()) {
            let settles = settles.len();
            warn!(refused, settles, held_back, "refused settles of charges that no decision made");
        }
        Err(AcceptError::Unsealed(mistakes))
    }

    /// Applies settles in order.
    ///
    /// # Errors
    /// [`Fault`] if any part could not be sent to the ledger. The call can be repeated unchanged:
    /// parts that were applied are not applied again.
    pub async fn settle(&self, accepted: &Accepted) -> Result<SettleReply, Fault> {
        let Accepted { settles, parts } = accepted;
        let book = self.book()?;
        let prepare = |at: usize, now_ms| {
            let Part { place, part } = parts.get(at).ok_or(Fault::InvalidReply)?;
            question(&book, settles.get(*place).ok_or(Fault::InvalidReply)?, part, now_ms)
        };
        let ask = |questions| self.store.settle(questions);
        let answers = agree::ask(parts.len(), self.store.now_ms(), prepare, ask).await?;
        reply(settles, parts.iter().zip(answers))
    }
}

fn question(
    book: &Book,
    settle: &Settle,
    part: &seal::Part,
    now_ms: u64,
) -> Result<ledger::Settle, Fault> {
    let preparer = Preparer { book, now_ms };
    preparer.part(settle, part).map_err(|_| Fault::Clock { now_ms })?.ok_or(Fault::InvalidReply)
}

/// Combines the parts' answers into one reply.
fn reply<'a>(
    settles: &[Settle],
    answers: impl Iterator<Item = (&'a Part, Result<Timed<Settled>, Fault>)>,
) -> Result<SettleReply, Fault> {
    let mut settled: Vec<_> = settles
        .iter()
        .map(|settle| Settled { applied: false, remaining: vec![0; settle.charges.len()] })
        .collect();
    let mut now_ms = 0;
    for (part, answer) in answers {
        let answer = answer.map_err(counted)?;
        now_ms = now_ms.max(answer.now_ms);
        let Some(whole) = settled.get_mut(part.place) else { continue };
        whole.applied |= answer.answer.applied;
        for (at, left) in part.part.charges.iter().zip(answer.answer.remaining) {
            if let Some(place) = whole.remaining.get_mut(*at) {
                *place = left;
            }
        }
    }
    for one in &settled {
        let outcome = if one.applied { "applied" } else { "ignored" };
        counter!(telemetry::SETTLES, "outcome" => outcome).increment(1);
    }
    Ok(SettleReply { now_ms, settled })
}
