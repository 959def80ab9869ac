//! Settles the decisions of one call: gives back, or charges afterwards.
//!
//! Called by [`crate::http`] with what [`crate::checked`] let through; calls [`crate::prepare`] and
//! [`crate::ledger`].

use crate::agree;
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

/// One identity's part of a settle: the ledger applies each by itself, since another's counters may
/// live on another server.
struct Part<'a> {
    /// The settle's place in the call.
    place: usize,
    settle: &'a Settle,
    /// The places of its charges in the settle.
    charges: Vec<usize>,
}

/// Applies `settles` in their order.
///
/// # Errors
/// [`Fault`] if any part of them could not be put to the ledger. The call may be repeated as it is:
/// what was applied is not applied again.
pub(crate) async fn settle(app: &App, settles: &[Settle]) -> Result<SettleReply, Fault> {
    let book = app.overrides.book().ok_or(Fault::Disconnected)?;
    let parts = settles.iter().enumerate().flat_map(|(place, settle)| parts(place, settle));
    let parts: Vec<_> = parts.collect();
    let prepare = |at: usize, now_ms| question(&book, parts.get(at), now_ms);
    let ask = |questions| app.ledger.settle(questions);
    let answers = agree::ask(parts.len(), app.ledger.now_ms(), prepare, ask).await?;
    reply(settles, parts.iter().zip(answers))
}

/// A settle's parts, by identity.
fn parts(place: usize, settle: &Settle) -> Vec<Part<'_>> {
    let mut by_tag = BTreeMap::<&str, Vec<usize>>::new();
    for (at, charge) in settle.charges.iter().enumerate() {
        by_tag.entry(charge.counter.slot_tag()).or_default().push(at);
    }
    by_tag.into_values().map(|charges| Part { place, settle, charges }).collect()
}

fn question(book: &Book, part: Option<&Part<'_>>, now_ms: u64) -> Result<ledger::Settle, Fault> {
    let Part { settle, charges, .. } = part.ok_or(Fault::Senseless)?;
    let preparer = Preparer { book, now_ms };
    let charges = charges.iter().filter_map(|at| settle.charges.get(*at));
    let charges = charges.map(|charge| preparer.settle_charge(charge)).collect::<Result<_, _>>();
    let charges = charges.map_err(|_| Fault::Clock { now_ms })?;
    ledger::Settle::new(settle.id.clone(), settle.decision_ms, charges)
        .map_err(|_| Fault::Senseless)
}

/// The parts' answers, put together again.
fn reply<'a>(
    settles: &[Settle],
    answers: impl Iterator<Item = (&'a Part<'a>, Result<Timed<Settled>, Fault>)>,
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
        for (at, left) in part.charges.iter().zip(answer.answer.remaining) {
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
