//! Changes of an account by its owner. For what cannot be undone they give the password once more:
//! a token that was left lying about is not enough.

use super::guesses::Whose;
use super::{AccountError, Accounts, Caller};
use crate::password::Password;
use crate::store::users::{self, PasswordChange};
use crate::user::Tier;
use jiff::Timestamp;

impl Accounts {
    /// Puts a new password in the old one's place. All sessions but the caller's end.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`] and [`AccountError::TooManyGuesses`]; then nothing changed.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: Password,
        new: Password,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let old_hash = self.proven(caller, current, now).await?;
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
            // Changed by someone else meanwhile: what was given is not the password any more.
            Err(AccountError::WrongPassword)
        }
    }

    /// Changes the caller's plan: their next token names it. A dearer one has to be paid for.
    ///
    /// # Errors
    /// [`AccountError::NotPaid`]; then nothing changed.
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

    /// Deletes the account, and everything that is its owner's.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`] and [`AccountError::TooManyGuesses`]; then nothing is deleted.
    pub async fn delete(
        &self,
        caller: &Caller,
        password: Password,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        self.proven(caller, password, now).await?;
        Ok(users::delete(&self.store, caller.user.id).await?)
    }

    /// What the caller's password hashed to, if they know it.
    async fn proven(
        &self,
        caller: &Caller,
        password: Password,
        now: Timestamp,
    ) -> Result<String, AccountError> {
        let stored = users::password_hash(&self.store, caller.user.id).await?;
        let stored = stored.ok_or(AccountError::SessionEnded)?;
        let whose = Whose::User(caller.user.id);
        if self.is_right(&whose, password, Some(stored.clone()), now).await? {
            Ok(stored)
        } else {
            Err(AccountError::WrongPassword)
        }
    }
}
