//! A résumé as the database has it.
//!
//! Read and written by [`crate::store::resumes`], asked for by [`crate::resumes`].

use jiff::Timestamp;
use resume::Resume;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A résumé as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StoredResume {
    /// Its name in URLs.
    pub id: Uuid,
    /// Counts its changes: 1 when it is new.
    #[schema(minimum = 1)]
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The document.
    pub resume: Resume,
}

/// The same, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResumeSummary)]
pub struct Summary {
    /// Its name in URLs.
    pub id: Uuid,
    /// Counts its changes.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Whose résumé it says it is.
    pub name: String,
    /// What it calls them.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}
