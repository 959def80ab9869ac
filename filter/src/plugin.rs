//! Which context Envoy means: its root contexts, one for each policy in use, and their streams.
//! Called by [`crate::abi`]'s exports.

use crate::connections::{self, Limiter};
use crate::host;
use crate::root::{Root, Worker};
use crate::stream;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// One VM's contexts. Envoy numbers them, so no client chooses how they hash.
#[derive(Default)]
pub(crate) struct Plugin {
    roots: FxHashMap<u32, Root>,
    /// To which worker each stream belongs; it outlives its root where the policy is replaced.
    streams: FxHashMap<u32, Rc<Worker>>,
    /// The roots that limit connections.
    limiters: FxHashMap<u32, Limiter>,
    /// To which of these each connection belongs.
    connections: FxHashMap<u32, u32>,
}

thread_local! {
    static PLUGIN: RefCell<Plugin> = RefCell::default();
}

/// Calls `act`. Envoy calls into a VM from one thread and never while a call is under way, so it is
/// always called; were that to change, there is `otherwise`, and it is in the log: no panic.
pub(crate) fn with<R>(otherwise: R, act: impl FnOnce(&mut Plugin) -> R) -> R {
    PLUGIN.with(|plugin| match plugin.try_borrow_mut() {
        Ok(mut plugin) => act(&mut plugin),
        Err(_) => {
            log::error!("tollgate: called while it was at work: please report this");
            otherwise
        }
    })
}

impl Plugin {
    /// A context begins: a root (its parent is 0), or a stream of one.
    pub(crate) fn created(&mut self, context: u32, parent: u32) {
        if parent == 0 {
            self.roots.insert(context, Root::new(context));
        } else if let Some(worker) = self.roots.get(&parent).and_then(Root::worker) {
            self.streams.insert(context, Rc::clone(worker));
        } else if self.limiters.contains_key(&parent) {
            self.connections.insert(context, parent);
        }
    }

    /// Whether the root's configuration, of this `size`, is a policy, or a limit of connections where
    /// it is a root for that.
    pub(crate) fn configure(&mut self, root: u32, size: usize) -> bool {
        if host::property("plugin_root_id").as_deref() == Some(connections::ROOT_ID) {
            let limiter = Limiter::configured(size);
            let is_configured = limiter.is_some();
            self.limiters.extend(limiter.map(|limiter| (root, limiter)));
            return is_configured;
        }
        self.roots.get_mut(&root).is_some_and(|root| root.configure(size))
    }

    pub(crate) fn tick(&mut self, root: u32) {
        let is_done = self.roots.get_mut(&root).is_some_and(Root::tick);
        if is_done {
            self.roots.remove(&root);
        }
    }

    pub(crate) fn queue_ready(&mut self, root: u32, queue: u32) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.queue_ready(queue);
        }
    }

    pub(crate) fn replied(&mut self, root: u32, token: u32, headers: u32, body_size: usize) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.replied(token, headers, body_size);
        }
    }

    /// Whether the new connection was closed.
    pub(crate) fn connected(&mut self, id: u32) -> bool {
        let root = self.connections.get(&id);
        let limiter = root.and_then(|root| self.limiters.get_mut(root));
        limiter.is_some_and(|limiter| limiter.opened(id))
    }

    /// Whether to pause the request.
    pub(crate) fn request(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|worker| stream::request(id, worker))
    }

    pub(crate) fn response(&self, id: u32) {
        if let Some(worker) = self.streams.get(&id) {
            stream::response(id, worker);
        }
    }

    /// Whether the context is done with.
    pub(crate) fn done(&mut self, context: u32) -> bool {
        if let Some(worker) = self.streams.remove(&context) {
            worker.gate.with(|gate| gate.done(context));
            return true;
        }
        if let Some(root) = self.connections.remove(&context) {
            if let Some(limiter) = self.limiters.get_mut(&root) {
                limiter.closed(context);
            }
            return true;
        }
        self.limiters.remove(&context);
        let is_done = self.roots.get_mut(&context).is_none_or(Root::close);
        if is_done {
            self.roots.remove(&context);
        }
        is_done
    }
}
