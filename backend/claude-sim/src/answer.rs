//! The answer to a request: chosen by its hash, made of the words that it came with.
//!
//! Called by `crate::routes::messages`. Read in this order: [`source`] (what the request's text
//! offers), [`resume`] (the résumé in it), [`reword`], [`prose`] (sentences), [`value`] (a value of
//! a schema).

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

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It is whole.
    EndTurn,
    /// It would have been longer than `max_tokens`.
    MaxTokens,
    /// One of the request's stop sequences came.
    StopSequence,
    /// It would go on if asked to.
    PauseTurn,
    /// There is none, for safety's sake.
    Refusal,
    /// It would not have fitted the model.
    ModelContextWindowExceeded,
}

/// An answer, before it is told in either of the two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What comes before the text, in some.
    pub thinking: Option<String>,
    /// The text. None in a refusal.
    pub text: Option<String>,
    /// Why it ends.
    pub stop: Stop,
    /// Which stop sequence it was, if one was.
    pub stop_sequence: Option<String>,
    /// What all of it counts as.
    pub output_tokens: u64,
    /// The thinking's part of that.
    pub thinking_tokens: u64,
}

/// What a fault wants of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// This text, whatever the schema says.
    pub text: Option<String>,
    /// This end.
    pub stop: Option<Stop>,
}

/// One answer in so many has a thinking block, where nothing is said about it.
const THINKS_ONCE_IN: usize = 3;

/// The answer to `request`.
///
/// # Errors
/// Where its schema asks for too large a value: says so.
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

/// What is left of it once its ends are seen to.
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

/// The text up to its natural end, a stop sequence, or `max_tokens`, whichever comes first.
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
