//! Claims in a text that neither the résumé nor the job description supports.
//!
//! Used for answers that are not edits of the résumé. Calls [`resume::invention`], which compares
//! documents, so each text is wrapped in a document.

use crate::ai::input::{Input, JobDescription};
use resume::Resume;
use resume::invention::{self, Invented};
use serde_json::{Value, json};

/// Capitalized words that start letters and sentences. They are not part of an adjacent name.
const NO_NAMES: &str = "I Dear Hello Hi To Sehr Geehrte Geehrter Geehrtes Liebe Liebes Guten Tag \
                           Cher Chère Chers Bonjour Estimado Estimada Estimados Hola Caro Cara Gentile";

/// The place of each text in its wrapper document.
const PLACE: &str = "/basics/summary";

/// Returns the unsupported claims in `texts`, pairs of a JSON Pointer into the answer and a text.
pub(super) fn flags(input: &Input, texts: &[(&str, &str)]) -> Vec<Invented> {
    let known = Resume::stored(known(input));
    let found = texts.iter().flat_map(|(pointer, text)| {
        let said = json!({"basics": {"summary": text}});
        let found = invention::found(&known, &said).into_iter();
        found
            .filter(|invented| invented.pointer == PLACE)
            .map(|invented| Invented { pointer: (*pointer).to_owned(), ..invented })
    });
    found.collect()
}

/// Combines everything the answer is based on into one document.
fn known(input: &Input) -> Value {
    let mut document = input.resume.as_value().clone();
    let job = input.job.as_ref().map_or("", JobDescription::as_str);
    if let Some(members) = document.as_object_mut() {
        members.insert("x-known".to_owned(), json!([job, NO_NAMES]));
    }
    document
}
