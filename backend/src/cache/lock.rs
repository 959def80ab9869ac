//! The lock that decides which process loads: a key in Redis with its holder's token, renewed while
//! the load runs. If the holder vanishes, the lock expires and another process takes over.
//!
//! The lock only avoids duplicate loads. Two holders at once do no harm.

use super::entry::Entry;
use super::link::{Link, LinkError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use uuid::Uuid;

/// The time until an unrenewed lock expires.
const EXPIRY_MS: u64 = 6_000;
/// The interval between renewals.
const RENEW_INTERVAL: Duration = Duration::from_millis(EXPIRY_MS / 3);

/// KEYS: the lock. ARGV: the holder's token, the expiry in ms. Returns 1 if the holder still has
/// it.
const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0";

/// KEYS: the lock. ARGV: the holder's token. Returns 1 if the lock was the holder's and is
/// released.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0";

/// A held lock. If dropped without [`Held::release`], it expires.
#[derive(Debug)]
pub(super) struct Held {
    link: Link,
    name: String,
    token: String,
    renewing: AbortHandle,
}

/// Returns the name of the entry's lock.
pub(super) fn name(entry: &Entry) -> String {
    format!("{}:lock", entry.name)
}

/// Tries to take the entry's lock. Returns `None` if another process holds it.
pub(super) async fn take(link: &Link, entry: &Entry) -> Result<Option<Held>, LinkError> {
    let (name, token) = (name(entry), Uuid::new_v4().to_string());
    let mut set = redis::cmd("SET");
    set.arg(&name).arg(&token).arg("NX").arg("PX").arg(EXPIRY_MS);
    let taken: Option<String> = link.ask(&set).await?;
    Ok(taken.map(|_ok| {
        let renewing = tokio::spawn(renew(link.clone(), name.clone(), token.clone()));
        Held { link: link.clone(), name, token, renewing: renewing.abort_handle() }
    }))
}

/// Renews the lock until aborted. While Redis is down another process may take it, which is
/// harmless.
async fn renew(link: Link, name: String, token: String) {
    loop {
        sleep(RENEW_INTERVAL).await;
        let mut eval = redis::cmd("EVAL");
        eval.arg(RENEW).arg(1).arg(&name).arg(&token).arg(EXPIRY_MS);
        let _lost: Result<i64, LinkError> = link.ask(&eval).await;
    }
}

impl Held {
    /// Releases the lock.
    pub(super) async fn release(self) {
        let mut eval = redis::cmd("EVAL");
        eval.arg(RELEASE).arg(1).arg(&self.name).arg(&self.token);
        let _expires_anyway: Result<i64, LinkError> = self.link.ask(&eval).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
