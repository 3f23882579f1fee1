//! What the machine can do at most: reading memory, multiplying floats, and what it has needed of memory.

use std::{hint::black_box, thread, time::Instant};

use pulp::{Arch, Simd, WithSimd};

/// Sums in registers: enough that no addition waits for the one before, few enough that all vector units have room.
const SUMS: usize = 12;
/// Multiplications and additions of each sum in a pass.
const STEPS: usize = 10_000_000;

/// Bytes per second that all threads read from memory together, with vector units: the median of seven passes over 1 GiB.
pub(crate) fn read_bandwidth() -> f64 {
    let values = vec![1_u64; 1 << 27];
    let part = values.len().div_ceil(threads());
    let parts: Vec<_> = values.chunks(part).collect();
    let seconds = median_seconds(&parts, |part| {
        black_box(Arch::new().dispatch(Sum(part)));
    });
    size_of_val(values.as_slice()) as f64 / seconds
}

/// Multiplications and additions of f32 numbers per second, each counted, that all threads do together in registers: the
/// median of seven passes. No product of matrices is faster without whole numbers or shorter floats.
pub(crate) fn float_rate() -> f64 {
    let factors: Vec<_> = (0..threads()).map(|_| black_box(0.999_f32)).collect();
    let operations = 2 * SUMS * STEPS * Arch::new().dispatch(Lanes) * factors.len();
    let seconds = median_seconds(&factors, |&factor| {
        black_box(Arch::new().dispatch(Multiply(factor)));
    });
    operations as f64 / seconds
}

/// The most memory that this process has held, as Linux counts it; none elsewhere.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The median of seven passes, in each of which a thread for every part does the work.
fn median_seconds<T: Sync>(parts: &[T], work: impl Fn(&T) + Sync) -> f64 {
    let mut seconds: Vec<f64> = (0..7)
        .map(|_| {
            let started = Instant::now();
            thread::scope(|threads| {
                for part in parts {
                    threads.spawn(|| work(part));
                }
            });
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[3]
}

/// Adds up all numbers.
struct Sum<'a>(&'a [u64]);

impl pulp::NullaryFnOnce for Sum<'_> {
    type Output = u64;

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "becomes vector instructions where it is inlined")]
    fn call(self) -> u64 {
        self.0.iter().fold(0, |sum, value| sum.wrapping_add(*value))
    }
}

/// Numbers that an instruction takes.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as pulp asks")]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Multiplies and adds up, again and again.
struct Multiply(f32);

impl WithSimd for Multiply {
    type Output = f32;

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "becomes vector instructions where it is inlined")]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (factor, added) = (simd.splat_f32s(self.0), simd.splat_f32s(1e-3));
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, factor, added);
            }
        }
        simd.reduce_sum_f32s(sums.into_iter().fold(simd.splat_f32s(0.0), |all, sum| simd.add_f32s(all, sum)))
    }
}
