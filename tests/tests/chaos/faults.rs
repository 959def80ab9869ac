//! The schedules of faults.

use super::stack::Stack;
use harness::clock::Stopwatch;
use harness::envoy_config::Front;
use std::time::Duration;
use tests::gateway::front;

/// The duration of a whole schedule.
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
    ReplacePolicy(usize),
}

/// The faults with the Wasm filter by their time, in s since the start.
const WITH_SHIMS: [(u64, Fault); 18] = [
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

/// The faults with the dynamic module. A policy is replaced while Redis works, is down and is frozen.
const WITHOUT_SHIMS: [(u64, Fault); 22] = [
    (3, Fault::ReplacePolicy(0)),
    (5, Fault::KillRedis),
    (9, Fault::StartRedis),
    (12, Fault::FreezeRedis),
    (16, Fault::ThawRedis),
    (19, Fault::KillRedis),
    (20, Fault::ReplacePolicy(1)),
    (23, Fault::StartRedis),
    (26, Fault::FreezeRedis),
    (27, Fault::ReplacePolicy(0)),
    (29, Fault::ThawRedis),
    (33, Fault::FreezeRedis),
    (34, Fault::ThawRedis),
    (37, Fault::KillRedis),
    (37, Fault::StartRedis),
    (40, Fault::ReplacePolicy(0)),
    (40, Fault::ReplacePolicy(1)),
    (44, Fault::KillRedis),
    (44, Fault::StartRedis),
    (47, Fault::ReplacePolicy(1)),
    (48, Fault::KillRedis),
    (51, Fault::StartRedis),
];

/// Plays the schedule. Returns the times at which Redis was started or resumed, which is before it
/// answers.
pub(super) fn play(stack: &mut Stack, clock: Stopwatch) -> Vec<Duration> {
    let mut returns = Vec::new();
    let plan = match front() {
        Front::Wasm => WITH_SHIMS.as_slice(),
        Front::Module => WITHOUT_SHIMS.as_slice(),
    };
    for &(at_s, fault) in plan {
        std::thread::sleep(Duration::from_secs(at_s).saturating_sub(clock.elapsed()));
        stack.apply(fault, at_s);
        if matches!(fault, Fault::StartRedis | Fault::ThawRedis) {
            returns.push(clock.elapsed());
        }
    }
    std::thread::sleep(LENGTH.saturating_sub(clock.elapsed()));
    returns
}

impl Stack {
    fn apply(&mut self, fault: Fault, at_s: u64) {
        match fault {
            Fault::KillShim(at) => self.shims[at].kill(),
            Fault::StartShim(at) => self.shims[at].restart().unwrap(),
            Fault::FreezeShim(at) => self.shims[at].pause(),
            Fault::ThawShim(at) => self.shims[at].resume(),
            Fault::KillRedis => self.redis.kill(),
            Fault::StartRedis => self.redis.restart().unwrap(),
            Fault::FreezeRedis => self.redis.pause(),
            Fault::ThawRedis => self.redis.resume(),
            Fault::ReplacePolicy(at) => self.replace_policy(at, at_s),
        }
    }
}
