//! Work that keeps a core busy for long enough to be noticed: so much of it at once that others
//! still get theirs. The rest waits its turn.
//!
//! Used by [`crate::ai`]. Passwords have bounds of their own ([`crate::hashing`]).

use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// What such work takes turns on. Clones share it.
#[derive(Debug, Clone)]
pub struct Cores(Arc<Semaphore>);

impl Cores {
    /// All of these but one, which is for the others; at least one.
    #[must_use]
    pub fn new(cores: NonZeroUsize) -> Self {
        Self(Arc::new(Semaphore::new(cores.get().saturating_sub(1).max(1))))
    }

    /// Does `work` when its turn comes. Needs tokio's multi-thread kind of runtime.
    pub async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.0.acquire().await;
        block_in_place(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn all_is_done_and_never_more_at_once_than_may() {
        for (cores, most) in [(1, 1), (2, 1), (4, 3)] {
            let cores = Cores::new(NonZeroUsize::new(cores).unwrap());
            let now = Arc::new(AtomicUsize::new(0));
            let work = (0..100).map(|number| {
                let (cores, now) = (cores.clone(), Arc::clone(&now));
                tokio::spawn(async move {
                    let done = cores.run(|| {
                        assert!(now.fetch_add(1, Ordering::SeqCst) < most);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        number
                    });
                    done.await
                })
            });
            let done: Vec<i32> = join_all(work).await.into_iter().map(Result::unwrap).collect();
            assert_eq!(done, (0..100).collect::<Vec<_>>());
        }
    }
}
