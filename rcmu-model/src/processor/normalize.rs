use super::Normalization;

/// One step of a byte as the reference rescales it.
const RESCALE_FACTOR: f64 = 0.003_921_568_627_450_98; // 1 / 255, digits as published

/// The normalised value of each byte, per channel.
///
/// # Shapes
///
/// `[3 channels, 256 values]`
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizeTable {
    values: [[f32; 256]; 3],
}

impl NormalizeTable {
    /// Fills the table for a mean and a standard deviation per channel, in units of a whole channel.
    ///
    /// # Source
    ///
    /// `rescale` and `normalize` of the reference image processors. The Pillow one multiplies in `f64` and rounds
    /// before subtracting; the torchvision one scales mean and deviation to 255 instead.
    pub fn new(mean: [f64; 3], std: [f64; 3], normalization: Normalization) -> Self {
        let mut values = [[0.0; 256]; 3];
        for (channel, row) in values.iter_mut().enumerate() {
            let (mean, std) = (mean[channel] as f32, std[channel] as f32);
            for (byte, value) in row.iter_mut().enumerate() {
                *value = match normalization {
                    Normalization::Pil => ((byte as f64 * RESCALE_FACTOR) as f32 - mean) / std,
                    Normalization::Torchvision => (byte as f32 - mean * 255.0) / (std * 255.0),
                };
            }
        }
        Self { values }
    }

    /// The values of one channel: 0 red, 1 green, 2 blue.
    ///
    /// # Panics
    ///
    /// When `channel` is above 2.
    pub fn channel(&self, channel: usize) -> &[f32; 256] {
        &self.values[channel]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_becomes_its_distance_from_the_mean_in_deviations() {
        // (255/255 - 0.5) / 0.25 = 2, (0 - 0.5) / 0.25 = -2, (51/255 - 0.5) / 0.25 = -1.2.
        for normalization in [Normalization::Pil, Normalization::Torchvision] {
            let table = NormalizeTable::new([0.5; 3], [0.25; 3], normalization);
            assert_eq!(table.channel(0)[255].to_bits(), 2.0_f32.to_bits());
            assert_eq!(table.channel(1)[0].to_bits(), (-2.0_f32).to_bits());
            assert!((table.channel(2)[51] + 1.2).abs() < 1e-6);
        }
    }
}
