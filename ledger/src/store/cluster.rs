//! A Redis Cluster: one lane for each server, and the map of who has which slot.
//!
//! Called by [`super::Store`]; [`super::spanning`] decides requests whose counters lie in several slots.
//!
//! Written here rather than taken from the client library, because that one repeats what may have
//! run (see [`super::server`]). What is repeated here is only what the server said it did not run:
//! `MOVED` (the slot is elsewhere; the map is fetched anew), `ASK` (elsewhere for now) and
//! `TRYAGAIN` (on the move).

use super::fault::Fault;
use super::health::{HEALTH, Health, write_probe};
use super::lane::{Lane, Queued};
use super::server::{self, Timeouts};
use super::shared::Shared;
use super::slots::SlotMap;
use super::software::ConnectError;
use super::wave::{Miss, Timed};
use crate::background;
use futures_util::future::join_all;
use redis::{Cmd, ConnectionAddr, ConnectionInfo, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// How often one question may be sent elsewhere or put off.
const MAX_HOPS: usize = 8;
/// Before a question whose slot is on the move is asked again.
const MOVING_PAUSE: Duration = Duration::from_millis(10);
/// The map is fetched this often, and when it proves wrong; never more often than the second.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
const REFRESH_PAUSE: Duration = Duration::from_millis(100);
/// For a server's answer when its health is asked: one that hangs must not hide the others.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);

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

/// A question on its way.
struct Pending<Q> {
    at: usize,
    question: Q,
    /// Where it was sent to, if not by the map, and whether that server wants `ASKING`.
    sent: Option<(String, bool)>,
}

impl Cluster {
    /// Starts finding out who is who.
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

    /// Asks questions each of which lies in one slot: all servers at once, each in order.
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
            for (asked, told) in self.round(pending).await {
                let answer = match told {
                    Ok(answer) => Ok(answer),
                    Err(Miss::Fault(fault)) => {
                        self.doubt(&fault);
                        Err(fault)
                    }
                    Err(Miss::Elsewhere { address, asking }) => {
                        self.0.outdated.notify_one();
                        next.push(Pending { sent: Some((address, asking)), ..asked });
                        continue;
                    }
                    Err(Miss::Later) => {
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
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(keeps_moving()))).collect()
    }

    /// Asks each pending question once, where it is thought to belong.
    async fn round<Q: Queued>(
        &self,
        pending: Vec<Pending<Q>>,
    ) -> Vec<(Pending<Q>, Result<Timed<Q::Answer>, Miss>)> {
        let mut out = Vec::with_capacity(pending.len());
        let mut groups = BTreeMap::<(String, bool), Vec<Pending<Q>>>::new();
        for asked in pending {
            let there =
                asked.sent.clone().or_else(|| Some((self.server(asked.question.slot())?, false)));
            match there {
                Some(there) => groups.entry(there).or_default().push(asked),
                None => {
                    self.0.outdated.notify_one();
                    out.push((asked, Err(self.nowhere().into())));
                }
            }
        }
        let asking = groups.into_iter().map(|((address, asking), group)| async move {
            let questions = group.iter().map(|asked| asked.question.clone()).collect();
            let told = match self.lane(&address) {
                Some(lane) => lane.ask(questions, asking).await,
                None => group.iter().map(|_| Err(Fault::Disconnected.into())).collect(),
            };
            group.into_iter().zip(told).collect::<Vec<_>>()
        });
        out.extend(join_all(asking).await.into_iter().flatten());
        out
    }

    /// Sends a command that may be repeated to the server that has `slot`, and on to where that one
    /// says, as for questions.
    pub(super) async fn command(&self, slot: u16, command: Cmd) -> Result<Value, Fault> {
        let mut sent = None;
        for _ in 0..MAX_HOPS {
            let there = sent.take().or_else(|| Some((self.server(slot)?, false)));
            let lane = there.and_then(|(address, asking)| Some((self.lane(&address)?, asking)));
            let Some((lane, asking)) = lane else {
                self.0.outdated.notify_one();
                return Err(self.nowhere());
            };
            match lane.command(command.clone(), asking).await {
                Ok(value) => return Ok(value),
                Err(Miss::Fault(fault)) => {
                    self.doubt(&fault);
                    return Err(fault);
                }
                Err(Miss::Elsewhere { address, asking }) => {
                    self.0.outdated.notify_one();
                    sent = Some((address, asking));
                }
                Err(Miss::Later) => sleep(MOVING_PAUSE).await,
            }
        }
        Err(keeps_moving())
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
            let answer = timeout(PROBE_PATIENCE, lane.command(probe, false)).await;
            match answer {
                Err(_) => Err(Fault::Disconnected),
                Ok(Err(Miss::Fault(fault))) => Err(fault),
                // A slot that moves is no illness: the server answers.
                Ok(_) => Ok(()),
            }
        });
        let answers = join_all(answers).await;
        let up = answers.iter().filter(|answer| answer.is_ok()).count();
        match up {
            0 => Health::Ill(
                answers.into_iter().find_map(Result::err).unwrap_or(Fault::Disconnected),
            ),
            up if up == of && complete => Health::Well,
            up => Health::Partly { up, of },
        }
    }

    /// Whether any of its servers is connected.
    pub(super) fn is_partly_up(&self) -> bool {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        topology.lanes.values().any(Lane::is_up)
    }

    /// After a fault that another map might not have led to, the map is fetched anew.
    fn doubt(&self, fault: &Fault) {
        if matches!(
            fault,
            Fault::Disconnected
                | Fault::Unsupported { .. }
                | Fault::AnswerLost
                | Fault::Unfit { .. }
        ) {
            self.0.outdated.notify_one();
        }
    }

    fn nowhere(&self) -> Fault {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        if topology.lanes.is_empty() {
            Fault::Disconnected
        } else {
            Fault::Unfit { code: "no server has the slot".to_owned() }
        }
    }

    fn server(&self, slot: u16) -> Option<String> {
        let topology = self.0.topology.read().unwrap_or_else(PoisonError::into_inner);
        topology.slots.server(slot).map(str::to_owned)
    }

    /// The lane to a server; a new one if a redirection names a server that is new.
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

fn keeps_moving() -> Fault {
    Fault::Unfit { code: "the slot keeps moving".to_owned() }
}

impl Inner {
    fn open(&self, address: &str) -> Option<Lane> {
        let info = at(self.seeds.first()?, address)?;
        Some(Lane::open(info, self.timeouts, true, Arc::clone(&self.shared)))
    }

    /// Asks one server after the other for the map, those that are connected first.
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

    /// Lanes for the servers of the new map; those of servers that have no slots any more close.
    fn adopt(&self, slots: SlotMap) {
        let mut topology = self.topology.write().unwrap_or_else(PoisonError::into_inner);
        if topology.slots != slots {
            info!(servers = ?slots.servers(), "the Cluster's slots");
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

/// A write to one of a server's slots, by a tag that lies there; without one, whether it answers.
fn probe(tag: Option<String>) -> Cmd {
    tag.map_or_else(|| redis::cmd("PING"), |tag| write_probe(&format!("{HEALTH}:{{{tag}}}")))
}

/// Keeps the map current for as long as anyone holds the Cluster.
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
                warn!(error, "no server of the Cluster tells its slots; trying on");
                Duration::from_secs(1)
            }
        };
        // Whoever finds the map outdated shortens the wait.
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

/// The connection to `address` (`host:port`), with the user and the TLS of `like`.
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
