//! Signing up, logging in, and knowing who asks. The time is handed in.
//!
//! Called by [`crate::routes`]; asks [`crate::store`], [`crate::hashing`] and [`crate::token`].

use crate::email::Email;
use crate::hashing::{Hasher, HashingError};
use crate::keys::{KeyError, KeyRing, Seed};
use crate::password::Password;
use crate::store::{Store, StoreError, signing_keys, users};
use crate::token::{self, Claims, Terms, TokenError};
use crate::user::{Tier, User};
use jiff::Timestamp;
use uuid::Uuid;

/// What signing up and logging in take.
#[derive(Debug)]
pub struct Credentials {
    /// Whose account.
    pub email: Email,
    /// Their password, chosen or given.
    pub password: Password,
}

/// An access token, as log-in answers it.
#[derive(Debug)]
pub struct AccessToken {
    /// The JWT.
    pub token: String,
    /// How long it is good for.
    pub expires_in_s: u32,
}

/// Why an account did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Someone has signed up with this address.
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    /// Wrong password, or no such user: it does not say which.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// The token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is good, and its user gone.
    #[error("the token's user no longer exists")]
    UserGone,
    /// Too many passwords to hash, or Argon2 failed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A token could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The accounts of one database.
pub struct Accounts {
    store: Store,
    hasher: Hasher,
    keys: KeyRing,
    terms: Terms,
}

impl Accounts {
    /// The accounts in `store`. A new database gets its signing key here.
    ///
    /// # Errors
    /// [`AccountError`] where the key can be neither read nor made.
    pub async fn open(
        store: Store,
        hasher: Hasher,
        terms: Terms,
        now: Timestamp,
    ) -> Result<Self, AccountError> {
        let mut seeds = signing_keys::all(&store).await?;
        if seeds.is_empty() {
            signing_keys::add_first(&store, &Seed::generate()?, now).await?;
            seeds = signing_keys::all(&store).await?;
        }
        Ok(Self { keys: KeyRing::new(&seeds)?, store, hasher, terms })
    }

    /// The keys that tokens can be verified with.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Makes an account on the free plan.
    ///
    /// # Errors
    /// [`AccountError::EmailTaken`], also for the later of two at the same time.
    pub async fn sign_up(
        &self,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        // Only spares the hash: the database decides, below.
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

    /// Issues a token for the right password. A wrong password and an unknown user take the same
    /// steps: one query, one Argon2 verification, one answer.
    ///
    /// # Errors
    /// [`AccountError::WrongCredentials`] for both.
    pub async fn log_in(
        &self,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<AccessToken, AccountError> {
        let row = users::by_email(&self.store, &credentials.email).await?;
        let (user, password_hash) = row.map(|row| (row.user, row.password_hash)).unzip();
        let right = self.hasher.verify(credentials.password, password_hash).await?;
        let user = user.filter(|_| right).ok_or(AccountError::WrongCredentials)?;
        let token = token::sign(&Claims::new(&user, &self.terms, now), &self.keys)?;
        Ok(AccessToken { token, expires_in_s: self.terms.ttl_s })
    }

    /// The user whose token this is.
    ///
    /// # Errors
    /// [`AccountError::Token`], or [`AccountError::UserGone`].
    pub async fn authenticate(&self, token: &str, now: Timestamp) -> Result<User, AccountError> {
        let claims = token::verify(token, &self.keys, &self.terms, now)?;
        users::by_id(&self.store, claims.sub).await?.ok_or(AccountError::UserGone)
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// Ids are UUIDs of version 7: in the order of sign-up, which keeps the index small.
fn new_user(email: Email, now: Timestamp) -> User {
    let created_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos));
    User { id, email, tier: Tier::Free, created_at }
}
