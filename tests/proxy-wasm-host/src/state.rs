//! The state that a VM's imports work on: contexts, deferred actions and callouts. It is the data
//! of the wasmtime store.

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
    /// True if the plugin has answered `proxy_on_done` with "not yet".
    pub(crate) is_pending: bool,
}

/// A root context's timer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) period_ms: u32,
    pub(crate) next_ns: u64,
}

/// An action that waits until the current callback has returned, as in Envoy.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(StreamNumber, crate::abi::Side),
    Answer(StreamNumber, LocalReply),
    Reset(StreamNumber),
    /// Deletes a root context that was pending and is now done.
    Delete(u32),
}

/// A response that the plugin sends itself.
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
    /// The context whose callback is running, or 0.
    pub(crate) current: u32,
    /// The context that the plugin has switched to, or 0.
    pub(crate) effective: u32,
    pub(crate) has_answered: bool,
    pub(crate) deferred: VecDeque<Deferred>,

    /// The context of each callout in flight, by token.
    pub(crate) callouts: BTreeMap<u32, u32>,
    last_token: u32,
    /// The reply being delivered, and its context.
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

    /// Returns a context number that this VM has never used.
    pub(crate) fn next_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }

    pub(crate) fn next_token(&mut self) -> u32 {
        self.last_token += 1;
        self.last_token
    }

    /// Returns the context that host calls apply to: the effective one if it still exists, else the
    /// current one.
    pub(crate) fn context(&self) -> u32 {
        if self.has_context(self.effective) { self.effective } else { self.current }
    }

    pub(crate) fn has_context(&self, context: u32) -> bool {
        self.roots.contains_key(&context) || self.streams.contains_key(&context)
    }

    /// Returns the root context of [`Self::context`].
    pub(crate) fn root(&self) -> u32 {
        let context = self.context();
        self.streams.get(&context).map_or(context, |stream| stream.root)
    }

    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context)
    }

    /// Returns the reply being delivered, if it belongs to [`Self::context`].
    pub(crate) fn reply(&mut self) -> Option<&mut Reply> {
        let context = self.context();
        self.reply.as_mut().filter(|(owner, _)| *owner == context).map(|(_, reply)| reply)
    }

    pub(crate) fn record_violation(&mut self, function: &'static str, what: impl Into<String>) {
        let violation = Violation { vm: self.vm, function, what: what.into() };
        self.process.state().record_violation(violation);
    }

    /// Records a violation and returns `status`.
    pub(crate) fn reject(
        &mut self,
        function: &'static str,
        what: impl Into<String>,
        status: Status,
    ) -> Status {
        self.record_violation(function, what);
        status
    }

    pub(crate) fn log(&mut self, level: crate::abi::LogLevel, message: String) {
        self.last_words.clone_from(&message);
        self.process.state().note(LogLine { vm: self.vm, level, message });
    }
}
