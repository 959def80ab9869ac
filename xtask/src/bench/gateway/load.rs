//! wrk's scripts.

use super::work::{KEYS, PACED_PER_SECOND, Pattern, Work};

const ONE_KEY: &str = include_str!("one_key.lua");
const MANY_KEYS: &str = include_str!("many_keys.lua");
const PACED: &str = include_str!("../paced.lua");

/// Returns wrk's script for `work`.
#[must_use]
pub(crate) fn script(work: &Work) -> String {
    let many = format!("KEYS = {KEYS}\n{MANY_KEYS}");
    match work.pattern {
        Pattern::OneKey => ONE_KEY.to_owned(),
        Pattern::ManyKeys => many,
        Pattern::Paced => {
            let interval_ms = 1_000 * work.connections / PACED_PER_SECOND;
            format!("{many}INTERVAL_MS = {interval_ms}\n{PACED}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::work::WORKS;

    #[test]
    fn the_connections_share_the_constant_rate() {
        let paced = WORKS.iter().find(|work| work.pattern == Pattern::Paced).unwrap();
        assert!(script(paced).contains("INTERVAL_MS = 100\n"));
    }
}
