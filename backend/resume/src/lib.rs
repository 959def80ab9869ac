//! The résumé builder's pure core: no requests, database, model or clock. Equal inputs give equal
//! results.
//!
//! [`document`] validates, edits and renders JSON Resume documents. [`ats`] scores them, optionally
//! against the [`keywords`] of a job description. [`invention`] finds facts that a changed résumé
//! has and the original lacks, such as the [`numbers`] in its texts. All of them compare texts
//! normalized by [`fold`]. [`email`] validates e-mail addresses, and [`json`] helps to word errors.

pub mod ats;
pub mod document;
pub mod email;
pub mod fold;
pub mod invention;
pub mod json;
pub mod keywords;
pub mod numbers;

pub use document::Resume;
