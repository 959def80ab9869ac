//! A Redis Cluster: one lane per server, and a map of the slots.
//!
//! Called by [`super::Store`]; [`super::spanning`] decides requests whose counters are in several
//! slots.
//!
//! The client library's Cluster support is not used, because it resends commands that may have been
//! executed (see [`super::server`]). Here, a command is resent only if the server reports that it
//! did not execute it: `MOVED` (the slot is elsewhere; the map is fetched again), `ASK` (elsewhere
//! for now) and `TRYAGAIN` (the slot is being migrated).

use super::fault::Fault;
use super::health::{self, HEALTH, Health};
use super::lane::{Lane, Queued};
use super::server::{self, Timeouts};
use super::shared::Shared;
use super::slots::SlotMap;
use super::software::ConnectError;
use super::wave::{NoAnswer, Timed};
use crate::background;
use futures_util::future::join_all;
use redis::{Cmd, ConnectionAddr, ConnectionInfo, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// The number of times one question can be redirected or postponed.
const MAX_HOPS: usize = 8;
/// The pause before retrying a question whose slot is being migrated.
const MOVING_PAUSE: Duration = Duration::from_millis(10);
/// The interval at which the map is fetched, and the minimum pause when it proves outdated.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
const REFRESH_PAUSE: Duration = Duration::from_millis(100);
/// The timeout of a server's health check. A server that hangs must not hide the others.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// A Cluster. Clones share it.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    seeds: Vec<ConnectionInfo>,
    timeouts: Timeouts,
    shared: Arc<Shared>,
    topology: RwLock<Topology>,
    outdated: Notify,
}

#[derive(Default)]
struct Topology {
    slots: SlotMap,
    lanes: HashMap<String, Lane>,
}

/// A question that has not been answered yet.
struct Pending<Q> {
    at: usize,
    question: Q,
    /// The server it was redirected to, if any, and true if that server expects `ASKING`.
    sent: Option<(String, bool)>,
}

impl Cluster {
    /// Starts discovering the Cluster's servers.
    pub(super) fn open(
        seeds: Vec<ConnectionInfo>,
        timeouts: Timeouts,
        shared: Arc<Shared>,
    ) -> Self {
        let inner = Arc::new(Inner {
            seeds,
            timeouts,
            shared,
            topology: RwLock::default(),
            outdated: Notify::new(),
        });
        background::spawn("the Cluster's map", keep_current(Arc::downgrade(&inner)));
        Self(inner)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.0.shared.now_ms()
    }

    /// Asks questions that are each within one slot: all servers concurrently, each in order.
    pub(super) async fn ask<Q: Queued>(
        &self,
        questions: Vec<Q>,
    ) -> Vec<Result<Timed<Q::Answer>, Fault>> {
        let mut answers: Vec<_> = questions.iter().map(|_| None).collect();
        let pending = questions.into_iter().enumerate();
        let mut pending: Vec<_> =
            pending.map(|(at, question)| Pending { at, question, sent: None }).collect();
        for _ in 0..MAX_HOPS {
            let mut next = Vec::new();
            let mut moving = false;
            for (asked, result) in self.round(pending).await {
                let answer = match result {
                    Ok(answer) => Ok(answer),
                    Err(NoAnswer::Fault(fault)) => {
                        self.refresh_after(&fault);
                        Err(fault)
                    }
                    Err(NoAnswer::Redirect { address, asking }) => {
                        self.0.outdated.notify_one();
                        next.push(Pending { sent: Some((address, asking)), ..asked });
                        continue;
                    }
                    Err(NoAnswer::TryAgain) => {
                        moving = true;
                        next.push(asked);
                        continue;
                    }
                };
                if let Some(slot) = answers.get_mut(asked.at) {
                    *slot = Some(answer);
                }
            }
            if next.is_empty() {
                break;
            }
            if moving {
                sleep(MOVING_PAUSE).await;
            }
            pending = next;
        }
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(slot_keeps_moving())))
            .collect()
    }

    /// Sends each pending question once, to the server it is expected at.
    async fn round<Q: Queued>(
        &self,
        pending: Vec<Pending<Q>>,
    ) -> Vec<(Pending<Q>, Result<Timed<Q::Answer>, NoAnswer>)> {
        let mut out = Vec::with_capacity(pending.len());
        let mut groups = BTreeMap::<(String, bool), Vec<Pending<Q>>>::new();
        for asked in pending {
            let there =
                asked.sent.clone().or_else(|| Some((self.server(asked.question.slot())?, false)));
            match there {
                Some(there) => groups.entry(there).or_default().push(asked),
                None => {
                    self.0.outdated.notify_one();
                    out.push((asked, Err(self.no_server().into())));
                }
            }
        }
        let asking = groups.into_iter().map(|((address, asking), group)| async move {
            let questions = group.iter().map(|asked| asked.question.clone()).collect();
            let results = match self.lane(&address) {
                Some(lane) => lane.ask(questions, asking).await,
                None => group.iter().map(|_| Err(Fault::Disconnected.into())).collect(),
            };
            group.into_iter().zip(results).collect::<Vec<_>>()
        });
        out.extend(join_all(asking).await.into_iter().flatten());
        out
    }

    /// Sends an idempotent command to the server that has `slot`. Follows redirections.
    pub(super) async fn command(&self, slot: u16, command: Cmd) -> Result<Value, Fault> {
        let mut sent = None;
        for _ in 0..MAX_HOPS {
            let there = sent.take().or_else(|| Some((self.server(slot)?, false)));
            let lane = there.and_then(|(address, asking)| Some((self.lane(&address)?, asking)));
            let Some((lane, asking)) = lane else {
                self.0.outdated.notify_one();
                return Err(self.no_server());
            };
            match lane.command(command.clone(), asking).await {
                Ok(value) => return Ok(value),
                Err(NoAnswer::Fault(fault)) => {
                    self.refresh_after(&fault);
                    return Err(fault);
                }
                Err(NoAnswer::Redirect { address, asking }) => {
                    self.0.outdated.notify_one();
                    sent = Some((address, asking));
                }
                Err(NoAnswer::TryAgain) => sleep(MOVING_PAUSE).await,
            }
        }
        Err(slot_keeps_moving())
    }

    pub(super) async fn health(&self) -> Health {
        let (probes, complete) = {
            let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
            let probe = |(address, lane): (&String, &Lane)| {
                (lane.clone(), probe(topology.slots.tag_at(address)))
            };
            let probes: Vec<_> = topology.lanes.iter().map(probe).collect();
            (probes, topology.slots.is_complete())
        };
        let of = probes.len();
        let answers = probes.into_iter().map(|(lane, probe)| async move {
            let answer = timeout(PROBE_TIMEOUT, lane.command(probe, false)).await;
            match answer {
                Err(_) => Err(Fault::Disconnected),
                Ok(Err(NoAnswer::Fault(fault))) => Err(fault),
                // A migrating slot is not an error: the server answered.
                Ok(_) => Ok(()),
            }
        });
        let answers = join_all(answers).await;
        let up = answers.iter().filter(|answer| answer.is_ok()).count();
        match up {
            0 => Health::Down(
                answers.into_iter().find_map(Result::err).unwrap_or(Fault::Disconnected),
            ),
            up if up == of && complete => Health::Up,
            up => Health::Partial { up, of },
        }
    }

    /// Returns true if any of its servers is connected.
    pub(super) fn is_partly_up(&self) -> bool {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        topology.lanes.values().any(Lane::is_up)
    }

    /// Requests a new map after a fault that an outdated map may have caused.
    fn refresh_after(&self, fault: &Fault) {
        if matches!(
            fault,
            Fault::Disconnected
                | Fault::Unsupported { .. }
                | Fault::AnswerLost
                | Fault::NotServing { .. }
        ) {
            self.0.outdated.notify_one();
        }
    }

    fn no_server(&self) -> Fault {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        if topology.lanes.is_empty() {
            Fault::Disconnected
        } else {
            Fault::NotServing { code: "no server has the slot".to_owned() }
        }
    }

    fn server(&self, slot: u16) -> Option<String> {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        topology.slots.server(slot).map(str::to_owned)
    }

    /// Returns the lane to a server. Opens it if a redirection names a new server.
    fn lane(&self, address: &str) -> Option<Lane> {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = topology.lanes.get(address) {
            return Some(lane.clone());
        }
        drop(topology);
        let opened = self.0.open(address)?;
        let mut topology = self.0.topology.write().unwrap_or_else(PoisonError::into_inner);
        Some(topology.lanes.entry(address.to_owned()).or_insert(opened).clone())
    }
}

fn slot_keeps_moving() -> Fault {
    Fault::NotServing { code: "the slot keeps moving".to_owned() }
}

impl Inner {
    fn open(&self, address: &str) -> Option<Lane> {
        let info = at(self.seeds.first()?, address)?;
        Some(Lane::open(info, self.timeouts, true, Arc::clone(&self.shared)))
    }

    /// Fetches the map from one server after another, starting with connected ones.
    async fn fetch(&self) -> Result<SlotMap, Option<ConnectError>> {
        let mut last = None;
        for info in self.candidates() {
            match fetch_from(&info, self.timeouts).await {
                Ok(Some(map)) if !map.servers().is_empty() => return Ok(map),
                Ok(_) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(last)
    }

    fn candidates(&self) -> Vec<ConnectionInfo> {
        let topology = self.topology.read().unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<_> = topology.lanes.iter().collect();
        known.sort_by_key(|(address, lane)| (!lane.is_up(), (*address).clone()));
        let known = known.into_iter().filter_map(|(address, _)| at(self.seeds.first()?, address));
        known.chain(self.seeds.iter().cloned()).collect()
    }

    /// Switches to a new map: opens lanes to new servers, and closes those to servers without
    /// slots.
    fn adopt(&self, slots: SlotMap) {
        let mut topology = self.topology.write().unwrap_or_else(PoisonError::into_inner);
        if topology.slots != slots {
            info!(servers = ?slots.servers(), "the Cluster's slots changed");
        }
        let mut old = std::mem::take(&mut topology.lanes);
        for address in slots.servers() {
            if let Some(lane) = old.remove(address).or_else(|| self.open(address)) {
                topology.lanes.insert(address.to_owned(), lane);
            }
        }
        topology.slots = slots;
    }
}

/// Builds a health check: a probe of one of the server's slots, or a PING if it has none.
fn probe(tag: Option<String>) -> Cmd {
    tag.map_or_else(|| redis::cmd("PING"), |tag| health::probe(&format!("{HEALTH}:{{{tag}}}")))
}

/// Keeps the map current for as long as the Cluster is in use.
async fn keep_current(cluster: Weak<Inner>) {
    loop {
        let Some(inner) = cluster.upgrade() else { return };
        let pause = match inner.fetch().await {
            Ok(slots) => {
                inner.adopt(slots);
                REFRESH_INTERVAL
            }
            Err(error) => {
                let error = error.map(|error| error.to_string());
                warn!(error, "no server of the Cluster returned its slots; retrying");
                Duration::from_secs(1)
            }
        };
        // An outdated map ends the wait early.
        let _ = timeout(pause, inner.outdated.notified()).await;
        drop(inner);
        sleep(REFRESH_PAUSE).await;
    }
}

async fn fetch_from(
    info: &ConnectionInfo,
    timeouts: Timeouts,
) -> Result<Option<SlotMap>, ConnectError> {
    let (mut connection, _) = server::connect(info, timeouts).await?;
    let reply = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    Ok(SlotMap::read(&reply, &info.addr().to_string()))
}

/// Returns the connection info for `address` (`host:port`), with the user and TLS settings of
/// `like`.
fn at(like: &ConnectionInfo, address: &str) -> Option<ConnectionInfo> {
    let (host, port) = address.rsplit_once(':')?;
    let (host, port) = (host.to_owned(), port.parse().ok()?);
    let address = match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    Some(like.clone().set_addr(address))
}
