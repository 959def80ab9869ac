//! The scripts' replies: one string of little-endian whole numbers, as described in each script's
//! header.

use super::keys::Keys;
use limits::counter::CounterName;
use limits::ledger::{Charge, Decided, Method, Refusal, Request, TopUpEffect, ToppedUp};
use limits::wire::{ChargeOutcome, LeaseGrant};

/// A script's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// The server's time at which the whole call was executed.
    pub now_ms: u64,
    /// One answer per question, in order.
    pub answers: Vec<T>,
    /// Counters whose value was damaged. They were dropped and counted as missing. To be logged.
    pub damaged: Vec<CounterName>,
}

/// A reply that does not come from our scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// The reply is too short.
    #[error("expected {expected} at byte {at} of the script's reply, found its end")]
    Short {
        /// The field expected.
        expected: &'static str,
        /// Its offset, from 0.
        at: usize,
    },
    /// A number is invalid.
    #[error("expected {expected} before byte {at} of the script's reply, found {found}")]
    Unexpected {
        /// The field expected.
        expected: &'static str,
        /// The offset at which it ended, from 0.
        at: usize,
        /// The number found.
        found: u64,
    },
}

/// The code that replaces a request's outcomes if no period given contains the server's time.
const ASTRAY: u64 = 2;

/// The code of a charge that a block for repeated refusals denies.
const BLOCKED: u64 = 4;

/// Reads a reply from start to end.
pub(super) struct Reader<'a> {
    reply: &'a [u8],
    at: usize,
    now_ms: u64,
}

impl<'a> Reader<'a> {
    /// Reads the server's time.
    pub(super) fn new(reply: &'a [u8]) -> Result<Self, BadReply> {
        let mut reader = Self { reply, at: 0, now_ms: 0 };
        reader.now_ms = reader.number(6, "a time")?;
        Ok(reader)
    }

    /// Reads a number of `width` bytes, at most 8.
    fn number(&mut self, width: usize, expected: &'static str) -> Result<u64, BadReply> {
        let (at, end) = (self.at, self.at + width);
        let bytes = self.reply.get(at..end).ok_or(BadReply::Short { expected, at })?;
        self.at = end;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Reads an amount or a duration, at most 2^53.
    pub(super) fn amount(&mut self, expected: &'static str) -> Result<u64, BadReply> {
        self.number(7, expected)
    }

    /// Reads a settle's verdict. The value is true if the settle was applied.
    pub(super) fn verdict(&mut self) -> Result<Result<bool, Refusal>, BadReply> {
        match self.number(1, "a verdict, 0 to 2")? {
            0 => Ok(Ok(false)),
            1 => Ok(Ok(true)),
            2 => Ok(Err(self.astray())),
            found => Err(self.unexpected("a verdict, 0 to 2", found)),
        }
    }

    /// Reads a top-up's outcome.
    pub(super) fn topped_up(&mut self) -> Result<ToppedUp, BadReply> {
        let code = self.number(1, "an effect, 0 to 2")?;
        let before = self.amount("an earlier amount")?;
        let effect = match code {
            0 => TopUpEffect::Repeated(before),
            1 => TopUpEffect::Added,
            2 => TopUpEffect::TooMuch,
            found => return Err(self.unexpected("an effect, 0 to 2", found)),
        };
        Ok(ToppedUp { effect, added: self.amount("an added amount")? })
    }

    /// Reads a request's decision.
    pub(super) fn decided(
        &mut self,
        request: &Request,
    ) -> Result<Result<Decided, Refusal>, BadReply> {
        let mut outcomes = Vec::with_capacity(request.charges().len());
        for charge in request.charges() {
            match self.outcome(charge)? {
                Ok(outcome) => outcomes.push(outcome),
                // The code stands for all charges, so it must come first.
                Err(refusal) if outcomes.is_empty() => return Ok(Err(refusal)),
                Err(_) => return Err(self.unexpected("an outcome, 0, 1, 3 or 4", ASTRAY)),
            }
        }
        Ok(Ok(Decided::of(request, outcomes)))
    }

    /// Reads a charge's outcome.
    pub(super) fn outcome(
        &mut self,
        charge: &Charge,
    ) -> Result<Result<ChargeOutcome, Refusal>, BadReply> {
        let code = self.number(1, "an outcome, 0 to 4")?;
        match code {
            0 | 1 | 3 | BLOCKED => {}
            ASTRAY => return Ok(Err(self.astray())),
            _ => return Err(self.unexpected("an outcome, 0 to 4", code)),
        }
        let (denied, blocked) = (code == 0 || code == BLOCKED, code == BLOCKED);
        let (remaining, reset_ms) =
            (self.amount("a remaining amount")?, self.amount("a reset time")?);
        let retry_after_ms = if denied { self.amount("a retry time")? } else { 0 };
        let lease = if code == 3 { Some(self.lease()?) } else { None };
        // A balance's limit depends on its top-ups, which only the ledger knows.
        let limit = match charge.terms.method {
            Method::Balance(_) => self.amount("a given amount")?,
            _ => charge.terms.limit(),
        };
        Ok(Ok(ChargeOutcome {
            admitted: !denied,
            limit,
            remaining,
            reset_ms,
            retry_after_ms,
            lease,
            blocked,
        }))
    }

    /// Returns the refusal for a time that no period given contains.
    fn astray(&self) -> Refusal {
        Refusal::Clock { now_ms: self.now_ms }
    }

    fn lease(&mut self) -> Result<LeaseGrant, BadReply> {
        Ok(LeaseGrant {
            granted: self.amount("a lease's size")?,
            lease_ms: self.amount("a lease's length")?,
        })
    }

    /// Reads the damaged counters up to the end of the reply. `keys`: the keys of the call.
    pub(super) fn finish<'k, T>(
        mut self,
        answers: Vec<T>,
        keys: impl FnOnce() -> Keys<'k>,
    ) -> Result<Reply<T>, BadReply> {
        let mut damaged = Vec::new();
        if self.at < self.reply.len() {
            let keys = keys();
            while self.at < self.reply.len() {
                let place = self.number(4, "a key's place")?;
                let counter = usize::try_from(place).ok().and_then(|place| keys.at(place));
                let counter = counter.ok_or_else(|| self.unexpected("a key's place", place))?;
                damaged.push(counter.clone());
            }
        }
        Ok(Reply { now_ms: self.now_ms, answers, damaged })
    }

    /// Returns an error about the number just read.
    fn unexpected(&self, expected: &'static str, found: u64) -> BadReply {
        BadReply::Unexpected { expected, at: self.at, found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::decided;
    use limits::counter::{CounterName, Identity};
    use limits::ledger::Terms;
    use limits::quota::{Limit, SlidingWindow, WindowMs};
    use limits::wire::Cost;

    fn request() -> Request {
        let identity = Identity::derive(b"", [b"reply".as_slice()]);
        let (limit, window_ms) = (Limit::clamped(5), WindowMs::clamped(60_000));
        Request::new(vec![Charge {
            counter: CounterName::new(&identity, "ai").unwrap(),
            cost: Cost::clamped(1),
            enforce: true,
            terms: Terms::limited(Method::SlidingWindow(SlidingWindow { limit, window_ms })),
            lease: None,
            block: None,
        }])
        .unwrap()
    }

    /// Builds a reply with now_ms 1000, `code`, remaining, reset_ms, retry_after_ms if the charge
    /// does not fit, then `rest`.
    fn reply(code: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xe8, 3, 0, 0, 0, 0, code];
        for number in [4_u8, 100, 7].iter().take(if code == 0 { 3 } else { 2 }) {
            bytes.extend([*number, 0, 0, 0, 0, 0, 0]);
        }
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn a_valid_reply_is_parsed() {
        let request = request();
        let read = decided(&[&request], &reply(1, &[0, 0, 0, 0])).unwrap();
        assert_eq!(read.now_ms, 1_000);
        assert_eq!(read.damaged, [request.charges().first().unwrap().counter.clone()]);
        let answer = read.answers.first().unwrap().as_ref().unwrap();
        let outcome = answer.charges.first().unwrap();
        assert_eq!((outcome.remaining, outcome.reset_ms, outcome.limit), (4, 100, 5));

        let denied = decided(&[&request], &reply(0, b"")).unwrap();
        let answer = denied.answers.first().unwrap().as_ref().unwrap();
        assert_eq!((answer.admitted, answer.retry_after_ms), (false, 7));

        let astray = decided(&[&request], &[0xe8, 3, 0, 0, 0, 0, 2]).unwrap();
        assert_eq!(astray.answers, [Err(Refusal::Clock { now_ms: 1_000 })]);
    }

    #[test]
    fn an_invalid_reply_is_an_error() {
        let check = |reply: &[u8], expected: &str| {
            assert_eq!(decided(&[&request()], reply).unwrap_err().to_string(), expected);
        };
        check(b"", "expected a time at byte 0 of the script's reply, found its end");
        check(
            &reply(1, b"")[..20],
            "expected a reset time at byte 14 of the script's reply, found its end",
        );
        check(
            &reply(0, b"")[..27],
            "expected a retry time at byte 21 of the script's reply, found its end",
        );
        check(
            &reply(9, b""),
            "expected an outcome, 0 to 4 before byte 7 of the script's reply, found 9",
        );
        check(
            &reply(1, &[9, 0, 0, 0]),
            "expected a key's place before byte 25 of the script's reply, found 9",
        );
    }
}
