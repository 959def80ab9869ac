//! Checks that no limit was exceeded.
//!
//! A request is decided between its departure from the client and its arrival at the upstream, and
//! both times are known by one clock. Requests that departed and arrived within one window were
//! therefore decided within it, and must not exceed the limit.

use std::collections::BTreeMap;
use std::time::Duration;

/// A request that reached the upstream or was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// The time when the client sent it.
    pub(super) sent: Duration,
    /// The time when it reached the upstream, or the answer reached the client.
    pub(super) arrived: Duration,
}

/// The path and the user that paid. The user includes the Envoy for counts without the ledger.
pub(super) type Payer = (String, String);

/// Returns the highest number of requests decided within any one window.
pub(super) fn most_within(window: Duration, passed: &[Passed]) -> usize {
    let mut by_sent = passed.to_vec();
    by_sent.sort_by_key(|one| one.sent);
    let within = |at: usize| {
        let first = by_sent[at].sent;
        by_sent[at..].iter().filter(|one| one.arrived < first + window).count()
    };
    (0..by_sent.len()).map(within).max().unwrap_or(0)
}

/// Returns the payers with more than `limit` requests within `window`.
pub(super) fn exceeding(
    limit: usize,
    window: Duration,
    by_payer: &BTreeMap<Payer, Vec<Passed>>,
) -> Vec<(&Payer, usize)> {
    by_payer
        .iter()
        .map(|(payer, passed)| (payer, most_within(window, passed)))
        .filter(|(_, most)| *most > limit)
        .collect()
}

#[test]
fn one_request_too_many_within_a_window_is_found() {
    let at = |sent_ms: u64, arrived_ms: u64| Passed {
        sent: Duration::from_millis(sent_ms),
        arrived: Duration::from_millis(arrived_ms),
    };
    let window = Duration::from_millis(1_000);
    let two = vec![at(0, 10), at(500, 510)];
    assert_eq!(most_within(window, &two), 2);
    assert_eq!(most_within(window, &[two.clone(), vec![at(990, 999)]].concat()), 3);
    assert_eq!(most_within(window, &[two.clone(), vec![at(990, 1_000)]].concat()), 2);
    assert_eq!(most_within(window, &[]), 0);
    let payer = ("/a".to_owned(), "1".to_owned());
    let by_payer = BTreeMap::from([(payer.clone(), two)]);
    assert_eq!(exceeding(2, window, &by_payer), []);
    assert_eq!(exceeding(1, window, &by_payer), [(&payer, 2)]);
}
