//! Limits and costs: a number, or how a request selects one. [`crate::plan`] applies them.

use super::document;
use super::mistakes::Mistakes;
use super::sources::{self, Source};
use crate::bounded::{Bounded, MAX_SAFE};
use std::collections::BTreeMap;

/// The deepest nesting of tables.
const MAX_DEPTH: usize = 4;

/// A number from 0 to 2^53.
pub type Number = Bounded<0, MAX_SAFE>;

/// A limit, or the cost of a request. A limit of 0 refuses every request, and one of [`UNLIMITED`]
/// none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// The same for every request.
    Fixed(Number),
    /// Looked up by a value of the request.
    By {
        /// The source of the value.
        source: Source,
        /// The values and their amounts.
        values: BTreeMap<String, Amount>,
        /// The amount if the value is missing or not listed.
        otherwise: Box<Amount>,
    },
    /// Read from the request.
    From {
        /// The source and the bounds of the number.
        number: NumberFrom,
        /// The amount if the request has no number there.
        otherwise: Box<Amount>,
    },
}

/// A number that is read from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberFrom {
    /// The source of the number.
    pub source: Source,
    /// The divisor, at least 1.
    pub divide_by: u64,
    /// True if fractions are rounded up, as in a cost. Those of a limit are rounded down.
    pub rounds_up: bool,
    /// The smallest number; smaller ones are raised to it.
    pub min: u64,
    /// The largest number; larger ones are lowered to it.
    pub max: u64,
}

/// The limit that refuses nothing.
pub const UNLIMITED: Number = Number::clamped(MAX_SAFE);

/// The use of an amount, which decides what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Limit,
    Cost,
}

impl Amount {
    /// A cost of 1.
    pub(super) const ONE: Self = Self::Fixed(Number::clamped(1));

    /// Returns the smallest amount that a request can select.
    #[must_use]
    pub fn smallest(&self) -> u64 {
        match self {
            Self::Fixed(number) => number.get(),
            Self::By { values, otherwise, .. } => {
                values.values().map(Self::smallest).fold(otherwise.smallest(), u64::min)
            }
            Self::From { number, otherwise } => otherwise.smallest().min(number.min),
        }
    }

    /// Returns the largest amount that a request can select.
    #[must_use]
    pub fn largest(&self) -> u64 {
        match self {
            Self::Fixed(number) => number.get(),
            Self::By { values, otherwise, .. } => {
                values.values().map(Self::largest).fold(otherwise.largest(), u64::max)
            }
            Self::From { number, otherwise } => otherwise.largest().max(number.max),
        }
    }
}

/// Checks the amount at `place`.
pub(super) fn checked(
    document: &document::Amount,
    place: &str,
    usage: Use,
    mistakes: &mut Mistakes,
) -> Option<Amount> {
    nested(document, place, usage, 0, mistakes)
}

fn nested(
    document: &document::Amount,
    place: &str,
    usage: Use,
    depth: usize,
    mistakes: &mut Mistakes,
) -> Option<Amount> {
    match document {
        document::Amount::Fixed(number) => Some(Amount::Fixed(*number)),
        document::Amount::Unlimited(_) if usage == Use::Limit => Some(Amount::Fixed(UNLIMITED)),
        document::Amount::Unlimited(_) => {
            mistakes.add(place, "only a limit can be unlimited: use a number, such as 1");
            None
        }
        document::Amount::Chosen(_) if depth == MAX_DEPTH => {
            mistakes.add(place, format!("expected at most {MAX_DEPTH} tables within one another"));
            None
        }
        document::Amount::Chosen(chosen) => {
            let inner = |document: &document::Amount, field: &str, mistakes: &mut Mistakes| {
                nested(document, &format!("{place}.{field}"), usage, depth + 1, mistakes)
            };
            let otherwise = inner(&chosen.otherwise, "otherwise", mistakes);
            match (&chosen.by, &chosen.from) {
                (Some(by), None) => {
                    stray(chosen, place, mistakes);
                    let source = sources::checked(&by.0, &format!("{place}.by"), mistakes);
                    let Some(documents) = &chosen.values else {
                        mistakes.add(place, "missing field `values`");
                        return None;
                    };
                    let mut values = BTreeMap::new();
                    for (value, document) in documents {
                        let amount = inner(document, &format!("values.{value}"), mistakes);
                        values.extend(amount.map(|amount| (value.clone(), amount)));
                    }
                    Some(Amount::By { source: source?, values, otherwise: Box::new(otherwise?) })
                }
                (None, Some(from)) => {
                    let source = sources::checked(&from.0, &format!("{place}.from"), mistakes);
                    let number = number(chosen, source, place, usage, mistakes);
                    Some(Amount::From { number: number?, otherwise: Box::new(otherwise?) })
                }
                _ => {
                    mistakes.add(place, "expected by and values, or from and max");
                    None
                }
            }
        }
    }
}

/// Reports fields that have no effect in a table.
fn stray(chosen: &document::Chosen, place: &str, mistakes: &mut Mistakes) {
    for (field, is_set) in [
        ("divide_by", chosen.divide_by.is_some()),
        ("min", chosen.min.is_some()),
        ("max", chosen.max.is_some()),
    ] {
        if is_set {
            mistakes.add(format!("{place}.{field}"), "only valid with `from`: remove this");
        }
    }
}

fn number(
    chosen: &document::Chosen,
    source: Option<Source>,
    place: &str,
    usage: Use,
    mistakes: &mut Mistakes,
) -> Option<NumberFrom> {
    if chosen.values.is_some() {
        mistakes.add(format!("{place}.values"), "only valid with `by`: remove this");
    }
    let Some(max) = chosen.max else {
        mistakes.add(place, "missing field `max`: the largest number that a request can choose");
        return None;
    };
    let (min, max) = (chosen.min.map_or(1, Number::get), max.get());
    if min > max {
        mistakes.add(format!("{place}.max"), format!("expected at least min, {min}, found {max}"));
    }
    let divide_by = chosen.divide_by.map_or(1, Bounded::get);
    Some(NumberFrom { source: source?, divide_by, rounds_up: usage == Use::Cost, min, max })
}
