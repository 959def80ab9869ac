//! What the scripts answer: whole numbers in a row, as each script's header tells.

use super::Reply;
use limits::counter::CounterName;
use limits::ledger::{Charge, Decided, Refusal, Request};
use limits::wire::{ChargeOutcome, LeaseGrant};

/// A reply that no script of ours gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// It ended too soon.
    #[error("expected more numbers in the script's reply, found its end after {0}")]
    Short(usize),
    /// A number out of place.
    #[error("expected {expected} at place {place} of the script's reply, found {found}")]
    Unexpected {
        /// What belongs there.
        expected: &'static str,
        /// Where, counted from 0.
        place: usize,
        /// What was there.
        found: i64,
    },
}

/// Reads a reply from its beginning to its end.
pub(super) struct Reader<'a> {
    numbers: &'a [i64],
    place: usize,
    now_ms: u64,
}

impl<'a> Reader<'a> {
    /// Reads the time at which it was all done.
    pub(super) fn new(numbers: &'a [i64]) -> Result<Self, BadReply> {
        let mut reader = Self { numbers, place: 0, now_ms: 0 };
        reader.now_ms = reader.number("a time")?;
        Ok(reader)
    }

    /// Reads a number that must not be negative.
    pub(super) fn number(&mut self, expected: &'static str) -> Result<u64, BadReply> {
        let place = self.place;
        let found = *self.numbers.get(place).ok_or(BadReply::Short(place))?;
        self.place += 1;
        u64::try_from(found).map_err(|_| BadReply::Unexpected { expected, place, found })
    }

    /// Reads whether something was done, or refused.
    pub(super) fn verdict(&mut self) -> Result<Result<bool, Refusal>, BadReply> {
        match self.number("a verdict, 0 to 2")? {
            0 => Ok(Ok(false)),
            1 => Ok(Ok(true)),
            2 => Ok(Err(Refusal::Clock { now_ms: self.now_ms })),
            _ => Err(self.unexpected("a verdict, 0 to 2")),
        }
    }

    /// Reads a request's decision.
    pub(super) fn decided(
        &mut self,
        request: &Request,
    ) -> Result<Result<Decided, Refusal>, BadReply> {
        let admitted = match self.verdict()? {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let verdict_place = self.place;
        let outcomes = request.charges().iter().map(|charge| self.outcome(charge));
        let decided = Decided::of(request, outcomes.collect::<Result<_, _>>()?);
        if decided.admitted == admitted {
            Ok(Ok(decided))
        } else {
            self.place = verdict_place;
            Err(self.unexpected("a verdict that its charges agree with"))
        }
    }

    /// Reads a charge's outcome.
    pub(super) fn outcome(&mut self, charge: &Charge) -> Result<ChargeOutcome, BadReply> {
        let code = self.number("an outcome, 0 to 3")?;
        if code > 3 {
            return Err(self.unexpected("an outcome, 0 to 3"));
        }
        Ok(ChargeOutcome {
            admitted: code % 2 == 1,
            limit: charge.terms.limit(),
            remaining: self.number("what is left")?,
            reset_ms: self.number("a time until more is left")?,
            retry_after_ms: self.number("a time until it fits")?,
            lease: if code >= 2 { Some(self.lease()?) } else { None },
        })
    }

    fn lease(&mut self) -> Result<LeaseGrant, BadReply> {
        Ok(LeaseGrant {
            granted: self.number("a lease's size")?,
            lease_ms: self.number("a lease's length")?,
        })
    }

    /// Reads the damaged counters, up to the reply's end.
    pub(super) fn finish<'k, T>(
        mut self,
        answers: Vec<T>,
        counters: impl Fn(usize) -> Option<&'k CounterName>,
    ) -> Result<Reply<T>, BadReply> {
        let mut damaged = Vec::new();
        while self.place < self.numbers.len() {
            let key = self.number("a key's place")?;
            let counter = usize::try_from(key).ok().and_then(&counters);
            damaged.push(counter.ok_or_else(|| self.unexpected("a key's place"))?.clone());
        }
        Ok(Reply { now_ms: self.now_ms, answers, damaged })
    }

    /// The number just read is none of those expected.
    fn unexpected(&self, expected: &'static str) -> BadReply {
        let place = self.place.saturating_sub(1);
        BadReply::Unexpected {
            expected,
            place,
            found: self.numbers.get(place).copied().unwrap_or(0),
        }
    }
}
