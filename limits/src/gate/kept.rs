//! A bounded table of values by stream. Used by `redirected`.

use super::outbox::StreamId;
use std::collections::VecDeque;

/// The most entries.
const MAX_KEPT: usize = 256;

/// Values by stream, oldest first.
#[derive(Debug)]
pub(super) struct Kept<T>(VecDeque<(StreamId, T)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Kept<T> {
    /// Stores `value` for `stream`. Evicts the oldest value if the table is full.
    pub(super) fn keep(&mut self, stream: StreamId, value: T) {
        if self.0.len() >= MAX_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((stream, value));
    }

    /// Removes and returns the value of `stream`.
    pub(super) fn take(&mut self, stream: StreamId) -> Option<T> {
        let at = self.0.iter().rposition(|(kept, _)| *kept == stream)?;
        self.0.remove(at).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded() {
        let mut kept = Kept::default();
        (0..300).for_each(|stream| kept.keep(stream, stream));
        assert_eq!(kept.0.len(), MAX_KEPT);
        assert_eq!(kept.take(43), None);
        assert_eq!(kept.take(44), Some(44));
        assert_eq!(kept.take(44), None, "taken once");
    }
}
