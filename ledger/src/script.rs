//! The Lua scripts, what is put to them, and what their replies mean. Pure: no connection here.
//!
//! [`crate::store`] sends what [`decide`], [`settle`] and [`peek`] put together, by EVALSHA, and
//! hands the reply back to them. The scripts do the arithmetic of [`limits::ledger`], to the number.
//!
//! One call is one atomic batch, decided in order by the server's own clock. In a Cluster all keys
//! of one call must lie in one slot: all counters of one identity do
//! ([`CounterName::slot_tag`](limits::counter::CounterName::slot_tag)).

mod keys;
mod record;
mod reply;

pub use reply::{BadReply, Reply};

use keys::Keys;
use limits::ledger::{Charge, Decided, Refusal, Request, Settle};
use limits::wire::{ChargeOutcome, Settled};
use reply::Reader;

/// The scripts as they are loaded.
pub mod source {
    /// Decides requests: charges what fits.
    pub const DECIDE: &str = concat!(
        include_str!("script/clock.lua"),
        include_str!("script/count.lua"),
        include_str!("script/act.lua"),
        include_str!("script/decide.lua"),
        include_str!("script/finish.lua")
    );
    /// Settles decisions: gives back, or charges afterwards.
    pub const SETTLE: &str = concat!(
        include_str!("script/clock.lua"),
        include_str!("script/count.lua"),
        include_str!("script/act.lua"),
        include_str!("script/settle.lua"),
        include_str!("script/finish.lua")
    );
    /// Reads counters, and writes nothing.
    pub const PEEK: &str = concat!(
        include_str!("script/clock.lua"),
        include_str!("script/count.lua"),
        include_str!("script/act.lua"),
        include_str!("script/peek.lua")
    );
}

/// One call of a script: `EVALSHA sha <number of keys> <keys> <records>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The names of counters and marks, each once.
    pub keys: Vec<String>,
    /// What is to be done with them. Binary.
    pub records: Vec<u8>,
}

/// Puts `requests` to [`source::DECIDE`]. A thousand charges keep the server busy for several
/// milliseconds: put no more to it at once than others can wait for.
#[must_use]
pub fn decide(requests: &[&Request]) -> Call {
    let mut keys = Keys::default();
    let mut records = Vec::new();
    for request in requests {
        let last = request.charges().len() - 1;
        for (index, charge) in request.charges().iter().enumerate() {
            let place = keys.counter(&charge.counter);
            records.extend(record::charge(charge, place, index == last));
        }
    }
    Call { keys: keys.names(), records }
}

/// What [`source::DECIDE`] has answered to [`decide`] of the same `requests`.
///
/// # Errors
/// [`BadReply`].
pub fn decided(
    requests: &[&Request],
    reply: &[u8],
) -> Result<Reply<Result<Decided, Refusal>>, BadReply> {
    let mut reader = Reader::new(reply)?;
    let answers = requests.iter().map(|request| reader.decided(request));
    let answers = answers.collect::<Result<_, _>>()?;
    let charges = || requests.iter().flat_map(|request| request.charges());
    reader.finish(answers, || Keys::of(charges().map(|charge| &charge.counter)))
}

/// Puts `settles` to [`source::SETTLE`].
#[must_use]
pub fn settle(settles: &[&Settle]) -> Call {
    let mut keys = Keys::default();
    let mut records = Vec::new();
    for settle in settles {
        records.extend(record::mark(keys.mark(settle), settle.decision_ms()));
        let last = settle.charges().len() - 1;
        for (index, charge) in settle.charges().iter().enumerate() {
            let place = keys.counter(&charge.counter);
            records.extend(record::settle_charge(charge, place, index == last));
        }
    }
    Call { keys: keys.names(), records }
}

/// What [`source::SETTLE`] has answered to [`settle`] of the same `settles`.
///
/// # Errors
/// [`BadReply`].
pub fn settled(
    settles: &[&Settle],
    reply: &[u8],
) -> Result<Reply<Result<Settled, Refusal>>, BadReply> {
    let mut reader = Reader::new(reply)?;
    let mut answers = Vec::with_capacity(settles.len());
    for settle in settles {
        answers.push(match reader.verdict()? {
            Err(refusal) => Err(refusal),
            Ok(applied) => {
                let left = settle.charges().iter().map(|_| reader.amount("what is left"));
                Ok(Settled { applied, remaining: left.collect::<Result<_, _>>()? })
            }
        });
    }
    reader.finish(answers, || {
        let mut keys = Keys::default();
        for settle in settles {
            keys.mark(settle);
            for charge in settle.charges() {
                keys.counter(&charge.counter);
            }
        }
        keys
    })
}

/// Puts `charges` to [`source::PEEK`], each by itself.
#[must_use]
pub fn peek(charges: &[&Charge]) -> Call {
    let mut keys = Keys::default();
    let mut records = Vec::new();
    for charge in charges {
        records.extend(record::charge(charge, keys.counter(&charge.counter), true));
    }
    Call { keys: keys.names(), records }
}

/// What [`source::PEEK`] has answered to [`peek`] of the same `charges`.
///
/// # Errors
/// [`BadReply`].
pub fn peeked(
    charges: &[&Charge],
    reply: &[u8],
) -> Result<Reply<Result<ChargeOutcome, Refusal>>, BadReply> {
    let mut reader = Reader::new(reply)?;
    let answers = charges.iter().map(|charge| reader.outcome(charge));
    let answers = answers.collect::<Result<_, _>>()?;
    reader.finish(answers, || Keys::of(charges.iter().map(|charge| &charge.counter)))
}
