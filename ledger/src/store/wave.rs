//! One round of group commit: sends the gathered jobs in as few scripts as the slots allow, and
//! returns each answer to its caller.
//!
//! Created and run by [`super::lane`].

use super::fault::Fault;
use super::question::Question;
use super::server::Server;
use super::shared::Shared;
use crate::clock;
use crate::telemetry;
use futures_util::future::{join_all, join4};
use limits::ledger::{Charge, Refusal, Request, Settle};
use metrics::{counter, gauge, histogram};
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use std::collections::BTreeMap;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// An answer and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<A> {
    /// The ledger's clock, in Unix milliseconds.
    pub now_ms: u64,
    /// The answer.
    pub answer: A,
}

/// The result of one question.
pub(crate) type Answered<A> = Result<Timed<A>, NoAnswer>;

/// The reason a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The question failed.
    Fault(Fault),
    /// Another server has the slot; with `asking`, only temporarily. Nothing was executed.
    Redirect {
        /// `host:port`
        address: String,
        /// True if that server expects `ASKING` first.
        asking: bool,
    },
    /// The slot is being migrated. Nothing was executed.
    TryAgain,
}

impl From<Fault> for NoAnswer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// One caller's questions, waiting for their answers.
pub(crate) struct Asked<Q: Question> {
    questions: Vec<Q>,
    asking: bool,
    reply: oneshot::Sender<Vec<Answered<Q::Answer>>>,
    _place: Place,
}

/// Space in the queue, counted in the gauge.
struct Place {
    questions: usize,
    _room: OwnedSemaphorePermit,
}

/// An entry in a lane's queue.
pub(crate) enum Job {
    /// Requests to decide.
    Decide(Asked<Request>),
    /// Settles to apply.
    Settle(Asked<Settle>),
    /// Counters to read.
    Peek(Asked<Charge>),
    /// Any other command. Idempotent.
    Command(Commanded),
}

/// An idempotent command, waiting for its reply.
pub(crate) struct Commanded {
    pub(crate) command: Cmd,
    /// True if the server was named by `ASK`.
    pub(crate) asking: bool,
    pub(crate) reply: oneshot::Sender<Result<Value, NoAnswer>>,
}

/// The jobs that are sent together.
#[derive(Default)]
pub(crate) struct Wave {
    decides: Vec<Asked<Request>>,
    settles: Vec<Asked<Settle>>,
    peeks: Vec<Asked<Charge>>,
    commands: Vec<Commanded>,
    questions: usize,
}

impl<Q: Question> Asked<Q> {
    pub(crate) fn new(
        questions: Vec<Q>,
        asking: bool,
        reply: oneshot::Sender<Vec<Answered<Q::Answer>>>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let place = Place::taken(questions.len(), room);
        Self { questions, asking, reply, _place: place }
    }

    fn answer(self, answers: Vec<Answered<Q::Answer>>) {
        // The caller may be gone: its deadline passed, or its client disconnected.
        let _ = self.reply.send(answers);
    }

    fn refuse(self, fault: &Fault) {
        let answers = self.questions.iter().map(|_| Err(fault.clone().into())).collect();
        self.answer(answers);
    }
}

impl Place {
    fn taken(questions: usize, room: OwnedSemaphorePermit) -> Self {
        gauge!(telemetry::QUEUE_DEPTH).increment(count(questions));
        Self { questions, _room: room }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        gauge!(telemetry::QUEUE_DEPTH).decrement(count(self.questions));
    }
}

impl Job {
    /// Fails the job with `fault`.
    pub(crate) fn refuse(self, fault: &Fault) {
        match self {
            Self::Decide(asked) => asked.refuse(fault),
            Self::Settle(asked) => asked.refuse(fault),
            Self::Peek(asked) => asked.refuse(fault),
            Self::Command(commanded) => drop(commanded.reply.send(Err(fault.clone().into()))),
        }
    }

    fn questions(&self) -> usize {
        match self {
            Self::Decide(asked) => asked.questions.len(),
            Self::Settle(asked) => asked.questions.len(),
            Self::Peek(asked) => asked.questions.len(),
            Self::Command(..) => 1,
        }
    }
}

impl Wave {
    /// Returns true if `job` fits into a wave of at most `most` questions.
    pub(crate) fn has_room(&self, job: &Job, most: usize) -> bool {
        self.questions == 0 || self.questions + job.questions() <= most
    }

    /// Adds `job`.
    pub(crate) fn push(&mut self, job: Job) {
        self.questions += job.questions();
        match job {
            Job::Decide(asked) => self.decides.push(asked),
            Job::Settle(asked) => self.settles.push(asked),
            Job::Peek(asked) => self.peeks.push(asked),
            Job::Command(commanded) => self.commands.push(commanded),
        }
    }

    /// Sends everything and delivers the answers. Settles are sent first.
    ///
    /// # Errors
    /// Fails with the worst of the faults, if any.
    pub(crate) async fn run(
        self,
        server: &Server,
        shared: &Shared,
        by_slot: bool,
    ) -> Result<(), Fault> {
        let (settles, decides, peeks, commands) = join4(
            answer(self.settles, server, shared, by_slot),
            answer(self.decides, server, shared, by_slot),
            answer(self.peeks, server, shared, by_slot),
            join_all(self.commands.into_iter().map(|asked| command(asked, server, by_slot))),
        )
        .await;
        let commands = commands.into_iter().flatten();
        let faults = [settles, decides, peeks].into_iter().flatten().chain(commands);
        faults.max_by_key(Fault::breaks_connection).map_or(Ok(()), Err)
    }
}

async fn command(commanded: Commanded, server: &Server, by_slot: bool) -> Option<Fault> {
    let Commanded { command, asking, reply } = commanded;
    let answer = server.clone().command(&command, asking).await;
    let answer = answer.map_err(|error| classify(&error, server));
    let fault = match &answer {
        Err(NoAnswer::Fault(fault)) => Some(fault.clone()),
        // Logged, because a single server is not expected to redirect.
        Err(NoAnswer::Redirect { .. }) if !by_slot => Some(Fault::in_a_cluster()),
        _ => None,
    };
    let _ = reply.send(answer);
    fault
}

/// Runs one script for all of `asked`, or one per slot. Returns the worst fault.
async fn answer<Q: Question>(
    mut asked: Vec<Asked<Q>>,
    server: &Server,
    shared: &Shared,
    by_slot: bool,
) -> Option<Fault> {
    // Their callers are gone, so don't charge for them.
    for gone in asked.extract_if(.., |asked| asked.reply.is_closed()) {
        gone.answer(Vec::new());
    }
    let mut groups = BTreeMap::<(u16, bool), Vec<(usize, &Q)>>::new();
    let all = asked.iter().flat_map(|asked| asked.questions.iter().map(|q| (q, asked.asking)));
    for (at, (question, asking)) in all.enumerate() {
        let slot = if by_slot { question.slot() } else { 0 };
        groups.entry((slot, asking)).or_default().push((at, question));
    }
    let answered = join_all(groups.iter().map(|((_, asking), group)| async move {
        let questions: Vec<_> = group.iter().map(|(_, question)| *question).collect();
        let places = group.iter().map(|(at, _)| *at);
        places.zip(ask(&questions, *asking, server, shared).await).collect::<Vec<_>>()
    }))
    .await;
    let mut told: Vec<_> = answered.into_iter().flatten().collect();
    told.sort_unstable_by_key(|(at, _)| *at);
    let worst = told.iter().filter_map(|(_, told)| match told {
        Err(NoAnswer::Fault(fault)) => Some(fault.clone()),
        _ => None,
    });
    let worst = worst.max_by_key(Fault::breaks_connection);
    let mut told = told.into_iter().map(|(_, told)| told);
    for asked in asked {
        let answers = told.by_ref().take(asked.questions.len()).collect();
        asked.answer(answers);
    }
    worst
}

/// Runs one script.
async fn ask<Q: Question>(
    questions: &[&Q],
    asking: bool,
    server: &Server,
    shared: &Shared,
) -> Vec<Answered<Q::Answer>> {
    counter!(telemetry::SCRIPTS, "kind" => Q::KIND.label()).increment(1);
    histogram!(telemetry::BATCH_SIZE, "kind" => Q::KIND.label()).record(count(questions.len()));
    let sent = clock::instant();
    let reply = server.clone().ask(questions, asking).await;
    histogram!(telemetry::LEDGER_SECONDS, "kind" => Q::KIND.label()).record(sent.elapsed());
    let read = reply.map_err(|error| classify(&error, server)).and_then(|reply| {
        let reply = bytes(reply)?;
        Q::read(questions, &reply).map_err(|error| {
            shared.log_bad_reply(&error);
            Fault::InvalidReply.into()
        })
    });
    match read {
        Err(miss) => questions.iter().map(|_| Err(miss.clone())).collect(),
        Ok(reply) => {
            shared.note_reply(reply.now_ms, &reply.damaged);
            let now_ms = reply.now_ms;
            reply.answers.into_iter().map(|answer| timed(now_ms, answer)).collect()
        }
    }
}

fn timed<A>(now_ms: u64, answer: Result<A, Refusal>) -> Answered<A> {
    match answer {
        Ok(answer) => Ok(Timed { now_ms, answer }),
        Err(refusal) => Err(Fault::from(refusal).into()),
    }
}

/// Returns a script's reply, which is one binary string.
fn bytes(reply: Value) -> Result<Vec<u8>, NoAnswer> {
    match reply {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(Fault::InvalidReply.into()),
    }
}

fn classify(error: &RedisError, server: &Server) -> NoAnswer {
    match (error.kind(), error.redirect_node()) {
        (ErrorKind::Server(kind), Some((address, _))) => NoAnswer::Redirect {
            address: server.absolute(address),
            asking: kind == ServerErrorKind::Ask,
        },
        (ErrorKind::Server(ServerErrorKind::TryAgain), _) => NoAnswer::TryAgain,
        _ => Fault::of(error).into(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
fn count(number: usize) -> f64 {
    number as f64
}
