//! Threads for long work that nobody should notice: whoever else wants to run runs first.
//!
//! Used by [`super::Hasher`], which sees to it that there is a thread for each that runs.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SendError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How far they stand back, of 19. Linux gives such a thread about a tenth of a core that others
/// want all of, and all of one that nobody wants.
const NICE: i32 = 10;

/// Something to do.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// What hands out jobs. The threads end with it.
pub(super) struct Threads(Sender<Job>);

impl Threads {
    /// Starts so many.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..number {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name("hashing".to_owned()).spawn(move || work(&jobs))?;
        }
        Ok(Self(sender))
    }

    /// Has one of them do it, as soon as one is free.
    pub(super) fn run(&self, job: Job) -> Result<(), SendError<Job>> {
        self.0.send(job)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    stand_back();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // Whoever waits for it learns that it has come to nothing; the thread goes on.
        let _panicked = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Linux has priorities for single threads; elsewhere it would be the whole process's.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "log-ins compete with all others");
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
    fn a_job_that_panics_takes_no_thread_with_it() {
        let threads = Threads::start(1).unwrap();
        assert!(answer_of(&threads, || panic!("on purpose")).is_err());
        assert_eq!(answer_of(&threads, || 7), Ok(7));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn they_stand_back_and_nobody_else_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let threads = Threads::start(1).unwrap();
        assert_eq!(answer_of(&threads, nice), Ok(NICE.max(before)));
        assert_eq!(nice(), before);
    }
}
