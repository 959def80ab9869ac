//! Sessions from login to logout: a password begins one, and refresh tokens continue it.

use super::guesses::GuessTarget;
use super::{AccountError, Accounts, Credentials, Tokens, new_id};
use crate::refresh_token::RefreshToken;
use crate::store::sessions::{self, NewSession, Refreshed};
use crate::store::users::{self, LogInRow};
use crate::token::{self, Claims};
use crate::user::User;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

impl Accounts {
    /// Begins a session for the right password. A wrong password and an unknown user take the same
    /// steps: one query, one try, one Argon2 verification.
    ///
    /// # Errors
    /// [`AccountError::WrongCredentials`] or [`AccountError::TooManyGuesses`], the same for a wrong
    /// password and an unknown user.
    pub async fn log_in(
        &self,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<Tokens, AccountError> {
        let row = users::by_email(&self.store, &credentials.email).await?;
        let password_hash = row.as_ref().map(|row| row.password_hash.clone());
        let target = GuessTarget::Address(&credentials.email);
        let right = self.check_password(&target, credentials.password, password_hash, now).await?;
        let row = row.filter(|_| right).ok_or(AccountError::WrongCredentials)?;
        self.begin_session(&row, now).await
    }

    /// Begins a session for a user whose password has been verified.
    async fn begin_session(&self, row: &LogInRow, now: Timestamp) -> Result<Tokens, AccountError> {
        let refresh = RefreshToken::generate()?;
        let lasts = SignedDuration::from_secs(i64::from(self.session_ttl_s));
        let new = NewSession {
            id: new_id(now),
            refresh_hash: &refresh.hash(),
            begins_at: now,
            ends_at: now.saturating_add(lasts).unwrap_or(now),
        };
        if !sessions::begin(&self.store, row, &new).await? {
            // The password was changed after the row was read, so it is wrong now.
            return Err(AccountError::WrongCredentials);
        }
        self.tokens(&row.user, new.id, refresh, now)
    }

    /// Exchanges a refresh token for new tokens. Presenting a used token ends its session, because
    /// one of its two holders must have stolen it.
    ///
    /// # Errors
    /// [`AccountError::BadRefreshToken`] if the token is unknown or used, or its session has ended.
    pub async fn refresh(
        &self,
        used: &RefreshToken,
        now: Timestamp,
    ) -> Result<Tokens, AccountError> {
        let next = RefreshToken::generate()?;
        match sessions::refresh(&self.store, &used.hash(), &next.hash(), now).await? {
            Refreshed::Continued { user, session_id } => self.tokens(&user, session_id, next, now),
            Refreshed::UsedBefore => {
                tracing::warn!("a refresh token was used twice: its session has been ended");
                Err(AccountError::BadRefreshToken)
            }
            Refreshed::Unknown => Err(AccountError::BadRefreshToken),
        }
    }

    /// Ends the session. Its tokens stop working at once.
    ///
    /// # Errors
    /// [`AccountError::Store`] if the database fails.
    pub async fn log_out(&self, session_id: Uuid) -> Result<(), AccountError> {
        Ok(sessions::end(&self.store, session_id).await?)
    }

    fn tokens(
        &self,
        user: &User,
        session_id: Uuid,
        refresh: RefreshToken,
        now: Timestamp,
    ) -> Result<Tokens, AccountError> {
        let terms = self.verifier.terms();
        let claims = Claims::new(user, session_id, terms, now);
        let access = token::sign(&claims, &self.keys())?;
        Ok(Tokens { access, access_ttl_s: terms.ttl_s, refresh })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, credentials, fixture, now};
    use super::*;
    use futures_util::future::join_all;

    const SESSION_S: i64 = 3600;

    fn later(s: i64) -> Timestamp {
        now() + SignedDuration::from_secs(s)
    }

    async fn logged_in(accounts: &Accounts) -> Tokens {
        accounts.sign_up(credentials("a@b.c", "12345678"), now()).await.unwrap();
        accounts.log_in(credentials("a@b.c", "12345678"), now()).await.unwrap()
    }

    #[tokio::test]
    async fn refreshing_does_not_extend_a_session() {
        let Fixture { accounts, _dir } = fixture().await;
        let first = logged_in(&accounts).await;
        let second = accounts.refresh(&first.refresh, later(SESSION_S - 1)).await.unwrap();
        assert!(
            accounts.authenticate(second.access.as_bytes(), later(SESSION_S - 1)).await.is_ok()
        );
        let over = accounts.authenticate(second.access.as_bytes(), later(SESSION_S)).await;
        assert!(matches!(over, Err(AccountError::SessionEnded)), "{over:?}");
        let over = accounts.refresh(&second.refresh, later(SESSION_S)).await;
        assert!(matches!(over, Err(AccountError::BadRefreshToken)), "{over:?}");
    }

    #[tokio::test]
    async fn concurrent_uses_of_one_refresh_token_end_its_session() {
        let Fixture { accounts, _dir } = fixture().await;
        let tokens = logged_in(&accounts).await;
        let results = join_all((0..8).map(|_| accounts.refresh(&tokens.refresh, now()))).await;
        let won: Vec<_> = results.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
        let caller = accounts.authenticate(won[0].access.as_bytes(), now()).await;
        assert!(matches!(caller, Err(AccountError::SessionEnded)), "{caller:?}");
    }

    #[tokio::test]
    async fn a_login_beyond_the_limit_ends_the_oldest_session() {
        let Fixture { accounts, _dir } = fixture().await;
        let first = logged_in(&accounts).await;
        let mut last = None;
        for s in 1..=sessions::MAX_PER_USER {
            assert!(accounts.authenticate(first.access.as_bytes(), later(s)).await.is_ok(), "{s}");
            let again = accounts.log_in(credentials("a@b.c", "12345678"), later(s)).await;
            last = Some(again.unwrap());
        }
        let now = later(sessions::MAX_PER_USER);
        let ended = accounts.authenticate(first.access.as_bytes(), now).await;
        assert!(matches!(ended, Err(AccountError::SessionEnded)), "{ended:?}");
        assert!(accounts.authenticate(last.unwrap().access.as_bytes(), now).await.is_ok());
    }
}
