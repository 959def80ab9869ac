//! A plugin that crashes: who notices, and how it comes back.

use crate::kit::{START_NS, get, left, options, plugin, process, said, start};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::worker::{RELOAD_BACKOFF_NS, Worker};

/// `/p` is paused, `/x` crashes, `/l` loops for ever, anything else passes.
const FRAGILE: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (local $what i32)
    (drop (call $get_header_map_value (i32.const 0) @":path" (i32.const 0) (i32.const 4)))
    (local.set $what (i32.load8_u (i32.add (i32.load (i32.const 0)) (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 120)) (then (call $say @"last words") (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $for_ever (br $for_ever))))
    (i32.eq (local.get $what) (i32.const 112)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $say @"response") (i32.const 0))
  (func (export "proxy_on_delete") (param i32) (call $say @"delete"))
"#;

#[test]
fn after_a_crash_nothing_of_the_plugin_runs() {
    let (process, mut vm) = start(FRAGILE);
    let (paused, passed) = (vm.open(get("/p")), vm.open(get("/")));
    left(&mut vm);
    vm.open(get("/x"));
    assert_eq!(
        left(&mut vm),
        "crashed in proxy_on_request_headers: last words\n4 < local :status=503"
    );
    assert!(vm.crash().unwrap().trap.contains("unreachable"), "{:?}", vm.crash());
    said(&process);
    assert!(vm.is_paused(paused), "it hangs");
    vm.response(passed, Headers::of([(":status", "200")]), true);
    assert_eq!(left(&mut vm), "3 < local :status=503");
    vm.open(get("/"));
    assert_eq!(left(&mut vm), "5 < local :status=503");
    vm.end(paused);
    assert_eq!((said(&process).as_str(), vm.streams()), ("", vec![3, 4, 5]));
}

#[test]
fn a_loop_without_end_is_a_crash() {
    let (_, mut vm) = start(FRAGILE);
    vm.open(get("/l"));
    assert!(vm.crash().unwrap().trap.contains("fuel"), "{:?}", vm.crash());
}

#[test]
fn a_worker_starts_anew_after_its_back_off() {
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
    assert!(old.is_paused(paused.stream), "it hangs still");
    assert_eq!(left(new), "2 > :method=GET :path=/ :authority=host x-a=1");
}
