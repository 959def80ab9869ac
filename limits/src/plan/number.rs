//! Reads numbers that requests carry: `42`, ` 42 `, `42.5`.

/// A number that is not negative, as written. Numbers above [`u64::MAX`] are cut to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    whole: u64,
    has_fraction: bool,
}

/// Reads digits, optionally with a decimal point and more digits. Spaces and tabs around them are
/// ignored. Returns `None` for anything else, such as a sign, an exponent or a list.
pub(super) fn parse(text: &[u8]) -> Option<Decimal> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(digits) || !is_digits(fraction) {
        return None;
    }
    // Digits that do not fit are a number that is too large.
    let whole = digits.parse().unwrap_or(u64::MAX);
    Some(Decimal { whole, has_fraction: fraction.bytes().any(|b| b != b'0') })
}

impl Decimal {
    /// Divides the number by `divisor`, at least 1, and rounds it to a whole number.
    pub(super) const fn divided(self, divisor: u64, rounds_up: bool) -> u64 {
        let (Some(quotient), Some(rest)) =
            (self.whole.checked_div(divisor), self.whole.checked_rem(divisor))
        else {
            return self.whole;
        };
        let is_exact = rest == 0 && !self.has_fraction;
        if rounds_up && !is_exact { quotient.saturating_add(1) } else { quotient }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, divisor: u64, expected: Option<(u64, u64)>) {
        let number = parse(text.as_bytes());
        let rounded =
            number.map(|number| (number.divided(divisor, false), number.divided(divisor, true)));
        assert_eq!(rounded, expected, "{text:?} / {divisor}");
    }

    #[test]
    fn numbers_are_digits_with_an_optional_fraction() {
        check("0", 1, Some((0, 0)));
        check("007", 1, Some((7, 7)));
        check(" 42\t", 1, Some((42, 42)));
        check("42.0", 1, Some((42, 42)));
        check("0.001", 1, Some((0, 1)));
        check("42.5", 1, Some((42, 43)));
        check("1152921504606846976", 1, Some((1 << 60, 1 << 60)));
        check(&"9".repeat(100), 1, Some((u64::MAX, u64::MAX)));
        let bad = ["", " ", "-1", "+1", "1e3", "0x10", "1_000", "1,2", "1 2", ".5", "5.", "1.2.3"];
        for text in bad.into_iter().chain(["inf", "NaN", "five", "٣", "1.-2"]) {
            check(text, 1, None);
        }
        assert_eq!(parse(&[b'1', 0xff]), None);
    }

    #[test]
    fn a_number_is_divided_and_rounded() {
        check("0", 1024, Some((0, 0)));
        check("1", 1024, Some((0, 1)));
        check("1024", 1024, Some((1, 1)));
        check("1024.5", 1024, Some((1, 2)));
        check("1025", 1024, Some((1, 2)));
        check(&"9".repeat(100), 2, Some((u64::MAX / 2, u64::MAX / 2 + 1)));
    }
}
