//! The overrides as stored in the ledger: the hash `tg:overrides` from counter to override, plus a
//! version that differs after each change.
//!
//! Read by [`super::watch`], and changed through [`super::Overrides::change`].

use super::book::{Book, MAX_OVERRIDES, Override, TooMany};
use crate::names;
use crate::store::{Fault, Store};
use limits::counter::CounterName;
use redis::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::warn;

/// The hash's key.
const KEY: &str = "tg:overrides";
/// The field that is not a counter: a version string that no two changes share.
const VERSION: &str = "version";
/// The script that changes one field and the version, within bounds.
const CHANGE: &str = include_str!("change.lua");

static CHANGES: AtomicU64 = AtomicU64::new(0);

/// The reason a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The maximum number of overrides is reached.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The ledger did not answer. The change can be repeated.
    #[error("the ledger did not confirm the change: {0}")]
    Fault(#[from] Fault),
}

/// Returns the stored version, empty if nothing is stored; `None` for the in-memory ledger.
pub(super) async fn version(store: &Store) -> Option<Result<Vec<u8>, Fault>> {
    let mut get = redis::cmd("HGET");
    get.arg(KEY).arg(VERSION);
    let reply = store.command(KEY, get).await?;
    Some(reply.and_then(|reply| match reply {
        Value::Nil => Ok(Vec::new()),
        Value::BulkString(version) => Ok(version),
        _ => Err(Fault::InvalidReply),
    }))
}

/// Returns all stored overrides and their version; `None` for the in-memory ledger.
pub(super) async fn load(store: &Store) -> Option<Result<(Vec<u8>, Book), Fault>> {
    let mut get = redis::cmd("HGETALL");
    get.arg(KEY);
    let reply = store.command(KEY, get).await?;
    Some(reply.and_then(|reply| {
        let fields: Result<Vec<(Vec<u8>, Vec<u8>)>, _> = redis::from_redis_value(reply);
        fields.map(read).map_err(|_| Fault::InvalidReply)
    }))
}

/// Parses the hash's fields. Skips and logs invalid ones.
fn read(fields: Vec<(Vec<u8>, Vec<u8>)>) -> (Vec<u8>, Book) {
    let mut book = Book::default();
    let mut version = Vec::new();
    let mut unreadable = 0_usize;
    for (field, value) in fields {
        if field == VERSION.as_bytes() {
            version = value;
            continue;
        }
        let counter =
            String::from_utf8(field).ok().and_then(|name| CounterName::try_from(name).ok());
        let overriding = limits::json::parse::<Override>(&value).ok();
        let read = counter.zip(overriding).map(|(counter, value)| book.set(counter, value));
        unreadable += usize::from(!matches!(read, Some(Ok(()))));
    }
    if unreadable > 0 {
        warn!(unreadable, "ignoring unreadable overrides in {KEY}");
    }
    (version, book)
}

/// Sets the override of `counter`, or removes it if `None`. Returns true if anything changed.
/// Idempotent. `None` for the in-memory ledger.
pub(super) async fn change(
    store: &Store,
    counter: &CounterName,
    overriding: Option<Override>,
) -> Option<Result<bool, ChangeError>> {
    let value = overriding.and_then(|value| serde_json::to_string(&value).ok()).unwrap_or_default();
    let number = CHANGES.fetch_add(1, Ordering::Relaxed);
    let version = format!("{}-{number:x}", names::process());
    let mut eval = redis::cmd("EVAL");
    eval.arg(CHANGE).arg(1).arg(KEY);
    eval.arg(counter.as_str()).arg(value).arg(version).arg(MAX_OVERRIDES);
    let reply = store.command(KEY, eval).await?;
    Some(match reply {
        Ok(Value::Int(-1)) => Err(TooMany.into()),
        Ok(Value::Int(changed)) => Ok(changed > 0),
        Ok(_) => Err(Fault::InvalidReply.into()),
        Err(fault) => Err(fault.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_overrides_are_ignored() {
        let name = "tg:{0123456789abcdef0123456789abcdef}:";
        let field = |field: String, value: &str| (field.into_bytes(), value.as_bytes().to_vec());
        let (version, book) = read(vec![
            field("version".to_owned(), "v1"),
            field(format!("{name}a"), r#"{"limit":7}"#),
            field(format!("{name}b"), r#""unlimited""#),
            field(format!("{name}c"), r#"{"blocked_until_ms":1700000000000}"#),
            field(format!("{name}d"), r#"{"limit":0}"#),
            field("nonsense".to_owned(), r#""unlimited""#),
        ]);
        assert_eq!(version, b"v1");
        let found: Vec<_> = book.in_force(0).into_iter().map(|(_, value)| value).collect();
        assert_eq!(found.len(), 3);
        assert!(matches!(found[0], Override::Limit(limit) if limit.get() == 7));
        assert_eq!(found[1], Override::Unlimited);
        assert!(matches!(found[2], Override::BlockedUntilMs(at) if at.get() == 1_700_000_000_000));
        assert_eq!(book.count_in_force(1_800_000_000_000), 2);
    }
}
