//! The data, queues and metrics that the VMs of a process share.

use crate::kit::{get, logged, start, start_in, violations};
use proxy_wasm_host::metrics::MetricKind;

#[test]
fn data_is_shared_and_versioned() {
    let counter = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0))
    (call $print_number (call $get_shared_data @"key" (i32.const 0) (i32.const 4) (i32.const 8)))
    (call $print_returned)
    (call $print_number (call $set_shared_data @"key" @"old" (i32.load (i32.const 8))))
    (call $print_number (call $set_shared_data @"key" @"new" (i32.load (i32.const 8))))
    (i32.const 0))
"#;
    let (process, mut first) = start(counter);
    let mut second = start_in(&process, counter);
    first.open(get("/"));
    assert_eq!(logged(&process), "01  00 00", "version 0 skips the check");
    second.open(get("/"));
    assert_eq!(logged(&process), "00 new 00 08", "the second write has a stale version");
    first.open(get("/"));
    assert_eq!(logged(&process), "00 old 00 08");
    assert_eq!((process.read().data.len(), process.read().data.bytes()), (1, 6));
    assert_eq!(violations(&process), "");
}

#[test]
fn a_queue_wakes_its_owner_in_a_later_turn() {
    let queue = r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $register_shared_queue @"q" (i32.const 32))) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $print_number (call $resolve_shared_queue @"" @"q" (i32.const 36)))
    (call $print_number (call $enqueue_shared_queue (i32.load (i32.const 36)) @"item"))
    (call $print_number (call $resolve_shared_queue @"vm" @"none" (i32.const 36)))
    (i32.const 0))
  (func (export "proxy_on_queue_ready") (param $c i32) (param $queue i32)
    (call $print @"ready") (call $print_number (local.get $c)) (call $print_number (local.get $queue))
    (drop (call $dequeue_shared_queue (local.get $queue) (i32.const 0) (i32.const 4)))
    (call $print_returned)
    (call $print_number (call $dequeue_shared_queue (local.get $queue) (i32.const 0) (i32.const 4))))
"#;
    let (process, mut first) = start(queue);
    let mut second = start_in(&process, queue);
    first.open(get("/"));
    assert_eq!(logged(&process), "00 00 01", "no callback runs in the same turn");
    assert!(second.has_wakes() && !first.has_wakes(), "the second registered it last");
    first.run_wakes();
    assert_eq!(logged(&process), "");
    second.run_wakes();
    assert_eq!(logged(&process), "ready 01 01 item 07");
    assert!(!second.has_wakes());
    second.run_wakes();
    assert_eq!((logged(&process).as_str(), violations(&process).as_str()), ("", ""));
}

#[test]
fn metrics_add_up_across_vms() {
    let metrics = r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $define_metric (i32.const 0) @"count" (i32.const 32)))
    (drop (call $define_metric (i32.const 2) @"sizes" (i32.const 36)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $print_number (call $increment_metric (i32.load (i32.const 32)) (i64.const 2)))
    (call $print_number (call $record_metric (i32.load (i32.const 36)) (i64.const 7)))
    (drop (call $get_metric (i32.load (i32.const 32)) (i32.const 40)))
    (call $print_number (i32.load (i32.const 40)))
    (call $print_number (call $increment_metric (i32.load (i32.const 32)) (i64.const 0)))
    (call $print_number (call $record_metric (i32.const 99) (i64.const 0)))
    (i32.const 0))
"#;
    let (process, mut first) = start(metrics);
    let mut second = start_in(&process, metrics);
    first.open(get("/"));
    second.open(get("/"));
    assert_eq!(logged(&process), "00 00 02 02 01 00 00 04 02 01");
    let sizes = process.read().metrics.get("sizes").unwrap();
    assert_eq!((sizes.kind, sizes.count, sizes.value), (MetricKind::Histogram, 2, 14));
    assert!(violations(&process).starts_with("proxy_increment_metric: metric 1: BadArgument; "));
}
