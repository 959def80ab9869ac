//! Where counters live: Redis or Valkey, alone or a Cluster, or this process's memory.
//!
//! [`crate::Ledger`], [`crate::overrides`] and [`crate::seal`] ask a [`Store`]. A question's way to Redis: [`lane`] (queue) → [`wave`] (group commit)
//! → [`server`] (one EVALSHA); [`cluster`] chooses the lane by slot.

mod cluster;
mod fault;
mod lane;
mod memory;
mod question;
mod server;
mod slots;
mod software;
pub mod url;
mod wave;

pub use fault::Fault;
pub use memory::Memory;
pub use server::Timeouts;
pub use wave::Timed;

use crate::clock::{self, Clock};
use crate::quiet::Quiet;
use crate::script::BadReply;
use crate::telemetry;
use cluster::Cluster;
use lane::{Lane, Queued};
use limits::counter::CounterName;
use limits::ledger::{Charge, Decided, Request, Settle};
use limits::wire::{ChargeOutcome, Settled};
use metrics::{counter, gauge};
use redis::{Cmd, Value};
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::{error, warn};
use url::LedgerUrl;
use wave::Miss;

/// Damaged counters remembered as logged; past that, they are logged again.
const MAX_REMEMBERED: usize = 1_000;
/// The key that the health of a server is tried on; of one of a Cluster's, with a tag.
const HEALTH: &str = "tg:health";

/// The ledger.
#[derive(Clone)]
pub enum Store {
    /// Counters in this process.
    Memory(Memory),
    /// Counters on one server.
    Single(Single),
    /// Counters on the servers of a Cluster.
    Cluster(Cluster),
}

/// One server, and what is known of its clock.
#[derive(Clone)]
pub struct Single {
    lane: Lane,
    shared: Arc<Shared>,
}

/// How well the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// A part of it answers.
    Partly {
        /// Servers that do.
        up: usize,
        /// All servers.
        of: usize,
    },
    /// It does not.
    Ill(Fault),
}

/// What all connections to one ledger share.
pub(crate) struct Shared {
    clock: Clock,
    /// How far the ledger's clock is ahead of ours, as last heard.
    ahead_ms: AtomicI64,
    damaged: Mutex<HashSet<CounterName>>,
    complaints: Quiet,
}

impl Store {
    /// Opens the ledger that `url` names. It need not be there yet: it is connected to, again and
    /// again, in the background.
    #[must_use]
    pub fn open(url: &LedgerUrl, timeouts: Timeouts, memory_counters: usize, clock: Clock) -> Self {
        let shared = || Arc::new(Shared::new(clock.clone()));
        match url {
            LedgerUrl::Memory => {
                gauge!(telemetry::LEDGER_UP, "server" => "memory").set(1.0);
                Self::Memory(Memory::new(memory_counters, clock))
            }
            LedgerUrl::Single(info) => {
                let shared = shared();
                let lane = Lane::open((**info).clone(), timeouts, false, Arc::clone(&shared));
                Self::Single(Single { lane, shared })
            }
            LedgerUrl::Cluster(seeds) => {
                Self::Cluster(Cluster::open(seeds.clone(), timeouts, shared()))
            }
        }
    }

    /// What the ledger's clock is thought to show, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.now_ms(),
            Self::Single(single) => single.shared.now_ms(),
            Self::Cluster(cluster) => cluster.now_ms(),
        }
    }

    /// Decides requests in this order; one answer for each.
    pub async fn decide(&self, requests: Vec<Request>) -> Vec<Result<Timed<Decided>, Fault>> {
        match self {
            Self::Memory(memory) => memory.decide(&requests),
            Self::Single(single) => single.ask(requests).await,
            Self::Cluster(cluster) => cluster.decide(requests).await,
        }
    }

    /// Applies settles in this order; one answer for each.
    pub async fn settle(&self, settles: Vec<Settle>) -> Vec<Result<Timed<Settled>, Fault>> {
        match self {
            Self::Memory(memory) => memory.settle(&settles),
            Self::Single(single) => single.ask(settles).await,
            Self::Cluster(cluster) => cluster.ask(settles).await,
        }
    }

    /// What one charge would come to; nothing is charged.
    ///
    /// # Errors
    /// [`Fault`] if there was no answer.
    pub async fn peek(&self, charge: Charge) -> Result<Timed<ChargeOutcome>, Fault> {
        let answers = match self {
            Self::Memory(memory) => vec![memory.peek(&charge)],
            Self::Single(single) => single.ask(vec![charge]).await,
            Self::Cluster(cluster) => cluster.ask(vec![charge]).await,
        };
        answers.into_iter().next().unwrap_or(Err(Fault::Senseless))
    }

    /// Forgets what `counter` has counted; whether there was anything.
    ///
    /// # Errors
    /// [`Fault`] if there was no answer.
    pub async fn reset(&self, counter: &CounterName) -> Result<bool, Fault> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(counter.as_str());
        let removed = match self {
            Self::Memory(memory) => return Ok(memory.reset(counter)),
            Self::Single(single) => single.command(unlink).await?,
            Self::Cluster(cluster) => {
                cluster.command(slots::of_tag(counter.slot_tag()), unlink).await?
            }
        };
        match removed {
            Value::Int(removed) => Ok(removed > 0),
            _ => Err(Fault::Senseless),
        }
    }

    /// Whether it answers.
    pub async fn health(&self) -> Health {
        match self {
            Self::Memory(_) => Health::Well,
            Self::Single(single) => match single.command(write_probe(HEALTH)).await {
                Ok(_) => Health::Well,
                Err(fault) => Health::Ill(fault),
            },
            Self::Cluster(cluster) => cluster.health().await,
        }
    }

    /// Whether it is a Cluster of which a part, at least, is connected.
    pub(crate) fn is_partly_up(&self) -> bool {
        matches!(self, Self::Cluster(cluster) if cluster.is_partly_up())
    }

    /// Sends a command about `key`, which may be repeated; `None` for the in-memory ledger.
    ///
    /// # Errors
    /// [`Fault`] if there was no answer.
    pub(crate) async fn command(&self, key: &str, command: Cmd) -> Option<Result<Value, Fault>> {
        match self {
            Self::Memory(_) => None,
            Self::Single(single) => Some(single.command(command).await),
            Self::Cluster(cluster) => Some(cluster.command(slots::of_tag(key), command).await),
        }
    }
}

impl Single {
    async fn ask<Q: Queued>(&self, questions: Vec<Q>) -> Vec<Result<Timed<Q::Answer>, Fault>> {
        self.lane.ask(questions, false).await.into_iter().map(here).collect()
    }

    async fn command(&self, command: Cmd) -> Result<Value, Fault> {
        here(self.lane.command(command, false).await)
    }
}

/// A server that is no Cluster's has no reason to send us elsewhere.
fn here<A>(answer: Result<A, Miss>) -> Result<A, Fault> {
    answer.map_err(|miss| match miss {
        Miss::Fault(fault) => fault,
        Miss::Elsewhere { .. } => Fault::in_a_cluster(),
        Miss::Later => Fault::Unfit { code: "TRYAGAIN".to_owned() },
    })
}

/// A write that leaves nothing: a replica, a full or a loading server refuse it.
fn write_probe(key: &str) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(key).arg("1").arg("PX").arg(100);
    set
}

impl Shared {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            ahead_ms: AtomicI64::new(0),
            damaged: Mutex::default(),
            complaints: Quiet::new(Duration::from_secs(5)),
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Notes what a reply told: the time there, and damaged counters.
    fn heard(&self, now_ms: u64, damaged: &[CounterName]) {
        let there = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let here = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        self.ahead_ms.store(there.saturating_sub(here), Ordering::Relaxed);
        if damaged.is_empty() {
            return;
        }
        counter!(telemetry::DAMAGED).increment(damaged.len() as u64);
        let mut logged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        for name in damaged {
            if logged.len() >= MAX_REMEMBERED {
                logged.clear();
            }
            if logged.insert(name.clone()) {
                error!(counter = %name, "a counter's value was damaged: dropped, and counted as absent");
            }
        }
    }

    fn complain_of_reply(&self, error: &BadReply) {
        if let Some(held_back) = self.complaints.speak(clock::instant()) {
            warn!(%error, held_back, "the ledger's reply is none that its script gives");
        }
    }
}
