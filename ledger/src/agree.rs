//! Retries questions that were prepared for the wrong calendar period.
//!
//! Called by [`crate::Ledger::decide`] and [`crate::Ledger::settle`]. Questions are prepared for
//! the ledger's expected time ([`crate::prepare`]). If its clock turns out to be in another period,
//! the affected questions are prepared again for its actual time; the others are not asked again.

use crate::store::{Fault, Timed};

/// The number of times a question is prepared and asked.
const MAX_TRIES: usize = 3;

/// Returns one answer for each of `count` questions.
///
/// `prepare` builds the question with the given index for a time in Unix milliseconds, at first
/// `now_ms`. `ask` sends some of the questions to the ledger, in order.
///
/// # Errors
/// Fails if `prepare` does; the questions prepared in that round are not asked.
pub(crate) async fn ask<Q, A, Answering>(
    count: usize,
    now_ms: u64,
    prepare: impl Fn(usize, u64) -> Result<Q, Fault>,
    ask: impl Fn(Vec<Q>) -> Answering,
) -> Result<Vec<Result<Timed<A>, Fault>>, Fault>
where
    Answering: Future<Output = Vec<Result<Timed<A>, Fault>>>,
{
    let mut answers: Vec<_> = (0..count).map(|_| Err(Fault::Clock { now_ms })).collect();
    for _ in 0..MAX_TRIES {
        let mut places = Vec::new();
        let mut questions = Vec::new();
        for (at, answer) in answers.iter().enumerate() {
            if let Err(Fault::Clock { now_ms }) = answer {
                places.push(at);
                questions.push(prepare(at, *now_ms)?);
            }
        }
        if places.is_empty() {
            break;
        }
        for (at, answer) in places.into_iter().zip(ask(questions).await) {
            if let Some(place) = answers.get_mut(at) {
                *place = answer;
            }
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::Book;
    use crate::prepare::Preparer;
    use limits::ledger;
    use limits::quota::{Anchor, FixedWindow, Limit, Period, Quota, TimeZone};
    use limits::wire::{Charge, Cost, Request};
    use std::cell::{Cell, RefCell};

    const MINUTE_MS: u64 = 60_000;

    fn request(per: Period) -> Request {
        let counter = format!("tg:{{0123456789abcdef0123456789abcdef}}:{per:?}");
        let (limit, time_zone) = (Limit::clamped(10), TimeZone::UTC);
        Request {
            charges: vec![Charge {
                counter: counter.try_into().unwrap(),
                quota: Quota::FixedWindow(FixedWindow {
                    limit,
                    per,
                    time_zone,
                    anchor: Anchor::default(),
                }),
                cost: Cost::clamped(1),
                enforce: true,
                lease: None,
                block: None,
            }],
        }
    }

    /// Decides one request with a quota per minute and one with a quota per day, with the shim's
    /// clock at `ours_ms` and the ledger's at `theirs_ms`. Returns the number of questions asked
    /// each time, and what remains of each quota.
    async fn decide(ours_ms: u64, theirs_ms: u64) -> (Vec<usize>, Vec<u64>) {
        let requests = [request(Period::Minute), request(Period::Day)];
        let book = Book::default();
        let ledger = RefCell::new(ledger::Ledger::new(10));
        let asked = RefCell::new(Vec::new());
        let answers = ask(
            2,
            ours_ms,
            |at, now_ms| Ok(Preparer { book: &book, now_ms }.request(&requests[at]).unwrap()),
            |questions: Vec<ledger::Request>| {
                asked.borrow_mut().push(questions.len());
                let decide = |request| {
                    let answer = ledger.borrow_mut().decide(theirs_ms, request)?;
                    Ok(Timed { now_ms: theirs_ms, answer })
                };
                std::future::ready(questions.iter().map(decide).collect())
            },
        )
        .await
        .unwrap();
        let left = |answer: Result<Timed<ledger::Decided>, Fault>| {
            answer.unwrap().answer.charges[0].remaining
        };
        (asked.into_inner(), answers.into_iter().map(left).collect())
    }

    #[tokio::test]
    async fn only_questions_for_the_wrong_period_are_asked_again() {
        let noon_ms = 20_000 * 86_400_000 + 43_200_000;
        // A difference of up to half a period does not matter.
        assert_eq!(decide(noon_ms, noon_ms + 29_000).await, (vec![2], vec![9, 9]));
        assert_eq!(decide(noon_ms, noon_ms - 29_000).await, (vec![2], vec![9, 9]));
        // Five minutes affect the quota per minute; more than half a day affects both.
        assert_eq!(decide(noon_ms, noon_ms + 5 * MINUTE_MS).await, (vec![2, 1], vec![9, 9]));
        assert_eq!(decide(noon_ms, noon_ms - 5 * MINUTE_MS).await, (vec![2, 1], vec![9, 9]));
        assert_eq!(decide(noon_ms, noon_ms + 5_000 * MINUTE_MS).await, (vec![2, 2], vec![9, 9]));
    }

    #[tokio::test]
    async fn a_clock_that_keeps_jumping_is_an_error() {
        let now_ms = Cell::new(0);
        let answers = ask(
            1,
            0,
            |_, _| Ok(()),
            |questions: Vec<()>| {
                now_ms.set(now_ms.get() + 1);
                let jumped = || Err::<Timed<()>, _>(Fault::Clock { now_ms: now_ms.get() });
                std::future::ready(questions.iter().map(|()| jumped()).collect())
            },
        )
        .await
        .unwrap();
        assert_eq!(answers, [Err(Fault::Clock { now_ms: MAX_TRIES as u64 })]);
    }
}
