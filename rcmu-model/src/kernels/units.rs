//! What multiplies whole numbers: vector units of this machine, or what the compiler makes of plain loops.

use super::{GROUP, LANES, TWO_TO_112, f16_scale};

/// Whole numbers of 32 bits, side by side.
pub(super) type Sums = [i32; LANES];

/// Products of whole numbers; all units give the same bits.
pub(super) trait Units: Copy {
    /// Eight sums of 32 bits.
    type Wide: Copy;
    /// Sixteen sums of 16 bits.
    type Narrow: Copy;

    /// `a[2i] b[2i] + a[2i + 1] b[2i + 1]`; no sum may leave 32 bits.
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums;

    /// The sums over four neighbours of 4-bit weights, 0 to 15, times `x`: first the lower halves of the bytes, then the
    /// upper ones.
    fn quads(self, w: &[u8; GROUP / 2], x: &[i8; GROUP]) -> Sums;

    /// Products of scales, of weights as the bits of finite f16 numbers.
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES];

    /// Nothing added up yet.
    fn wide(self) -> Self::Wide;

    /// Adds `w[0] x[2i] + w[1] x[2i + 1]` to sum `i`; no sum may leave 32 bits.
    fn add_pairs(self, sums: Self::Wide, w: [i16; 2], x: &[i16; 16]) -> Self::Wide;

    /// The sums.
    fn wide_sums(self, sums: Self::Wide) -> Sums;

    /// Sums that begin with something.
    fn narrow(self, start: &[i16; 16]) -> Self::Narrow;

    /// Adds `w[0] x[4i] + w[1] x[4i + 1]` to sum `2i`, the products of `w[2]` and `w[3]` to sum `2i + 1`; weights of 0 to
    /// 15. Sums wrap around.
    fn add_quads(self, sums: Self::Narrow, w: [u8; 4], x: &[i8; 32]) -> Self::Narrow;

    /// Sums `2i` and `2i + 1` added up.
    fn narrow_sums(self, sums: Self::Narrow) -> Sums;
}

/// Every machine's own instructions, as the compiler finds them.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Units for Plain {
    type Wide = Sums;
    type Narrow = [i16; 16];

    #[inline(always)]
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums {
        std::array::from_fn(|at| {
            let product = |at: usize| i32::from(a[at]) * i32::from(b[at]);
            product(2 * at) + product(2 * at + 1)
        })
    }

    #[inline(always)]
    fn quads(self, w: &[u8; GROUP / 2], x: &[i8; GROUP]) -> Sums {
        let product = |at: usize| {
            let w = if at < GROUP / 2 { w[at] & 15 } else { w[at - GROUP / 2] >> 4 };
            i32::from(w) * i32::from(x[at])
        };
        std::array::from_fn(|lane| (4 * lane..4 * lane + 4).map(product).sum())
    }

    #[inline(always)]
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|at| f16_scale(weights[at]) * x[at])
    }

    #[inline(always)]
    fn wide(self) -> Sums {
        [0; LANES]
    }

    #[inline(always)]
    fn add_pairs(self, sums: Sums, w: [i16; 2], x: &[i16; 16]) -> Sums {
        let [first, second] = w.map(i32::from);
        std::array::from_fn(|at| sums[at] + first * i32::from(x[2 * at]) + second * i32::from(x[2 * at + 1]))
    }

    #[inline(always)]
    fn wide_sums(self, sums: Sums) -> Sums {
        sums
    }

    #[inline(always)]
    fn narrow(self, start: &[i16; 16]) -> [i16; 16] {
        *start
    }

    #[inline(always)]
    fn add_quads(self, sums: [i16; 16], w: [u8; 4], x: &[i8; 32]) -> [i16; 16] {
        let w = w.map(i16::from);
        std::array::from_fn(|at| {
            let product = |k: usize| w[2 * (at % 2) + k] * i16::from(x[2 * at + k]);
            sums[at].wrapping_add(product(0) + product(1))
        })
    }

    #[inline(always)]
    fn narrow_sums(self, sums: [i16; 16]) -> Sums {
        std::array::from_fn(|at| i32::from(sums[2 * at]) + i32::from(sums[2 * at + 1]))
    }
}

#[cfg(target_arch = "x86_64")]
impl Units for pulp::x86::V3 {
    type Wide = pulp::i32x8;
    type Narrow = pulp::i16x16;

    #[inline(always)]
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums {
        pulp::cast(self.multiply_wrapping_add_adjacent_i16x16(pulp::cast(*a), pulp::cast(*b)))
    }

    #[inline(always)]
    fn quads(self, w: &[u8; GROUP / 2], x: &[i8; GROUP]) -> Sums {
        let units = self.avx2;
        let both = units._mm256_broadcastsi128_si256(pulp::cast(*w));
        let halves = units._mm256_srlv_epi32(both, pulp::cast([0_u32, 0, 0, 0, 4, 4, 4, 4]));
        let w = units._mm256_and_si256(halves, pulp::cast([15_u8; GROUP]));
        // At most 15 times 128 twice: nothing saturates.
        let pairs = units._mm256_maddubs_epi16(w, pulp::cast(*x));
        pulp::cast(units._mm256_madd_epi16(pairs, pulp::cast([1_i16; 16])))
    }

    #[inline(always)]
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES] {
        // As `f16_scale` does it.
        let (units, bits) = (self.avx2, self.avx2._mm256_cvtepu16_epi32(pulp::cast(*weights)));
        let magnitude =
            units._mm256_slli_epi32::<13>(units._mm256_and_si256(bits, pulp::cast([0x7fff; LANES])));
        let magnitude = self.mul_f32x8(pulp::cast(magnitude), self.splat_f32x8(TWO_TO_112));
        let sign = units._mm256_slli_epi32::<16>(units._mm256_and_si256(bits, pulp::cast([0x8000; LANES])));
        let scales = units._mm256_or_si256(pulp::cast(magnitude), sign);
        pulp::cast(self.mul_f32x8(pulp::cast(scales), pulp::cast(*x)))
    }

    #[inline(always)]
    fn wide(self) -> pulp::i32x8 {
        self.splat_i32x8(0)
    }

    #[inline(always)]
    fn add_pairs(self, sums: pulp::i32x8, w: [i16; 2], x: &[i16; 16]) -> pulp::i32x8 {
        let w = pulp::cast(self.splat_i32x8(pulp::cast(w)));
        self.wrapping_add_i32x8(sums, self.multiply_wrapping_add_adjacent_i16x16(w, pulp::cast(*x)))
    }

    #[inline(always)]
    fn wide_sums(self, sums: pulp::i32x8) -> Sums {
        pulp::cast(sums)
    }

    #[inline(always)]
    fn narrow(self, start: &[i16; 16]) -> pulp::i16x16 {
        pulp::cast(*start)
    }

    #[inline(always)]
    fn add_quads(self, sums: pulp::i16x16, w: [u8; 4], x: &[i8; 32]) -> pulp::i16x16 {
        let w = pulp::cast(self.splat_i32x8(pulp::cast(w)));
        // At most 15 times 128 twice: nothing saturates.
        let pairs = self.avx2._mm256_maddubs_epi16(w, pulp::cast(*x));
        self.wrapping_add_i16x16(sums, pulp::cast(pairs))
    }

    #[inline(always)]
    fn narrow_sums(self, sums: pulp::i16x16) -> Sums {
        pulp::cast(self.multiply_wrapping_add_adjacent_i16x16(sums, self.splat_i16x16(1)))
    }
}

/// Work that needs something to multiply whole numbers with.
pub(super) trait UnitWork {
    /// Does it.
    fn run(self, units: impl Units);
}

/// Runs work with the vector units of this machine.
pub(super) fn with_units(work: impl UnitWork) {
    #[cfg(target_arch = "x86_64")]
    if let Some(units) = pulp::x86::V3::try_new() {
        /// Inlined where it is compiled for the units.
        struct OnUnits<W>(W, pulp::x86::V3);
        impl<W: UnitWork> pulp::NullaryFnOnce for OnUnits<W> {
            type Output = ();

            #[inline(always)]
            fn call(self) {
                self.0.run(self.1);
            }
        }
        return units.vectorize(OnUnits(work, units));
    }
    work.run(Plain);
}
