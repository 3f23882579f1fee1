//! What becomes of a journal when the disk fails, or the process dies, at any single call.

mod copies;
mod disks;
mod faults;
mod kills;
mod reads;
mod verdicts;
