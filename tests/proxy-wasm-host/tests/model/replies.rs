//! Pausing, resuming, local responses and resets.

use crate::kit::{events, get, logged, start, violations};
use proxy_wasm_host::headers::Headers;

#[test]
fn a_stream_resumes_only_after_the_callback_returns() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $set_tick_period_milliseconds (i32.const 1))) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (call $print_number (call $set_effective_context (i32.const 2)))
    (call $print_number (call $continue_stream (i32.const 0)))
    ;; not resumed yet: the headers can still be changed
    (call $print_number (call $add_header_map_value (i32.const 0) @"late" @"1"))
    (call $print_number (call $set_effective_context (i32.const 3)))
    (call $print_number (call $send_local_response (i32.const 429) @"" @"no" @{x-why=you} (i32.const -1))))
  (func (export "proxy_on_response_headers") (param $c i32) (param i32 i32) (result i32)
    (call $print @"response") (call $print_number (local.get $c))
    (drop (call $add_header_map_value (i32.const 2) @"seen" @"1"))
    (i32.const 0))
"#,
    );
    let (first, second) = (vm.open(get("/1")), vm.open(get("/2")));
    assert_eq!(events(&mut vm), "");
    assert!(vm.is_paused(first) && vm.is_paused(second));
    process.set_time_ns(crate::kit::START_NS + 1_000_000);
    vm.run_ticks();
    assert_eq!(logged(&process), "00 00 00 00 00 response 03");
    assert_eq!(
        events(&mut vm),
        "2 > :method=GET :path=/1 :authority=host x-a=1 late=1\n\
         3 < local :status=429 x-why=you content-length=2 content-type=text/plain seen=1\n\
         3 < body no."
    );
    assert!(!vm.is_paused(first) && !vm.is_paused(second));
    vm.response(second, Headers::of([(":status", "200")]), true);
    assert_eq!(events(&mut vm), "", "the upstream is ignored after a local response");
    assert_eq!(violations(&process), "");
}

#[test]
fn a_local_response_stops_the_request_whatever_the_callback_returns() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $send_local_response (i32.const 401) @"" @"" @{content-type=a/b} (i32.const -1)))
    (i32.const 0))
"#,
    );
    vm.open(get("/"));
    assert_eq!(events(&mut vm), "2 < local :status=401 content-type=a/b");
    assert_eq!(violations(&process), "");
}

#[test]
fn invalid_calls_are_recorded() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $print_number (call $continue_stream (i32.const 0)))
    (call $print_number (call $send_local_response (i32.const 200) @"" @"" @{} (i32.const -1)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $print_number (call $continue_stream (i32.const 0)))
    (call $print_number (call $continue_stream (i32.const 7)))
    (call $print_number (call $send_local_response (i32.const 99) @"" @"" @{a=b\r\nc} (i32.const -1)))
    (call $print_number (call $send_local_response (i32.const 200) @"" @"" @{} (i32.const -1)))
    (call $print_number (call $send_local_response (i32.const 200) @"" @"" @"xyz" (i32.const -1)))
    (i32.const 0))
"#
        .replace("\\r\\n", "\r\n")
        .as_str(),
    );
    assert_eq!(logged(&process), "02 02");
    vm.open(get("/"));
    assert_eq!(logged(&process), "00 02 00 02 04");
    assert_eq!(
        violations(&process),
        "proxy_continue_stream: the context has no stream; \
         proxy_send_local_response: the context has no stream; \
         proxy_continue_stream: the Request side is not paused; \
         proxy_continue_stream: unknown HTTP stream type: 7; \
         proxy_send_local_response: CR, LF or NUL in a header value: \"b\\r\\nc\"; \
         proxy_send_local_response: status must be between 200 and 599, got 99; \
         proxy_send_local_response: the stream already has a response; \
         proxy_send_local_response: malformed header map"
    );
}

#[test]
fn a_plugin_can_reset_a_stream() {
    let (_, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $close_stream (i32.const 0))) (i32.const 1))
"#,
    );
    let stream = vm.open(get("/"));
    assert_eq!(events(&mut vm), "2 reset");
    vm.request_body(stream, b"more", true);
    assert_eq!(events(&mut vm), "");
}
