//! Where the numbers of weights are: in memory of our own, in that of a tensor, or in a file that the system has mapped.
//!
//! Many numbers of our own are in pages of 2 MiB where the system (Linux) gives them when it is asked to: of small ones each
//! core has to look up thousands for every token.

use std::{ops::Deref, sync::Arc};

#[cfg(feature = "flex")]
use burn::tensor::Bytes;
use bytemuck::{AnyBitPattern, NoUninit, try_cast_slice};
use memmap2::{Mmap, MmapMut};

/// Bytes from which on numbers have pages of their own.
const PAGES_FROM: usize = 2 << 20;

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
/// Pages, mapped bytes and those of tensors are whole numbers of this type at an address that it can have.
#[derive(Debug)]
pub(super) enum Numbers<T> {
    /// In memory of our own.
    Own(Vec<T>),
    /// Many, in pages of their own.
    Pages(MmapMut),
    /// In a file.
    Mapped(Mapped),
    /// All those of a tensor of the CPU.
    #[cfg(feature = "flex")]
    Tensor(Arc<Bytes>),
}

impl<T: AnyBitPattern> Numbers<T> {
    /// The numbers that stand in a file; none where its bytes cannot be read as such where they are.
    pub(super) fn mapped(bytes: Mapped) -> Option<Self> {
        // Files are little-endian.
        let readable = cfg!(target_endian = "little") && try_cast_slice::<u8, T>(bytes.bytes()).is_ok();
        readable.then_some(Self::Mapped(bytes))
    }

    /// The numbers of a tensor; none where its bytes cannot be read as such.
    #[cfg(feature = "flex")]
    pub(super) fn of_tensor(bytes: Arc<Bytes>) -> Option<Self> {
        let readable = try_cast_slice::<u8, T>(&bytes).is_ok();
        readable.then_some(Self::Tensor(bytes))
    }
}

impl<T: AnyBitPattern> Deref for Numbers<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match self {
            Self::Own(numbers) => numbers,
            Self::Pages(pages) => bytemuck::cast_slice(pages),
            Self::Mapped(bytes) => bytemuck::cast_slice(bytes.bytes()),
            #[cfg(feature = "flex")]
            Self::Tensor(bytes) => bytemuck::cast_slice(bytes),
        }
    }
}

/// Numbers that come one after another into memory made for them.
#[derive(Debug)]
pub(super) struct Coming<T> {
    /// Of our own.
    numbers: Numbers<T>,
    /// How many have come.
    count: usize,
}

impl<T: NoUninit + AnyBitPattern + Default> Coming<T> {
    /// Makes room for so many numbers; none where memory does not have it.
    pub(super) fn new(numbers: usize) -> Option<Self> {
        let bytes = numbers.checked_mul(size_of::<T>())?;
        let pages = if bytes < PAGES_FROM { None } else { MmapMut::map_anon(bytes).ok() };
        let numbers = if let Some(pages) = pages {
            // Small pages do as well, only slower.
            #[cfg(target_os = "linux")]
            let _ = pages.advise(memmap2::Advice::HugePage);
            Numbers::Pages(pages)
        } else {
            let mut own = Vec::new();
            own.try_reserve_exact(numbers).ok()?;
            own.resize(numbers, T::default());
            Numbers::Own(own)
        };
        Some(Self { numbers, count: 0 })
    }

    /// The places of the numbers that come next, all zero.
    ///
    /// # Panics
    ///
    /// Where there is no room for them.
    pub(super) fn next(&mut self, numbers: usize) -> &mut [T] {
        let start = self.count;
        self.count += numbers;
        let all = match &mut self.numbers {
            Numbers::Own(own) => &mut own[..],
            Numbers::Pages(pages) => bytemuck::cast_slice_mut(pages),
            #[cfg(feature = "flex")]
            Numbers::Tensor(_) => unreachable!("`new` makes room of our own"),
            Numbers::Mapped(_) => unreachable!("`new` makes room of our own"),
        };
        &mut all[start..start + numbers]
    }

    /// The numbers, those that have not come zero.
    pub(super) fn finish(self) -> Numbers<T> {
        self.numbers
    }
}
