//! Checks that no request is stuck, waits are honest, and sizes are bounded.

use crate::record::Record;

/// The period of the filter's timeout check plus the maximum delay of a timer, in µs.
const TICK_US: u64 = 50_000 + 5_000;

// The filter's own bounds on each size, with a margin.
const MAX_MEMORY_BYTES: usize = 32 << 20;
const MAX_SHARED_KEYS: usize = 4_200;
const MAX_SHARED_BYTES: usize = 40 << 20;
const MAX_QUEUED: usize = 64;
const MAX_METRICS: usize = 1_000;
const MAX_CALLS: usize = 12;

pub(super) fn stuck(record: &Record) -> Vec<String> {
    let requests = record.requests.iter().enumerate();
    let late = requests.filter_map(|(number, request)| {
        let paused_us = request.paused_us?;
        let until_us = paused_us + request.timeout_ms * 1_000 + TICK_US;
        match request.released_us {
            Some(released_us) if released_us <= until_us => None,
            Some(released_us) => Some(format!(
                "request {number} was paused at {paused_us} µs and released at {released_us} µs"
            )),
            None => {
                Some(format!("request {number} was paused at {paused_us} µs and never released"))
            }
        }
    });
    late.collect()
}

pub(super) fn short_waits(record: &Record) -> Vec<String> {
    let waits = record.waits.iter().filter(|wait| wait.is_denied && !wait.were_changed);
    let lines = waits.map(|wait| {
        format!(
            "a client waited for its Retry-After of {} s and was denied again",
            wait.retry_after_s
        )
    });
    lines.collect()
}

pub(super) fn unbounded(record: &Record) -> Vec<String> {
    let sizes = record.sizes;
    let sizes = [
        ("bytes of a VM's memory", sizes.memory_bytes, MAX_MEMORY_BYTES),
        ("keys in shared data", sizes.shared_keys, MAX_SHARED_KEYS),
        ("bytes in shared data", sizes.shared_bytes, MAX_SHARED_BYTES),
        ("items in queues", sizes.queued, MAX_QUEUED),
        ("metrics", sizes.metrics, MAX_METRICS),
        ("calls of a VM in flight", sizes.calls, MAX_CALLS),
    ];
    let over = sizes.into_iter().filter(|(_, found, most)| found > most);
    over.map(|(what, found, most)| format!("{found} {what}, expected at most {most}")).collect()
}
