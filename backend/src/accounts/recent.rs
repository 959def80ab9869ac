//! Recently seen tokens and their callers, valid while the database is unchanged. Until it changes,
//! the session and the user are still current, and only the expiry and the key need checking.
//!
//! Entries are keyed by the whole token. Only tokens that we signed are cached, so an attacker
//! cannot choose the keys, and the hash need not resist crafted collisions.

use super::caller::Caller;
use super::state_cache::StateCache;
use crate::token::verifier::Signed;
use jiff::Timestamp;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

/// Recent callers, by token.
pub(super) type Recent = StateCache<Box<[u8]>, Arc<Known>, FxBuildHasher>;

/// A verified token and its caller.
pub(super) struct Known {
    /// The verified token.
    pub(super) signed: Arc<Signed>,
    /// The session's end.
    pub(super) ends_at: Timestamp,
    /// The caller.
    pub(super) caller: Caller,
}

#[cfg(test)]
mod tests {
    use super::super::AccountError;
    use super::super::state_cache::MAX_ENTRIES;
    use super::super::tests::{Fixture, credentials, fixture, now};
    use super::*;
    use crate::token::verifier::TokenError;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::SignedDuration;

    /// Flips one bit of the token's signature, so it always differs.
    fn forged(token: &str) -> String {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[0] ^= 1;
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[tokio::test]
    async fn a_cached_token_still_expires() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let tokens = accounts.log_in(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let token = tokens.access.as_bytes();
        let at = |s| now() + SignedDuration::from_secs(s);
        let first = accounts.authenticate(token, now()).await.unwrap();
        assert_eq!(accounts.recent.len(), 0, "a query's result may belong to a later state");
        for _ in 0..3 {
            assert_eq!(accounts.authenticate(token, now()).await.unwrap(), first);
        }
        assert_eq!(accounts.recent.len(), 1);
        let refused = [
            accounts.authenticate(token, at(900)).await,
            accounts.authenticate(token, at(-61)).await,
        ];
        assert!(matches!(refused[0], Err(AccountError::Token(TokenError::Expired))));
        assert!(matches!(refused[1], Err(AccountError::Token(TokenError::NotYet))));
        let refused = accounts.authenticate(forged(&tokens.access).as_bytes(), now()).await;
        let expected = AccountError::Token(TokenError::BadSignature);
        assert_eq!(refused.unwrap_err().to_string(), expected.to_string());
        assert_eq!(accounts.recent.len(), 1);
    }

    #[tokio::test]
    async fn a_cached_token_ends_with_its_session() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let tokens = accounts.log_in(credentials("a@b.c", "12345678"), now()).await.unwrap();
        // A session lasts an hour here, and a token that is issued in its last minute outlives it.
        let late = now() + SignedDuration::from_secs(3590);
        let tokens = accounts.refresh(&tokens.refresh, late).await.unwrap();
        for _ in 0..3 {
            accounts.authenticate(tokens.access.as_bytes(), late).await.unwrap();
        }
        assert_eq!(accounts.recent.len(), 1);
        let over = now() + SignedDuration::from_secs(3600);
        let ended = accounts.authenticate(tokens.access.as_bytes(), over).await;
        assert!(matches!(ended, Err(AccountError::SessionEnded)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_cached_token_ends_with_its_key() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let tokens = accounts.log_in(credentials("a@b.c", "12345678"), now()).await.unwrap();
        for _ in 0..3 {
            accounts.authenticate(tokens.access.as_bytes(), now()).await.unwrap();
        }
        crate::key_watch::replace_all(&accounts.store, now()).await.unwrap();
        // Until the keys are read again, its tokens stay valid and are cached for the new state.
        for _ in 0..3 {
            let _either = accounts.authenticate(tokens.access.as_bytes(), now()).await;
        }
        let later = now() + SignedDuration::from_secs(2);
        accounts.keys.reload_for_unknown_key(later).await.unwrap();
        let refused = accounts.authenticate(tokens.access.as_bytes(), later).await;
        assert!(matches!(refused, Err(AccountError::Token(TokenError::UnknownKey))), "{refused:?}");
    }

    #[tokio::test]
    async fn the_cache_is_bounded_and_holds_one_state() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let tokens = accounts.log_in(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let caller = accounts.authenticate(tokens.access.as_bytes(), now()).await.unwrap();
        let signed = accounts.verified(tokens.access.as_bytes(), now()).await.unwrap();
        let known = || {
            Arc::new(Known { signed: Arc::clone(&signed), ends_at: now(), caller: caller.clone() })
        };
        let state = accounts.store.state().await.unwrap();
        let recent = Recent::default();
        for n in 0..MAX_ENTRIES + 10 {
            recent.add(state, [(n.to_le_bytes().into(), known())]);
        }
        assert_eq!(recent.len(), 10);
        let last = (MAX_ENTRIES + 9).to_le_bytes();
        assert!(recent.get(state, last.as_slice()).is_some());
        accounts.sign_up(credentials("b@b.c", "12345678"), now()).await.unwrap();
        let next = accounts.store.state().await.unwrap();
        assert!(recent.get(next, last.as_slice()).is_none());
        recent.add(next, [(b"token".as_slice().into(), known())]);
        assert_eq!(recent.len(), 1);
        assert!(recent.get(state, last.as_slice()).is_none());
    }
}
