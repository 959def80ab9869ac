//! The book in `docs/`: its reference tables, generated from the code, and its Markdown, read for
//! the tests that check links and run commands.
//!
//! The generator runs as `cargo xtask docs`. A page keeps its prose; [`regions`] replaces only what
//! is between `<!-- generated: NAME -->` and `<!-- end of NAME -->`.

pub mod generate;
pub mod markdown;
pub mod regions;
