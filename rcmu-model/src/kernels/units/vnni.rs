//! Products of whole numbers on x86-64 with AVX-512 VNNI, whose instructions multiply and add up; and an instruction that
//! all of x86-64 has, which asks memory for a line.

#![allow(unsafe_code, reason = "`pulp` has no functions for these instructions")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_dpbf16_ps, _mm512_dpbusd_epi32,
    _mm512_dpwssd_epi32,
};
use std::mem::transmute;

use half::{bf16, f16};
use pulp::{cast, x86::V4};

use super::{COLUMNS, PackedBlock, StepsBlock, Sums, UnitWork, Units, add_halves_as_floats};
use crate::kernels::{BLOCK, LANES};

/// Shows that this machine has the instructions, with `HALVES` also those for bf16: there is one only where they were found.
#[derive(Clone, Copy)]
pub(super) struct Vnni<const HALVES: bool>(V4);

impl<const HALVES: bool> Vnni<HALVES> {
    /// For a machine that has them.
    pub(super) fn try_new() -> Option<Self> {
        let v4 = V4::try_new()?;
        let found =
            is_x86_feature_detected!("avx512vnni") && (!HALVES || is_x86_feature_detected!("avx512bf16"));
        found.then_some(Self(v4))
    }
}

impl Vnni<false> {
    /// Does work compiled for them.
    pub(super) fn run(self, work: impl UnitWork) {
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni")]
        #[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
        fn compiled(units: Vnni<false>, work: impl UnitWork) {
            work.run(units);
        }
        // SAFETY: the machine has the features of `V4` and VNNI, since there is a `Vnni`.
        unsafe { compiled(self, work) }
    }
}

impl Vnni<true> {
    /// Does work compiled for them.
    pub(super) fn run(self, work: impl UnitWork) {
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512bf16")]
        #[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
        fn compiled(units: Vnni<true>, work: impl UnitWork) {
            work.run(units);
        }
        // SAFETY: the machine has the features of `V4`, VNNI and those for bf16, since there is a `Vnni<true>`.
        unsafe { compiled(self, work) }
    }
}

/// Asks memory for a line without waiting for it.
#[inline(always)]
pub(super) fn ask<T>(place: *const T) {
    // SAFETY: the instruction is in every x86-64 machine, and does nothing where there is no memory.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
}

/// `sums[i] + w[2 i] x[2 i] + w[2 i + 1] x[2 i + 1]`, of numbers of 16 bits.
#[inline(always)]
fn dot_pairs<const HALVES: bool>(_: Vnni<HALVES>, sums: __m512i, w: __m512i, x: __m512i) -> __m512i {
    // SAFETY: the machine has VNNI, since there is a `Vnni`.
    unsafe { _mm512_dpwssd_epi32(sums, w, x) }
}

/// `sums[i]` and the products of four neighbours, `w` without and `x` with a sign.
#[inline(always)]
fn dot_quads<const HALVES: bool>(_: Vnni<HALVES>, sums: __m512i, w: __m512i, x: __m512i) -> __m512i {
    // SAFETY: the machine has VNNI, since there is a `Vnni`.
    unsafe { _mm512_dpbusd_epi32(sums, w, x) }
}

/// `sums[i] + w[2 i] x[2 i] + w[2 i + 1] x[2 i + 1]`, of numbers of bf16.
#[inline(always)]
fn dot_halves(_: Vnni<true>, sums: __m512, w: __m512i, x: __m512i) -> __m512 {
    // SAFETY: the machine has the instructions for bf16, since there is a `Vnni<true>`; vectors of as many bits are cast.
    unsafe { _mm512_dpbf16_ps(sums, transmute::<__m512i, __m512bh>(w), transmute::<__m512i, __m512bh>(x)) }
}

impl<const HALVES: bool> Units for Vnni<HALVES> {
    const MANY: bool = true;
    type Wide = __m512i;
    type Narrow = __m512i;
    type Floats = __m512;
    type BlockSums = [__m512; 2];

    #[inline(always)]
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums {
        self.0.pairs(a, b)
    }

    #[inline(always)]
    fn block_sums(self) -> [__m512; 2] {
        [self.0.avx512f._mm512_setzero_ps(); 2]
    }

    #[inline(always)]
    fn add_block(
        self,
        mut sums: [__m512; 2],
        w: &PackedBlock,
        x: &StepsBlock,
        scales: &[f32; BLOCK],
    ) -> [__m512; 2] {
        let (units, words) = (self.0.avx512f, self.0.avx512bw);
        let low = cast([15_u8; 64]);
        let scales = units._mm512_castps256_ps512(cast(*scales));
        let w = w.as_chunks::<64>().0;
        for half in 0..2 {
            let (both, [first, second]) = (cast(w[half]), x.steps[half].map(cast));
            let upper = units._mm512_and_si512(words._mm512_srli_epi16::<4>(both), low);
            let start = cast(x.start[half]);
            let products = dot_quads(self, start, units._mm512_and_si512(both, low), first);
            let products = units._mm512_cvtepi32_ps(dot_quads(self, products, upper, second));
            let places: [u32; 16] = std::array::from_fn(|lane| (4 * half + lane / 4) as u32);
            let scales = units._mm512_permutexvar_ps(cast(places), scales);
            sums[half] = units._mm512_add_ps(sums[half], units._mm512_mul_ps(products, scales));
        }
        sums
    }

    #[inline(always)]
    fn lanes(self, [first, second]: [__m512; 2]) -> [f32; LANES] {
        let [[a, b], [c, d]]: [[_; 2]; 2] = [cast(first), cast(second)];
        self.0.lanes([a, b, c, d])
    }

    #[inline(always)]
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES] {
        let scales = self.0.avx512f._mm256_maskz_cvtph_ps(u8::MAX, cast(*weights));
        cast(self.0.mul_f32x8(cast(scales), cast(*x)))
    }

    #[inline(always)]
    fn wide(self) -> __m512i {
        self.0.avx512f._mm512_setzero_si512()
    }

    #[inline(always)]
    fn turned(self, rows: &[[u32; COLUMNS]; COLUMNS]) -> [[u32; COLUMNS]; COLUMNS] {
        let units = self.0.avx512f;
        let rows: [__m512i; COLUMNS] = cast(*rows);
        let mut fours = [rows[0]; COLUMNS];
        for at in (0..COLUMNS).step_by(4) {
            let [a, b, c, d] = [rows[at], rows[at + 1], rows[at + 2], rows[at + 3]];
            let low = [units._mm512_unpacklo_epi32(a, b), units._mm512_unpacklo_epi32(c, d)];
            let high = [units._mm512_unpackhi_epi32(a, b), units._mm512_unpackhi_epi32(c, d)];
            for (at, [first, second]) in [at, at + 2].into_iter().zip([low, high]) {
                fours[at] = units._mm512_unpacklo_epi64(first, second);
                fours[at + 1] = units._mm512_unpackhi_epi64(first, second);
            }
        }
        // Of each four rows, the columns `k`, `4 + k`, `8 + k` and `12 + k` are now in the quarters of a vector.
        let mut columns = [fours[0]; COLUMNS];
        for k in 0..4 {
            let even = |at: usize| units._mm512_shuffle_i32x4::<0x88>(fours[at + k], fours[at + 4 + k]);
            let odd = |at: usize| units._mm512_shuffle_i32x4::<0xdd>(fours[at + k], fours[at + 4 + k]);
            columns[k] = units._mm512_shuffle_i32x4::<0x88>(even(0), even(8));
            columns[8 + k] = units._mm512_shuffle_i32x4::<0xdd>(even(0), even(8));
            columns[4 + k] = units._mm512_shuffle_i32x4::<0x88>(odd(0), odd(8));
            columns[12 + k] = units._mm512_shuffle_i32x4::<0xdd>(odd(0), odd(8));
        }
        cast(columns)
    }

    #[inline(always)]
    fn add_pairs(self, sums: __m512i, w: &[u32; COLUMNS], x: u32) -> __m512i {
        dot_pairs(self, sums, cast(*w), self.0.avx512f._mm512_set1_epi32(x.cast_signed()))
    }

    #[inline(always)]
    fn bytes(self, sum: i32) -> __m512i {
        self.0.avx512f._mm512_set1_epi32(-128 * sum)
    }

    #[inline(always)]
    fn add_bytes(self, sums: __m512i, w: &[u32; COLUMNS], x: u32) -> __m512i {
        self.add_quads(sums, w, x)
    }

    #[inline(always)]
    fn narrow(self, [first, second]: [i16; 2]) -> __m512i {
        self.0.avx512f._mm512_set1_epi32(i32::from(first) + i32::from(second))
    }

    #[inline(always)]
    fn add_quads(self, sums: __m512i, w: &[u32; COLUMNS], x: u32) -> __m512i {
        dot_quads(self, sums, cast(*w), self.0.avx512f._mm512_set1_epi32(x.cast_signed()))
    }

    #[inline(always)]
    fn widened(self, sums: __m512i) -> __m512i {
        sums
    }

    #[inline(always)]
    fn floats(self) -> __m512 {
        self.0.avx512f._mm512_setzero_ps()
    }

    #[inline(always)]
    fn add_scaled(self, floats: __m512, products: __m512i, x: f32, w: &[f32; COLUMNS]) -> __m512 {
        let units = self.0.avx512f;
        let scales = units._mm512_mul_ps(cast(*w), units._mm512_set1_ps(x));
        let products = units._mm512_mul_ps(units._mm512_cvtepi32_ps(products), scales);
        units._mm512_add_ps(floats, products)
    }

    #[inline(always)]
    fn of_f32(self, w: &[f32; COLUMNS]) -> __m512 {
        cast(*w)
    }

    #[inline(always)]
    fn of_bf16(self, w: &[bf16; COLUMNS]) -> __m512 {
        let units = self.0.avx512f;
        units._mm512_castsi512_ps(units._mm512_slli_epi32::<16>(units._mm512_cvtepu16_epi32(cast(*w))))
    }

    #[inline(always)]
    fn of_f16(self, w: &[f16; COLUMNS]) -> __m512 {
        self.0.avx512f._mm512_cvtph_ps(cast(*w))
    }

    #[inline(always)]
    fn add_products(self, sums: __m512, w: __m512, x: &[f32; COLUMNS]) -> __m512 {
        let units = self.0.avx512f;
        units._mm512_add_ps(sums, units._mm512_mul_ps(w, cast(*x)))
    }

    #[inline(always)]
    fn add_fused(self, sums: __m512, w: &[f32; COLUMNS], x: f32) -> __m512 {
        let units = self.0.avx512f;
        units._mm512_fmadd_ps(cast(*w), units._mm512_set1_ps(x), sums)
    }

    #[inline(always)]
    fn add_halves(self, floats: __m512, w: &[u32; COLUMNS], x: u32) -> __m512 {
        if !HALVES {
            return add_halves_as_floats(self, floats, w, x);
        }
        let x = self.0.avx512f._mm512_set1_epi32(x.cast_signed());
        dot_halves(Vnni(self.0), floats, cast(*w), x)
    }

    #[inline(always)]
    fn float_sums(self, floats: __m512) -> [f32; COLUMNS] {
        cast(floats)
    }
}
