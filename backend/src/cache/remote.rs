//! Values in Redis: each a string under its entry's name, with an expiry. A damaged value counts as
//! a miss.

use super::entry::Entry;
use super::link::{Link, LinkError};
use super::meter;
use super::seal::{Opened, SealError, SealKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most names per command.
const MAX_NAMES: usize = 128;

#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) link: Link,
    /// True once a damaged value has been logged. Later ones are only counted.
    logged: Arc<AtomicBool>,
}

impl Remote {
    pub(super) fn new(link: Link) -> Self {
        Self { link, logged: Arc::default() }
    }

    /// Returns the entry's value if there is one that this key opens.
    pub(super) async fn get(
        &self,
        entry: &Entry,
        key: &SealKey,
    ) -> Result<Option<Opened>, LinkError> {
        let mut get = redis::cmd("GET");
        let stored: Option<Vec<u8>> = self.link.ask(get.arg(&entry.name)).await?;
        Ok(stored.and_then(|stored| self.open(entry, key, &stored)))
    }

    /// Opens a stored value.
    pub(super) fn open(&self, entry: &Entry, key: &SealKey, stored: &[u8]) -> Option<Opened> {
        match key.open(entry, stored) {
            Ok(opened) => Some(opened),
            Err(SealError::Other) => None,
            Err(error) => {
                self.damaged(entry, error);
                None
            }
        }
    }

    /// Stores a sealed value, replacing any other.
    pub(super) async fn put(&self, entry: &Entry, sealed: &[u8]) -> Result<(), LinkError> {
        let ttl_ms = u64::try_from(entry.ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut set = redis::cmd("SET");
        self.link.ask(set.arg(&entry.name).arg(sealed).arg("PX").arg(ttl_ms)).await
    }

    /// Deletes the values with these names.
    pub(super) async fn remove(&self, names: &[&str]) -> Result<(), LinkError> {
        for names in names.chunks(MAX_NAMES) {
            let mut unlink = redis::cmd("UNLINK");
            let _dropped: u64 = self.link.ask(unlink.arg(names)).await?;
        }
        Ok(())
    }

    fn damaged(&self, entry: &Entry, error: SealError) {
        meter::damaged();
        if !self.logged.swap(true, Ordering::Relaxed) {
            tracing::error!(name = entry.name, %error, "a value in redis is damaged and is ignored; further ones are counted but not logged");
        }
    }
}
