//! Inner products of some rows of weights that are floats with a few rows of activations.

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
            let sums = dots(units, rows, [x]);
            for place in 0..PLACES {
                products[start + place * part] = sums[place][0];
            }
        }
        for at in PLACES * part..products.len() {
            let [[sum]] = dots(units, [row(at)], [x]);
            products[at] = sum;
        }
    }
}

/// Products of rows with several rows of activations.
///
/// Where there is room for their sums two rows of weights, from places that are far apart, and four of activations are multiplied
/// together, so that what was read is used more than once; weights come from memory once.
pub(super) struct Several<'a, W> {
    /// `[outputs, inputs]`
    pub(super) weights: &'a [W],
    /// `[rows, inputs]`
    pub(super) x: &'a [f32],
    pub(super) inputs: usize,
    /// `[outputs, rows]`
    pub(super) columns: &'a mut [f32],
}

impl<W: Weight> UnitWork for Several<'_, W> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        self.run_on(units);
    }
}

impl<W: Weight> Several<'_, W> {
    #[inline(always)]
    fn run_on<U: Units>(self, units: U) {
        let Self { weights, x, inputs, columns } = self;
        let rows = x.len() / inputs;
        let row = |at: usize| &weights[at * inputs..][..inputs];
        let outputs = columns.len() / rows;
        let part = if U::MANY { outputs / 2 } else { 0 };
        let (first, rest) = columns.split_at_mut(part * rows);
        let (second, rest) = rest.split_at_mut(part * rows);
        let pairs = first.chunks_exact_mut(rows).zip(second.chunks_exact_mut(rows));
        for (at, (first, second)) in pairs.enumerate() {
            add_columns::<_, _, 2, 4>(units, [row(at), row(part + at)], x, [first, second]);
        }
        for (at, column) in (2 * part..).zip(rest.chunks_exact_mut(rows)) {
            add_columns::<_, _, 1, 2>(units, [row(at)], x, [column]);
        }
    }
}

/// The products of some rows of weights with all rows of activations, at most `XS` of these at once.
#[inline(always)]
fn add_columns<U: Units, W: Weight, const ROWS: usize, const XS: usize>(
    units: U,
    weights: [&[W]; ROWS],
    x: &[f32],
    mut columns: [&mut [f32]; ROWS],
) {
    let (inputs, rows) = (weights[0].len(), columns[0].len());
    let mut first = 0;
    while first < rows {
        let x = &x[first * inputs..];
        first += match rows - first {
            left if left >= XS => put::<U, W, ROWS, XS>(units, weights, x, &mut columns, first),
            2.. => put::<U, W, ROWS, 2>(units, weights, x, &mut columns, first),
            _ => put::<U, W, ROWS, 1>(units, weights, x, &mut columns, first),
        };
    }
}

/// Writes the products of some rows of activations; returns how many.
#[inline(always)]
fn put<U: Units, W: Weight, const ROWS: usize, const XS: usize>(
    units: U,
    weights: [&[W]; ROWS],
    x: &[f32],
    columns: &mut [&mut [f32]; ROWS],
    first: usize,
) -> usize {
    let inputs = weights[0].len();
    let mut xs = [&x[..inputs]; XS];
    for at in 1..XS {
        xs[at] = &x[at * inputs..(at + 1) * inputs];
    }
    let products = dots(units, weights, xs);
    for row in 0..ROWS {
        columns[row][first..first + XS].copy_from_slice(&products[row]);
    }
    XS
}

/// `Σ w x` over rows of one length: each input goes to one of [`STRIDE`] sums, in order, whatever goes together.
#[inline(always)]
fn dots<U: Units, W: Weight, const ROWS: usize, const XS: usize>(
    units: U,
    rows: [&[W]; ROWS],
    xs: [&[f32]; XS],
) -> [[f32; XS]; ROWS] {
    let steps = rows[0].len() / STRIDE;
    let mut whole = [rows[0].as_chunks::<STRIDE>().0; ROWS];
    for row in 0..ROWS {
        whole[row] = &rows[row].as_chunks::<STRIDE>().0[..steps];
    }
    let mut inputs = [xs[0].as_chunks::<STRIDE>().0; XS];
    for at in 0..XS {
        inputs[at] = &xs[at].as_chunks::<STRIDE>().0[..steps];
    }
    let mut sums = [[[units.floats(); STRIDE / COLUMNS]; XS]; ROWS];
    for step in 0..steps {
        for part in 0..STRIDE / COLUMNS {
            for row in 0..ROWS {
                let weights = W::values(units, &whole[row][step].as_chunks::<COLUMNS>().0[part]);
                for at in 0..XS {
                    let x = &inputs[at][step].as_chunks::<COLUMNS>().0[part];
                    sums[row][at][part] = units.add_products(sums[row][at][part], weights, x);
                }
            }
        }
    }
    let mut products = [[0.0; XS]; ROWS];
    for row in 0..ROWS {
        for at in 0..XS {
            let mut all = [0.0; STRIDE];
            for (all, sums) in all.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(sums[row][at]) {
                *all = units.float_sums(sums);
            }
            let rest = rows[row][steps * STRIDE..].iter().zip(&xs[at][steps * STRIDE..]);
            products[row][at] = total_of_streams(&all) + rest.map(|(w, x)| w.value() * x).sum::<f32>();
        }
    }
    products
}
