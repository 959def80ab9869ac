//! Simulates Tollgate: the shipped `.wasm` in several Envoys with several workers each, virtual
//! time, a network that delays, reorders, loses and garbles messages, and an in-memory ledger. A
//! seed determines everything and reproduces a run exactly.
//!
//! [`run`] simulates one seed and checks the invariants. Read in this order: [`scenario`] (chosen
//! by the seed), `world` (the event loop and all participants), [`envoy`], [`shim`], [`request`],
//! [`terms`] (a plain reading of the policy),
//! [`record`] (the data for the checks, including the ledger's [`log`]), [`check`] (the
//! invariants), [`fault`] (bugs planted to prove that each check works), [`trace`], [`seeds`] (many
//! runs, on all processors).

pub mod check;
pub mod dice;
pub mod envoy;
pub mod fault;
pub mod log;
pub mod record;
pub mod request;
pub mod scenario;
pub mod seeds;
pub mod shim;
pub mod terms;
pub mod trace;
mod world;

use check::Breach;
use fault::Fault;
use proxy_wasm_host::plugin::Plugin;
use record::Record;

/// The result of one run.
#[derive(Debug)]
pub struct Run {
    /// The violated invariants.
    pub breaches: Vec<Breach>,
    /// The data that the checks examined.
    pub record: Record,
    /// A hash over all events.
    pub hash: u64,
    /// All events, if tracing was on.
    pub trace: Vec<String>,
}

/// Simulates `seed`, optionally with a planted `fault`, and checks the invariants.
#[must_use]
pub fn run(plugin: &Plugin, seed: u64, fault: Option<Fault>, is_traced: bool) -> Run {
    let (record, trace) = world::World::of(plugin, seed, fault, is_traced).run();
    let hash = trace.hash();
    Run { breaches: check::breaches(&record), record, hash, trace: trace.into_lines() }
}
