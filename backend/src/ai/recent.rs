//! Recent questions and the cache entries of their answers. A repeated question finds its answer
//! without its body being parsed or the résumé being hashed.
//!
//! Used by [`crate::routes::ai`].
//!
//! # Never stale
//! A cache key depends on the task, the body, the user, the state of the user's data, which the
//! session's revision identifies ([`Caller::revision`]), and on settings that are fixed for the
//! life of the process. Questions are stored under a keyed hash of all these, so a lookup is either
//! right or a miss. Only valid questions are stored; invalid ones are parsed again.

use super::task::Task;
use crate::accounts::Caller;
use crate::cache::Entry;
use moka::sync::Cache;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// The most questions remembered, at well under 1 kB each.
const MAX_REMEMBERED: u64 = 10_000;

/// Recent questions.
#[derive(Clone)]
pub(crate) struct Recent(Cache<Digest, Arc<Found>>);

/// A keyed hash of a question.
pub(crate) type Digest = [u8; 32];

/// A question's cache entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The cache entry of the answer.
    pub entry: Entry,
    /// The id and version of the stored résumé, or `None` if it was in the body.
    pub about: Option<(Uuid, i64)>,
}

impl Recent {
    /// Creates an empty table.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self(Cache::new(MAX_REMEMBERED))
    }

    /// Returns the question's cache entry, if it was asked recently.
    #[must_use]
    pub(crate) fn get(&self, question: &Digest) -> Option<Arc<Found>> {
        self.0.get(question)
    }

    /// Stores the question's cache entry.
    pub(crate) fn put(&self, question: Digest, found: Found) {
        self.0.insert(question, Arc::new(found));
    }
}

/// Hashes a question: the task, the caller, and the body word for word.
#[must_use]
pub(crate) fn digest(task: Task, caller: &Caller, body: &[u8]) -> Digest {
    let Caller { user, secret, revision, .. } = caller;
    let (label, revision) = (b"question".as_slice(), revision.to_be_bytes());
    secret.digest(&[label, task.name().as_bytes(), user.id.as_bytes(), &revision, body])
}

impl Default for Recent {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recent({})", self.0.entry_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::{Tier, User};
    use crate::user_secret::UserSecret;
    use jiff::Timestamp;
    use resume::email::Email;

    fn caller(id: u128, secret: &UserSecret, revision: u64) -> Caller {
        let user = User {
            id: Uuid::from_u128(id),
            email: Email::parse("ada@example.org").unwrap(),
            tier: Tier::Free,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let (session_id, secret) = (Uuid::nil(), secret.clone());
        Caller { user, session_id, token_tier: Tier::Free, secret, revision }
    }

    #[test]
    fn every_input_of_the_cache_key_is_part_of_the_digest() {
        let [a, b] = [(); 2].map(|()| UserSecret::generate().unwrap());
        let task = Task::OptimizeResume;
        let same = digest(task, &caller(1, &a, 7), b"{}");
        assert_eq!(digest(task, &caller(1, &a, 7), b"{}"), same);
        for other in [
            digest(Task::AnalyzeAtsScore, &caller(1, &a, 7), b"{}"),
            digest(task, &caller(2, &a, 7), b"{}"),
            digest(task, &caller(1, &b, 7), b"{}"),
            digest(task, &caller(1, &a, 8), b"{}"),
            digest(task, &caller(1, &a, 7), b"{} "),
        ] {
            assert_ne!(other, same);
        }
    }
}
