//! The threads that serve connections, one per core. A connection stays on its thread, so the
//! core's caches stay warm, and no other thread has to be woken.
//!
//! A new connection goes to the thread with the fewest connections, busy or not, and never moves.
//! The tasks and resources that a request creates stay on that thread as well, so nothing may block
//! it for long. CPU-bound work runs in `crate::cores`, and meanwhile another thread takes over the
//! connections.
//!
//! Used by [`crate::server`].

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// The threads. Dropping this ends their connections.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Runtime,
    /// A reference count of the thread's connections.
    held: Arc<()>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// Fails if the operating system lacks resources, usually file descriptors.
    pub fn start(threads: NonZeroUsize) -> io::Result<Self> {
        // If one fails to start, dropping this ends the earlier ones.
        let mut workers = Self(Vec::new());
        for _ in 0..threads.get() {
            // The multi-threaded runtime, even with one thread, supports blocking work
            // (`tokio::task::block_in_place`).
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("connections")
                .enable_all()
                .build()?;
            workers.0.push(Worker { runtime, held: Arc::new(()) });
        }
        Ok(workers)
    }

    /// Assigns the connection to the thread with the fewest connections, which serves it by
    /// `serve`.
    ///
    /// # Errors
    /// Fails if the connection cannot be handed over. It is closed then.
    pub fn give<F: Future<Output = ()> + Send>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()> {
        let fewest = self.0.iter().min_by_key(|worker| worker.connections());
        let Some(Worker { runtime, held }) = fewest else { return Ok(()) };
        let (stream, held) = (stream.into_std()?, Arc::clone(held));
        runtime.spawn(async move {
            let _held = held;
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "cannot serve a connection"),
            }
        });
        Ok(())
    }
}

impl Worker {
    fn connections(&self) -> usize {
        Arc::strong_count(&self.held)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Don't wait here: the caller has already drained the requests.
        for worker in self.0.drain(..) {
            worker.runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{self, ThreadId};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::sync::watch;

    /// Assigns connections to workers. Returns the threads that serve them, each sent at the start
    /// and at the end.
    async fn assign(
        workers: &Workers,
        connections: usize,
        end: &watch::Receiver<bool>,
    ) -> UnboundedReceiver<ThreadId> {
        let (served, threads) = unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..connections {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (served, mut end) = (served.clone(), end.clone());
            let serve = |_stream| async move {
                served.send(thread::current().id()).unwrap();
                let _sender_gone = end.wait_for(|end| *end).await;
                served.send(thread::current().id()).unwrap();
            };
            workers.give(stream, serve).unwrap();
        }
        threads
    }

    #[tokio::test]
    async fn connections_are_balanced_and_stay_on_their_thread() {
        let workers = Workers::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let (end, ended) = watch::channel(false);
        let mut threads = assign(&workers, 9, &ended).await;
        let mut counts = std::collections::HashMap::new();
        for _ in 0..9 {
            *counts.entry(threads.recv().await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counts.values().collect::<Vec<_>>(), [&3, &3, &3]);
        end.send(true).unwrap();
        while let Some(thread) = threads.recv().await {
            *counts.get_mut(&thread).unwrap() -= 1;
        }
        assert_eq!(counts.values().collect::<Vec<_>>(), [&0, &0, &0]);
    }

    #[tokio::test]
    async fn the_thread_with_the_fewest_connections_gets_the_next() {
        let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let (end, ended) = watch::channel(false);
        let (_go_on, others_end) = watch::channel(false);
        let mut first = assign(&workers, 1, &ended).await;
        let mut others = assign(&workers, 1, &others_end).await;
        let (busy, idle) = (others.recv().await.unwrap(), first.recv().await.unwrap());
        end.send(true).unwrap();
        while first.recv().await.is_some() {}
        // The thread's id is sent before its connection is released.
        while workers.0.iter().map(Worker::connections).sum::<usize>() > 3 {
            tokio::task::yield_now().await;
        }
        let mut next = assign(&workers, 1, &others_end).await;
        assert_ne!(busy, idle);
        assert_eq!(next.recv().await, Some(idle));
    }

    #[tokio::test]
    async fn dropping_the_workers_ends_their_connections() {
        let workers = Workers::start(NonZeroUsize::MIN).unwrap();
        let (_go_on, ended) = watch::channel(false);
        let mut threads = assign(&workers, 1, &ended).await;
        assert!(threads.recv().await.is_some());
        drop(workers);
        assert_eq!(threads.recv().await, None);
    }
}
