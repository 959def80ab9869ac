//! The shim and the backend listen on IPv4 only, but their names also have IPv6 addresses, as in
//! Docker networks with IPv6.

use harness::envoy_config;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;
use tests::gateway::{Gateway, Options};

/// The port of the test's name server.
static NAME_SERVER: OnceLock<u16> = OnceLock::new();

const HEADER_BYTES: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;

/// Starts a name server that answers every query with the loopback address, in IPv4 and IPv6, until
/// the process ends.
fn start_name_server() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    port
}

/// Builds the answer to a message with one question.
///
/// # Source
/// RFC 1035, §4.1: header, question, answer; RFC 3596, §2.1: AAAA.
fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let name_end =
        HEADER_BYTES + message.get(HEADER_BYTES..)?.iter().position(|&byte| byte == 0)?;
    let question = message.get(HEADER_BYTES..name_end + 5)?;
    let kind = u16::from_be_bytes([message[name_end + 1], message[name_end + 2]]);
    let address = match kind {
        A => Ipv4Addr::LOCALHOST.octets().to_vec(),
        AAAA => Ipv6Addr::LOCALHOST.octets().to_vec(),
        _ => Vec::new(),
    };
    let count = u8::from(!address.is_empty());
    let mut answer = message[..2].to_vec();
    // A response without an error: one question, and at most one answer.
    answer.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    if count > 0 {
        // A pointer to the question's name, class IN, a TTL of 60 s.
        answer.extend([0xc0, 0x0c, 0, u8::try_from(kind).ok()?, 0, 1, 0, 0, 0, 60, 0]);
        answer.push(u8::try_from(address.len()).ok()?);
        answer.extend(address);
    }
    Some(answer)
}

/// Points all clusters to names that the test's name server resolves.
fn by_name(config: &mut Value) {
    let clusters = envoy_config::at(config, "/static_resources/clusters").unwrap();
    for cluster_config in clusters.as_array_mut().unwrap() {
        let cluster = cluster_config["name"].as_str().unwrap().to_owned();
        let address =
            "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
        *envoy_config::at(cluster_config, address).unwrap() = json!(format!("{cluster}.test"));
        let server = json!({ "address": "127.0.0.1", "port_value": NAME_SERVER.get().unwrap() });
        cluster_config["typed_dns_resolver_config"] = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{ "socket_address": server }],
                "dns_resolver_options": { "no_default_search_domain": true },
            },
        });
    }
}

#[test]
fn a_name_with_an_ipv6_address_reaches_an_ipv4_server() {
    NAME_SERVER.set(start_name_server()).unwrap();
    let gateway = Gateway::start(&Options { edit: by_name, ..Options::default() }).unwrap();
    let reply = gateway.client().get("/", None);
    assert_eq!((reply.status, reply.header("x-ratelimit-remaining")), (200, "29"));
    assert_eq!(reply.header("tollgate-verdict"), "", "the ledger has decided");
}

#[test]
fn the_tests_name_server_answers_both_address_types() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let port = start_name_server();
    for (kind, bytes) in [(A, 4), (AAAA, 16)] {
        let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'x', 0];
        question.extend(kind.to_be_bytes());
        question.extend([0, 1]);
        socket.send_to(&question, ("127.0.0.1", port)).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert_eq!(length, question.len() + 12 + bytes);
    }
}
