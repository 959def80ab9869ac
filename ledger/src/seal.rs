//! Seals decisions, so that a settle is accepted only for charges that a decision made.
//!
//! A decision's id ends in a seal for each of its charges and leases: a keyed hash of the
//! decision's name, the counter, its quota and the amount charged. A settle repeats these, so any
//! shim with the key can check it without a lookup. The key is stored in the ledger ([`store`]). If
//! it is lost, so are the counters, and settles of earlier decisions are refused.
//!
//! The seal also names the marks of give-backs. So a charge comes back only once, and a lease only
//! up to its grant, whatever the settles' ids are.
//!
//! Called by [`crate::Ledger::decide`] and [`crate::Ledger::settle`].

pub mod store;

use crate::checked::Settle;
use crate::store::Store;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use limits::counter::CounterName;
use limits::ledger::{Decided, SettleId};
use limits::quota::Quota;
use limits::wire::{
    Charge, MAX_CHARGES, MAX_SETTLE_ID_BYTES, SettleAmount, SettleCharge, decision_name,
};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use subtle::{Choice, ConstantTimeEq};

/// The length of a key.
pub const KEY_BYTES: usize = 32;
/// The length of each keyed hash in bytes, and as text.
const HASH_BYTES: usize = 8;
const SEAL_BYTES: usize = 11;
/// The most seals in an id: one for each charge and one for its lease.
const MAX_SEALS: usize = 2 * MAX_CHARGES;
/// The longest decision name. The mark of a lease is that name, `.` and a seal.
const MAX_NAME_BYTES: usize = MAX_SETTLE_ID_BYTES - 1 - SEAL_BYTES;

/// Makes and checks seals with one key. Never shows the key.
#[derive(Clone)]
pub struct Sealer(Hmac<Sha256>);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// A seal, as text.
type Seal = [u8; SEAL_BYTES];

/// A part of a settle that the ledger applies by itself. It concerns one identity and has its own
/// mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The mark's name.
    pub id: SettleId,
    /// The indices of its charges in the settle.
    pub charges: Vec<usize>,
}

/// The current sealer. Clones share it.
#[derive(Clone, Default)]
pub struct Seals(Arc<RwLock<Option<Sealer>>>);

impl Seals {
    /// Creates the seals for `store`. An in-memory ledger's key is kept here. Others are unknown
    /// until they have been read.
    ///
    /// # Errors
    /// Fails if the operating system cannot provide random bytes.
    pub fn of(store: &Store) -> Result<Self, getrandom::Error> {
        let seals = Self::default();
        if matches!(store, Store::Memory(_)) {
            seals.replace(Sealer::new(&random_key()?));
        }
        Ok(seals)
    }

    /// Returns the sealer; `None` if the key has not been read yet.
    #[must_use]
    pub fn sealer(&self) -> Option<Sealer> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, sealer: Sealer) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(sealer);
    }
}

impl Sealer {
    /// Creates a sealer with this key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        // HMAC pads a key shorter than a block with zeros.
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Self(Hmac::new(&block.into()))
    }

    /// Returns the unique part of a decision's id: `unique`, followed by the seals of its charges.
    #[must_use]
    pub fn seal(&self, now_ms: u64, unique: &str, charges: &[Charge], decided: &Decided) -> String {
        let mut sealed = unique.to_owned();
        if !decided.admitted {
            return sealed;
        }
        let name = format!("{now_ms}-{unique}");
        let mut separator = Some('.');
        for (charge, outcome) in charges.iter().zip(&decided.charges) {
            if !outcome.admitted {
                continue;
            }
            let lease = outcome.lease.map(|lease| (lease.granted, lease.lease_ms));
            for (amount, lease_ms) in [Some((charge.cost.get(), 0)), lease].into_iter().flatten() {
                let seal = self.of(&name, &charge.counter, charge.quota, amount, lease_ms);
                sealed.extend(separator.take());
                sealed.extend(seal.map(char::from));
            }
        }
        sealed
    }

    /// Splits a settle into parts, and checks that its decision made the charges.
    ///
    /// # Errors
    /// Fails with the indices of the charges that the decision did not make.
    pub fn parts(&self, settle: &Settle) -> Result<Vec<Part>, Vec<usize>> {
        let name = decision_name(&settle.decision);
        let seals = settle.decision.as_bytes().get(name.len() + 1..).unwrap_or_default();
        let fits = name.len() <= MAX_NAME_BYTES
            && seals.len().is_multiple_of(SEAL_BYTES)
            && seals.len() <= MAX_SEALS * SEAL_BYTES;
        let mut parts = BTreeMap::<(&str, Option<SettleId>), Vec<usize>>::new();
        let mut unsealed = Vec::new();
        for (at, charge) in settle.charges.iter().enumerate() {
            let seal = fits.then(|| self.of_charge(name, charge)).filter(|seal| is_in(seals, seal));
            match seal.and_then(|seal| mark(name, &seal, settle, charge)) {
                Some(id) => {
                    parts.entry((charge.counter.slot_tag(), Some(id))).or_default().push(at);
                }
                None => unsealed.push(at),
            }
        }
        if !unsealed.is_empty() {
            return Err(unsealed);
        }
        let part = |((_, id), charges): ((_, Option<SettleId>), _)| Some(Part { id: id?, charges });
        Ok(parts.into_iter().filter_map(part).collect())
    }

    fn of_charge(&self, name: &str, charge: &SettleCharge) -> Seal {
        let lease_ms = charge.lease_ms.map_or(0, |lease_ms| lease_ms.get());
        self.of(name, &charge.counter, charge.quota, charge.charged.get(), lease_ms)
    }

    /// Returns the seal of `amount`, charged to `counter` by the decision `name`. `lease_ms`: the
    /// lease's length, or 0 if this is not a lease.
    fn of(
        &self,
        name: &str,
        counter: &CounterName,
        quota: Quota,
        amount: u64,
        lease_ms: u64,
    ) -> Seal {
        let mut mac = self.0.clone();
        let mut text = Vec::with_capacity(192);
        text.extend(amount.to_be_bytes());
        text.extend(lease_ms.to_be_bytes());
        let (kind, numbers, zone) = match quota {
            Quota::SlidingWindow(window) => {
                (b's', [window.limit.get(), window.window_ms.get(), 0], "")
            }
            Quota::FixedWindow(window) => {
                let numbers = [window.limit.get(), window.per.longest_ms(), window.anchor.number()];
                (b'f', numbers, window.time_zone.name())
            }
            Quota::Balance(balance) => (b'b', [balance.start.get(), 0, 0], ""),
            Quota::TokenBucket(bucket) => {
                (b't', [bucket.rate(), bucket.per_ms(), bucket.burst()], "")
            }
        };
        text.push(kind);
        numbers.iter().for_each(|number| text.extend(number.to_be_bytes()));
        // Each part is prefixed with its length, so that different lists cannot produce the same
        // input.
        for part in [name, counter.as_str(), zone] {
            text.extend((part.len() as u64).to_be_bytes());
            text.extend(part.as_bytes());
        }
        mac.update(&text);
        let hash = mac.finalize().into_bytes();
        let mut seal = [0; SEAL_BYTES];
        // Cannot fail: 8 bytes are 11 characters.
        let _written =
            hash.get(..HASH_BYTES).map(|hash| URL_SAFE_NO_PAD.encode_slice(hash, &mut seal));
        seal
    }
}

/// Returns the mark that keeps a charge from being settled again. A give-back's mark is the
/// decision's name, shared by all its charges to one identity. A lease has its own. A late charge's
/// mark is the settle's id.
fn mark(name: &str, seal: &Seal, settle: &Settle, charge: &SettleCharge) -> Option<SettleId> {
    match (charge.amount, charge.lease_ms) {
        (SettleAmount::Charge(_), _) => Some(settle.id.clone()),
        (SettleAmount::GiveBack(_), None) => SettleId::try_from(name.to_owned()).ok(),
        (SettleAmount::GiveBack(_), Some(_)) => {
            let mut id = format!("{name}.");
            id.extend(seal.map(char::from));
            SettleId::try_from(id).ok()
        }
    }
}

/// Returns true if `seal` is among `seals`. Takes the same time wherever it is found.
fn is_in(seals: &[u8], seal: &Seal) -> bool {
    let found = seals.chunks_exact(SEAL_BYTES).map(|one| one.ct_eq(seal));
    found.fold(Choice::from(0), |any, one| any | one).into()
}

fn random_key() -> Result<[u8; KEY_BYTES], getrandom::Error> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
