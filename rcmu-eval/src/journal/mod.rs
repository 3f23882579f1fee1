//! The journal of a run: every answer is on the disk before the next question is asked.
//!
//! ```text
//! file   = "RCMUJRNL" · version (u32) · frames
//! frame  = length (u32) · CRC-32 of the length (u32) · CRC-32 of the payload (u32) · payload (JSON)
//! frames = manifest · record · record · …
//! ```
//!
//! Numbers are little-endian. Frames are only ever appended, each with one write, and by default each is flushed to
//! the disk before the run goes on ([`SyncPolicy`]). What can then be found at the end of a file is known:
//!
//! - **A torn tail** is a last frame that is shorter than its checked length says, or one that a power cut left as
//!   zeros up to the end of the file. [`Journal::open`] cuts it, and tells so; its item is asked again.
//! - **Anything else that does not check** is damage: [`Error::JournalCorrupt`](crate::Error::JournalCorrupt) names the
//!   byte. Nothing is skipped silently. [`repair`] copies the good records to another file and lists what is lost.
//!   [`in_place`] puts such a copy in the journal's place and keeps the journal.
//!
//! One process writes a journal: the lock is held until the [`Journal`] is dropped, and dies with its process.
//! Records hold no times and no addresses, so that the [`canonical`] journal of a run is the same, byte for byte, however
//! often the run was cut, however many threads asked, and into however many shards it was split ([`merge`]).
//!
//! The verdicts of a judge are kept in the same way, in a file that begins with `RCMUJUDG` and has a verdict in each
//! record ([`judge::RecordedEntailment`](crate::judge::RecordedEntailment)). [`repair`] and [`inspect`] take either kind.

mod canonical;
mod disk;
mod frame;
mod in_place;
mod index;
mod inspect;
mod key;
mod lock;
mod log;
mod manifest;
mod new_file;
mod read;
mod record;
mod repair;
mod store;
#[cfg(test)]
mod tests;
mod verdicts;
mod words;
mod writer;

pub use canonical::{canonical, merge};
pub use in_place::in_place;
pub(crate) use index::Index;
pub use inspect::{Inspection, VerdictCounts, inspect};
pub use key::RecordKey;
pub use log::SyncPolicy;
pub use manifest::{DatasetIdentity, Difference, Manifest, Settings};
pub use read::{Contents, TornTail, manifest, read, read_each};
pub use record::Record;
pub use repair::{Lost, RepairReport, repair, without_failures};
pub(crate) use verdicts::{Judged, VerdictJournal, VerdictManifest};
pub use writer::Journal;
