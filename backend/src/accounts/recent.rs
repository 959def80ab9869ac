//! Who asked with which token, for as long as nothing in the database changes: then neither has
//! the session ended nor the user changed, and all that is left to look at is the time and the key.
//!
//! A token is found by all of it. Only tokens of ours are here, whose text nobody can choose, so
//! they need no hash that is made against those who would.

use super::Caller;
use crate::store::State;
use crate::token::Signed;
use jiff::Timestamp;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most tokens that are remembered, at about a kilobyte each.
const MAX_REMEMBERED: usize = 10_000;

/// Who asked lately.
#[derive(Default)]
pub(super) struct Recent(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    state: Option<State>,
    known: FxHashMap<Box<[u8]>, Arc<Known>>,
}

/// Who asked with a token.
pub(super) struct Known {
    /// What it says.
    pub(super) signed: Arc<Signed>,
    /// When the session is over.
    pub(super) ends_at: Timestamp,
    /// Who it is.
    pub(super) caller: Caller,
}

impl Recent {
    /// Who asked with this token when the database was in this very state.
    pub(super) fn get(&self, state: State, token: &[u8]) -> Option<Arc<Known>> {
        let tokens = self.tokens();
        (tokens.state == Some(state)).then(|| tokens.known.get(token).map(Arc::clone))?
    }

    /// Remembers what was found of a token in this state.
    pub(super) fn add(&self, state: State, token: &[u8], known: Known) {
        let mut tokens = self.tokens();
        if tokens.state != Some(state) || tokens.known.len() >= MAX_REMEMBERED {
            *tokens = Tokens { state: Some(state), known: FxHashMap::default() };
        }
        tokens.known.insert(token.into(), Arc::new(known));
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
