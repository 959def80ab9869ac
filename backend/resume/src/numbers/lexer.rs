//! Splits a text into words, digits and signs.
//!
//! Called by [`super::figures`]. Whitespace is not a token; each token records the whitespace
//! before it.

use crate::fold;

/// Cleans a text like [`fold::clean`]. In addition, a non-breaking space between digits becomes an
/// apostrophe, the Swiss separator, and digits of other scripts become ASCII.
pub(super) fn clean(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut after_digit = false;
    while let Some(c) = chars.next() {
        let before_digit = chars.peek().is_some_and(|next| digit(*next).is_some());
        let is_joint = matches!(c, '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}');
        joined.push(if is_joint && after_digit && before_digit { '\'' } else { c });
        after_digit = digit(c).is_some();
    }
    fold::clean(&joined).chars().map(|c| digit(c).unwrap_or(c)).collect()
}

/// The zero digits of scripts with decimal digits (Unicode's `Nd`): Arabic, Persian, Devanagari,
/// Bengali, Gurmukhi, Gujarati, Tamil, Telugu, Thai, Lao, Tibetan, Myanmar, Khmer, full width.
const ZEROS: [u32; 14] = [
    0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xbe6, 0xc66, 0xe50, 0xed0, 0xf20, 0x1040, 0x17e0,
    0xff10,
];

fn digit(c: char) -> Option<char> {
    if c.is_ascii_digit() {
        return Some(c);
    }
    let code = u32::from(c);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Digits,
    Sign,
}

/// A token.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// The token as written.
    pub(super) text: &'a str,
    /// The token folded for comparison.
    pub(super) folded: String,
    /// The byte offset of its start in the text.
    pub(super) start: usize,
    /// The byte offset of its end.
    pub(super) end: usize,
    /// True if it directly follows the previous token.
    pub(super) is_glued: bool,
    /// True if one space separates it from the previous token.
    pub(super) is_spaced: bool,
    kind: Kind,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }

    /// Returns true for digits, including dots, commas and apostrophes between them.
    pub(super) fn is_digits(&self) -> bool {
        self.kind == Kind::Digits
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// Returns true if it is one of these folded words.
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        self.is_word() && words.contains(&self.folded.as_str())
    }

    /// Parses it as a plain whole number whose number of digits is in the range.
    pub(super) fn whole(&self, digits: std::ops::RangeInclusive<usize>) -> Option<u16> {
        let is_plain = self.is_digits() && digits.contains(&self.text.len());
        if is_plain { self.text.parse().ok() } else { None }
    }
}

/// The tokens of a text from a position on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    all: &'a [Token<'a>],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(all: &'a [Token<'a>]) -> Self {
        Self { all, at: 0 }
    }

    pub(super) fn first(self) -> Option<&'a Token<'a>> {
        self.get(0)
    }

    pub(super) fn get(self, at: usize) -> Option<&'a Token<'a>> {
        self.all.get(self.at + at)
    }

    pub(super) fn skip(self, count: usize) -> Self {
        Self { all: self.all, at: self.at + count }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a Token<'a>> {
        self.all.iter().skip(self.at)
    }

    /// Returns the word before the first token if only whitespace or a hyphen separates them.
    pub(super) fn word_before(self) -> Option<String> {
        let before = self.all.get(self.at.checked_sub(1)?)?;
        let (word, is_next) = if before.is_sign("-") && before.is_glued {
            (self.all.get(self.at.checked_sub(2)?)?, self.first()?.is_glued)
        } else {
            (before, true)
        };
        (word.is_word() && is_next).then(|| word.folded.clone())
    }
}

/// Splits `clean` into tokens.
pub(super) fn tokens(clean: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut chars = clean.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let kind = kind(c);
        let mut end = start + c.len_utf8();
        while let Some((at, next)) = chars.peek().copied() {
            if !continues(kind, next, clean.get(at + next.len_utf8()..)) {
                break;
            }
            chars.next();
            end = at + next.len_utf8();
        }
        let text = clean.get(start..end).unwrap_or_default();
        let gap = tokens.last().map(|last| clean.get(last.end..start).unwrap_or_default());
        let (is_glued, is_spaced) = (gap == Some(""), gap == Some(" "));
        let folded = fold::fold(text);
        tokens.push(Token { text, folded, start, end, is_glued, is_spaced, kind });
    }
    tokens
}

fn kind(c: char) -> Kind {
    if c.is_ascii_digit() {
        Kind::Digits
    } else if c.is_alphanumeric() {
        Kind::Word
    } else {
        Kind::Sign
    }
}

/// Returns true if `next` continues a token of this kind. `after` is the text after it.
fn continues(kind: Kind, next: char, after: Option<&str>) -> bool {
    match kind {
        Kind::Word => next.is_alphabetic() || (next.is_alphanumeric() && !next.is_ascii_digit()),
        Kind::Digits => {
            let before_digit =
                || after.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            next.is_ascii_digit() || (matches!(next, '.' | ',' | '\'' | '_') && before_digit())
        }
        Kind::Sign => false,
    }
}
