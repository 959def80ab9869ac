//! Résumés, without a request, a database, a model or a clock: the same answer for the same texts.
//!
//! [`document`] checks, changes and writes down JSON Resume documents. [`ats`] scores one, by the
//! [`keywords`] of a job description too. [`invention`] finds what a changed one has that the
//! original has not, by the [`numbers`] of its texts among others. All compare texts that [`fold`]
//! has made comparable. [`email`] is an address as résumés and accounts have it; [`json`] words
//! mistakes.

pub mod ats;
pub mod document;
pub mod email;
pub mod fold;
pub mod invention;
pub mod json;
pub mod keywords;
pub mod numbers;

pub use document::Resume;
