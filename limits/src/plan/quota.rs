//! The quota of a request: the algorithm, with what the request says of the calendar.

use super::choose::{Effect, Reason, Subject};
use crate::facts::Facts;
use crate::key;
use crate::policy::{Algorithm, Choice, Counting};
use crate::quota::{Anchor, Balance, FixedWindow, Limit, Quota, SlidingWindow, Start, TimeZone};

impl Counting {
    /// Returns the quota at `limit` for a request; `None` if the limit is 0, unless it is a balance.
    /// Passes the reasons for the calendar to `note`, if it depends on the request.
    pub(crate) fn quota<'a>(
        &'a self,
        limit: u64,
        facts: &impl Facts,
        note: &mut impl FnMut(Reason<'a>),
    ) -> Option<Quota> {
        Some(match &self.algorithm {
            Algorithm::SlidingWindow { window_ms } => {
                let limit = Limit::new(limit).ok()?;
                Quota::SlidingWindow(SlidingWindow { limit, window_ms: *window_ms })
            }
            Algorithm::FixedWindow { per, time_zone, anchor } => {
                let limit = Limit::new(limit).ok()?;
                let zone = |name: &str| TimeZone::named(name).ok();
                let time_zone = time_zone.chosen(Subject::TimeZone, facts, zone, note);
                let day = |day: &str| Anchor::find(*per, day);
                let anchor = anchor.chosen(Subject::Anchor, facts, day, note);
                Quota::FixedWindow(FixedWindow { limit, per: *per, time_zone, anchor })
            }
            Algorithm::TokenBucket(bucket) => {
                Limit::new(limit).ok()?;
                Quota::TokenBucket(*bucket)
            }
            Algorithm::Balance => Quota::Balance(Balance { start: Start::clamped(limit) }),
        })
    }
}

impl<T: Copy> Choice<T> {
    /// Returns the value for a request. `parse` reads it from the request's text.
    fn chosen<'a>(
        &'a self,
        subject: Subject,
        facts: &impl Facts,
        parse: impl FnOnce(&str) -> Option<T>,
        note: &mut impl FnMut(Reason<'a>),
    ) -> T {
        let (source, otherwise) = match self {
            Self::Fixed(value) => return *value,
            Self::From { source, otherwise } => (source, *otherwise),
        };
        let found = key::text_of(source, facts).and_then(|text| String::from_utf8(text).ok());
        let parsed = found.as_deref().and_then(parse);
        let effect = if parsed.is_some() { Effect::Listed } else { Effect::Invalid };
        note(Reason { subject, source, found, list: None, effect });
        parsed.unwrap_or(otherwise)
    }
}
