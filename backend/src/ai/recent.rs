//! What was asked of late, and under which name the answer is kept: the body need not be read, nor
//! the résumé hashed, to find an answer that is there.
//!
//! Used by [`crate::routes::ai`].
//!
//! # Nothing stale
//! A name follows from the task, the body, the user, and the state of what is theirs, which the
//! session's revision names ([`Caller::revision`]); and from what is the same for as long as this
//! process runs. What is remembered here is remembered under a keyed hash of all of these, so it is
//! right or not found. Only what came to a name is remembered: mistakes are told anew.

use super::task::Task;
use crate::accounts::Caller;
use crate::cache::Entry;
use moka::sync::Cache;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// The most that is remembered, at well under a kilobyte each.
const MAX_REMEMBERED: u64 = 10_000;

/// What was asked of late.
#[derive(Clone)]
pub(crate) struct Recent(Cache<Digest, Arc<Found>>);

/// A question, word for word.
pub(crate) type Digest = [u8; 32];

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The answer's entry.
    pub entry: Entry,
    /// The kept résumé that it is about, and its version; none for one in the body.
    pub about: Option<(Uuid, i64)>,
}

impl Recent {
    /// Nothing yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self(Cache::new(MAX_REMEMBERED))
    }

    /// What this question came to, if it was asked of late.
    #[must_use]
    pub(crate) fn get(&self, question: &Digest) -> Option<Arc<Found>> {
        self.0.get(question)
    }

    /// Remembers what this question came to.
    pub(crate) fn put(&self, question: Digest, found: Found) {
        self.0.insert(question, Arc::new(found));
    }
}

/// Names what this caller asks with this body.
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
    fn whatever_an_answers_name_follows_from_names_the_question() {
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
