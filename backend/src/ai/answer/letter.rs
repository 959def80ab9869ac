//! `generate-cover-letter`: a letter, and its claims that neither the résumé nor the job
//! description supports.

use super::bounds::{self, Lines};
use super::flags::flags;
use super::unfit::Unfit;
use crate::ai::input::Input;
use resume::invention::Invented;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 200;
/// The longest letter, in characters.
const MAX_LETTER_CHARS: usize = 8000;

/// A cover letter.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Letter {
    subject: String,
    letter: String,
    flags: Vec<Invented>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    subject: String,
    letter: String,
}

pub(super) fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["subject", "letter"],
        "properties": {"subject": text, "letter": text},
    })
}

pub(super) fn checked(input: &Input, text: &str) -> Result<Letter, Unfit> {
    let raw: RawAnswer = bounds::parse(text)?;
    let subject = bounds::text("subject", &raw.subject, MAX_SUBJECT_CHARS, Lines::One)?;
    let letter = bounds::text("letter", &raw.letter, MAX_LETTER_CHARS, Lines::Many)?;
    let flags = flags(input, &[("/subject", &subject), ("/letter", &letter)]);
    Ok(Letter { subject, letter, flags })
}
