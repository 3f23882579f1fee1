use super::FrameRule;
use crate::Error;

/// Frames come in pairs.
const FRAME_FACTOR: f64 = 2.0;

/// Which frames of a video are wanted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FrameOptions {
    /// Frames to take from each second. Default 2.
    pub fps: f64,
    /// The fewest frames. Default 4.
    pub min_frames: u64,
    /// The most frames. Default 768.
    pub max_frames: u64,
    /// Takes this many frames, rounded to a multiple of two, whatever the other options say.
    pub num_frames: Option<u64>,
}

impl Default for FrameOptions {
    fn default() -> Self {
        Self { fps: 2.0, min_frames: 4, max_frames: 768, num_frames: None }
    }
}

impl FrameOptions {
    /// Sets the frames to take from each second.
    pub const fn with_fps(mut self, fps: f64) -> Self {
        self.fps = fps;
        self
    }

    /// Sets the fewest frames.
    pub const fn with_min_frames(mut self, frames: u64) -> Self {
        self.min_frames = frames;
        self
    }

    /// Sets the most frames.
    pub const fn with_max_frames(mut self, frames: u64) -> Self {
        self.max_frames = frames;
        self
    }

    /// Sets the number of frames.
    pub const fn with_num_frames(mut self, frames: u64) -> Self {
        self.num_frames = Some(frames);
        self
    }
}

/// The largest number of frames that can be asked for.
const MAX_FRAMES: u64 = 1 << 16;

/// Chooses the frames of a video: their places, counted from 0, in order of time.
///
/// # Errors
///
/// [`Error::FrameCount`] when fewer than two frames, or more than the video has, would be chosen, or a rate is not
/// a positive number.
///
/// # Source
///
/// `smart_nframes` and the readers of qwen-vl-utils 0.0.14; `sample_frames` of the video processor of
/// transformers 5.23. Places are worked out in `f32` there and here, which can put the last one of the latter behind
/// the last frame; here that is the last frame. Of videos of more than some 35,000 frames the latter's places depend on
/// the vector units that torch was built for, and one may differ by a frame.
pub fn sample_frames(
    total: u64,
    video_fps: f64,
    options: &FrameOptions,
    rule: FrameRule,
) -> Result<Vec<u64>, Error> {
    let most = total.min(MAX_FRAMES);
    let refused = |wanted: f64| Error::FrameCount { wanted: wanted as u64, total, most };
    let positive = |rate: f64| rate.is_finite() && rate > 0.0;
    if !positive(video_fps) || !positive(options.fps) {
        return Err(refused(0.0));
    }
    let count = match options.num_frames {
        Some(count) => (count as f64 / FRAME_FACTOR).round_ties_even() * FRAME_FACTOR,
        None => frames_of_rate(total as f64, video_fps, options, rule),
    };
    if !(FRAME_FACTOR..=most as f64).contains(&count) {
        return Err(refused(count));
    }
    Ok(match rule {
        FrameRule::QwenVlUtils => spread(total, count as u64),
        FrameRule::Transformers => steps(total, count),
    })
}

/// How many frames a rate gives, within the options.
fn frames_of_rate(total: f64, video_fps: f64, options: &FrameOptions, rule: FrameRule) -> f64 {
    let even_below = |count: f64| (count / FRAME_FACTOR).floor() * FRAME_FACTOR;
    let (min, max) = (options.min_frames as f64, (options.max_frames as f64).min(total));
    let min = match rule {
        FrameRule::QwenVlUtils => (min / FRAME_FACTOR).ceil() * FRAME_FACTOR,
        FrameRule::Transformers => min,
    };
    let wanted = total / video_fps * options.fps;
    even_below(wanted.max(min).min(even_below(max)).min(total))
}

/// `count` places from the first frame to the last, each rounded to the nearest, ties to even.
fn spread(total: u64, count: u64) -> Vec<u64> {
    let end = (total - 1) as f32;
    let step = end / (count - 1) as f32;
    let place = |i: u64| {
        // Counted from the nearer end, as torch's `linspace` does, which rounds once where a machine can.
        if i < count / 2 { step * i as f32 } else { step.mul_add(-((count - 1 - i) as f32), end) }
    };
    (0..count).map(|i| place(i).round_ties_even() as u64).collect()
}

/// Places one step apart, fractions cut off.
fn steps(total: u64, count: f64) -> Vec<u64> {
    let step = total as f64 / count;
    // As many steps as begin before the end: torch's `arange` counts them in `f64`.
    let len = (total as f64 / step).ceil() as u64;
    (0..len).map(|i| ((i as f64 * step) as f32 as u64).min(total - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rules_spread_four_frames_over_seven() {
        // linspace(0, 6, 4) = 0 2 4 6; arange(0, 7, 1.75) = 0 1.75 3.5 5.25.
        let options = FrameOptions { num_frames: Some(4), ..FrameOptions::default() };

        assert_eq!(sample_frames(7, 25.0, &options, FrameRule::QwenVlUtils).unwrap(), [0, 2, 4, 6]);
        assert_eq!(sample_frames(7, 25.0, &options, FrameRule::Transformers).unwrap(), [0, 1, 3, 5]);
    }

    /// Places of `torch.linspace(0, total - 1, count).round()` of torch 2.15 on CPUs with fused multiplications, which
    /// products that are rounded by themselves miss.
    #[test]
    fn frames_of_long_videos_are_those_of_torch() {
        for (total, count, at, place) in [(11_393, 744, 558, 8555), (43_656, 768, 749, 42_631)] {
            let options = FrameOptions { num_frames: Some(count), ..FrameOptions::default() };
            let frames = sample_frames(total, 24.0, &options, FrameRule::QwenVlUtils).unwrap();
            assert_eq!(frames[at], place, "{total} {count}");
        }
    }

    #[test]
    fn rates_that_are_not_positive_numbers_are_refused() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = sample_frames(10, fps, &FrameOptions::default(), FrameRule::QwenVlUtils);
            assert!(matches!(refused, Err(Error::FrameCount { .. })), "{refused:?}");
        }
    }

    #[test]
    fn huge_requests_are_refused_before_memory_is_taken() {
        let options = FrameOptions { num_frames: Some(u64::MAX), ..FrameOptions::default() };

        let refused = sample_frames(u64::MAX, 1.0, &options, FrameRule::Transformers);

        assert!(matches!(refused, Err(Error::FrameCount { .. })), "{refused:?}");
    }
}
