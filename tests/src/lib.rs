//! Harnesses and helpers for the tests of the real stack.
