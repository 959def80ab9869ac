//! A request as a policy sees it, before it gets to a gate. Read by `arrive`.

use crate::facts::Facts;
use crate::path::BadPath;
use crate::plan::Plan;
use crate::policy::Policy;

/// What a policy makes of a request that has arrived.
#[derive(Debug)]
pub struct Arrival {
    /// Its charges, or the reason why its path is refused.
    pub(super) plan: Result<Plan, BadPath>,
    /// The reason why its token was refused.
    pub(super) refused_token: Option<Vec<u8>>,
}

impl Arrival {
    /// Reads a request. Needs no gate.
    #[must_use]
    pub fn of(policy: &Policy, facts: &impl Facts) -> Self {
        let names_status = policy.jwt.failed_status.is_some();
        Self {
            refused_token: if names_status { facts.refused_token() } else { None },
            plan: policy.plan(facts),
        }
    }
}
