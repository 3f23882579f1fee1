//! What multiplies whole numbers, and floats of rows: vector units of this machine, or what the compiler makes of plain loops.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod vnni;

use bytemuck::cast;
use half::{bf16, f16};

use super::{BLOCK, GROUP, LANES, dot, f16_scale};

/// Outputs that tiles take side by side.
pub(super) const COLUMNS: usize = 2 * LANES;
/// Whole numbers of 32 bits, side by side.
pub(super) type Sums = [i32; LANES];
/// A block of groups of 4-bit weights as they are stored.
pub(super) type PackedBlock = [u8; BLOCK * GROUP / 2];

/// Activations of a block as its stored weights want them, four groups and four groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepsBlock {
    /// The first halves of four groups, then the second ones.
    pub(super) steps: [[[i8; 2 * GROUP]; 2]; BLOCK / 4],
    /// What the middle of stored weights takes from the sum of each eight products.
    pub(super) start: [[i32; 2 * LANES]; BLOCK / 4],
}

impl StepsBlock {
    /// Nothing.
    pub(super) const EMPTY: Self =
        Self { steps: [[[0; 2 * GROUP]; 2]; BLOCK / 4], start: [[0; 2 * LANES]; BLOCK / 4] };
}

/// Products; all units give the same bits, but for [`Units::add_fused`] and [`Units::add_halves`].
pub(super) trait Units: Copy {
    /// Whether there is room for the sums of twelve rows of activations, not of six only.
    const MANY: bool;
    /// A sum of 32 bits for each of the outputs side by side.
    type Wide: Copy;
    /// Two sums of 16 bits for each of them, or what stands for them.
    type Narrow: Copy;
    /// A float for each of them.
    type Floats: Copy;
    /// Four floats for each group of a block.
    type BlockSums: Copy;

    /// `a[2i] b[2i] + a[2i + 1] b[2i + 1]`; no sum may leave 32 bits.
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums;

    /// Nothing added up yet.
    fn block_sums(self) -> Self::BlockSums;

    /// Adds the products of 4-bit weights, 0 to 15, of [`BLOCK`] groups to sums: `4 g + i` takes `scales[g]` times what
    /// those of the inputs `4 i..4 i + 4` and `16 + 4 i..16 + 4 i + 4` of group `g` add to their start.
    fn add_block(
        self,
        sums: Self::BlockSums,
        w: &PackedBlock,
        x: &StepsBlock,
        scales: &[f32; BLOCK],
    ) -> Self::BlockSums;

    /// Sums `i`, `8 + i`, `16 + i` and `24 + i`, the first two and the last two added up first.
    fn lanes(self, sums: Self::BlockSums) -> [f32; LANES];

    /// Products of scales, of weights as the bits of finite f16 numbers.
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES];

    /// Nothing added up yet.
    fn wide(self) -> Self::Wide;

    /// Words of rows as columns.
    #[inline(always)]
    fn turned(self, rows: &[[u32; COLUMNS]; COLUMNS]) -> [[u32; COLUMNS]; COLUMNS] {
        std::array::from_fn(|column| std::array::from_fn(|row| rows[row][column]))
    }

    /// Adds `w[2i] x[0] + w[2i + 1] x[1]`, words of two numbers of 16 bits, to sum `i`; no sum may leave 32 bits.
    fn add_pairs(self, sums: Self::Wide, w: &[u32; COLUMNS], x: u32) -> Self::Wide;

    /// What the sums of [`Units::add_bytes`] begin with, from the sum of all `x`.
    fn bytes(self, sum: i32) -> Self::Wide;

    /// Adds `(w[4i] - 128) x[0] + … + (w[4i + 3] - 128) x[3]`, words of four numbers of 8 bits, `w` without and `x`, at
    /// least -127, with a sign, to sum `i`, which is right once all have been added.
    fn add_bytes(self, sums: Self::Wide, w: &[u32; COLUMNS], x: u32) -> Self::Wide;

    /// Sums of which each two begin with these.
    fn narrow(self, start: [i16; 2]) -> Self::Narrow;

    /// Adds `w[4i] x[0] + w[4i + 1] x[1]`, words of four numbers of 8 bits, to sum `2i`, the products of `x[2]` and `x[3]` to
    /// sum `2i + 1`; weights of 0 to 15. Sums wrap around.
    fn add_quads(self, sums: Self::Narrow, w: &[u32; COLUMNS], x: u32) -> Self::Narrow;

    /// Sums `2i` and `2i + 1` added up.
    fn widened(self, sums: Self::Narrow) -> Self::Wide;

    /// No floats added up yet.
    fn floats(self) -> Self::Floats;

    /// Adds `products[i] (w[i] x)` to float `i`; each operation is rounded by itself.
    fn add_scaled(
        self,
        floats: Self::Floats,
        products: Self::Wide,
        x: f32,
        w: &[f32; COLUMNS],
    ) -> Self::Floats;

    /// Weights as floats.
    fn of_f32(self, w: &[f32; COLUMNS]) -> Self::Floats;

    /// Weights as floats.
    fn of_bf16(self, w: &[bf16; COLUMNS]) -> Self::Floats;

    /// Weights as floats, those that are not finite among them.
    fn of_f16(self, w: &[f16; COLUMNS]) -> Self::Floats;

    /// Adds `w[i] x[i]` to float `i`; each operation is rounded by itself.
    fn add_products(self, floats: Self::Floats, w: Self::Floats, x: &[f32; COLUMNS]) -> Self::Floats;

    /// Adds `w[i] x` to float `i`; whether the product is rounded by itself depends on the units.
    fn add_fused(self, floats: Self::Floats, w: &[f32; COLUMNS], x: f32) -> Self::Floats;

    /// Adds `w[2i] x[0] + w[2i + 1] x[1]`, words of two numbers of bf16, to float `i`; how it is rounded depends on the
    /// units.
    #[inline(always)]
    fn add_halves(self, floats: Self::Floats, w: &[u32; COLUMNS], x: u32) -> Self::Floats {
        add_halves_as_floats(self, floats, w, x)
    }

    /// The floats.
    fn float_sums(self, floats: Self::Floats) -> [f32; COLUMNS];
}

/// [`Units::add_halves`] for units without instructions for it.
#[inline(always)]
fn add_halves_as_floats<U: Units>(units: U, mut floats: U::Floats, w: &[u32; COLUMNS], x: u32) -> U::Floats {
    let (w, x): ([[bf16; 2]; COLUMNS], [bf16; 2]) = (cast(*w), cast(x));
    for at in 0..2 {
        let weights = units.of_bf16(&w.map(|pair| pair[at]));
        floats = units.add_products(floats, weights, &[dot::wide(&x[at]); COLUMNS]);
    }
    floats
}

/// Asks memory for as many bytes as a value has, some bytes behind it, without waiting for them; does nothing where there
/// is no instruction for it.
#[inline(always)]
pub(super) fn ask_ahead<T>(value: &T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of::<T>()).step_by(64) {
        vnni::ask(std::ptr::from_ref(value).wrapping_byte_add(bytes + line));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, bytes);
}

/// Every machine's own instructions, as the compiler finds them.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Units for Plain {
    const MANY: bool = false;
    type Wide = [i32; COLUMNS];
    type Narrow = [i16; 2 * COLUMNS];
    type Floats = [f32; COLUMNS];
    type BlockSums = [f32; 4 * BLOCK];

    #[inline(always)]
    fn pairs(self, a: &[i16; 16], b: &[i16; 16]) -> Sums {
        std::array::from_fn(|at| {
            let product = |at: usize| i32::from(a[at]) * i32::from(b[at]);
            product(2 * at) + product(2 * at + 1)
        })
    }

    #[inline(always)]
    fn block_sums(self) -> [f32; 4 * BLOCK] {
        [0.0; 4 * BLOCK]
    }

    #[inline(always)]
    fn add_block(
        self,
        mut sums: [f32; 4 * BLOCK],
        w: &PackedBlock,
        x: &StepsBlock,
        scales: &[f32; BLOCK],
    ) -> [f32; 4 * BLOCK] {
        let halves = x
            .steps
            .as_flattened()
            .as_chunks::<2>()
            .0
            .iter()
            .flat_map(|[first, second]| first.as_chunks::<4>().0.iter().zip(second.as_chunks::<4>().0));
        for (at, (w, (first, second))) in w.as_chunks::<4>().0.iter().zip(halves).enumerate() {
            let product = |at: usize| {
                i32::from(w[at] & 15) * i32::from(first[at]) + i32::from(w[at] >> 4) * i32::from(second[at])
            };
            let products = x.start.as_flattened()[at] + (0..4).map(product).sum::<i32>();
            sums[at] += products as f32 * scales[at / 4];
        }
        sums
    }

    #[inline(always)]
    fn lanes(self, sums: [f32; 4 * BLOCK]) -> [f32; LANES] {
        let at = |quarter: usize, lane: usize| sums[quarter * LANES + lane];
        std::array::from_fn(|lane| (at(0, lane) + at(1, lane)) + (at(2, lane) + at(3, lane)))
    }

    #[inline(always)]
    fn scales(self, weights: &[u16; LANES], x: &[f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|at| f16_scale(weights[at]) * x[at])
    }

    #[inline(always)]
    fn wide(self) -> [i32; COLUMNS] {
        [0; COLUMNS]
    }

    #[inline(always)]
    fn add_pairs(self, sums: [i32; COLUMNS], w: &[u32; COLUMNS], x: u32) -> [i32; COLUMNS] {
        let (w, x): ([i16; 2 * COLUMNS], [i16; 2]) = (cast(*w), cast(x));
        let [first, second] = x.map(i32::from);
        std::array::from_fn(|at| sums[at] + i32::from(w[2 * at]) * first + i32::from(w[2 * at + 1]) * second)
    }

    #[inline(always)]
    fn bytes(self, _: i32) -> [i32; COLUMNS] {
        self.wide()
    }

    #[inline(always)]
    fn add_bytes(self, sums: [i32; COLUMNS], w: &[u32; COLUMNS], x: u32) -> [i32; COLUMNS] {
        let (w, x): ([u8; 4 * COLUMNS], [i8; 4]) = (cast(*w), cast(x));
        std::array::from_fn(|at| {
            let product = |k: usize| (i32::from(w[4 * at + k]) - 128) * i32::from(x[k]);
            sums[at] + (0..4).map(product).sum::<i32>()
        })
    }

    #[inline(always)]
    fn narrow(self, start: [i16; 2]) -> [i16; 2 * COLUMNS] {
        std::array::from_fn(|at| start[at % 2])
    }

    #[inline(always)]
    fn add_quads(self, sums: [i16; 2 * COLUMNS], w: &[u32; COLUMNS], x: u32) -> [i16; 2 * COLUMNS] {
        let (w, x): ([u8; 4 * COLUMNS], [i8; 4]) = (cast(*w), cast(x));
        let x = x.map(i16::from);
        std::array::from_fn(|at| {
            let product = |k: usize| i16::from(w[2 * at + k]) * x[2 * (at % 2) + k];
            sums[at].wrapping_add(product(0) + product(1))
        })
    }

    #[inline(always)]
    fn widened(self, sums: [i16; 2 * COLUMNS]) -> [i32; COLUMNS] {
        std::array::from_fn(|at| i32::from(sums[2 * at]) + i32::from(sums[2 * at + 1]))
    }

    #[inline(always)]
    fn floats(self) -> [f32; COLUMNS] {
        [0.0; COLUMNS]
    }

    #[inline(always)]
    fn add_scaled(
        self,
        floats: [f32; COLUMNS],
        products: [i32; COLUMNS],
        x: f32,
        w: &[f32; COLUMNS],
    ) -> [f32; COLUMNS] {
        std::array::from_fn(|at| floats[at] + products[at] as f32 * (w[at] * x))
    }

    #[inline(always)]
    fn of_f32(self, w: &[f32; COLUMNS]) -> [f32; COLUMNS] {
        *w
    }

    #[inline(always)]
    fn of_bf16(self, w: &[bf16; COLUMNS]) -> [f32; COLUMNS] {
        std::array::from_fn(|at| dot::wide(&w[at]))
    }

    #[inline(always)]
    fn of_f16(self, w: &[f16; COLUMNS]) -> [f32; COLUMNS] {
        std::array::from_fn(|at| dot::half(&w[at]))
    }

    #[inline(always)]
    fn add_products(self, floats: [f32; COLUMNS], w: [f32; COLUMNS], x: &[f32; COLUMNS]) -> [f32; COLUMNS] {
        std::array::from_fn(|at| floats[at] + w[at] * x[at])
    }

    #[inline(always)]
    fn add_fused(self, floats: [f32; COLUMNS], w: &[f32; COLUMNS], x: f32) -> [f32; COLUMNS] {
        // One instruction in every machine of 64-bit ARM, a call where there is none.
        let fused = cfg!(target_arch = "aarch64");
        std::array::from_fn(|at| if fused { w[at].mul_add(x, floats[at]) } else { floats[at] + w[at] * x })
    }

    #[inline(always)]
    fn float_sums(self, floats: [f32; COLUMNS]) -> [f32; COLUMNS] {
        floats
    }
}

/// Work that needs something to multiply whole numbers with.
pub(super) trait UnitWork {
    /// Does it.
    fn run(self, units: impl Units);
}

/// The best units that work may use: 0 for plain loops, 1 for AVX2, 2 for AVX-512, more for that with instructions for bf16.
#[cfg(not(test))]
const fn best() -> u8 {
    u8::MAX
}

#[cfg(test)]
thread_local! {
    /// Tests change it for threads of their own.
    pub(super) static BEST: std::cell::Cell<u8> = const { std::cell::Cell::new(u8::MAX) };
}

#[cfg(test)]
fn best() -> u8 {
    BEST.get()
}

/// The vector units of this machine for loops that need no units of ours.
pub(crate) fn arch() -> pulp::Arch {
    #[cfg(target_arch = "x86_64")]
    if best() == 1
        && let Some(units) = pulp::x86::V3::try_new()
    {
        return pulp::Arch::V3(units);
    }
    if best() == 0 { pulp::Arch::Scalar } else { pulp::Arch::new() }
}

/// Whether the units of this machine multiply bf16 numbers.
pub(super) fn have_halves() -> bool {
    #[cfg(target_arch = "x86_64")]
    return best() > 2 && vnni::Vnni::<true>::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether the units of this machine have room for many sums.
pub(super) fn are_many() -> bool {
    #[cfg(target_arch = "x86_64")]
    return best() > 1 && vnni::Vnni::<false>::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Runs work with the vector units of this machine.
pub(super) fn with_units(work: impl UnitWork) {
    #[cfg(target_arch = "x86_64")]
    if best() > 2
        && let Some(units) = vnni::Vnni::<true>::try_new()
    {
        return units.run(work);
    }
    #[cfg(target_arch = "x86_64")]
    if best() > 1
        && let Some(units) = vnni::Vnni::<false>::try_new()
    {
        return units.run(work);
    }
    #[cfg(target_arch = "x86_64")]
    if best() > 0
        && let Some(units) = pulp::x86::V3::try_new()
    {
        return avx2::run(units, work);
    }
    work.run(Plain);
}
