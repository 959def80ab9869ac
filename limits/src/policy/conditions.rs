//! Checks conditions on values: of headers, query parameters, cookies, claims and keys.

use super::document::{Condition as Written, ConditionFields, ConditionNumber, Scalar};
use super::mistakes::Mistakes;
use crate::bounded::MAX_SAFE;
use crate::condition::{Bound, Bounds, Condition, Regex, Test};

/// The most values of one list, for example of an allowlist of keys.
const MAX_LISTED: usize = 10_000;
/// The longest text of a condition, in bytes.
const MAX_TEXT_BYTES: usize = 4_096;
/// The fields of a condition, as listed in messages.
const EXPECTED: &str = "expected one of equals, one_of, prefix, suffix, contains, regex, present, or \
     bounds (at_least or above, at_most or below)";

/// Returns the condition that `written` describes; `None` if it has a mistake. `is_claim`: true for
/// a claim, where `contains` compares whole items and words.
pub(super) fn checked(
    written: &Written,
    is_claim: bool,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Condition> {
    let before = mistakes.len();
    let condition = match written {
        Written::Equals(scalar) => {
            Some(Condition::new(Test::Equals(text(scalar, place, mistakes)), false))
        }
        Written::OneOf(scalars) => {
            Some(Condition::new(Test::OneOf(list(scalars, place, mistakes)), false))
        }
        Written::Fields(fields) => mapping(fields, is_claim, place, mistakes),
    };
    condition.filter(|_| mistakes.len() == before)
}

fn mapping(
    fields: &ConditionFields,
    is_claim: bool,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Condition> {
    let text_of = |field: &str, written: &Option<Scalar>, mistakes: &mut Mistakes| {
        written.as_ref().map(|scalar| text(scalar, &format!("{place}.{field}"), mistakes))
    };
    let bounded = |field: &str, written: &Option<String>, mistakes: &mut Mistakes| {
        let written = written.clone()?;
        length(&written, &format!("{place}.{field}"), mistakes);
        Some(written)
    };
    let one_of = fields.one_of.as_ref();
    let part = if is_claim { Test::Has } else { Test::Contains };
    let tests = [
        fields.present.map(Test::Present),
        text_of("equals", &fields.equals, mistakes).map(Test::Equals),
        one_of.map(|all| Test::OneOf(list(all, &format!("{place}.one_of"), mistakes))),
        bounded("prefix", &fields.prefix, mistakes).map(Test::Prefix),
        bounded("suffix", &fields.suffix, mistakes).map(Test::Suffix),
        text_of("contains", &fields.contains, mistakes).map(part),
        regex(fields, place, mistakes),
        bounds(fields, place, mistakes),
    ];
    let names = named(fields);
    if names.len() != 1 {
        let found = if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
        mistakes.add(place, format!("{EXPECTED}; found {found}"));
        return None;
    }
    // A regular expression with a mistake has been reported.
    let test = tests.into_iter().flatten().next()?;
    if fields.ignore_case && matches!(test, Test::Present(_) | Test::Within(_)) {
        mistakes.add(format!("{place}.ignore_case"), "only valid with text: remove this");
    }
    Some(Condition::new(test, fields.ignore_case))
}

/// Returns the names of the fields that are set. Bounds count as one.
fn named(fields: &ConditionFields) -> Vec<&'static str> {
    let bounds = [fields.at_least, fields.at_most, fields.above, fields.below];
    let all = [
        ("equals", fields.equals.is_some()),
        ("one_of", fields.one_of.is_some()),
        ("prefix", fields.prefix.is_some()),
        ("suffix", fields.suffix.is_some()),
        ("contains", fields.contains.is_some()),
        ("regex", fields.regex.is_some()),
        ("present", fields.present.is_some()),
        ("bounds", bounds.iter().any(Option::is_some)),
    ];
    all.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect()
}

fn regex(fields: &ConditionFields, place: &str, mistakes: &mut Mistakes) -> Option<Test> {
    match Regex::parse(fields.regex.as_ref()?, fields.ignore_case) {
        Ok(regex) => Some(Test::Regex(regex)),
        Err(error) => {
            mistakes.add(format!("{place}.regex"), error.to_string());
            None
        }
    }
}

fn bounds(fields: &ConditionFields, place: &str, mistakes: &mut Mistakes) -> Option<Test> {
    let mut one = |names: &str,
                   included: Option<ConditionNumber>,
                   excluded: Option<ConditionNumber>| {
        if included.is_some() && excluded.is_some() {
            mistakes.add(place, format!("has both {names}: remove one of them"));
        }
        let included = included.map(|ConditionNumber(number)| Bound { number, is_included: true });
        included.or(excluded.map(|ConditionNumber(number)| Bound { number, is_included: false }))
    };
    let low = one("at_least and above", fields.at_least, fields.above);
    let high = one("at_most and below", fields.at_most, fields.below);
    if low.is_none() && high.is_none() {
        return None;
    }
    let bounds = Bounds { low, high };
    if bounds.are_empty() {
        mistakes.add(place, format!("no number is {bounds}"));
    }
    Some(Test::Within(bounds))
}

fn list(scalars: &[Scalar], place: &str, mistakes: &mut Mistakes) -> Vec<String> {
    if scalars.is_empty() || scalars.len() > MAX_LISTED {
        mistakes.add(place, format!("expected 1 to {MAX_LISTED} values, found {}", scalars.len()));
    }
    let scalars = scalars.iter().take(MAX_LISTED).enumerate();
    scalars.map(|(index, scalar)| text(scalar, &format!("{place}[{index}]"), mistakes)).collect()
}

fn text(scalar: &Scalar, place: &str, mistakes: &mut Mistakes) -> String {
    #[expect(clippy::cast_precision_loss, reason = "2^53 is exact as a double")]
    let is_inexact = matches!(scalar, Scalar::Number(number) if number.abs() > MAX_SAFE as f64);
    if is_inexact {
        mistakes.add(place, "numbers above 2^53 are not exact: put it in quotes");
    }
    let text = scalar.text();
    length(&text, place, mistakes);
    text
}

fn length(text: &str, place: &str, mistakes: &mut Mistakes) {
    if text.len() > MAX_TEXT_BYTES {
        mistakes.add(
            place,
            format!("expected at most {MAX_TEXT_BYTES} bytes, found {} bytes", text.len()),
        );
    }
}

/// Returns the path of the claim called `name`. A name that begins with a slash is a JSON pointer to
/// a nested claim.
///
/// # Source
/// RFC 6901 (JSON Pointer).
pub(super) fn claim_path(name: &str) -> Vec<String> {
    match name.strip_prefix('/') {
        Some(rest) => {
            rest.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => vec![name.to_owned()],
    }
}
