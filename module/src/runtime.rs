//! The module's thread: an event loop for the ledger's client, shared by all configurations.

use crate::abi::{LogLevel, log};
use crate::connection::{Address, Connection};
use crate::drive;
use crate::front::Front;
use ledger::store::Timeouts;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Handle};

/// The running thread and its ledgers.
struct Running {
    thread: Handle,
    /// The ledgers, by URL as written. A changed policy keeps its ledger.
    ledgers: BTreeMap<String, Opened>,
}

/// A ledger that was opened after `faults`.
#[derive(Clone)]
pub(crate) struct Opened {
    connection: Connection,
    faults: u64,
}

/// The ledger to use, by its URL.
pub(crate) struct Place {
    pub(crate) address: Address,
    /// The URL as written, with its password.
    pub(crate) text: String,
    /// The same for all ledgers, since they come from the environment.
    pub(crate) timeouts: Timeouts,
}

/// The number of panics in the ledgers' tasks so far.
static FAULTS: AtomicU64 = AtomicU64::new(0);

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// Makes the calls of `front` to the ledger at `place` from now on.
///
/// # Errors
/// Fails with a sentence if the operating system refuses a thread or random bytes.
pub(crate) fn drive(front: &Arc<Front>, place: Place) -> Result<(), String> {
    #[cfg(feature = "simulated")]
    if crate::simulated::takes(front) {
        return Ok(());
    }
    let opened = place.open()?;
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = &*running {
        let _entered = running.thread.enter();
        drive::spawn(Arc::clone(front), place, opened);
    }
    Ok(())
}

impl Opened {
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Returns false if a task of a ledger has panicked since this one was opened.
    pub(crate) fn is_whole(&self) -> bool {
        self.faults == FAULTS.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Opens the ledger, or returns the open one.
    ///
    /// # Errors
    /// As [`drive`].
    pub(crate) fn open(&self) -> Result<Opened, String> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match &mut *running {
            Some(running) => running,
            empty => empty.insert(start()?),
        };
        if let Some(opened) = running.ledgers.get(&self.text).filter(|opened| opened.is_whole()) {
            return Ok(opened.clone());
        }
        let faults = FAULTS.load(Ordering::Relaxed);
        let _entered = running.thread.enter();
        let connection = Connection::open(&self.address, self.timeouts)?;
        let opened = Opened { connection, faults };
        running.ledgers.insert(self.text.clone(), opened.clone());
        Ok(opened)
    }
}

fn start() -> Result<Running, String> {
    ledger::background::on_panic(|name| {
        FAULTS.fetch_add(1, Ordering::Relaxed);
        log(LogLevel::Error, &format!("tollgate: a fault of Tollgate in the task {name}: a panic"));
    });
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start an event loop: {error}"))?;
    let thread = runtime.handle().clone();
    std::thread::Builder::new()
        .name("tollgate".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(Running { thread, ledgers: BTreeMap::new() })
}
