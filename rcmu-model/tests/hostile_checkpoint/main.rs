//! Checkpoints from a stranger: each is refused with a typed error, or holds what it says.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

mod changed;
mod files;
mod kit;
mod mutants;
mod settings;
mod tensors;
