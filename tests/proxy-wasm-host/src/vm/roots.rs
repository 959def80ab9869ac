//! Root contexts, one for each configuration. A new configuration gets a new root context in the
//! same VM; the old one remains as long as it has streams.

use super::Vm;
use crate::state::{Root, Tick};

/// The reason that a plugin could not be started or configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The plugin crashed.
    #[error("the plugin crashed: {0}")]
    Crashed(String),
    /// `proxy_on_vm_start` returned false.
    #[error("the plugin refused to start: {last_words}")]
    RefusedStart {
        /// The plugin's last log line.
        last_words: String,
    },
    /// `proxy_on_configure` returned false.
    #[error("the plugin rejected its configuration: {last_words}")]
    RefusedConfiguration {
        /// The plugin's last log line.
        last_words: String,
    },
}

impl Vm {
    /// Starts a new root context with `configuration` and returns its number. Streams opened from
    /// now on use it. If the plugin rejects it, the old configuration stays in use.
    ///
    /// # Errors
    /// [`StartError`] if the plugin crashes or rejects the configuration.
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
        self.run_deferred();
        if started != Some(0) && configured != Some(0) && self.crash.is_none() {
            self.newest_root = root;
            self.end_idle_roots();
            return Ok(root);
        }
        let error = self.start_error(started == Some(0));
        self.end_root(root);
        Err(error)
    }

    /// Ends all streams, then all root contexts, as Envoy does when it drops a VM.
    pub fn shut_down(mut self) {
        self.streams().into_iter().for_each(|stream| self.end(stream));
        let roots: Vec<u32> = self.host().roots.keys().copied().collect();
        roots.into_iter().for_each(|root| self.end_root(root));
    }

    /// Returns when the next timer is due, in Unix ns.
    #[must_use]
    pub fn next_tick_ns(&self) -> Option<u64> {
        self.host().roots.values().filter_map(|root| Some(root.tick?.next_ns)).min()
    }

    /// Runs the timers that are due by the process's clock. Each is due again one period after this
    /// run, however late it was.
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
            self.run_deferred();
        }
    }

    /// Returns the number of root contexts: more than one while old streams remain.
    #[must_use]
    pub fn roots(&self) -> usize {
        self.host().roots.len()
    }

    /// Ends the root contexts of old configurations that have no more streams.
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
            self.run_deferred();
        } else {
            self.delete(root);
            self.run_deferred();
        }
    }

    fn start_error(&self, refused_start: bool) -> StartError {
        let last_words = self.host().last_words.clone();
        match &self.crash {
            Some(crash) => StartError::Crashed(format!("{}: {}", crash.trap, crash.last_words)),
            None if refused_start => StartError::RefusedStart { last_words },
            None => StartError::RefusedConfiguration { last_words },
        }
    }
}
