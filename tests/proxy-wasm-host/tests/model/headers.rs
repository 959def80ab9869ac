//! Header maps and properties: their lifetimes, and invalid uses.

use crate::kit::{events, get, logged, start, violations};
use proxy_wasm_host::headers::Headers;
use serde_json::json;

#[test]
fn changed_headers_continue() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param $c i32) (param $count i32) (param i32) (result i32)
    (call $print_number (local.get $count))
    (drop (call $add_header_map_value (i32.const 0) @"X-A" @"2"))
    (drop (call $add_header_map_value (i32.const 0) @"x-b" @"3"))
    (drop (call $replace_header_map_value (i32.const 0) @"x-a" @"4"))
    (drop (call $remove_header_map_value (i32.const 0) @":authority"))
    (drop (call $get_header_map_value (i32.const 0) @"X-a" (i32.const 0) (i32.const 4)))
    (call $print_returned)
    (call $print_number (call $get_header_map_value (i32.const 0) @"none" (i32.const 0) (i32.const 4)))
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param $c i32) (param i32 i32) (result i32)
    (drop (call $set_header_map_pairs (i32.const 2) @{:status=204|x=y}))
    (drop (call $get_header_map_pairs (i32.const 2) (i32.const 0) (i32.const 4)))
    (call $print_number (i32.load (i32.const 4)))
    (drop (call $get_header_map_size (i32.const 2) (i32.const 0)))
    (call $print_number (i32.load (i32.const 0)))
    (i32.const 0))
"#,
    );
    let stream = vm.open(get("/"));
    assert_eq!(logged(&process), "04 4 01");
    assert_eq!(events(&mut vm), "2 > :method=GET :path=/ x-a=4 x-b=3");
    vm.response(stream, Headers::of([(":status", "200"), ("gone", "")]), true);
    assert_eq!(events(&mut vm), "2 < :status=204 x=y");
    assert_eq!(logged(&process), "36 36");
    assert_eq!(violations(&process), "");
}

#[test]
fn continued_headers_are_unavailable_until_the_access_log() {
    let (process, mut vm) = start(
        r#"
  (func $path (call $print_number (call $get_header_map_value (i32.const 0) @":path" (i32.const 0) (i32.const 4))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $path) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (call $path) (i32.const 0))
  (func (export "proxy_on_log") (param i32) (call $path) (call $print_returned))
  (func (export "proxy_on_done") (param i32) (result i32)
    (call $print_number (call $add_header_map_value (i32.const 0) @"x" @"y")) (i32.const 1))
"#,
    );
    let stream = vm.open(get("/p"));
    assert_eq!((logged(&process).as_str(), violations(&process).as_str()), ("00", ""));
    vm.response(stream, Headers::of([(":status", "200")]), true);
    assert_eq!(logged(&process), "02");
    assert_eq!(
        violations(&process),
        "proxy_get_header_map_value: RequestHeaders are not available now"
    );
    vm.end(stream);
    assert_eq!(logged(&process), "00 /p 02");
    assert_eq!(
        violations(&process),
        "proxy_add_header_map_value: RequestHeaders are not available now"
    );
}

#[test]
fn a_header_that_would_split_the_message_is_accepted_and_recorded() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $print_number (call $add_header_map_value (i32.const 0) @"x" @"a\r\nset-cookie: b"))
    (call $print_number (call $add_header_map_value (i32.const 0) @"x y" @""))
    (call $print_number (call $add_header_map_value (i32.const 9) @"x" @""))
    (call $print_number (call $get_header_map_value (i32.const 0) (i32.const 1000000) (i32.const 4) (i32.const 0) (i32.const 4)))
    (i32.const 0))
"#,
    );
    vm.open(get("/"));
    assert_eq!(logged(&process), "00 00 02 06");
    assert_eq!(
        violations(&process),
        "proxy_add_header_map_value: CR, LF or NUL in a header value: \"a\\r\\nset-cookie: b\"; \
         proxy_add_header_map_value: invalid header name: \"x y\"; \
         proxy_add_header_map_value: unknown header map: 9; \
         proxy_get_header_map_value: 4 bytes at 1000000 lie outside the plugin's memory"
    );
}

#[test]
fn properties_come_from_the_request_and_from_the_plugin() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get_property @"source#address" (i32.const 0) (i32.const 4))) (call $print_returned)
    (drop (call $get_property @"metadata#jwt#sub" (i32.const 0) (i32.const 4))) (call $print_returned)
    (drop (call $get_property @"request#path" (i32.const 0) (i32.const 4))) (call $print_returned)
    (call $print_number (call $get_property @"metadata#jwt#none" (i32.const 0) (i32.const 4)))
    (call $print_number (call $get_property @"mine" (i32.const 0) (i32.const 4)))
    (call $print_number (call $set_property @"mine" @"set"))
    (drop (call $get_property @"mine" (i32.const 0) (i32.const 4))) (call $print_returned)
    (i32.const 0))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $print_number (call $get_property @"source#address" (i32.const 0) (i32.const 4)))
    (drop (call $get_property @"plugin_root_id" (i32.const 0) (i32.const 4))) (call $print_returned)
    (call $print_number (call $set_property @"mine" @"set"))
    (i32.const 1))
"#
        .replace('#', "\0")
        .as_str(),
    );
    assert_eq!(logged(&process), "01 root 01");
    assert_eq!(violations(&process), "proxy_set_property: the context has no stream");
    let mut request = get("/p?q");
    request.properties.set(&["source", "address"], "192.0.2.1:1");
    request.properties.set_document(&["metadata", "jwt"], &json!({ "sub": "42", "none": null }));
    let stream = vm.open(request);
    assert_eq!(logged(&process), "192.0.2.1:1 42 /p?q 03 01 00 set");
    assert_eq!(vm.filter_state(stream, "mine"), Some(b"set".as_slice()));
    assert_eq!(violations(&process), "");
}
