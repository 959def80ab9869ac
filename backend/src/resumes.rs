//! Résumés, each private to its owner. Every change names the version it applies to. Callers pass
//! in the time.
//!
//! Called by [`crate::routes::resumes`]; uses [`crate::store`]. Another user's résumé is reported
//! like a missing one, so that nobody learns which ids exist.

use crate::accounts::{Caller, new_id};
use crate::cache::{Aborted, Cache, Cached, Entry, Loaded, Use};
use crate::etag::Expected;
use crate::store::{Store, StoreError, resumes};
use crate::stored_resume::{StoredResume, Summary};
use axum::body::Bytes;
use jiff::Timestamp;
use limits::problem::PlacedError;
use resume::Resume;
use resume::document::edit::Edit;
use serde::de::{Error as _, IgnoredAny};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The version of a new résumé.
const FIRST_VERSION: i64 = 1;

/// A résumé in its cached form: JSON that is sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerializedResume {
    /// The version's number.
    pub version: i64,
    json: Bytes,
}

/// The parts of a serialized résumé that are parsed.
#[derive(Deserialize)]
struct Serialized<T> {
    version: i64,
    resume: T,
}

/// A résumé operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The résumé doesn't exist or belongs to another user.
    #[error("no résumé has this id")]
    NotFound,
    /// The résumé is not at the expected version.
    #[error("the résumé's version does not match If-Match: read it again")]
    OtherVersion,
    /// The document is not a valid résumé.
    #[error("the document has invalid members")]
    Invalid(Vec<PlacedError>),
    /// The patch cannot be applied.
    #[error("the patch cannot be applied")]
    BadEdit(Vec<PlacedError>),
    /// The caller has reached the limit.
    #[error("expected at most {} résumés: delete one first", resumes::MAX_PER_USER)]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The load was aborted.
    #[error(transparent)]
    Load(#[from] Aborted),
    /// A load shared with other callers failed.
    #[error(transparent)]
    Shared(#[from] Arc<ResumeError>),
}

impl ResumeError {
    /// Returns true if the résumé doesn't exist, including in a shared load.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound => true,
            Self::Shared(error) => error.is_not_found(),
            _ => false,
        }
    }
}

/// The résumés of one database.
#[derive(Debug, Clone)]
pub struct Resumes {
    store: Store,
    cache: Cache,
}

impl Resumes {
    /// Creates an interface to the résumés in `store`, read through `cache`.
    #[must_use]
    pub fn new(store: Store, cache: Cache) -> Self {
        Self { store, cache }
    }

    /// Stores a new résumé.
    ///
    /// # Errors
    /// [`ResumeError::TooMany`] if the owner has reached the limit.
    pub async fn create(
        &self,
        owner: Uuid,
        resume: Resume,
        now: Timestamp,
    ) -> Result<StoredResume, ResumeError> {
        let now = to_ms(now);
        let version = FIRST_VERSION;
        let new =
            StoredResume { id: new_id(now), version, created_at: now, updated_at: now, resume };
        if resumes::add(&self.store, owner, &new).await? {
            Ok(new)
        } else {
            Err(ResumeError::TooMany)
        }
    }

    /// Returns the owner's résumé with this id.
    ///
    /// # Errors
    /// [`ResumeError::NotFound`] if it doesn't exist or belongs to another user.
    pub async fn read(&self, owner: Uuid, id: Uuid) -> Result<StoredResume, ResumeError> {
        resumes::read(&self.store, owner, id).await?.ok_or(ResumeError::NotFound)
    }

    /// Returns the caller's résumé with this id, from the cache if possible. Don't use it before a
    /// change.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_cached(
        &self,
        caller: &Caller,
        id: Uuid,
        use_: Use,
    ) -> Result<Cached<SerializedResume>, ResumeError> {
        let load = || {
            let (store, owner) = (self.store.clone(), caller.user.id);
            async move {
                let stored =
                    resumes::read(&store, owner, id).await?.ok_or(ResumeError::NotFound)?;
                Ok(Loaded::keep(stored.serialized()?))
            }
        };
        let (entry, key) = (self.entry(caller, id), caller.secret.seal_key());
        Ok(self.cache.get_or_load(&entry, &key, use_, load).await?)
    }

    /// Returns the cache entries of all of the caller's résumés.
    ///
    /// # Errors
    /// [`ResumeError::Store`] if the database fails.
    pub async fn entries(&self, caller: &Caller) -> Result<Vec<Entry>, ResumeError> {
        let all = resumes::list(&self.store, caller.user.id, None, resumes::MAX_PER_USER).await?;
        Ok(all.into_iter().map(|summary| self.entry(caller, summary.id)).collect())
    }

    /// Returns the lifetime of a cached résumé.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.cache.ttls().resume
    }

    /// Returns the cache entry of a caller's résumé.
    #[must_use]
    pub fn entry(&self, caller: &Caller, id: Uuid) -> Entry {
        Entry::resume(id, caller.revision, self.cache.ttls())
    }

    /// Lists up to `limit` of the owner's résumés, newest first, starting after `before`. The flag
    /// is true if there are more.
    ///
    /// # Errors
    /// [`ResumeError::Store`] if the database fails.
    pub async fn list(
        &self,
        owner: Uuid,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<(Vec<Summary>, bool), ResumeError> {
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = resumes::list(&self.store, owner, before, one_more).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        Ok((found, has_more))
    }

    /// Replaces the document, if it is at the expected version.
    ///
    /// # Errors
    /// [`ResumeError::NotFound`] or [`ResumeError::OtherVersion`].
    pub async fn replace(
        &self,
        caller: &Caller,
        id: Uuid,
        expected: &Expected,
        resume: Resume,
        now: Timestamp,
    ) -> Result<StoredResume, ResumeError> {
        let current = self.expected(caller.user.id, id, expected).await?;
        self.advance(caller, current, resume, now).await
    }

    /// Edits the document, if it is at the expected version.
    ///
    /// # Errors
    /// As [`Self::replace`]; [`ResumeError::BadEdit`] if the patch cannot be applied,
    /// [`ResumeError::Invalid`] if the result is not a valid résumé.
    pub async fn edit(
        &self,
        caller: &Caller,
        id: Uuid,
        expected: &Expected,
        edit: Edit,
        now: Timestamp,
    ) -> Result<StoredResume, ResumeError> {
        let current = self.expected(caller.user.id, id, expected).await?;
        let document = edit.apply(current.resume.as_value()).map_err(ResumeError::BadEdit)?;
        let resume = Resume::new(document).map_err(ResumeError::Invalid)?;
        self.advance(caller, current, resume, now).await
    }

    /// Deletes the résumé, if it is at the expected version.
    ///
    /// # Errors
    /// [`ResumeError::NotFound`] or [`ResumeError::OtherVersion`].
    pub async fn delete(
        &self,
        caller: &Caller,
        id: Uuid,
        expected: &Expected,
    ) -> Result<(), ResumeError> {
        let owner = caller.user.id;
        let current = self.expected(owner, id, expected).await?;
        if resumes::delete(&self.store, owner, id, current.version).await? {
            self.cache.invalidate(&self.entry(caller, id)).await;
            Ok(())
        } else {
            Err(ResumeError::OtherVersion)
        }
    }

    async fn expected(
        &self,
        owner: Uuid,
        id: Uuid,
        expected: &Expected,
    ) -> Result<StoredResume, ResumeError> {
        let current = self.read(owner, id).await?;
        if expected.is(current.version) { Ok(current) } else { Err(ResumeError::OtherVersion) }
    }

    /// Stores the next version. Concurrent writers: the database picks one (compare-and-swap).
    async fn advance(
        &self,
        caller: &Caller,
        current: StoredResume,
        resume: Resume,
        now: Timestamp,
    ) -> Result<StoredResume, ResumeError> {
        let version = current.version + 1;
        let next = StoredResume { version, updated_at: to_ms(now), resume, ..current };
        if resumes::replace(&self.store, caller.user.id, &next).await? {
            self.cache.invalidate(&self.entry(caller, next.id)).await;
            Ok(next)
        } else {
            Err(ResumeError::OtherVersion)
        }
    }
}

impl StoredResume {
    fn serialized(self) -> Result<SerializedResume, StoreError> {
        let json = serde_json::to_vec(&self);
        let json = json.map_err(|_| StoreError::Damaged { what: "résumé's document" })?;
        Ok(SerializedResume { version: self.version, json: json.into() })
    }
}

impl SerializedResume {
    /// Returns the document.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the JSON is malformed, which serialization rules out.
    pub fn document(&self) -> Result<Resume, StoreError> {
        let serialized = serde_json::from_slice::<Serialized<Value>>(&self.json);
        let damaged = |_| StoreError::Damaged { what: "résumé's document" };
        serialized.map(|serialized| Resume::stored(serialized.resume)).map_err(damaged)
    }

    /// Returns the résumé's JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.json.clone()
    }
}

impl Serialize for SerializedResume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_slice(&self.json).map_err(S::Error::custom)?;
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SerializedResume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let serialized: Serialized<IgnoredAny> =
            serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        let json = Box::<str>::from(json).into_boxed_bytes();
        Ok(Self { version: serialized.version, json: json.into() })
    }
}

/// Rounds a time to the precision of the database.
fn to_ms(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
