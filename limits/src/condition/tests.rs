use super::*;
use proptest::prelude::*;

fn check(test: Test, fits: &[&[u8]], other: &[&[u8]]) {
    check_condition(&Condition::new(test, false), fits, other);
}

fn check_ignoring_case(test: Test, fits: &[&[u8]], other: &[&[u8]]) {
    check_condition(&Condition::new(test, true), fits, other);
}

fn check_condition(condition: &Condition, fits: &[&[u8]], other: &[&[u8]]) {
    let holds = |bytes: &&&[u8]| {
        let claim = Value::Text(bytes.to_vec());
        // A text claim and the same bytes from elsewhere agree.
        assert_eq!(condition.holds(Some(bytes)), condition.holds_for(Some(&claim)));
        condition.holds(Some(bytes))
    };
    assert_eq!(fits.iter().find(|bytes| !holds(bytes)), None, "{condition:?}");
    assert_eq!(other.iter().find(|bytes| holds(bytes)), None, "{condition:?}");
    assert!(!condition.holds(None) && !condition.holds_for(None), "{condition:?}");
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn texts_are_compared() {
    check(Test::Equals(text("one")), &[b"one"], &[b"", b"One", b"one ", b"on", b"\xff"]);
    check(Test::OneOf(words(&["b", "a", "b"])), &[b"a", b"b"], &[b"", b"c", b"ab", b"A"]);
    check(Test::Prefix(text("on")), &[b"on", b"one", b"on\xff"], &[b"", b"o", b"One"]);
    check(Test::Suffix(text("ne")), &[b"ne", b"one", b"\xffne"], &[b"", b"e", b"oNe", b"net"]);
    check(Test::Contains(text("n")), &[b"n", b"one", b"\xffn"], &[b"", b"N"]);
    check(Test::Has(text("read")), &[b"read", b"a read b"], &[b"", b"read:all", b"reads", b"Read"]);
    check(Test::Present(true), &[b"", b"a"], &[]);
}

#[test]
fn case_is_ignored_on_request() {
    check_ignoring_case(Test::Equals(text("One")), &[b"one", b"ONE"], &[b"on", b"\xc3\x89"]);
    check_ignoring_case(Test::OneOf(words(&["B", "a"])), &[b"A", b"b"], &[b"c"]);
    check_ignoring_case(Test::Prefix(text("On")), &[b"one", b"ON"], &[b"o"]);
    check_ignoring_case(Test::Suffix(text("Ne")), &[b"oNE"], &[b"e"]);
    check_ignoring_case(Test::Contains(text("N")), &[b"one", b"ONE"], &[b"o"]);
    check_ignoring_case(Test::Has(text("Read")), &[b"write READ"], &[b"READS"]);
    let regex = Regex::parse("^o.e$", true).unwrap();
    check_ignoring_case(Test::Regex(regex), &[b"ONE", b"ore"], &[b"ones"]);
}

#[test]
fn regular_expressions_match_a_part() {
    let regex = |text: &str| Test::Regex(Regex::parse(text, false).unwrap());
    check(regex("b+"), &[b"abbc", b"b", b"\xffb"], &[b"", b"B"]);
    check(regex(r"^v\d+$"), &[b"v1", b"v22"], &[b"v", b"xv1", b"v1\n"]);
    check(regex("^(a|b){2}$"), &[b"ab", b"ba"], &[b"a", b"abc"]);
    check(regex(""), &[b"", b"a"], &[]);
}

#[test]
fn invalid_or_large_expressions_are_refused() {
    let error = |text: &str| Regex::parse(text, false).unwrap_err().to_string();
    insta::assert_snapshot!(error("a("), @"expected a regular expression: found open group without closing ')'");
    insta::assert_snapshot!(error(r"(a)\1"), @"expected a regular expression: backreferences are not supported");
    insta::assert_snapshot!(error(r"\p{Greek}"), @"expected a regular expression: Unicode character classes are not supported");
    insta::assert_snapshot!(error("((a{1,100}){1,100}){1,100}"), @"expected a regular expression: compiled regex exceeded size limit");
    insta::assert_snapshot!(error(&"a".repeat(1001)), @"expected a regular expression of at most 1000 bytes, found 1001 bytes");
    insta::assert_snapshot!(error(&format!("{}{}", "(".repeat(60), ")".repeat(60))), @"expected a regular expression: pattern has too much nesting");
}

#[test]
fn an_expensive_expression_is_matched_in_linear_time() {
    let regex = Regex::parse("^(a+)+$", false).unwrap();
    assert!(!regex.is_match(format!("{}b", "a".repeat(60_000)).as_bytes()));
}

fn within(low: Option<(f64, bool)>, high: Option<(f64, bool)>) -> Bounds {
    let bound = |(number, is_included)| Bound { number, is_included };
    Bounds { low: low.map(bound), high: high.map(bound) }
}

#[test]
fn numbers_are_compared() {
    let at_least = within(Some((5.0, true)), None);
    check(Test::Within(at_least), &[b"5", b"5.0", b"1e3", b"+6"], &[b"4.9", b"", b"x", b"5x"]);
    let above = within(Some((5.0, false)), Some((7.0, false)));
    check(Test::Within(above), &[b"5.1", b"6"], &[b"5", b"7", b"inf", b"nan", b"infinity"]);
    let at_most = within(None, Some((-1.0, true)));
    check(Test::Within(at_most), &[b"-1", b"-2"], &[b"0", b"-0.5", b"-inf", b"NaN"]);
    let zero = within(Some((0.0, true)), Some((0.0, true)));
    check(Test::Within(zero), &[b"0", b"-0"], &[b"1"]);
    assert!(!within(Some((0.0, true)), None).contain(f64::NAN));
}

#[test]
fn no_spelling_of_a_number_escapes_a_bound() {
    let digits = "9".repeat(400);
    let huge: &[&[u8]] = &[b"1e400", b" 7", b"7\t", digits.as_bytes()];
    check(Test::Within(within(Some((5.0, true)), None)), huge, &[b"-1e400", b"7 7"]);
    check(Test::Within(within(None, Some((5.0, true)))), &[b"-1e400"], huge);
}

#[test]
fn bounds_without_a_number_between_them_are_empty() {
    for (low, high, expected) in [
        ((1.0, true), (1.0, true), false),
        ((1.0, true), (1.0, false), true),
        ((1.0, false), (2.0, false), false),
        ((2.0, true), (1.0, true), true),
    ] {
        assert_eq!(within(Some(low), Some(high)).are_empty(), expected, "{low:?} {high:?}");
    }
}

#[test]
fn a_list_fits_if_an_item_does() {
    let list = |items: &[&str]| {
        Value::List(items.iter().map(|item| Value::Text((*item).into())).collect())
    };
    let holds = |test, value: &Value| Condition::new(test, false).holds_for(Some(value));
    assert!(holds(Test::Equals(text("pro")), &list(&["free", "pro"])));
    assert!(!holds(Test::Equals(text("free pro")), &list(&["free", "pro"])));
    assert!(!holds(Test::Equals(text("")), &list(&[])));
    assert!(holds(Test::Present(true), &list(&[])));
    assert!(holds(Test::Prefix(text("p")), &list(&["free", "pro"])));
    assert!(holds(Test::Has(text("a b")), &list(&["a b"])));
    assert!(!holds(Test::Has(text("a")), &list(&["a b"])));
    let numbers = Value::List(vec![Value::Number(3.0), Value::Bool(true)]);
    assert!(holds(Test::Has(text("3")), &numbers));
    assert!(holds(Test::Equals(text("true")), &numbers));
    assert!(holds(Test::Within(within(Some((3.0, true)), None)), &numbers));
    assert!(!holds(Test::Within(within(Some((4.0, true)), None)), &numbers));
}

/// Returns the number of `test` and the text it is about.
fn mode() -> impl Strategy<Value = (usize, String)> {
    (0..6_usize, "[abAB ]{0,3}")
}

proptest! {
    #[test]
    fn every_mode_agrees_with_a_plain_model(
        (mode, wanted) in mode(),
        value in "[abAB ]{0,5}",
        ignore_case in any::<bool>(),
    ) {
        let test = match mode {
            0 => Test::Equals(wanted.clone()),
            1 => Test::OneOf(vec![wanted.clone(), "ab".to_owned()]),
            2 => Test::Prefix(wanted.clone()),
            3 => Test::Suffix(wanted.clone()),
            4 => Test::Contains(wanted.clone()),
            _ => Test::Has(wanted.clone()),
        };
        let fold = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
        let (wanted, folded) = (fold(&wanted), fold(&value));
        let expected = match mode {
            0 => folded == wanted,
            1 => folded == wanted || folded == "ab",
            2 => folded.starts_with(&wanted),
            3 => folded.ends_with(&wanted),
            4 => folded.contains(&wanted),
            _ => folded.split(' ').any(|word| word == wanted),
        };
        prop_assert_eq!(Condition::new(test, ignore_case).holds(Some(value.as_bytes())), expected);
    }

    #[test]
    fn bounds_agree_with_a_plain_model(
        low in prop::option::of((-3_i32..3, any::<bool>())),
        high in prop::option::of((-3_i32..3, any::<bool>())),
        halves in -8_i32..8,
    ) {
        let bound = |(number, is_included): (i32, bool)| (f64::from(number), is_included);
        let bounds = within(low.map(bound), high.map(bound));
        let above = low.is_none_or(|(low, is)| halves > low * 2 || (is && halves == low * 2));
        let below = high.is_none_or(|(high, is)| halves < high * 2 || (is && halves == high * 2));
        let number = f64::from(halves) / 2.0;
        prop_assert_eq!(bounds.contain(number), above && below);
        if bounds.are_empty() {
            prop_assert!(!(above && below));
        }
    }
}
