//! Reads years, months and days: "since 2014", "06/2014", "29 June 2014", "im März", "2014–16".
//!
//! Called by [`super::figures`], before it looks for numbers.

use super::lexer::{Token, Tokens};
use super::unit;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A date in a text, with its possible readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The readings, at least one: "5/6/2019" has two.
    pub readings: Vec<Day>,
}

/// A year, a month, a day, or a month without a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// 0..=9999.
    pub year: Option<u16>,
    /// 1..=12.
    pub month: Option<u8>,
    /// 1..=31.
    pub day: Option<u8>,
}

impl Day {
    /// Returns true if `other` has all parts of `self`: 2014 is part of 2014-06.
    #[must_use]
    pub fn is_part_of(self, other: Self) -> bool {
        let is_part = |own: Option<u16>, others: Option<u16>| own.is_none() || own == others;
        is_part(self.year, other.year)
            && is_part(self.month.map(u16::from), other.month.map(u16::from))
            && is_part(self.day.map(u16::from), other.day.map(u16::from))
    }

    /// Parses a JSON Resume date.
    #[must_use]
    pub fn of_field(text: &str) -> Option<Self> {
        crate::document::date::PartialDate::parse(text)?;
        let mut parts = text.split('-');
        let year = parts.next()?.parse().ok();
        let mut part = || parts.next().and_then(|part| part.parse().ok());
        Some(Self { year, month: part(), day: part() })
    }
}

/// The range in which four digits alone are a year. Others are numbers.
const LONE_YEARS: std::ops::RangeInclusive<u16> = 1950..=2049;
/// The range of years next to a month.
const YEARS: std::ops::RangeInclusive<u16> = 1800..=2199;

/// Reads the date or dates that begin at the first token. Returns the number of tokens and the
/// dates.
pub(super) fn read(rest: Tokens<'_>) -> Option<(usize, Vec<Moment>)> {
    let one = |(count, readings): (usize, Vec<Day>)| (count, vec![Moment { readings }]);
    iso(rest)
        .or_else(|| slashed(rest))
        .or_else(|| dotted(rest))
        .or_else(|| day_first(rest))
        .or_else(|| month_first(rest))
        .map(one)
        .or_else(|| years(rest))
}

fn of(year: u16, month: Option<u8>, day: Option<u8>) -> Vec<Day> {
    vec![Day { year: Some(year), month, day }]
}

fn month_number(number: u16) -> Option<u8> {
    u8::try_from(number).ok().filter(|month| (1..=12).contains(month))
}

fn day_number(number: u16) -> Option<u8> {
    u8::try_from(number).ok().filter(|day| (1..=31).contains(day))
}

fn year(token: &Token<'_>) -> Option<u16> {
    token.whole(4..=4).filter(|year| YEARS.contains(year))
}

/// Returns the digits that directly follow `sign` at `at`.
fn after_sign<'a>(rest: Tokens<'a>, at: usize, sign: &str) -> Option<&'a Token<'a>> {
    rest.get(at).filter(|token| token.is_glued && token.is_sign(sign))?;
    rest.get(at + 1).filter(|token| token.is_glued && token.is_digits())
}

/// Reads "2014-06", "2014-06-29".
fn iso(rest: Tokens<'_>) -> Option<(usize, Vec<Day>)> {
    let year = year(rest.first()?)?;
    let month = month_number(after_sign(rest, 1, "-")?.whole(2..=2)?)?;
    let day = after_sign(rest, 3, "-").and_then(|token| token.whole(2..=2)).and_then(day_number);
    Some((if day.is_some() { 5 } else { 3 }, of(year, Some(month), day)))
}

/// Reads "06/2014", "29/06/2014", "06/29/2014".
fn slashed(rest: Tokens<'_>) -> Option<(usize, Vec<Day>)> {
    let first = rest.first()?.whole(1..=2)?;
    let second = after_sign(rest, 1, "/")?;
    if let Some(year) = year(second) {
        return Some((3, of(year, Some(month_number(first)?), None)));
    }
    let (second, year) = (second.whole(1..=2)?, year(after_sign(rest, 3, "/")?)?);
    let reading =
        |month: u16, day: u16| Some(of(year, Some(month_number(month)?), Some(day_number(day)?)));
    let readings: Vec<_> =
        [reading(second, first), reading(first, second)].into_iter().flatten().flatten().collect();
    (!readings.is_empty()).then_some((5, readings))
}

/// Reads "29.06.2014", "06.2014", which the lexer makes one token.
fn dotted(rest: Tokens<'_>) -> Option<(usize, Vec<Day>)> {
    let token = rest.first().filter(|token| token.is_digits())?;
    let parts: Vec<&str> = token.text.split('.').collect();
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&text.len()).then(|| text.parse::<u16>().ok()).flatten()
    };
    let year = |text: &str| number(text, 4..=4).filter(|year| YEARS.contains(year));
    match parts.as_slice() {
        [day, month, last] => {
            let day = day_number(number(day, 1..=2)?)?;
            let month = month_number(number(month, 1..=2)?)?;
            Some((1, of(year(last)?, Some(month), Some(day))))
        }
        [month, last] => {
            Some((1, of(year(last)?, Some(month_number(number(month, 2..=2)?)?), None)))
        }
        _ => None,
    }
}

/// Reads "29 June 2014", "29. Juni 2014", "29 de junio de 2014", "1st of May 2014".
fn day_first(rest: Tokens<'_>) -> Option<(usize, Vec<Day>)> {
    let day = day_number(rest.first()?.whole(1..=2)?)?;
    let mut at = 1;
    if rest.get(at).is_some_and(|t| t.is_glued && (t.is_sign(".") || t.is_one_of(&ORDINALS))) {
        at += 1;
    }
    if rest.get(at).is_some_and(|token| token.is_one_of(&OF)) {
        at += 1;
    }
    let month = month_name(rest.get(at)?)?;
    let (count, year) = year_after(rest.skip(at + 1))?;
    Some((at + 1 + count, of(year, Some(month), Some(day))))
}

/// Reads "June 2014", "Jun. '14", "June 29, 2014", "marzo de 2019", and "June" alone.
fn month_first(rest: Tokens<'_>) -> Option<(usize, Vec<Day>)> {
    let token = rest.first()?;
    let month = month_name(token)?;
    let after = rest.skip(1);
    if let Some((count, year)) = year_after(after) {
        return Some((1 + count, of(year, Some(month), None)));
    }
    if let Some((count, day, year)) = day_and_year(after) {
        return Some((1 + count, of(year, Some(month), Some(day))));
    }
    let is_month = LONE_MONTHS.split_whitespace().any(|name| name == token.folded);
    is_month.then(|| (1, vec![Day { year: None, month: Some(month), day: None }]))
}

fn day_and_year(rest: Tokens<'_>) -> Option<(usize, u8, u16)> {
    let day = day_number(rest.first()?.whole(1..=2)?)?;
    let mut at = 1;
    if rest.get(at).is_some_and(|token| token.is_glued && token.is_one_of(&ORDINALS)) {
        at += 1;
    }
    if rest.get(at).is_some_and(|token| token.is_sign(",")) {
        at += 1;
    }
    let (count, year) = year_after(rest.skip(at))?;
    Some((at + count, day, year))
}

/// Reads the year after a month. Returns the number of tokens and the year.
fn year_after(rest: Tokens<'_>) -> Option<(usize, u16)> {
    let is_between = |token: &Token<'_>| {
        token.is_one_of(&OF) || (token.is_sign(".") && token.is_glued) || token.is_sign(",")
    };
    let skipped = usize::from(rest.first().is_some_and(is_between));
    let rest = rest.skip(skipped);
    let first = rest.first()?;
    if let Some(year) = year(first) {
        return Some((skipped + 1, year));
    }
    first.is_sign("'").then_some(())?;
    let short = rest.get(1).filter(|token| token.is_glued)?.whole(2..=2)?;
    Some((skipped + 2, if short < 50 { 2000 + short } else { 1900 + short }))
}

/// Reads "2014", "1990s", "2014–16", "2014/15".
fn years(rest: Tokens<'_>) -> Option<(usize, Vec<Moment>)> {
    let first = rest.first()?.whole(4..=4).filter(|year| LONE_YEARS.contains(year))?;
    let moment = |year| Moment { readings: of(year, None, None) };
    if unit::suffix(rest.skip(1), None).tokens > 0 {
        return None;
    }
    if let Some(next) = rest.get(1).filter(|next| next.is_glued && next.is_word()) {
        return next.is_one_of(&["s", "er", "ern"]).then(|| (2, vec![moment(first)]));
    }
    let last = ["-", "–", "/"].iter().find_map(|sign| after_sign(rest, 1, sign)?.whole(2..=2));
    match last.filter(|last| *last > first % 100) {
        Some(last) => Some((3, vec![moment(first), moment(first / 100 * 100 + last)])),
        None => Some((1, vec![moment(first)])),
    }
}

const OF: [&str; 4] = ["of", "de", "del", "the"];
const ORDINALS: [&str; 6] = ["st", "nd", "rd", "th", "er", "o"];

const MONTHS: [&str; 12] = [
    "january jan januar janvier janv enero ene",
    "february feb februar fevrier fevr febrero",
    "march mar marz mrz mars marzo",
    "april apr avril avr abril abr",
    "may mai mayo",
    "june jun juni juin junio",
    "july jul juli juillet juil julio",
    "august aug aout agosto ago",
    "september sep sept septembre septiembre",
    "october oct oktober okt octobre octubre",
    "november nov novembre noviembre",
    "december dec dezember dez decembre diciembre dic",
];

/// The unambiguous names, which count as a month even alone.
const LONE_MONTHS: &str = "\
january januar janvier enero february februar fevrier febrero marz marzo april avril abril mayo june
juni juin junio july juli juillet julio august aout agosto september septembre septiembre october
oktober octobre octubre november novembre noviembre december dezember decembre diciembre";

static MONTH_NAMES: LazyLock<HashMap<&str, u8>> = LazyLock::new(|| {
    let months = (1..).zip(MONTHS);
    months.flat_map(|(month, names)| names.split(' ').map(move |name| (name, month))).collect()
});

fn month_name(token: &Token<'_>) -> Option<u8> {
    MONTH_NAMES.get(token.folded.as_str()).copied()
}
