//! The numbers and dates that a text says, in digits or in words.
//!
//! Called by [`crate::invention`], which compares those of two texts, and by [`crate::ats`], which
//! asks whether there are any. `lexer` takes a text apart, `decimal` reads digits, `spelled` number
//! words, `moment` dates, `unit` what stands around a number.
//!
//! "20k", "20,000", "20.000", "20 000" and "twenty thousand" are the same number; so are "40 %",
//! "40 percent" and "vierzig Prozent". Number words are read in English, German, French and
//! Spanish. What can be read in two ways ("1.234" is one and a bit, or over a thousand; "5/6/2019"
//! is in May or June) has both readings. A lone "one" is no number: it is an article more often.
//! Pure, and linear in the text.

mod decimal;
mod lexer;
mod moment;
mod spelled;
mod unit;

pub use decimal::Decimal;
pub use moment::{Day, Moment};
pub use unit::Unit;

use lexer::{Token, Tokens};

/// A number or a date, as a text has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// How it is written, currency and percent sign included.
    pub text: String,
    /// What it says.
    pub meaning: Meaning,
}

/// What a figure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A number.
    Number(Number),
    /// A year, a month or a day.
    Moment(Moment),
    /// Digits that are a part of a name: "S3", "B2B", "ISO27001". As it is compared.
    Name(String),
}

/// A number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// What it may be; at least one.
    pub readings: Vec<Decimal>,
    /// What else it may be: several numbers beside each other ("10 000"); mostly none.
    pub pieces: Vec<Decimal>,
    /// What it counts.
    pub unit: Unit,
    /// The word before it with its digits, as a name would have them ("Python 3" is "python3").
    pub name: Option<String>,
}

/// All figures of `text`, in its order.
#[must_use]
pub fn figures(text: &str) -> Vec<Figure> {
    let clean = lexer::clean(text);
    let all = lexer::tokens(&clean);
    let mut figures = Vec::new();
    let mut rest = Tokens::new(&all);
    while let Some(token) = rest.first() {
        let (count, meanings) = read(rest).unwrap_or((1, Vec::new()));
        let end = rest.get(count.saturating_sub(1)).map_or(token.end, |last| last.end);
        let text = clean.get(token.start..end).unwrap_or_default();
        figures
            .extend(meanings.into_iter().map(|meaning| Figure { text: text.to_owned(), meaning }));
        rest = rest.skip(count);
    }
    figures
}

/// Whether `text` says a number, and not only when something was.
#[must_use]
pub fn has_number(text: &str) -> bool {
    figures(text).iter().any(|figure| matches!(figure.meaning, Meaning::Number(_)))
}

/// What begins at the first of these tokens: how many of them it takes, and what it says.
fn read(rest: Tokens<'_>) -> Option<(usize, Vec<Meaning>)> {
    if let Some((count, moments)) = moment::read(rest) {
        return Some((count, moments.into_iter().map(Meaning::Moment).collect()));
    }
    if let Some((count, name)) = name(rest) {
        return Some((count, vec![Meaning::Name(name)]));
    }
    number(rest)
}

/// Letters and digits without anything between them, the letters first.
fn name(rest: Tokens<'_>) -> Option<(usize, String)> {
    let (first, next) = (rest.first()?, rest.get(1)?);
    let is_money = || unit::prefix(rest).1.is_some();
    if !first.is_word() || !next.is_digits() || !next.is_glued || is_money() {
        return None;
    }
    let is_part = |token: &&Token<'_>| token.is_glued && (token.is_word() || token.is_digits());
    let parts: Vec<_> = rest.skip(1).iter().take_while(is_part).collect();
    let all = std::iter::once(first).chain(parts.iter().copied());
    let name: String = all.map(|token| token.folded.as_str()).collect();
    Some((1 + parts.len(), name))
}

fn number(rest: Tokens<'_>) -> Option<(usize, Vec<Meaning>)> {
    let (before, currency) = unit::prefix(rest);
    let rest_of = rest.skip(before);
    let core = rest_of.first()?;
    let (count, mut numbers, pieces) = if core.is_digits() {
        let (count, joined) = spaced_groups(rest_of);
        let pieces: Vec<Decimal> = if count == 1 {
            Vec::new()
        } else {
            let groups = rest_of.iter().take(count).filter(|token| token.is_digits());
            groups.flat_map(|token| decimal::read(token.text).concat()).collect()
        };
        (
            count,
            joined.map_or_else(|| decimal::read(core.text), |joined| vec![vec![joined]]),
            pieces,
        )
    } else {
        let (count, value) = spelled::read(rest_of)?;
        (count, vec![vec![value]], Vec::new())
    };
    let suffix = unit::suffix(rest_of.skip(count), currency);
    // "5, 10 or 20 %" and "1,2,3": the unit is the last one's.
    let last = numbers.pop()?;
    let readings = last.iter().map(|value| value.shifted(suffix.zeros)).collect();
    let pieces = pieces.iter().map(|value| value.shifted(suffix.zeros)).collect();
    let is_bare = before == 0 && suffix.tokens == 0 && core.is_digits();
    let name = rest.word_before().filter(|_| is_bare);
    let name = name.map(|word| word + core.text);
    let plain = |readings| Number { readings, pieces: Vec::new(), unit: Unit::Plain, name: None };
    let mut meanings: Vec<_> = numbers.into_iter().map(plain).map(Meaning::Number).collect();
    meanings.push(Meaning::Number(Number { readings, pieces, unit: suffix.unit, name }));
    Some((before + count + suffix.tokens, meanings))
}

/// "10 000": groups of three digits, a space between them. How many tokens, and the number if there
/// is more than one group.
fn spaced_groups(rest: Tokens<'_>) -> (usize, Option<Decimal>) {
    const MAX_FIRST_DIGITS: usize = 3;
    let is_plain = |token: &Token<'_>| token.text.bytes().all(|b| b.is_ascii_digit());
    let Some(first) = rest.first().filter(|t| is_plain(t) && t.text.len() <= MAX_FIRST_DIGITS)
    else {
        return (1, None);
    };
    let is_group = |token: &&Token<'_>| {
        token.is_digits() && token.is_spaced && is_plain(token) && token.text.len() == 3
    };
    let groups: Vec<_> = rest.skip(1).iter().take_while(is_group).collect();
    if groups.is_empty() {
        return (1, None);
    }
    let digits = std::iter::once(first).chain(groups.iter().copied());
    let joined: String = digits.map(|token| token.text).collect();
    (1 + groups.len(), Some(Decimal::whole(&joined)))
}

#[cfg(test)]
mod tests;
