//! Finds the numbers and dates in a text, in digits or in words.
//!
//! Called by [`crate::invention`], which compares the figures of two texts, and by [`crate::ats`],
//! which checks if a text has any. `lexer` splits a text into tokens, `decimal` reads digits,
//! `spelled` number words, `moment` dates, and `unit` the currency, percent sign or multiplier
//! around a number.
//!
//! "20k", "20,000", "20.000", "20 000" and "twenty thousand" are the same number; so are "40 %",
//! "40 percent" and "vierzig Prozent". Number words are read in English, German, French and
//! Spanish. Ambiguous figures have both readings: "1.234" is either a fraction or more than a
//! thousand, and "5/6/2019" is in May or June. A lone "one" is not a number, since it is usually an
//! article. Pure, and linear in the text's length.

mod decimal;
mod lexer;
mod moment;
mod spelled;
mod unit;

pub use decimal::Decimal;
pub use moment::{Day, Moment};
pub use unit::Unit;

use lexer::{Token, Tokens};

/// A number or a date in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The text as written, including the currency and percent sign.
    pub text: String,
    /// The parsed meaning.
    pub meaning: Meaning,
}

/// The meaning of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A number.
    Number(Number),
    /// A year, a month or a day.
    Moment(Moment),
    /// A name with digits, folded for comparison: "S3", "B2B", "ISO27001".
    Name(String),
}

/// A number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// The possible values, at least one.
    pub readings: Vec<Decimal>,
    /// The alternative reading as several adjacent numbers ("10 000"); usually empty.
    pub pieces: Vec<Decimal>,
    /// The unit.
    pub unit: Unit,
    /// The preceding word joined with the digits, as a name would have them ("python3" for "Python
    /// 3").
    pub name: Option<String>,
}

/// Returns all figures of `text`, in order.
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

/// Returns true if `text` has a number other than a date.
#[must_use]
pub fn has_number(text: &str) -> bool {
    figures(text).iter().any(|figure| matches!(figure.meaning, Meaning::Number(_)))
}

/// Reads the figure that begins at the first token. Returns its number of tokens and its meanings.
fn read(rest: Tokens<'_>) -> Option<(usize, Vec<Meaning>)> {
    if let Some((count, moments)) = moment::read(rest) {
        return Some((count, moments.into_iter().map(Meaning::Moment).collect()));
    }
    if let Some((count, name)) = name(rest) {
        return Some((count, vec![Meaning::Name(name)]));
    }
    number(rest)
}

/// Reads a name of adjacent letters and digits that starts with letters.
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
    // "5, 10 or 20 %" and "1,2,3": only the last number has the unit.
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

/// Reads space-separated groups of three digits ("10 000"). Returns the number of tokens, and the
/// value if there is more than one group.
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
