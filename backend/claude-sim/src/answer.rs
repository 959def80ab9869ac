//! Generates the answer to a request from the request's own words, seeded by the request's hash.
//!
//! Called by `crate::routes::messages`. Suggested reading order: [`source`] (the material in the
//! request's text), [`resume`] (the résumé in it), [`reword`], [`prose`] (sentences), [`value`]
//! (values that match a schema).

pub mod prose;
pub mod resume;
pub mod reword;
pub mod source;
pub mod value;

use crate::canonical::sorted;
use crate::dice::Dice;
use crate::request::Request;
use crate::tokens;
use serde::Deserialize;
use source::Source;
use value::Values;

/// The stop reason of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The answer is complete.
    EndTurn,
    /// The answer reached `max_tokens`.
    MaxTokens,
    /// The answer reached one of the request's stop sequences.
    StopSequence,
    /// The model paused and would continue if asked to.
    PauseTurn,
    /// The model refused for safety reasons.
    Refusal,
    /// The answer exceeded the context window.
    ModelContextWindowExceeded,
}

/// An answer, before it is sent plain or as a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The thinking before the text, if any.
    pub thinking: Option<String>,
    /// The text; `None` in a refusal.
    pub text: Option<String>,
    /// The stop reason.
    pub stop: Stop,
    /// The stop sequence that was reached, if any.
    pub stop_sequence: Option<String>,
    /// The tokens of the whole answer.
    pub output_tokens: u64,
    /// The tokens of the thinking, included in `output_tokens`.
    pub thinking_tokens: u64,
}

/// The overrides of an answer by a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The text, even if it does not match the schema.
    pub text: Option<String>,
    /// The stop reason.
    pub stop: Option<Stop>,
}

/// One in this many answers has a thinking block if the request does not ask for one.
const THINKS_ONCE_IN: usize = 3;

/// Generates the answer to `request`.
///
/// # Errors
/// Fails if the request's schema asks for too large a value.
pub fn of(request: &Request, wanted: Wanted) -> Result<Answer, String> {
    let mut dice = Dice::new(request.seed);
    let source = Source::of(&request.user_text());
    let thinks = request.thinks || dice.once_in(THINKS_ONCE_IN);
    let thinking = thinks.then(|| prose::sentences(&mut dice, &source, 2));
    let text = match wanted.text {
        Some(text) => text,
        None => text_of(request, &mut dice, &source)?,
    };
    Ok(cut(request, thinking, text, wanted.stop))
}

fn text_of(request: &Request, dice: &mut Dice, source: &Source) -> Result<String, String> {
    let Some(schema) = &request.schema else {
        let sentences = dice.between(3, 6);
        return Ok(prose::sentences(dice, source, sentences));
    };
    Values::new(dice, source).of(schema).map(|value| sorted(&value).to_string())
}

/// Truncates the answer where `max_tokens`, a stop sequence or `wanted` ends it.
fn cut(request: &Request, thinking: Option<String>, text: String, wanted: Option<Stop>) -> Answer {
    // Thinking counts, but leaves the text at least half.
    let thinking = thinking.map(|text| tokens::first(&text, request.max_tokens / 2).to_owned());
    let thinking_tokens = thinking.as_deref().map_or(0, tokens::of);
    let left = request.max_tokens.saturating_sub(thinking_tokens);
    let (text, mut stop, mut stop_sequence) = ended(request, text, left);
    let mut text = Some(text);
    if let Some(wanted) = wanted {
        stop = wanted;
        stop_sequence = None;
        text = match wanted {
            Stop::Refusal => None,
            Stop::MaxTokens | Stop::ModelContextWindowExceeded | Stop::PauseTurn => {
                text.map(|text| tokens::first(&text, tokens::of(&text) / 2).to_owned())
            }
            Stop::EndTurn | Stop::StopSequence => text,
        };
    }
    let output_tokens = thinking_tokens + text.as_deref().map_or(0, tokens::of);
    Answer { thinking, text, stop, stop_sequence, output_tokens, thinking_tokens }
}

/// Returns the text up to its natural end, a stop sequence or `max_tokens`, whichever comes first.
fn ended(request: &Request, text: String, max_tokens: u64) -> (String, Stop, Option<String>) {
    let found = |sequence: &String| Some((text.find(sequence)?, sequence.clone()));
    let first = request.stop_sequences.iter().filter_map(found).min();
    let kept = first.as_ref().and_then(|(at, _)| text.get(..*at)).unwrap_or(&text);
    if tokens::of(kept) > max_tokens {
        return (tokens::first(kept, max_tokens).to_owned(), Stop::MaxTokens, None);
    }
    match first {
        Some((_, sequence)) => (kept.to_owned(), Stop::StopSequence, Some(sequence)),
        None => (text, Stop::EndTurn, None),
    }
}
