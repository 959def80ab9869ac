//! Normalizes texts for comparison, so that texts that look alike or differ only in case or accents
//! become equal.
//!
//! Called by [`crate::keywords`], [`crate::ats`] and [`crate::invention`].

use unicode_normalization::UnicodeNormalization;

/// Normalizes each character (NFKC): composed accents, plain digits and letters instead of wide
/// ones and ligatures, and ASCII hyphens and apostrophes. Removes zero-width characters and
/// trademark signs. Keeps line breaks.
#[must_use]
pub fn clean(text: &str) -> String {
    if text.is_ascii() {
        return text.chars().map(usual).collect();
    }
    text.chars().filter(|c| !is_removed(*c)).nfkc().map(usual).collect()
}

/// Lowercases the text and removes accents: "Développeur" and "DEVELOPPEUR" become equal, and so do
/// "Straße" and "strasse".
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    let lower = text.nfkd().flat_map(char::to_lowercase);
    for letter in lower.nfkd().filter(|c| !is_accent(*c)) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ı' => folded.push('i'),
            other => folded.push(other),
        }
    }
    folded
}

/// Returns the start of a text, at most `max_bytes`, without splitting a character.
#[must_use]
pub fn start(text: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Returns true for the combining accents of European scripts. In other scripts, combining marks
/// can be vowels.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Returns true for invisible characters (soft hyphens, zero-width spaces and joiners, direction
/// marks), and for ™, ® and ©, some of which NFKC would turn into letters.
fn is_removed(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{feff}' | '™' | '®' | '©' | '℠'
    )
}

fn usual(c: char) -> char {
    match c {
        '‐' | '‑' => '-',
        '’' | '‘' | 'ʼ' | '`' | '´' => '\'',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_look_the_same_become_equal() {
        let check = |text: &str, expected: &str| assert_eq!(clean(text), expected, "{text:?}");
        check("Cafe\u{301}", "Caf\u{e9}");
        check("２０\u{a0}％", "20 %");
        check("o\u{fb03}ce", "office");
        check("Java™ sta\u{ad}ging\u{200b}", "Java staging");
        check("don’t full‑stack", "don't full-stack");
        check("a\nb\tc", "a\nb\tc");
    }

    #[test]
    fn case_and_accents_do_not_matter() {
        let check = |text: &str, expected: &str| assert_eq!(fold(text), expected, "{text:?}");
        check("Développeur", "developpeur");
        check("STRASSE", "strasse");
        check("Straße", "strasse");
        check("İstanbul, Łódź, Ærø", "istanbul, lodz, aero");
        check("C++ / C#", "c++ / c#");
    }

    #[test]
    fn start_never_splits_a_character() {
        let check = |bytes, expected: &str| assert_eq!(start("añb", bytes), expected, "{bytes}");
        check(0, "");
        check(1, "a");
        check(2, "a");
        check(3, "añ");
        check(9, "añb");
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text in ".{0,60}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
