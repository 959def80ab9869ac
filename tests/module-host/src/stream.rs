//! A stream, on one of Envoy's workers.

use crate::abi::{self};
use crate::filter::Filter;
use crate::objects::Objects;
use crate::world::{Wakes, World, lock, pause_point, pointer};
use std::collections::HashMap;
use std::ffi::c_void;
use std::thread::ThreadId;

/// Headers, by lowercase name, in order.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// A kind of headers, by Envoy's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// The request's headers.
    Request = 0,
    /// The response's headers.
    Response = 2,
    /// The response's trailers.
    ResponseTrailers = 3,
}

/// A response that the module sent itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u32,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// What Envoy knows about a request, apart from the module.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The headers.
    pub headers: Headers,
    /// The attributes, by Envoy's number.
    pub attributes: HashMap<u32, Vec<u8>>,
    /// The texts in the filter state that other filters have set.
    pub filter_state: HashMap<Vec<u8>, Vec<u8>>,
    /// True if Envoy refuses what the module adds to the filter state.
    pub refuses_filter_state: bool,
    /// The response with which the router fails at once, on the stack of the hook that lets the
    /// request continue.
    pub fails_at_once: Option<Headers>,
}

/// A stream. It must stay on one thread.
#[derive(Debug)]
pub struct Stream {
    handle: usize,
}

/// A stream's way through the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The filter has not decoded it.
    New,
    /// Its headers are with the module.
    Deciding,
    Paused,
    Continued,
    /// The module has answered it.
    Answered,
    /// Envoy or the upstream has answered it.
    Responded,
}

/// The hook of a stream that is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    New,
    RequestHeaders,
    Scheduled,
    Response(Kind),
    Complete,
}

/// Envoy's side of a stream.
pub(crate) struct StreamState {
    module: *const c_void,
    thread: ThreadId,
    request: Request,
    pub(crate) headers: HashMap<Kind, Headers>,
    pub(crate) objects: Objects,
    phase: Phase,
    /// The running hooks, the innermost last: what the module calls can call the module.
    hooks: Vec<Hook>,
    answer: Option<Answer>,
    /// The number of `scheduled` hooks that are due.
    due: usize,
    /// True once the stream has ended: the module has only to free what it has for it.
    has_ended: bool,
    /// What the running hook has borrowed.
    lent: Vec<Box<[u8]>>,
}

// SAFETY: the pointers are only used on the stream's thread.
unsafe impl Send for StreamState {}

impl Stream {
    /// Creates a stream, as a client's request arrives.
    #[must_use]
    pub fn new(filter: &Filter, request: Request) -> Self {
        Self::with(filter, request, Objects::default())
    }

    fn with(filter: &Filter, request: Request, mut objects: Objects) -> Self {
        objects.texts.clone_from(&request.filter_state);
        let handle = {
            let mut world = lock();
            let handle = world.next_handle();
            world.streams.insert(handle, StreamState::new(request, objects));
            handle
        };
        // SAFETY: the module's configuration has not been destroyed.
        let module =
            unsafe { abi::envoy_dynamic_module_on_http_filter_new(filter.module, pointer(handle)) };
        {
            let mut world = lock();
            world.require(!module.is_null(), || "no object for a stream".to_owned());
            if let Some(state) = world.streams.get_mut(&handle) {
                state.module = module;
                state.hooks.clear();
            }
        }
        Self { handle }
    }

    /// Passes the request's headers to the module.
    pub fn request_headers(&self) {
        self.state(|state| state.phase = Phase::Deciding);
        let handle = self.handle;
        let result = run(handle, Hook::RequestHeaders, |module| {
            // SAFETY: the module's pointer is valid until the stream is destroyed.
            unsafe {
                abi::envoy_dynamic_module_on_http_filter_request_headers(
                    pointer(handle),
                    module,
                    true,
                )
            }
        });
        let mut world = lock();
        let has_scheduler = world.schedulers.values().any(|wakes| *wakes == Wakes::Stream(handle));
        let Some(state) = world.streams.get_mut(&handle) else { return };
        let (phase, is_right) = match result {
            Some(0) => (Phase::Continued, state.phase == Phase::Deciding),
            Some(4) => (Phase::Paused, state.phase == Phase::Deciding && has_scheduler),
            _ => (state.phase, state.phase == Phase::Answered),
        };
        let before = std::mem::replace(&mut state.phase, phase);
        world.require(is_right, || format!("{result:?} from request_headers while {before:?}"));
        drop(world);
        if phase == Phase::Continued {
            fail_at_once(handle);
        }
    }

    /// Runs the `scheduled` hook if it is due. Returns true if it was.
    pub fn run_scheduled(&self) -> bool {
        let is_due = self.state(|state| {
            let is_due = state.due > 0;
            state.due = state.due.saturating_sub(1);
            is_due
        });
        if is_due {
            let handle = self.handle;
            run(handle, Hook::Scheduled, |module| {
                // SAFETY: as in `request_headers`.
                unsafe {
                    abi::envoy_dynamic_module_on_http_filter_scheduled(pointer(handle), module, 0);
                }
            });
        }
        is_due
    }

    /// Passes the headers of the response to the module: of the upstream, or of Envoy if the request
    /// has not continued. Does nothing if the request has been answered.
    pub fn respond(&self, headers: Headers) {
        respond(self.handle, Kind::Response, headers);
    }

    /// Passes the trailers of the response to the module.
    pub fn trailers(&self, trailers: Headers) {
        if self.state(|state| state.headers.contains_key(&Kind::Response)) {
            respond(self.handle, Kind::ResponseTrailers, trailers);
        }
    }

    /// Returns true if the module has paused the request.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state(|state| state.phase == Phase::Paused)
    }

    /// Returns true if the module let the request pass.
    #[must_use]
    pub fn has_continued(&self) -> bool {
        self.state(|state| matches!(state.phase, Phase::Continued | Phase::Responded))
    }

    /// Returns the module's own response.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        self.state(|state| state.answer.clone())
    }

    /// Returns the headers of the response as the client gets them.
    #[must_use]
    pub fn response(&self) -> Headers {
        self.state(|state| state.headers.get(&Kind::Response).cloned().unwrap_or_default())
    }

    /// Returns the text that the module has set in the filter state.
    #[must_use]
    pub fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.state(|state| state.objects.texts.get(name.as_bytes()).cloned())
    }

    /// Ends the stream: it is complete, or its client has left.
    pub fn end(self) {
        complete(self.handle);
        self.destroy().objects.into_all().into_iter().for_each(crate::objects::Object::destroy);
    }

    /// Ends the stream without `stream_complete`, as for a filter chain that never ran.
    pub fn drop_silently(self) {
        self.destroy().objects.into_all().into_iter().for_each(crate::objects::Object::destroy);
    }

    /// Ends the stream, and starts another for the same request, as for an internal redirect. The
    /// new stream inherits the objects of the request.
    #[must_use]
    pub fn redirect(self, filter: &Filter, request: Request) -> Self {
        complete(self.handle);
        let (inherited, ended) = self.destroy().objects.split();
        ended.into_iter().for_each(crate::objects::Object::destroy);
        Self::with(filter, request, inherited)
    }

    /// Destroys the module's object, which Envoy does last.
    fn destroy(self) -> StreamState {
        let module = self.state(|state| {
            state.has_ended = true;
            state.module
        });
        // SAFETY: the module's pointer is valid, and not used again.
        unsafe { abi::envoy_dynamic_module_on_http_filter_destroy(module) };
        let mut world = lock();
        let schedulers = world.schedulers.values();
        let left = schedulers.filter(|wakes| **wakes == Wakes::Stream(self.handle)).count();
        world.require(left == 0, || format!("{left} schedulers of a destroyed stream are left"));
        world.streams.remove(&self.handle).expect("a stream exists until it is destroyed")
    }

    fn state<T>(&self, read: impl FnOnce(&mut StreamState) -> T) -> T {
        let mut world = lock();
        read(world.streams.get_mut(&self.handle).expect("a stream exists until it is destroyed"))
    }
}

/// Runs a hook of stream `handle`. Returns `None` if the stream has ended.
fn run<T>(handle: usize, hook: Hook, call: impl FnOnce(*const c_void) -> T) -> Option<T> {
    let module = {
        let mut world = lock();
        let state = world.streams.get_mut(&handle).filter(|state| !state.has_ended)?;
        state.hooks.push(hook);
        state.module
    };
    let result = call(module);
    let mut world = lock();
    let state = world.streams.get_mut(&handle)?;
    state.hooks.pop();
    state.lent.clear();
    Some(result)
}

fn respond(handle: usize, kind: Kind, headers: Headers) {
    {
        let mut world = lock();
        let Some(state) = world.streams.get_mut(&handle) else { return };
        // Envoy does not show the module its own answer, nor a second response.
        let is_over = state.has_ended || state.phase == Phase::Answered;
        if is_over || state.headers.contains_key(&kind) {
            return;
        }
        state.phase = Phase::Responded;
        state.headers.insert(kind, headers);
    }
    let result = run(handle, Hook::Response(kind), |module| {
        // SAFETY: the module's pointer is valid until the stream is destroyed.
        unsafe {
            if kind == Kind::Response {
                abi::envoy_dynamic_module_on_http_filter_response_headers(
                    pointer(handle),
                    module,
                    false,
                )
            } else {
                abi::envoy_dynamic_module_on_http_filter_response_trailers(pointer(handle), module)
            }
        }
    });
    lock().require(result == Some(0), || format!("{result:?} from the hook of {kind:?}"));
}

/// Completes a stream, once.
fn complete(handle: usize) {
    run(handle, Hook::Complete, |module| {
        // SAFETY: the module's pointer is valid until the stream is destroyed.
        unsafe { abi::envoy_dynamic_module_on_http_filter_stream_complete(pointer(handle), module) }
    });
    if let Some(state) = lock().streams.get_mut(&handle) {
        state.has_ended = true;
    }
    pause_point();
}

/// Lets the router fail, on the stack of the hook that let the request continue.
fn fail_at_once(handle: usize) {
    let state = |state: &mut StreamState| state.request.fails_at_once.take();
    let failed = lock().streams.get_mut(&handle).and_then(state);
    if let Some(headers) = failed {
        respond(handle, Kind::Response, headers);
        complete(handle);
    }
}

impl World {
    /// Returns the stream whose hook is running, and that hook.
    pub(crate) fn running(
        &mut self,
        handle: usize,
        callback: &str,
    ) -> Option<(&mut StreamState, Hook)> {
        let here = std::thread::current().id();
        let state = self.streams.get(&handle);
        let hook = state.filter(|state| state.thread == here).and_then(|state| state.hook());
        self.require(hook.is_some(), || format!("{callback} outside of the stream's hooks"));
        Some((self.streams.get_mut(&handle)?, hook?))
    }
}

impl StreamState {
    fn new(request: Request, objects: Objects) -> Self {
        Self {
            module: std::ptr::null(),
            thread: std::thread::current().id(),
            headers: HashMap::from([(Kind::Request, request.headers.clone())]),
            request,
            objects,
            phase: Phase::New,
            hooks: vec![Hook::New],
            answer: None,
            due: 0,
            has_ended: false,
            lent: Vec::new(),
        }
    }

    fn hook(&self) -> Option<Hook> {
        self.hooks.last().copied()
    }

    /// Lends bytes to the module until the hook ends or changes the stream.
    pub(crate) fn lend(&mut self, bytes: &[u8]) -> abi::Buffer {
        let lent: Box<[u8]> = bytes.into();
        let buffer = abi::Buffer::of(&lent);
        self.lent.push(lent);
        buffer
    }

    #[cfg(test)]
    pub(crate) const fn is_lent(&self) -> bool {
        !self.lent.is_empty()
    }

    /// Ends all loans, as a change of the stream does.
    pub(crate) fn changes(&mut self) {
        self.lent.clear();
    }

    pub(crate) fn attribute(&self, number: u32) -> Option<Vec<u8>> {
        self.request.attributes.get(&number).cloned()
    }

    pub(crate) const fn refuses_filter_state(&self) -> bool {
        self.request.refuses_filter_state
    }

    /// Takes the module's answer. Returns the violation, if it may not answer now.
    pub(crate) fn answered(&mut self, hook: Hook, answer: Answer) -> Option<String> {
        let may_answer = match hook {
            Hook::RequestHeaders => self.phase == Phase::Deciding,
            Hook::Scheduled => self.phase == Phase::Paused,
            _ => false,
        };
        let violation = format!("an answer in {hook:?} while {:?}", self.phase);
        self.changes();
        self.answer = Some(answer);
        self.phase = Phase::Answered;
        (!may_answer).then_some(violation)
    }
}

/// Resumes stream `handle`, and lets the router have it.
pub(crate) fn resume(handle: usize) {
    {
        let mut world = lock();
        let Some((state, hook)) = world.running(handle, "continue_decoding") else { return };
        state.changes();
        let before = std::mem::replace(&mut state.phase, Phase::Continued);
        let is_right = hook == Hook::Scheduled && before == Phase::Paused;
        world.require(is_right, || format!("resumed in {hook:?} while {before:?}"));
    }
    fail_at_once(handle);
}

/// Completes an answered stream on the stack of the hook that answered it, as Envoy does outside of
/// the request's hooks.
pub(crate) fn complete_answered(handle: usize, hook: Hook) {
    if hook == Hook::Scheduled {
        complete(handle);
    }
}

/// Creates a scheduler for stream `handle`.
pub(crate) fn scheduler(handle: usize) -> usize {
    let mut world = lock();
    let _is_running = world.running(handle, "scheduler_new");
    let scheduler = world.next_handle();
    world.schedulers.insert(scheduler, Wakes::Stream(handle));
    scheduler
}

/// Notes that a scheduler of stream `handle` was used.
pub(crate) fn commit(handle: usize) {
    let mut world = lock();
    match world.streams.get_mut(&handle) {
        Some(state) if !state.has_ended => state.due += 1,
        // Its worker may have ended.
        _ => {
            world.require(false, || "a stream was woken after it had ended".to_owned());
        }
    }
}

/// Creates a stream that no module has, in `phase` and with a running hook, for tests of the model.
#[cfg(test)]
pub(crate) fn without_module(phase: Phase, hook: Option<Hook>) -> usize {
    let mut world = lock();
    let handle = world.next_handle();
    let mut state = StreamState::new(Request::default(), Objects::default());
    state.phase = phase;
    state.hooks = hook.into_iter().collect();
    world.streams.insert(handle, state);
    handle
}
