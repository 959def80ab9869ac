//! Sends requests for one key at a constant rate above its limit, and measures the share of the
//! limit that is admitted.
//!
//! Called by `cargo xtask bench gateway` and the gateway's tests. The expected admissions come from
//! an ideal sliding window, fed with the times of the answers. The load ends with a number of
//! admissions rather than a number of windows, because a fixed time would end in the middle of a
//! window and skew the share.

use crate::clock::{Deadline, Stopwatch};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The number of client connections.
const CONNECTIONS: usize = 16;
/// The longest duration of a load, as a multiple of the ideal one.
const PATIENCE: u64 = 3;
/// The timeout of a request.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A load on one key.
#[derive(Debug, Clone, Copy)]
pub struct Busy {
    /// The key's limit.
    pub limit: usize,
    /// The limit's window, in seconds.
    pub window_s: u64,
    /// The request rate.
    pub per_second: u64,
    /// The load ends after `limit * windows + 1` admissions.
    pub windows: usize,
}

/// The measurements of a load.
#[derive(Debug)]
pub struct Outcome {
    busy: Busy,
    /// The time of each answer in µs after the start, and true if it was an admission.
    answers: Vec<(u64, bool)>,
}

impl Busy {
    /// Puts the load on `gateway`, which must have this limit for the key `x-user: <user>`.
    ///
    /// # Errors
    /// Fails if the gateway does not answer, or answers with a status other than 200 and 429.
    pub fn put_on(self, gateway: SocketAddr, user: &str) -> Result<Outcome> {
        let most_s = self.windows as u64 * self.window_s * PATIENCE;
        let run = Run {
            busy: self,
            request: format!("GET / HTTP/1.1\r\nhost: gateway\r\nx-user: {user}\r\n\r\n"),
            watch: Stopwatch::start(),
            deadline: Deadline::after(Duration::from_secs(most_s)),
            taken: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            answers: Mutex::default(),
        };
        thread::scope(|scope| {
            let spawn = || scope.spawn(|| run.send_requests(gateway));
            let all: Vec<_> = (0..CONNECTIONS).map(|_| spawn()).collect();
            all.into_iter()
                .try_for_each(|one| one.join().unwrap_or_else(|_| bail!("a client panicked")))
        })?;
        let mut answers = run.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.sort_unstable();
        Ok(Outcome { busy: self, answers })
    }

    /// Returns the index of the admission that ends the load.
    const fn last(self) -> usize {
        self.limit * self.windows
    }
}

impl Outcome {
    /// Returns the share of the limit that was used, 1 being all of it.
    ///
    /// It is the smaller of two ratios: the ideal time until the last admission to the actual time,
    /// and the admissions before the ideal time to the expected ones. It is 0 if the last admission
    /// never happened.
    #[must_use]
    pub fn share(&self) -> f64 {
        let (due, admitted) = (self.due(), self.admitted());
        let took = |times: &[u64]| times.get(self.busy.last())?.checked_sub(*times.first()?);
        let (Some(due_us), Some(took_us)) = (took(&due), took(&admitted)) else { return 0.0 };
        let first_us = admitted.first().copied().unwrap_or(0);
        let in_time = admitted.iter().filter(|at_us| **at_us < first_us + due_us).count();
        let of_them = in_time as f64 / self.busy.last() as f64;
        of_them.min(due_us as f64 / took_us.max(1) as f64)
    }

    /// Returns the actual request rate.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let took_us = self.answers.last().map_or(1, |(at_us, _)| *at_us);
        self.answers.len() as f64 * 1e6 / took_us.max(1) as f64
    }

    /// Returns the times of the admissions.
    fn admitted(&self) -> Vec<u64> {
        let admitted = self.answers.iter().filter(|(_, is_admitted)| *is_admitted);
        admitted.map(|(at_us, _)| *at_us).collect()
    }

    /// Returns the times of the admissions that an ideal sliding window would make.
    fn due(&self) -> Vec<u64> {
        let mut due: Vec<u64> = Vec::new();
        let window_us = self.busy.window_s * 1_000_000;
        for (at_us, _) in &self.answers {
            let before = due.len().checked_sub(self.busy.limit).and_then(|at| due.get(at));
            if before.is_none_or(|before_us| before_us + window_us <= *at_us) {
                due.push(*at_us);
            }
        }
        due
    }
}

/// A load in progress.
struct Run {
    busy: Busy,
    request: String,
    watch: Stopwatch,
    deadline: Deadline,
    taken: AtomicU64,
    admitted: AtomicU64,
    answers: Mutex<Vec<(u64, bool)>>,
}

impl Run {
    /// Sends requests on one connection until the load ends. Each takes the next send time of the
    /// schedule; a request that is late is sent at once.
    fn send_requests(&self, gateway: SocketAddr) -> Result<()> {
        let stream = TcpStream::connect(gateway).context("cannot connect to the gateway")?;
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).context("cannot set a timeout")?;
        let mut answers = BufReader::new(&stream);
        while !self.is_over() {
            let due_us =
                self.taken.fetch_add(1, Ordering::Relaxed) * 1_000_000 / self.busy.per_second;
            thread::sleep(Duration::from_micros(due_us).saturating_sub(self.watch.elapsed()));
            (&stream).write_all(self.request.as_bytes()).context("cannot send a request")?;
            match read_answer(&mut answers)? {
                200 => self.record(true),
                429 => self.record(false),
                other => bail!("expected status 200 or 429, got {other}"),
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.admitted.load(Ordering::Relaxed) > self.busy.last() as u64
            || self.deadline.has_passed()
    }

    fn record(&self, is_admitted: bool) {
        self.admitted.fetch_add(u64::from(is_admitted), Ordering::Relaxed);
        let at_us = u64::try_from(self.watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((at_us, is_admitted));
    }
}

/// Reads a response with a `Content-Length` and returns its status.
fn read_answer(from: &mut impl BufRead) -> Result<u16> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        from.read_line(&mut line).context("cannot read a response")?;
        let line = line.trim_end();
        if let Some((name, value)) = line.split_once(": ") {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().context("invalid Content-Length")?;
            }
        } else if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest.get(..3).and_then(|status| status.parse().ok());
        } else {
            break;
        }
    }
    std::io::copy(&mut from.take(length), &mut std::io::sink()).context("incomplete response")?;
    status.context("expected an HTTP/1.1 response")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(answers: &[(u64, bool)]) -> f64 {
        let busy = Busy { limit: 2, window_s: 1, per_second: 3, windows: 1 };
        let answers = answers.iter().map(|(ms, admitted)| (ms * 1_000, *admitted)).collect();
        Outcome { busy, answers }.share()
    }

    #[test]
    fn a_share_compares_the_ideal_time_with_the_actual_one() {
        let check = |answers: &[(u64, bool)], expected: f64| {
            assert!((share(answers) - expected).abs() < 1e-9, "{answers:?}");
        };
        check(&[(0, true), (300, true), (600, false), (1_000, true)], 1.0);
        check(&[(0, true), (300, true), (1_000, false), (1_250, true)], 0.8);
        check(&[(0, true), (300, true), (1_200, true)], 1.0);
        check(&[(0, true), (300, true), (1_200, false)], 0.0);
        let late = [(0, true), (300, false), (1_000, true), (1_001, true)];
        check(&late, 0.5);
    }

    #[test]
    fn a_response_is_read_to_its_end() {
        let text =
            "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n";
        let mut from = text.as_bytes();
        assert_eq!(read_answer(&mut from).unwrap(), 429);
        assert_eq!(read_answer(&mut from).unwrap(), 200);
        assert!(read_answer(&mut from).is_err());
    }
}
