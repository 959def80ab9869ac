//! What a text says that neither the résumé nor the job description does.
//!
//! Used for answers that are no changes of the résumé; asks [`resume::invention`], which compares
//! documents: the text stands in one for the whole.

use crate::ai::input::{Input, JobDescription};
use resume::Resume;
use resume::invention::{self, Invented};
use serde_json::{Value, json};

/// How letters and sentences begin, in capitals, and which is no part of a name beside it.
const NO_NAMES: &str = "I Dear Hello Hi To Sehr Geehrte Geehrter Geehrtes Liebe Liebes Guten Tag \
                           Cher Chère Chers Bonjour Estimado Estimada Estimados Hola Caro Cara Gentile";

/// Where the texts stand that are compared.
const PLACE: &str = "/basics/summary";

/// What is invented in `texts`, each a place in the answer and what stands there.
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

/// All that the answer was made of, as one document.
fn known(input: &Input) -> Value {
    let mut document = input.resume.as_value().clone();
    let job = input.job.as_ref().map_or("", JobDescription::as_str);
    if let Some(members) = document.as_object_mut() {
        members.insert("x-known".to_owned(), json!([job, NO_NAMES]));
    }
    document
}
