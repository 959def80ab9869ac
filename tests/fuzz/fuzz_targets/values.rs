//! Any bytes as a request's values and a policy's conditions: parsers and conditions that hold what
//! they promise.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use limits::condition::Regex;
use limits::networks::{self, BadNetwork, Network, Networks};
use limits::{cookie, query};
use std::net::IpAddr;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    path: &'a [u8],
    cookies: &'a [u8],
    name: &'a str,
    value: &'a [u8],
    network: &'a str,
    v4: Option<[u8; 4]>,
    v6: [u8; 16],
    prefix: u8,
    regex: &'a str,
    ignore_case: bool,
}

fuzz_target!(|input: Input<'_>| {
    parameters(&input);
    cookies(&input);
    networks(&input);
    let _ = networks::address(input.value);
    if let Ok(regex) = Regex::parse(input.regex, input.ignore_case) {
        assert_eq!(regex.is_match(input.value), regex.is_match(input.value));
    }
});

/// A parameter is not longer than its path, and one with escaped bytes is found again.
fn parameters(input: &Input<'_>) {
    if let Some(found) = query::parameter(input.path, input.name) {
        assert!(found.len() <= input.path.len(), "{found:?}");
    }
    let escaped = |text: &[u8]| text.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let path = format!("/?{}={}&x", escaped(input.name.as_bytes()), escaped(input.value));
    assert_eq!(query::parameter(path.as_bytes(), input.name).as_deref(), Some(input.value));
}

/// A cookie's value is a part of the header.
fn cookies(input: &Input<'_>) {
    if let Some(found) = cookie::value(input.cookies, input.name) {
        let mut parts = input.cookies.windows(found.len().max(1));
        assert!(found.is_empty() || parts.any(|part| part == found), "{found:?}");
    }
}

/// A network contains its address. One with bits after the prefix is refused, and the error
/// suggests the one that was meant.
fn networks(input: &Input<'_>) {
    let _ = Network::parse(input.network);
    let address = input.v4.map_or(IpAddr::from(input.v6), IpAddr::from);
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let text = format!("{address}/{}", input.prefix);
    match Network::parse(&text) {
        Ok(network) => assert!(Networks::from_iter([network]).contain(address), "{text}"),
        Err(BadNetwork::HostBits { network, .. }) => {
            let meant = Network::parse(&network).expect("the network that was meant");
            let is_mapped = address.to_canonical() != address;
            assert!(is_mapped || Networks::from_iter([meant]).contain(address), "{text}");
        }
        Err(BadNetwork::Malformed) => assert!(input.prefix > whole, "{text}"),
    }
}
