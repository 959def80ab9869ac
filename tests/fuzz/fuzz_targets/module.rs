//! Any sequence of what Envoy and the ledger can do to the dynamic module: it keeps to Envoy's
//! interface, releases each request exactly once, and leaves nothing behind.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use limits::gate::SettleResult;
use limits::wire::Decision;
use module_host::stream::{Headers, Request};
use module_host::{Filter, Stream};
use module_under_test::simulated::{self, Ask, Asked, Driver};
use serde_json::{Value, json};
use tollgate_fuzz::{POLICY, decisions};

const START_US: u64 = 1_790_000_000_000_000;
/// The most events of an input. Longer ones find the same, and are slow.
const MAX_EVENTS: usize = 200;
/// Ticks within which a closed configuration gives up, with room to spare.
const MAX_TICKS: usize = 100;
/// Envoy's numbers of the attributes `source.address` and `xds.route_name`.
const SOURCE_ADDRESS: u32 = 24;
const ROUTE_NAME: u32 = 61;
const JWT: &[u8] = b"tollgate.metadata.envoy.filters.http.jwt_authn";

#[derive(Debug, Arbitrary)]
enum Event {
    Configure { limit: u8, upstream_headers: u8 },
    ConfigureWith(Vec<u8>),
    Unconfigure,
    Request(Arrival),
    Wake { stream: u8 },
    Respond { stream: u8, status: u16, headers: Vec<Odd> },
    Trailers { stream: u8, status: u8 },
    Leave { stream: u8, is_silent: bool },
    Redirect { stream: u8, arrival: Arrival },
    Decide { admits: bool, left: u16, lease: u16, wait_ms: u16 },
    Garble { decisions: u8, charges: u8 },
    Fail,
    Settle { result: u8 },
    Probe { is_up: bool },
    Pass { ms: u16 },
    StepBack { ms: u16 },
    Export,
}

/// A request, as Envoy has it.
#[derive(Debug, Arbitrary)]
struct Arrival {
    path: u8,
    user: u8,
    headers: Vec<Odd>,
    address: Option<Vec<u8>>,
    route: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
    is_grpc: bool,
    is_never_decoded: bool,
    refuses_filter_state: bool,
    fails_at_once: Option<u16>,
}

/// A header: a name that matters or any other, and any value.
#[derive(Debug, Arbitrary)]
struct Odd {
    name: u8,
    value: Vec<u8>,
}

impl Odd {
    fn pair(self) -> (Vec<u8>, Vec<u8>) {
        let names = [
            "x-user",
            "cookie",
            ":path",
            ":authority",
            "x-envoy-original-url",
            "content-type",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "grpc-status",
            "x-cache",
            "age",
        ];
        let name = names.get(usize::from(self.name) % (names.len() + 1)).unwrap_or(&"x-other");
        // Envoy refuses messages with other bytes.
        let is_allowed = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0);
        (name.as_bytes().to_vec(), self.value.into_iter().filter(is_allowed).collect())
    }
}

impl Arrival {
    fn request(self) -> Request {
        let paths = ["/sliding", "/calendar", "/tokens", "/several", "/free"];
        let path = paths[usize::from(self.path) % paths.len()];
        let mut headers: Headers = [
            (":method", "GET".to_owned()),
            (":path", path.to_owned()),
            (":authority", "example.org".to_owned()),
            ("x-user", char::from(b'a' + self.user % 4).to_string()),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        if self.is_grpc {
            headers.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
        }
        headers.extend(self.headers.into_iter().map(Odd::pair));
        let attributes = [
            (SOURCE_ADDRESS, Some(self.address.unwrap_or_else(|| b"192.0.2.1:1000".to_vec()))),
            (ROUTE_NAME, self.route),
        ];
        Request {
            headers,
            attributes: attributes.into_iter().filter_map(|(at, it)| Some((at, it?))).collect(),
            filter_state: self.token.into_iter().map(|token| (JWT.to_vec(), token)).collect(),
            refuses_filter_state: self.refuses_filter_state,
            fails_at_once: self.fails_at_once.map(|status| response(status, Vec::new())),
        }
    }
}

fn response(status: u16, headers: Vec<Odd>) -> Headers {
    let status = (b":status".to_vec(), status.to_string().into_bytes());
    std::iter::once(status).chain(headers.into_iter().map(Odd::pair)).collect()
}

/// Returns a document with the policy of the other targets.
fn document(limit: u8, upstream_headers: u8) -> Vec<u8> {
    let mut policy: Value = serde_json::from_str(POLICY).expect("a policy");
    policy["buckets"]["sliding"]["limit"] = json!(u64::from(limit) + 1);
    // One in four is refused.
    let choices = ["stricter", "replace", "keep", "other"];
    policy["upstream_headers"] = json!(choices[usize::from(upstream_headers) % 4]);
    json!({ "ledger": "memory:", "policy": policy }).to_string().into_bytes()
}

struct World {
    now_us: u64,
    /// The one in force is the last.
    filters: Vec<Filter>,
    drivers: Vec<Driver>,
    /// Calls under way, with the drivers' indices.
    calls: Vec<(usize, Ask)>,
    streams: Vec<Stream>,
}

impl World {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Configure { limit, upstream_headers } => {
                self.configure(&document(limit, upstream_headers));
            }
            Event::ConfigureWith(text) => self.configure(&text),
            Event::Unconfigure => self.unconfigure(),
            Event::Request(arrival) => self.arrive(arrival, None),
            Event::Redirect { stream, arrival } => {
                if let Some(before) = self.take(stream) {
                    self.arrive(arrival, Some(before));
                }
            }
            Event::Wake { stream } => {
                self.at(stream).map(Stream::run_scheduled);
            }
            Event::Respond { stream, status, headers } => {
                if let Some(stream) = self.at(stream) {
                    stream.respond(response(status, headers));
                }
            }
            Event::Trailers { stream, status } => {
                if let Some(stream) = self.at(stream) {
                    let status = status.to_string().into_bytes();
                    stream.trailers(vec![(b"grpc-status".to_vec(), status)]);
                }
            }
            Event::Leave { stream, is_silent } => match self.take(stream) {
                Some(stream) if is_silent => stream.drop_silently(),
                Some(stream) => stream.end(),
                None => {}
            },
            Event::Decide { admits, left, lease, wait_ms } => {
                // Replies arrive in any order: every other time, the last call's comes first.
                if wait_ms % 2 == 1 {
                    self.calls.reverse();
                }
                self.decide(|requests, id| {
                    let wait_ms = u64::from(wait_ms) + 1;
                    Some(decisions(requests, id, admits, left.into(), lease.into(), wait_ms))
                });
            }
            Event::Garble { decisions: most, charges } => self.decide(|requests, id| {
                let mut decisions = decisions(requests, id, true, 1, 1, 1);
                decisions.truncate(most.into());
                for decision in &mut decisions {
                    decision.charges.truncate(charges.into());
                }
                Some(decisions)
            }),
            Event::Fail => self.decide(|_, _| None),
            Event::Settle { result } => self.settle(match result % 3 {
                0 => SettleResult::Accepted,
                1 => SettleResult::Rejected,
                _ => SettleResult::Lost,
            }),
            Event::Probe { is_up } => self.probe(is_up),
            Event::Pass { ms } => self.pass(ms.into()),
            Event::StepBack { ms } => self.set_time(self.now_us - u64::from(ms) * 1_000),
            Event::Export => {
                self.filters.iter().for_each(|filter| {
                    filter.run_scheduled();
                });
            }
        }
        self.make_calls();
        module_host::assert_correct();
    }

    /// Replaces the configuration. The old one stays if the module refuses the new one.
    fn configure(&mut self, text: &[u8]) {
        if let Some(filter) = Filter::configure(text) {
            self.unconfigure();
            self.filters.push(filter);
        }
        self.drivers.extend(simulated::drivers());
    }

    /// Destroys the configuration; its streams go on.
    fn unconfigure(&mut self) {
        self.filters.pop().map(Filter::destroy).unwrap_or_default();
    }

    fn arrive(&mut self, arrival: Arrival, before: Option<Stream>) {
        let is_never_decoded = arrival.is_never_decoded;
        let Some(filter) = self.filters.last() else {
            return before.map(Stream::end).unwrap_or_default();
        };
        let mut request = arrival.request();
        let stream = match before {
            Some(before) => {
                request.headers.push((b"x-envoy-original-url".to_vec(), b"http://a/".to_vec()));
                before.redirect(filter, request)
            }
            None => Stream::new(filter, request),
        };
        if !is_never_decoded {
            stream.request_headers();
        }
        self.streams.push(stream);
    }

    fn at(&self, stream: u8) -> Option<&Stream> {
        self.streams.get(usize::from(stream) % self.streams.len().max(1))
    }

    fn take(&mut self, stream: u8) -> Option<Stream> {
        let at = usize::from(stream) % self.streams.len().max(1);
        (at < self.streams.len()).then(|| self.streams.swap_remove(at))
    }

    fn make_calls(&mut self) {
        for (at, driver) in self.drivers.iter().enumerate() {
            self.calls.extend(driver.calls().into_iter().map(|call| (at, call)));
        }
    }

    /// Takes the first call under way that `is_it`.
    fn call(&mut self, is_it: fn(&Asked) -> bool) -> Option<(usize, Ask)> {
        let at = self.calls.iter().position(|(_, call)| is_it(&call.content))?;
        Some(self.calls.remove(at))
    }

    fn decide(
        &mut self,
        reply: impl FnOnce(&[limits::wire::Request], u32) -> Option<Vec<Decision>>,
    ) {
        let call = self.call(|content| matches!(content, Asked::Requests(_)));
        if let Some((at, Ask { id, content: Asked::Requests(requests) })) = call {
            self.drivers[at].decided(id, reply(&requests, id));
        }
    }

    fn settle(&mut self, result: SettleResult) {
        if let Some((at, call)) = self.call(|content| matches!(content, Asked::Settles(_))) {
            self.drivers[at].settled(call.id, result);
        }
    }

    fn probe(&mut self, is_up: bool) {
        if let Some((at, call)) = self.call(|content| matches!(content, Asked::Probe)) {
            self.drivers[at].probed(call.id, is_up);
        }
    }

    fn set_time(&mut self, now_us: u64) {
        self.now_us = now_us;
        simulated::set_now_us(now_us);
    }

    fn pass(&mut self, ms: u64) {
        self.set_time(self.now_us + ms * 1_000);
        for driver in &self.drivers {
            let _is_over = driver.tick();
        }
    }

    /// Lets all requests be decided, and everything end.
    fn end(mut self) {
        self.set_time(self.now_us + (1 << 40)); // beyond any step back
        for _ in 0..4 {
            self.pass(100);
            self.make_calls();
        }
        for stream in &self.streams {
            // Once by its worker, to make its call, and once by its decision.
            let wakes = (0..3).take_while(|_| stream.run_scheduled()).count();
            assert!(!stream.is_paused(), "a request is left waiting");
            assert!(wakes <= 2, "a stream was woken without a reason");
        }
        self.streams.drain(..).for_each(Stream::end);
        self.unconfigure();
        let mut drivers = std::mem::take(&mut self.drivers);
        for _ in 0..MAX_TICKS {
            self.set_time(self.now_us + 1_100_000);
            drivers.retain(|driver| {
                for call in driver.calls() {
                    match call.content {
                        Asked::Requests(_) => driver.decided(call.id, None),
                        Asked::Settles(_) => driver.settled(call.id, SettleResult::Accepted),
                        Asked::Probe => driver.probed(call.id, true),
                    }
                }
                !driver.tick()
            });
        }
        assert!(drivers.is_empty(), "a closed configuration does not end");
        module_host::assert_nothing_is_left();
    }
}

fuzz_target!(|events: Vec<Event>| {
    simulated::forget_local();
    let mut world = World {
        now_us: START_US,
        filters: Vec::new(),
        drivers: Vec::new(),
        calls: Vec::new(),
        streams: Vec::new(),
    };
    world.set_time(START_US);
    world.configure(&document(9, 0));
    for event in events.into_iter().take(MAX_EVENTS) {
        world.apply(event);
    }
    world.end();
});
