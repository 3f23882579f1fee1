//! The project's own form: a header line, then one [`Sample`](crate::Sample) a line.
//!
//! ```text
//! {"format":"rcmu-samples","schema":1}
//! {"id":"s-1","picture":{"file":"a.png"},"regions":[…],"kind":"open","question":"Who?",…}
//! ```

mod read;
mod write;

pub use read::{open, read};
pub use write::{create, write};

/// What the header calls the format.
pub const FORMAT: &str = "rcmu-samples";
/// The version of the fields that this program reads and writes.
const SCHEMA: u64 = 1;
