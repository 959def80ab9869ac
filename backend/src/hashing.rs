//! Argon2id, off the async threads, with limits on running and waiting jobs.
//!
//! Runs on dedicated threads with a low priority.
//!
//! Called by [`crate::accounts`]. One hash takes 19 MiB and a few tens of milliseconds of a core.
//! Without a limit, a burst of logins would starve every other route.

mod threads;

use crate::password::Password;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use threads::Threads;
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

/// The memory of one hash, in KiB. This and the next two are OWASP's first choice for Argon2id
/// (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;
/// The number of passes over the memory.
const PASSES: u32 = 2;
/// The degree of parallelism.
const LANES: u32 = 1;
/// The waiting jobs allowed per running one: about a second and a half of work.
const WAITING_PER_RUNNING: usize = 64;

/// A pool that hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher(Arc<Shared>);

struct Shared {
    argon2: Argon2<'static>,
    /// One permit for each job that runs or waits.
    admitted: Arc<Semaphore>,
    /// One permit for each job that runs.
    running: Arc<Semaphore>,
    /// One thread for each job that runs.
    threads: Threads,
    /// The hash to verify against if the user doesn't exist.
    placeholder: String,
    verified: AtomicU64,
}

/// A password that was neither hashed nor verified.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// The queue is full.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The stored hash is invalid, or memory or random bytes ran out.
    #[error("Argon2: {0}")]
    Argon2(String),
}

/// A password hash as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`).
pub(crate) type PhcString = String;

impl Hasher {
    /// Creates a hasher for a machine with `cores` cores. It leaves one core to the other routes.
    ///
    /// # Errors
    /// [`HashingError::Argon2`] if not even one hash can be computed.
    pub fn new(cores: NonZeroUsize) -> Result<Self, HashingError> {
        let running = cores.get().saturating_sub(1).max(1);
        Self::with_bounds(running, running * WAITING_PER_RUNNING)
    }

    fn with_bounds(running: usize, waiting: usize) -> Result<Self, HashingError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let placeholder = hash_with(&argon2, b"the password of nobody")?;
        Ok(Self(Arc::new(Shared {
            argon2,
            admitted: Arc::new(Semaphore::new(running + waiting)),
            running: Arc::new(Semaphore::new(running)),
            threads: Threads::start(running).map_err(failed)?,
            placeholder,
            verified: AtomicU64::new(0),
        })))
    }

    /// Hashes a password with a new salt, for storage.
    ///
    /// # Errors
    /// [`HashingError`]; on [`HashingError::Busy`] nothing was done.
    pub async fn hash(&self, password: Password) -> Result<PhcString, HashingError> {
        self.run(move |shared| hash_with(&shared.argon2, password.as_bytes())).await
    }

    /// Returns true if the password matches `stored`. Without a stored hash it returns false after
    /// the same amount of work.
    ///
    /// # Errors
    /// [`HashingError`]; on [`HashingError::Busy`] nothing was done.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PhcString>,
    ) -> Result<bool, HashingError> {
        self.run(move |shared| {
            let known = stored.is_some();
            let phc = stored.as_deref().unwrap_or(&shared.placeholder);
            let matches = shared.verify_with(&password, phc)?;
            Ok(matches && known)
        })
        .await
    }

    /// Returns the number of verifications since the start.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.0.verified.load(Ordering::Relaxed)
    }

    /// Runs `work` on one of the threads when its turn comes. The job keeps its permits until it is
    /// done, even if the caller has gone, so the limit holds for what really runs.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let shared = Arc::clone(&self.0);
        let admitted = Arc::clone(&shared.admitted).try_acquire_owned().map_err(busy)?;
        let running = Arc::clone(&shared.running).acquire_owned().await.map_err(failed)?;
        let (answer, answered) = oneshot::channel();
        let job = {
            let shared = Arc::clone(&shared);
            Box::new(move || {
                let permits = (admitted, running);
                let done = work(&shared);
                drop(permits);
                // The send fails if the caller has gone, which is fine.
                let _left = answer.send(done);
            })
        };
        shared.threads.run(job).map_err(failed)?;
        answered.await.map_err(failed)?
    }
}

impl Shared {
    fn verify_with(&self, password: &Password, phc: &str) -> Result<bool, HashingError> {
        let hash = PasswordHash::new(phc).map_err(failed)?;
        self.verified.fetch_add(1, Ordering::Relaxed);
        match self.argon2.verify_password(password.as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

fn hash_with(argon2: &Argon2<'_>, password: &[u8]) -> Result<PhcString, HashingError> {
    let hash: PasswordHash = argon2.hash_password(password).map_err(failed)?;
    Ok(hash.to_string())
}

fn busy(error: TryAcquireError) -> HashingError {
    match error {
        TryAcquireError::NoPermits => HashingError::Busy,
        TryAcquireError::Closed => failed(error),
    }
}

fn failed(error: impl ToString) -> HashingError {
    HashingError::Argon2(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn password(text: &str) -> Password {
        Password::given(text).unwrap()
    }

    fn hasher() -> Hasher {
        Hasher::with_bounds(1, 1).unwrap()
    }

    /// Returns everything before the salt: `$argon2id$v=19$m=…,t=…,p=…`.
    fn parameters(phc: &str) -> String {
        phc.split('$').take(4).collect::<Vec<_>>().join("$")
    }

    #[tokio::test]
    async fn only_the_right_password_verifies() {
        let hasher = hasher();
        let stored = hasher.hash(password("p\0ässword")).await.unwrap();
        assert!(hasher.verify(password("p\0ässword"), Some(stored.clone())).await.unwrap());
        for wrong in ["", "p", "p\0ässwore", "p\0ässword "] {
            assert!(!hasher.verify(password(wrong), Some(stored.clone())).await.unwrap());
        }
    }

    #[tokio::test]
    async fn each_hash_has_its_own_salt_and_owasps_parameters() {
        let hasher = hasher();
        let first = hasher.hash(password("12345678")).await.unwrap();
        let second = hasher.hash(password("12345678")).await.unwrap();
        assert_ne!(first, second);
        assert_eq!(parameters(&first), "$argon2id$v=19$m=19456,t=2,p=1");
    }

    #[tokio::test]
    async fn a_missing_user_costs_one_verification() {
        let hasher = hasher();
        let stored = hasher.hash(password("12345678")).await.unwrap();
        let placeholder = &hasher.0.placeholder;
        assert_eq!(parameters(placeholder), parameters(&stored));
        assert_eq!(placeholder.len(), stored.len(), "salt and output have the same lengths");

        assert!(!hasher.verify(password("1234"), Some(stored)).await.unwrap());
        assert_eq!(hasher.verified(), 1);
        assert!(!hasher.verify(password("1234"), None).await.unwrap());
        assert_eq!(hasher.verified(), 2);
        let known = password("the password of nobody");
        assert!(
            !hasher.verify(known, None).await.unwrap(),
            "the placeholder's password must not work"
        );
    }

    #[tokio::test]
    async fn a_damaged_hash_never_matches() {
        for stored in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA"] {
            let found = hasher().verify(password("plain"), Some(stored.to_owned())).await;
            assert!(!matches!(found, Ok(true)), "{stored}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_job_beyond_the_limit_is_rejected() {
        let hasher = hasher();
        let all = Arc::clone(&hasher.0.admitted).try_acquire_many_owned(2).unwrap();
        let refused = hasher.hash(password("12345678")).await;
        assert!(matches!(refused, Err(HashingError::Busy)), "{refused:?}");
        drop(all);
        assert!(hasher.hash(password("12345678")).await.is_ok());
    }

    #[tokio::test]
    async fn an_abandoned_job_holds_its_permit_until_it_ends() {
        let hasher = hasher();
        let (begun, has_begun) = mpsc::channel();
        let (end, has_end) = mpsc::channel();
        let caller = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                let work = move |_: &Shared| {
                    begun.send(()).unwrap();
                    has_end.recv().unwrap();
                    Ok(())
                };
                hasher.run(work).await
            }
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.0.running.available_permits(), 0);

        end.send(()).unwrap();
        let _next = hasher.0.running.acquire().await.unwrap();
    }
}
