//! Clients that hoard connections, concurrency slots or file descriptors cannot starve others.

use harness::stack::{Server, redis};
use hyper::body::{Body, Bytes, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use limits::wire::DecideBody;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::process::{Child, Command};
use std::task::{Context, Poll};
use tempfile::TempDir;
use tests::client::Client;
use tests::gateway::binaries;
use tests::shim::{
    Api, Shims, Store, WAIT_LIMIT, charge, counter, request, sliding, start_limited, start_redis,
    wait_for,
};
use tokio::task::JoinHandle;

/// Fewer file descriptors than the connections that the tests open.
const FEW_DESCRIPTORS: usize = 256;
const HOARDED: usize = 300;

fn one() -> Vec<limits::wire::Request> {
    vec![request([charge(counter("a", "b"), sliding(1_000_000, 60_000))])]
}

fn metric(shim: &Server, name: &str) -> u64 {
    let metrics = shim.get("/metrics").expect("metrics").body;
    let lines = metrics.lines().filter(|line| !line.starts_with('#') && line.starts_with(name));
    lines.map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)).sum()
}

/// Opens `count` idle connections from one address.
fn hoard(to: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(to).expect("the kernel accepts")).collect()
}

/// A body that never yields data and never ends.
struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

type Sender<B> = http2::SendRequest<B>;

/// Opens an HTTP/2 connection that accepts `window` bytes per unread response. Returns its sender,
/// and a task that finishes when the connection ends.
async fn connect<B>(to: SocketAddr, window: u32) -> (Sender<B>, JoinHandle<()>)
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = tokio::net::TcpStream::connect(to).await.expect("the shim accepts");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.expect("the shim speaks HTTP/2");
    let ended = tokio::spawn(async move {
        let _result = connection.await;
    });
    (sender, ended)
}

#[test]
fn requests_without_their_bodies_occupy_no_slot() {
    const CONNECTIONS: usize = 9;
    const HEADS: usize = 127;
    let patient = [("TOLLGATE_DEADLINE_MS", "60000")];
    let shims = Shims::start_with(Store::Memory, 1, &patient);
    let to = shims.shims[0].addr();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(runtime.block_on(async {
            let (sender, ended) = connect::<Never>(to, 65_535).await;
            let call = |path: &str| {
                let mut sender: Sender<Never> = sender.clone();
                let request = hyper::Request::post(format!("http://{to}{path}")).body(Never);
                tokio::spawn(async move {
                    sender.ready().await.expect("a stream");
                    sender.send_request(request.expect("a request")).await
                })
            };
            let waiting: Vec<_> = (0..HEADS).map(|_| call("/v1/decide")).collect();
            tokio::task::yield_now().await;
            // The answer to a later request proves that the heads have arrived.
            let answer = call("/nowhere").await.expect("no panic").expect("an answer");
            assert_eq!(answer.status(), 404);
            (waiting, ended, sender)
        }));
    }
    assert!(shims.api(0).decide_one(one().remove(0)).admitted);
    for call in held.iter().flat_map(|(waiting, ..)| waiting) {
        assert!(!call.is_finished(), "no request may be answered before its body arrives");
    }
}

#[test]
fn idle_connections_of_one_client_do_not_delay_others() {
    let dir = TempDir::new().expect("a directory");
    let mut shim = start_limited(dir.path(), "memory:", FEW_DESCRIPTORS);
    shim.wait_ready().expect("the shim becomes ready");
    let mut gateway = Api::connect(shim.addr());
    gateway.decide(one());
    let hoarded = hoard(shim.addr(), HOARDED);
    // New connections from another address and from the same one are served, and the existing
    // connection stays open.
    let body = serde_json::to_value(DecideBody { requests: one() }).expect("JSON");
    for last in [7, 1] {
        let reply = Client::of(shim.addr()).at(last).post("/v1/decide", &body, None);
        assert_eq!(reply.status, 200, "127.0.0.{last}: {}", reply.as_text());
    }
    gateway.decide(one());
    drop(hoarded);
}

#[test]
fn client_connections_never_starve_the_redis_connection() {
    let dir = TempDir::new().expect("a directory");
    let server = start_redis(dir.path(), &[]);
    let mut shim = start_limited(dir.path(), &redis::url(&server), FEW_DESCRIPTORS);
    shim.wait_ready().expect("the shim becomes ready");
    let mut gateway = Api::connect(shim.addr());
    gateway.decide(one());
    let hoarded = hoard(shim.addr(), HOARDED);
    let client = ::redis::Client::open(redis::url(&server)).expect("a URL");
    let mut redis = client.get_connection().expect("Redis answers");
    for times in 2..5 {
        let mut kill = ::redis::cmd("CLIENT");
        kill.arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .exec(&mut redis)
            .expect("CLIENT KILL");
        wait_for("the shim to reconnect", || {
            // A call makes the shim notice that the connection is gone.
            let decided = gateway.try_decide(one()).is_ok();
            (decided && metric(&shim, "tollgate_ledger_connects_total") >= times).then_some(())
        });
    }
    drop(hoarded);
}

#[test]
fn the_descriptor_limit_is_raised_or_rejected_if_too_low() {
    let shim = &binaries().shim;
    let run = |limit: &str| {
        let script =
            format!("ulimit {limit}; exec \"$0\" serve --ledger memory: --listen 127.0.0.1:0");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(shim);
        command.stderr(std::process::Stdio::piped()).spawn().expect("a shell")
    };
    let mut low = KillOnDrop(run("-n 100"));
    let status = wait_for("the shim to exit", || low.0.try_wait().expect("a process"));
    let mut message = String::new();
    let mut stderr = low.0.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut message).expect("text");
    assert_eq!(status.code(), Some(1), "{message}");
    assert!(message.contains("file descriptors, found a limit of 100"), "{message}");
    let raised = KillOnDrop(run("-S -n 200"));
    wait_for("the limit to be raised", || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", raised.0.id())).ok()?;
        let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        let (soft, hard) = (numbers.next()?, numbers.next()?);
        (soft >= hard.min(4_096)).then_some(())
    });
}

/// A process that is killed when the test ends.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn a_connection_has_128_streams() {
    let shims = Shims::start(Store::Memory, 1);
    let mut stream = TcpStream::connect(shims.shims[0].addr()).expect("a connection");
    stream.set_read_timeout(Some(WAIT_LIMIT)).expect("a timeout");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("a preface");
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("a frame");
    assert_eq!(head[3], 4, "SETTINGS come first");
    let mut settings = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut settings).expect("settings");
    let most = settings.chunks_exact(6).find(|setting| setting[..2] == [0, 3]);
    assert_eq!(most.expect("a bound on streams")[2..], [0, 0, 0, 128]);
}

#[test]
fn a_client_that_reads_no_responses_is_disconnected() {
    let shims = Shims::start(Store::Memory, 1);
    let to = shims.shims[0].addr();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (mut sender, ended) = connect::<Full>(to, 0).await;
        let requests = vec![one().remove(0); 500];
        let body = serde_json::to_vec(&DecideBody { requests }).expect("JSON");
        let mut unread = Vec::new();
        for _ in 0..20 {
            let request = hyper::Request::post(format!("http://{to}/v1/decide"));
            let request = request.body(Full::new(Bytes::from(body.clone()))).expect("a request");
            let answer = sender.send_request(request).await.expect("an answer's head");
            assert_eq!(answer.status(), 200);
            unread.push(answer);
        }
        tokio::time::timeout(WAIT_LIMIT, ended)
            .await
            .expect("the connection is closed")
            .expect("no panic");
    });
    assert!(shims.api(0).decide_one(one().remove(0)).admitted);
}

type Full = http_body_util::Full<Bytes>;
