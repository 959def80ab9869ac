//! Callouts: their contexts and their outcomes.

use crate::kit::{events, get, logged, start, violations};
use proxy_wasm_host::callout::{Fate, Reply};
use proxy_wasm_host::event::Event;
use proxy_wasm_host::headers::Headers;

/// Makes one call for each stream and logs its outcome.
const CALLER: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $http_call @"up" @{:method=POST|:path=/q|:authority=x} @"ask" @{} (i32.const 50) (i32.const 16)))
    (i32.const 1))
  (func (export "proxy_on_http_call_response") (param $c i32) (param $token i32) (param $headers i32) (param $body i32) (param $trailers i32)
    (call $print @"reply") (call $print_number (local.get $c)) (call $print_number (local.get $token))
    (call $print_number (local.get $headers)) (call $print_number (local.get $body))
    (if (i32.eqz (call $get_header_map_value (i32.const 6) @":status" (i32.const 0) (i32.const 4)))
      (then (call $print_returned)))
    (if (i32.eqz (call $get_buffer_bytes (i32.const 4) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 4)))
      (then (call $print_returned))))
"#;

#[test]
fn a_reply_reaches_the_context_that_made_the_call() {
    let (process, mut vm) = start(CALLER);
    vm.open(get("/"));
    let Some(Event::Callout(call)) = vm.take_events().into_iter().next() else { panic!() };
    assert_eq!((call.context, call.timeout_ms, call.body.as_slice()), (2, Some(50), &b"ask"[..]));
    assert_eq!(call.headers.text(":path"), "/q");
    let headers = Headers::of([(":status", "200"), ("a", "b")]);
    let reply = Reply { headers, body: b"body".to_vec(), trailers: Headers::default() };
    vm.answer_callout(call.token, Fate::Replied(reply));
    assert_eq!(logged(&process), "reply 02 01 02 04 200 bod");
    vm.answer_callout(call.token, Fate::Refused);
    assert_eq!(logged(&process), "", "a call is answered only once");
    assert_eq!(violations(&process), "");
}

#[test]
fn failures_look_like_replies() {
    let (process, mut vm) = start(CALLER);
    for _ in 0..3 {
        vm.open(get("/"));
    }
    vm.answer_callout(1, Fate::Refused);
    vm.answer_callout(2, Fate::TimedOut);
    assert_eq!(logged(&process), "reply 02 01 03 91 503 ups reply 03 02 03 24 504 ups");
    assert_eq!(violations(&process), "");
    vm.answer_callout(3, Fate::Reset);
    assert!(logged(&process).starts_with("reply 04 03 00 00"));
    assert_eq!(
        violations(&process),
        "proxy_get_header_map_value: CalloutHeaders are not available now"
    );
}

#[test]
fn an_ended_stream_never_gets_its_reply() {
    let (process, mut vm) = start(CALLER);
    let stream = vm.open(get("/"));
    vm.end(stream);
    vm.answer_callout(1, Fate::TimedOut);
    assert_eq!(logged(&process), "");
}

#[test]
fn a_root_context_call_outlives_the_stream_that_triggered_it() {
    let (process, mut vm) = start(&CALLER.replace(
        "(drop (call $http_call",
        "(drop (call $set_effective_context (i32.const 1))) (drop (call $http_call",
    ));
    let stream = vm.open(get("/"));
    assert_eq!(events(&mut vm), "call 1 by 1 to up /q: ask");
    vm.end(stream);
    vm.answer_callout(1, Fate::TimedOut);
    assert_eq!(logged(&process), "reply 01 01 03 24 504 ups");
}

#[test]
fn only_the_context_that_made_the_call_can_read_the_reply() {
    let (process, mut vm) = start(&CALLER.replace(
        "(call $print @\"reply\")",
        "(call $print @\"reply\") (drop (call $set_effective_context (i32.const 3)))",
    ));
    vm.open(get("/"));
    vm.open(get("/"));
    vm.answer_callout(1, Fate::TimedOut);
    assert_eq!(logged(&process), "reply 02 01 03 24");
    assert_eq!(
        violations(&process),
        "proxy_get_header_map_value: CalloutHeaders are not available now"
    );
}

#[test]
fn an_impossible_call_fails_at_once() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $print_number (call $http_call @"none" @{:method=GET|:path=/|:authority=x} @"" @{} (i32.const 1) (i32.const 16)))
    (call $print_number (call $http_call @"empty" @{:method=GET|:path=/|:authority=x} @"" @{} (i32.const 1) (i32.const 16)))
    (call $print_number (call $http_call @"up" @{:method=GET|:authority=x} @"" @{} (i32.const 1) (i32.const 16)))
    (call $print_number (call $http_call @"up" @{:method=GET|:path=/|:authority=x} @"" @{} (i32.const -1) (i32.const 16)))
    (call $print_number (call $http_call @"up" @{:method=GET|:path=/|:authority=x} @"" @{} (i32.const 0) (i32.const 16)))
    (i32.const 0))
"#,
    );
    vm.open(get("/"));
    assert_eq!(logged(&process), "02 10 02 02 00");
    assert_eq!(
        violations(&process),
        "proxy_http_call: the header :path is missing; proxy_http_call: the timeout is negative"
    );
    let events = vm.take_events();
    let Some(Event::Callout(call)) = events.first() else { panic!("{events:?}") };
    assert_eq!((call.token, call.timeout_ms), (1, None), "0 ms means no timeout");
}
