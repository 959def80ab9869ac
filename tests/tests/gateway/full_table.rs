//! Counting without the ledger when more clients come than Envoy's table has places for.

use super::metrics::{values, wait_until};
use harness::envoy_config::{at, http_connection_manager};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tests::gateway::{Gateway, Options, crashes};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// The requests under way at once, below Envoy's limit on streams.
const AT_ONCE: usize = 64;
/// As many, with eight counters each, are more than the table's 131,072 places.
const MANY: u32 = 20_000;

/// A gateway whose ledger is down, and a connection from a proxy that it trusts.
struct Outage {
    gateway: Gateway,
    runtime: Runtime,
    sender: http2::SendRequest<Empty<Bytes>>,
}

/// Returns eight buckets whose names begin with `name`.
fn eight(name: &str, bucket: &Value) -> impl Iterator<Item = (String, Value)> {
    (0..8).map(move |at| (format!("{name}{at}"), bucket.clone()))
}

fn policy() -> Value {
    let bucket = |on_failure: Value| json!({ "key": "client", "limit": 2, "window": "10m", "on_failure": on_failure });
    let (local, open) =
        (bucket(json!("local")), bucket(json!({ "local": { "when_full": "allow" } })));
    let buckets: serde_json::Map<String, Value> =
        std::iter::once(("login".to_owned(), local.clone()))
            .chain(eight("page", &local))
            .chain(eight("open", &open))
            .collect();
    let charge = |name: &str| -> Vec<String> {
        buckets.keys().filter(|bucket| bucket.starts_with(name)).cloned().collect()
    };
    let rule =
        |name: &str| json!({ "match": { "paths": [format!("/{name}")] }, "charge": charge(name) });
    json!({
        "version": 1,
        "salt": "a salt of this test",
        "keys": { "client": { "client_ip": {} } },
        "rules": [rule("login"), rule("page"), rule("open")],
        "buckets": buckets,
    })
}

/// Trusts the address that the proxy in front appends, and answers every request.
fn edit(config: &mut Value) {
    let http = http_connection_manager(config).unwrap();
    *at(http, "/xff_num_trusted_hops").unwrap() = json!(1);
    *at(http, "/route_config/virtual_hosts/0/routes").unwrap() =
        json!([{ "match": { "prefix": "/" }, "direct_response": { "status": 200 } }]);
}

impl Outage {
    fn start() -> Self {
        let options = Options { policy: policy(), edit, ..Options::default() };
        let mut gateway = Gateway::start(&options).unwrap();
        gateway.ledger_server().kill();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let to = gateway.envoys[0].addr();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(to).await.unwrap();
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { gateway, runtime, sender }
    }

    /// Sends a request of each client. Returns their statuses, in order.
    fn send(&self, path: &str, clients: impl IntoIterator<Item = IpAddr>) -> Vec<u16> {
        let clients: Vec<IpAddr> = clients.into_iter().collect();
        let mut statuses = Vec::with_capacity(clients.len());
        for batch in clients.chunks(AT_ONCE) {
            self.runtime.block_on(async {
                let under_way: Vec<_> = batch
                    .iter()
                    .map(|client| {
                        let request = hyper::Request::get(format!("http://gateway{path}"))
                            .header("x-forwarded-for", client.to_string())
                            .body(Empty::new());
                        tokio::spawn(self.sender.clone().send_request(request.unwrap()))
                    })
                    .collect();
                for one in under_way {
                    let reply = one.await.unwrap().unwrap();
                    statuses.push(reply.status().as_u16());
                    reply.into_body().collect().await.unwrap();
                }
            });
        }
        statuses
    }

    /// Each client logs in twice, and is refused the third time.
    fn assert_limited(&self, clients: std::ops::Range<u32>) {
        for status in [200, 200, 429] {
            let statuses = self.send("/login", clients.clone().map(elsewhere));
            assert_eq!(statuses.iter().position(|found| *found != status), None, "{status}");
        }
    }
}

/// Returns a client in a network of its own.
fn elsewhere(at: u32) -> IpAddr {
    Ipv4Addr::from(0x2000_0001 + (at << 16)).into()
}

/// Returns a client in one IPv6 /48.
fn attacker(at: u32) -> IpAddr {
    Ipv6Addr::from(0x2001_0db8_0bad_0000_0000_0000_0000_0001 | u128::from(at) << 64).into()
}

#[test]
fn a_network_that_fills_the_table_harms_nobody_and_a_full_one_does_what_the_policy_says() {
    let outage = Outage::start();
    outage.assert_limited(0..200);
    let attack = outage.send("/page", (0..MANY).map(attacker));
    let refused = attack.iter().filter(|status| **status == 503).count();
    assert!(refused > 1_000, "the attacker fills the table: {refused}");
    assert_eq!(attack.iter().filter(|status| **status == 200).count(), attack.len() - refused);
    let still = outage.send("/login", (0..200).map(elsewhere));
    assert_eq!(still.iter().find(|status| **status != 429), None, "they are still limited");
    outage.assert_limited(200..1_200);
    // Most of the 1,000 newcomers came to a full page, and took one place each.
    wait_until(&outage.gateway, "all refusals and the evictions", |text| {
        let full = values(text, "tollgate_decisions", &[("by", "full"), ("verdict", "denied")]);
        let evicted: u64 = values(text, "tollgate_local_evicted", &[]).sum();
        full.sum::<u64>() == refused as u64 && (500..=1_000).contains(&evicted)
    });

    let open = outage.send("/open", (2_000..2_000 + MANY).map(elsewhere));
    assert_eq!(open.iter().find(|status| **status != 200), None, "when_full: allow");
    wait_until(&outage.gateway, "requests that passed uncounted", |text| {
        let full = values(text, "tollgate_decisions", &[("by", "full"), ("verdict", "admitted")]);
        full.sum::<u64>() > 1_000
    });
    assert_eq!(crashes(&outage.gateway.envoys[0]), 0, "the filter crashed");
}
