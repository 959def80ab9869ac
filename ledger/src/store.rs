//! The store of counters: Redis or Valkey, as a single server or a Cluster, or this process's
//! memory.
//!
//! [`crate::Ledger`], [`crate::overrides`] and [`crate::seal`] use a [`Store`]. A question's path
//! to Redis: `lane` (queue) → `wave` (group commit) → `server` (one EVALSHA). `cluster` selects the
//! lane by slot.

mod cluster;
mod fault;
mod health;
mod lane;
mod memory;
mod question;
mod server;
mod shared;
mod slots;
mod software;
mod spanning;
pub mod url;
mod wave;

pub use fault::Fault;
pub use health::Health;
pub use memory::Memory;
pub use server::Timeouts;
pub use wave::Timed;

use crate::clock::Clock;
use crate::script;
use crate::telemetry;
use cluster::Cluster;
use health::HEALTH;
use lane::{Lane, Queued};
use limits::counter::CounterName;
use limits::ledger::{Charge, Decided, Request, Settle, TopUp, ToppedUp};
use limits::wire::{ChargeOutcome, Settled};
use metrics::gauge;
use redis::{Cmd, Value};
use shared::Shared;
use std::sync::Arc;
use url::LedgerUrl;
use wave::NoAnswer;

/// A store of counters. Clones share it.
#[derive(Clone)]
pub enum Store {
    /// Counters in this process's memory.
    Memory(Memory),
    /// Counters on one server.
    Single(Single),
    /// Counters on the servers of a Cluster.
    Cluster(Cluster),
}

/// One server, and an estimate of its clock.
#[derive(Clone)]
pub struct Single {
    lane: Lane,
    shared: Arc<Shared>,
}

impl Store {
    /// Opens the store that `url` names. It need not be up yet: connecting is retried in the
    /// background.
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

    /// Returns the store's time, in Unix milliseconds, as far as it is known.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.now_ms(),
            Self::Single(single) => single.shared.now_ms(),
            Self::Cluster(cluster) => cluster.now_ms(),
        }
    }

    /// Decides requests in order. Returns one answer each.
    pub async fn decide(&self, requests: Vec<Request>) -> Vec<Result<Timed<Decided>, Fault>> {
        match self {
            Self::Memory(memory) => memory.decide(&requests),
            Self::Single(single) => single.ask(requests).await,
            Self::Cluster(cluster) => spanning::decide(cluster, requests).await,
        }
    }

    /// Applies settles in order. Returns one answer each.
    pub async fn settle(&self, settles: Vec<Settle>) -> Vec<Result<Timed<Settled>, Fault>> {
        match self {
            Self::Memory(memory) => memory.settle(&settles),
            Self::Single(single) => single.ask(settles).await,
            Self::Cluster(cluster) => cluster.ask(settles).await,
        }
    }

    /// Returns the outcome of a hypothetical charge. Nothing is charged.
    ///
    /// # Errors
    /// [`Fault`] if the store did not answer.
    pub async fn peek(&self, charge: Charge) -> Result<Timed<ChargeOutcome>, Fault> {
        let answers = match self {
            Self::Memory(memory) => vec![memory.peek(&charge)],
            Self::Single(single) => single.ask(vec![charge]).await,
            Self::Cluster(cluster) => cluster.ask(vec![charge]).await,
        };
        answers.into_iter().next().unwrap_or(Err(Fault::InvalidReply))
    }

    /// Deletes `counter`, and its refusals or block. Returns false if neither existed.
    ///
    /// # Errors
    /// [`Fault`] if the store did not answer.
    pub async fn reset(&self, counter: &CounterName) -> Result<bool, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.reset(counter)),
            _ => self.unlink(counter, &[counter.as_str(), &counter.refusals()]).await,
        }
    }

    /// Deletes the refusals or the block of `counter`, and keeps its count. Returns false if there
    /// were none.
    ///
    /// # Errors
    /// [`Fault`] if the store did not answer.
    pub async fn unblock(&self, counter: &CounterName) -> Result<bool, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.unblock(counter)),
            _ => self.unlink(counter, &[&counter.refusals()]).await,
        }
    }

    /// Deletes these keys of `counter`, each by a command of its own: while a slot moves, a command
    /// with several keys is refused. Returns false if none existed.
    async fn unlink(&self, counter: &CounterName, keys: &[&str]) -> Result<bool, Fault> {
        let mut has_removed = false;
        for key in keys {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(key);
            let removed = match self {
                Self::Memory(_) => return Ok(false),
                Self::Single(single) => single.command(unlink).await?,
                Self::Cluster(cluster) => {
                    cluster.command(slots::of_tag(counter.slot_tag()), unlink).await?
                }
            };
            match removed {
                Value::Int(removed) => has_removed |= removed > 0,
                _ => return Err(Fault::InvalidReply),
            }
        }
        Ok(has_removed)
    }

    /// Adds to a balance, unless the same top-up was applied before.
    ///
    /// # Errors
    /// [`Fault`] if the store did not confirm it. It can be repeated unchanged.
    pub async fn top_up(&self, top_up: &TopUp) -> Result<ToppedUp, Fault> {
        let call = script::top_up(top_up);
        let mut eval = redis::cmd("EVAL");
        eval.arg(script::source::TOP_UP).arg(call.keys.len()).arg(&call.keys).arg(&call.records);
        let reply = match self {
            Self::Memory(memory) => return memory.top_up(top_up),
            Self::Single(single) => single.command(eval).await?,
            Self::Cluster(cluster) => {
                cluster.command(slots::of_tag(top_up.counter.slot_tag()), eval).await?
            }
        };
        let Value::BulkString(reply) = reply else { return Err(Fault::InvalidReply) };
        let reply = script::topped_up(top_up, &reply).map_err(|_| Fault::InvalidReply)?;
        reply.answers.into_iter().next().ok_or(Fault::InvalidReply)
    }

    /// Checks if the store answers.
    pub async fn health(&self) -> Health {
        match self {
            Self::Memory(_) => Health::Up,
            Self::Single(single) => match single.command(health::probe(HEALTH)).await {
                Ok(_) => Health::Up,
                Err(fault) => Health::Down(fault),
            },
            Self::Cluster(cluster) => cluster.health().await,
        }
    }

    /// Returns true if this is a Cluster and at least one of its servers is connected.
    pub(crate) fn is_partly_up(&self) -> bool {
        matches!(self, Self::Cluster(cluster) if cluster.is_partly_up())
    }

    /// Sends an idempotent command about `key`; `None` for the in-memory ledger.
    ///
    /// # Errors
    /// [`Fault`] if the store did not answer.
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

/// Converts an answer of a single server, which has no reason to redirect us.
fn here<A>(answer: Result<A, NoAnswer>) -> Result<A, Fault> {
    answer.map_err(|miss| match miss {
        NoAnswer::Fault(fault) => fault,
        NoAnswer::Redirect { .. } => Fault::in_a_cluster(),
        NoAnswer::TryAgain => Fault::NotServing { code: "TRYAGAIN".to_owned() },
    })
}
