//! What happened, and what must hold of it.
//!
//! A request is decided at some time between its departure from the client and its arrival at the
//! upstream; both are known, by one clock. So those that departed and arrived within one window were
//! all decided within it, and there may be no more of them than the limit.

use std::collections::BTreeMap;
use std::time::Duration;

/// A request that reached the upstream, or that a client had an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// When its client sent it.
    pub(super) sent: Duration,
    /// When it arrived.
    pub(super) arrived: Duration,
}

/// Who paid: the path and the user, and the Envoy where that matters.
pub(super) type Payer = (String, String);

/// The most requests that were decided within any one window.
pub(super) fn most_within(window: Duration, passed: &[Passed]) -> usize {
    let mut by_sent = passed.to_vec();
    by_sent.sort_by_key(|one| one.sent);
    let within = |at: usize| {
        let first = by_sent[at].sent;
        by_sent[at..].iter().filter(|one| one.arrived < first + window).count()
    };
    (0..by_sent.len()).map(within).max().unwrap_or(0)
}

/// The payers who got more than `limit` within `window`.
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
fn one_too_many_within_a_window_is_found() {
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
