//! The effective context: a callback acts on another context.

use crate::kit::{get, logged, start, violations};

#[test]
fn switching_needs_a_live_context_and_lasts_until_the_callback_returns() {
    let (process, mut vm) = start(
        r#"
  (func $own (drop (call $get_header_map_value (i32.const 0) @":path" (i32.const 0) (i32.const 4))) (call $print_returned))
  (func (export "proxy_on_request_headers") (param $c i32) (param i32 i32) (result i32)
    (call $own)
    (call $print_number (call $set_effective_context (i32.const 2)))
    (call $own)
    (call $print_number (call $set_effective_context (i32.const 99)))
    (call $own)
    (i32.const 1))
"#,
    );
    let first = vm.open(get("/1"));
    assert_eq!(logged(&process), "/1 00 /1 02 /1");
    vm.open(get("/2"));
    assert_eq!(logged(&process), "/2 00 /1 02 /1", "a failed switch changes nothing");
    vm.end(first);
    vm.open(get("/3"));
    assert_eq!(logged(&process), "/3 02 /3 02 /3", "an ended context cannot become effective");
    assert_eq!(violations(&process), "", "a failed switch is not a violation");
}
