//! Many concurrent calls: they share scripts, and overload is rejected.

use harness::stack::Server;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use limits::wire::DecideBody;
use std::net::SocketAddr;
use tests::shim::{Shims, Store, charge, counter, request, sliding, wait_for};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Timeouts long enough for calls to survive a paused Redis.
const LONG_TIMEOUTS: [(&str, &str); 2] =
    [("TOLLGATE_DEADLINE_MS", "60000"), ("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "60000")];

/// Calls per connection, well below its stream limit.
const CALLS_EACH: usize = 100;

/// Starts `count` concurrent calls of one request each. Returns tasks with their status and body.
fn calls(runtime: &Runtime, to: SocketAddr, count: usize) -> Vec<JoinHandle<(u16, Bytes)>> {
    let one = request([charge(counter("a", "b"), sliding(1_000_000, 60_000))]);
    let body = serde_json::to_vec(&DecideBody { requests: vec![one] }).expect("JSON");
    let body = Bytes::from(body);
    let connect = || {
        runtime.block_on(async {
            let stream = TcpStream::connect(to).await.expect("the shim accepts");
            let connected = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = connected.expect("the shim speaks HTTP/2");
            tokio::spawn(connection);
            sender
        })
    };
    let call = |mut sender: http2::SendRequest<Full<Bytes>>, body: Bytes| async move {
        let request = hyper::Request::post(format!("http://{to}/v1/decide")).body(Full::new(body));
        let reply = sender.send_request(request.expect("a request")).await.expect("a reply");
        let status = reply.status().as_u16();
        (status, reply.into_body().collect().await.expect("a body").to_bytes())
    };
    let senders: Vec<_> = (0..count.div_ceil(CALLS_EACH)).map(|_| connect()).collect();
    let senders = senders.iter().flat_map(|sender| std::iter::repeat_n(sender, CALLS_EACH));
    senders.take(count).map(|sender| runtime.spawn(call(sender.clone(), body.clone()))).collect()
}

fn metric(shim: &Server, name: &str) -> u64 {
    let metrics = shim.get("/metrics").expect("metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |number| number.parse().expect("a whole number"))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn statuses(runtime: &Runtime, calls: Vec<JoinHandle<(u16, Bytes)>>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(runtime.block_on(call).expect("a call").0);
    }
    statuses
}

/// Pauses the server that has the counter of [`calls`].
fn freeze(shims: &mut Shims) {
    match &shims.cluster {
        None => shims.redis().pause(),
        Some(cluster) => {
            // The other nodes must not declare it failed meanwhile.
            for node in 0..cluster.nodes.len() {
                cluster.ask(node, &["CONFIG", "SET", "cluster-node-timeout", "600000"]);
            }
            cluster.nodes[cluster.node_of(counter("a", "b").as_str())].pause();
        }
    }
}

fn thaw(shims: &mut Shims) {
    match &shims.cluster {
        None => shims.redis().resume(),
        Some(cluster) => cluster.nodes.iter().for_each(|node| node.resume()),
    }
}

#[test]
fn calls_that_wait_for_a_script_share_the_next_one() {
    assert_calls_share_scripts(Store::Redis);
}

#[test]
fn calls_that_wait_for_a_script_share_the_next_one_on_a_cluster() {
    assert_calls_share_scripts(Store::Cluster);
}

fn assert_calls_share_scripts(store: Store) {
    let mut shims = Shims::start_with(store, 1, &LONG_TIMEOUTS);
    let scripts =
        |shims: &Shims| metric(&shims.shims[0], r#"tollgate_scripts_total{kind="decide"}"#);
    let runtime = runtime();
    let to = shims.shims[0].addr();
    assert_eq!(statuses(&runtime, calls(&runtime, to, 1)), [200]);
    let before = scripts(&shims);
    freeze(&mut shims);
    let calls = calls(&runtime, to, 200);
    wait_for("all calls to wait", || {
        // A current-thread runtime drives the calls only inside block_on.
        runtime.block_on(tokio::task::yield_now());
        (metric(&shims.shims[0], "tollgate_queue_depth_requests") == 200).then_some(())
    });
    thaw(&mut shims);
    let statuses = statuses(&runtime, calls);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let scripts = scripts(&shims) - before;
    assert!((1..=2).contains(&scripts), "{scripts} scripts for 200 calls");
}

#[test]
fn excess_calls_are_rejected_and_the_others_answered() {
    assert_overload_is_rejected(Store::Redis);
}

#[test]
fn excess_calls_are_rejected_and_the_others_answered_on_a_cluster() {
    assert_overload_is_rejected(Store::Cluster);
}

fn assert_overload_is_rejected(store: Store) {
    let mut shims = Shims::start_with(store, 1, &LONG_TIMEOUTS);
    let runtime = runtime();
    let to = shims.shims[0].addr();
    assert_eq!(statuses(&runtime, calls(&runtime, to, 1)), [200]);
    freeze(&mut shims);
    let (first, second) = (calls(&runtime, to, 600), calls(&runtime, to, 600));
    wait_for("1,024 calls to wait and the others to be rejected", || {
        runtime.block_on(tokio::task::yield_now());
        let refused = r#"tollgate_http_calls_total{path="/v1/decide",status="503"}"#;
        (metric(&shims.shims[0], refused) == 176).then_some(())
    });
    thaw(&mut shims);
    let mut all = statuses(&runtime, first);
    all.extend(statuses(&runtime, second));
    assert_eq!(all.iter().filter(|status| **status == 200).count(), 1_024);
    assert_eq!(all.iter().filter(|status| **status == 503).count(), 176);
}
