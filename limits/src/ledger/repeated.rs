//! Blocks for repeated refusals: the refusals of a counter that count toward a block, or its block.
//!
//! A refusal counts for `within_ms` after its date. Once `after` of them count, a block begins and
//! lasts `for_ms`. Refusals made by the block do not count, so it does not grow, and after it the
//! count starts at zero. Each refusal counts once.
//!
//! **A refusal** is a charge that did not fit, by itself. A shadow's charges count too, and its
//! block is reported but refuses nothing. Not counted are costs above the limit, for which waiting
//! does not help, and refusals of keys while an operator has blocked them or made them unlimited.
//!
//! **Refusals that a gateway repeated from memory** arrive with the next charge of the counter,
//! dated by the last of them: at most a second late. They count before that charge is judged, so it
//! can be refused although it fits.
//!
//! Up to `after` = 128 the count is exact. Above that, a refusal counts up to 1/128 of `within_ms`
//! longer, as in a sliding window.

use super::sliding::{Log, Window};
use crate::block::Block;

/// The refusals that count toward a block, or the block itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Repeated {
    Refusals(Log),
    Blocked { until_ms: u64 },
}

impl Repeated {
    /// Counts `count` refusals made `ago_ms` before `now_ms`. Returns false if nothing changed.
    pub(super) fn note(&mut self, now_ms: u64, count: u64, ago_ms: u64, block: &Block) -> bool {
        let window = window(block);
        if self.until_ms(now_ms).is_some() || ago_ms >= window.window_ms {
            return false;
        }
        let mut log = match std::mem::take(self) {
            Self::Refusals(log) => log,
            Self::Blocked { .. } => Log::default(),
        };
        log.charge_late(now_ms, count, ago_ms, &window);
        let is_too_often = log.read(now_ms, &window).left == 0;
        *self = if is_too_often {
            Self::Blocked { until_ms: now_ms + block.for_ms.get() }
        } else {
            Self::Refusals(log)
        };
        true
    }

    /// Returns the end of the block, if one is in force.
    pub(super) fn until_ms(&self, now_ms: u64) -> Option<u64> {
        match self {
            Self::Blocked { until_ms } if now_ms < *until_ms => Some(*until_ms),
            _ => None,
        }
    }

    /// Returns the time from which it equals a missing one.
    pub(super) fn expires_ms(&self, block: &Block) -> u64 {
        match self {
            Self::Refusals(log) => log.expires_ms(&window(block)),
            Self::Blocked { until_ms } => *until_ms,
        }
    }
}

impl Default for Repeated {
    fn default() -> Self {
        Self::Refusals(Log::default())
    }
}

fn window(block: &Block) -> Window {
    Window { limit: block.after.get(), window_ms: block.within_ms.get() }
}
