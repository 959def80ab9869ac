//! What contexts go through: from the VM's start to the end of the last stream.

use crate::kit::{get, left, options, plugin, process, said, start, wrong};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm::{StartError, Vm};

/// Says each callback with its context, and passes everything.
const TALKER: &str = r#"
  (func (export "_initialize") (call $say @"initialize"))
  (func (export "proxy_on_context_create") (param $c i32) (param $root i32)
    (call $say @"create") (call $tell (local.get $c)) (call $tell (local.get $root)))
  (func (export "proxy_on_vm_start") (param $c i32) (param $size i32) (result i32)
    (call $say @"start") (call $tell (local.get $size)) (i32.const 1))
  (func (export "proxy_on_configure") (param $c i32) (param $size i32) (result i32)
    (call $say @"configure") (call $tell (local.get $c)) (call $tell (local.get $size))
    (drop (call $get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
    (call $say_given)
    ;; "no" is refused
    (i32.ne (i32.load8_u (i32.load (i32.const 0))) (i32.const 110)))
  (func (export "proxy_on_request_headers") (param $c i32) (param i32 i32) (result i32)
    (call $say @"request") (call $tell (local.get $c)) (i32.const 0))
  (func (export "proxy_on_response_headers") (param $c i32) (param i32 i32) (result i32)
    (call $say @"response") (call $tell (local.get $c)) (i32.const 0))
  (func (export "proxy_on_log") (param $c i32) (call $say @"log") (call $tell (local.get $c)))
  (func (export "proxy_on_done") (param $c i32) (result i32)
    (call $say @"done") (call $tell (local.get $c)) (i32.const 1))
  (func (export "proxy_on_delete") (param $c i32) (call $say @"delete") (call $tell (local.get $c)))
"#;

#[test]
fn a_stream_from_its_start_to_its_end() {
    let (process, mut vm) = start(TALKER);
    assert_eq!(said(&process), "initialize create 01 00 start 09 configure 01 06 config");
    let stream = vm.open(get("/"));
    assert_eq!(said(&process), "create 02 01 request 02");
    vm.response(stream, Headers::of([(":status", "200")]), true);
    assert_eq!(said(&process), "response 02");
    vm.end(stream);
    assert_eq!(said(&process), "log 02 done 02 delete 02");
    assert!(vm.streams().is_empty());
    vm.response(stream, Headers::default(), true);
    vm.end(stream);
    assert_eq!(said(&process), "", "nothing is heard of what has ended");
    vm.shut_down();
    assert_eq!(said(&process), "done 01 delete 01");
    assert_eq!(wrong(&process), "");
}

#[test]
fn a_new_configuration_is_a_new_root_and_old_streams_keep_theirs() {
    let (process, mut vm) = start(TALKER);
    let old = vm.open(get("/"));
    said(&process);
    let root = vm.configure(b"other".to_vec()).unwrap();
    assert_eq!(root, 3);
    assert_eq!(said(&process), "create 03 00 start 09 configure 03 05 other");
    assert_eq!(vm.roots(), 2);
    let new = vm.open(get("/"));
    assert_eq!(said(&process), "create 04 03 request 04");
    vm.end(old);
    assert_eq!(said(&process), "log 02 done 02 delete 02 done 01 delete 01");
    assert_eq!(vm.roots(), 1);
    vm.end(new);
    assert_eq!(said(&process), "log 04 done 04 delete 04");
    assert_eq!(vm.roots(), 1);
}

#[test]
fn a_refused_configuration_leaves_everything_as_it_was() {
    let refusal = StartError::RefusedConfiguration { last_words: "no!".to_owned() };
    let process = process();
    let plugin = plugin(TALKER);
    assert_eq!(Vm::start(&plugin, &process, &options("no!")).unwrap_err(), refusal);
    let mut vm = Vm::start(&plugin, &process, &options("yes")).unwrap();
    assert_eq!(vm.configure(b"no!".to_vec()).unwrap_err(), refusal);
    said(&process);
    vm.open(get("/"));
    assert_eq!(said(&process), "create 03 01 request 03");
    assert_eq!(left(&mut vm), "3 > :method=GET :path=/ :authority=host x-a=1");
}

#[test]
fn a_root_that_is_not_done_yet_waits_for_its_word() {
    let (process, mut vm) = start(
        r#"
  (func (export "proxy_on_done") (param $c i32) (result i32)
    (call $say @"done") (i32.const 0))
  (func (export "proxy_on_request_headers") (param $c i32) (param i32 i32) (result i32)
    (drop (call $set_effective_context (i32.const 1)))
    (call $tell (call $done)) (i32.const 0))
  (func (export "proxy_on_delete") (param $c i32) (call $say @"delete") (call $tell (local.get $c)))
"#,
    );
    vm.configure(b"other".to_vec()).unwrap();
    assert_eq!((said(&process).as_str(), vm.roots()), ("done", 2));
    vm.open(get("/"));
    assert_eq!(said(&process), "00 delete 01");
    assert_eq!(vm.roots(), 1);
    assert_eq!(wrong(&process), "");
}
