//! A text, taken apart into words.
//!
//! Called by [`super::of`] and [`super::find`]. Names with signs in them stay whole: C++, C#, .NET,
//! Node.js, CI/CD, R&D, e-commerce. Addresses of pages and people are no words.

use super::{known, stem, stop, term};
use crate::fold;

/// The longest word, in characters: the longest in dictionaries are half as long.
const MAX_WORD_CHARS: usize = 60;
/// The most parts of a word with hyphens; one with more is taken apart.
const MAX_PARTS: usize = 3;

/// What a word looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It says nothing by itself.
    Stop,
    /// Like any other.
    Plain,
    /// Begins with a capital where the grammar of English does not ask for one.
    Capital,
    /// A term of a trade: it has signs, digits or inner capitals, or is known.
    Trade,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// As it is written.
    pub(super) text: String,
    /// As it is compared.
    pub(super) term: String,
    /// The terms of what its hyphens hold together; empty if there are none.
    pub(super) parts: Vec<String>,
    /// What it looks like.
    pub(super) class: Class,
    /// More than a space is between it and the word before: they are no phrase.
    pub(super) apart: bool,
}

/// The words of `text`, in its order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let text = fold::clean(text);
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line);
    }
    reader.words
}

#[derive(Default)]
struct Reader {
    words: Vec<Word>,
    /// Something is between the last word and the next.
    apart: bool,
    /// The next word begins a sentence, so its capital says nothing.
    starts: bool,
    /// The line is in capitals, so they say nothing.
    is_loud: bool,
    /// The word is one of a list, or alone: it begins no sentence.
    is_listed: bool,
}

impl Reader {
    fn line(&mut self, line: &str) {
        (self.apart, self.starts) = (true, true);
        self.is_loud = !line.contains(char::is_lowercase) && line.contains(' ');
        let is_alone = line.split_whitespace().nth(1).is_none();
        for chunk in line.split_whitespace() {
            if is_address(chunk) {
                self.apart = true;
            } else {
                self.chunk(chunk, is_alone);
            }
        }
    }

    /// What stands between two spaces.
    fn chunk(&mut self, chunk: &str, is_alone: bool) {
        self.is_listed = is_alone || chunk.ends_with([',', ';']);
        let mut runs = chunk.split(|c: char| !is_inner(c)).peekable();
        while let Some(run) = runs.next() {
            self.run(run);
            if runs.peek().is_some() {
                self.apart = true;
            }
        }
        if chunk.ends_with([':', '!', '?']) {
            self.starts = true;
        }
    }

    /// Letters, digits, and what may stand between them.
    fn run(&mut self, run: &str) {
        let bare = run.trim_matches(['.', '-']);
        if known::is_slashed(bare) || is_initials(bare) {
            return self.word(bare);
        }
        let mut slashed = run.split(['/', '&']).peekable();
        while let Some(part) = slashed.next() {
            self.quoted(part);
            if slashed.peek().is_some() {
                self.apart = true;
            }
        }
    }

    /// Something with apostrophes: "l'équipe", "team's", "don't".
    fn quoted(&mut self, run: &str) {
        let mut parts = run.split('\'').enumerate().peekable();
        while let Some((at, part)) = parts.next() {
            let is_elision = parts.peek().is_some_and(|(_, next)| !next.is_empty())
                && part.chars().count() <= stop::MAX_ELISION_CHARS;
            let is_ending = at > 0 && stop::is_ending(part);
            if !is_elision && !is_ending {
                self.dotted(part);
            }
        }
    }

    /// Something with dots: "Node.js", ".NET", "e.g.", "end.Next".
    fn dotted(&mut self, run: &str) {
        let body = run.trim_end_matches('.');
        let lead = body.chars().take_while(|c| *c == '.').count();
        let is_name = lead == 1 && body.chars().nth(1).is_some_and(char::is_alphabetic);
        let mut pieces: Vec<String> = Vec::new();
        for piece in body.trim_start_matches('.').split('.') {
            match pieces.last_mut() {
                Some(last) if !begins_sentence(piece) => {
                    last.push('.');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.to_owned()),
            }
        }
        if is_name && let Some(first) = pieces.first_mut() {
            first.insert(0, '.');
        }
        for (at, piece) in pieces.iter().enumerate() {
            if at > 0 {
                (self.apart, self.starts) = (true, true);
            }
            self.hyphened(piece);
        }
        if body.len() < run.len() {
            (self.apart, self.starts) = (true, true);
        }
    }

    /// Something with hyphens: one word, unless it joins names: "e-commerce", "React-based".
    fn hyphened(&mut self, run: &str) {
        let parts: Vec<&str> = run.split('-').filter(|part| !part.is_empty()).collect();
        if let [] | [_] = parts.as_slice() {
            // A dash, or a hyphen at an end.
            if run.starts_with('-') {
                self.apart = true;
            }
            for part in &parts {
                self.word(part);
            }
            if run.ends_with('-') {
                self.apart = true;
            }
            return;
        }
        let terms: Vec<String> = parts.iter().map(|part| term::of_word(part)).collect();
        let is_short = parts.len() <= MAX_PARTS;
        let is_whole = known::is_phrase(&term::of_phrase(terms.iter().map(String::as_str)))
            || stop::contains(&stem::compact(run))
            || parts.first().is_some_and(|first| first.chars().count() == 1)
            || parts.iter().any(|part| part.chars().all(|c| c.is_numeric()))
            || !parts.iter().any(|part| part.starts_with(char::is_uppercase));
        if is_short && is_whole {
            self.push(run.trim_matches('-'), terms);
        } else {
            for part in parts {
                self.word(part);
                self.apart = true;
            }
        }
    }

    fn word(&mut self, text: &str) {
        let text = with_its_signs(text);
        self.push(text, Vec::new());
    }

    fn push(&mut self, text: &str, parts: Vec<String>) {
        let chars = text.chars().count();
        let has_letter = text.contains(char::is_alphabetic);
        let says_something = has_letter && chars <= MAX_WORD_CHARS && !is_amount(text);
        if !says_something || (chars == 1 && !known::is_letter(text)) {
            self.apart = self.apart || !text.is_empty();
            return;
        }
        let (class, term) = self.class(text);
        if term.is_empty() {
            return;
        }
        self.words.push(Word { text: text.to_owned(), term, parts, class, apart: self.apart });
        (self.apart, self.starts) = (false, false);
    }

    fn class(&self, text: &str) -> (Class, String) {
        let compact = stem::compact(text);
        let is_capital = text.starts_with(char::is_uppercase) && !self.starts && !self.is_loud;
        if stop::contains(&compact) {
            let is_name = (is_acronym(text) && !self.is_loud)
                || (known::is_like_a_stop_word(text) && (self.is_listed || !self.starts));
            let class = if is_name { Class::Trade } else { Class::Stop };
            return (class, if is_name { text.to_owned() } else { compact });
        }
        let term = term::of_word(text);
        let is_trade = known::is_term(&term)
            || text.contains(['.', '+', '#', '&', '/'])
            || text.contains(char::is_numeric)
            || (has_inner_capital(text) && !self.is_loud);
        let class = match (is_trade, is_capital) {
            (true, _) => Class::Trade,
            (false, true) => Class::Capital,
            (false, false) => Class::Plain,
        };
        (class, term)
    }
}

/// Letters, digits, and the signs that may stand within a word.
fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '+' | '#' | '&' | '/' | '\'' | '-')
}

/// A page's or a person's.
fn is_address(chunk: &str) -> bool {
    let is_email =
        chunk.split_once('@').is_some_and(|(who, at)| !who.is_empty() && at.contains('.'));
    is_email || chunk.contains("://") || chunk.starts_with("www.")
}

/// "R&D", "AT&T", "P&L".
fn is_initials(run: &str) -> bool {
    let is_short = |part: &str| {
        (1..=2).contains(&part.chars().count()) && part.chars().all(char::is_uppercase)
    };
    run.split_once('&').is_some_and(|(left, right)| is_short(left) && is_short(right))
}

/// "Next" in "end.Next", but not "js", "NET" or "0".
fn begins_sentence(piece: &str) -> bool {
    let mut chars = piece.chars();
    let is_capitalized = chars.next().is_some_and(char::is_uppercase)
        && chars.next().is_some_and(char::is_lowercase);
    is_capitalized && !matches!(piece, "Js" | "Net" | "Io" | "Ai")
}

/// The word, with "++" and "#" only where they belong to it: "C++17" is "C++", "C#" stays.
fn with_its_signs(text: &str) -> &str {
    let text = text.trim_start_matches(['+', '#']);
    if let Some(at) = text.find("++").filter(|at| *at > 0) {
        return text.get(..at + 2).unwrap_or(text);
    }
    let core = text.trim_end_matches(['+', '#']);
    let is_sharp = core.chars().count() == 1 && text.ends_with('#');
    if is_sharp { text.get(..core.len() + 1).unwrap_or(text) } else { core }
}

/// "5", "10k", "3rd", "24h": a number with a unit. Not "3D" or "5G".
fn is_amount(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_numeric() || c == '.');
    let is_number = unit.len() < text.len() && !text.starts_with('.');
    let is_unit = unit.chars().all(char::is_lowercase) || matches!(unit, "K" | "M" | "B");
    is_number && unit.chars().count() <= 3 && is_unit
}

/// All of it capitals, and more than one.
fn is_acronym(text: &str) -> bool {
    text.chars().count() > 1 && text.chars().all(char::is_uppercase)
}

/// "PostgreSQL", "AWS", "iOS".
fn has_inner_capital(text: &str) -> bool {
    text.chars().skip(1).any(char::is_uppercase)
}
