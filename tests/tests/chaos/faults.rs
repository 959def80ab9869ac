//! The schedule of faults.

use super::stack::Stack;
use harness::clock::Stopwatch;
use std::time::Duration;

/// The duration of the whole schedule.
pub(super) const LENGTH: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillShim(usize),
    StartShim(usize),
    FreezeShim(usize),
    ThawShim(usize),
    KillRedis,
    StartRedis,
    FreezeRedis,
    ThawRedis,
}

/// The faults by their time, in s since the start.
const PLAN: [(u64, Fault); 18] = [
    (4, Fault::KillShim(0)),
    (8, Fault::StartShim(0)),
    (11, Fault::FreezeShim(1)),
    (15, Fault::ThawShim(1)),
    (18, Fault::KillRedis),
    (22, Fault::StartRedis),
    (26, Fault::FreezeRedis),
    (29, Fault::ThawRedis),
    (33, Fault::KillShim(0)),
    (33, Fault::FreezeShim(1)),
    (37, Fault::StartShim(0)),
    (39, Fault::ThawShim(1)),
    (43, Fault::KillRedis),
    (43, Fault::StartRedis),
    (47, Fault::KillShim(1)),
    (48, Fault::KillRedis),
    (50, Fault::StartRedis),
    (51, Fault::StartShim(1)),
];

/// Plays the schedule. Returns the times at which Redis was started or resumed, which is before it
/// answers.
pub(super) fn play(stack: &mut Stack, clock: Stopwatch) -> Vec<Duration> {
    let mut returns = Vec::new();
    for (at_s, fault) in PLAN {
        std::thread::sleep(Duration::from_secs(at_s).saturating_sub(clock.elapsed()));
        stack.apply(fault);
        if matches!(fault, Fault::StartRedis | Fault::ThawRedis) {
            returns.push(clock.elapsed());
        }
    }
    std::thread::sleep(LENGTH.saturating_sub(clock.elapsed()));
    returns
}

impl Stack {
    fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::KillShim(at) => self.shims[at].kill(),
            Fault::StartShim(at) => self.shims[at].restart().unwrap(),
            Fault::FreezeShim(at) => self.shims[at].pause(),
            Fault::ThawShim(at) => self.shims[at].resume(),
            Fault::KillRedis => self.redis.kill(),
            Fault::StartRedis => self.redis.restart().unwrap(),
            Fault::FreezeRedis => self.redis.pause(),
            Fault::ThawRedis => self.redis.resume(),
        }
    }
}
