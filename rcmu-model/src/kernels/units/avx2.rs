//! Products of whole numbers on x86-64 with AVX2.

use std::arch::x86_64::__m256i;

use half::{bf16, f16};
use pulp::{cast, f32x8, i16x16, i32x8, x86::V3};

use super::{COLUMNS, PackedBlock, StepsBlock, Sums, UnitWork, Units};
use crate::kernels::{BLOCK, GROUP, LANES, TWO_TO_112, dot};

/// Does work compiled for these units.
pub(super) fn run(units: V3, work: impl UnitWork) {
    /// Inlined where it is compiled for the units.
    struct OnUnits<W>(W, V3);
    impl<W: UnitWork> pulp::NullaryFnOnce for OnUnits<W> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.run(self.1);
        }
    }
    units.vectorize(OnUnits(work, units));
}

impl Units for V3 {
    const MANY: bool = false;
    type Wide = [i32x8; 2];
    type Narrow = [i16x16; 2];
    type Floats = [f32x8; 2];
    type BlockSums = [f32x8; 4];

    #[inline(always)]
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums {
        cast(self.multiply_wrapping_add_adjacent_i16x16(cast(*a), cast(*b)))
    }

    #[inline(always)]
    fn block_sums(self) -> [f32x8; 4] {
        [self.splat_f32x8(0.0); 4]
    }

    #[inline(always)]
    fn add_block(
        self,
        mut sums: [f32x8; 4],
        w: &PackedBlock,
        x: &StepsBlock,
        scales: &[f32; BLOCK],
    ) -> [f32x8; 4] {
        let (units, low, ones) = (self.avx2, cast([15_u8; GROUP]), cast([1_i16; 16]));
        let w = w.as_chunks::<GROUP>().0;
        for pair in 0..4 {
            let [first, second] = &x.steps[pair / 2];
            let halves = [first, second].map(|half| cast(half.as_chunks::<GROUP>().0[pair % 2]));
            let both = cast(w[pair]);
            let upper = units._mm256_and_si256(units._mm256_srli_epi16::<4>(both), low);
            // At most 15 times 128 four times: nothing saturates.
            let lower = units._mm256_maddubs_epi16(units._mm256_and_si256(both, low), halves[0]);
            let upper = units._mm256_maddubs_epi16(upper, halves[1]);
            let products = units._mm256_madd_epi16(units._mm256_add_epi16(lower, upper), ones);
            let start = cast(x.start[pair / 2].as_chunks::<LANES>().0[pair % 2]);
            let products = units._mm256_add_epi32(products, start);
            let places: [u32; LANES] = std::array::from_fn(|lane| (2 * pair + lane / 4) as u32);
            let scales = units._mm256_permutevar8x32_ps(cast(*scales), cast(places));
            let products = cast(self.avx._mm256_cvtepi32_ps(products));
            sums[pair] = self.add_f32x8(sums[pair], self.mul_f32x8(products, cast(scales)));
        }
        sums
    }

    #[inline(always)]
    fn lanes(self, [a, b, c, d]: [f32x8; 4]) -> [f32; LANES] {
        cast(self.add_f32x8(self.add_f32x8(a, b), self.add_f32x8(c, d)))
    }

    #[inline(always)]
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES] {
        // As `f16_scale` does it.
        let (units, bits) = (self.avx2, self.avx2._mm256_cvtepu16_epi32(cast(*weights)));
        let magnitude = units._mm256_slli_epi32::<13>(units._mm256_and_si256(bits, cast([0x7fff; LANES])));
        let magnitude = self.mul_f32x8(cast(magnitude), self.splat_f32x8(TWO_TO_112));
        let sign = units._mm256_slli_epi32::<16>(units._mm256_and_si256(bits, cast([0x8000; LANES])));
        let scales = units._mm256_or_si256(cast(magnitude), sign);
        cast(self.mul_f32x8(cast(scales), cast(*x)))
    }

    #[inline(always)]
    fn wide(self) -> [i32x8; 2] {
        [self.splat_i32x8(0); 2]
    }

    #[inline(always)]
    fn turned(self, rows: &[[u32; COLUMNS]; COLUMNS]) -> [[u32; COLUMNS]; COLUMNS] {
        let units = self.avx2;
        let rows: [[__m256i; 2]; COLUMNS] = cast(*rows);
        let mut columns = rows;
        for (half, first) in [(0, 0), (0, LANES), (1, 0), (1, LANES)] {
            let mut fours = [rows[first][half]; LANES];
            for at in (0..LANES).step_by(4) {
                let row = |more: usize| rows[first + at + more][half];
                let (a, b, c, d) = (row(0), row(1), row(2), row(3));
                let low = [units._mm256_unpacklo_epi32(a, b), units._mm256_unpacklo_epi32(c, d)];
                let high = [units._mm256_unpackhi_epi32(a, b), units._mm256_unpackhi_epi32(c, d)];
                for (at, [first, second]) in [at, at + 2].into_iter().zip([low, high]) {
                    fours[at] = units._mm256_unpacklo_epi64(first, second);
                    fours[at + 1] = units._mm256_unpackhi_epi64(first, second);
                }
            }
            // Of each four rows, the columns `k` and `4 + k` are now in the halves of a vector.
            for k in 0..4 {
                let place = first / LANES;
                let (upper, lower) = (fours[k], fours[4 + k]);
                columns[half * LANES + k][place] = units._mm256_permute2x128_si256::<0x20>(upper, lower);
                columns[half * LANES + 4 + k][place] = units._mm256_permute2x128_si256::<0x31>(upper, lower);
            }
        }
        cast(columns)
    }

    #[inline(always)]
    fn add_pairs(self, sums: [i32x8; 2], w: &[u32; COLUMNS], x: u32) -> [i32x8; 2] {
        let (w, x): ([_; 2], _) = (cast(*w), cast(self.splat_u32x8(x)));
        let add = |half: usize| {
            self.wrapping_add_i32x8(sums[half], self.multiply_wrapping_add_adjacent_i16x16(w[half], x))
        };
        [add(0), add(1)]
    }

    #[inline(always)]
    fn bytes(self, _: i32) -> [i32x8; 2] {
        self.wide()
    }

    #[inline(always)]
    fn add_bytes(self, sums: [i32x8; 2], w: &[u32; COLUMNS], x: u32) -> [i32x8; 2] {
        let (w, x): ([_; 2], _) = (cast(*w), cast(self.splat_u32x8(x)));
        let add = |half: usize| {
            let w = self.avx2._mm256_xor_si256(w[half], cast([128_u8; GROUP]));
            // At most 128 times 127 twice: nothing saturates.
            let size = self.avx2._mm256_abs_epi8(w);
            let pairs = self.avx2._mm256_maddubs_epi16(size, self.avx2._mm256_sign_epi8(x, w));
            let products = self.multiply_wrapping_add_adjacent_i16x16(cast(pairs), self.splat_i16x16(1));
            self.wrapping_add_i32x8(sums[half], products)
        };
        [add(0), add(1)]
    }

    #[inline(always)]
    fn narrow(self, start: [i16; 2]) -> [i16x16; 2] {
        [cast(self.splat_i32x8(cast(start))); 2]
    }

    #[inline(always)]
    fn add_quads(self, sums: [i16x16; 2], w: &[u32; COLUMNS], x: u32) -> [i16x16; 2] {
        let (w, x): ([_; 2], _) = (cast(*w), cast(self.splat_u32x8(x)));
        // At most 15 times 128 twice: nothing saturates.
        let add = |half: usize| {
            self.wrapping_add_i16x16(sums[half], cast(self.avx2._mm256_maddubs_epi16(w[half], x)))
        };
        [add(0), add(1)]
    }

    #[inline(always)]
    fn widened(self, sums: [i16x16; 2]) -> [i32x8; 2] {
        sums.map(|sums| self.multiply_wrapping_add_adjacent_i16x16(sums, self.splat_i16x16(1)))
    }

    #[inline(always)]
    fn floats(self) -> [f32x8; 2] {
        [self.splat_f32x8(0.0); 2]
    }

    #[inline(always)]
    fn add_scaled(self, floats: [f32x8; 2], products: [i32x8; 2], x: f32, w: &[f32; COLUMNS]) -> [f32x8; 2] {
        let w: [f32x8; 2] = cast(*w);
        let add = |half: usize| {
            let scales = self.mul_f32x8(w[half], self.splat_f32x8(x));
            let products = cast(self.avx._mm256_cvtepi32_ps(cast(products[half])));
            self.add_f32x8(floats[half], self.mul_f32x8(products, scales))
        };
        [add(0), add(1)]
    }

    #[inline(always)]
    fn of_f32(self, w: &[f32; COLUMNS]) -> [f32x8; 2] {
        cast(*w)
    }

    #[inline(always)]
    fn of_bf16(self, w: &[bf16; COLUMNS]) -> [f32x8; 2] {
        let w: [_; 2] = cast(*w);
        let of =
            |half: usize| cast(self.avx2._mm256_slli_epi32::<16>(self.avx2._mm256_cvtepu16_epi32(w[half])));
        [of(0), of(1)]
    }

    #[inline(always)]
    fn of_f16(self, w: &[f16; COLUMNS]) -> [f32x8; 2] {
        let mut values = [0.0; COLUMNS];
        for at in 0..COLUMNS {
            values[at] = dot::half(&w[at]);
        }
        cast(values)
    }

    #[inline(always)]
    fn add_products(self, sums: [f32x8; 2], w: [f32x8; 2], x: &[f32; COLUMNS]) -> [f32x8; 2] {
        let x: [f32x8; 2] = cast(*x);
        let add = |half: usize| self.add_f32x8(sums[half], self.mul_f32x8(w[half], x[half]));
        [add(0), add(1)]
    }

    #[inline(always)]
    fn add_fused(self, sums: [f32x8; 2], w: &[f32; COLUMNS], x: f32) -> [f32x8; 2] {
        let (w, x): ([f32x8; 2], _) = (cast(*w), self.splat_f32x8(x));
        [self.mul_add_f32x8(w[0], x, sums[0]), self.mul_add_f32x8(w[1], x, sums[1])]
    }

    #[inline(always)]
    fn float_sums(self, floats: [f32x8; 2]) -> [f32; COLUMNS] {
        cast(floats)
    }
}
