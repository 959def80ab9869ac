//! Chooses tiers, limits and costs for a request.

use super::number;
use crate::facts::Facts;
use crate::key;
use crate::policy::{Amount, Bucket, Counting, NumberFrom, Source};
use crate::quota::Quota;
use std::collections::BTreeMap;

/// The part of a bucket that a value of the request selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Its tier.
    Tier,
    /// Its limit.
    Limit,
    /// The cost charged to it.
    Cost,
    /// The time zone of its calendar.
    TimeZone,
    /// The day on which its periods begin.
    Anchor,
}

/// The reason for a tier, a limit or a cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason<'a> {
    /// The subject.
    pub subject: Subject,
    /// The source of the value that was looked up or read.
    pub source: &'a Source,
    /// The value, if the request has one.
    pub found: Option<String>,
    /// The effect of the value.
    pub effect: Effect,
}

/// The effect of a request's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is listed in the table, or valid.
    Listed,
    /// It is missing or not listed in the table.
    Unlisted,
    /// It is this number, within its bounds.
    Read(u64),
    /// It is missing or not a number.
    NotANumber,
    /// It is missing, or not a time zone or a day.
    Invalid,
}

/// A bucket's way of counting a request, and its limit, with the reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenLimit<'a> {
    /// The way of counting.
    pub counting: &'a Counting,
    /// The limit; 0 if the request is refused, [`UNLIMITED`](crate::policy::UNLIMITED) if it never
    /// is.
    pub limit: u64,
    /// The quota; `None` if the limit is 0.
    pub quota: Option<Quota>,
    /// The reasons, if they depend on the request.
    pub reasons: Vec<Reason<'a>>,
}

impl Bucket {
    /// Returns the limit for a request, with the reasons.
    pub fn chosen(&self, facts: &impl Facts) -> ChosenLimit<'_> {
        let mut reasons = Vec::new();
        let note = &mut |reason| reasons.push(reason);
        let counting = self.tier(facts, note);
        let limit = counting.limit.chosen(Subject::Limit, facts, note);
        let quota = counting.quota(limit, facts, note);
        ChosenLimit { counting, limit, quota, reasons }
    }

    /// Returns the way in which the bucket counts a request. Passes the reason to `note`, if it
    /// depends on the request.
    pub(crate) fn tier<'a>(
        &'a self,
        facts: &impl Facts,
        note: &mut impl FnMut(Reason<'a>),
    ) -> &'a Counting {
        let Some(tiers) = &self.tiers else { return &self.counting };
        let (found, tier) = lookup(&tiers.source, &tiers.values, facts);
        note(Reason::lookup(Subject::Tier, &tiers.source, found, tier.is_some()));
        tier.unwrap_or(&self.counting)
    }
}

impl Amount {
    /// Returns the amount for a request. Passes the reasons to `note`, if it depends on the request.
    pub(crate) fn chosen<'a>(
        &'a self,
        subject: Subject,
        facts: &impl Facts,
        note: &mut impl FnMut(Reason<'a>),
    ) -> u64 {
        let mut amount = self;
        loop {
            amount = match amount {
                Self::Fixed(number) => return number.get(),
                Self::By { source, values, otherwise } => {
                    let (found, listed) = lookup(source, values, facts);
                    note(Reason::lookup(subject, source, found, listed.is_some()));
                    listed.unwrap_or(otherwise)
                }
                Self::From { number, otherwise } => {
                    let found = key::text_of(&number.source, facts);
                    let read = found.as_deref().and_then(|text| number.read(text));
                    note(Reason {
                        subject,
                        source: &number.source,
                        found: found.map(|text| String::from_utf8_lossy(&text).into_owned()),
                        effect: read.map_or(Effect::NotANumber, Effect::Read),
                    });
                    match read {
                        Some(number) => return number,
                        None => otherwise,
                    }
                }
            }
        }
    }
}

impl NumberFrom {
    /// Returns the number in `text`, divided and within its bounds.
    fn read(&self, text: &[u8]) -> Option<u64> {
        let number = number::parse(text)?.divided(self.divide_by, self.rounds_up);
        Some(number.max(self.min).min(self.max))
    }
}

impl<'a> Reason<'a> {
    const fn lookup(
        subject: Subject,
        source: &'a Source,
        found: Option<String>,
        is_listed: bool,
    ) -> Self {
        let effect = if is_listed { Effect::Listed } else { Effect::Unlisted };
        Self { subject, source, found, effect }
    }
}

/// Returns the value of `source`, and its entry in `values`.
fn lookup<'t, T>(
    source: &Source,
    values: &'t BTreeMap<String, T>,
    facts: &impl Facts,
) -> (Option<String>, Option<&'t T>) {
    let found = key::text_of(source, facts).and_then(|text| String::from_utf8(text).ok());
    let entry = found.as_ref().and_then(|value| values.get(value));
    (found, entry)
}
