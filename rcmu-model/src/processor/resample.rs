use rcmu_core::ImageSize;

use super::{Resampler, RgbPixels, parallel::fill_rows};

/// Fractional bits of Pillow's weights: 32 less 8 for the pixel and 2 for overshoot.
const PILLOW_BITS: u32 = 22;
/// Bytes of a row that are summed together.
const STRIP: usize = 512;

/// Resizes with the bicubic filter of the reference, bit for bit but for [`Resampler::TorchvisionFloat`].
///
/// # Source
///
/// Pillow's `Resample.c` and the 8-bit kernel of torch behind `torchvision` with `antialias=True`: a separable
/// filter in fixed point whose intermediate pixels are rounded to bytes, so the order of the passes shows.
pub fn resize(image: &RgbPixels, to: ImageSize, resampler: Resampler) -> RgbPixels {
    let from = image.size();
    if resampler == Resampler::TorchvisionFloat {
        return resize_float(image, to);
    }
    let rows_first = match resampler {
        Resampler::Pillow | Resampler::Torchvision | Resampler::TorchvisionFloat => true,
        Resampler::Pillow13 => {
            let shrink = |from: u32, to: u32| i64::from(from) - i64::from(to);
            let height = shrink(from.height(), to.height());
            !(height > 0 && height > 2 * shrink(from.width(), to.width()))
        }
    };
    let (width, height) = (to.width() as usize, to.height() as usize);
    let within_rows =
        (from.width() != to.width()).then(|| Filter::new(from.width() as usize, width, resampler));
    let across_rows =
        (from.height() != to.height()).then(|| Filter::new(from.height() as usize, height, resampler));
    let row_len = from.width() as usize * 3;
    let pixels = match (within_rows, across_rows) {
        (None, None) => image.pixels().to_vec(),
        (Some(within), None) => within.along_rows(image.pixels(), row_len),
        (None, Some(across)) => across.across_rows(image.pixels(), row_len),
        (Some(within), Some(across)) if rows_first => {
            across.across_rows(&within.along_rows(image.pixels(), row_len), width * 3)
        }
        (Some(within), Some(across)) => {
            within.along_rows(&across.across_rows(image.pixels(), row_len), row_len)
        }
    };
    // Both passes together give the size asked for.
    RgbPixels::from_len_checked(to, pixels)
}

/// The weights of one axis in fixed point.
struct Filter {
    /// For each output: its first input, and the end of its weights in `weights`.
    outputs: Vec<(usize, usize)>,
    weights: Vec<i32>,
    bits: u32,
}

impl Filter {
    fn new(inputs: usize, outputs: usize, resampler: Resampler) -> Self {
        let (spans, weights) = float_weights(inputs, outputs);
        let bits = match resampler {
            Resampler::Pillow | Resampler::Pillow13 => PILLOW_BITS,
            Resampler::Torchvision | Resampler::TorchvisionFloat => {
                torch_bits(weights.iter().copied().fold(0.0, f64::max))
            }
        };
        let one = f64::from(1_u32 << bits);
        // Half away from zero; `as` cuts the fraction off.
        let weights = weights.into_iter().map(|w| (w * one + 0.5_f64.copysign(w)) as i32).collect();
        Self { outputs: spans, weights, bits }
    }

    /// Every output with its first input and its weights.
    fn taps(&self) -> impl Iterator<Item = (usize, &[i32])> {
        (0..self.outputs.len()).map(|output| self.tap(output))
    }

    /// The first input of one output, and its weights.
    fn tap(&self, output: usize) -> (usize, &[i32]) {
        let begin = output.checked_sub(1).map_or(0, |before| self.outputs[before].1);
        let (first, end) = self.outputs[output];
        (first, &self.weights[begin..end])
    }

    /// Half a unit, so that the shift rounds to nearest.
    fn half(&self) -> i32 {
        1 << (self.bits - 1)
    }

    /// A sum back in units of a byte.
    fn to_byte(&self, sum: i32) -> u8 {
        (sum >> self.bits).clamp(0, 255) as u8
    }

    /// Filters along each row of `row_len` bytes.
    fn along_rows(&self, pixels: &[u8], row_len: usize) -> Vec<u8> {
        let out_len = self.outputs.len() * 3;
        let mut out = vec![0; pixels.len() / row_len * out_len];
        fill_rows(&mut out, out_len, |y, out_row| {
            let row = &pixels[y * row_len..(y + 1) * row_len];
            for (out, (first, weights)) in out_row.as_chunks_mut::<3>().0.iter_mut().zip(self.taps()) {
                let mut sum = [self.half(); 3];
                let (near, _) = row[first * 3..(first + weights.len()) * 3].as_chunks::<3>();
                for (pixel, &weight) in near.iter().zip(weights) {
                    for (sum, &channel) in sum.iter_mut().zip(pixel) {
                        *sum += i32::from(channel) * weight;
                    }
                }
                *out = sum.map(|sum| self.to_byte(sum));
            }
        });
        out
    }

    /// Filters across rows of `row_len` bytes.
    fn across_rows(&self, pixels: &[u8], row_len: usize) -> Vec<u8> {
        let mut out = vec![0; self.outputs.len() * row_len];
        fill_rows(&mut out, row_len, |y, out_row| {
            let (first, weights) = self.tap(y);
            let near = &pixels[first * row_len..];
            // A strip of sums stays in the cache while it walks down the rows.
            for (strip, out) in out_row.chunks_mut(STRIP).enumerate() {
                let mut sums = [self.half(); STRIP];
                for (row, &weight) in near.chunks_exact(row_len).zip(weights) {
                    for (sum, &channel) in sums.iter_mut().zip(&row[strip * STRIP..]) {
                        *sum += i32::from(channel) * weight;
                    }
                }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = self.to_byte(sum);
                }
            }
        });
        out
    }
}

/// Resizes in `f32`, rows first, and rounds ties to even once.
fn resize_float(image: &RgbPixels, to: ImageSize) -> RgbPixels {
    let (from, width) = (image.size(), to.width() as usize);
    let (columns, rows) = (from.width() as usize, from.height() as usize);
    let (within, within_weights) = float_weights(columns, width);
    let (across, across_weights) = float_weights(rows, to.height() as usize);
    let tap = |spans: &[(usize, usize)], i: usize| {
        let (first, end) = spans[i];
        (first, i.checked_sub(1).map_or(0, |before| spans[before].1)..end)
    };
    let mut narrow = vec![0.0_f32; rows * width * 3];
    fill_rows(&mut narrow, width * 3, |y, out| {
        let row = &image.pixels()[y * columns * 3..(y + 1) * columns * 3];
        for (x, out) in out.chunks_exact_mut(3).enumerate() {
            let (first, weights) = tap(&within, x);
            for (i, &weight) in within_weights[weights].iter().enumerate() {
                for (channel, out) in out.iter_mut().enumerate() {
                    *out += f32::from(row[(first + i) * 3 + channel]) * weight as f32;
                }
            }
        }
    });
    let mut pixels = vec![0; to.height() as usize * width * 3];
    fill_rows(&mut pixels, width * 3, |y, out| {
        let (first, weights) = tap(&across, y);
        let mut sums = vec![0.0_f32; width * 3];
        for (row, &weight) in
            narrow[first * width * 3..].chunks_exact(width * 3).zip(&across_weights[weights])
        {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += value * weight as f32;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum.round_ties_even().clamp(0.0, 255.0) as u8;
        }
    });
    RgbPixels::from_len_checked(to, pixels)
}

/// For each output its first input and the end of its weights, and all weights; those of one output sum to 1.
fn float_weights(inputs: usize, outputs: usize) -> (Vec<(usize, usize)>, Vec<f64>) {
    let scale = inputs as f64 / outputs as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let mut spans = Vec::with_capacity(outputs);
    let mut weights = Vec::new();
    for output in 0..outputs {
        let center = (output as f64 + 0.5) * scale;
        // `as` cuts the fraction off and turns negative numbers into 0, as the reference does.
        let first = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(inputs);
        let begin = weights.len();
        weights.extend((first..end).map(|i| cubic((i as f64 - center + 0.5) / stretch)));
        let total: f64 = weights[begin..].iter().sum();
        weights[begin..].iter_mut().for_each(|w| *w /= total);
        spans.push((first, weights.len()));
    }
    (spans, weights)
}

/// The cubic convolution kernel with `a = -0.5`.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The most fractional bits with which torch still stores the largest weight in 16 bits.
fn torch_bits(largest: f64) -> u32 {
    (0..PILLOW_BITS)
        .find(|bits| (0.5 + largest * f64::from(1_u32 << (bits + 1))) as i32 >= 1 << 15)
        .unwrap_or(PILLOW_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, pixels: Vec<u8>) -> RgbPixels {
        RgbPixels::new(ImageSize::new(width, height).unwrap(), pixels).unwrap()
    }

    #[test]
    fn halving_a_row_gives_the_weights_worked_by_hand() {
        // 4 -> 2: scale 2, support 4, centres 1 and 3. Output 0 sees all four pixels at distances .25, .25, .75, 1.25
        // (in stretched units): k(.25) = .8671875, k(.75) = .2265625, k(1.25) = -.0703125; their sum is 1.890625.
        let (spans, weights) = float_weights(4, 2);

        assert_eq!(spans, [(0, 4), (0, 8)]);
        let expected = [0.867_187_5, 0.867_187_5, 0.226_562_5, -0.070_312_5].map(|w| w / 1.890_625);
        assert_eq!(&weights[..4], &expected);
        // 100, 0, 0, 200 -> (86.71875 - 14.0625) / 1.890625 = 38.4; the other output is 200 there and 100 here.
        let row = [100, 0, 0, 200].iter().flat_map(|&v| [v; 3]).collect();
        let halved = resize(&image(4, 1, row), ImageSize::new(2, 1).unwrap(), Resampler::Pillow);
        assert_eq!(halved.pixels(), [38, 38, 38, 88, 88, 88]);
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        for resampler in
            [Resampler::Pillow, Resampler::Pillow13, Resampler::Torchvision, Resampler::TorchvisionFloat]
        {
            for value in [0, 1, 127, 255] {
                let flat = image(5, 7, vec![value; 105]);
                let big = resize(&flat, ImageSize::new(28, 56).unwrap(), resampler);
                assert!(big.pixels().iter().all(|&v| v == value), "{resampler:?} {value}");
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let noise: Vec<u8> = (0..90_u32).map(|i| (i * 97 % 251) as u8).collect();
        let picture = image(6, 5, noise);

        assert_eq!(resize(&picture, picture.size(), Resampler::Pillow), picture);
    }

    #[test]
    fn sums_of_any_filter_fit_thirty_two_bits() {
        // The largest sum is 255 times the sum of the absolute weights, plus half a unit.
        for inputs in 1..80 {
            for outputs in 1..80 {
                let filter = Filter::new(inputs, outputs, Resampler::Pillow);
                for (_, weights) in filter.taps() {
                    let sum: i64 = weights.iter().map(|w| i64::from(w.abs())).sum();
                    assert!(
                        255 * sum + i64::from(filter.half()) <= i64::from(i32::MAX),
                        "{inputs} {outputs}"
                    );
                }
            }
        }
    }

    #[test]
    fn torch_keeps_the_largest_weight_within_sixteen_bits() {
        // A weight of 1.0 fits as 2^14, not as 2^15; 0.5 as 2^14 with one bit more.
        assert_eq!(torch_bits(1.0), 14);
        assert_eq!(torch_bits(0.5), 15);
    }
}
