//! Rows of weights.
//!
//! Rows of 8 and 4 bits are blocks of eight groups, at the end of a row of what is left, of words of 16 bits: first the
//! block's numbers, two and four to a word, then its scales, the bits of f16 numbers.
//!
//! ```text
//! row ─ block ─ 8 groups: 32 numbers each, as f16 bits the scale of each
//!     ├ block
//!     └ groups that are left, their scales
//! ```
//!
//! What is multiplied together stands together, so that a row is read from one place only, from its first byte to its last:
//! memory is asked ahead for nothing else by the machine itself. With all of a row's scales behind all of its numbers a
//! core had half to three quarters as much.

use std::marker::PhantomData;

use bytemuck::Pod;
use half::{bf16, f16};

use super::{BLOCK, GROUP};

/// One row of weights.
#[derive(Clone, Copy)]
pub(super) enum Row<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
    Q8(Q8Row<'a>),
    Q4(Q4Row<'a>),
}

impl<'a> Row<'a> {
    /// A row of 8-bit weights.
    #[inline(always)]
    pub(super) fn q8(self) -> Q8Row<'a> {
        let Self::Q8(row) = self else { unreachable!("the task has 8-bit weights") };
        row
    }

    /// The scales of a block of a row of whole numbers.
    #[inline(always)]
    pub(super) fn scales(self, block: usize) -> &'a [u16] {
        match self {
            Self::Q8(row) => row.scales(block),
            Self::Q4(row) => row.scales(block),
            Self::F32(_) | Self::Bf16(_) | Self::F16(_) => &[],
        }
    }

    /// A row of 4-bit weights.
    #[inline(always)]
    pub(super) fn q4(self) -> Q4Row<'a> {
        let Self::Q4(row) = self else { unreachable!("the task has 4-bit weights") };
        row
    }
}

/// A row of weights of 8 bits.
pub(super) type Q8Row<'a> = Groups<'a, [i8; GROUP], { words_of_groups(BLOCK, 8) }>;
/// A row of weights of 4 bits, two to a byte.
pub(super) type Q4Row<'a> = Groups<'a, [u8; GROUP / 2], { words_of_groups(BLOCK, 4) }>;

/// Words of some groups of weights of some bits, and of their scales.
const fn words_of_groups(groups: usize, bits: usize) -> usize {
    groups * (GROUP * bits / 16 + 1)
}

/// Words of a row of `inputs` weights of some bits, and of their scales.
pub(super) const fn words_of_row(inputs: usize, bits: usize) -> usize {
    words_of_groups(inputs / GROUP, bits)
}

/// Splits the words of a block of weights of some bits into its numbers and its scales.
#[inline(always)]
pub(super) fn split(block: &[u16], bits: usize) -> (&[u16], &[u16]) {
    block.split_at(block.len() - block.len() / words_of_groups(1, bits))
}

/// The same of words that are to be written.
#[inline(always)]
pub(super) fn split_mut(block: &mut [u16], bits: usize) -> (&mut [u16], &mut [u16]) {
    block.split_at_mut(block.len() - block.len() / words_of_groups(1, bits))
}

/// A row of groups of numbers `G`, a whole block of them in so many words.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a, G, const WORDS: usize> {
    words: &'a [u16],
    group: PhantomData<G>,
}

impl<'a, G: Pod, const WORDS: usize> Groups<'a, G, WORDS> {
    /// Bytes of a block.
    pub(super) const BYTES: usize = 2 * WORDS;
    /// Words of a group's numbers.
    const NUMBERS: usize = size_of::<G>() / 2;

    /// Row `at` of some rows of `inputs` weights.
    #[inline(always)]
    pub(super) fn new(rows: &'a [u16], at: usize, inputs: usize) -> Self {
        let length = inputs / GROUP * (Self::NUMBERS + 1);
        Self { words: &rows[at * length..(at + 1) * length], group: PhantomData }
    }

    /// Groups and scales of each whole block.
    #[inline(always)]
    pub(super) fn whole(self) -> impl ExactSizeIterator<Item = (&'a [G; BLOCK], &'a [u16; BLOCK])> + Clone {
        self.words.as_chunks::<WORDS>().0.iter().map(|block| {
            let (numbers, scales) = block.split_at(BLOCK * Self::NUMBERS);
            let groups = bytemuck::cast_slice(numbers).first_chunk().expect("a whole block's numbers");
            (groups, scales.first_chunk().expect("a whole block's scales"))
        })
    }

    /// Groups and scales of the block that is not whole.
    #[inline(always)]
    pub(super) fn rest(self) -> (&'a [G], &'a [u16]) {
        Self::groups(self.words.as_chunks::<WORDS>().1)
    }

    /// Groups and scales of each block, the one that is not whole among them.
    #[inline(always)]
    pub(super) fn blocks(self) -> impl Iterator<Item = (&'a [G], &'a [u16])> {
        self.words.chunks(WORDS).map(Self::groups)
    }

    /// The scales of a block.
    #[inline(always)]
    pub(super) fn scales(self, block: usize) -> &'a [u16] {
        let words = &self.words[block * WORDS..];
        Self::groups(&words[..words.len().min(WORDS)]).1
    }

    /// The numbers of a group.
    #[inline(always)]
    pub(super) fn numbers(self, group: usize) -> &'a G {
        let start = group / BLOCK * WORDS + group % BLOCK * Self::NUMBERS;
        bytemuck::from_bytes(bytemuck::cast_slice(&self.words[start..start + Self::NUMBERS]))
    }

    #[inline(always)]
    fn groups(block: &'a [u16]) -> (&'a [G], &'a [u16]) {
        let (numbers, scales) = split(block, 16 * Self::NUMBERS / GROUP);
        (bytemuck::cast_slice(numbers), scales)
    }
}
