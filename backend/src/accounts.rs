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
        let seeds = signing_keys::all_or(&store, &Seed::generate()?, now).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::num::NonZeroUsize;
    use tempfile::TempDir;

    struct Fixture {
        accounts: Accounts,
        _dir: TempDir,
    }

    async fn open(dir: &TempDir) -> Accounts {
        let store = Store::open(&dir.path().join("a b%20?#ä.db")).await.unwrap();
        let hasher = Hasher::new(NonZeroUsize::MIN).unwrap();
        let terms = Terms { issuer: "tollgate".into(), audience: "api".into(), ttl_s: 900 };
        Accounts::open(store, hasher, terms, now()).await.unwrap()
    }

    async fn fixture() -> Fixture {
        let dir = TempDir::new().unwrap();
        Fixture { accounts: open(&dir).await, _dir: dir }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn credentials(email: &str, password: &str) -> Credentials {
        Credentials {
            email: Email::parse(email).unwrap(),
            password: Password::given(password).unwrap(),
        }
    }

    #[tokio::test]
    async fn who_signed_up_can_log_in_and_is_known() {
        let Fixture { accounts, _dir } = fixture().await;
        let user = accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        assert_eq!((user.tier, user.created_at), (Tier::Free, now()));
        let token = accounts.log_in(credentials("A@B.C", "12345678"), now()).await.unwrap();
        assert_eq!(accounts.authenticate(&token.token, now()).await.unwrap(), user);
    }

    /// That they take the same time follows from their taking the same steps.
    #[tokio::test]
    async fn an_unknown_user_costs_one_verification_as_a_wrong_password_does() {
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
    async fn of_many_who_take_one_address_at_once_one_gets_it() {
        let Fixture { accounts, _dir } = fixture().await;
        let results =
            join_all((0..8).map(|_| accounts.sign_up(credentials("a@b.c", "12345678"), now())))
                .await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|e| matches!(e, Err(AccountError::EmailTaken))), "{lost:?}");
    }

    #[tokio::test]
    async fn a_taken_address_keeps_its_password() {
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
    async fn a_database_keeps_its_key() {
        let dir = TempDir::new().unwrap();
        let first = open(&dir).await;
        let kid = first.keys().signing().kid.clone();
        first.close().await;
        assert_eq!(open(&dir).await.keys().signing().kid, kid);
    }

    #[tokio::test]
    async fn all_who_open_a_new_database_at_once_share_one_key() {
        let dir = TempDir::new().unwrap();
        let opened = join_all((0..8).map(|_| open(&dir))).await;
        let mut kids: Vec<_> = opened.iter().map(|a| &a.keys().signing().kid).collect();
        kids.dedup();
        assert_eq!(kids.len(), 1);
    }
}
