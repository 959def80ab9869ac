//! Any bytes as a policy: an error with a message, or a policy that plans requests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::policy::Policy;
use tollgate_fuzz::FuzzRequest;

fuzz_target!(|text: &[u8]| {
    match Policy::from_json(text) {
        Ok(policy) => {
            for user in 0..2 {
                let plan = policy.plan(&FuzzRequest::known(1, user)).expect("a valid path");
                assert!(plan.charges.iter().all(|planned| planned.bucket < policy.buckets.len()));
                assert!(plan.matched.rules().all(|at| at < policy.rules.len()));
            }
        }
        Err(errors) => {
            assert!(!errors.0.is_empty());
            assert!(errors.0.iter().all(|error| !error.message.is_empty()));
        }
    }
});
