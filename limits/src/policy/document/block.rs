//! A bucket's block for repeated refusals, as written: `{ after: 20, within: 10m, for: 1h }`.

use crate::block::{self, Refusals};
use crate::duration::Duration;
use crate::quota::WindowMs;
use serde::Deserialize;

/// A block for repeated refusals: a key that the bucket refused this often within this time is
/// refused for longer.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Block {
    /// The number of refusals that starts a block.
    after: Refusals,
    /// The time in which they must fall.
    within: Duration,
    /// The length of the block, counted from the last of them.
    #[serde(rename = "for")]
    lasts: Duration,
}

impl From<&Block> for block::Block {
    fn from(written: &Block) -> Self {
        let ms = |duration: Duration| WindowMs::clamped(duration.as_ms());
        let (within_ms, for_ms) = (ms(written.within), ms(written.lasts));
        Self { after: written.after, within_ms, for_ms, refused: None }
    }
}
