//! The threads that serve connections, one for each core. A connection stays on the thread that it
//! was given to: what its requests leave in that core's caches is there for the next ones, and no
//! thread is woken to take over another's.
//!
//! A new connection goes where there are the fewest, busy or not, and is not moved afterwards; what
//! a request spawns, and what it opens for others, stays on its thread as well. So nothing may hold
//! a thread for long: what keeps a core busy is done in `crate::cores`, and while it lasts another
//! thread takes over the connections of the one that does it.
//!
//! Used by [`crate::server`].

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// The threads. Dropping it ends what they serve.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Runtime,
    /// Each of its connections holds one.
    held: Arc<()>,
}

impl Workers {
    /// As many as this.
    ///
    /// # Errors
    /// Where the operating system does not give what they wait on: file descriptors, usually.
    pub fn start(threads: NonZeroUsize) -> io::Result<Self> {
        // Those that are there when one fails are ended as these end.
        let mut workers = Self(Vec::new());
        for _ in 0..threads.get() {
            // This kind of runtime, though of one thread, can do what keeps a core busy
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

    /// Has the thread with the fewest connections serve this one too, by `serve`.
    ///
    /// # Errors
    /// Where the connection cannot be handed over; it is closed then.
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
        // Nobody waits here: whoever wants requests to end has waited for them.
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

    /// Gives as many connections as this; where they are served, until told to end.
    async fn given(
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
    async fn connections_are_shared_out_evenly_and_stay_where_they_are() {
        let workers = Workers::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let (end, ended) = watch::channel(false);
        let mut threads = given(&workers, 9, &ended).await;
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
    async fn whoever_has_the_fewest_gets_the_next() {
        let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let (end, ended) = watch::channel(false);
        let (_go_on, others_end) = watch::channel(false);
        let mut first = given(&workers, 1, &ended).await;
        let mut others = given(&workers, 1, &others_end).await;
        let (busy, idle) = (others.recv().await.unwrap(), first.recv().await.unwrap());
        end.send(true).unwrap();
        while first.recv().await.is_some() {}
        // It is told before its place is given back.
        while workers.0.iter().map(Worker::connections).sum::<usize>() > 3 {
            tokio::task::yield_now().await;
        }
        let mut next = given(&workers, 1, &others_end).await;
        assert_ne!(busy, idle);
        assert_eq!(next.recv().await, Some(idle));
    }

    #[tokio::test]
    async fn what_is_served_ends_with_them() {
        let workers = Workers::start(NonZeroUsize::MIN).unwrap();
        let (_go_on, ended) = watch::channel(false);
        let mut threads = given(&workers, 1, &ended).await;
        assert!(threads.recv().await.is_some());
        drop(workers);
        assert_eq!(threads.recv().await, None);
    }
}
