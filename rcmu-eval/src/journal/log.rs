use std::{
    fs::File,
    io::{self, Write},
    num::NonZeroU32,
};

use serde::{Deserialize, Serialize};

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

/// Where frames go.
pub(super) trait Store {
    /// Appends all of these bytes.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until everything appended is on the disk.
    fn flush(&mut self) -> io::Result<()>;
}

impl Store for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync_data()
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

/// Appends frames under a policy, until the first failure.
#[derive(Debug)]
pub(super) struct Log<S> {
    store: S,
    policy: SyncPolicy,
    waiting: u32,
    broken: bool,
}

impl<S: Store> Log<S> {
    pub(super) const fn new(store: S, policy: SyncPolicy) -> Self {
        Self { store, policy, waiting: 0, broken: false }
    }

    /// Appends a frame, with one write, and flushes when the policy says so.
    ///
    /// After a failure the frame may be in the file or not, in part or as a whole; a flush that failed is never tried
    /// again, because the system may have dropped what it could not write.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), AppendError> {
        self.attempt(|store| store.append(frame))?;
        self.waiting += 1;
        if self.waiting >= self.policy.records() { self.flush() } else { Ok(()) }
    }

    /// Flushes what waits.
    pub(super) fn flush(&mut self) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        if self.waiting > 0 {
            self.attempt(S::flush)?;
            self.waiting = 0;
        }
        Ok(())
    }

    fn attempt(&mut self, call: impl FnOnce(&mut S) -> io::Result<()>) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        call(&mut self.store).map_err(|error| {
            self.broken = true;
            AppendError::Failed(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::frame::{self, Found, Frames};

    /// A store whose n-th call fails, half done.
    #[derive(Default)]
    struct Faulty {
        bytes: Vec<u8>,
        flushed: usize,
        calls: usize,
        fails_at: usize,
    }

    impl Faulty {
        fn call(&mut self) -> io::Result<()> {
            self.calls += 1;
            if self.calls == self.fails_at { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl Store for Faulty {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let result = self.call();
            let kept = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
            self.bytes.extend(&bytes[..kept]);
            result
        }

        fn flush(&mut self) -> io::Result<()> {
            self.call()?;
            self.flushed = self.bytes.len();
            Ok(())
        }
    }

    fn frames(bytes: &[u8]) -> (Vec<Vec<u8>>, Found) {
        let mut frames = Frames::new(bytes, 0, bytes.len() as u64);
        let mut payloads = Vec::new();
        loop {
            match frames.next().expect("memory can be read") {
                Found::Payload { payload, .. } => payloads.push(payload),
                end => return (payloads, end),
            }
        }
    }

    #[test]
    fn whichever_call_fails_no_acknowledged_record_is_lost_and_none_is_damaged() {
        const RECORDS: usize = 12;
        for policy in [SyncPolicy::EachRecord, SyncPolicy::Batch(NonZeroU32::new(5).expect("5 is not 0"))] {
            let mut whole = false;
            for fails_at in 1.. {
                let mut log = Log::new(Faulty { fails_at, ..Faulty::default() }, policy);
                let mut acknowledged = 0;
                for record in 0..RECORDS {
                    let frame = frame::encode(format!("{{\"record\":{record}}}").as_bytes());
                    match log.append(&frame.expect("a small record")) {
                        Ok(()) => acknowledged += 1,
                        Err(AppendError::Failed(_)) => break,
                        Err(AppendError::Broken) => panic!("the log went on after a failure"),
                    }
                }
                let end = log.flush();
                let calls = log.store.calls;

                let (payloads, found) = frames(&log.store.bytes);
                assert!(matches!(found, Found::End | Found::Torn { .. }), "{fails_at}: {found:?}");
                assert!(payloads.len() >= acknowledged, "{fails_at}");
                for (record, payload) in payloads.iter().enumerate() {
                    assert_eq!(payload, format!("{{\"record\":{record}}}").as_bytes());
                }
                if policy == SyncPolicy::EachRecord {
                    // What was acknowledged is on the disk, whatever happens next.
                    assert!(frames(&log.store.bytes[..log.store.flushed]).0.len() >= acknowledged);
                }
                if calls < fails_at {
                    assert!(end.is_ok());
                    assert_eq!(payloads.len(), RECORDS);
                    whole = true;
                    break;
                }
                assert!(end.is_err());
                assert!(matches!(log.append(b"x"), Err(AppendError::Broken)));
                assert_eq!(log.store.calls, calls, "nothing is called after a failure");
            }
            assert!(whole);
        }
    }

    #[test]
    fn a_batch_is_flushed_when_it_is_full() {
        let policy = SyncPolicy::Batch(NonZeroU32::new(3).expect("3 is not 0"));
        let mut log = Log::new(Faulty::default(), policy);

        let flushed: Vec<_> = (0..7)
            .map(|_| {
                log.append(b"abcd").expect("nothing fails");
                log.store.flushed
            })
            .collect();

        assert_eq!(flushed, [0, 0, 12, 12, 12, 24, 24]);
        log.flush().expect("nothing fails");
        assert_eq!(log.store.flushed, 28);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_ends_the_log() {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("linux has it");
        let mut log = Log::new(file, SyncPolicy::EachRecord);

        let error = log.append(b"abcd").expect_err("the device is full");

        assert!(matches!(error, AppendError::Failed(error) if error.kind() == io::ErrorKind::StorageFull));
        assert!(matches!(log.append(b"abcd"), Err(AppendError::Broken)));
    }
}
