//! The events of a run in order: as a hash and, optionally, as lines.

use std::fmt::{Arguments, Write};

/// The number of lines kept; older ones are dropped.
pub const MAX_LINES: usize = 20_000;

/// A run's trace.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Fnv,
    lines: Option<std::collections::VecDeque<String>>,
}

impl Trace {
    /// Creates a trace that keeps its lines if `is_kept`.
    #[must_use]
    pub fn new(is_kept: bool) -> Self {
        Self { hash: Fnv::default(), lines: is_kept.then(Default::default) }
    }

    /// Records an event at `now_us`.
    pub fn note(&mut self, now_us: u64, what: Arguments<'_>) {
        // Writing to the hash cannot fail.
        let _ = write!(self.hash, "{now_us} {what}");
        let Some(lines) = &mut self.lines else { return };
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(format!("{:>3}.{:06} {what}", now_us / 1_000_000, now_us % 1_000_000));
    }

    /// Returns the hash over all events.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash.0
    }

    /// Returns the lines, or nothing if they were not kept.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.map(Vec::from).unwrap_or_default()
    }
}

/// The FNV-1a hash. The standard library's hash may change between releases.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
