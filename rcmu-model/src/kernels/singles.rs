//! Inner products of some rows of weights that are floats with one row of activations.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use half::{bf16, f16};

use super::{
    Packed, Values,
    dot::{self, STRIDE, total_of_streams},
    units::{COLUMNS, UnitWork, Units},
};

/// A weight that is a float.
pub(super) trait Weight: Copy + Send + Sync {
    /// The weights of a layer that has such, `[outputs, inputs]`.
    fn of(packed: &Packed) -> &[Self];

    /// Its value.
    fn value(self) -> f32;

    /// The values of some of them.
    fn values<U: Units>(units: U, weights: &[Self; COLUMNS]) -> U::Floats;
}

impl Weight for f32 {
    fn of(packed: &Packed) -> &[Self] {
        let Values::F32(weights) = &packed.values else { unreachable!("the task has weights of f32") };
        weights
    }

    #[inline(always)]
    fn value(self) -> f32 {
        self
    }

    #[inline(always)]
    fn values<U: Units>(units: U, weights: &[Self; COLUMNS]) -> U::Floats {
        units.of_f32(weights)
    }
}

impl Weight for bf16 {
    fn of(packed: &Packed) -> &[Self] {
        let Values::Bf16(weights) = &packed.values else { unreachable!("the task has weights of bf16") };
        weights
    }

    #[inline(always)]
    fn value(self) -> f32 {
        dot::wide(&self)
    }

    #[inline(always)]
    fn values<U: Units>(units: U, weights: &[Self; COLUMNS]) -> U::Floats {
        units.of_bf16(weights)
    }
}

impl Weight for f16 {
    fn of(packed: &Packed) -> &[Self] {
        let Values::F16(weights) = &packed.values else { unreachable!("the task has weights of f16") };
        weights
    }

    #[inline(always)]
    fn value(self) -> f32 {
        dot::half(&self)
    }

    #[inline(always)]
    fn values<U: Units>(units: U, weights: &[Self; COLUMNS]) -> U::Floats {
        units.of_f16(weights)
    }
}

/// Products of rows with one row of activations.
///
/// Rows from some places are multiplied together: activations of long rows do not stay in the first cache while weights go by.
pub(super) struct Singles<'a, W, const PLACES: usize> {
    /// `[outputs, inputs]`
    pub(super) weights: &'a [W],
    pub(super) x: &'a [f32],
    /// One for each output.
    pub(super) products: &'a mut [f32],
}

impl<W: Weight, const PLACES: usize> UnitWork for Singles<'_, W, PLACES> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        let Self { weights, x, products } = self;
        let row = |at: usize| &weights[at * x.len()..][..x.len()];
        let part = products.len() / PLACES;
        for start in 0..part {
            // Calls in closures of arrays would not be inlined.
            let mut rows = [row(start); PLACES];
            for place in 1..PLACES {
                rows[place] = row(start + place * part);
            }
            let sums = dots(units, rows, x);
            for place in 0..PLACES {
                products[start + place * part] = sums[place];
            }
        }
        for at in PLACES * part..products.len() {
            let [sum] = dots(units, [row(at)], x);
            products[at] = sum;
        }
    }
}

/// `Σ w x` over rows of one length, in the order of [`dot::dot`].
#[inline(always)]
fn dots<U: Units, W: Weight, const ROWS: usize>(units: U, rows: [&[W]; ROWS], x: &[f32]) -> [f32; ROWS] {
    let (steps, x_rest) = x.as_chunks::<STRIDE>();
    let mut whole = [rows[0].as_chunks::<STRIDE>().0; ROWS];
    for row in 0..ROWS {
        whole[row] = &rows[row].as_chunks::<STRIDE>().0[..steps.len()];
    }
    let mut sums = [[units.floats(); STRIDE / COLUMNS]; ROWS];
    for at in 0..steps.len() {
        let x = steps[at].as_chunks::<COLUMNS>().0;
        for row in 0..ROWS {
            let weights = whole[row][at].as_chunks::<COLUMNS>().0;
            for part in 0..STRIDE / COLUMNS {
                let weights = W::values(units, &weights[part]);
                sums[row][part] = units.add_products(sums[row][part], weights, &x[part]);
            }
        }
    }
    let mut products = [0.0; ROWS];
    for row in 0..ROWS {
        let mut all = [0.0; STRIDE];
        for (all, sums) in all.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(sums[row]) {
            *all = units.float_sums(sums);
        }
        let rest = rows[row].as_chunks::<STRIDE>().1.iter().zip(x_rest);
        products[row] = total_of_streams(&all) + rest.map(|(w, x)| w.value() * x).sum::<f32>();
    }
    products
}
