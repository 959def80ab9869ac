//! The requests that came, for tests to look at.
//!
//! [`crate::routes::messages`] adds to it, [`crate::routes::sim`] shows it.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The most bodies that are kept.
const MAX_KEPT: usize = 256;
/// The most bytes that they have together, as they came.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// The bodies of the last requests, and how many there were in all.
#[derive(Debug, Default)]
pub struct Recorded(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    bodies: VecDeque<(usize, Value)>,
    bytes: usize,
}

impl Recorded {
    /// One more, with this body of so many bytes (null where it is no JSON).
    pub fn add(&self, body: Value, bytes: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.count += 1;
        kept.bytes += bytes;
        kept.bodies.push_back((bytes, body));
        while kept.bodies.len() > MAX_KEPT || kept.bytes > MAX_KEPT_BYTES {
            let Some((bytes, _)) = kept.bodies.pop_front() else { break };
            kept.bytes -= bytes;
        }
    }

    /// How many there were, and the bodies of the last ones, the oldest first.
    pub fn show(&self) -> (u64, Vec<Value>) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.count, kept.bodies.iter().map(|(_, body)| body.clone()).collect())
    }

    /// Forgets all of them.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_are_counted_and_the_last_are_kept() {
        let recorded = Recorded::default();
        for number in 0..1000 {
            recorded.add(number.into(), 1);
        }
        let (count, bodies) = recorded.show();
        assert_eq!((count, bodies.len()), (1000, MAX_KEPT));
        assert_eq!(bodies.last(), Some(&json!(999)));
        recorded.add("large".into(), MAX_KEPT_BYTES);
        assert_eq!(recorded.show(), (1001, vec![json!("large")]));
        recorded.reset();
        assert_eq!(recorded.show(), (0, vec![]));
    }
}
