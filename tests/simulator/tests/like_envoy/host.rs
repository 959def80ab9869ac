//! Plays the script through the proxy-wasm host.

use crate::script::{Seen, Step, callout, policy, seen, shim_reply, upstream};
use proxy_wasm_host::callout::{Callout, Fate};
use proxy_wasm_host::event::Event;
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::vm::{Request, Vm};
use simulator::envoy::Envoy;
use simulator::shim::Shim;

pub(crate) fn play(script: &[Step]) -> Vec<Seen> {
    let module = std::fs::read(harness::wasm::build().unwrap()).unwrap();
    let plugin = Plugin::compile(&module).unwrap();
    let mut envoy = Envoy::start(&plugin, (0, 1), &policy(), None).unwrap();
    let mut shim = Shim::new(0, None);
    let seen = script.iter().map(|step| ask(&mut envoy.vms[1], &mut shim, *step)).collect();
    let violations = envoy.process.take_violations();
    assert!(violations.is_empty(), "{violations:?}");
    seen
}

fn ask(vm: &mut Vm, shim: &mut Shim, step: Step) -> Seen {
    let headers = Headers::of([
        (":method", "GET"),
        (":path", step.path),
        (":authority", "gateway"),
        ("x-client", step.client),
    ]);
    let mut came = Seen::default();
    let mut callouts = Vec::new();
    let mut head = None;
    let stream = vm.open(Request { headers, is_end: true, ..Request::default() });
    let mut has_left = false;
    loop {
        vm.run_wakes();
        let events = vm.take_events();
        if events.is_empty() {
            break;
        }
        for event in events {
            match event {
                Event::Callout(call) => {
                    if step.leaves && !has_left {
                        has_left = true;
                        vm.end(stream);
                    }
                    callouts.extend(callout(call.headers.text(":path"), &call.body));
                    answer(vm, shim, step, &call);
                }
                Event::Request { stream, .. } => vm.response(stream, upstream(step.answer), true),
                Event::Response { headers, is_end, .. } => {
                    head = Some(headers.clone());
                    if is_end {
                        came = seen(status(&headers), &headers, b"");
                    }
                }
                Event::ResponseBody { bytes, .. } => {
                    let headers = head.clone().unwrap_or_default();
                    came = seen(status(&headers), &headers, &bytes);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    vm.end(stream);
    Seen { callouts, ..came }
}

fn answer(vm: &mut Vm, shim: &mut Shim, step: Step, call: &Callout) {
    let reply = shim_reply(shim, step.is_away, call.headers.text(":path"), &call.body);
    let fate = if step.is_cut { Fate::Reset } else { Fate::Replied(reply) };
    vm.answer_callout(call.token, fate);
}

fn status(headers: &Headers) -> u16 {
    headers.text(":status").parse().unwrap()
}
