//! Plays the script through a real Envoy. The shim records the calls that it gets.

use crate::script::{Seen, Step, callout, policy, seen, shim_reply, upstream};
use crate::web::{self, Message};
use harness::stack::{Port, Server, envoy};
use harness::{clock::Deadline, envoy_config, setup, wasm};
use proxy_wasm_host::headers::Headers;
use serde_json::{Value, json};
use simulator::shim::Shim;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// A shim that records calls.
struct Recorder {
    state: Mutex<State>,
    released: Condvar,
}

struct State {
    shim: Shim,
    callouts: Vec<(String, Value)>,
    is_away: bool,
    is_cut: bool,
    /// Replies wait while this is true.
    is_held: bool,
}

/// Plays the script. After each step, waits for as many callouts as the `expected` step has.
pub(crate) fn play(script: &[Step], expected: &[Seen]) -> Vec<Seen> {
    let state = State {
        shim: Shim::new(0, None),
        callouts: Vec::new(),
        is_away: false,
        is_cut: false,
        is_held: false,
    };
    let recorder = Arc::new(Recorder { state: Mutex::new(state), released: Condvar::new() });
    let dir = tempfile::tempdir().unwrap();
    let envoy = start(dir.path(), Arc::clone(&recorder));
    let steps = script.iter().zip(expected);
    steps.map(|(step, expected)| ask(&envoy, &recorder, *step, expected.callouts.len())).collect()
}

fn start(dir: &std::path::Path, recorder: Arc<Recorder>) -> Server {
    let shim = web::serve(move |request| recorder.answer(request));
    let backend = web::serve(|request| (upstream(request.headers.text("x-answer")), Vec::new()));
    let (gateway, admin) = (Port::free().unwrap(), Port::free().unwrap());
    let mut config = envoy_config::render(&envoy_config::Options {
        gateway: gateway.number().into(),
        admin: admin.number().into(),
        shim: shim.port().into(),
        backend: backend.port().into(),
        wasm: Some(wasm::build().unwrap()),
        policy: Some(policy()),
        ..envoy_config::Options::default()
    })
    .unwrap();
    let clusters = envoy_config::at(&mut config.envoy, "/static_resources/clusters").unwrap();
    let cluster = envoy_config::named(clusters, "tollgate").unwrap();
    let options = "/typed_extension_protocol_options\
                   /envoy.extensions.upstreams.http.v3.HttpProtocolOptions/explicit_http_config";
    *envoy_config::at(cluster, options).unwrap() = json!({ "http_protocol_options": {} });
    let program = setup::envoy().unwrap();
    let env = Vec::new();
    let workers = 1;
    envoy::start(envoy::Options { program, gateway, admin, config: &config, workers, dir, env })
        .unwrap()
}

impl Recorder {
    fn answer(&self, request: &Message) -> (Headers, Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        state.callouts.extend(callout(request.second(), &request.body));
        while state.is_held {
            state = self.released.wait(state).unwrap();
        }
        let is_away = state.is_away;
        let mut reply = shim_reply(&mut state.shim, is_away, request.second(), &request.body);
        if state.is_cut {
            reply.headers.add(web::CUT.as_bytes(), b"");
        }
        (reply.headers, reply.body)
    }

    /// Waits for `count` calls, then takes the calls recorded so far.
    fn callouts(&self, count: usize) -> Vec<(String, Value)> {
        wait_until(|| self.state.lock().unwrap().callouts.len() >= count);
        std::mem::take(&mut self.state.lock().unwrap().callouts)
    }
}

fn ask(envoy: &Server, recorder: &Recorder, step: Step, callouts: usize) -> Seen {
    recorder.state.lock().unwrap().is_away = step.is_away;
    recorder.state.lock().unwrap().is_cut = step.is_cut;
    recorder.state.lock().unwrap().is_held = step.leaves;
    let headers = [("x-client", step.client), ("x-answer", step.answer)];
    let mut answer = web::get(envoy.addr(), step.path, &headers);
    let came = if step.leaves {
        wait_until(|| !recorder.state.lock().unwrap().callouts.is_empty());
        drop(answer);
        let admin = envoy.admin_addr().unwrap();
        wait_until(|| counter(admin, "downstream_cx_destroy_remote_active_rq") > 0);
        recorder.state.lock().unwrap().is_held = false;
        recorder.released.notify_all();
        Seen::default()
    } else {
        let answer = web::read(&mut answer).unwrap();
        seen(answer.second().parse().unwrap(), &answer.headers, &answer.body)
    };
    Seen { callouts: recorder.callouts(callouts), ..came }
}

fn counter(admin: SocketAddr, name: &str) -> u64 {
    let path = format!("/stats?filter=gateway.{name}");
    let mut reader = web::get(admin, &path, &[]);
    let mut text = String::new();
    // The admin interface closes the connection after its response.
    let _ = std::io::Read::read_to_string(&mut reader, &mut text);
    let counts = text.lines().filter_map(|line| line.rsplit_once(": "));
    counts.filter(|(stat, _)| stat.contains(name)).filter_map(|(_, n)| n.parse::<u64>().ok()).sum()
}

fn wait_until(is_true: impl Fn() -> bool) {
    let deadline = Deadline::after(LIMIT);
    while !is_true() {
        assert!(!deadline.has_passed(), "the condition was not met within {LIMIT:?}");
        std::thread::sleep(POLL);
    }
}
