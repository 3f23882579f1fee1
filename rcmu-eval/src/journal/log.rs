use std::{fs::File, io, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use super::disk::Disk;

/// When records are flushed to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncPolicy {
    /// After each one: a power cut loses no record.
    #[default]
    EachRecord,
    /// After this many, and at the end: a power cut loses up to that many, a killed process still none.
    Batch(NonZeroU32),
}

impl SyncPolicy {
    const fn records(self) -> u32 {
        match self {
            Self::EachRecord => 1,
            Self::Batch(records) => records.get(),
        }
    }
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// A call failed; the log takes nothing more.
    Failed(io::Error),
    /// A call had failed before.
    Broken,
}

/// Appends frames to a file under a policy, until the first failure.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    disk: Box<dyn Disk>,
    policy: SyncPolicy,
    waiting: u32,
    broken: bool,
}

impl Log {
    /// Appends where `file` stands.
    pub(super) const fn new(file: File, disk: Box<dyn Disk>, policy: SyncPolicy) -> Self {
        Self { file, disk, policy, waiting: 0, broken: false }
    }

    /// Appends a frame, with one write, and flushes when the policy says so.
    ///
    /// After a failure the frame may be in the file or not, in part or as a whole; a flush that failed is never tried
    /// again, because the system may have dropped what it could not write.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), AppendError> {
        self.attempt(|disk, file| disk.write(file, frame))?;
        self.waiting += 1;
        if self.waiting >= self.policy.records() { self.flush() } else { Ok(()) }
    }

    /// Flushes what waits.
    pub(super) fn flush(&mut self) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        if self.waiting > 0 {
            self.attempt(|disk, file| disk.sync(file))?;
            self.waiting = 0;
        }
        Ok(())
    }

    fn attempt(
        &mut self,
        call: impl FnOnce(&dyn Disk, &mut File) -> io::Result<()>,
    ) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        call(&*self.disk, &mut self.file).map_err(|error| {
            self.broken = true;
            AppendError::Failed(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::System;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_ends_the_log() {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("linux has it");
        let mut log = Log::new(file, Box::new(System), SyncPolicy::EachRecord);

        let error = log.append(b"abcd").expect_err("the device is full");

        assert!(matches!(error, AppendError::Failed(error) if error.kind() == io::ErrorKind::StorageFull));
        assert!(matches!(log.append(b"abcd"), Err(AppendError::Broken)));
    }
}
