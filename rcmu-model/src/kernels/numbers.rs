//! Where the numbers of weights are: in memory of our own, or in a file that the system has mapped.

use std::{ops::Deref, sync::Arc};

use bytemuck::{AnyBitPattern, try_cast_slice};
use memmap2::Mmap;

/// Some bytes of a mapped file.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    file: Arc<Mmap>,
    start: usize,
    end: usize,
}

impl Mapped {
    /// Bytes of a file; none where it does not have them.
    pub(crate) fn new(file: Arc<Mmap>, start: usize, bytes: usize) -> Option<Self> {
        let end = start.checked_add(bytes)?;
        file.get(start..end)?;
        Some(Self { file, start, end })
    }

    /// How many.
    pub(crate) const fn len(&self) -> usize {
        self.end - self.start
    }

    fn bytes(&self) -> &[u8] {
        &self.file[self.start..self.end]
    }
}

/// Numbers of weights.
///
/// # Invariant
///
/// Mapped bytes are whole numbers of this type at an address that it can have.
#[derive(Debug)]
pub(super) enum Numbers<T> {
    /// In memory of our own.
    Own(Vec<T>),
    /// In a file.
    Mapped(Mapped),
}

impl<T: AnyBitPattern> Numbers<T> {
    /// The numbers that stand in a file; none where its bytes cannot be read as such where they are.
    pub(super) fn mapped(bytes: Mapped) -> Option<Self> {
        // Files are little-endian.
        let readable = cfg!(target_endian = "little") && try_cast_slice::<u8, T>(bytes.bytes()).is_ok();
        readable.then_some(Self::Mapped(bytes))
    }
}

impl<T: AnyBitPattern> Deref for Numbers<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match self {
            Self::Own(numbers) => numbers,
            Self::Mapped(bytes) => bytemuck::cast_slice(bytes.bytes()),
        }
    }
}

impl<T> From<Vec<T>> for Numbers<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self::Own(numbers)
    }
}
