//! The clock and the timers, which the embedder drives.

use crate::kit::{START_NS, get, logged, start, violations};

const MS: u64 = 1_000_000;

const TICKER: &str = r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $set_tick_period_milliseconds (i32.const 10))) (i32.const 1))
  (func (export "proxy_on_tick") (param $c i32)
    (call $print @"tick") (call $print_number (local.get $c)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get_current_time_nanoseconds (i32.const 0)))
    ;; whole ms since the start
    (call $print_number (i32.wrap_i64 (i64.div_u
      (i64.sub (i64.load (i32.const 0)) (i64.const 1000000000000)) (i64.const 1000000))))
    (drop (call $set_tick_period_milliseconds (i32.const 0)))
    (i32.const 0))
"#;

#[test]
fn a_timer_is_due_again_one_period_after_it_ran() {
    let (process, mut vm) = start(TICKER);
    assert_eq!(vm.next_tick_ns(), Some(START_NS + 10 * MS));
    vm.run_ticks();
    assert_eq!(logged(&process), "");
    process.set_time_ns(START_NS + 25 * MS);
    vm.run_ticks();
    vm.run_ticks();
    assert_eq!(logged(&process), "tick 01", "missed ticks are not made up");
    assert_eq!(vm.next_tick_ns(), Some(START_NS + 35 * MS));
}

#[test]
fn plugins_see_the_process_clock_and_period_zero_stops_the_timer() {
    let (process, mut vm) = start(TICKER);
    process.set_time_ns(START_NS + 42 * MS);
    vm.open(get("/"));
    assert_eq!(logged(&process), "42");
    assert_eq!(vm.next_tick_ns(), None, "a stream sets its root's timer");
    assert_eq!(violations(&process), "");
}
