//! CPU times from the kernel, of a process with all its threads and of the machine.

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use std::ops::Sub;

/// An amount of CPU time, in ticks of the kernel's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticks(u64);

impl Ticks {
    /// Returns the time in seconds.
    #[must_use]
    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / clock_ticks_per_second() as f64
    }
}

impl Sub for Ticks {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self(self.0.saturating_sub(before.0))
    }
}

/// Returns the CPU time of the process `id`.
///
/// # Errors
/// Fails if the process does not exist.
pub(crate) fn of_process(id: u32) -> Result<Ticks> {
    let path = format!("/proc/{id}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    process_ticks(&stat, OWN).with_context(|| format!("unexpected format of {path}"))
}

/// Returns the CPU time of this process's ended children.
///
/// # Errors
/// Fails if `/proc` cannot be read.
pub(crate) fn of_ended_children() -> Result<Ticks> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    process_ticks(&stat, CHILDREN).context("unexpected format of /proc/self/stat")
}

/// Returns the CPU time of all processes and of the kernel.
///
/// # Errors
/// Fails if `/proc` cannot be read.
pub(crate) fn of_machine() -> Result<Ticks> {
    let stat = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    machine_ticks(&stat).context("unexpected format of /proc/stat")
}

/// The indices of user and system time among the fields after the name: fields 14 and 15 in
/// proc_pid_stat(5).
const OWN: [usize; 2] = [11, 12];
/// The same times of ended children: fields 16 and 17.
const CHILDREN: [usize; 2] = [13, 14];

fn process_ticks(stat: &str, fields: [usize; 2]) -> Option<Ticks> {
    // The name is in parentheses and can contain any character.
    let (_, fields_after) = stat.rsplit_once(") ")?;
    let values: Vec<&str> = fields_after.split_whitespace().collect();
    let times = fields.map(|at| values.get(at)?.parse::<u64>().ok());
    Some(Ticks(times.into_iter().sum::<Option<u64>>()?))
}

/// Parses `cpu  user nice system idle iowait irq softirq steal …`, see proc_stat(5), and sums all
/// except idle and iowait.
fn machine_ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let values: Option<Vec<u64>> =
        line.split_whitespace().take(8).map(|value| value.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal] = values?.try_into().ok()?;
    Some(Ticks(user + nice + system + irq + softirq + steal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_the_end_of_the_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 7 3 20 0 9 0 100 5 6";
        assert_eq!(process_ticks(stat, OWN), Some(Ticks(200)));
        assert_eq!(process_ticks(stat, CHILDREN), Some(Ticks(10)));
        assert_eq!(process_ticks("42 (a) S 1", OWN), None);
    }

    #[test]
    fn idle_and_iowait_do_not_count_as_cpu_time() {
        let stat = "cpu  100 2 30 1000 50 4 5 6 7 8\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(machine_ticks(stat), Some(Ticks(147)));
        assert_eq!(machine_ticks("intr 1"), None);
    }

    #[test]
    fn a_process_takes_at_most_the_machines_cpu_time() {
        let own = of_process(std::process::id()).unwrap();
        assert!(of_machine().unwrap().seconds() >= own.seconds());
        assert!(of_ended_children().unwrap().seconds() >= 0.0);
    }
}
