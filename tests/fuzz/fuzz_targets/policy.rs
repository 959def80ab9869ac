//! Any bytes as a policy: refused with what is wrong, or a policy that plans requests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::policy::Policy;
use tollgate_fuzz::Asking;

fuzz_target!(|text: &[u8]| {
    match Policy::from_json(text) {
        Ok(policy) => {
            for user in 0..2 {
                let plan = policy.plan(&Asking::known(1, user)).expect("a path that can be read");
                assert!(plan.charges.iter().all(|planned| planned.bucket < policy.buckets.len()));
                assert!(plan.rule.is_none_or(|at| at < policy.rules.len()));
            }
        }
        Err(errors) => {
            assert!(!errors.0.is_empty());
            assert!(errors.0.iter().all(|error| !error.message.is_empty()));
        }
    }
});
