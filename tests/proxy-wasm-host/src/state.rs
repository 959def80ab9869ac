//! What a VM's imports work on: its contexts, what it has asked to be done after the call under way,
//! its callouts. The data of the wasmtime store.

use crate::abi::Status;
use crate::callout::Reply;
use crate::event::{Event, StreamNumber};
use crate::headers::Headers;
use crate::process::{LogLine, Process, Violation};
use crate::shared::VmNumber;
use crate::stream::Stream;
use std::collections::{BTreeMap, VecDeque};
use wasmtime::{Memory, StoreLimits, TypedFunc};

/// A root context: one configuration of the plugin.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub(crate) configuration: Vec<u8>,
    pub(crate) tick: Option<Tick>,
    /// It has said that it is not done yet.
    pub(crate) is_pending: bool,
}

/// A root context's timer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) period_ms: u32,
    pub(crate) next_ns: u64,
}

/// What a plugin has asked for and gets once its call has returned, as in Envoy.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(StreamNumber, crate::abi::Side),
    Answer(StreamNumber, LocalReply),
    Reset(StreamNumber),
    /// A root context that was pending is done now.
    Delete(u32),
}

/// An answer of the plugin's own.
#[derive(Debug)]
pub(crate) struct LocalReply {
    pub(crate) status: u32,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// The state of one VM.
pub(crate) struct HostState {
    pub(crate) process: Process,
    pub(crate) vm: VmNumber,
    pub(crate) vm_id: String,
    pub(crate) root_id: String,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) limits: StoreLimits,

    pub(crate) roots: BTreeMap<u32, Root>,
    pub(crate) streams: BTreeMap<StreamNumber, Stream>,
    last_context: u32,
    /// Whose callback is running; 0 if none is.
    pub(crate) current: u32,
    /// Whom the plugin acts for instead; 0 if for nobody else.
    pub(crate) effective: u32,
    pub(crate) has_answered: bool,
    pub(crate) deferred: VecDeque<Deferred>,

    /// Callouts under way: to which context each belongs.
    pub(crate) callouts: BTreeMap<u32, u32>,
    last_token: u32,
    /// The reply being shown, and to which context.
    pub(crate) reply: Option<(u32, Reply)>,
    pub(crate) events: Vec<Event>,
    pub(crate) last_words: String,
}

impl HostState {
    pub(crate) fn new(process: Process, options: &crate::vm::Options, limits: StoreLimits) -> Self {
        let vm = process.next_vm();
        Self {
            process,
            vm,
            vm_id: options.vm_id.clone(),
            root_id: options.root_id.clone(),
            vm_configuration: options.vm_configuration.clone(),
            memory: None,
            allocate: None,
            limits,
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            last_context: 0,
            current: 0,
            effective: 0,
            has_answered: false,
            deferred: VecDeque::new(),
            callouts: BTreeMap::new(),
            last_token: 0,
            reply: None,
            events: Vec::new(),
            last_words: String::new(),
        }
    }

    /// A context's number that no other of this VM has had.
    pub(crate) fn next_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }

    pub(crate) fn next_token(&mut self) -> u32 {
        self.last_token += 1;
        self.last_token
    }

    /// Whom a call of the host is about: the effective context if it is still there.
    pub(crate) fn context(&self) -> u32 {
        if self.has_context(self.effective) { self.effective } else { self.current }
    }

    pub(crate) fn has_context(&self, context: u32) -> bool {
        self.roots.contains_key(&context) || self.streams.contains_key(&context)
    }

    /// The root context of the context that a call is about.
    pub(crate) fn root(&self) -> u32 {
        let context = self.context();
        self.streams.get(&context).map_or(context, |stream| stream.root)
    }

    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context)
    }

    /// The reply being shown, if it is shown to the context that the call is about.
    pub(crate) fn reply(&mut self) -> Option<&mut Reply> {
        let context = self.context();
        self.reply.as_mut().filter(|(owner, _)| *owner == context).map(|(_, reply)| reply)
    }

    pub(crate) fn accuse(&mut self, function: &'static str, what: impl Into<String>) {
        let violation = Violation { vm: self.vm, function, what: what.into() };
        self.process.state().accuse(violation);
    }

    /// Notes a violation and gives the status to return.
    pub(crate) fn wrong(
        &mut self,
        function: &'static str,
        what: impl Into<String>,
        status: Status,
    ) -> Status {
        self.accuse(function, what);
        status
    }

    pub(crate) fn log(&mut self, level: crate::abi::LogLevel, message: String) {
        self.last_words.clone_from(&message);
        self.process.state().note(LogLine { vm: self.vm, level, message });
    }
}
