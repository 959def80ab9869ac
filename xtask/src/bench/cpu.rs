//! CPU time, as the kernel counts it: of a process with all its threads, and of the machine.

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use std::ops::Sub;

/// CPU time that a process has taken, in ticks of the kernel's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticks(u64);

impl Ticks {
    /// In seconds.
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

/// What the process `id` has taken.
///
/// # Errors
/// Where there is no such process.
pub(crate) fn of_process(id: u32) -> Result<Ticks> {
    let path = format!("/proc/{id}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    process_ticks(&stat, OWN).with_context(|| format!("{path} is not as expected"))
}

/// What the processes have taken that we started and that have ended.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn of_ended_children() -> Result<Ticks> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    process_ticks(&stat, CHILDREN).context("/proc/self/stat is not as expected")
}

/// What all processes of the machine have taken, and the kernel itself.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn of_machine() -> Result<Ticks> {
    let stat = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    machine_ticks(&stat).context("/proc/stat is not as expected")
}

/// Places of user and system time among the fields behind the name: see proc_pid_stat(5), fields 14
/// to 17.
const OWN: [usize; 2] = [11, 12];
const CHILDREN: [usize; 2] = [13, 14];

fn process_ticks(stat: &str, fields: [usize; 2]) -> Option<Ticks> {
    // The name stands in parentheses, and may hold any character.
    let (_, behind) = stat.rsplit_once(") ")?;
    let values: Vec<&str> = behind.split_whitespace().collect();
    let times = fields.map(|at| values.get(at)?.parse::<u64>().ok());
    Some(Ticks(times.into_iter().sum::<Option<u64>>()?))
}

/// `cpu  user nice system idle iowait irq softirq steal …`: see proc_stat(5). All but idle and
/// iowait.
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
    fn the_fields_are_counted_behind_the_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 7 3 20 0 9 0 100 5 6";
        assert_eq!(process_ticks(stat, OWN), Some(Ticks(200)));
        assert_eq!(process_ticks(stat, CHILDREN), Some(Ticks(10)));
        assert_eq!(process_ticks("42 (a) S 1", OWN), None);
    }

    #[test]
    fn a_machine_is_busy_where_it_is_not_idle() {
        let stat = "cpu  100 2 30 1000 50 4 5 6 7 8\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(machine_ticks(stat), Some(Ticks(147)));
        assert_eq!(machine_ticks("intr 1"), None);
    }

    #[test]
    fn this_process_has_taken_no_more_than_the_machine() {
        let own = of_process(std::process::id()).unwrap();
        assert!(of_machine().unwrap().seconds() >= own.seconds());
        assert!(of_ended_children().unwrap().seconds() >= 0.0);
    }
}
