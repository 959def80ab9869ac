//! Memory that Envoy asks for, to put in it what it answers, and hands to us.

#![allow(unsafe_code, reason = "exported by its name")]

use std::cell::RefCell;

thread_local! {
    /// What Envoy has been given and not handed back: one piece at most, while it answers a call.
    static GIVEN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Memory for Envoy to write to. It comes back by [`taken`].
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut memory = vec![0; size];
    let data = memory.as_mut_ptr();
    GIVEN.with(|given| {
        if let Ok(mut given) = given.try_borrow_mut() {
            given.push(memory);
        }
    });
    data
}

/// The `size` bytes that Envoy says are at `data`; none where it was given no memory there.
pub(super) fn taken(data: *const u8, size: usize) -> Vec<u8> {
    let given =
        GIVEN.with(|given| given.try_borrow_mut().map(|mut given| std::mem::take(&mut *given)));
    let mut given = given.unwrap_or_default().into_iter();
    let mut memory = given.find(|memory| memory.as_ptr() == data).unwrap_or_default();
    memory.truncate(size);
    memory
}
