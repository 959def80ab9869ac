//! The life of contexts, from the VM's start to the end of the last stream.

use crate::kit::{events, get, logged, options, plugin, process, start, violations};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm::{StartError, Vm};

/// Logs each callback with its context, and lets everything pass.
const LOGGER: &str = r#"
  (func (export "_initialize") (call $print @"initialize"))
  (func (export "proxy_on_context_create") (param $c i32) (param $root i32)
    (call $print @"create") (call $print_number (local.get $c)) (call $print_number (local.get $root)))
  (func (export "proxy_on_vm_start") (param $c i32) (param $size i32) (result i32)
    (call $print @"start") (call $print_number (local.get $size)) (i32.const 1))
  (func (export "proxy_on_configure") (param $c i32) (param $size i32) (result i32)
    (call $print @"configure") (call $print_number (local.get $c)) (call $print_number (local.get $size))
    (drop (call $get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
    (call $print_returned)
    ;; rejects a configuration that starts with "n"
    (i32.ne (i32.load8_u (i32.load (i32.const 0))) (i32.const 110)))
  (func (export "proxy_on_request_headers") (param $c i32) (param i32 i32) (result i32)
    (call $print @"request") (call $print_number (local.get $c)) (i32.const 0))
  (func (export "proxy_on_response_headers") (param $c i32) (param i32 i32) (result i32)
    (call $print @"response") (call $print_number (local.get $c)) (i32.const 0))
  (func (export "proxy_on_log") (param $c i32) (call $print @"log") (call $print_number (local.get $c)))
  (func (export "proxy_on_done") (param $c i32) (result i32)
    (call $print @"done") (call $print_number (local.get $c)) (i32.const 1))
  (func (export "proxy_on_delete") (param $c i32) (call $print @"delete") (call $print_number (local.get $c)))
"#;

#[test]
fn a_stream_passes_through_all_callbacks() {
    let (process, mut vm) = start(LOGGER);
    assert_eq!(logged(&process), "initialize create 01 00 start 09 configure 01 06 config");
    let stream = vm.open(get("/"));
    assert_eq!(logged(&process), "create 02 01 request 02");
    vm.response(stream, Headers::of([(":status", "200")]), true);
    assert_eq!(logged(&process), "response 02");
    vm.end(stream);
    assert_eq!(logged(&process), "log 02 done 02 delete 02");
    assert!(vm.streams().is_empty());
    vm.response(stream, Headers::default(), true);
    vm.end(stream);
    assert_eq!(logged(&process), "", "an ended stream triggers no callbacks");
    vm.shut_down();
    assert_eq!(logged(&process), "done 01 delete 01");
    assert_eq!(violations(&process), "");
}

#[test]
fn a_new_configuration_gets_a_new_root_and_old_streams_keep_theirs() {
    let (process, mut vm) = start(LOGGER);
    let old = vm.open(get("/"));
    logged(&process);
    let root = vm.configure(b"other".to_vec()).unwrap();
    assert_eq!(root, 3);
    assert_eq!(logged(&process), "create 03 00 start 09 configure 03 05 other");
    assert_eq!(vm.roots(), 2);
    let new = vm.open(get("/"));
    assert_eq!(logged(&process), "create 04 03 request 04");
    vm.end(old);
    assert_eq!(logged(&process), "log 02 done 02 delete 02 done 01 delete 01");
    assert_eq!(vm.roots(), 1);
    vm.end(new);
    assert_eq!(logged(&process), "log 04 done 04 delete 04");
    assert_eq!(vm.roots(), 1);
}

#[test]
fn a_rejected_configuration_changes_nothing() {
    let refusal = StartError::RefusedConfiguration { last_words: "no!".to_owned() };
    let process = process();
    let plugin = plugin(LOGGER);
    assert_eq!(Vm::start(&plugin, &process, &options("no!")).unwrap_err(), refusal);
    let mut vm = Vm::start(&plugin, &process, &options("yes")).unwrap();
    assert_eq!(vm.configure(b"no!".to_vec()).unwrap_err(), refusal);
    logged(&process);
    vm.open(get("/"));
    assert_eq!(logged(&process), "create 03 01 request 03");
    assert_eq!(events(&mut vm), "3 > :method=GET :path=/ :authority=host x-a=1");
}

#[test]
fn a_pending_root_lives_until_the_plugin_calls_done() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_done") (param $c i32) (result i32)
    (call $print @"done") (i32.const 0))
  (func (export "proxy_on_request_headers") (param $c i32) (param i32 i32) (result i32)
    (drop (call $set_effective_context (i32.const 1)))
    (call $print_number (call $done)) (i32.const 0))
  (func (export "proxy_on_delete") (param $c i32) (call $print @"delete") (call $print_number (local.get $c)))
"#,
    );
    vm.configure(b"other".to_vec()).unwrap();
    assert_eq!((logged(&process).as_str(), vm.roots()), ("done", 2));
    vm.open(get("/"));
    assert_eq!(logged(&process), "00 delete 01");
    assert_eq!(vm.roots(), 1);
    assert_eq!(violations(&process), "");
}
