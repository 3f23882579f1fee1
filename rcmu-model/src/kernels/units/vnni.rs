//! Products of whole numbers on x86-64 with AVX-512 VNNI, whose instructions multiply and add up; and an instruction that
//! all of x86-64 has, which asks memory for a line.

#![allow(unsafe_code, reason = "`pulp` has no functions for these instructions")]

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
};

use pulp::{cast, x86::V4};

use super::{COLUMNS, PackedBlock, StepsBlock, Sums, UnitWork, Units};
use crate::kernels::{BLOCK, LANES};

/// Shows that this machine has the instructions: there is one only where they were found.
#[derive(Clone, Copy)]
pub(super) struct Vnni(V4);

impl Vnni {
    /// For a machine that has them.
    pub(super) fn try_new() -> Option<Self> {
        let v4 = V4::try_new()?;
        is_x86_feature_detected!("avx512vnni").then_some(Self(v4))
    }

    /// Does work compiled for them.
    pub(super) fn run(self, work: impl UnitWork) {
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni")]
        #[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
        fn compiled(units: Vnni, work: impl UnitWork) {
            work.run(units);
        }
        // SAFETY: the machine has the features of `V4` and VNNI, since there is a `Vnni`.
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
fn dot_pairs(_: Vnni, sums: __m512i, w: __m512i, x: __m512i) -> __m512i {
    // SAFETY: the machine has VNNI, since there is a `Vnni`.
    unsafe { _mm512_dpwssd_epi32(sums, w, x) }
}

/// `sums[i]` and the products of four neighbours, `w` without and `x` with a sign.
#[inline(always)]
fn dot_quads(_: Vnni, sums: __m512i, w: __m512i, x: __m512i) -> __m512i {
    // SAFETY: the machine has VNNI, since there is a `Vnni`.
    unsafe { _mm512_dpbusd_epi32(sums, w, x) }
}

impl Units for Vnni {
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
    fn all_sums(self, sums: [__m512; 2]) -> [f32; 4 * BLOCK] {
        cast(sums)
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
    fn add_pairs(self, sums: __m512i, w: [i16; 2], x: &[i16; 2 * COLUMNS]) -> __m512i {
        dot_pairs(self, sums, self.0.avx512f._mm512_set1_epi32(cast(w)), cast(*x))
    }

    #[inline(always)]
    fn narrow(self, start: &[i16; 2 * COLUMNS]) -> __m512i {
        self.0.avx512bw._mm512_madd_epi16(cast(*start), cast([1_i16; 2 * COLUMNS]))
    }

    #[inline(always)]
    fn add_quads(self, sums: __m512i, w: [u8; 4], x: &[i8; 4 * COLUMNS]) -> __m512i {
        dot_quads(self, sums, self.0.avx512f._mm512_set1_epi32(cast(w)), cast(*x))
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
    fn add_scaled(self, floats: __m512, products: __m512i, weight: f32, x: &[f32; COLUMNS]) -> __m512 {
        let units = self.0.avx512f;
        let scales = units._mm512_mul_ps(units._mm512_set1_ps(weight), cast(*x));
        let products = units._mm512_mul_ps(units._mm512_cvtepi32_ps(products), scales);
        units._mm512_add_ps(floats, products)
    }

    #[inline(always)]
    fn float_sums(self, floats: __m512) -> [f32; COLUMNS] {
        cast(floats)
    }
}
