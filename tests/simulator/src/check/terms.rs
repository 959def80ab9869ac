//! Checks that a request is charged what a plain reading of its policy says: by the core's plan, and
//! by the filter, as the access log shows it. Requests pay with the same counter if they have the same
//! payer, and only then.

use crate::record::{Due, Record, Request};
use limits::counter::CounterName;
use limits::quota::Quota;
use std::collections::BTreeMap;

pub(super) fn broken(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, request) in record.requests.iter().enumerate() {
        broken.extend(planned(number, request));
        broken.extend(shown(number, request));
    }
    broken.extend(mixed(record));
    broken
}

/// Compares the plan with the reading.
fn planned(number: usize, request: &Request) -> Option<String> {
    // A limit of 0 is not a charge: the request is refused at once, or passes a shadow.
    let charged = request.terms.iter().filter(|(_, term)| term.limit != Some(0) || term.is_balance);
    let expected: BTreeMap<&str, (u64, Option<u64>)> =
        charged.map(|(bucket, term)| (bucket.as_str(), (term.cost, term.limit))).collect();
    let limit = |due: &Due| (!matches!(due.quota, Quota::TokenBucket(_))).then(|| due.limit());
    let found = request.due.iter().map(|due| (due.counter.bucket(), (due.cost, limit(due))));
    let found: BTreeMap<&str, (u64, Option<u64>)> = found.collect();
    (expected != found).then(|| {
        format!(
            "request {number} should be charged {expected:?} (cost, limit), the plan is {found:?}"
        )
    })
}

/// Compares the costs in the access log of an admitted request with the reading.
fn shown(number: usize, request: &Request) -> Option<String> {
    let state = request.state.strip_prefix("admitted ")?;
    let mut words = state.split(' ').filter(|word| !word.starts_with("rule="));
    words.find_map(|word| {
        let (bucket, shown) = word.split_once('=').filter(|(bucket, _)| *bucket != "by")?;
        let cost = shown.split_once("/cost=").map_or("1", |(_, cost)| cost);
        let expected = request.terms.get(bucket).map_or(0, |term| term.cost);
        (cost != expected.to_string()).then(|| {
            format!("request {number} should cost {expected} of {bucket}, but costs {cost}")
        })
    })
}

/// Returns counters of several payers, and payers with several counters of one bucket.
fn mixed(record: &Record) -> Vec<String> {
    let mut counters: BTreeMap<(&str, &str, &str), &CounterName> = BTreeMap::new();
    let mut payers: BTreeMap<&CounterName, &str> = BTreeMap::new();
    let mut broken = Vec::new();
    for request in &record.requests {
        for due in &request.due {
            let bucket = due.counter.bucket();
            let Some(term) = request.terms.get(bucket) else { continue };
            let payer = *payers.entry(&due.counter).or_insert(&term.payer);
            if payer != term.payer {
                broken.push(format!("{}: {payer} and {} share it", due.counter, term.payer));
            }
            if !term.has_one_counter {
                continue;
            }
            let key = (request.salt.as_str(), bucket, term.payer.as_str());
            let counter = *counters.entry(key).or_insert(&due.counter);
            if *counter != due.counter {
                let payer = &term.payer;
                broken.push(format!("{payer} pays {bucket} with {counter} and {}", due.counter));
            }
        }
    }
    broken
}
