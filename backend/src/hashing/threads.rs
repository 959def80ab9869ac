//! Threads for long, low-priority work that yields to everything else.
//!
//! Used by [`super::Hasher`], which limits the running jobs to the number of threads.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SendError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The niceness of the threads, out of 19. On Linux one gets about a tenth of a contended core, and
/// all of an idle one.
const NICE: i32 = 10;

/// A unit of work.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A thread pool. The threads end when it is dropped.
pub(super) struct Threads(Sender<Job>);

impl Threads {
    /// Starts `number` threads.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..number {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name("hashing".to_owned()).spawn(move || work(&jobs))?;
        }
        Ok(Self(sender))
    }

    /// Queues a job for the next free thread.
    pub(super) fn run(&self, job: Job) -> Result<(), SendError<Job>> {
        self.0.send(job)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    lower_priority();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic drops the job's sender, so its waiter gets an error. The thread continues.
        let _panicked = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Lowers the thread's priority. Only Linux has priorities per thread; elsewhere this would affect
/// the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "cannot lower the priority of the hashing threads: logins compete with other requests");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of<T: Send + 'static>(
        threads: &Threads,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, mpsc::RecvError> {
        let (sender, receiver) = mpsc::channel();
        threads.run(Box::new(move || sender.send(job()).unwrap_or_default())).unwrap();
        receiver.recv()
    }

    #[test]
    fn a_thread_survives_a_panicking_job() {
        let threads = Threads::start(1).unwrap();
        assert!(answer_of(&threads, || panic!("on purpose")).is_err());
        assert_eq!(answer_of(&threads, || 7), Ok(7));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_pools_threads_have_a_low_priority() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let threads = Threads::start(1).unwrap();
        assert_eq!(answer_of(&threads, nice), Ok(NICE.max(before)));
        assert_eq!(nice(), before);
    }
}
