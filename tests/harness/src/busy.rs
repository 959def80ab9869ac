//! One busy key: requests at a constant rate above its limit, and how much of the limit they get.
//!
//! Called by `cargo xtask bench gateway` and the gateway's tests. What is due follows from when
//! the requests were answered: a window that counts each for exactly as long as it must says which
//! of them it would have admitted. What a limit admits in a few windows ends in the middle of one;
//! the time until it has been admitted so many times, and once more, does not.

use crate::clock::{Deadline, Stopwatch};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Connections that the requests come on.
const CONNECTIONS: usize = 16;
/// How many times longer than it must take a load goes on at most.
const PATIENCE: u64 = 3;
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A load.
#[derive(Debug, Clone, Copy)]
pub struct Busy {
    /// The key's limit.
    pub limit: usize,
    /// The limit's window.
    pub window_s: u64,
    /// How many requests come in a second.
    pub per_second: u64,
    /// It goes on until the limit has been admitted so many times, and one request more.
    pub windows: usize,
}

/// What came of a load.
#[derive(Debug)]
pub struct Got {
    busy: Busy,
    /// When each request was answered, in µs after the start, and whether it was admitted.
    answers: Vec<(u64, bool)>,
}

impl Busy {
    /// Puts the load on `gateway`, whose limit is this one, for the key `x-user: <user>`.
    ///
    /// # Errors
    /// Where the gateway does not answer, or answers something else than 200 and 429.
    pub fn put_on(self, gateway: SocketAddr, user: &str) -> Result<Got> {
        let most_s = self.windows as u64 * self.window_s * PATIENCE;
        let under_way = UnderWay {
            busy: self,
            request: format!("GET / HTTP/1.1\r\nhost: gateway\r\nx-user: {user}\r\n\r\n"),
            watch: Stopwatch::start(),
            deadline: Deadline::after(Duration::from_secs(most_s)),
            taken: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            answers: Mutex::default(),
        };
        thread::scope(|scope| {
            let take_part = || scope.spawn(|| under_way.take_part(gateway));
            let all: Vec<_> = (0..CONNECTIONS).map(|_| take_part()).collect();
            all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| bail!("a panic")))
        })?;
        let mut answers = under_way.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.sort_unstable();
        Ok(Got { busy: self, answers })
    }

    /// The number of the request, among those admitted, that ends the load.
    const fn last(self) -> usize {
        self.limit * self.windows
    }
}

impl Got {
    /// How much of the limit was used: how long it had to take until the last request was admitted,
    /// of how long it took; or how many were admitted by when it was due, of all before it, if that
    /// is less. 0 if it was not admitted.
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

    /// How many requests came in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let took_us = self.answers.last().map_or(1, |(at_us, _)| *at_us);
        self.answers.len() as f64 * 1e6 / took_us.max(1) as f64
    }

    /// When requests were admitted.
    fn admitted(&self) -> Vec<u64> {
        let admitted = self.answers.iter().filter(|(_, is_admitted)| *is_admitted);
        admitted.map(|(at_us, _)| *at_us).collect()
    }

    /// When requests are admitted by a window that counts each for as long as it must.
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

/// A load, while it goes on.
struct UnderWay {
    busy: Busy,
    request: String,
    watch: Stopwatch,
    deadline: Deadline,
    taken: AtomicU64,
    admitted: AtomicU64,
    answers: Mutex<Vec<(u64, bool)>>,
}

impl UnderWay {
    /// One connection: takes the request that is due next, again and again. What is late is sent at
    /// once.
    fn take_part(&self, gateway: SocketAddr) -> Result<()> {
        let stream = TcpStream::connect(gateway).context("the gateway does not accept")?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).context("a time-out")?;
        let mut answers = BufReader::new(&stream);
        while !self.is_over() {
            let due_us =
                self.taken.fetch_add(1, Ordering::Relaxed) * 1_000_000 / self.busy.per_second;
            thread::sleep(Duration::from_micros(due_us).saturating_sub(self.watch.elapsed()));
            (&stream).write_all(self.request.as_bytes()).context("cannot send")?;
            match read_answer(&mut answers)? {
                200 => self.note(true),
                429 => self.note(false),
                other => bail!("expected 200 or 429, found {other}"),
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.admitted.load(Ordering::Relaxed) > self.busy.last() as u64
            || self.deadline.has_passed()
    }

    fn note(&self, is_admitted: bool) {
        self.admitted.fetch_add(u64::from(is_admitted), Ordering::Relaxed);
        let at_us = u64::try_from(self.watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((at_us, is_admitted));
    }
}

/// Reads an answer with a body of a known length: its status.
fn read_answer(from: &mut impl BufRead) -> Result<u16> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        from.read_line(&mut line).context("no answer")?;
        let line = line.trim_end();
        if let Some((name, value)) = line.split_once(": ") {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().context("a length")?;
            }
        } else if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest.get(..3).and_then(|status| status.parse().ok());
        } else {
            break;
        }
    }
    std::io::copy(&mut from.take(length), &mut std::io::sink()).context("no whole answer")?;
    status.context("expected an answer of HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(answers: &[(u64, bool)]) -> f64 {
        let busy = Busy { limit: 2, window_s: 1, per_second: 3, windows: 1 };
        let answers = answers.iter().map(|(ms, admitted)| (ms * 1_000, *admitted)).collect();
        Got { busy, answers }.share()
    }

    #[test]
    fn a_share_is_of_the_time_that_it_must_take() {
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
    fn an_answer_is_read_to_its_end() {
        let text =
            "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n";
        let mut from = text.as_bytes();
        assert_eq!(read_answer(&mut from).unwrap(), 429);
        assert_eq!(read_answer(&mut from).unwrap(), 200);
        assert!(read_answer(&mut from).is_err());
    }
}
