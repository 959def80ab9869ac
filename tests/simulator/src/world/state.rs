//! The state of a run: the queue of events, the participants, and what they have done so far.
//!
//! `world` and the files beside this one change it.

use crate::dice::Dice;
use crate::envoy::Envoy;
use crate::fault::Fault;
use crate::record::Record;
use crate::request::ClientRequest;
use crate::scenario::Scenario;
use crate::shim::Shim;
use crate::trace::Trace;
use limits::counter::CounterName;
use limits::policy::Policy;
use proxy_wasm_host::callout::{Callout, Reply};
use proxy_wasm_host::event::StreamNumber;
use proxy_wasm_host::plugin::Plugin;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The place of a VM: the index of its Envoy, and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) envoy: usize,
    pub(crate) vm: usize,
}

/// An event in the simulated world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorldEvent {
    /// A client sends a request.
    Asks,
    /// A patient client sends a request.
    PatientAsks(usize),
    /// A VM's event loop runs a turn.
    Turn(Place),
    /// A VM's timers may be due.
    Tick(Place),
    /// A call reaches the shim.
    CallArrives(u64),
    /// A call's reply or failure reaches the VM.
    CallEnds(u64, Ending),
    /// The upstream answers a request.
    UpstreamAnswers(usize),
    /// An operator tops up a balance.
    TopsUp,
    /// A client disconnects.
    Leaves(usize),
    /// A response is complete.
    Ends(usize),
    /// An Envoy receives another policy.
    Reloads(usize),
    /// A VM is configured with it.
    Configures(Place),
}

/// The state of a run.
pub(crate) struct World {
    pub(crate) now_us: u64,
    pub(crate) end_us: u64,
    pub(crate) scenario: Scenario,
    pub(crate) dice: Dice,
    pub(crate) fault: Option<Fault>,
    pub(crate) plugin: Plugin,
    pub(crate) envoys: Vec<Envoy>,
    /// The index of each VM's policy, by Envoy and VM.
    pub(crate) generations: Vec<Vec<usize>>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) shim: Shim,
    pub(crate) calls: Calls,
    pub(crate) clients: Clients,
    pub(crate) queue: BinaryHeap<Reverse<(u64, u64, u64, WorldEvent)>>,
    pub(crate) pushed: u64,
    pub(crate) record: Record,
    pub(crate) trace: Trace,
}

/// The number of kinds of [`Ending::Garbled`].
pub(crate) const GARBLED: u64 = 6;

/// The end of a call, as seen by the worker that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// The shim's reply arrived.
    Replied,
    /// A garbled reply arrived. The number selects its kind, below [`GARBLED`].
    Garbled(u64),
    /// The connection was refused, or was cut before the reply began.
    Refused,
    /// The reply was cut off partway.
    Reset,
    /// The call timed out.
    TimedOut,
}

/// All calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) last: u64,
    /// The refunds in each settle that a worker sent, by settle id.
    pub(crate) settles: BTreeMap<String, Vec<(Part, u64)>>,
}

/// A decision's id, a counter, and true for its lease.
pub(crate) type Part = (String, CounterName, bool);

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) place: Place,
    pub(crate) callout: Callout,
    pub(crate) executed: Option<Executed>,
    pub(crate) has_ended: bool,
}

/// The shim's reaction to a call.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    pub(crate) reply: Reply,
    pub(crate) charged: Vec<(CounterName, u64)>,
    pub(crate) at_us: u64,
}

/// The clients and the streams of their requests.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) streams: BTreeMap<(Place, StreamNumber), usize>,
    pub(crate) places: BTreeMap<usize, (Place, StreamNumber)>,
    pub(crate) patient: BTreeMap<usize, Patient>,
    /// The patient client of each of their open requests.
    pub(crate) of_patient: BTreeMap<usize, usize>,
    /// The time for which each VM's timer was last scheduled, in µs.
    pub(crate) ticks: BTreeMap<Place, u64>,
}

#[derive(Debug)]
pub(crate) struct Patient {
    pub(crate) ask: ClientRequest,
    pub(crate) promised: Option<PromisedRetry>,
}

/// The Retry-After that a patient client is waiting for.
#[derive(Debug, Clone)]
pub(crate) struct PromisedRetry {
    pub(crate) seconds: u64,
    pub(crate) generation: usize,
    /// The number of charges to its counters at the time of the refusal.
    pub(crate) charges: u64,
    /// True if a worker repeated an earlier refusal without a block. It may not yet know of one that
    /// has begun since.
    pub(crate) is_repeated: bool,
}
