//! What happened, in order: as a hash, and as lines where somebody wants to read them.

use std::fmt::{Arguments, Write};

/// The most lines that are kept: the last ones.
pub const MAX_LINES: usize = 20_000;

/// A run's trace.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Fnv,
    lines: Option<std::collections::VecDeque<String>>,
}

impl Trace {
    /// One that keeps its lines if `is_kept`.
    #[must_use]
    pub fn new(is_kept: bool) -> Self {
        Self { hash: Fnv::default(), lines: is_kept.then(Default::default) }
    }

    /// Notes one thing that happened at `now_us`.
    pub fn note(&mut self, now_us: u64, what: Arguments<'_>) {
        // Writing into a hash cannot fail.
        let _ = write!(self.hash, "{now_us} {what}");
        let Some(lines) = &mut self.lines else { return };
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(format!("{:>3}.{:06} {what}", now_us / 1_000_000, now_us % 1_000_000));
    }

    /// The hash of everything noted.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash.0
    }

    /// The lines, if they were kept.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.map(Vec::from).unwrap_or_default()
    }
}

/// The FNV-1a hash: the standard library's is not promised to stay the same.
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
