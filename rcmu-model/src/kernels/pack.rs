//! From rows of floats to packed ones.

use std::marker::PhantomData;

use half::{bf16, f16};
use rayon::prelude::*;

use super::{
    BLOCK, GROUP, Packed, TASK_WEIGHTS, Values, WeightFormat,
    dot::{Work, with_vectors},
    f16_scale,
    numbers::Coming,
    rows::{split_mut, words_of_row},
};

/// Weights, `[out, in]`, that are packed as their rows come.
#[derive(Debug)]
pub(crate) struct Packing {
    outputs: usize,
    inputs: usize,
    /// Weights that have come.
    weights: usize,
    rows: Rows,
}

/// Rows that have come.
#[derive(Debug)]
enum Rows {
    F32(Coming<f32>),
    Bf16(Coming<bf16>),
    F16(Coming<f16>),
    Q8(Coming<u16>),
    Q4(Coming<u16>),
}

impl Packing {
    /// Makes room; none where memory does not have it. Rows that are no multiple of [`GROUP`] long are kept as bf16 where
    /// 8 or 4 bits are asked for.
    pub(crate) fn new(format: WeightFormat, [outputs, inputs]: [usize; 2]) -> Option<Self> {
        let whole = inputs.is_multiple_of(GROUP);
        let rows_of = |width: usize| outputs.checked_mul(width);
        let rows = match format {
            WeightFormat::F32 => Rows::F32(Coming::new(rows_of(inputs)?)?),
            WeightFormat::F16 => Rows::F16(Coming::new(rows_of(inputs)?)?),
            WeightFormat::Q8 if whole => Rows::Q8(Coming::new(rows_of(words_of_row(inputs, 8))?)?),
            WeightFormat::Q4 if whole => Rows::Q4(Coming::new(rows_of(words_of_row(inputs, 4))?)?),
            WeightFormat::Bf16 | WeightFormat::Q8 | WeightFormat::Q4 => {
                Rows::Bf16(Coming::new(rows_of(inputs)?)?)
            }
        };
        Some(Self { outputs, inputs, weights: 0, rows })
    }

    /// Packs the rows that come next; whole rows only.
    pub(crate) fn push(&mut self, values: &[f32]) {
        let inputs = self.inputs;
        self.weights += values.len();
        match &mut self.rows {
            Rows::F32(rows) => rows.next(values.len()).copy_from_slice(values),
            Rows::Bf16(rows) => convert(rows.next(values.len()), values, bf16::from_f32),
            Rows::F16(rows) => convert(rows.next(values.len()), values, nearest_f16),
            Rows::Q8(words) => pack(words, values, inputs, 8, q8),
            Rows::Q4(words) => pack(words, values, inputs, 4, q4),
        }
    }

    /// The same for rows that are bf16 already.
    pub(crate) fn push_bf16(&mut self, values: &[bf16]) {
        let Rows::Bf16(rows) = &mut self.rows else { unreachable!("only weights kept as bf16 come as such") };
        self.weights += values.len();
        rows.next(values.len()).copy_from_slice(values);
    }

    /// The weights.
    ///
    /// # Panics
    ///
    /// Where rows are missing.
    pub(crate) fn finish(self) -> Packed {
        let Self { outputs, inputs, weights, rows } = self;
        assert_eq!(weights, outputs * inputs, "the weights fill their shape");
        let values = match rows {
            Rows::F32(rows) => Values::F32(rows.finish()),
            Rows::Bf16(rows) => Values::Bf16(rows.finish()),
            Rows::F16(rows) => Values::F16(rows.finish()),
            Rows::Q8(words) => Values::Q8(words.finish()),
            Rows::Q4(words) => Values::Q4(words.finish()),
        };
        Packed::of([outputs, inputs], values)
    }
}

/// Converts on all threads.
fn convert<T: Send>(places: &mut [T], values: &[f32], convert: fn(f32) -> T) {
    let places = places.par_chunks_mut(TASK_WEIGHTS).zip(values.par_chunks(TASK_WEIGHTS));
    places.for_each(|(places, values)| {
        for (place, &value) in places.iter_mut().zip(values) {
            *place = convert(value);
        }
    });
}

/// Packs on all threads: `pack` makes numbers of some bits of a group and returns the bits of its scale.
fn pack<T: bytemuck::Pod>(
    words: &mut Coming<u16>,
    values: &[f32],
    inputs: usize,
    bits: usize,
    pack: impl Fn(&[f32; GROUP], &mut [T]) -> u16 + Copy + Sync,
) {
    let (width, inputs) = (words_of_row(inputs, bits).max(1), inputs.max(1));
    let words = words.next(values.len() / inputs * width);
    let rows = words.par_chunks_mut(width).zip(values.par_chunks_exact(inputs));
    rows.with_min_len(TASK_WEIGHTS.div_ceil(inputs)).for_each(|(words, values)| {
        with_vectors(PackRow { values, words, bits, pack, numbers: PhantomData });
    });
}

/// A row that is to be packed.
struct PackRow<'a, T, F> {
    values: &'a [f32],
    words: &'a mut [u16],
    bits: usize,
    pack: F,
    numbers: PhantomData<T>,
}

impl<T: bytemuck::Pod, F: Fn(&[f32; GROUP], &mut [T]) -> u16> Work for PackRow<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let Self { values, words, bits, pack, .. } = self;
        let blocks = words.chunks_mut(words_of_row(BLOCK * GROUP, bits));
        for (block, values) in blocks.zip(values.chunks(BLOCK * GROUP)) {
            let (numbers, scales) = split_mut(block, bits);
            let places = numbers.chunks_exact_mut(GROUP * bits / 16).zip(scales);
            for ((numbers, scale), values) in places.zip(values.as_chunks().0) {
                *scale = pack(values, bytemuck::cast_slice_mut(numbers));
            }
        }
    }
}

/// Packs a group to 8 bits; returns the bits of its scale.
///
/// The scale is the largest magnitude over 127, rounded to f16; values are rounded to the nearest multiple.
#[inline(always)]
fn q8(group: &[f32; GROUP], quants: &mut [i8]) -> u16 {
    let largest = group.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let (bits, inverse) = scale(largest / 127.0);
    for (quant, value) in quants.iter_mut().zip(group) {
        *quant = (value * inverse).round().clamp(-127.0, 127.0) as i8;
    }
    bits
}

/// Packs a group to 4 bits, value `i` beside value `i + 16`, each plus 8; returns the bits of its scale.
///
/// The scale makes the value of the largest magnitude -8, so that all sixteen numbers are of use.
#[inline(always)]
fn q4(group: &[f32; GROUP], quants: &mut [u8]) -> u16 {
    let largest = group.iter().fold(0.0_f32, |far, &value| if value.abs() > far.abs() { value } else { far });
    let (bits, inverse) = scale(largest / -8.0);
    let number = |value: f32| (value * inverse + 8.0).round().clamp(0.0, 15.0) as u8;
    // A loop of its own, which becomes vector instructions.
    let mut numbers = [0; GROUP];
    for (place, &value) in numbers.iter_mut().zip(group) {
        *place = number(value);
    }
    let (low, high) = numbers.split_at(GROUP / 2);
    for (quant, (low, high)) in quants.iter_mut().zip(low.iter().zip(high)) {
        *quant = low | high << 4;
    }
    bits
}

/// The f16 nearest to a scale, within the finite numbers, and the inverse of that f16; 0 where it is 0.
fn scale(scale: f32) -> (u16, f32) {
    let bits = nearest_f16(scale).to_bits();
    let rounded = f16_scale(bits);
    (bits, if rounded == 0.0 { 0.0 } else { rounded.recip() })
}

/// The finite f16 number nearest to a value.
pub(crate) fn nearest_f16(value: f32) -> f16 {
    f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}
