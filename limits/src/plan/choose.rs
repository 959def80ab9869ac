//! Chooses tiers, limits and costs for a request.

use super::number;
use super::pace::Pace;
use crate::facts::{Facts, Value};
use crate::key;
use crate::policy::{Amount, Bucket, Counting, NumberFrom, Source};
use crate::quota::Quota;
use std::collections::{BTreeMap, BTreeSet};

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
    /// The value, if the request has one. Of a list, it is the item that counts, or the whole list
    /// if none of its items is listed.
    pub found: Option<String>,
    /// The list that the value was looked up in, if it is one.
    pub list: Option<String>,
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
        let rank = |tier: &Counting| {
            let limit = tier.limit.chosen(Subject::Limit, facts, &mut drop::<Reason<'_>>);
            Pace::of(&tier.algorithm, limit)
        };
        let found = lookup(&tiers.source, &tiers.values, facts, rank);
        let tier = found.entry.unwrap_or(&self.counting);
        note(Reason::lookup(Subject::Tier, &tiers.source, found));
        tier
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
                    let rank = |amount: &Self| amount.rank(subject, facts);
                    let found = lookup(source, values, facts, rank);
                    let amount = found.entry.unwrap_or(otherwise);
                    note(Reason::lookup(subject, source, found));
                    amount
                }
                Self::From { number, otherwise } => {
                    let found = key::text_of(&number.source, facts);
                    let read = found.as_deref().and_then(|text| number.read(text));
                    note(Reason {
                        subject,
                        source: &number.source,
                        found: found.map(|text| String::from_utf8_lossy(&text).into_owned()),
                        list: None,
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

impl Amount {
    /// Returns a number that is larger, the better the amount is for the client.
    fn rank(&self, subject: Subject, facts: &impl Facts) -> u64 {
        let amount = self.chosen(subject, facts, &mut drop::<Reason<'_>>);
        if subject == Subject::Cost { u64::MAX - amount } else { amount }
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
    fn lookup<T>(subject: Subject, source: &'a Source, found: Found<'_, T>) -> Self {
        let effect = if found.entry.is_some() { Effect::Listed } else { Effect::Unlisted };
        Self { subject, source, found: found.value, list: found.list, effect }
    }
}

/// A request's value, and its entry in a table.
struct Found<'t, T> {
    value: Option<String>,
    list: Option<String>,
    entry: Option<&'t T>,
}

/// Looks the value of `source` up in `values`. Of a list, each item is looked up, and the entry with
/// the highest rank counts; of several, the first by name.
fn lookup<'t, T, R: Ord>(
    source: &Source,
    values: &'t BTreeMap<String, T>,
    facts: &impl Facts,
    rank: impl Fn(&'t T) -> R,
) -> Found<'t, T> {
    let text =
        |value: Value| String::from_utf8(value.into_text()).ok().filter(|text| !text.is_empty());
    match key::value_of(source, facts) {
        Some(Value::List(items)) => {
            let list = text(Value::List(items.clone()));
            let items: BTreeSet<String> = items.into_iter().filter_map(text).collect();
            let entries = items.iter().filter_map(|item| values.get_key_value(item));
            // Of equals, `max_by_key` returns the last.
            let best = entries.rev().max_by_key(|(_, entry)| rank(entry));
            let value = best.map(|(name, _)| name.clone()).or_else(|| list.clone());
            Found { value, list, entry: best.map(|(_, entry)| entry) }
        }
        found => {
            let value = found.and_then(text);
            let entry = value.as_ref().and_then(|value| values.get(value));
            Found { value, list: None, entry }
        }
    }
}
