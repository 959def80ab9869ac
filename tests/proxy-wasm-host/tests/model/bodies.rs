//! Bodies and trailers: paused, buffered, changed.

use crate::kit::{events, get, logged, start, violations};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm::Request;

fn post() -> Request {
    Request { is_end: false, ..get("/") }
}

#[test]
fn a_body_waits_behind_paused_headers() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $http_call @"up" @{:method=GET|:path=/|:authority=x} @"" @{} (i32.const 0) (i32.const 16)))
    (i32.const 1))
  (func (export "proxy_on_request_body") (param $c i32) (param $size i32) (param $end i32) (result i32)
    (call $print @"body") (call $print_number (local.get $size)) (call $print_number (local.get $end)) (i32.const 0))
  (func (export "proxy_on_request_trailers") (param $c i32) (param $count i32) (result i32)
    (call $print @"trailers") (call $print_number (local.get $count)) (i32.const 0))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $continue_stream (i32.const 0))))
"#,
    );
    let stream = vm.open(post());
    vm.request_body(stream, b"abc", false);
    vm.request_trailers(stream, Headers::of([("t", "1")]));
    assert_eq!(logged(&process), "");
    assert_eq!(events(&mut vm), "call 1 by 2 to up /: ");
    vm.answer_callout(1, proxy_wasm_host::callout::Fate::Refused);
    assert_eq!(logged(&process), "body 03 00 trailers 01");
    assert_eq!(
        events(&mut vm),
        "2 > :method=GET :path=/ :authority=host x-a=1\n2 > body abc\n2 > trailers t=1"
    );
    assert_eq!(violations(&process), "");
}

#[test]
fn a_paused_body_grows_and_can_be_changed() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_response_body") (param $c i32) (param $size i32) (param $end i32) (result i32)
    (call $print_number (local.get $size))
    (if (result i32) (local.get $end)
      (then
        (drop (call $get_buffer_bytes (i32.const 1) (i32.const 1) (i32.const 99) (i32.const 0) (i32.const 4)))
        (call $print_returned)
        (drop (call $set_buffer_bytes (i32.const 1) (i32.const 0) (i32.const 0) @"<"))
        (drop (call $set_buffer_bytes (i32.const 1) (i32.const 99) (i32.const 0) @">"))
        (drop (call $get_buffer_status (i32.const 1) (i32.const 0) (i32.const 4)))
        (call $print_number (i32.load (i32.const 0)))
        (call $print_number (call $set_buffer_bytes (i32.const 1) (i32.const 1) (i32.const 1) @"?"))
        (call $print_number (call $get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)))
        (i32.const 0))
      (else (i32.const 1))))
"#,
    );
    let stream = vm.open(get("/"));
    vm.response(stream, Headers::of([(":status", "200")]), false);
    events(&mut vm);
    vm.response_body(stream, b"ab", false);
    vm.response_body(stream, b"c", false);
    assert_eq!((logged(&process).as_str(), events(&mut vm).as_str()), ("02 03", ""));
    vm.response_body(stream, b"d", true);
    assert_eq!(logged(&process), "04 bcd 06 02 01");
    assert_eq!(events(&mut vm), "2 < body <abcd>.");
    assert_eq!(
        violations(&process),
        "proxy_set_buffer_bytes: a body can be changed only at its start or end, or as a whole"
    );
}

#[test]
fn without_callbacks_everything_passes() {
    let (process, mut vm) = start("");
    let stream = vm.open(post());
    vm.request_body(stream, b"a", true);
    vm.response(stream, Headers::of([(":status", "200")]), false);
    vm.response_body(stream, b"b", false);
    vm.response_trailers(stream, Headers::of([("t", "1")]));
    assert_eq!(
        events(&mut vm),
        "2 > :method=GET :path=/ :authority=host x-a=1\n2 > body a.\n\
         2 < :status=200\n2 < body b\n2 < trailers t=1"
    );
    assert_eq!(violations(&process), "");
}
