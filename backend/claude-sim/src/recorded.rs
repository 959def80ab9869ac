//! Records requests for tests.
//!
//! [`crate::routes::messages`] adds to it, [`crate::routes::sim`] shows it.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The most bodies kept.
const MAX_KEPT: usize = 256;
/// The most bytes of all kept bodies, as received.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// The bodies of the latest requests, and the number of all requests.
#[derive(Debug, Default)]
pub struct Recorded(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    bodies: VecDeque<(usize, Value)>,
    bytes: usize,
}

impl Recorded {
    /// Records a request with its body (null if it is not valid JSON) and the body's size.
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

    /// Returns the number of requests, and the bodies of the latest ones, oldest first.
    pub fn show(&self) -> (u64, Vec<Value>) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.count, kept.bodies.iter().map(|(_, body)| body.clone()).collect())
    }

    /// Forgets all requests.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_requests_are_counted_and_the_latest_kept() {
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
