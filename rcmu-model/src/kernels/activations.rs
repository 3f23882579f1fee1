//! Rows of activations as whole numbers.
//!
//! Weights of 8 bits are multiplied by activations of 16, weights of 4 bits by activations of 8: what the rounding of
//! activations adds is small beside what the rounding of weights has done already. In the vision tower, where the arithmetic
//! of many patches is what takes time, activations beside weights of 8 bits have 8, too, and are rounded about as much.

use super::{GROUP, dot};

/// A whole number that an activation is rounded to.
pub(super) trait Step: Copy + Default + Into<i32> {
    /// The largest; the smallest is as far from zero.
    const LARGEST: f32;

    /// A number that has room.
    fn from_i32(steps: i32) -> Self;
}

impl Step for i16 {
    const LARGEST: f32 = 32_767.0;

    #[inline(always)]
    fn from_i32(steps: i32) -> Self {
        steps as Self
    }
}

impl Step for i8 {
    const LARGEST: f32 = 127.0;

    #[inline(always)]
    fn from_i32(steps: i32) -> Self {
        steps as Self
    }
}

/// One row of activations, each group of [`GROUP`] with a scale: `scale steps`.
#[derive(Debug)]
pub(super) struct Activations<T> {
    steps: Vec<[T; GROUP]>,
    scales: Vec<f32>,
}

/// The same numbers with room for more.
impl From<Activations<i8>> for Activations<i16> {
    fn from(x: Activations<i8>) -> Self {
        Self { steps: x.steps.into_iter().map(|steps| steps.map(i16::from)).collect(), scales: x.scales }
    }
}

impl<T: Step> Activations<T> {
    /// Rounds to the nearest multiples of each group's largest magnitude over [`Step::LARGEST`]; whole groups only. A
    /// group with a number that is not finite stays not a number, as it would among floats.
    pub(super) fn new(x: &[f32]) -> Self {
        let groups = x.len() / GROUP;
        let mut out = Self { steps: vec![[T::default(); GROUP]; groups], scales: vec![0.0; groups] };
        dot::with_vectors(Rounding { x, out: &mut out });
        out
    }

    /// The numbers that stand for the activations.
    #[cfg(test)]
    pub(super) fn values(&self) -> Vec<f64>
    where
        T: Into<f64>,
    {
        let groups = self.steps.iter().zip(&self.scales);
        groups
            .flat_map(|(steps, &scale)| {
                steps.iter().map(move |&step| Into::<f64>::into(step) * f64::from(scale))
            })
            .collect()
    }

    /// The steps of each group.
    #[inline(always)]
    pub(super) fn steps(&self) -> &[[T; GROUP]] {
        &self.steps
    }

    /// What a step of each group stands for.
    #[inline(always)]
    pub(super) fn scales(&self) -> &[f32] {
        &self.scales
    }
}

/// Makes steps of floats.
struct Rounding<'a, T> {
    x: &'a [f32],
    out: &'a mut Activations<T>,
}

impl<T: Step> dot::Work for Rounding<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Activations { steps, scales } = self.out;
        let places = steps.iter_mut().zip(scales);
        for (x, (steps, scale)) in self.x.as_chunks::<GROUP>().0.iter().zip(places) {
            (*steps, *scale) = round(x);
        }
    }
}

/// The steps of a group, and what one of them stands for.
#[inline(always)]
pub(super) fn round<T: Step>(x: &[f32; GROUP]) -> ([T; GROUP], f32) {
    // As the bits of magnitudes are in order, and those of what is not finite come last.
    let largest = x.iter().fold(0, |largest, value| value.abs().to_bits().max(largest));
    let largest = f32::from_bits(largest);
    let inverse = if largest > 0.0 { T::LARGEST / largest } else { 0.0 };
    let mut steps = [T::default(); GROUP];
    for at in 0..GROUP {
        steps[at] = T::from_i32(nearest(x[at] * inverse));
    }
    // Integers have no way to say it, so the scale does; whatever steps then come out do not matter.
    (steps, if largest.is_finite() { largest / T::LARGEST } else { f32::NAN })
}

/// The nearest whole number, of two the even one; magnitudes up to 2²².
#[inline(always)]
fn nearest(value: f32) -> i32 {
    /// Floats of this size have no places behind the point.
    const WHOLE: f32 = 12_582_912.0;
    (value + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()) as i32
}
