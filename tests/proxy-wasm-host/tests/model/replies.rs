//! Pausing, going on, and answering in the upstream's place.

use crate::kit::{get, left, said, start, wrong};
use proxy_wasm_host::headers::Headers;

#[test]
fn a_stream_goes_on_only_after_the_call_that_let_it() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $set_tick_period_milliseconds (i32.const 1))) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (call $tell (call $set_effective_context (i32.const 2)))
    (call $tell (call $continue_stream (i32.const 0)))
    ;; it has not gone on yet: its headers can still be changed
    (call $tell (call $add_header_map_value (i32.const 0) @"late" @"1"))
    (call $tell (call $set_effective_context (i32.const 3)))
    (call $tell (call $send_local_response (i32.const 429) @"" @"no" @{x-why=you} (i32.const -1))))
  (func (export "proxy_on_response_headers") (param $c i32) (param i32 i32) (result i32)
    (call $say @"response") (call $tell (local.get $c))
    (drop (call $add_header_map_value (i32.const 2) @"seen" @"1"))
    (i32.const 0))
"#,
    );
    let (first, second) = (vm.open(get("/1")), vm.open(get("/2")));
    assert_eq!(left(&mut vm), "");
    assert!(vm.is_paused(first) && vm.is_paused(second));
    process.set_time_ns(crate::kit::START_NS + 1_000_000);
    vm.run_ticks();
    assert_eq!(said(&process), "00 00 00 00 00 response 03");
    assert_eq!(
        left(&mut vm),
        "2 > :method=GET :path=/1 :authority=host x-a=1 late=1\n\
         3 < local :status=429 x-why=you content-length=2 content-type=text/plain seen=1\n\
         3 < body no."
    );
    assert!(!vm.is_paused(first) && !vm.is_paused(second));
    vm.response(second, Headers::of([(":status", "200")]), true);
    assert_eq!(left(&mut vm), "", "the upstream of an answered request is not heard");
    assert_eq!(wrong(&process), "");
}

#[test]
fn an_answer_stops_the_request_whatever_the_callback_returns() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $send_local_response (i32.const 401) @"" @"" @{content-type=a/b} (i32.const -1)))
    (i32.const 0))
"#,
    );
    vm.open(get("/"));
    assert_eq!(left(&mut vm), "2 < local :status=401 content-type=a/b");
    assert_eq!(wrong(&process), "");
}

#[test]
fn what_makes_no_sense_is_noted() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $tell (call $continue_stream (i32.const 0)))
    (call $tell (call $send_local_response (i32.const 200) @"" @"" @{} (i32.const -1)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $tell (call $continue_stream (i32.const 0)))
    (call $tell (call $continue_stream (i32.const 7)))
    (call $tell (call $send_local_response (i32.const 99) @"" @"" @{a=b\r\nc} (i32.const -1)))
    (call $tell (call $send_local_response (i32.const 200) @"" @"" @{} (i32.const -1)))
    (call $tell (call $send_local_response (i32.const 200) @"" @"" @"xyz" (i32.const -1)))
    (i32.const 0))
"#
        .replace("\\r\\n", "\r\n")
        .as_str(),
    );
    assert_eq!(said(&process), "02 02");
    vm.open(get("/"));
    assert_eq!(said(&process), "00 02 00 02 04");
    assert_eq!(
        wrong(&process),
        "proxy_continue_stream: the context has no stream; \
         proxy_send_local_response: the context has no stream; \
         proxy_continue_stream: the Request is not paused; \
         proxy_continue_stream: no HTTP stream: 7; \
         proxy_send_local_response: CR, LF or NUL in a header's value: \"b\\r\\nc\"; \
         proxy_send_local_response: no status to answer with: 99; \
         proxy_send_local_response: the stream has its answer already; \
         proxy_send_local_response: no encoded map"
    );
}

#[test]
fn a_plugin_can_cut_a_stream() {
    let (_, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $close_stream (i32.const 0))) (i32.const 1))
"#,
    );
    let stream = vm.open(get("/"));
    assert_eq!(left(&mut vm), "2 reset");
    vm.request_body(stream, b"more", true);
    assert_eq!(left(&mut vm), "");
}
