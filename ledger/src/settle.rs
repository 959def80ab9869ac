//! Settles the decisions of one call: gives back, or charges afterwards.
//!
//! Calls [`crate::prepare`], and [`crate::store`] through [`crate::agree`].

use crate::agree;
use crate::checked::Settle;
use crate::clock;
use crate::decide::counted;
use crate::ledger::Ledger;
use crate::overrides::Book;
use crate::prepare::Preparer;
use crate::quiet::Quiet;
use crate::seal;
use crate::store::{Fault, Timed};
use crate::telemetry;
use limits::ledger;
use limits::problem::PlacedError;
use limits::wire::{SettleReply, Settled};
use metrics::counter;
use std::time::Duration;
use tracing::warn;

static REFUSED: Quiet = Quiet::new(Duration::from_secs(5));

/// The settles of one call, each of which a decision allows.
pub struct Accepted {
    settles: Vec<Settle>,
    parts: Vec<Part>,
}

/// One part of one of them: the ledger applies each by itself, since another's counters may live on
/// another server.
struct Part {
    /// The settle's place in the call.
    place: usize,
    part: seal::Part,
}

/// Why settles are not accepted.
#[derive(Debug)]
pub enum NotAccepted {
    /// The key that decisions are sealed with is not known yet.
    Fault(Fault),
    /// No decision charged what stands at these places.
    Strange(Vec<PlacedError>),
}

impl From<Fault> for NotAccepted {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Ledger {
    /// Makes sure that decisions charged what `settles` settle. If not, counts and logs it.
    ///
    /// # Errors
    /// [`NotAccepted`]; nothing is settled.
    pub fn accept(&self, settles: Vec<Settle>) -> Result<Accepted, NotAccepted> {
        let sealer = self.sealer()?;
        let mut parts = Vec::with_capacity(settles.len());
        let (mut mistakes, mut refused) = (Vec::new(), 0);
        for (place, settle) in settles.iter().enumerate() {
            match sealer.parts(settle) {
                Ok(found) => parts.extend(found.into_iter().map(|part| Part { place, part })),
                Err(strange) => {
                    refused += 1;
                    mistakes.extend(strange.into_iter().map(|at| {
                        PlacedError {
                            pointer: format!("/settles/{place}/charges/{at}"),
                            detail:
                                "expected what the decision charged, and its id as it was given; found \
                                 a charge that is not sealed in the id"
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
        if let Some(held_back) = REFUSED.speak(clock::instant()) {
            let settles = settles.len();
            warn!(refused, settles, held_back, "refused settles of what no decision charged");
        }
        Err(NotAccepted::Strange(mistakes))
    }

    /// Applies settles in their order.
    ///
    /// # Errors
    /// [`Fault`] if any part of them could not be put to the ledger. The call may be repeated as it is:
    /// what was applied is not applied again.
    pub async fn settle(&self, accepted: &Accepted) -> Result<SettleReply, Fault> {
        let Accepted { settles, parts } = accepted;
        let book = self.book()?;
        let prepare = |at: usize, now_ms| {
            let Part { place, part } = parts.get(at).ok_or(Fault::Senseless)?;
            question(&book, settles.get(*place).ok_or(Fault::Senseless)?, part, now_ms)
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
    preparer.part(settle, part).map_err(|_| Fault::Clock { now_ms })?.ok_or(Fault::Senseless)
}

/// The parts' answers, put together again.
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
