//! Writes prompts. What is written here has its reader in [`parse`](crate::parse).

pub(crate) mod answer;
pub(crate) mod bbox;
pub(crate) mod chat;
pub(crate) mod instruction;
pub(crate) mod region;
