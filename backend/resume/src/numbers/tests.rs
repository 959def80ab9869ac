//! Figures in whole texts.

use super::*;
use proptest::prelude::*;

/// Formats the figures in a text as one line.
fn shown(text: &str) -> String {
    let lines: Vec<_> = figures(text).iter().map(|figure| meaning(&figure.meaning)).collect();
    lines.join(", ")
}

fn meaning(meaning: &Meaning) -> String {
    let joined =
        |values: &[Decimal]| values.iter().map(Decimal::as_str).collect::<Vec<_>>().join("|");
    match meaning {
        Meaning::Name(name) => format!("name {name}"),
        Meaning::Moment(moment) => {
            let days: Vec<_> = moment
                .readings
                .iter()
                .map(|day| {
                    let part = |n: Option<u16>| n.map_or("?".to_owned(), |n| n.to_string());
                    format!(
                        "{}-{}-{}",
                        part(day.year),
                        part(day.month.map(u16::from)),
                        part(day.day.map(u16::from))
                    )
                })
                .collect();
            days.join("|").replace("-?", "")
        }
        Meaning::Number(number) => {
            let value = joined(&number.readings);
            let pieces = if number.pieces.is_empty() {
                String::new()
            } else {
                format!(" or {}", joined(&number.pieces))
            };
            match number.unit {
                Unit::Plain => format!("{value}{pieces}"),
                Unit::Percent => format!("{value}%{pieces}"),
                Unit::Money(currency) => format!("{value} {currency}{pieces}"),
            }
        }
    }
}

#[test]
fn numbers_are_found_in_any_notation() {
    for (text, expected) in [
        ("", ""),
        ("no number, not even one", ""),
        ("cut 20%", "20%"),
        ("20 % and 20 percent; 20 per cent, a 20-percent cut", "20%, 20%, 20%, 20%"),
        ("vierzig Prozent, quarante pour cent, 40 por ciento", "40%, 40%, 40%"),
        ("$1.5M", "1500000 $"),
        ("EUR20k, 1.5M USD, chf 5'000", "20000 EUR, 1500000 $, 5000 CHF"),
        ("USD 20k, US$ 5, 5 €, 3 million euros", "20000 $, 5 $, 5 EUR, 3000000 EUR"),
        ("5 Mio. Euro; 5 millions d'euros", "5000000 EUR, 5000000 EUR"),
        ("20k users, 20,000 users, 20.000 Nutzer", "20000, 20000, 20000"),
        ("20 000 and 20\u{a0}000 and 20'000", "20000 or 20|0, 20000, 20000"),
        ("a 3x speed-up, 24/7, 5-10", "3, 24, 7, 5, 10"),
        ("1st, 2nd", "1, 2"),
        ("1,2,3", "1, 2, 3"),
        ("5, 10 or 20 %", "5, 10, 20%"),
        ("v3.11.2", "name v3.11.2"),
        ("S3, B2B, ISO 27001, Python3", "name s3, name b2b, 27001, name python3"),
        ("٣ or ３", "3, 3"),
        ("½", "1, 2"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn number_words_are_read() {
    for (text, expected) in [
        ("two, twelve and twenty", "2, 12, 20"),
        ("twenty-five; twenty five; ninety-nine", "25, 25, 99"),
        ("one of them", ""),
        ("one hundred and five", "105"),
        ("a hundred, a thousand, a million", "100, 1000, 1000000"),
        ("two hundred thousand", "200000"),
        ("three million two hundred thousand and four", "3200004"),
        ("five and six", "5, 6"),
        ("nineteen hundred", "1900"),
        ("two-thirds", "2"),
        ("doubled revenue twice", "2, 2"),
        ("hundreds of users", "100"),
        ("Two million dollars", "2000000 $"),
        ("zwanzig, einundzwanzig, hundert, zweihundertfünfzig", "20, 21, 100, 250"),
        ("dreitausendvierhundertsiebzehn", "3417"),
        ("zwei Millionen", "2000000"),
        ("vingt, vingt et un, soixante-douze, quatre-vingt-dix-sept", "20, 21, 72, 97"),
        ("deux cents, deux cent mille", "200, 200000"),
        ("veinte, veintidós, treinta y dos, dos mil", "20, 22, 32, 2000"),
        ("und hundred Hund gesund", "100"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn dates_are_found_in_any_notation() {
    for (text, expected) in [
        ("since 2014", "2014"),
        ("2014-06, 2014-06-29", "2014-6, 2014-6-29"),
        ("06/2014, 29/06/2014, 5/6/2019", "2014-6, 2014-6-29, 2019-6-5|2019-5-6"),
        ("29.06.2014, 06.2014", "2014-6-29, 2014-6"),
        ("June 2014, Jun. 2014, Jun '14", "2014-6, 2014-6, 2014-6"),
        ("29 June 2014; June 29, 2014; 29th of June 2014", "2014-6-29, 2014-6-29, 2014-6-29"),
        ("29. Juni 2014, im März", "2014-6-29, ?-3"),
        ("29 de junio de 2014", "2014-6-29"),
        ("may march in May 2019", "2019-5"),
        ("2014–16, 2014/15, 2014-15, 2014-2016", "2014, 2016, 2014, 2015, 2014, 2015, 2014, 2016"),
        ("the 1990s", "1990"),
        ("2000 %, $2000, 2000 euros, 2000px, 1750", "2000%, 2000 $, 2000 EUR, 2000, 1750"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn a_date_is_not_a_number() {
    for (text, expected) in [
        ("since 2014, in March", false),
        ("2014-06-29", false),
        ("S3 and B2B", false),
        ("since 2014, 5 times", true),
        ("1750 users", true),
        ("2000 euros", true),
    ] {
        assert_eq!(has_number(text), expected, "{text}");
    }
}

#[test]
fn a_figure_keeps_its_text() {
    let texts: Vec<_> =
        figures("Cut costs by US$ 1.5 million (twenty-five percent) since 1 May 2019.")
            .into_iter()
            .map(|figure| figure.text)
            .collect();
    assert_eq!(texts, ["$ 1.5 million", "twenty-five percent", "1 May 2019"]);
}

proptest! {
    #[test]
    fn any_text_can_be_read(text in "[0-9a-zA-Z .,'%$€/\\-\u{a0}\u{202f}éüß½٣]{0,40}|\\PC{0,40}") {
        let found = figures(&text);
        prop_assert!(found.len() <= text.chars().count() + 1);
        for figure in found {
            prop_assert!(!figure.text.is_empty());
        }
    }

    #[test]
    fn a_number_between_words_is_found(
        before in "[a-z]{1,8}( [a-z]{1,8}){0,3}",
        number in 3_000..u64::MAX,
    ) {
        let text = format!("{before} xy {number} zz");
        let value = Decimal::whole(&number.to_string());
        let is_there = figures(&text).iter().any(|figure| {
            matches!(&figure.meaning, Meaning::Number(number) if number.readings.contains(&value))
        });
        prop_assert!(is_there, "{}", text);
    }
}
