//! Sign-up, login and authentication. Callers pass in the time.
//!
//! Called by [`crate::routes`]; uses [`crate::store`], [`crate::hashing`] and [`crate::token`].
//! `guesses` verifies passwords, `session` covers a session after login, `change` changes an
//! account, `lookups` batches session queries, and `recent` caches recently seen tokens.

mod caller;
mod change;
mod guesses;
mod lookups;
mod recent;
mod session;
mod state_cache;

pub(crate) use caller::Caller;

use crate::hashing::{Hasher, HashingError};
use crate::key_watch::{KeyWatch, KeyWatchError};
use crate::keys::{KeyError, KeyRing};
use crate::password::Password;
use crate::refresh_token::RefreshToken;
use crate::store::users::{self, SessionRow};
use crate::store::{State, Store, StoreError, user_secrets};
use crate::token::verifier::{Signed, TokenError, Verifier};
use crate::token::{Claims, Terms};
use crate::user::{Tier, User};
use crate::user_secret::UserSecret;
use jiff::Timestamp;
use lookups::Lookups;
use recent::{Known, Recent};
use resume::email::Email;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// An e-mail address and password, for sign-up and login.
#[derive(Debug)]
pub struct Credentials {
    /// The account's address.
    pub email: Email,
    /// The account's password, new or existing.
    pub password: Password,
}

/// The tokens that login and refresh return.
#[derive(Debug)]
pub struct Tokens {
    /// The access token, a JWT.
    pub access: String,
    /// The access token's lifetime in seconds.
    pub access_ttl_s: u32,
    /// The refresh token, good for one use.
    pub refresh: RefreshToken,
}

/// An account operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// An account with this address exists.
    #[error("an account with this e-mail address already exists")]
    EmailTaken,
    /// Wrong password or unknown user. The error doesn't reveal which.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// A logged-in caller gave the wrong password.
    #[error("the current password is wrong")]
    WrongPassword,
    /// Too many recent wrong passwords for this account. Holds the time to wait.
    #[error("too many wrong passwords: try again in {} s", .0.as_millis().div_ceil(1000))]
    TooManyGuesses(Duration),
    /// An upgrade without proof of payment.
    #[error(
        "moving to a more expensive plan requires payment: expected the operator's secret in the Payment-Token header"
    )]
    NotPaid,
    /// The token was rejected.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is valid, but its session has ended (logout) or its user was deleted.
    #[error("the token's session has ended: log in again")]
    SessionEnded,
    /// The refresh token is unknown or already used, or its session has ended.
    #[error("the refresh token is invalid or no longer valid: log in again")]
    BadRefreshToken,
    /// The hashing queue is full, or Argon2 failed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing a token failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signing keys cannot be read.
    #[error(transparent)]
    KeyWatch(#[from] KeyWatchError),
    /// The operating system returned no random bytes.
    #[error("cannot get random bytes for a secret: {0}")]
    Random(#[from] getrandom::Error),
}

/// The accounts in one database.
pub struct Accounts {
    store: Store,
    hasher: Hasher,
    keys: Arc<KeyWatch>,
    verifier: Verifier,
    lookups: Lookups,
    recent: Recent,
    /// A session's lifetime in seconds. Refreshing does not extend it.
    session_ttl_s: u32,
}

impl Accounts {
    /// Opens the accounts in `store`. Creates a signing key in a new database.
    ///
    /// # Errors
    /// Fails if the signing key can be neither read nor created.
    pub async fn open(
        store: Store,
        hasher: Hasher,
        terms: Terms,
        session_ttl_s: u32,
        now: Timestamp,
    ) -> Result<Self, AccountError> {
        let keys = Arc::new(KeyWatch::open(store.clone(), now).await?);
        keys.keep_up_to_date();
        let (verifier, lookups) = (Verifier::new(terms), Lookups::start(store.clone()));
        let recent = Recent::default();
        Ok(Self { store, hasher, keys, verifier, lookups, recent, session_ttl_s })
    }

    /// Returns the keys that verify tokens.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }

    /// Creates an account on the free plan.
    ///
    /// # Errors
    /// [`AccountError::EmailTaken`], also for the loser of two concurrent sign-ups.
    pub async fn sign_up(
        &self,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        // Only saves a hash. The database decides, below.
        if users::by_email(&self.store, &credentials.email).await?.is_some() {
            return Err(AccountError::EmailTaken);
        }
        let password_hash = self.hasher.hash(credentials.password).await?;
        let user = new_user(credentials.email, now);
        if users::add(&self.store, &user, &password_hash).await? {
            Ok(user)
        } else {
            Err(AccountError::EmailTaken)
        }
    }

    /// Returns the caller that an access token identifies.
    ///
    /// # Errors
    /// [`AccountError::Token`] if the token is invalid, [`AccountError::SessionEnded`] if its
    /// session is over.
    pub async fn authenticate(&self, token: &[u8], now: Timestamp) -> Result<Caller, AccountError> {
        let state = self.store.state().await;
        let recent = state.and_then(|state| self.recent.get(state, token));
        let known = match recent.filter(|known| self.keys.has(&known.signed.kid)) {
            Some(known) => {
                known.signed.check_times(now)?;
                known
            }
            None => self.look_up(state, token, now).await?,
        };
        if known.ends_at > now { Ok(known.caller.clone()) } else { Err(AccountError::SessionEnded) }
    }

    /// Looks the caller up in the database, and caches them if the state hasn't changed since.
    async fn look_up(
        &self,
        state: Option<State>,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Arc<Known>, AccountError> {
        let signed = self.verified(token, now).await?;
        let Claims { sub, sid, tier, .. } = signed.claims;
        let found = state.and_then(|state| Some((state, self.lookups.known(state, sid)?)));
        let row = match &found {
            Some((_, row)) => Some(Arc::clone(row)),
            None => self.lookups.of(sid).await?,
        };
        let row = row.filter(|row| row.user.id == sub).ok_or(AccountError::SessionEnded)?;
        let SessionRow { user, revision, secret, ends_at } = row.as_ref();
        let secret = match secret {
            Some(secret) => secret.clone(),
            None => self.first_secret(user.id).await?,
        };
        let (user, revision) = (user.clone(), *revision);
        let caller = Caller { user, session_id: sid, token_tier: tier, secret, revision };
        let known = Arc::new(Known { signed, ends_at: *ends_at, caller });
        if let Some((state, _)) = found {
            self.recent.add(state, [(token.into(), Arc::clone(&known))]);
        }
        Ok(known)
    }

    /// Creates the secret of a user who has none yet.
    async fn first_secret(&self, user_id: Uuid) -> Result<UserSecret, AccountError> {
        let secret = user_secrets::get_or(&self.store, user_id, &UserSecret::generate()?).await?;
        secret.ok_or(AccountError::SessionEnded)
    }

    /// Verifies the token. On an unknown key id, reads the keys again first: the key may be new.
    async fn verified(&self, token: &[u8], now: Timestamp) -> Result<Arc<Signed>, AccountError> {
        match self.verifier.verify(token, &self.keys(), now) {
            Err(TokenError::UnknownKey) => {
                let keys = self.keys.reload_for_unknown_key(now).await?;
                Ok(self.verifier.verify(token, &keys, now)?)
            }
            known => Ok(known?),
        }
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

fn new_user(email: Email, now: Timestamp) -> User {
    let created_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    User { id: new_id(now), email, tier: Tier::Free, created_at }
}

/// Returns a version 7 UUID. These sort by time, which keeps indexes small.
pub(crate) fn new_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;
    use futures_util::future::join_all;
    use std::num::NonZeroUsize;
    use tempfile::TempDir;

    pub(super) struct Fixture {
        pub(super) accounts: Accounts,
        pub(super) _dir: TempDir,
    }

    async fn open(dir: &TempDir) -> Accounts {
        let store = Store::open(&Place::Sqlite(dir.path().join("a b%20?#ä.db"))).await.unwrap();
        let hasher = Hasher::new(NonZeroUsize::MIN).unwrap();
        let terms = Terms { issuer: "tollgate".into(), audience: "api".into(), ttl_s: 900 };
        Accounts::open(store, hasher, terms, 3600, now()).await.unwrap()
    }

    pub(super) async fn fixture() -> Fixture {
        let dir = TempDir::new().unwrap();
        Fixture { accounts: open(&dir).await, _dir: dir }
    }

    pub(super) fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    pub(super) fn credentials(email: &str, password: &str) -> Credentials {
        Credentials {
            email: Email::parse(email).unwrap(),
            password: Password::given(password).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_new_user_can_log_in_and_is_recognized() {
        let Fixture { accounts, _dir } = fixture().await;
        let user = accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        assert_eq!((user.tier, user.created_at), (Tier::Free, now()));
        let token = accounts.log_in(credentials("A@B.C", "12345678"), now()).await.unwrap();
        let caller = accounts.authenticate(token.access.as_bytes(), now()).await.unwrap();
        assert_eq!((caller.user, caller.token_tier), (user, Tier::Free));
    }

    /// Equal work implies equal time.
    #[tokio::test]
    async fn an_unknown_user_costs_one_verification_like_a_wrong_password() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        assert_eq!(accounts.hasher.verified(), 0);
        for (email, verified) in [("a@b.c", 1), ("nobody@b.c", 2)] {
            let refused = accounts.log_in(credentials(email, "87654321"), now()).await;
            assert!(matches!(refused, Err(AccountError::WrongCredentials)), "{email}");
            assert_eq!(accounts.hasher.verified(), verified, "{email}");
        }
    }

    #[tokio::test]
    async fn concurrent_sign_ups_with_one_address_have_one_winner() {
        let Fixture { accounts, _dir } = fixture().await;
        let results =
            join_all((0..8).map(|_| accounts.sign_up(credentials("a@b.c", "12345678"), now())))
                .await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|e| matches!(e, Err(AccountError::EmailTaken))), "{lost:?}");
    }

    #[tokio::test]
    async fn signing_up_with_a_taken_address_keeps_its_password() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let store = accounts.store.clone();
        let before = users::by_email(&store, &Email::parse("a@b.c").unwrap()).await.unwrap();
        let again = accounts.sign_up(credentials("a@b.c", "87654321"), now()).await;
        assert!(matches!(again, Err(AccountError::EmailTaken)));
        let after = users::by_email(&store, &Email::parse("a@b.c").unwrap()).await.unwrap();
        assert_eq!(before.unwrap().password_hash, after.unwrap().password_hash);
    }

    #[tokio::test]
    async fn a_reopened_database_keeps_its_signing_key() {
        let dir = TempDir::new().unwrap();
        let first = open(&dir).await;
        let kid = first.keys().signing().kid.clone();
        first.close().await;
        assert_eq!(open(&dir).await.keys().signing().kid, kid);
    }

    #[tokio::test]
    async fn concurrent_opens_of_a_new_database_share_one_key() {
        let dir = TempDir::new().unwrap();
        let opened = join_all((0..8).map(|_| open(&dir))).await;
        let mut kids: Vec<_> = opened.iter().map(|a| a.keys().signing().kid.clone()).collect();
        kids.dedup();
        assert_eq!(kids.len(), 1);
    }
}
