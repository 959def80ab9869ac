//! A résumé as the database stores it.
//!
//! Read and written by [`crate::store::resumes`], used by [`crate::resumes`].

use jiff::Timestamp;
use resume::Resume;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A stored résumé.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StoredResume {
    /// The résumé's id.
    pub id: Uuid,
    /// The version, which starts at 1 and counts changes.
    #[schema(minimum = 1)]
    pub version: i64,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
    /// The JSON Resume document.
    pub resume: Resume,
}

/// A résumé's entry in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResumeSummary)]
pub struct Summary {
    /// The résumé's id.
    pub id: Uuid,
    /// The version.
    #[schema(minimum = 1)]
    pub version: i64,
    /// The name in the résumé.
    pub name: String,
    /// The job title in the résumé.
    pub label: String,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}
