//! The three things that are asked of Redis by script, alike for [`super::lane`].

use super::slots;
use crate::script::{self, BadReply, Call, Reply};
use limits::counter::CounterName;
use limits::ledger::{Charge, Decided, Refusal, Request, Settle};
use limits::wire::{ChargeOutcome, Settled};

/// Which script answers. The numbers are those of [`Kind::ALL`].
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
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Decide, Self::Settle, Self::Peek];

    /// The script.
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Decide => script::source::DECIDE,
            Self::Settle => script::source::SETTLE,
            Self::Peek => script::source::PEEK,
        }
    }

    /// Its name, as a metric's label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Settle => "settle",
            Self::Peek => "peek",
        }
    }
}

/// Something that a script answers, many at a time.
pub(crate) trait Question: Clone + Send + 'static {
    /// Its answer.
    type Answer: Send + 'static;
    /// The script that answers it.
    const KIND: Kind;

    /// Puts them to the script.
    fn call(questions: &[&Self]) -> Call;
    /// Reads its reply.
    fn read(
        questions: &[&Self],
        reply: &[u8],
    ) -> Result<Reply<Result<Self::Answer, Refusal>>, BadReply>;
    /// A counter of it; all of them lie in one slot where slots matter.
    fn counter(&self) -> Option<&CounterName>;

    /// Its Cluster slot.
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
