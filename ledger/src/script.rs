//! The Lua scripts, their input and their replies. Pure: no connections here.
//!
//! [`crate::store`] sends the calls built by [`decide`], [`settle`] and [`peek`] with EVALSHA, and
//! has the replies parsed by [`decided`], [`settled`] and [`peeked`]. The scripts do exactly the
//! arithmetic of [`limits::ledger`].
//!
//! A call is an atomic batch, decided in order by the server's clock. On a Cluster, all keys of a
//! call must be in one slot. All counters of one identity are
//! ([`CounterName::slot_tag`](limits::counter::CounterName::slot_tag)).

mod keys;
mod record;
mod reply;

pub use reply::{BadReply, Reply};

use keys::Keys;
use limits::ledger::{Charge, Decided, Refusal, Request, Settle, TopUp, ToppedUp};
use limits::wire::{ChargeOutcome, Settled};
use reply::Reader;

/// The scripts' source texts.
pub mod source {
    /// Decides requests, and charges the admitted ones.
    pub const DECIDE: &str = concat!(
        include_str!("script/clock.lua"),
        include_str!("script/count.lua"),
        include_str!("script/block.lua"),
        include_str!("script/act.lua"),
        include_str!("script/decide.lua"),
        include_str!("script/finish.lua")
    );
    /// Settles decisions: gives back, or charges more.
    pub const SETTLE: &str = concat!(
        include_str!("script/clock.lua"),
        include_str!("script/count.lua"),
        include_str!("script/block.lua"),
        include_str!("script/act.lua"),
        include_str!("script/settle.lua"),
        include_str!("script/finish.lua")
    );
    /// Adds to a balance.
    pub const TOP_UP: &str =
        concat!(include_str!("script/clock.lua"), include_str!("script/top_up.lua"));
    /// Reads counters without writing.
    pub const PEEK: &str = concat!(
        include_str!("script/clock.lua"),
        include_str!("script/count.lua"),
        include_str!("script/block.lua"),
        include_str!("script/act.lua"),
        include_str!("script/peek.lua")
    );
}

/// A script call: `EVALSHA sha <number of keys> <keys> <records>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The names of the counters and marks, each once.
    pub keys: Vec<String>,
    /// The operations on them, in binary form.
    pub records: Vec<u8>,
}

/// Builds the call of [`source::DECIDE`] for `requests`. A thousand charges keep the server busy
/// for several milliseconds, so don't batch more than other clients can wait for.
#[must_use]
pub fn decide(requests: &[&Request]) -> Call {
    let mut keys = Keys::default();
    let mut records = Vec::new();
    for request in requests {
        let last = request.charges().len() - 1;
        for (index, charge) in request.charges().iter().enumerate() {
            records.extend(record::charge(charge, keys.charge(charge), index == last));
        }
    }
    Call { keys: keys.names(), records }
}

/// Parses the reply of [`source::DECIDE`] to the same `requests`.
///
/// # Errors
/// [`BadReply`] if the reply is malformed.
pub fn decided(
    requests: &[&Request],
    reply: &[u8],
) -> Result<Reply<Result<Decided, Refusal>>, BadReply> {
    let mut reader = Reader::new(reply)?;
    let answers = requests.iter().map(|request| reader.decided(request));
    let answers = answers.collect::<Result<_, _>>()?;
    let charges = || requests.iter().flat_map(|request| request.charges());
    reader.finish(answers, || Keys::of(charges()))
}

/// Builds the call of [`source::SETTLE`] for `settles`.
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

/// Parses the reply of [`source::SETTLE`] to the same `settles`.
///
/// # Errors
/// [`BadReply`] if the reply is malformed.
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
                let left = settle.charges().iter().map(|_| reader.amount("a remaining amount"));
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

/// Builds the call of [`source::TOP_UP`].
#[must_use]
pub fn top_up(top_up: &TopUp) -> Call {
    Call {
        keys: vec![top_up.counter.to_string(), top_up.mark()],
        records: record::top_up(top_up.amount.get()),
    }
}

/// Parses the reply of [`source::TOP_UP`] to the same top-up.
///
/// # Errors
/// [`BadReply`] if the reply is malformed.
pub fn topped_up(top_up: &TopUp, reply: &[u8]) -> Result<Reply<ToppedUp>, BadReply> {
    let mut reader = Reader::new(reply)?;
    let answer = reader.topped_up()?;
    reader.finish(vec![answer], || {
        let mut keys = Keys::default();
        keys.counter(&top_up.counter);
        keys
    })
}

/// Builds the call of [`source::PEEK`] for `charges`, each by itself.
#[must_use]
pub fn peek(charges: &[&Charge]) -> Call {
    let mut keys = Keys::default();
    let mut records = Vec::new();
    for charge in charges {
        records.extend(record::charge(charge, keys.charge(charge), true));
    }
    Call { keys: keys.names(), records }
}

/// Parses the reply of [`source::PEEK`] to the same `charges`.
///
/// # Errors
/// [`BadReply`] if the reply is malformed.
pub fn peeked(
    charges: &[&Charge],
    reply: &[u8],
) -> Result<Reply<Result<ChargeOutcome, Refusal>>, BadReply> {
    let mut reader = Reader::new(reply)?;
    let answers = charges.iter().map(|charge| reader.outcome(charge));
    let answers = answers.collect::<Result<_, _>>()?;
    reader.finish(answers, || Keys::of(charges.iter().copied()))
}
