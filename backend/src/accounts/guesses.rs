//! Password verification and its rate limit. No other module verifies a password.
//!
//! Each account has a bucket of tries ([`password_tries`]), shared by all clients. A wrong guess
//! costs one try, the right password none. Logins are counted by the address given, so an unknown
//! address is treated like a known one. A logged-in user who must repeat their password has a
//! separate bucket: strangers guessing at the address can neither end the owner's sessions nor keep
//! them from changing the password.

use super::{AccountError, Accounts};
use crate::hashing::PhcString;
use crate::password::Password;
use crate::store::password_tries;
use jiff::Timestamp;
use resume::email::Email;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The account whose password is being verified.
pub(super) enum GuessTarget<'a> {
    /// The account with this address, if there is one.
    Address(&'a Email),
    /// A user who presented an access token.
    User(Uuid),
}

impl Accounts {
    /// Returns true if the password matches the hash in `stored`.
    ///
    /// # Errors
    /// [`AccountError::TooManyGuesses`]; then the password was not checked.
    pub(super) async fn check_password(
        &self,
        target: &GuessTarget<'_>,
        password: Password,
        stored: Option<PhcString>,
        now: Timestamp,
    ) -> Result<bool, AccountError> {
        let who = target.hash();
        if let Some(wait) = password_tries::take(&self.store, &who, now).await? {
            return Err(AccountError::TooManyGuesses(wait));
        }
        let is_right = self.hasher.verify(password, stored).await;
        if !matches!(is_right, Ok(false)) {
            password_tries::put_back(&self.store, &who).await?;
        }
        Ok(is_right?)
    }
}

impl GuessTarget<'_> {
    /// Returns the bucket's name: a hash, so addresses without an account are not stored in the
    /// clear.
    fn hash(&self) -> String {
        let name = match self {
            Self::Address(email) => format!("address {}", email.as_str()),
            Self::User(id) => format!("user {id}"),
        };
        hex::encode(Sha256::digest(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, credentials, fixture, now};
    use super::*;
    use jiff::SignedDuration;
    use std::time::Duration;

    fn at(ms: i64) -> Timestamp {
        now() + SignedDuration::from_millis(ms)
    }

    /// Logs in. Returns 200, 401, or the milliseconds to wait.
    async fn log_in(accounts: &Accounts, email: &str, password: &str, ms: i64) -> u128 {
        match accounts.log_in(credentials(email, password), at(ms)).await {
            Ok(_) => 200,
            Err(AccountError::WrongCredentials) => 401,
            Err(AccountError::TooManyGuesses(wait)) => wait.as_millis(),
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn guesses_are_limited_with_and_without_an_account() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        for email in ["a@b.c", "nobody@b.c"] {
            for guess in 0..password_tries::MAX_AT_ONCE {
                assert_eq!(log_in(&accounts, email, "87654321", guess).await, 401, "{guess}");
            }
            let verified = accounts.hasher.verified();
            assert_eq!(log_in(&accounts, email, "87654321", 1000).await, 9000);
            assert_eq!(
                accounts.hasher.verified(),
                verified,
                "a rate-limited guess must not be hashed"
            );
        }
    }

    #[tokio::test]
    async fn waiting_exactly_as_long_as_reported_is_enough() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        for _ in 0..password_tries::MAX_AT_ONCE {
            log_in(&accounts, "a@b.c", "87654321", 0).await;
        }
        // A denied try doesn't extend the wait.
        for _ in 0..100 {
            assert_eq!(log_in(&accounts, "a@b.c", "12345678", 9_999).await, 1);
        }
        assert_eq!(log_in(&accounts, "a@b.c", "12345678", 10_000).await, 200);
        for _ in 0..20 {
            assert_eq!(
                log_in(&accounts, "a@b.c", "12345678", 10_000).await,
                200,
                "the right password costs nothing"
            );
        }
        assert_eq!(log_in(&accounts, "a@b.c", "87654321", 10_000).await, 401);
        assert_eq!(log_in(&accounts, "a@b.c", "12345678", 10_000).await, 10_000);
    }

    #[tokio::test]
    async fn guesses_at_an_address_do_not_lock_out_its_logged_in_owner() {
        let Fixture { accounts, _dir } = fixture().await;
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let tokens = accounts.log_in(credentials("a@b.c", "12345678"), now()).await.unwrap();
        let caller = accounts.authenticate(tokens.access.as_bytes(), now()).await.unwrap();
        for _ in 0..password_tries::MAX_AT_ONCE {
            log_in(&accounts, "a@b.c", "87654321", 0).await;
        }
        let password = |text: &str| Password::given(text).unwrap();
        let change = |from: &str| {
            accounts.change_password(&caller, password(from), password("12341234"), now())
        };
        change("12345678").await.unwrap();
        for _ in 0..password_tries::MAX_AT_ONCE {
            let wrong = change("12345678").await;
            assert!(matches!(wrong, Err(AccountError::WrongPassword)), "{wrong:?}");
        }
        let refused = change("12341234").await;
        let expected = Duration::from_secs(10);
        assert!(matches!(refused, Err(AccountError::TooManyGuesses(wait)) if wait == expected));
        let refused = accounts.delete(&caller, password("12341234"), now()).await;
        assert!(matches!(refused, Err(AccountError::TooManyGuesses(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_clock_that_steps_back_does_not_lengthen_the_wait() {
        let Fixture { accounts, _dir } = fixture().await;
        let day_ms = 86_400_000;
        for ms in [day_ms, 0] {
            for guess in 0..password_tries::MAX_AT_ONCE {
                assert_eq!(log_in(&accounts, "a@b.c", "87654321", ms).await, 401, "{ms} {guess}");
            }
            assert_eq!(log_in(&accounts, "a@b.c", "87654321", ms).await, 10_000);
        }
    }

    #[tokio::test]
    async fn full_buckets_are_deleted() {
        let Fixture { accounts, _dir } = fixture().await;
        for (guess, expected) in [(0, 1), (1, 2), (2, 3), (100_000, 3), (100_001, 3)] {
            log_in(&accounts, &format!("a{guess}@b.c"), "87654321", guess).await;
            let query = "SELECT COUNT(*) FROM password_tries";
            assert_eq!(accounts.store.count(query).await, expected, "{guess}");
        }
    }
}
