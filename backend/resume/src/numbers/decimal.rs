//! Exact decimal numbers of any length.
//!
//! [`super::figures`] makes them from digits ([`read`]), [`super::spelled`] from words.

/// An unsigned number in canonical form: no redundant zeros, and a dot before the fraction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(String);

impl Decimal {
    /// Builds a whole number from digits.
    #[must_use]
    pub fn whole(digits: &str) -> Self {
        Self::with_fraction(digits, "")
    }

    fn with_fraction(whole: &str, fraction: &str) -> Self {
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        match fraction.trim_end_matches('0') {
            "" => Self(whole.to_owned()),
            fraction => Self(format!("{whole}.{fraction}")),
        }
    }

    /// Multiplies by a power of ten: by a thousand if `zeros` is 3.
    #[must_use]
    pub fn shifted(&self, zeros: usize) -> Self {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let mut fraction = fraction.chars();
        let moved: String = (0..zeros).map(|_| fraction.next().unwrap_or('0')).collect();
        Self::with_fraction(&format!("{whole}{moved}"), fraction.as_str())
    }

    /// Returns the canonical form: "20000", "0.5".
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads digits separated by dots, commas, apostrophes or underscores.
///
/// Returns the readings of each number. Usually there is one number with one reading, but "1,2,3"
/// is three numbers and "1.234" has two readings. A version ("3.11.2") is kept as written.
pub(super) fn read(text: &str) -> Vec<Vec<Decimal>> {
    let groups: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    let signs: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let (Some((last_sign, signs)), Some((last, front))) = (signs.split_last(), groups.split_last())
    else {
        return vec![vec![Decimal::whole(text)]];
    };
    let is_grouped = are_groups(&groups);
    if signs.iter().all(|sign| sign == last_sign) {
        let whole = Decimal::whole(&groups.concat());
        return match (*last_sign, is_grouped, front) {
            // "20.000" is 20000: nobody writes 20 like that.
            (',' | '.', true, [first]) if *last != "000" => {
                vec![vec![whole, Decimal::with_fraction(first, last)]]
            }
            (_, true, _) => vec![vec![whole]],
            (',' | '.', false, [first]) => vec![vec![Decimal::with_fraction(first, last)]],
            ('.', false, _) => vec![vec![Decimal(text.to_owned())]],
            (_, false, _) => groups.iter().map(|group| vec![Decimal::whole(group)]).collect(),
        };
    }
    let is_decimal = matches!(last_sign, ',' | '.') && !signs.contains(last_sign);
    if is_decimal
        && are_groups(front)
        && signs.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
    {
        vec![vec![Decimal::with_fraction(&front.concat(), last)]]
    } else {
        vec![vec![Decimal(text.to_owned())]]
    }
}

/// Returns true if digits are grouped like thousands: by three, or by two before the last three as
/// in India.
fn are_groups(groups: &[&str]) -> bool {
    let [first, middle @ .., last] = groups else { return false };
    let by = middle.first().map_or(3, |group| group.len());
    let is_start = (1..=by).contains(&first.len()) && !first.starts_with('0');
    let is_middle = matches!(by, 2 | 3) && middle.iter().all(|group| group.len() == by);
    is_start && is_middle && last.len() == 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_read_in_every_countrys_notation() {
        let check = |text: &str, expected: &str| {
            let numbers: Vec<_> = read(text)
                .iter()
                .map(|readings| readings.iter().map(Decimal::as_str).collect::<Vec<_>>().join("|"))
                .collect();
            assert_eq!(numbers.join(" "), expected, "{text}");
        };
        check("20", "20");
        check("007", "7");
        check("0", "0");
        check("12.50", "12.5");
        check("12,5", "12.5");
        check("0.125", "0.125");
        check("1,234", "1234|1.234");
        check("1.234", "1234|1.234");
        check("20.000", "20000");
        check("1,234,567", "1234567");
        check("1.234.567,89", "1234567.89");
        check("1,234,567.89", "1234567.89");
        check("1'234'567", "1234567");
        check("12,34,567", "1234567");
        check("1_000", "1000");
        check("1,2,3", "1 2 3");
        check("2019,2020", "2019.202");
        check("3.11.2", "3.11.2");
        check("1.2,3.4", "1.2,3.4");
    }

    #[test]
    fn shifting_appends_zeros() {
        let check = |text: &str, zeros, expected: &str| {
            assert_eq!(read(text)[0][0].shifted(zeros).as_str(), expected, "{text} {zeros}");
        };
        check("20", 3, "20000");
        check("1.5", 6, "1500000");
        check("0.0005", 3, "0.5");
        check("7", 0, "7");
    }

    proptest! {
        #[test]
        fn a_number_is_the_same_however_it_is_grouped(number in 1_000..u64::MAX, sign in "[,.']") {
            let digits = number.to_string();
            let mut grouped = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at) % 3 == 0 {
                    grouped.push_str(&sign);
                }
                grouped.push(digit);
            }
            prop_assert!(read(&grouped)[0].contains(&Decimal::whole(&digits)));
        }

        #[test]
        fn any_digits_can_be_read(text in "[0-9][0-9.,'_]{0,20}[0-9]") {
            let numbers = read(&text);
            prop_assert!(!numbers.is_empty() && numbers.iter().all(|readings| !readings.is_empty()));
        }
    }
}
