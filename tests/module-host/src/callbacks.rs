//! Envoy's functions, as far as the module uses them. The linker needs exactly these.

use crate::abi::{self, Buffer, Header};
use crate::metrics::{Kind as MetricKind, SUCCESS};
use crate::objects::Object;
use crate::stream::{self, Answer, Hook, Kind};
use crate::world::{Wakes, World, handle, lock, pause_point, pointer};
use crate::{filter, objects};
use std::ffi::c_void;

// SAFETY, for all of this file: the module passes pointers that are valid during the call. Handles
// are never dereferenced.

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_log_v2(
    level: u32,
    line: Buffer,
    _source_file: Buffer,
    _source_line: u32,
) {
    // SAFETY: see above.
    let line = unsafe { line.copy() };
    let line = String::from_utf8_lossy(&line);
    let mut world = lock();
    world.require(level <= 4, || format!("log level {level}"));
    // A planted panic says so.
    let is_panic = line.ends_with(": a panic");
    world.require(!is_panic, || format!("the module panicked: {line}"));
    world.log(line.into_owned());
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_is_validation_mode() -> bool {
    false
}

unsafe fn define(
    kind: MetricKind,
    config: *mut c_void,
    name: Buffer,
    labels: usize,
    id: *mut usize,
) -> u32 {
    // SAFETY: see above.
    let name = unsafe { name.copy() };
    let mut world = lock();
    let state = world.filters.get_mut(&handle(config));
    let is_new = state.as_ref().is_some_and(|state| state.hook == Some(filter::FilterHook::New));
    if let Some(state) = state {
        // SAFETY: see above.
        unsafe { *id = state.metrics.define(kind, name, labels) };
    }
    world.require(is_new, || "a metric defined after the configuration".to_owned());
    SUCCESS
}

unsafe fn add(
    kind: MetricKind,
    config: *mut c_void,
    id: usize,
    labels: *const Buffer,
    length: usize,
    amount: i128,
) -> u32 {
    // SAFETY: see above.
    let labels = unsafe { abi::copied(labels, length).iter().map(|label| label.copy()).collect() };
    let mut world = lock();
    let World { filters, values, .. } = &mut *world;
    let state = filters.get_mut(&handle(config)).filter(|state| state.hook.is_some());
    let Some(state) = state else {
        world.require(false, || "a metric outside of the configuration's hooks".to_owned());
        return SUCCESS;
    };
    match state.metrics.add(values, kind, id, labels, amount) {
        Ok(code) => code,
        Err((code, violation)) => {
            world.require(false, || violation);
            code
        }
    }
}

macro_rules! metric_callbacks {
    ($($define:ident $kind:ident: $($add:ident $sign:literal)*;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $define(
            config: *mut c_void,
            name: Buffer,
            _labels: *const Buffer,
            length: usize,
            id: *mut usize,
        ) -> u32 {
            // SAFETY: see above.
            unsafe { define(MetricKind::$kind, config, name, length, id) }
        }
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $add(
                config: *mut c_void,
                id: usize,
                labels: *const Buffer,
                length: usize,
                value: u64,
            ) -> u32 {
                const SIGN: i128 = $sign;
                let amount = SIGN * i128::from(value);
                // SAFETY: see above.
                unsafe { add(MetricKind::$kind, config, id, labels, length, amount) }
            }
        )*
    )*};
}

metric_callbacks! {
    envoy_dynamic_module_callback_http_filter_config_define_counter Counter:
        envoy_dynamic_module_callback_http_filter_config_increment_counter 1;
    envoy_dynamic_module_callback_http_filter_config_define_gauge Gauge:
        envoy_dynamic_module_callback_http_filter_config_increment_gauge 1
        envoy_dynamic_module_callback_http_filter_config_decrement_gauge -1;
    envoy_dynamic_module_callback_http_filter_config_define_histogram Histogram:
        envoy_dynamic_module_callback_http_filter_config_record_histogram_value 1;
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
    config: *mut c_void,
) -> *mut c_void {
    pointer(filter::scheduler(handle(config)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_new(
    stream: *mut c_void,
) -> *mut c_void {
    pointer(stream::scheduler(handle(stream)))
}

fn commit(scheduler: *mut c_void) {
    pause_point();
    let wakes = {
        let mut world = lock();
        let wakes = world.schedulers.get(&handle(scheduler)).copied();
        world.require(wakes.is_some(), || "a scheduler was used after its delete".to_owned());
        wakes
    };
    match wakes {
        Some(Wakes::Filter(filter)) => filter::commit(filter),
        Some(Wakes::Stream(stream)) => stream::commit(stream),
        None => {}
    }
}

fn delete(scheduler: *mut c_void) {
    pause_point();
    let mut world = lock();
    let existed = world.schedulers.remove(&handle(scheduler)).is_some();
    world.require(existed, || "a scheduler was deleted twice".to_owned());
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
    scheduler: *mut c_void,
    _event: u64,
) {
    commit(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
    scheduler: *mut c_void,
    _event: u64,
) {
    commit(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
    scheduler: *mut c_void,
) {
    delete(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: *mut c_void) {
    delete(scheduler);
}

const fn kind(number: u32) -> Option<Kind> {
    match number {
        0 => Some(Kind::Request),
        2 => Some(Kind::Response),
        3 => Some(Kind::ResponseTrailers),
        _ => None,
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(
    stream: *mut c_void,
    number: u32,
) -> usize {
    let mut world = lock();
    let Some((state, _)) = world.running(handle(stream), "get_headers_size") else { return 0 };
    kind(number).and_then(|kind| state.headers.get(&kind)).map_or(0, Vec::len)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    stream: *mut c_void,
    number: u32,
    headers: *mut Header,
) -> bool {
    let mut world = lock();
    let Some((state, _)) = world.running(handle(stream), "get_headers") else { return false };
    let Some(found) = kind(number).and_then(|kind| state.headers.get(&kind)).cloned() else {
        return false;
    };
    for (at, (name, value)) in found.iter().enumerate() {
        let header = Header { name: state.lend(name), value: state.lend(value) };
        // SAFETY: the module has made room for as many headers as there are.
        unsafe { headers.add(at).write(header) };
    }
    true
}

/// Returns true if HTTP allows the header.
fn is_valid(name: &[u8], value: &[u8]) -> bool {
    let is_name_byte = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    !name.is_empty()
        && name.iter().all(is_name_byte)
        && !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_header(
    stream: *mut c_void,
    number: u32,
    name: Buffer,
    value: Buffer,
) -> bool {
    // SAFETY: see above.
    let (name, value) = unsafe { (name.copy(), value.copy()) };
    let mut world = lock();
    world.require(is_valid(&name, &value), || format!("an invalid header: {name:?} {value:?}"));
    let Some((state, hook)) = world.running(handle(stream), "set_header") else { return false };
    state.changes();
    let kind = kind(number);
    // Earlier headers have been sent.
    let is_timely = kind.is_some_and(|kind| hook == Hook::Response(kind));
    if let Some(headers) = kind.and_then(|kind| state.headers.get_mut(&kind)) {
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value));
    }
    world.require(is_timely, || format!("a header of {kind:?} set in {hook:?}"));
    true
}

/// Takes an answer of the module.
fn answer(stream: *mut c_void, callback: &str, answer: Answer) {
    let handle = handle(stream);
    let hook = {
        let mut world = lock();
        let is_whole = (200..600).contains(&answer.status)
            && answer.headers.iter().all(|(name, value)| is_valid(name, value));
        world.require(is_whole, || format!("an invalid answer: {answer:?}"));
        let Some((state, hook)) = world.running(handle, callback) else { return };
        let violation = state.answered(hook, answer);
        world.require(violation.is_none(), || violation.unwrap_or_default());
        hook
    };
    stream::complete_answered(handle, hook);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response(
    stream: *mut c_void,
    status: u32,
    headers: *const Header,
    length: usize,
    body: Buffer,
    _details: Buffer,
) {
    // SAFETY: see above.
    let (headers, body) = unsafe { (abi::headers(headers, length), body.copy()) };
    answer(stream, "send_response", Answer { status, headers, body });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response_headers(
    stream: *mut c_void,
    headers: *const Header,
    length: usize,
    is_end: bool,
) {
    // SAFETY: see above.
    let headers = unsafe { abi::headers(headers, length) };
    lock().require(is_end, || "an answer without an end".to_owned());
    let status = headers.iter().find(|(name, _)| name == b":status");
    let status = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let status = status.unwrap_or_default();
    answer(stream, "send_response_headers", Answer { status, headers, body: Vec::new() });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
    stream: *mut c_void,
    number: u32,
    value: *mut Buffer,
) -> bool {
    let mut world = lock();
    let Some((state, _)) = world.running(handle(stream), "get_attribute") else { return false };
    let Some(found) = state.attribute(number) else { return false };
    // SAFETY: see above.
    unsafe { *value = state.lend(&found) };
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
    stream: *mut c_void,
    name: Buffer,
    value: *mut Buffer,
) -> bool {
    // SAFETY: see above.
    let name = unsafe { name.copy() };
    let mut world = lock();
    let Some((state, _)) = world.running(handle(stream), "get_filter_state") else { return false };
    let Some(found) = state.objects.texts.get(&name).cloned() else { return false };
    // SAFETY: see above.
    unsafe { *value = state.lend(&found) };
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    stream: *mut c_void,
    name: Buffer,
    value: Buffer,
) -> bool {
    // SAFETY: see above.
    let (name, value) = unsafe { (name.copy(), value.copy()) };
    let mut world = lock();
    let Some((state, _)) = world.running(handle(stream), "set_filter_state") else { return false };
    state.changes();
    if state.refuses_filter_state() {
        return false;
    }
    state.objects.texts.insert(name, value);
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_filter_state_object(
    stream: *mut c_void,
    name: Buffer,
) -> *mut c_void {
    // SAFETY: see above.
    let name = unsafe { name.copy() };
    let mut world = lock();
    let Some((state, _)) = world.running(handle(stream), "get_filter_state_object") else {
        return std::ptr::null_mut();
    };
    state.objects.get(&name).unwrap_or(std::ptr::null_mut())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_object(
    stream: *mut c_void,
    name: Buffer,
    object: *mut c_void,
    destructor: objects::Destructor,
    life_span: u32,
) -> bool {
    // SAFETY: see above.
    let name = unsafe { name.copy() };
    let object = Object { start: object, destructor, life_span };
    let (replaced, is_taken) = {
        let mut world = lock();
        match world.running(handle(stream), "set_filter_state_object") {
            Some((state, _)) if !state.refuses_filter_state() => {
                state.changes();
                (state.objects.insert(name, object), true)
            }
            // Envoy owns the object even if it refuses it.
            _ => (Some(object), false),
        }
    };
    if let Some(replaced) = replaced {
        replaced.destroy();
    }
    is_taken
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: *mut c_void) {
    stream::resume(handle(stream));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Phase, without_module};
    use crate::{forget_all, take_violations};
    use std::sync::{Mutex, PoisonError};

    /// Checks the violations of `module` on a stream that it has paused, whose `hook` is running.
    fn check(hook: Option<Hook>, module: impl FnOnce(*mut c_void), expected: &[&str]) {
        check_in(Phase::Paused, hook, module, expected);
    }

    fn check_in(
        phase: Phase,
        hook: Option<Hook>,
        module: impl FnOnce(*mut c_void),
        expected: &[&str],
    ) {
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        forget_all();
        module(pointer(without_module(phase, hook)));
        let found = take_violations();
        let found: Vec<&str> = found.iter().filter_map(|text| text.lines().next()).collect();
        let expected: Vec<String> = expected.iter().map(|text| format!("- {text}")).collect();
        assert_eq!(found, expected);
        forget_all();
    }

    fn send(stream: *mut c_void, name: &[u8]) {
        let header = Header { name: Buffer::of(name), value: Buffer::of(b"1") };
        let empty = Buffer::of(b"");
        // SAFETY: the arguments live during the call.
        unsafe {
            envoy_dynamic_module_callback_http_send_response(stream, 429, &header, 1, empty, empty);
        }
    }

    fn set_header(stream: *mut c_void, value: &[u8]) {
        let (name, value) = (Buffer::of(b"a"), Buffer::of(value));
        // SAFETY: the arguments live during the call.
        unsafe { envoy_dynamic_module_callback_http_set_header(stream, 2, name, value) };
    }

    #[test]
    fn callbacks_outside_of_hooks_are_noted() {
        let size = |stream| {
            envoy_dynamic_module_callback_http_get_headers_size(stream, 0);
        };
        check(None, size, &["get_headers_size outside of the stream's hooks"]);
        check(Some(Hook::Scheduled), size, &[]);
        check(
            None,
            |_| size(pointer(usize::MAX)),
            &["get_headers_size outside of the stream's hooks"],
        );
        check(
            Some(Hook::Scheduled),
            |stream| {
                let here = stream.addr();
                std::thread::spawn(move || {
                    envoy_dynamic_module_callback_http_get_headers_size(pointer(here), 0)
                })
                .join()
                .expect("a thread");
            },
            &["get_headers_size outside of the stream's hooks"],
        );
    }

    #[test]
    fn a_request_is_released_once() {
        let scheduled = Some(Hook::Scheduled);
        let resume = envoy_dynamic_module_callback_http_filter_continue_decoding;
        check(scheduled, |stream| resume(stream), &[]);
        check(scheduled, |stream| send(stream, b"a"), &[]);
        check(
            scheduled,
            |stream| {
                resume(stream);
                resume(stream);
            },
            &["resumed in Scheduled while Continued"],
        );
        check(
            scheduled,
            |stream| {
                resume(stream);
                send(stream, b"a");
            },
            &["an answer in Scheduled while Continued"],
        );
        let arrives = Some(Hook::RequestHeaders);
        check_in(Phase::Deciding, arrives, |stream| send(stream, b"a"), &[]);
        check_in(
            Phase::Deciding,
            arrives,
            |stream| resume(stream),
            &["resumed in RequestHeaders while Deciding"],
        );
        check_in(
            Phase::Deciding,
            arrives,
            |stream| {
                send(stream, b"a");
                send(stream, b"a");
            },
            &["an answer in RequestHeaders while Answered"],
        );
        check_in(
            Phase::Responded,
            scheduled,
            |stream| resume(stream),
            &["resumed in Scheduled while Responded"],
        );
    }

    #[test]
    fn schedulers_are_used_while_they_and_their_streams_exist() {
        let new = envoy_dynamic_module_callback_http_filter_scheduler_new;
        let arrives = Some(Hook::RequestHeaders);
        check(
            arrives,
            |stream| {
                let scheduler = new(stream);
                commit(scheduler);
                delete(scheduler);
            },
            &[],
        );
        check(
            arrives,
            |stream| {
                let scheduler = new(stream);
                delete(scheduler);
                commit(scheduler);
                delete(scheduler);
            },
            &["a scheduler was used after its delete", "a scheduler was deleted twice"],
        );
        check(
            arrives,
            |stream| {
                let scheduler = new(stream);
                lock().streams.clear();
                commit(scheduler);
                crate::world::require_nothing_is_left();
            },
            &["a stream was woken after it had ended", "1 schedulers are left"],
        );
    }

    #[test]
    fn headers_are_valid_and_in_time() {
        let response = Some(Hook::Response(Kind::Response));
        check(response, |stream| set_header(stream, b"1"), &[]);
        check(
            response,
            |stream| set_header(stream, b"1\r\nb: 2"),
            &["an invalid header: [97] [49, 13, 10, 98, 58, 32, 50]"],
        );
        check(
            Some(Hook::Complete),
            |stream| set_header(stream, b"1"),
            &["a header of Some(Response) set in Complete"],
        );
        check(
            Some(Hook::Scheduled),
            |stream| send(stream, b"A"),
            &["an invalid answer: Answer { status: 429, headers: [([65], [49])], body: [] }"],
        );
    }

    #[test]
    fn what_is_lent_ends_with_a_change() {
        check(
            Some(Hook::Response(Kind::Response)),
            |stream| {
                let lent = |stream: *mut c_void| {
                    let mut world = lock();
                    let (state, _) = world.running(handle(stream), "a test").expect("a stream");
                    state.lend(b"a");
                    state.is_lent()
                };
                assert!(lent(stream));
                set_header(stream, b"1");
                let mut world = lock();
                assert!(!world.running(handle(stream), "a test").expect("a stream").0.is_lent());
            },
            &[],
        );
    }
}
