//! Limits CPU-bound work to some of the cores, so that other requests still get theirs.
//!
//! Used by [`crate::ai`]. Password hashing has a separate limit ([`crate::hashing`]).

use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// Cores that CPU-bound work shares. Clones share them.
#[derive(Debug, Clone)]
pub struct Cores(Arc<Semaphore>);

impl Cores {
    /// Uses all but one of `cores`, but at least one.
    #[must_use]
    pub fn new(cores: NonZeroUsize) -> Self {
        Self(Arc::new(Semaphore::new(cores.get().saturating_sub(1).max(1))))
    }

    /// Runs `work` when a core is free. Requires tokio's multi-threaded runtime.
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
    async fn concurrency_is_limited_and_all_work_is_done() {
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
