//! Crashes: their effect on streams, and the recovery of a worker.

use crate::kit::{START_NS, events, get, logged, options, plugin, process, start};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::worker::{RELOAD_BACKOFF_NS, Worker};

/// Pauses `/p`, crashes on `/x`, loops forever on `/l`, and lets anything else pass.
const FRAGILE: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (local $what i32)
    (drop (call $get_header_map_value (i32.const 0) @":path" (i32.const 0) (i32.const 4)))
    (local.set $what (i32.load8_u (i32.add (i32.load (i32.const 0)) (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 120)) (then (call $print @"last words") (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $for_ever (br $for_ever))))
    (i32.eq (local.get $what) (i32.const 112)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $print @"response") (i32.const 0))
  (func (export "proxy_on_delete") (param i32) (call $print @"delete"))
"#;

#[test]
fn a_crashed_plugin_never_runs_again() {
    let (process, mut vm) = start(FRAGILE);
    let (paused, passed) = (vm.open(get("/p")), vm.open(get("/")));
    events(&mut vm);
    vm.open(get("/x"));
    assert_eq!(
        events(&mut vm),
        "crashed in proxy_on_request_headers: last words\n4 < local :status=503"
    );
    assert!(vm.crash().unwrap().trap.contains("unreachable"), "{:?}", vm.crash());
    logged(&process);
    assert!(vm.is_paused(paused), "a paused stream hangs");
    vm.response(passed, Headers::of([(":status", "200")]), true);
    assert_eq!(events(&mut vm), "3 < local :status=503");
    vm.open(get("/"));
    assert_eq!(events(&mut vm), "5 < local :status=503");
    vm.end(paused);
    assert_eq!((logged(&process).as_str(), vm.streams()), ("", vec![3, 4, 5]));
}

#[test]
fn an_endless_loop_is_a_crash() {
    let (_, mut vm) = start(FRAGILE);
    vm.open(get("/l"));
    assert!(vm.crash().unwrap().trap.contains("fuel"), "{:?}", vm.crash());
}

#[test]
fn a_crashed_worker_reloads_after_the_backoff() {
    let process = process();
    let mut worker = Worker::start(&plugin(FRAGILE), &process, &options("config")).unwrap();
    let paused = worker.open(get("/p")).unwrap();
    worker.open(get("/x")).unwrap();
    assert_eq!(worker.open(get("/")), None);
    process.set_time_ns(START_NS + RELOAD_BACKOFF_NS - 1);
    assert_eq!(worker.open(get("/")), None);
    process.set_time_ns(START_NS + RELOAD_BACKOFF_NS);
    let new = worker.open(get("/")).unwrap();
    assert_eq!((new.reload, worker.reloads()), (1, 1));
    let [old, new] = worker.vms() else { panic!() };
    assert!(old.is_paused(paused.stream), "the old stream still hangs");
    assert_eq!(events(new), "2 > :method=GET :path=/ :authority=host x-a=1");
}
