//! Which process loads: a lock in Redis, held by a token and renewed for as long as the load runs.
//! A holder that vanishes stops renewing, and another process takes over.
//!
//! It only spares a second load. Nothing wrong comes of two holders.

use super::entry::Entry;
use super::link::{Link, LinkError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use uuid::Uuid;

/// How long a lock outlives its holder.
const LIFE_MS: u64 = 6_000;
/// How often it is renewed.
const RENEWED_EACH: Duration = Duration::from_millis(LIFE_MS / 3);

/// KEYS: the lock. ARGV: the holder's token, its life in ms. Returns 1 if it is the holder's.
const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0";

/// KEYS: the lock. ARGV: the holder's token. Returns 1 if it was the holder's, and is gone now.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0";

/// A lock that is held. Dropped without [`Held::release`], it goes when its life is over.
#[derive(Debug)]
pub(super) struct Held {
    link: Link,
    name: String,
    token: String,
    renewing: AbortHandle,
}

/// The name of the entry's lock.
pub(super) fn name(entry: &Entry) -> String {
    format!("{}:lock", entry.name)
}

/// Takes the entry's lock; `None` if another has it.
pub(super) async fn take(link: &Link, entry: &Entry) -> Result<Option<Held>, LinkError> {
    let (name, token) = (name(entry), Uuid::new_v4().to_string());
    let mut set = redis::cmd("SET");
    set.arg(&name).arg(&token).arg("NX").arg("PX").arg(LIFE_MS);
    let taken: Option<String> = link.ask(&set).await?;
    Ok(taken.map(|_ok| {
        let renewing = tokio::spawn(renew(link.clone(), name.clone(), token.clone()));
        Held { link: link.clone(), name, token, renewing: renewing.abort_handle() }
    }))
}

/// While Redis is away nothing is renewed, and perhaps another takes the lock: see above.
async fn renew(link: Link, name: String, token: String) {
    loop {
        sleep(RENEWED_EACH).await;
        let mut eval = redis::cmd("EVAL");
        eval.arg(RENEW).arg(1).arg(&name).arg(&token).arg(LIFE_MS);
        let _lost: Result<i64, LinkError> = link.ask(&eval).await;
    }
}

impl Held {
    /// Lets the next one in.
    pub(super) async fn release(self) {
        let mut eval = redis::cmd("EVAL");
        eval.arg(RELEASE).arg(1).arg(&self.name).arg(&self.token);
        let _goes_by_itself: Result<i64, LinkError> = self.link.ask(&eval).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
