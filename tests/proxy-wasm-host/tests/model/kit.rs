//! Short plugins in WebAssembly's text format.
//!
//! `@"text"` expands to a pointer and a length, `@{name=value|name=value}` to those of an encoded
//! map. All host functions are imported by name. `$print` logs a text, `$print_number` a two-digit
//! number, and `$print_returned` the bytes that the last host call returned.

use proxy_wasm_host::abi::encode_pairs;
use proxy_wasm_host::event::Event;
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::process::{Cluster, Process};
use proxy_wasm_host::vm::{Options, Request, Vm};

/// The address of the first text; the memory below it is scratch space.
const TEXTS_AT: usize = 4096;
/// The address of the first allocation.
const HEAP_AT: usize = 32_768;
/// The clock of a new process, in Unix ns.
pub(crate) const START_NS: u64 = 1_000_000_000_000;

/// The host functions and their parameter types. All return a status.
const IMPORTS: [(&str, &str); 37] = [
    ("log", "i32 i32 i32"),
    ("get_log_level", "i32"),
    ("get_current_time_nanoseconds", "i32"),
    ("set_tick_period_milliseconds", "i32"),
    ("get_property", "i32 i32 i32 i32"),
    ("set_property", "i32 i32 i32 i32"),
    ("set_effective_context", "i32"),
    ("done", ""),
    ("get_header_map_pairs", "i32 i32 i32"),
    ("set_header_map_pairs", "i32 i32 i32"),
    ("get_header_map_size", "i32 i32"),
    ("get_header_map_value", "i32 i32 i32 i32 i32"),
    ("add_header_map_value", "i32 i32 i32 i32 i32"),
    ("replace_header_map_value", "i32 i32 i32 i32 i32"),
    ("remove_header_map_value", "i32 i32 i32"),
    ("get_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("get_buffer_status", "i32 i32 i32"),
    ("set_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("continue_stream", "i32"),
    ("close_stream", "i32"),
    ("send_local_response", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("call_foreign_function", "i32 i32 i32 i32 i32 i32"),
    ("http_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("get_shared_data", "i32 i32 i32 i32 i32"),
    ("set_shared_data", "i32 i32 i32 i32 i32"),
    ("register_shared_queue", "i32 i32 i32"),
    ("resolve_shared_queue", "i32 i32 i32 i32 i32"),
    ("dequeue_shared_queue", "i32 i32 i32"),
    ("enqueue_shared_queue", "i32 i32 i32"),
    ("define_metric", "i32 i32 i32 i32"),
    ("increment_metric", "i32 i64"),
    ("record_metric", "i32 i64"),
    ("get_metric", "i32 i32"),
    ("grpc_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("grpc_cancel", "i32"),
    ("grpc_close", "i32"),
    ("get_status", "i32 i32 i32"),
];

/// The common part of all plugins: memory, an allocator and the logging functions.
const PRELUDE: &str = r#"
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const HEAP_AT))
  (func (export "proxy_abi_version_0_2_1"))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  (func $print (param $at i32) (param $length i32)
    (drop (call $log (i32.const 2) (local.get $at) (local.get $length))))
  ;; host calls return a pointer at address 0 and a length at address 4
  (func $print_returned (call $print (i32.load (i32.const 0)) (i32.load (i32.const 4))))
  (func $print_number (param $number i32)
    (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 10))))
    (i32.store8 (i32.const 65) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (call $print (i32.const 64) (i32.const 2)))
"#;

/// Returns the text of a module with these callbacks.
pub(crate) fn module(callbacks: &str) -> String {
    let mut texts: Vec<u8> = Vec::new();
    let mut body = String::new();
    let mut rest = callbacks;
    while let Some(at) = rest.find('@') {
        body.push_str(&rest[..at]);
        let close = if rest[at + 1..].starts_with('"') { '"' } else { '}' };
        let end = at + 2 + rest[at + 2..].find(close).expect("a closing \" or }");
        let inner = &rest[at + 2..end];
        let bytes = if close == '"' { inner.replace("\\r\\n", "\r\n").into() } else { map(inner) };
        let place = TEXTS_AT + texts.len();
        body.push_str(&format!("(i32.const {place}) (i32.const {})", bytes.len()));
        texts.extend(bytes);
        rest = &rest[end + 1..];
    }
    body.push_str(rest);
    let data: String = texts.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let imports: String = IMPORTS
        .iter()
        .map(|(name, params)| {
            format!(r#"(import "env" "proxy_{name}" (func ${name} (param {params}) (result i32)))"#)
        })
        .collect();
    let prelude = PRELUDE.replace("HEAP_AT", &HEAP_AT.to_string());
    format!("(module {imports} {prelude} (data (i32.const {TEXTS_AT}) \"{data}\") {body})")
}

fn map(pairs: &str) -> Vec<u8> {
    let pairs = pairs.split('|').filter(|pair| !pair.is_empty());
    encode_pairs(&Headers::of(pairs.map(|pair| pair.split_once('=').expect("name=value"))))
}

/// Creates a process with the clusters `up` and `empty`.
pub(crate) fn process() -> Process {
    Process::new(START_NS, [("up", Cluster::Hosts), ("empty", Cluster::Empty)])
}

/// Starts a VM with these callbacks in a new process.
pub(crate) fn start(callbacks: &str) -> (Process, Vm) {
    let process = process();
    let vm = start_in(&process, callbacks);
    (process, vm)
}

/// Starts a VM with these callbacks.
pub(crate) fn start_in(process: &Process, callbacks: &str) -> Vm {
    let plugin = plugin(callbacks);
    Vm::start(&plugin, process, &options("config")).expect("the plugin should start")
}

/// Compiles a plugin with these callbacks.
pub(crate) fn plugin(callbacks: &str) -> Plugin {
    Plugin::compile(module(callbacks).as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns options with this configuration.
pub(crate) fn options(configuration: &str) -> Options {
    Options {
        vm_id: "vm".to_owned(),
        root_id: "root".to_owned(),
        vm_configuration: b"of the vm".to_vec(),
        configuration: configuration.as_bytes().to_vec(),
    }
}

/// Returns a `GET` request without a body.
pub(crate) fn get(path: &str) -> Request {
    let headers = [(":method", "GET"), (":path", path), (":authority", "host"), ("x-a", "1")];
    Request { headers: Headers::of(headers), is_end: true, ..Request::default() }
}

/// Takes the log lines since the last call, joined by spaces.
pub(crate) fn logged(process: &Process) -> String {
    let lines = process.take_log().into_iter().map(|line| line.message);
    lines.collect::<Vec<_>>().join(" ")
}

/// Takes the violations since the last call, joined by semicolons.
pub(crate) fn violations(process: &Process) -> String {
    let found =
        process.take_violations().into_iter().map(|v| format!("{}: {}", v.function, v.what));
    found.collect::<Vec<_>>().join("; ")
}

/// Takes the events since the last call, in a short notation.
pub(crate) fn events(vm: &mut Vm) -> String {
    let shown = |headers: &Headers| {
        let pairs = headers.iter().map(|(name, value)| {
            format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        });
        pairs.collect::<Vec<_>>().join(" ")
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = vm.take_events().into_iter().map(|event| match event {
        Event::Request { stream, headers, .. } => format!("{stream} > {}", shown(&headers)),
        Event::RequestBody { stream, bytes, is_end } => {
            format!("{stream} > body {}{}", text(&bytes), if is_end { "." } else { "" })
        }
        Event::RequestTrailers { stream, trailers } => {
            format!("{stream} > trailers {}", shown(&trailers))
        }
        Event::Response { stream, headers, is_local, .. } => {
            format!("{stream} < {}{}", if is_local { "local " } else { "" }, shown(&headers))
        }
        Event::ResponseBody { stream, bytes, is_end } => {
            format!("{stream} < body {}{}", text(&bytes), if is_end { "." } else { "" })
        }
        Event::ResponseTrailers { stream, trailers } => {
            format!("{stream} < trailers {}", shown(&trailers))
        }
        Event::Reset { stream } => format!("{stream} reset"),
        Event::Callout(call) => format!(
            "call {} by {} to {} {}: {}",
            call.token,
            call.context,
            call.cluster,
            call.headers.text(":path"),
            text(&call.body)
        ),
        Event::Crashed(crash) => format!("crashed in {}: {}", crash.callback, crash.last_words),
    });
    lines.collect::<Vec<_>>().join("\n")
}
