//! The shared path to one Redis server: a queue, one connection, group commit.
//!
//! [`super::Store`] holds one lane, and [`super::cluster`] one per server. While a batch is under
//! way, further questions gather; the batch's reply sends the next. At low load nothing waits, and
//! at high load one script decides many requests.
//!
//! While the server is unavailable or unsupported, questions are refused at once, except that
//! they wait for the first attempt to reconnect after a working connection has broken.

use super::fault::Fault;
use super::question::Question;
use super::server::{Server, Timeouts};
use super::shared::Shared;
use super::software::ConnectError;
use super::wave::{Answered, Asked, Commanded, Job, NoAnswer, Wave};
use crate::background;
use crate::clock;
use crate::log_throttle::LogThrottle;
use crate::telemetry;
use limits::ledger::{Charge, Request, Settle};
use metrics::{counter, gauge};
use redis::{Cmd, ConnectionInfo, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::sleep;
use tracing::{info, warn};

/// The most questions in one script.
pub(crate) const MAX_SCRIPT: usize = 256;
/// The most unanswered questions. Any more are refused.
const MAX_WAITING: usize = 16_384;
/// The interval at which an idle connection is tested, to notice its loss before a request does.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The pause between connection attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The minimum interval between log messages of one kind.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// A lane to one server. Clones share it; when the last one is dropped, the connection is closed.
#[derive(Clone)]
pub(crate) struct Lane {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    up: Arc<AtomicBool>,
}

/// A question that can be queued in a lane.
pub(crate) trait Queued: Question {
    /// Wraps the question into a job.
    fn job(asked: Asked<Self>) -> Job
    where
        Self: Sized;
}

impl Queued for Request {
    fn job(asked: Asked<Self>) -> Job {
        Job::Decide(asked)
    }
}

impl Queued for Settle {
    fn job(asked: Asked<Self>) -> Job {
        Job::Settle(asked)
    }
}

impl Queued for Charge {
    fn job(asked: Asked<Self>) -> Job {
        Job::Peek(asked)
    }
}

impl Lane {
    /// Starts connecting to `info`. `by_slot`: each script must stay within one slot.
    pub(crate) fn open(
        info: ConnectionInfo,
        timeouts: Timeouts,
        by_slot: bool,
        shared: Arc<Shared>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_WAITING);
        let up = Arc::new(AtomicBool::new(false));
        let name = info.addr().to_string();
        gauge!(telemetry::LEDGER_UP, "server" => name.clone()).set(0.0);
        let keeper = Keeper {
            name,
            info,
            timeouts,
            by_slot,
            shared,
            queue,
            overflow: None,
            refuse_with: Fault::Disconnected,
            up: Arc::clone(&up),
            log_throttle: LogThrottle::new(LOG_INTERVAL),
        };
        background::spawn("the ledger's connection", keeper.run());
        Self { jobs, room: Arc::new(Semaphore::new(MAX_WAITING)), up }
    }

    /// Returns true if the server is connected.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Asks in order, in as few scripts as possible. Returns one answer each.
    pub(crate) async fn ask<Q: Queued>(
        &self,
        questions: Vec<Q>,
        asking: bool,
    ) -> Vec<Answered<Q::Answer>> {
        let asked = questions.len();
        let mut pending = Vec::with_capacity(asked.div_ceil(MAX_SCRIPT));
        let mut questions = questions.into_iter();
        loop {
            let chunk: Vec<Q> = questions.by_ref().take(MAX_SCRIPT).collect();
            if chunk.is_empty() {
                break;
            }
            pending.push((chunk.len(), self.submit(chunk, asking)));
        }
        let mut results = Vec::with_capacity(asked);
        for (length, submitted) in pending {
            let answers = match submitted {
                Ok(reply) => reply.await.map_err(|_| Fault::Disconnected),
                Err(fault) => Err(fault),
            };
            match answers {
                Ok(answers) => results.extend(answers),
                Err(fault) => results.extend((0..length).map(|_| Err(fault.clone().into()))),
            }
        }
        results
    }

    /// Sends an idempotent command.
    pub(crate) async fn command(&self, command: Cmd, asking: bool) -> Result<Value, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Command(Commanded { command, asking, reply });
        self.jobs.try_send(job).map_err(|_| Fault::Overloaded)?;
        answer.await.map_err(|_| Fault::Disconnected)?
    }

    fn submit<Q: Queued>(
        &self,
        questions: Vec<Q>,
        asking: bool,
    ) -> Result<oneshot::Receiver<Vec<Answered<Q::Answer>>>, Fault> {
        let wanted = u32::try_from(questions.len()).map_err(|_| Fault::Overloaded)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(wanted);
        let room = room.map_err(|_| Fault::Overloaded)?;
        let (reply, answers) = oneshot::channel();
        let asked = Asked::new(questions, asking, reply, room);
        self.jobs.try_send(Q::job(asked)).map_err(|_| Fault::Overloaded)?;
        Ok(answers)
    }
}

/// The task that keeps the connection and processes the queue.
struct Keeper {
    name: String,
    info: ConnectionInfo,
    timeouts: Timeouts,
    by_slot: bool,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Job>,
    /// The job that did not fit into the last wave.
    overflow: Option<Job>,
    /// The fault that jobs are refused with while not connected.
    refuse_with: Fault,
    up: Arc<AtomicBool>,
    log_throttle: LogThrottle,
}

/// The reason a connection ended.
enum End {
    /// The lane was dropped.
    Dropped,
    /// The connection broke. `useful`: true if it had answered anything.
    Broken { fault: Fault, useful: bool },
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut waits = true;
        loop {
            let connecting = connect(self.info.clone(), self.timeouts);
            let connected =
                if waits { Some(connecting.await) } else { self.refusing(connecting).await };
            waits = false;
            match connected {
                None => return,
                Some(Err(error)) => {
                    self.log_error(&error);
                    self.refuse_with = Fault::from(&error);
                }
                Some(Ok(server)) => match self.serve_connected(server).await {
                    End::Dropped => {
                        // The server no longer belongs to the ledger: neither up nor down.
                        gauge!(telemetry::LEDGER_UP, "server" => self.name.clone()).set(f64::NAN);
                        return;
                    }
                    End::Broken { fault, useful } => {
                        warn!(server = self.name, %fault, "the ledger's connection broke; reconnecting");
                        if useful {
                            (pause, waits) = (FIRST_PAUSE, true);
                            continue;
                        }
                    }
                },
            }
            if self.refusing(sleep(pause)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn serve_connected(&mut self, server: Server) -> End {
        let software = server.software();
        info!(server = self.name, %software, "the ledger is connected");
        if software.is_newer_than_tested() {
            warn!(server = self.name, %software, "the ledger is newer than the versions tested");
        }
        self.refuse_with = Fault::Disconnected;
        counter!(telemetry::CONNECTS, "server" => self.name.clone()).increment(1);
        self.set_up(true);
        let end = self.serve(server).await;
        self.set_up(false);
        end
    }

    /// Processes the queue until the connection breaks.
    async fn serve(&mut self, mut server: Server) -> End {
        let mut useful = false;
        loop {
            let job = match self.overflow.take() {
                Some(job) => Some(job),
                None => tokio::select! {
                    job = self.queue.recv() => match job {
                        Some(job) => Some(job),
                        None => return End::Dropped,
                    },
                    () = sleep(HEARTBEAT) => None,
                },
            };
            let outcome = match job {
                Some(job) => self.gather(job).run(&server, &self.shared, self.by_slot).await,
                None => match server.command(&redis::cmd("PING"), false).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(Fault::of(&error)),
                },
            };
            match outcome {
                Ok(()) => useful = true,
                Err(fault) if fault.breaks_connection() => return End::Broken { fault, useful },
                Err(fault) => {
                    if let Some(held_back) = self.log_throttle.permit(clock::instant()) {
                        warn!(server = self.name, %fault, held_back, "the ledger refuses to serve");
                    }
                }
            }
        }
    }

    /// Gathers `job` and further queued jobs, up to one script's worth.
    fn gather(&mut self, job: Job) -> Wave {
        let mut wave = Wave::default();
        let mut next = Some(job);
        while let Some(job) = next {
            if !wave.has_room(&job, MAX_SCRIPT) {
                self.overflow = Some(job);
                break;
            }
            wave.push(job);
            next = self.queue.try_recv().ok();
        }
        wave
    }

    /// Refuses jobs until `until` completes; `None` if the lane is dropped.
    async fn refusing<T>(&mut self, until: impl Future<Output = T>) -> Option<T> {
        let mut until = std::pin::pin!(until);
        if let Some(job) = self.overflow.take() {
            job.refuse(&self.refuse_with);
        }
        loop {
            tokio::select! {
                output = &mut until => return Some(output),
                job = self.queue.recv() => job?.refuse(&self.refuse_with),
            }
        }
    }

    fn log_error(&self, error: &ConnectError) {
        if let Some(held_back) = self.log_throttle.permit(clock::instant()) {
            let problem = match error {
                ConnectError::Redis(_) => "the ledger cannot be reached; retrying",
                ConnectError::Unsupported { .. } => {
                    "the ledger's server is not supported; retrying"
                }
            };
            warn!(server = self.name, %error, held_back, "{problem}");
        }
    }

    fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
        gauge!(telemetry::LEDGER_UP, "server" => self.name.clone()).set(f64::from(u8::from(up)));
    }
}

async fn connect(info: ConnectionInfo, timeouts: Timeouts) -> Result<Server, ConnectError> {
    Server::connect(&info, timeouts).await
}
