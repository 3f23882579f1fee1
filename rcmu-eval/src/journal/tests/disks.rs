use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use crate::journal::disk::{Disk, System};

/// What a disk is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Open,
    Write,
    Cut,
    Sync,
    Rename,
    SyncName,
}

/// What happens at one of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing.
    None,
    /// It fails; some of the bytes of a write are in the file.
    Fails,
    /// The process comes no further; some of the bytes of a write are in the file.
    StopsWithin,
    /// The call is done, and the process comes no further.
    StopsAfter,
}

/// A disk that counts calls, and at one of them something happens.
///
/// It does not wait for the real disk, which matters to a power cut alone.
#[derive(Clone, Debug)]
pub(super) struct Fragile {
    event: Event,
    at: usize,
    /// Other calls are not counted; none counts all of them.
    counted: Option<Call>,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// All of them, in order.
    pub(super) made: Vec<Call>,
    counted: usize,
    /// Length of the file at the last sync that went well.
    pub(super) synced: u64,
}

impl Fragile {
    pub(super) fn new(event: Event, at: usize) -> Self {
        Self { event, at, counted: None, calls: Arc::default() }
    }

    /// The event happens at a write.
    pub(super) fn at_write(event: Event, at: usize) -> Self {
        Self { counted: Some(Call::Write), ..Self::new(event, at) }
    }

    /// A disk to which nothing happens.
    pub(super) fn whole() -> Self {
        Self::new(Event::None, 0)
    }

    pub(super) fn calls(&self) -> Calls {
        self.calls.lock().unwrap().clone()
    }

    fn call<T>(
        &self,
        call: Call,
        whole: impl FnOnce() -> io::Result<T>,
        part: impl FnOnce(),
    ) -> io::Result<T> {
        let mut calls = self.calls.lock().unwrap();
        calls.made.push(call);
        let counts = self.counted.is_none_or(|counted| counted == call);
        calls.counted += usize::from(counts);
        let is_it = counts && calls.counted == self.at;
        drop(calls);
        if !is_it {
            return whole();
        }
        match self.event {
            Event::None => whole(),
            Event::Fails => {
                part();
                Err(io::ErrorKind::StorageFull.into())
            }
            Event::StopsWithin => {
                part();
                stop()
            }
            Event::StopsAfter => {
                whole()?;
                stop()
            }
        }
    }

    /// How many of `len` bytes are written by a write that does not end: one, some of the frame's head, some of the
    /// rest, all but one; of a write that fails also none and all.
    fn part(&self, len: usize) -> usize {
        let some = self.at * 37 % len;
        let parts = [1, 2 + self.at % 10, some.max(1), len - 1, 0, len];
        let possible = if self.event == Event::Fails { 6 } else { 4 };
        parts[self.at.div_ceil(2) % possible]
    }
}

impl Disk for Fragile {
    fn open(&self, path: &Path) -> io::Result<File> {
        self.call(Call::Open, || System.open(path), || ())
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let mut own = file.try_clone()?;
        let part = &bytes[..self.part(bytes.len())];
        self.call(Call::Write, || System.write(file, bytes), || own.write_all(part).unwrap())
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        self.call(Call::Cut, || System.cut(file, len), || ())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let len = file.metadata()?.len();
        self.call(Call::Sync, || Ok(()), || ())?;
        self.calls.lock().unwrap().synced = len;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename, || System.rename(from, to), || ())
    }

    fn sync_name(&self, _path: &Path) -> io::Result<()> {
        self.call(Call::SyncName, || Ok(()), || ())
    }
}

/// What a process says when it has come to where it is to be killed.
pub(super) const STOPPED: &str = "STOPPED HERE";

/// Waits to be killed.
fn stop() -> ! {
    println!("\n{STOPPED}");
    io::stdout().flush().unwrap();
    // The input ends with the process that was to kill this one.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    std::process::abort()
}
