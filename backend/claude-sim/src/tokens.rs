//! Estimates tokens: one per four characters, rounded up.
//!
//! The estimate replaces a tokenizer. It is close enough for prices and limits.

const CHARS: usize = 4;

/// Returns the number of tokens in `text`.
#[must_use]
pub(crate) fn of(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(CHARS)).unwrap_or(u64::MAX)
}

/// Returns the start of `text` with at most `tokens` tokens.
#[must_use]
pub(crate) fn first(text: &str, tokens: u64) -> &str {
    let chars = usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(CHARS);
    match text.char_indices().nth(chars) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_characters_are_a_token() {
        assert_eq!([of(""), of("a"), of("abcd"), of("ééééé")], [0, 1, 1, 2]);
        assert_eq!(first("ééééé", 1), "éééé");
        assert_eq!(first("abc", 1), "abc");
        assert_eq!(first("abc", u64::MAX), "abc");
        assert_eq!(of(first("a long enough text", 3)), 3);
    }
}
