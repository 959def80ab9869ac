//! Reads number words: "twenty-five", "zweihundertfünfzig", "quatre-vingt-dix", "treinta y dos".
//!
//! Called by [`super::figures`]. Covers two to the billions in English, German, French and Spanish
//! at once. It skips words that usually mean something else: a lone "one", French "cent" (100,
//! except in "deux cent") and Spanish "once" (11).

use super::decimal::Decimal;
use super::lexer::{Token, Tokens};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A number word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    /// A number under a hundred.
    Small(u64),
    /// Multiplies the preceding number by a hundred.
    Hundred,
    /// Multiplies two to nine by a hundred: "deux cent", but not "20 per cent".
    Cent,
    /// Multiplies the preceding number by a thousand, a million or a billion.
    Power(u64),
    /// A complete number.
    Done(u64),
}

/// Reads the number that begins at the first token. Returns the number of tokens and the value.
pub(super) fn read(rest: Tokens<'_>) -> Option<(usize, Decimal)> {
    let first = rest.first()?;
    if let Some(value) = german(&first.folded) {
        return Some((1, Decimal::whole(&value.to_string())));
    }
    let mut sum = Sum::default();
    let mut count = 0;
    loop {
        let token = rest.get(count);
        if let Some(next) = token.and_then(term).and_then(|term| sum.with(term)) {
            (sum, count) = (next, count + 1);
            continue;
        }
        // A hyphen or "and" joins two words if the number continues after it.
        let after = rest.get(count + 1).and_then(term).and_then(|term| sum.with(term));
        let joins = token.is_some_and(|token| count > 0 && sum.is_joined_by(token));
        match after.filter(|_| joins) {
            Some(next) => (sum, count) = (next, count + 2),
            None => break,
        }
    }
    let value = sum.value()?;
    Some((count, Decimal::whole(&value.to_string())))
}

/// The value of the words so far.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// The complete part: whole thousands, millions…
    total: u64,
    /// The incomplete part, under a thousand.
    group: u64,
    /// The last power.
    power: Option<u64>,
    has_hundred: bool,
    is_done: bool,
}

impl Sum {
    /// Adds a word. Returns `None` if the word does not continue this number.
    fn with(self, term: Term) -> Option<Self> {
        if self.is_done {
            return None;
        }
        match term {
            Term::Done(value) => {
                (self.is_empty()).then_some(Self { total: value, is_done: true, ..self })
            }
            Term::Small(value) => self.with_small(value),
            Term::Hundred if self.group < 100 && !self.has_hundred => {
                let group = self.group.max(1).checked_mul(100)?;
                Some(Self { group, has_hundred: true, ..self })
            }
            Term::Cent if (2..=9).contains(&self.group) => self.with(Term::Hundred),
            Term::Hundred | Term::Cent => None,
            Term::Power(power) => self.with_power(power),
        }
    }

    fn with_small(self, value: u64) -> Option<Self> {
        let small = self.group % 100;
        let fits = match value {
            1..=9 => small == 0 || (small >= 20 && small.is_multiple_of(10)),
            // "soixante-douze", "quatre-vingt-douze".
            10..=19 => matches!(small, 0 | 60 | 80),
            _ => small == 0,
        };
        // "quatre-vingt(s)".
        if small == 4 && value == 20 {
            return Some(Self { group: self.group - 4 + 80, ..self });
        }
        fits.then_some(Self { group: self.group + value, ..self })
    }

    fn with_power(self, power: u64) -> Option<Self> {
        let is_smaller = self.power.is_none_or(|last| power < last);
        if is_smaller {
            let total = self.total.checked_add(self.group.max(1).checked_mul(power)?)?;
            return Some(Self { total, group: 0, power: Some(power), has_hundred: false, ..self });
        }
        // "mil millones": a power of a power.
        if self.group > 0 {
            return None;
        }
        let total = self.total.checked_mul(power)?;
        Some(Self { total, power: Some(power), ..self })
    }

    fn is_joined_by(self, token: &Token<'_>) -> bool {
        let is_large = self.group == 0 || self.group.is_multiple_of(100);
        if token.is_sign("-") {
            return token.is_glued;
        }
        token.is_one_of(&["and", "und"]) && is_large
            || token.is_one_of(&["y", "et"]) && self.group % 100 >= 20
    }

    fn is_empty(self) -> bool {
        self.total == 0 && self.group == 0
    }

    /// Returns the number; `None` if empty or a lone one.
    fn value(self) -> Option<u64> {
        let value = self.total.checked_add(self.group)?;
        (value > 1).then_some(value)
    }
}

const SMALL: [(u64, &str); 28] = [
    (1, "one un une uno una ein eine einer"),
    (2, "two zwei deux dos"),
    (3, "three drei trois tres"),
    (4, "four vier quatre cuatro"),
    (5, "five funf cinq cinco"),
    (6, "six sechs seis"),
    (7, "seven sieben sept siete"),
    (8, "eight acht huit ocho"),
    (9, "nine neun neuf nueve"),
    (10, "ten zehn dix diez"),
    (11, "eleven elf onze"),
    (12, "twelve zwolf douze doce"),
    (13, "thirteen dreizehn treize trece"),
    (14, "fourteen vierzehn quatorze catorce"),
    (15, "fifteen funfzehn quinze quince"),
    (16, "sixteen sechzehn seize dieciseis"),
    (17, "seventeen siebzehn diecisiete"),
    (18, "eighteen achtzehn dieciocho"),
    (19, "nineteen neunzehn diecinueve"),
    (20, "twenty zwanzig vingt vingts veinte"),
    (30, "thirty dreissig trente treinta"),
    (40, "forty fourty vierzig quarante cuarenta"),
    (50, "fifty funfzig cinquante cincuenta"),
    (60, "sixty sechzig soixante sesenta"),
    (70, "seventy siebzig septante setenta"),
    (80, "eighty achtzig huitante octante ochenta"),
    (90, "ninety neunzig nonante noventa"),
    (21, "veintiuno veintiun veintiuna"),
];

/// Complete numbers in one word, and words that imply a number.
const DONE: [(u64, &str); 19] = [
    (2, "twice doubled doubling verdoppelt verdoppelte verdopplung twofold"),
    (3, "thrice tripled tripling verdreifacht verdreifachte threefold"),
    (4, "quadrupled quadrupling vervierfacht fourfold"),
    (5, "fivefold"),
    (10, "tenfold verzehnfacht"),
    (12, "dozen dozens dutzend douzaine docena"),
    (22, "veintidos"),
    (23, "veintitres"),
    (24, "veinticuatro"),
    (25, "veinticinco"),
    (26, "veintiseis"),
    (27, "veintisiete"),
    (28, "veintiocho"),
    (29, "veintinueve"),
    (100, "hundreds hunderte centaines cien cientos"),
    (1000, "thousands tausende milliers miles"),
    (200, "doscientos doscientas"),
    (300, "trescientos trescientas"),
    (500, "quinientos quinientas"),
];

/// Words that multiply the preceding number.
const POWERS: [(u64, &str); 3] = [
    (1_000, "thousand tausend mille mil"),
    (1_000_000, "million millions millionen millon millones"),
    (1_000_000_000, "billion billions milliarde milliarden milliard milliards"),
];

static TERMS: LazyLock<HashMap<&str, Term>> = LazyLock::new(|| {
    let mut terms = HashMap::new();
    let mut add = |table: &[(u64, &'static str)], term: fn(u64) -> Term| {
        for (value, words) in table {
            terms.extend(words.split(' ').map(|word| (word, term(*value))));
        }
    };
    add(&SMALL, Term::Small);
    add(&DONE, Term::Done);
    add(&POWERS, Term::Power);
    add(&[(100, "hundred hundert cents")], |_| Term::Hundred);
    add(&[(100, "cent")], |_| Term::Cent);
    terms
});

fn term(token: &Token<'_>) -> Option<Term> {
    TERMS.get(token.folded.as_str()).copied()
}

/// Reads a German compound number: "zweihundertfünfundzwanzigtausend".
fn german(word: &str) -> Option<u64> {
    const MAX_BYTES: usize = 80;
    if word.len() > MAX_BYTES
        || !["hundert", "tausend", "und"].iter().any(|part| word.contains(part))
    {
        return None;
    }
    let value = match word.split_once("tausend") {
        Some((front, rest)) => {
            let front = if front.is_empty() { 1 } else { german_hundreds(front)? };
            let rest = if rest.is_empty() { 0 } else { german_hundreds(rest)? };
            front * 1000 + rest
        }
        None => german_hundreds(word)?,
    };
    (value > 1).then_some(value)
}

fn german_hundreds(word: &str) -> Option<u64> {
    let Some((front, rest)) = word.split_once("hundert") else { return german_tens(word) };
    let front = if front.is_empty() { 1 } else { german_small(front).filter(|n| *n < 20)? };
    let rest = rest.strip_prefix("und").unwrap_or(rest);
    let rest = if rest.is_empty() { 0 } else { german_tens(rest)? };
    Some(front * 100 + rest)
}

fn german_tens(word: &str) -> Option<u64> {
    if let Some(value) = german_small(word) {
        return Some(value);
    }
    let (ones, tens) = word.split_once("und")?;
    let (ones, tens) = (german_small(ones)?, german_small(tens)?);
    ((1..=9).contains(&ones) && tens >= 20 && tens.is_multiple_of(10)).then_some(tens + ones)
}

fn german_small(word: &str) -> Option<u64> {
    match TERMS.get(word) {
        Some(Term::Small(value)) => Some(*value),
        _ => None,
    }
}
