//! The structures that Envoy and the module exchange.

use std::ffi::c_void;
use std::mem::offset_of;

/// A pointer to an object of Envoy.
pub(super) type Envoy = *mut c_void;
/// A pointer to an object of this module.
pub(super) type Module = *const c_void;

/// A slice, owned by whoever passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffer {
    pub(super) start: *const u8,
    pub(super) length: usize,
}

/// A header's name and value, owned by whoever passes them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) name: Buffer,
    pub(super) value: Buffer,
}

/// The layouts of `abi.h`: a buffer is a pointer and a `size_t`, and a header is four such words, the
/// name's first.
const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<*const u8>() == WORD);
    assert!(size_of::<Buffer>() == 2 * WORD && offset_of!(Buffer, length) == WORD);
    assert!(size_of::<Header>() == 4 * WORD && offset_of!(Header, value) == 2 * WORD);
};

impl Buffer {
    pub(super) const EMPTY: Self = Self { start: std::ptr::null(), length: 0 };

    /// Returns a buffer for a call during which `bytes` live.
    pub(super) const fn of(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), length: bytes.len() }
    }

    /// Returns the buffer's bytes.
    ///
    /// # Safety
    /// The buffer must have come from Envoy, and its bytes must live for `'a`.
    pub(super) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.start.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: see above.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl Header {
    pub(super) const EMPTY: Self = Self { name: Buffer::EMPTY, value: Buffer::EMPTY };
}
