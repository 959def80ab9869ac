//! Envoy's side of a stream: what a hook can read and change.

use super::imports;
use super::types::{Buffer, Envoy, Header};
use std::ffi::c_void;
use std::marker::PhantomData;

/// The stream of the hook that is running.
///
/// Reading borrows it and changing it borrows it mutably, because Envoy's slices are valid until the
/// hook ends or the stream is changed.
pub(crate) struct Stream<'hook> {
    envoy: Envoy,
    hook: PhantomData<&'hook mut ()>,
}

/// A part of a message that has headers.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Part {
    Request = 0,
    Response = 2,
    ResponseTrailers = 3,
}

/// An attribute of a stream, by Envoy's number.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Attribute {
    /// `source.address`
    SourceAddress = 24,
    /// `xds.route_name`
    RouteName = 61,
}

/// The filter state's life span that a request keeps through internal redirects.
const OF_REQUEST: u32 = 1;

impl Stream<'_> {
    /// Wraps Envoy's pointer.
    ///
    /// # Safety
    /// `envoy` must be the pointer that Envoy passed to the running hook, and the result must not
    /// outlive the hook.
    pub(super) const unsafe fn of(envoy: Envoy) -> Self {
        Self { envoy, hook: PhantomData }
    }

    /// Reads all headers of a message; none if it does not exist.
    pub(crate) fn headers(&self, part: Part) -> Headers<'_> {
        let kind = part as u32;
        // SAFETY: Envoy fills as many entries as it says that there are. The slices live as long as
        // this borrow of the stream, which nothing changes meanwhile.
        unsafe {
            let count =
                imports::envoy_dynamic_module_callback_http_get_headers_size(self.envoy, kind);
            let mut raw = vec![Header::EMPTY; count];
            let start = raw.as_mut_ptr();
            if count == 0
                || !imports::envoy_dynamic_module_callback_http_get_headers(self.envoy, kind, start)
            {
                raw.clear();
            }
            let pair = |header: &Header| (header.name.bytes(), header.value.bytes());
            Headers(raw.iter().map(pair).collect())
        }
    }

    /// Reads an attribute.
    pub(crate) fn attribute(&self, attribute: Attribute) -> Option<&[u8]> {
        let mut value = Buffer::EMPTY;
        // SAFETY: as in `headers`.
        unsafe {
            imports::envoy_dynamic_module_callback_http_filter_get_attribute_string(
                self.envoy,
                attribute as u32,
                &raw mut value,
            )
            .then(|| value.bytes())
        }
    }

    /// Reads the filter state `name`, if it is text.
    pub(crate) fn filter_state(&self, name: &str) -> Option<&[u8]> {
        let mut value = Buffer::EMPTY;
        // SAFETY: as in `headers`.
        unsafe {
            imports::envoy_dynamic_module_callback_http_get_filter_state_bytes(
                self.envoy,
                Buffer::of(name.as_bytes()),
                &raw mut value,
            )
            .then(|| value.bytes())
        }
    }

    /// Sets the filter state `name` to a text. Returns false if Envoy refuses.
    pub(crate) fn set_filter_state(&mut self, name: &str, value: &[u8]) -> bool {
        // SAFETY: Envoy copies both during the call.
        unsafe {
            imports::envoy_dynamic_module_callback_http_set_filter_state_bytes(
                self.envoy,
                Buffer::of(name.as_bytes()),
                Buffer::of(value),
            )
        }
    }

    /// Returns the number that [`Self::set_mark`] stored for this request.
    pub(crate) fn mark(&self, name: &str) -> Option<u64> {
        // SAFETY: only `set_mark` stores objects under our names, and they are numbers. Envoy keeps
        // the object while the stream exists.
        unsafe {
            let object = imports::envoy_dynamic_module_callback_http_get_filter_state_object(
                self.envoy,
                Buffer::of(name.as_bytes()),
            );
            object.cast::<u64>().as_ref().copied()
        }
    }

    /// Stores a number for this request, also after an internal redirect. Returns false if Envoy
    /// refuses.
    pub(crate) fn set_mark(&mut self, name: &str, number: u64) -> bool {
        unsafe extern "C" fn destroy(object: *mut c_void) {
            // SAFETY: Envoy calls this once for each object, which is a box made below.
            drop(unsafe { Box::from_raw(object.cast::<u64>()) });
        }
        // SAFETY: Envoy owns the box from here on, and destroys it even if it refuses it.
        unsafe {
            imports::envoy_dynamic_module_callback_http_set_filter_state_object(
                self.envoy,
                Buffer::of(name.as_bytes()),
                Box::into_raw(Box::new(number)).cast(),
                destroy,
                OF_REQUEST,
            )
        }
    }

    /// Sets a response header, replacing any of that name. Returns false if Envoy refuses.
    pub(crate) fn set_response_header(&mut self, name: &str, value: &str) -> bool {
        // SAFETY: Envoy copies both during the call.
        unsafe {
            imports::envoy_dynamic_module_callback_http_set_header(
                self.envoy,
                Part::Response as u32,
                Buffer::of(name.as_bytes()),
                Buffer::of(value.as_bytes()),
            )
        }
    }

    /// Removes the response headers of that name. Returns false if Envoy refuses.
    pub(crate) fn remove_response_header(&mut self, name: &str) -> bool {
        // SAFETY: Envoy copies the name during the call. It takes a value of null as a removal.
        unsafe {
            imports::envoy_dynamic_module_callback_http_set_header(
                self.envoy,
                Part::Response as u32,
                Buffer::of(name.as_bytes()),
                Buffer::EMPTY,
            )
        }
    }

    /// Answers the request in place of the upstream.
    pub(crate) fn respond<'a>(
        &mut self,
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        body: &[u8],
        details: &str,
    ) {
        let headers = raw_headers(headers);
        // SAFETY: Envoy copies everything during the call.
        unsafe {
            imports::envoy_dynamic_module_callback_http_send_response(
                self.envoy,
                status.into(),
                headers.as_ptr(),
                headers.len(),
                Buffer::of(body),
                Buffer::of(details.as_bytes()),
            );
        }
    }

    /// Answers the request with headers only, exactly these. They must include `:status`.
    pub(crate) fn respond_with_headers<'a>(
        &mut self,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let headers = raw_headers(headers);
        // SAFETY: Envoy copies the headers during the call.
        unsafe {
            imports::envoy_dynamic_module_callback_http_send_response_headers(
                self.envoy,
                headers.as_ptr(),
                headers.len(),
                true,
            );
        }
    }

    /// Lets a paused request continue.
    pub(crate) fn resume(&mut self) {
        // SAFETY: the stream exists while its hook runs.
        unsafe { imports::envoy_dynamic_module_callback_http_filter_continue_decoding(self.envoy) }
    }

    /// Creates a waker of this stream, for other threads.
    pub(crate) fn waker(&self) -> Waker {
        // SAFETY: the stream exists while its hook runs. The waker deletes the scheduler.
        Waker(unsafe {
            imports::envoy_dynamic_module_callback_http_filter_scheduler_new(self.envoy)
        })
    }
}

fn raw_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Header> {
    let raw = |(name, value): (&str, &str)| Header {
        name: Buffer::of(name.as_bytes()),
        value: Buffer::of(value.as_bytes()),
    };
    headers.map(raw).collect()
}

/// The headers of a message, by lowercase name, in the order received.
pub(crate) struct Headers<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Headers<'a> {
    /// Returns all values of `name`.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is_it = move |(found, _): &&(&[u8], &[u8])| *found == name.as_bytes();
        self.0.iter().filter(is_it).map(|(_, value)| *value)
    }

    /// Returns the first value of `name`.
    pub(crate) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Returns the values of `name`, joined by `separator`.
    pub(crate) fn joined(&self, name: &str, separator: &[u8]) -> Option<Vec<u8>> {
        let mut values = self.all(name);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.extend_from_slice(separator);
            joined.extend_from_slice(value);
        }
        Some(joined)
    }
}

/// Wakes a paused stream: Envoy then calls its `scheduled` hook on its worker.
pub(crate) struct Waker(*mut c_void);

// SAFETY: Envoy's scheduler can be used and deleted by any thread.
unsafe impl Send for Waker {}

impl Waker {
    /// Wakes the stream. Only call this while the stream exists: its worker might be ending.
    pub(crate) fn wake(&self) {
        // SAFETY: the scheduler exists until `self` is dropped.
        unsafe {
            imports::envoy_dynamic_module_callback_http_filter_scheduler_commit(self.0, 0);
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // SAFETY: nobody else deletes the scheduler.
        unsafe { imports::envoy_dynamic_module_callback_http_filter_scheduler_delete(self.0) }
    }
}
