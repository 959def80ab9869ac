//! Loads a plugin and sends one request through it:
//!
//! ```text
//! cargo run -p tollgate-proxy-wasm-host --example one_request -- PLUGIN.wasm CONFIGURATION.json [PATH]
//! ```
//!
//! Callouts go to a cluster `tollgate` that refuses the connection. The plugin gets
//! `CONFIGURATION.json` unchanged.

use proxy_wasm_host::callout::Fate;
use proxy_wasm_host::event::Event;
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::process::{Cluster, Process};
use proxy_wasm_host::vm::{Options, Request, Vm};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(plugin), Some(configuration)) = (args.next(), args.next()) else {
        return Err("expected PLUGIN.wasm CONFIGURATION.json [PATH]".into());
    };
    let path = args.next().unwrap_or_else(|| "/".to_owned());

    let plugin = Plugin::compile(&std::fs::read(plugin)?)?;
    let process = Process::new(1_700_000_000_000_000_000, [("tollgate", Cluster::Hosts)]);
    let configuration = std::fs::read(configuration)?;
    let mut vm = Vm::start(&plugin, &process, &Options { configuration, ..Options::default() })?;

    let headers = Headers::of([(":method", "GET"), (":path", &path), (":authority", "localhost")]);
    let mut request = Request { headers, is_end: true, ..Request::default() };
    request.properties.set(&["source", "address"], "192.0.2.1:50000");
    let stream = vm.open(request);
    loop {
        vm.run_wakes();
        let events = vm.take_events();
        if events.is_empty() {
            break;
        }
        for event in events {
            println!("{event:#?}");
            match event {
                Event::Callout(callout) => vm.answer_callout(callout.token, Fate::Refused),
                Event::Request { stream, .. } => {
                    vm.response(stream, Headers::of([(":status", "200")]), true);
                }
                _ => {}
            }
        }
    }
    vm.end(stream);
    process.take_log().iter().for_each(|line| println!("{:?}: {}", line.level, line.message));
    process.take_violations().iter().for_each(|v| println!("{}: {}", v.function, v.what));
    Ok(())
}
