//! Checks that a block for repeated refusals holds until its end: in the ledger from the moment it
//! begins, and in every gateway a second later.
//!
//! Until then, a gateway may still spend a lease, and decisions made before are on their way.

use crate::log::{Act, Line};
use crate::record::Record;
use limits::counter::CounterName;
use std::collections::BTreeMap;

/// The time after which every gateway knows of a block, in µs, without the delay of the network.
const KNOWN_AFTER_US: u64 = 1_000_000;
/// Workers and the ledger calculate in whole ms.
const ROUNDING_US: u64 = 1_000;

/// A counter's blocks: the beginning and end of each, in µs.
type Blocks<'a> = BTreeMap<&'a CounterName, Vec<(u64, u64)>>;

pub(super) fn broken(record: &Record) -> Vec<String> {
    let (blocks, mut broken) = by_the_ledger(&record.ledger);
    let known_after_us = KNOWN_AFTER_US + record.lag_us;
    for (number, request) in record.requests.iter().enumerate() {
        let Some(at_us) = request.upstream_us.filter(|_| !request.is_degraded) else { continue };
        for due in request.due.iter().filter(|due| due.enforce) {
            let mut own = blocks.get(&due.counter).into_iter().flatten();
            let holds = |(from_us, until_us): &&(u64, u64)| {
                (from_us + known_after_us..until_us.saturating_sub(ROUNDING_US)).contains(&at_us)
            };
            if let Some((from_us, until_us)) = own.find(holds) {
                broken.push(format!(
                    "{}: request {number} passes at {at_us} µs, but its key is blocked from \
                     {from_us} to {until_us} µs",
                    due.counter
                ));
            }
        }
    }
    broken
}

/// Returns the blocks that the ledger announced, and the charges that it made in spite of them.
fn by_the_ledger(ledger: &[Line]) -> (Blocks<'_>, Vec<String>) {
    let (mut blocks, mut broken) = (Blocks::new(), Vec::new());
    for Line { at_us, act, .. } in ledger {
        match act {
            Act::Refused { counter, blocked_ms: Some(blocked_ms), .. } => {
                let until_us = at_us + blocked_ms * 1_000;
                blocks.entry(counter).or_default().push((*at_us, until_us));
            }
            Act::Charged { counter, .. } => {
                let own = blocks.get(counter).and_then(|own| own.last());
                if own.is_some_and(|(_, until_us)| at_us + ROUNDING_US < *until_us) {
                    broken.push(format!("{counter}: charged at {at_us} µs although it is blocked"));
                }
            }
            Act::Refused { .. } | Act::GivenBack { .. } | Act::ToppedUp { .. } => {}
        }
    }
    (blocks, broken)
}
