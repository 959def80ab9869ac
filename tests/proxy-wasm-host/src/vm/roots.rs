//! Root contexts: one for each configuration. A new configuration gets a new one in the same VM;
//! the old one stays as long as it has streams.

use super::Vm;
use crate::state::{Root, Tick};

/// A plugin that could not be started or configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It crashed.
    #[error("the plugin crashed: {0}")]
    Crashed(String),
    /// `proxy_on_vm_start` returned false.
    #[error("the plugin refuses to start: {last_words}")]
    RefusedStart {
        /// What it logged last.
        last_words: String,
    },
    /// `proxy_on_configure` returned false.
    #[error("the plugin refuses its configuration: {last_words}")]
    RefusedConfiguration {
        /// What it logged last.
        last_words: String,
    },
}

impl Vm {
    /// Gives the plugin another configuration: a new root context, for the streams opened from now
    /// on. If it is refused, everything stays as it was.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn configure(&mut self, configuration: Vec<u8>) -> Result<u32, StartError> {
        let host = self.host_mut();
        let root = host.next_context();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let vm_length = length(&host.vm_configuration);
        let plugin_length = length(&configuration);
        host.roots.insert(root, Root { configuration, ..Root::default() });
        let create = self.exports.create.clone();
        self.invoke("proxy_on_context_create", create, root, (root, 0));
        let vm_start = self.exports.vm_start.clone();
        let started = self.invoke("proxy_on_vm_start", vm_start, root, (root, vm_length));
        let configure = self.exports.configure.clone();
        let configured = (started != Some(0))
            .then(|| self.invoke("proxy_on_configure", configure, root, (root, plugin_length)))
            .flatten();
        self.act();
        if started != Some(0) && configured != Some(0) && self.crash.is_none() {
            self.newest_root = root;
            self.end_idle_roots();
            return Ok(root);
        }
        let error = self.why(started == Some(0));
        self.end_root(root);
        Err(error)
    }

    /// Ends all streams, then all root contexts: what happens when Envoy drops a VM.
    pub fn shut_down(mut self) {
        self.streams().into_iter().for_each(|stream| self.end(stream));
        let roots: Vec<u32> = self.host().roots.keys().copied().collect();
        roots.into_iter().for_each(|root| self.end_root(root));
    }

    /// When the next timer is due, in Unix ns.
    #[must_use]
    pub fn next_tick_ns(&self) -> Option<u64> {
        self.host().roots.values().filter_map(|root| Some(root.tick?.next_ns)).min()
    }

    /// Runs the timers that are due by the process's clock. Each is due again its period after it
    /// has run, however late it was.
    pub fn run_ticks(&mut self) {
        let now_ns = self.host().process.read().now_ns;
        let is_due = |tick: Option<Tick>| tick.is_some_and(|tick| tick.next_ns <= now_ns);
        let roots = self.host().roots.iter();
        let due: Vec<u32> =
            roots.filter(|(_, root)| is_due(root.tick)).map(|(id, _)| *id).collect();
        for root in due {
            let callback = self.exports.tick.clone();
            self.invoke("proxy_on_tick", callback, root, (root,));
            if let Some(tick) = self.host_mut().roots.get_mut(&root).and_then(|r| r.tick.as_mut()) {
                tick.next_ns = now_ns + u64::from(tick.period_ms) * 1_000_000;
            }
            self.act();
        }
    }

    /// How many root contexts there are: more than one while streams of an old one last.
    #[must_use]
    pub fn roots(&self) -> usize {
        self.host().roots.len()
    }

    /// Ends the root contexts of old configurations that have no stream any more.
    pub(super) fn end_idle_roots(&mut self) {
        let host = self.host();
        let is_used = |root: u32| host.streams.values().any(|stream| stream.root == root);
        let idle = host
            .roots
            .iter()
            .filter(|(id, root)| **id != self.newest_root && !root.is_pending && !is_used(**id));
        let idle: Vec<u32> = idle.map(|(id, _)| *id).collect();
        idle.into_iter().for_each(|root| self.end_root(root));
    }

    fn end_root(&mut self, root: u32) {
        let callback = self.exports.done.clone();
        if self.invoke("proxy_on_done", callback, root, (root,)) == Some(0) {
            if let Some(root) = self.host_mut().roots.get_mut(&root) {
                root.is_pending = true;
            }
            self.act();
        } else {
            self.delete(root);
            self.act();
        }
    }

    fn why(&self, refused_start: bool) -> StartError {
        let last_words = self.host().last_words.clone();
        match &self.crash {
            Some(crash) => StartError::Crashed(format!("{}: {}", crash.trap, crash.last_words)),
            None if refused_start => StartError::RefusedStart { last_words },
            None => StartError::RefusedConfiguration { last_words },
        }
    }
}
