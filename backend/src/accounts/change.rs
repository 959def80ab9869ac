//! Changes to an account by its owner. Irreversible ones require the password again, because a
//! stolen token must not be enough.

use super::guesses::GuessTarget;
use super::{AccountError, Accounts, Caller};
use crate::password::Password;
use crate::store::users::{self, PasswordChange};
use crate::user::Tier;
use jiff::Timestamp;

impl Accounts {
    /// Changes the password, and ends every session except the caller's.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`] or [`AccountError::TooManyGuesses`]; then nothing changed.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: Password,
        new: Password,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let old_hash = self.verify_password(caller, current, now).await?;
        let new_hash = self.hasher.hash(new).await?;
        let change = PasswordChange {
            user_id: caller.user.id,
            old_hash: &old_hash,
            new_hash: &new_hash,
            session_id: caller.session_id,
        };
        if users::change_password(&self.store, &change).await? {
            Ok(())
        } else {
            // A concurrent request changed the password, so the one given here is wrong now.
            Err(AccountError::WrongPassword)
        }
    }

    /// Changes the caller's plan, which their next token names. An upgrade requires `is_paid`.
    ///
    /// # Errors
    /// [`AccountError::NotPaid`] on an unpaid upgrade; then nothing changed.
    pub async fn subscribe(
        &self,
        caller: &Caller,
        tier: Tier,
        is_paid: bool,
    ) -> Result<(), AccountError> {
        let min_rank = if is_paid { 0 } else { tier.rank() };
        if users::set_tier(&self.store, caller.user.id, tier, min_rank).await? {
            Ok(())
        } else {
            Err(AccountError::NotPaid)
        }
    }

    /// Deletes the account and all of its data.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`] or [`AccountError::TooManyGuesses`]; then nothing is
    /// deleted.
    pub async fn delete(
        &self,
        caller: &Caller,
        password: Password,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        self.verify_password(caller, password, now).await?;
        Ok(users::delete(&self.store, caller.user.id).await?)
    }

    /// Verifies the caller's password, and returns its stored hash.
    async fn verify_password(
        &self,
        caller: &Caller,
        password: Password,
        now: Timestamp,
    ) -> Result<String, AccountError> {
        let stored = users::password_hash(&self.store, caller.user.id).await?;
        let stored = stored.ok_or(AccountError::SessionEnded)?;
        let target = GuessTarget::User(caller.user.id);
        if self.check_password(&target, password, Some(stored.clone()), now).await? {
            Ok(stored)
        } else {
            Err(AccountError::WrongPassword)
        }
    }
}
