//! The Lua scripts, what is put to them, and what their replies mean. Pure: no connection here.
//!
//! [`crate::ledger`] sends what [`decide`], [`settle`] and [`peek`] put together, by EVALSHA, and
//! hands the reply back to them. The scripts do the arithmetic of [`limits::ledger`], to the number.
//!
//! One call is one atomic batch, decided in order by the server's own clock. In a Cluster all keys
//! of one call must lie in one slot: all counters of one identity do
//! ([`CounterName::slot_tag`](limits::counter::CounterName::slot_tag)).

mod record;
mod reply;

pub use reply::BadReply;

use limits::counter::CounterName;
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

/// One call of a script: `EVALSHA sha <number of keys> <keys> <args>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The names of counters and marks.
    pub keys: Vec<String>,
    /// One for each key: what is to be done with it. Binary.
    pub args: Vec<Vec<u8>>,
}

/// A script's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// The server's time at which all of it was done.
    pub now_ms: u64,
    /// One for each thing asked, in its order.
    pub answers: Vec<T>,
    /// Counters whose value was damaged: it was dropped, and counted as absent. To be logged.
    pub damaged: Vec<CounterName>,
}

/// Puts `requests` to [`source::DECIDE`]. A thousand charges keep the server busy for several
/// milliseconds: put no more to it at once than others can wait for.
#[must_use]
pub fn decide(requests: &[&Request]) -> Call {
    let mut call = Call::default();
    for request in requests {
        let last = request.charges().len() - 1;
        for (index, charge) in request.charges().iter().enumerate() {
            call.add(charge.counter.as_str(), record::charge(charge, index == last));
        }
    }
    call
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
    reader.finish(answers, |place| charges().nth(place).map(|charge| &charge.counter))
}

/// Puts `settles` to [`source::SETTLE`].
#[must_use]
pub fn settle(settles: &[&Settle]) -> Call {
    let mut call = Call::default();
    for settle in settles {
        call.add(&settle.mark(), record::mark(settle.decision_ms()));
        let last = settle.charges().len() - 1;
        for (index, charge) in settle.charges().iter().enumerate() {
            call.add(charge.counter.as_str(), record::settle_charge(charge, index == last));
        }
    }
    call
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
    // A mark takes the first place of each settle.
    let keys = || {
        settles.iter().flat_map(|settle| {
            let counters = settle.charges().iter().map(|charge| Some(&charge.counter));
            std::iter::once(None).chain(counters)
        })
    };
    reader.finish(answers, |place| keys().nth(place).flatten())
}

/// Puts `charges` to [`source::PEEK`], each by itself.
#[must_use]
pub fn peek(charges: &[&Charge]) -> Call {
    let mut call = Call::default();
    for charge in charges {
        call.add(charge.counter.as_str(), record::charge(charge, true));
    }
    call
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
    let mut answers = Vec::with_capacity(charges.len());
    for charge in charges {
        answers.push(match reader.verdict()? {
            Ok(_) => Ok(reader.outcome(charge)?),
            Err(refusal) => Err(refusal),
        });
    }
    reader.finish(answers, |place| charges.get(place).map(|charge| &charge.counter))
}

impl Call {
    fn add(&mut self, key: &str, arg: Vec<u8>) {
        self.keys.push(key.to_owned());
        self.args.push(arg);
    }
}
