//! The three kinds of questions that scripts answer, behind one trait for [`super::lane`].

use super::slots;
use crate::script::{self, BadReply, Call, Reply};
use limits::counter::CounterName;
use limits::ledger::{Charge, Decided, Refusal, Request, Settle};
use limits::wire::{ChargeOutcome, Settled};

/// The kind of a script. The numbers are indices into [`Kind::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// [`script::source::DECIDE`]
    Decide = 0,
    /// [`script::source::SETTLE`]
    Settle = 1,
    /// [`script::source::PEEK`]
    Peek = 2,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Decide, Self::Settle, Self::Peek];

    /// Returns the script's source text.
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Decide => script::source::DECIDE,
            Self::Settle => script::source::SETTLE,
            Self::Peek => script::source::PEEK,
        }
    }

    /// Returns the kind's metric label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Settle => "settle",
            Self::Peek => "peek",
        }
    }
}

/// A question that a script answers, many at a time.
pub(crate) trait Question: Clone + Send + 'static {
    /// The answer's type.
    type Answer: Send + 'static;
    /// The script that answers it.
    const KIND: Kind;

    /// Builds the script's call.
    fn call(questions: &[&Self]) -> Call;
    /// Parses the script's reply.
    fn read(
        questions: &[&Self],
        reply: &[u8],
    ) -> Result<Reply<Result<Self::Answer, Refusal>>, BadReply>;
    /// Returns one of its counters. On a Cluster, all of them are in one slot.
    fn counter(&self) -> Option<&CounterName>;

    /// Returns its Cluster slot.
    fn slot(&self) -> u16 {
        self.counter().map_or(0, |counter| slots::of_tag(counter.slot_tag()))
    }
}

impl Question for Request {
    type Answer = Decided;
    const KIND: Kind = Kind::Decide;

    fn call(questions: &[&Self]) -> Call {
        script::decide(questions)
    }

    fn read(
        questions: &[&Self],
        reply: &[u8],
    ) -> Result<Reply<Result<Decided, Refusal>>, BadReply> {
        script::decided(questions, reply)
    }

    fn counter(&self) -> Option<&CounterName> {
        self.charges().first().map(|charge| &charge.counter)
    }
}

impl Question for Settle {
    type Answer = Settled;
    const KIND: Kind = Kind::Settle;

    fn call(questions: &[&Self]) -> Call {
        script::settle(questions)
    }

    fn read(
        questions: &[&Self],
        reply: &[u8],
    ) -> Result<Reply<Result<Settled, Refusal>>, BadReply> {
        script::settled(questions, reply)
    }

    fn counter(&self) -> Option<&CounterName> {
        self.charges().first().map(|charge| &charge.counter)
    }
}

impl Question for Charge {
    type Answer = ChargeOutcome;
    const KIND: Kind = Kind::Peek;

    fn call(questions: &[&Self]) -> Call {
        script::peek(questions)
    }

    fn read(
        questions: &[&Self],
        reply: &[u8],
    ) -> Result<Reply<Result<ChargeOutcome, Refusal>>, BadReply> {
        script::peeked(questions, reply)
    }

    fn counter(&self) -> Option<&CounterName> {
        Some(&self.counter)
    }
}
