//! Settles the decisions of one call: gives back, or charges afterwards.
//!
//! Called by [`crate::http`] with what [`crate::checked`] let through; calls [`crate::prepare`] and
//! [`crate::ledger`].

use crate::app::App;
use crate::checked::Settle;
use crate::decide::counted;
use crate::ledger::{Fault, Timed};
use crate::overrides::Book;
use crate::prepare::Preparer;
use crate::telemetry;
use limits::ledger;
use limits::wire::{SettleReply, Settled};
use metrics::counter;
use std::collections::BTreeMap;

/// How often a settle is put anew to a ledger whose clock shows another period than was thought.
const MAX_TRIES: usize = 3;

/// One identity's part of a settle: the ledger applies each by itself, since another's counters may
/// live on another server.
struct Part {
    /// The settle's place in the call.
    settle: usize,
    /// The places of its charges in the settle.
    charges: Vec<usize>,
    answer: Result<Timed<Settled>, Fault>,
}

/// Applies `settles` in their order.
///
/// # Errors
/// [`Fault`] if any part of them could not be put to the ledger. The call may be repeated as it is:
/// what was applied is not applied again.
pub(crate) async fn settle(app: &App, settles: &[Settle]) -> Result<SettleReply, Fault> {
    let book = app.overrides.book().ok_or(Fault::Disconnected)?;
    let mut parts: Vec<_> =
        settles.iter().enumerate().flat_map(|(at, settle)| parts(at, settle)).collect();
    let now_ms = app.ledger.now_ms();
    for part in &mut parts {
        part.answer = Err(Fault::Clock { now_ms });
    }
    for _ in 0..MAX_TRIES {
        let mut asked = Vec::new();
        let mut questions = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if let Err(Fault::Clock { now_ms }) = part.answer {
                asked.push(at);
                questions.push(question(&book, settles, part, now_ms)?);
            }
        }
        if asked.is_empty() {
            break;
        }
        for (at, answer) in asked.into_iter().zip(app.ledger.settle(questions).await) {
            if let Some(part) = parts.get_mut(at) {
                part.answer = answer;
            }
        }
    }
    reply(settles, parts)
}

/// A settle's parts, by identity.
fn parts(at: usize, settle: &Settle) -> Vec<Part> {
    let mut by_tag = BTreeMap::<&str, Vec<usize>>::new();
    for (place, charge) in settle.charges.iter().enumerate() {
        by_tag.entry(charge.counter.slot_tag()).or_default().push(place);
    }
    let answer = || Err(Fault::Senseless);
    by_tag.into_values().map(|charges| Part { settle: at, charges, answer: answer() }).collect()
}

fn question(
    book: &Book,
    settles: &[Settle],
    part: &Part,
    now_ms: u64,
) -> Result<ledger::Settle, Fault> {
    let preparer = Preparer { book, now_ms };
    let settle = settles.get(part.settle).ok_or(Fault::Senseless)?;
    let charges = part.charges.iter().filter_map(|place| settle.charges.get(*place));
    let charges = charges.map(|charge| preparer.settle_charge(charge)).collect::<Result<_, _>>();
    let charges = charges.map_err(|_| Fault::Clock { now_ms })?;
    ledger::Settle::new(settle.id.clone(), settle.decision_ms, charges)
        .map_err(|_| Fault::Senseless)
}

/// The parts' answers, put together again.
fn reply(settles: &[Settle], parts: Vec<Part>) -> Result<SettleReply, Fault> {
    let mut settled: Vec<_> = settles
        .iter()
        .map(|settle| Settled { applied: false, remaining: vec![0; settle.charges.len()] })
        .collect();
    let mut now_ms = 0;
    for part in parts {
        let answer = part.answer.map_err(counted)?;
        now_ms = now_ms.max(answer.now_ms);
        let Some(whole) = settled.get_mut(part.settle) else { continue };
        whole.applied |= answer.answer.applied;
        for (place, left) in part.charges.into_iter().zip(answer.answer.remaining) {
            if let Some(place) = whole.remaining.get_mut(place) {
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
