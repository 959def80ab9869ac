//! Reads the unit and multiplier of a number: a currency, a percent sign, "k" or "million".
//!
//! Called by [`super::figures`].

use super::lexer::Tokens;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// No unit, or any other.
    Plain,
    /// Percent.
    Percent,
    /// Money, with the currency's ISO 4217 code, or "$" for any dollar.
    Money(&'static str),
}

/// Each currency and its names.
const CURRENCIES: [(&str, &[&str]); 12] = [
    ("$", &["$", "usd", "dollar", "dollars", "cad", "aud", "us$"]),
    ("EUR", &["€", "eur", "euro", "euros"]),
    ("GBP", &["£", "gbp", "pound", "pounds", "pfund", "libras"]),
    ("JPY", &["¥", "jpy", "yen"]),
    ("CHF", &["chf", "franken", "francs", "sfr"]),
    ("INR", &["₹", "inr", "rupee", "rupees"]),
    ("SEK", &["sek", "kronor"]),
    ("NOK", &["nok", "kroner"]),
    ("DKK", &["dkk"]),
    ("PLN", &["pln", "zloty"]),
    ("BRL", &["brl", "reais"]),
    ("MXN", &["mxn", "pesos"]),
];

/// Single words for percent. Two-word forms begin with one of [`PER`].
const PERCENT: [&str; 5] = ["percent", "pct", "prozent", "pourcent", "percentage"];
const PER: [&str; 3] = ["per", "pour", "por"];
const CENT: [&str; 2] = ["cent", "ciento"];

/// Multipliers directly after a number.
const GLUED: [(&str, usize); 9] = [
    ("k", 3),
    ("K", 3),
    ("M", 6),
    ("mn", 6),
    ("mln", 6),
    ("MM", 6),
    ("bn", 9),
    ("B", 9),
    ("Mrd", 9),
];

/// Multiplying words after a number.
const WORDS: [(&str, usize); 24] = [
    ("hundred", 2),
    ("hundert", 2),
    ("thousand", 3),
    ("thousands", 3),
    ("tausend", 3),
    ("tsd", 3),
    ("mille", 3),
    ("mil", 3),
    ("million", 6),
    ("millions", 6),
    ("millionen", 6),
    ("millon", 6),
    ("millones", 6),
    ("mio", 6),
    ("mn", 6),
    ("mln", 6),
    ("billion", 9),
    ("billions", 9),
    ("bn", 9),
    ("milliarde", 9),
    ("milliarden", 9),
    ("milliard", 9),
    ("milliards", 9),
    ("mrd", 9),
];

/// The unit and multiplier after a number.
pub(super) struct Suffix {
    /// The number of tokens.
    pub(super) tokens: usize,
    /// The multiplier, as a power of ten.
    pub(super) zeros: usize,
    /// The unit.
    pub(super) unit: Unit,
}

/// Reads the currency before a number. Returns the number of tokens and the currency.
pub(super) fn prefix(rest: Tokens<'_>) -> (usize, Option<&'static str>) {
    let Some(currency) = currency(rest) else { return (0, None) };
    // "US$ 5", "CHF 5", "$5". Texts like "the pounds 5 people lost" are too rare to matter.
    let is_followed = rest.get(1).is_some_and(|next| {
        (next.is_glued || next.is_spaced) && (next.is_digits() || next.is_word())
    });
    if is_followed { (1, Some(currency)) } else { (0, None) }
}

/// Reads the suffix of a number with `currency_before`, if it has one.
pub(super) fn suffix(rest: Tokens<'_>, currency_before: Option<&'static str>) -> Suffix {
    let mut suffix = Suffix { tokens: 0, zeros: 0, unit: Unit::Plain };
    while let Some(zeros) = multiplier(rest.skip(suffix.tokens)) {
        suffix.zeros += zeros;
        suffix.tokens += 1;
        if suffix.zeros > MAX_ZEROS {
            break;
        }
        // The dot of an abbreviation, as in "5 Mio. Euro".
        let dot = rest.get(suffix.tokens).filter(|next| next.is_sign(".") && next.is_glued);
        if dot.is_some() && currency(rest.skip(suffix.tokens + 1)).is_some() {
            suffix.tokens += 1;
        }
    }
    let after = rest.skip(suffix.tokens);
    if let Some(tokens) = percent(after) {
        suffix.tokens += tokens;
        suffix.unit = Unit::Percent;
    } else if let Some(currency) = currency_before {
        suffix.unit = Unit::Money(currency);
    } else if let Some((tokens, currency)) = currency_after(after) {
        suffix.tokens += tokens;
        suffix.unit = Unit::Money(currency);
    }
    suffix
}

/// Enough for "a hundred thousand billion". Further words start a new number.
const MAX_ZEROS: usize = 14;

fn multiplier(rest: Tokens<'_>) -> Option<usize> {
    let token =
        rest.first().filter(|token| token.is_word() && (token.is_glued || token.is_spaced))?;
    let glued = GLUED.iter().filter(|_| token.is_glued).find(|(letters, _)| *letters == token.text);
    let word = || WORDS.iter().find(|(word, _)| *word == token.folded);
    glued.or_else(word).map(|(_, zeros)| *zeros)
}

fn percent(rest: Tokens<'_>) -> Option<usize> {
    let first = rest.first().filter(|token| token.is_glued || token.is_spaced)?;
    if first.is_sign("%") {
        return Some(1);
    }
    // "a 20-percent cut".
    if first.is_sign("-")
        && rest.get(1).is_some_and(|next| next.is_glued && next.is_one_of(&PERCENT))
    {
        return Some(2);
    }
    let is_two = first.is_one_of(&PER) && rest.get(1).is_some_and(|next| next.is_one_of(&CENT));
    if is_two { Some(2) } else { first.is_one_of(&PERCENT).then_some(1) }
}

fn currency_after(rest: Tokens<'_>) -> Option<(usize, &'static str)> {
    // "5 millions d'euros", "2 millones de euros".
    let first = rest.first()?;
    let skipped = match (first.is_one_of(&["d", "de"]), rest.get(1)) {
        (true, Some(next)) if next.is_sign("'") => 2,
        (true, Some(_)) => 1,
        _ => 0,
    };
    let after = rest.skip(skipped);
    after.first().filter(|token| token.is_glued || token.is_spaced)?;
    currency(after).map(|currency| (skipped + 1, currency))
}

static CURRENCY_NAMES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let names = CURRENCIES.into_iter();
    names.flat_map(|(currency, names)| names.iter().map(move |name| (*name, currency))).collect()
});

fn currency(rest: Tokens<'_>) -> Option<&'static str> {
    CURRENCY_NAMES.get(rest.first()?.folded.as_str()).copied()
}
