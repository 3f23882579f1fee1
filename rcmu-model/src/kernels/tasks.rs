//! Inner products of some rows of a layer's weights with a few rows of activations.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use super::{
    Packed, Row, Values,
    activations::Activations,
    format::ActivationBits,
    quantised::{self, Blocks},
    singles::{Several, Singles, Weight},
    units::{self, Units},
};

/// Inputs from which on activations, other than those of 8 bits, do not stay in the first cache, so that more weights should
/// be multiplied with each that is read.
const LONG: usize = 4096;

/// Rows of activations in the forms that layers want; those that none wants are empty.
pub(super) struct Inputs<'a> {
    floats: &'a [f32],
    /// Of 16 bits, beside weights of 8.
    fine: Vec<Activations<i16>>,
    /// Of 8 bits, beside weights of 8.
    bytes: Vec<Activations<i16>>,
    /// Of 8 bits, beside weights of 4.
    blocks: Vec<Blocks>,
}

impl<'a> Inputs<'a> {
    /// Rows for layers of one width.
    pub(super) fn new<const N: usize>(x: &'a [f32], layers: [&Packed; N]) -> Self {
        let rows = x.chunks_exact(layers.first().map_or(1, |layer| layer.inputs));
        let any = |wants: fn(&Packed) -> bool| layers.iter().any(|layer| wants(layer));
        let (fine, bytes, blocks) =
            (any(Packed::wants_fine), any(Packed::wants_bytes), any(Packed::wants_blocks));
        Self {
            floats: x,
            fine: rows.clone().filter(|_| fine).map(Activations::new).collect(),
            bytes: rows.clone().filter(|_| bytes).map(|x| Activations::<i8>::new(x).into()).collect(),
            blocks: rows.filter(|_| blocks).map(Blocks::new).collect(),
        }
    }
}

impl Packed {
    const fn wants_fine(&self) -> bool {
        matches!((&self.values, self.activations), (Values::Q8(_), ActivationBits::Sixteen))
    }

    pub(super) const fn wants_bytes(&self) -> bool {
        matches!((&self.values, self.activations), (Values::Q8(_), ActivationBits::Eight))
    }

    const fn wants_blocks(&self) -> bool {
        matches!(self.values, Values::Q4(_))
    }
}

/// Outputs from `first` on, `[outputs, rows]`.
pub(super) struct Task<'a> {
    pub(super) packed: &'a Packed,
    pub(super) first: usize,
    pub(super) columns: &'a mut [f32],
}

impl Task<'_> {
    pub(super) fn run(self, x: &Inputs<'_>) {
        let Inputs { floats, fine, bytes, blocks } = x;
        match &self.packed.values {
            Values::Q8(_) => {
                let x = if self.packed.wants_bytes() { bytes } else { fine };
                if self.packed.inputs < LONG {
                    units::with_units(Quantised::<_, 2> { task: self, x });
                } else {
                    units::with_units(Quantised::<_, 8> { task: self, x });
                }
            }
            Values::Q4(_) => units::with_units(Quantised::<_, 4> { task: self, x: blocks }),
            Values::F32(weights) => self.run_floats(weights, floats),
            Values::Bf16(weights) => self.run_floats(weights, floats),
            Values::F16(weights) => self.run_floats(weights, floats),
        }
    }

    fn run_floats<W: Weight>(self, weights: &[W], x: &[f32]) {
        let Self { first, columns, packed } = self;
        let inputs = packed.inputs;
        let outputs = columns.len() / (x.len() / inputs);
        let weights = &weights[first * inputs..(first + outputs) * inputs];
        if x.len() > inputs {
            units::with_units(Several { weights, x, inputs, columns });
        } else if inputs < LONG {
            units::with_units(Singles::<_, 1> { weights, x, products: columns });
        } else {
            units::with_units(Singles::<_, 4> { weights, x, products: columns });
        }
    }
}

/// A row of activations that are whole numbers.
trait Dots {
    /// `Σ w x` over rows of weights.
    fn dots<const ROWS: usize>(&self, units: impl Units, rows: [Row<'_>; ROWS]) -> [f32; ROWS];
}

impl Dots for Activations<i16> {
    #[inline(always)]
    fn dots<const ROWS: usize>(&self, units: impl Units, rows: [Row<'_>; ROWS]) -> [f32; ROWS] {
        let mut numbers = [rows[0].q8(); ROWS];
        for at in 1..ROWS {
            numbers[at] = rows[at].q8();
        }
        quantised::dots_q8(units, numbers, self)
    }
}

impl Dots for Blocks {
    #[inline(always)]
    fn dots<const ROWS: usize>(&self, units: impl Units, rows: [Row<'_>; ROWS]) -> [f32; ROWS] {
        let mut numbers = [rows[0].q4(); ROWS];
        for at in 1..ROWS {
            numbers[at] = rows[at].q4();
        }
        quantised::dots_q4(units, numbers, self)
    }
}

/// For rows of activations that are whole numbers.
///
/// Rows from some places of the task are multiplied together, those that are left over one by one: memory gives more to
/// readers of several places that are far apart.
struct Quantised<'a, X, const PLACES: usize> {
    task: Task<'a>,
    x: &'a [X],
}

impl<X: Dots, const PLACES: usize> units::UnitWork for Quantised<'_, X, PLACES> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        let (Task { packed, first, columns }, xs) = (self.task, self.x);
        let part = columns.len() / xs.len().max(1) / PLACES;
        for start in 0..part {
            // Calls in closures of arrays would not be inlined.
            let mut rows = [packed.row(first + start); PLACES];
            for place in 1..PLACES {
                rows[place] = packed.row(first + start + place * part);
            }
            for (at, x) in xs.iter().enumerate() {
                for (place, y) in x.dots(units, rows).into_iter().enumerate() {
                    columns[(start + place * part) * xs.len() + at] = y;
                }
            }
        }
        let columns = columns.chunks_exact_mut(xs.len()).enumerate().skip(PLACES * part);
        for (output, column) in columns {
            for (y, x) in column.iter_mut().zip(xs) {
                let [product] = x.dots(units, [packed.row(first + output)]);
                *y = product;
            }
        }
    }
}
