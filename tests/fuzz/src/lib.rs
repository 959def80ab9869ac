//! Common parts of the fuzz targets: requests made from the fuzzer's bytes, and a gate to send them
//! to.
//!
//! Run a target with `cargo fuzz run --fuzz-dir tests/fuzz <target> --sanitizer none`. The corpora
//! are in `corpus/`.

pub mod memory;

use arbitrary::Arbitrary;
use limits::facts::{Facts, Value};
use limits::gate::{Gate, SharedData};
use limits::policy::Policy;
use limits::wire::{ChargeOutcome, Decision, LeaseGrant, Request};
use std::cell::RefCell;
use std::collections::HashMap;

/// The policy of [`gate`] in JSON, with every kind of bucket, key and failure mode.
pub const POLICY: &str = include_str!("policy.json");

/// A request, as written by its client and seen by the gateway.
#[derive(Debug, Clone, Arbitrary)]
pub struct FuzzRequest {
    /// The path.
    pub path: Vec<u8>,
    method: Vec<u8>,
    host: Option<Vec<u8>>,
    header: Option<Vec<u8>>,
    claim: Option<Vec<u8>>,
    address: Option<Vec<u8>>,
    route: Option<Vec<u8>>,
}

impl FuzzRequest {
    /// Builds a request to one of the paths in the policy's rules, from one of a few users.
    pub fn known(path: u8, user: u8) -> Self {
        let paths: [&[u8]; 5] = [b"/sliding", b"/calendar", b"/tokens", b"/several", b"/free"];
        Self {
            path: paths[usize::from(path) % paths.len()].to_vec(),
            method: b"GET".to_vec(),
            host: None,
            header: Some(vec![b'a' + user % 4]),
            claim: None,
            address: Some(b"192.0.2.1:1000".to_vec()),
            route: None,
        }
    }
}

impl Facts for FuzzRequest {
    fn method(&self) -> Option<Vec<u8>> {
        Some(self.method.clone())
    }
    fn path(&self) -> Option<Vec<u8>> {
        Some(self.path.clone())
    }
    fn host(&self) -> Option<Vec<u8>> {
        self.host.clone()
    }
    fn header(&self, _name: &str) -> Option<Vec<u8>> {
        self.header.clone()
    }
    fn claim(&self, _names: &[String]) -> Option<Value> {
        self.claim.clone().map(Value::Text)
    }
    fn is_authenticated(&self) -> bool {
        self.claim.is_some()
    }
    fn client_address(&self) -> Option<Vec<u8>> {
        self.address.clone()
    }
    fn route_name(&self) -> Option<Vec<u8>> {
        self.route.clone()
    }
    fn route_metadata(&self, _names: &[String]) -> Option<Value> {
        self.route.clone().map(Value::Text)
    }
    fn metadata(&self, _names: &[String]) -> Option<Value> {
        self.header.clone().map(|text| Value::List(vec![Value::Text(text), Value::Bool(true)]))
    }
}

/// The shared data of a process.
#[derive(Debug, Default)]
pub struct Process(RefCell<HashMap<String, (Vec<u8>, u32)>>);

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(name).cloned()
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut values = self.0.borrow_mut();
        let found = values.get(name).map_or(0, |(_, version)| *version);
        let fits = version.is_none_or(|version| version == found);
        if fits {
            values.insert(name.to_owned(), (value.to_vec(), found + 1));
        }
        fits
    }
}

/// Returns a gate whose policy has every kind of bucket.
pub fn gate() -> Gate {
    Gate::new(Policy::from_json(POLICY.as_bytes()).expect("a valid policy"))
}

/// Returns genuine decisions on the requests of call `call`: all of them admitted, or none.
/// `lease`: the most to lease to each counter. `wait_ms`: the time until a denied one can come back.
pub fn decisions(
    requests: &[Request],
    call: u32,
    admits: bool,
    left: u64,
    lease: u64,
    wait_ms: u64,
) -> Vec<Decision> {
    let decision = |(at, request): (usize, &Request)| Decision {
        id: format!("1790000000000-{call}-{at}"),
        admitted: admits,
        retry_after_ms: if admits { 0 } else { wait_ms },
        charges: request
            .charges
            .iter()
            .map(|charge| ChargeOutcome {
                admitted: admits || !charge.enforce,
                limit: charge.quota.limit(),
                remaining: left,
                reset_ms: wait_ms,
                retry_after_ms: if admits { 0 } else { wait_ms },
                lease: charge.lease.filter(|_| admits && lease > 0).map(|ask| LeaseGrant {
                    granted: lease.min(ask.wish.get()).max(1),
                    lease_ms: ask.lease_ms.get(),
                }),
                blocked: !admits && charge.block.is_some(),
            })
            .collect(),
        error: None,
    };
    requests.iter().enumerate().map(decision).collect()
}
