//! Operators' overrides of single keys: another limit, no limit, or blocked until a time.
//!
//! Every shim holds all of them in a [`Book`], so looking one up in [`crate::prepare`] takes no
//! additional round trip. Operators change a hash in the ledger, and [`watch`] keeps the book in
//! sync with it.

mod book;
pub mod store;
pub mod watch;

pub use book::{Book, MAX_OVERRIDES, Override, TooMany};
pub use store::ChangeError;

use crate::store::Store;
use limits::counter::CounterName;
use std::sync::{Arc, PoisonError, RwLock};

/// This shim's overrides. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Arc<RwLock<Option<Arc<Book>>>>);

impl Overrides {
    /// Creates the overrides for `store`. Those of an in-memory ledger are kept here and start
    /// empty. Others are unknown until they have been loaded.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let overrides = Self::default();
        if matches!(store, Store::Memory(_)) {
            overrides.replace(Arc::default());
        }
        overrides
    }

    /// Returns the overrides in force; `None` if they are not loaded yet.
    #[must_use]
    pub fn book(&self) -> Option<Arc<Book>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the override of `counter`, or removes it if `None`. Returns true if anything changed.
    ///
    /// # Errors
    /// [`ChangeError`] if nothing was changed, or if the outcome is unknown.
    pub async fn change(
        &self,
        store: &Store,
        counter: &CounterName,
        overriding: Option<Override>,
    ) -> Result<bool, ChangeError> {
        match store::change(store, counter, overriding).await {
            Some(changed) => changed,
            None => Ok(self.change_here(store.now_ms(), counter, overriding)?),
        }
    }

    fn change_here(
        &self,
        now_ms: u64,
        counter: &CounterName,
        overriding: Option<Override>,
    ) -> Result<bool, TooMany> {
        let mut shared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut book = shared.as_deref().cloned().unwrap_or_default();
        book.forget_ended(now_ms);
        let changed = match overriding {
            Some(overriding) => {
                let changed = book.get(counter) != Some(overriding);
                book.set(counter.clone(), overriding)?;
                changed
            }
            None => book.remove(counter),
        };
        *shared = Some(Arc::new(book));
        Ok(changed)
    }

    fn replace(&self, book: Arc<Book>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(book);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::ledger::TimeMs;
    use limits::quota::Limit;

    fn counter(number: usize) -> CounterName {
        format!("tg:{{{number:032x}}}:b").try_into().unwrap()
    }

    #[test]
    fn the_book_is_bounded_and_expired_blocks_make_room() {
        let overrides = Overrides::default();
        let block = Some(Override::BlockedUntilMs(TimeMs::clamped(1_000)));
        let set = |now_ms, number, value| overrides.change_here(now_ms, &counter(number), value);
        for number in 0..MAX_OVERRIDES {
            assert_eq!(set(0, number, block), Ok(true));
        }
        assert_eq!(set(999, MAX_OVERRIDES, block), Err(TooMany));
        assert_eq!(set(999, 7, Some(Override::Unlimited)), Ok(true));
        assert_eq!(set(1_000, MAX_OVERRIDES, Some(Override::Unlimited)), Ok(true));
        assert_eq!(overrides.book().unwrap().len(), 2);
    }

    #[test]
    fn change_reports_if_anything_changed() {
        let overrides = Overrides::default();
        let set = |value| overrides.change_here(0, &counter(1), value).unwrap();
        assert!(set(Some(Override::Unlimited)));
        assert!(!set(Some(Override::Unlimited)));
        assert!(set(Some(Override::Limit(Limit::clamped(5)))));
        assert!(set(None));
        assert!(!set(None));
    }
}
