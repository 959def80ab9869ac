//! Tollgate, simulated: the shipped `.wasm` in several Envoys with several workers each, virtual
//! time, and a network that delays, reorders, loses and garbles; behind it the ledger in memory. A
//! seed chooses everything, and reproduces a run exactly.
//!
//! [`run`] makes one run and says what does not hold of it. Read in this order: [`scenario`] (what a
//! seed chooses), `world` (the event loop, and everybody in it), [`envoy`], [`shim`], [`request`],
//! [`record`] (what a run leaves behind, [`log`] included), [`check`] (the invariants), [`fault`] (mistakes planted to
//! show that each check finds one), [`trace`], [`seeds`] (many runs, on all processors).

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
pub mod trace;
mod world;

use check::Breach;
use fault::Fault;
use proxy_wasm_host::plugin::Plugin;
use record::Record;

/// What came of one run.
#[derive(Debug)]
pub struct Run {
    /// What does not hold.
    pub breaches: Vec<Breach>,
    /// What it left behind.
    pub record: Record,
    /// The hash of everything that happened.
    pub hash: u64,
    /// Everything that happened, where that was asked for.
    pub trace: Vec<String>,
}

/// Makes the run of `seed`, with a planted `fault` if one is given.
#[must_use]
pub fn run(plugin: &Plugin, seed: u64, fault: Option<Fault>, is_traced: bool) -> Run {
    let (record, trace) = world::World::of(plugin, seed, fault, is_traced).run();
    let hash = trace.hash();
    Run { breaches: check::breaches(&record), record, hash, trace: trace.into_lines() }
}
