//! Recognizes degrees, with their level and faculty, in any notation.
//!
//! Called by [`super::found`] and [`super::facts`]. In a field for degrees, every abbreviation or
//! word for one counts. In other texts, only unambiguous ones do: "MA" can be a state, and a
//! "master" can be a Scrum master.

use crate::fold;
use std::collections::HashSet;

/// A degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Degree {
    level: &'static str,
    faculty: Option<&'static str>,
}

impl Degree {
    /// Returns true if `degrees` contains this degree or a more specific one, as a bachelor of arts
    /// is more specific than a bachelor.
    pub(super) fn is_among(self, degrees: &HashSet<Self>) -> bool {
        degrees.contains(&self)
            || self.faculty.is_none() && degrees.iter().any(|known| known.level == self.level)
    }
}

/// An abbreviation without dots, its level and faculty, and true if it is unambiguous in any text.
type Short = (&'static str, &'static str, Option<&'static str>, bool);

const SHORT: [Short; 36] = [
    ("PhD", "doctor", None, true),
    ("PHD", "doctor", None, true),
    ("DPhil", "doctor", None, true),
    ("EdD", "doctor", Some("education"), true),
    ("DBA", "doctor", Some("business"), false),
    ("Dr", "doctor", None, true),
    ("MD", "doctor", Some("medicine"), false),
    ("JD", "doctor", Some("law"), false),
    ("MBA", "master", Some("business"), true),
    ("EMBA", "master", Some("business"), true),
    ("MSc", "master", Some("science"), true),
    ("MSC", "master", Some("science"), false),
    ("MS", "master", Some("science"), false),
    ("MA", "master", Some("arts"), false),
    ("MEng", "master", Some("engineering"), true),
    ("MPhil", "master", Some("philosophy"), true),
    ("MEd", "master", Some("education"), true),
    ("MFA", "master", Some("fine arts"), false),
    ("MPA", "master", Some("public"), false),
    ("MPH", "master", Some("public"), false),
    ("LLM", "master", Some("law"), false),
    ("MTech", "master", Some("technology"), true),
    ("BSc", "bachelor", Some("science"), true),
    ("BSC", "bachelor", Some("science"), false),
    ("BS", "bachelor", Some("science"), false),
    ("BA", "bachelor", Some("arts"), false),
    ("AB", "bachelor", Some("arts"), false),
    ("BEng", "bachelor", Some("engineering"), true),
    ("BBA", "bachelor", Some("business"), true),
    ("BCom", "bachelor", Some("commerce"), true),
    ("BEd", "bachelor", Some("education"), true),
    ("BFA", "bachelor", Some("fine arts"), false),
    ("LLB", "bachelor", Some("law"), false),
    ("BTech", "bachelor", Some("technology"), true),
    ("AAS", "associate", None, false),
    ("GED", "school", None, false),
];

/// A folded word, its level, and true if it is unambiguous in any text.
const WORDS: [(&str, &str, bool); 33] = [
    ("bachelor", "bachelor", true),
    ("bachelors", "bachelor", true),
    ("master", "master", false),
    ("masters", "master", false),
    ("doctor", "doctor", false),
    ("doctorate", "doctor", true),
    ("doctoral", "doctor", true),
    ("doktor", "doctor", true),
    ("promoviert", "doctor", true),
    ("doctorat", "doctor", true),
    ("doctorado", "doctor", true),
    ("habilitation", "habilitation", true),
    ("diplom", "diplom", true),
    ("diploma", "diploma", true),
    ("diplome", "diploma", false),
    ("magister", "magister", true),
    ("staatsexamen", "staatsexamen", true),
    ("licence", "licence", false),
    ("licenciatura", "licence", true),
    ("licenciado", "licence", true),
    ("licenciada", "licence", true),
    ("maitrise", "master", false),
    ("maestria", "master", false),
    ("grado", "bachelor", false),
    ("ingenieria", "engineer", false),
    ("associate", "associate", false),
    ("associates", "associate", false),
    ("abitur", "school", true),
    ("matura", "school", true),
    ("baccalaureat", "school", true),
    ("bachillerato", "school", true),
    ("doppelmaster", "master", true),
    ("postdoc", "doctor", true),
];

/// A folded word after "of", and the faculty it names.
const FACULTIES: [(&str, &str); 20] = [
    ("science", "science"),
    ("sciences", "science"),
    ("arts", "arts"),
    ("engineering", "engineering"),
    ("business", "business"),
    ("law", "law"),
    ("laws", "law"),
    ("education", "education"),
    ("philosophy", "philosophy"),
    ("commerce", "commerce"),
    ("technology", "technology"),
    ("medicine", "medicine"),
    ("fine", "fine arts"),
    ("public", "public"),
    ("music", "music"),
    ("architecture", "architecture"),
    ("economics", "economics"),
    ("nursing", "nursing"),
    ("theology", "theology"),
    ("social", "social"),
];

/// Words in the name of a degree that carry no meaning.
const FILLERS: [&str; 18] = [
    "a", "an", "and", "au", "de", "degree", "der", "des", "en", "et", "hons", "honours", "honors",
    "in", "of", "the", "und", "y",
];

/// Returns the degrees in a field for degrees.
pub(super) fn in_field(text: &str) -> Vec<Degree> {
    read(text, true).into_iter().filter_map(|piece| Some(piece.degree?.0)).collect()
}

/// Returns the folded words of a field that do not name a degree: its subject.
pub(super) fn other_words(text: &str) -> Vec<String> {
    let rest = read(text, true).into_iter().filter(|piece| piece.degree.is_none());
    let words = rest.flat_map(|piece| super::walk::words(piece.text));
    words.filter(|word| word.chars().count() > 1 && !FILLERS.contains(&word.as_str())).collect()
}

/// Returns the degrees in any text, each with its notation.
pub(super) fn in_text(text: &str) -> Vec<(Degree, String)> {
    read(&fold::clean(text), false).into_iter().filter_map(|piece| piece.degree).collect()
}

/// The words that name a degree, or a single other word.
struct Piece<'a> {
    text: &'a str,
    degree: Option<(Degree, String)>,
}

fn read(text: &str, is_field: bool) -> Vec<Piece<'_>> {
    let is_between = |c: char| c.is_whitespace() || ",;:()/|-–—\"".contains(c);
    let words: Vec<&str> = text.split(is_between).filter(|word| !word.is_empty()).collect();
    let mut pieces = Vec::new();
    let mut rest = words.as_slice();
    while let [first, ..] = rest {
        let (count, degree) = match degree(rest, is_field) {
            Some((count, degree)) => {
                let written = rest.get(..count).unwrap_or_default().join(" ");
                (count, Some((degree, written)))
            }
            None => (1, None),
        };
        pieces.push(Piece { text: first, degree });
        rest = rest.get(count..).unwrap_or_default();
    }
    pieces
}

/// Returns the degree that begins at the first word, and its number of words.
fn degree(words: &[&str], is_field: bool) -> Option<(usize, Degree)> {
    let first = words.first()?.trim_end_matches(['!', '?']);
    short(first, is_field).map(|degree| (1, degree)).or_else(|| long(words, is_field))
}

fn short(word: &str, is_field: bool) -> Option<Degree> {
    let bare = word.replace('.', "");
    // "M.A." counts in any text; "MA." can be the end of a sentence.
    let has_dots = word.trim_end_matches('.').contains('.');
    let (_, level, faculty, _) = SHORT.iter().find(|(short, _, _, is_plain)| {
        let is_match =
            if has_dots || is_field { short.eq_ignore_ascii_case(&bare) } else { *short == bare };
        is_match && (*is_plain || has_dots || is_field)
    })?;
    Some(Degree { level, faculty: *faculty })
}

fn long(words: &[&str], is_field: bool) -> Option<(usize, Degree)> {
    let folded = |at: usize| {
        words.get(at).map(|word| {
            let word = fold::fold(word);
            word.trim_end_matches(['.', '!', '?']).to_owned()
        })
    };
    let first = folded(0)?;
    let (word, is_owned) = match first.split_once('\'') {
        Some((word, "s" | "")) => (word.to_owned(), true),
        _ => (first, false),
    };
    let (_, level, is_plain) = WORDS.iter().find(|(known, ..)| *known == word)?;
    let next = folded(1).unwrap_or_default();
    let faculty = (next == "of").then(|| folded(2)).flatten();
    let faculty = faculty.and_then(|word| FACULTIES.iter().find(|(known, _)| *known == word));
    let is_degree = matches!(next.as_str(), "degree" | "degrees" | "thesis");
    let is_masters = *level == "master" && (is_owned || (word == "masters" && next == "in"));
    let is_recognized = *is_plain || is_field || is_degree || is_masters || faculty.is_some();
    let count = if faculty.is_some() { 3 } else { 1 };
    is_recognized.then_some((count, Degree { level, faculty: faculty.map(|(_, name)| *name) }))
}
