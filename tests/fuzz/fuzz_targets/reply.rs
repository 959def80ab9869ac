//! Any bytes as the shim's reply: each waiting request is released exactly once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::gate::{Disposition, Reply};
use tollgate_fuzz::{FuzzRequest, Process, gate};

const NOW_US: u64 = 1_790_000_000_000_000;

fuzz_target!(|input: (&[u8], u8, u8, bool, u16)| {
    let (body, paths, users, is_marked, status) = input;
    let (mut gate, process) = (gate(), Process::default());
    let waiting = (0..2).filter(|stream| {
        let request = FuzzRequest::known(paths >> (stream * 4), users >> (stream * 4));
        gate.request(NOW_US, *stream, &request, &process) == Disposition::Pause
    });
    let waiting: Vec<u64> = waiting.collect();
    let calls = gate.ready(NOW_US);
    assert_eq!(calls.len(), usize::from(!waiting.is_empty()));
    let Some(call) = calls.first() else { return };
    let status = if status == 0 { "200".to_owned() } else { status.to_string() };
    let marker = is_marked.then_some(b"1".as_slice());
    let reply = Reply { status: Some(status.as_bytes()), marker, body };
    let released = gate.reply(NOW_US + 500, call.id, call.kind, reply, &process);
    let released: Vec<u64> = released.iter().map(|release| release.stream).collect();
    assert_eq!(released, waiting);
    assert_eq!(gate.reply(NOW_US + 600, call.id, call.kind, reply, &process), []);
});
