//! Normalizes words and phrases for comparison.
//!
//! Called by [`super::words`] and [`super::phrase`].

use super::known;
use super::stem::{compact, stem};

/// Returns a word's stem, with aliases resolved: "Databases", "K8s" and "E-Mails" become
/// "database", "kubernete" and "email".
pub(super) fn of_word(text: &str) -> String {
    let term = if is_plural_of_acronym(text) {
        compact(text).trim_end_matches('s').to_owned()
    } else {
        stem(text)
    };
    known::alias(&term).map_or(term, str::to_owned)
}

/// Joins the terms of a phrase into one, with aliases resolved: "machine learning" becomes "ml".
pub(super) fn of_phrase<'a>(terms: impl IntoIterator<Item = &'a str>) -> String {
    let joined: String = terms.into_iter().collect();
    known::alias(&joined).map_or(joined, str::to_owned)
}

/// Returns true for plurals like "APIs" and "VMs".
fn is_plural_of_acronym(text: &str) -> bool {
    text.strip_suffix('s')
        .is_some_and(|stem| stem.chars().count() > 1 && stem.chars().all(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold;
    use proptest::prelude::*;

    #[test]
    fn forms_of_a_word_have_the_same_term() {
        for (one, other) in [
            ("Databases", "database"),
            ("technologies", "Technology"),
            ("processes", "process"),
            ("APIs", "API"),
            ("VMs", "VM"),
            ("développeurs", "Developpeur"),
            ("e-mails", "email"),
            ("full-stack", "fullstack"),
            ("k8s", "Kubernetes"),
            ("ReactJS", "react.js"),
            ("Postgres", "PostgreSQL"),
            ("Straße", "STRASSE"),
        ] {
            assert_eq!(of_word(one), of_word(other), "{one} {other}");
        }
    }

    #[test]
    fn different_words_have_different_terms() {
        for (one, other) in
            [("C", "C++"), ("C#", "C"), ("aws", "aw"), ("Java", "JavaScript"), ("iOS", "io")]
        {
            assert_ne!(of_word(one), of_word(other), "{one} {other}");
        }
        assert_eq!(of_word("business"), "business");
        assert_eq!(of_word("analytics"), "analytics");
        assert_eq!(of_word("status"), "status");
    }

    #[test]
    fn a_phrase_is_one_term() {
        assert_eq!(of_phrase(["machine", "learning"]), of_word("ML"));
        assert_eq!(of_phrase(["full", "stack"]), of_word("full-stack"));
    }

    proptest! {
        #[test]
        fn terms_ignore_case(word in "[a-zé]{1,12}") {
            let uppercase = fold::fold(&word.to_uppercase());
            prop_assert_eq!(of_word(&word), of_word(&uppercase));
        }
    }
}
