//! Weights that are floats and activations as they are.

use std::marker::PhantomData;

use super::{
    super::{
        Packed,
        singles::Weight,
        units::{COLUMNS, Units},
    },
    panels::{Kind, Word},
};

/// Weights of one kind of floats.
pub(super) struct Floats<W>(PhantomData<W>);

impl<W: Weight> Kind for Floats<W> {
    type Weight = W;
    const INPUTS: usize = 1;

    fn of(packed: &Packed) -> &[W] {
        W::of(packed)
    }

    #[inline(always)]
    fn inputs(x: &[f32]) -> [Word; COLUMNS] {
        let mut words = [0; COLUMNS];
        words.iter_mut().zip(x).for_each(|(word, x)| *word = x.to_bits());
        words
    }

    #[inline(always)]
    fn weights(units: impl Units, weights: &[W]) -> [Word; COLUMNS] {
        let mut words = [0; COLUMNS];
        if let Some(whole) = weights.first_chunk() {
            words = bytemuck::cast(units.float_sums(W::values(units, whole)));
        } else {
            words.iter_mut().zip(weights).for_each(|(word, weight)| *word = weight.value().to_bits());
        }
        words
    }

    #[inline(always)]
    fn add<U: Units>(units: U, sums: U::Floats, w: &[Word; COLUMNS], x: Word) -> U::Floats {
        units.add_fused(sums, bytemuck::cast_ref(w), f32::from_bits(x))
    }
}
