//! Keeping résumés: each is its owner's alone, and each change is of a version. The time is handed
//! in.
//!
//! Called by [`crate::routes::resumes`]; asks [`crate::store`]. What is not the caller's and what
//! is not there are the same here, so that nobody learns which ids exist.

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

/// The version that a new résumé has.
const FIRST_VERSION: i64 = 1;

/// A résumé as it is cached: in JSON, which can be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenResume {
    /// Counts its changes.
    pub version: i64,
    json: Bytes,
}

/// What is looked at of one in JSON.
#[derive(Deserialize)]
struct Written<T> {
    version: i64,
    resume: T,
}

/// Why nothing became of what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// There is none of this id, or it is somebody else's.
    #[error("no such résumé")]
    NotFound,
    /// It is not, or no longer, at the version that the caller expects.
    #[error("the résumé is at another version than If-Match names: read it again")]
    OtherVersion,
    /// The document is not what it should be.
    #[error("members of the document are wrong")]
    Invalid(Vec<PlacedError>),
    /// The change cannot be made.
    #[error("the change cannot be made")]
    BadEdit(Vec<PlacedError>),
    /// The caller has as many as may be.
    #[error("expected at most {} résumés: delete one first", resumes::MAX_PER_USER)]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Loading it came to no end of its own.
    #[error(transparent)]
    Load(#[from] Aborted),
    /// What was waited for together with others failed.
    #[error(transparent)]
    Shared(#[from] Arc<ResumeError>),
}

impl ResumeError {
    /// Whether there is no such résumé, whoever found that out.
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
    /// The résumés in `store`, read through `cache`.
    #[must_use]
    pub fn new(store: Store, cache: Cache) -> Self {
        Self { store, cache }
    }

    /// Keeps a new one.
    ///
    /// # Errors
    /// [`ResumeError::TooMany`].
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

    /// The owner's résumé of this id.
    ///
    /// # Errors
    /// [`ResumeError::NotFound`].
    pub async fn read(&self, owner: Uuid, id: Uuid) -> Result<StoredResume, ResumeError> {
        resumes::read(&self.store, owner, id).await?.ok_or(ResumeError::NotFound)
    }

    /// The caller's résumé of this id, out of the cache if it is there. What is to be changed is
    /// not read so.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_cached(
        &self,
        caller: &Caller,
        id: Uuid,
        use_: Use,
    ) -> Result<Cached<WrittenResume>, ResumeError> {
        let load = || {
            let (store, owner) = (self.store.clone(), caller.user.id);
            async move {
                let stored =
                    resumes::read(&store, owner, id).await?.ok_or(ResumeError::NotFound)?;
                Ok(Loaded::keep(stored.written()?))
            }
        };
        let (entry, key) = (self.entry(caller, id), caller.secret.seal_key());
        Ok(self.cache.get_or_load(&entry, &key, use_, load).await?)
    }

    /// What all the caller's résumés are cached as.
    ///
    /// # Errors
    /// [`ResumeError::Store`].
    pub async fn entries(&self, caller: &Caller) -> Result<Vec<Entry>, ResumeError> {
        let all = resumes::list(&self.store, caller.user.id, None, resumes::MAX_PER_USER).await?;
        Ok(all.into_iter().map(|summary| self.entry(caller, summary.id)).collect())
    }

    /// How long a cached one is good for.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.cache.ttls().resume
    }

    /// What a caller's résumé is cached as.
    #[must_use]
    pub fn entry(&self, caller: &Caller, id: Uuid) -> Entry {
        Entry::resume(id, caller.revision, self.cache.ttls())
    }

    /// The owner's résumés, newest first: at most `limit` of those made before `before`; and
    /// whether there are more.
    ///
    /// # Errors
    /// [`ResumeError::Store`].
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

    /// Puts another document in the place of the expected version's.
    ///
    /// # Errors
    /// [`ResumeError::NotFound`], [`ResumeError::OtherVersion`].
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

    /// Changes the document of the expected version.
    ///
    /// # Errors
    /// As [`Self::replace`], and [`ResumeError::BadEdit`] or [`ResumeError::Invalid`] if the
    /// change cannot be made, or makes no résumé.
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

    /// Deletes the expected version.
    ///
    /// # Errors
    /// [`ResumeError::NotFound`], [`ResumeError::OtherVersion`].
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

    /// Of two who change one version at the same time, the database lets one win.
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
    fn written(self) -> Result<WrittenResume, StoreError> {
        let json = serde_json::to_vec(&self);
        let json = json.map_err(|_| StoreError::Damaged { what: "résumé's document" })?;
        Ok(WrittenResume { version: self.version, json: json.into() })
    }
}

impl WrittenResume {
    /// The document.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], which what was written from a document is not.
    pub fn document(&self) -> Result<Resume, StoreError> {
        let written = serde_json::from_slice::<Written<Value>>(&self.json);
        let damaged = |_| StoreError::Damaged { what: "résumé's document" };
        written.map(|written| Resume::stored(written.resume)).map_err(damaged)
    }

    /// All of it, in JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.json.clone()
    }
}

impl Serialize for WrittenResume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_slice(&self.json).map_err(S::Error::custom)?;
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WrittenResume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let written: Written<IgnoredAny> =
            serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        let json = Box::<str>::from(json).into_boxed_bytes();
        Ok(Self { version: written.version, json: json.into() })
    }
}

/// As precise as it is stored.
fn to_ms(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
