//! Argon2id, off the async threads and bounded: at most so many at once, at most so many waiting.
//!
//! It runs on threads of its own, which yield to all others.
//!
//! Called by [`crate::accounts`]. One hash takes 19 MiB and a few tens of milliseconds of one core,
//! so without a bound a burst of log-ins would take the machine from every other route.

mod threads;

use crate::password::Password;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use threads::Threads;
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

/// Memory for one hash, in KiB. This and the next two are OWASP's first choice for Argon2id
/// (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// How many may wait for each that runs: about a second and a half of work.
const WAITING_PER_RUNNING: usize = 64;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher(Arc<Shared>);

struct Shared {
    argon2: Argon2<'static>,
    /// One permit for each that runs or waits.
    admitted: Arc<Semaphore>,
    /// One permit for each that runs.
    running: Arc<Semaphore>,
    /// One for each that runs.
    threads: Threads,
    /// Verified against when there is no such user.
    nobody: String,
    verified: AtomicU64,
}

/// Why a password was neither hashed nor verified.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// As many are waiting as may.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The stored hash cannot be read, or the machine has no memory or randomness to spare.
    #[error("Argon2: {0}")]
    Argon2(String),
}

/// What a hash came out as: a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`).
pub(crate) type PhcString = String;

impl Hasher {
    /// A hasher for a machine with so many cores. It leaves one of them to the other routes.
    ///
    /// # Errors
    /// [`HashingError::Argon2`] where even one hash cannot be made.
    pub fn new(cores: NonZeroUsize) -> Result<Self, HashingError> {
        let running = cores.get().saturating_sub(1).max(1);
        Self::with_bounds(running, running * WAITING_PER_RUNNING)
    }

    fn with_bounds(running: usize, waiting: usize) -> Result<Self, HashingError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash_with(&argon2, b"the password of nobody")?;
        Ok(Self(Arc::new(Shared {
            argon2,
            admitted: Arc::new(Semaphore::new(running + waiting)),
            running: Arc::new(Semaphore::new(running)),
            threads: Threads::start(running).map_err(failed)?,
            nobody,
            verified: AtomicU64::new(0),
        })))
    }

    /// Hashes a password for storing, with a salt of its own.
    ///
    /// # Errors
    /// [`HashingError`]; on [`HashingError::Busy`] nothing was done.
    pub async fn hash(&self, password: Password) -> Result<PhcString, HashingError> {
        self.run(move |shared| hash_with(&shared.argon2, password.as_bytes())).await
    }

    /// Whether the password is the one of `stored`. Without a stored hash it is not, and finding
    /// that out takes exactly as much work.
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
            let phc = stored.as_deref().unwrap_or(&shared.nobody);
            let matches = shared.verify_with(&password, phc)?;
            Ok(matches && known)
        })
        .await
    }

    /// How many times Argon2 has verified a password, since the start.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.0.verified.load(Ordering::Relaxed)
    }

    /// Runs `work` on one of the threads, when its turn comes. It keeps its permits until
    /// it is done, even if whoever asked for it has gone: what is running is what is counted.
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
                // Whoever has left needs none.
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

    /// Everything up to the salt: `$argon2id$v=19$m=…,t=…,p=…`.
    fn parameters(phc: &str) -> String {
        phc.split('$').take(4).collect::<Vec<_>>().join("$")
    }

    #[tokio::test]
    async fn the_right_password_is_told_from_a_wrong_one() {
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
    async fn nobody_is_verified_as_somebody_is() {
        let hasher = hasher();
        let stored = hasher.hash(password("12345678")).await.unwrap();
        let nobody = &hasher.0.nobody;
        assert_eq!(parameters(nobody), parameters(&stored));
        assert_eq!(nobody.len(), stored.len(), "salt and output are as long");

        assert!(!hasher.verify(password("1234"), Some(stored)).await.unwrap());
        assert_eq!(hasher.verified(), 1);
        assert!(!hasher.verify(password("1234"), None).await.unwrap());
        assert_eq!(hasher.verified(), 2);
        let known = password("the password of nobody");
        assert!(!hasher.verify(known, None).await.unwrap(), "nobody cannot log in");
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_error_and_no_match() {
        for stored in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA"] {
            let found = hasher().verify(password("plain"), Some(stored.to_owned())).await;
            assert!(!matches!(found, Ok(true)), "{stored}: {found:?}");
        }
    }

    #[tokio::test]
    async fn one_too_many_is_refused() {
        let hasher = hasher();
        let all = Arc::clone(&hasher.0.admitted).try_acquire_many_owned(2).unwrap();
        let refused = hasher.hash(password("12345678")).await;
        assert!(matches!(refused, Err(HashingError::Busy)), "{refused:?}");
        drop(all);
        assert!(hasher.hash(password("12345678")).await.is_ok());
    }

    #[tokio::test]
    async fn what_runs_is_counted_until_it_ends_even_if_nobody_waits_for_it() {
        let hasher = hasher();
        let (begun, has_begun) = mpsc::channel();
        let (end, has_end) = mpsc::channel();
        let asked = tokio::spawn({
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
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.0.running.available_permits(), 0);

        end.send(()).unwrap();
        let _next = hasher.0.running.acquire().await.unwrap();
    }
}
