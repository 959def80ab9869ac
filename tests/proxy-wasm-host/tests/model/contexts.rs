//! The effective context: acting for another.

use crate::kit::{get, said, start, wrong};

#[test]
fn one_acts_for_a_context_that_is_there_and_only_until_the_call_returns() {
    let (process, mut vm) = start(
        r#"
  (func $own (drop (call $get_header_map_value (i32.const 0) @":path" (i32.const 0) (i32.const 4))) (call $say_given))
  (func (export "proxy_on_request_headers") (param $c i32) (param i32 i32) (result i32)
    (call $own)
    (call $tell (call $set_effective_context (i32.const 2)))
    (call $own)
    (call $tell (call $set_effective_context (i32.const 99)))
    (call $own)
    (i32.const 1))
"#,
    );
    let first = vm.open(get("/1"));
    assert_eq!(said(&process), "/1 00 /1 02 /1");
    vm.open(get("/2"));
    assert_eq!(said(&process), "/2 00 /1 02 /1", "what failed has changed nothing");
    vm.end(first);
    vm.open(get("/3"));
    assert_eq!(said(&process), "/3 02 /3 02 /3", "who has gone cannot be acted for");
    assert_eq!(wrong(&process), "", "and that is no mistake: there is no other way to find out");
}
