//! Compares names of employers and finds them in texts.
//!
//! Called by [`super::found`] and [`super::facts`].

use super::walk;
use crate::fold;

/// The most words in a name found in a text.
const MAX_WORDS: usize = 5;

/// Legal forms, folded, without dots. They are ignored when names are compared.
const LEGAL_FORMS: [&str; 27] = [
    "inc",
    "incorporated",
    "ltd",
    "limited",
    "llc",
    "llp",
    "plc",
    "corp",
    "corporation",
    "co",
    "company",
    "gmbh",
    "ag",
    "kg",
    "ug",
    "ev",
    "sa",
    "sarl",
    "sas",
    "sl",
    "slu",
    "bv",
    "nv",
    "oy",
    "aps",
    "spa",
    "srl",
];

/// Legal forms as written that mark the words before them as a name in a text.
const MARKING_FORMS: [&str; 21] = [
    "Inc",
    "Incorporated",
    "Ltd",
    "LTD",
    "LLC",
    "LLP",
    "PLC",
    "plc",
    "Corp",
    "Corporation",
    "GmbH",
    "AG",
    "KG",
    "e.V",
    "S.A",
    "SARL",
    "S.L",
    "B.V",
    "N.V",
    "ApS",
    "S.p.A",
];

/// Words in the names of schools.
const SCHOOLS: [&str; 12] = [
    "university",
    "universitat",
    "universite",
    "universidad",
    "college",
    "institute",
    "institut",
    "instituto",
    "hochschule",
    "fachhochschule",
    "academy",
    "polytechnic",
];

/// Words that precede an employer.
const MARKERS: [&str; 3] = ["at", "joined", "chez"];
/// Lowercase words within a name.
const PARTICLES: [&str; 10] = ["of", "de", "la", "du", "des", "für", "der", "&", "and", "del"];

/// Returns the words of a name for comparison, without its legal form and a leading "the".
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = walk::words(&name.replace('.', ""));
    if words.len() > 1 && words.first().is_some_and(|word| word == "the") {
        words.remove(0);
    }
    while words.len() > 1 && words.last().is_some_and(|word| LEGAL_FORMS.contains(&word.as_str())) {
        words.pop();
    }
    words
}

/// Returns everything in a text that looks like the name of an employer.
pub(super) fn in_text(text: &str) -> Vec<String> {
    let clean = fold::clean(text);
    let words: Vec<Word<'_>> = clean.split_whitespace().map(Word::of).collect();
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let run = name_at(words.get(at..).unwrap_or_default());
        let marker = at.checked_sub(1).and_then(|before| words.get(before));
        let is_marked = marker.is_some_and(|marker| !marker.ends && marker.is_marker());
        let is_name = is_marked || (run.len() > 1 && run.iter().any(Word::marks_a_name));
        if is_name && run.first().is_some_and(Word::is_capital) {
            let texts: Vec<_> = run.iter().map(|word| word.text).collect();
            names.push(texts.join(" "));
        } else if let Some(former) = word.text.strip_prefix("ex-").filter(|name| is_capital(name)) {
            names.push(former.to_owned());
        }
        at += run.len().max(1);
    }
    names
}

/// Returns the run of capitalized words at the start of `words`, with particles between them, up to
/// the end of the phrase.
fn name_at<'a, 'b>(words: &'a [Word<'b>]) -> &'a [Word<'b>] {
    let mut count = 0;
    for (at, word) in words.iter().enumerate().take(MAX_WORDS) {
        let is_author =
            word.is_first_person() && !words.get(at + 1).is_some_and(Word::marks_a_name);
        // "At Google…", "Joined Google…" begin a sentence. (Some names begin with "Chez".)
        let is_before_a_name = at == 0 && ["At", "Joined"].contains(&word.text);
        if word.is_capital() && !is_author && !is_before_a_name {
            count = at + 1;
        } else if at == 0 || !PARTICLES.contains(&word.text) {
            break;
        }
        if word.ends {
            break;
        }
    }
    words.get(..count).unwrap_or_default()
}

/// A whitespace-separated word.
struct Word<'a> {
    /// The word without surrounding punctuation.
    text: &'a str,
    /// True if punctuation follows, which ends the phrase.
    ends: bool,
}

impl<'a> Word<'a> {
    fn of(raw: &'a str) -> Self {
        let is_inner = |c: char| c.is_alphanumeric() || c == '&';
        let text = raw.trim_matches(|c| !is_inner(c));
        let after = raw.trim_end_matches(is_inner);
        let is_abbreviated = after.ends_with('.') && MARKING_FORMS.contains(&text);
        Self { text, ends: !is_abbreviated && !raw.ends_with(is_inner) }
    }

    fn is_capital(&self) -> bool {
        is_capital(self.text)
    }

    /// Returns true for "I", which ends a name: "At Analytical Engines I wrote…".
    fn is_first_person(&self) -> bool {
        self.text.split(['\'', '’']).next() == Some("I")
    }

    fn is_marker(&self) -> bool {
        MARKERS.contains(&self.text.to_lowercase().as_str())
    }

    /// Returns true if it marks the words around it as a name.
    fn marks_a_name(&self) -> bool {
        MARKING_FORMS.contains(&self.text) || SCHOOLS.contains(&fold::fold(self.text).as_str())
    }
}

fn is_capital(text: &str) -> bool {
    text.starts_with(char::is_uppercase) || text == "e.V"
}
