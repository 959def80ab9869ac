//! What decides and settles for a gate: the ledger's client in this process, or a shim.

use crate::shim::Shim;
use hyper::Uri;
use ledger::store::url::LedgerUrl;
use ledger::store::{Health, Timeouts};
use ledger::{AcceptError, Ledger, checked};
use limits::gate::SettleResult;
use limits::wire::{Decision, Request, Settle, SettleBody};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The headers of a call.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// The most counters of a ledger in memory.
const MEMORY_COUNTERS: usize = 1_000_000;
/// The interval at which a call that waits for the ledger looks again.
const REACHED_EVERY: Duration = Duration::from_millis(5);

/// The address of a ledger, or of a shim.
pub(crate) enum Address {
    Ledger(Box<LedgerUrl>),
    Shim(Uri),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("http://") {
            let url = text.parse().map(|url| Self::Ledger(Box::new(url)));
            return url.map_err(|error| format!("{error}; http://HOST:PORT is a shim"));
        }
        let is_base = |url: &Uri| url.path() == "/" && url.query().is_none();
        let url = text.parse().ok().filter(|url| is_base(url) && url.port_u16().is_some());
        url.map(Self::Shim).ok_or_else(|| format!("expected http://HOST:PORT, found {text:?}"))
    }
}

/// An open ledger, or a shim. Clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    Ledger(Ledger),
    Shim(Arc<Shim>),
}

impl Connection {
    /// Opens the ledger or shim at `address`, which need not be reachable yet. Call it on the module's
    /// thread.
    ///
    /// # Errors
    /// Fails with a sentence if the operating system has no random bytes.
    pub(crate) fn open(address: &Address, timeouts: Timeouts) -> Result<Self, String> {
        match address {
            Address::Ledger(url) => Ledger::open(url, timeouts, MEMORY_COUNTERS)
                .map(Self::Ledger)
                .map_err(|error| format!("cannot get random bytes: {error}")),
            Address::Shim(base) => {
                Ok(Self::Shim(Arc::new(Shim::new(base.clone(), timeouts.connect))))
            }
        }
    }

    /// Decides requests, in order, once the ledger has been reached for the first time. `None` if that
    /// failed.
    ///
    /// `headers`: for a shim.
    pub(crate) async fn decide(
        &self,
        requests: Vec<Request>,
        headers: Headers,
    ) -> Option<Vec<Decision>> {
        match self {
            Self::Ledger(ledger) => {
                // The first requests of an Envoy come before the ledger is reached.
                while !ledger.is_reached() {
                    sleep(REACHED_EVERY).await;
                }
                ledger.decide(&requests).await.ok().map(|reply| reply.decisions)
            }
            Self::Shim(shim) => shim.decide(requests, headers).await,
        }
    }

    /// Applies settles.
    pub(crate) async fn settle(&self, settles: Vec<Settle>) -> SettleResult {
        match self {
            Self::Ledger(ledger) => settle(ledger, settles).await,
            Self::Shim(shim) => shim.settle(settles).await,
        }
    }

    /// Returns true if requests can be decided.
    pub(crate) async fn is_up(&self) -> bool {
        match self {
            Self::Ledger(ledger) => {
                let is_up = matches!(ledger.health().await, Health::Up | Health::Partial { .. });
                is_up && ledger.is_reached()
            }
            Self::Shim(shim) => shim.is_up().await,
        }
    }
}

async fn settle(ledger: &Ledger, settles: Vec<Settle>) -> SettleResult {
    let Ok(settles) = checked::settles(SettleBody { settles }) else {
        return SettleResult::Rejected;
    };
    match ledger.accept(settles) {
        Ok(accepted) => match ledger.settle(&accepted).await {
            Ok(_) => SettleResult::Accepted,
            Err(_) => SettleResult::Lost,
        },
        Err(AcceptError::Unsealed(_)) => SettleResult::Rejected,
        Err(AcceptError::Fault(_)) => SettleResult::Lost,
    }
}
