//! Rewords texts slightly, without new names, dates or numbers.

use crate::dice::Dice;

/// Words and their replacements, all lowercase. The case of the first letter is kept.
const BETTER: [(&str, &str); 16] = [
    ("responsible for", "in charge of"),
    ("worked on", "contributed to"),
    ("helped", "supported"),
    ("built", "created"),
    ("made", "created"),
    ("created", "built"),
    ("used", "applied"),
    ("improved", "strengthened"),
    ("reduced", "cut"),
    ("managed", "ran"),
    ("led", "guided"),
    ("wrote", "authored"),
    ("developed", "built"),
    ("designed", "shaped"),
    ("many", "numerous"),
    ("good", "solid"),
];
/// Openings for texts without any of these words.
const OPENINGS: [&str; 3] = ["In short: ", "Notably: ", "In brief: "];

/// Rewords `text`. The result always differs.
#[must_use]
pub fn reword(text: &str, dice: &mut Dice) -> String {
    let found = BETTER.iter().find_map(|(plain, better)| replace(text, plain, better));
    found.unwrap_or_else(|| {
        let opening = dice.pick(&OPENINGS).copied().unwrap_or_default();
        format!("{opening}{text}")
    })
}

/// Replaces the first occurrence of `plain` as a whole word.
fn replace(text: &str, plain: &str, better: &str) -> Option<String> {
    // Offsets in `lower` are valid in `text`: only ASCII letters changed.
    let lower = text.to_ascii_lowercase();
    lower.match_indices(plain).find_map(|(start, _)| {
        let end = start + plain.len();
        let (before, found, after) = (text.get(..start)?, text.get(start..end)?, text.get(end..)?);
        let inside = before.ends_with(char::is_alphanumeric)
            || after.starts_with(|c: char| c.is_alphanumeric() || c == '-');
        (!inside).then(|| format!("{before}{}{after}", like(found, better)))
    })
}

/// Returns `word`, capitalized if `model` is.
fn like(model: &str, word: &str) -> String {
    let mut chars = word.chars();
    match (model.starts_with(char::is_uppercase), chars.next()) {
        (true, Some(first)) => first.to_ascii_uppercase().to_string() + chars.as_str(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced_and_keep_their_case() {
        let check = |text: &str, expected: &str| {
            assert_eq!(reword(text, &mut Dice::new(3)), expected);
        };
        check("Built 3 services at Initech in 2019.", "Created 3 services at Initech in 2019.");
        check("I was responsible for QA", "I was in charge of QA");
        check("Rebuilt and misused LEDs", "In short: Rebuilt and misused LEDs");
        check("Förderte Übung; used Zürich's", "Förderte Übung; applied Zürich's");
    }

    #[test]
    fn the_text_always_changes_but_its_numbers_do_not() {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        for seed in 0..20 {
            for text in ["", "1", "Led 12 people", "created", "Grew revenue by 40%"] {
                let reworded = reword(text, &mut Dice::new(seed));
                assert_ne!(reworded, text);
                assert_eq!(digits(&reworded), digits(text));
            }
        }
    }
}
