use rcmu_data::Sample;

use crate::scorers::right_option;

/// Options moved up by some places, the first ones to the end.
///
/// With `n` options and a rotation by `k`: place `i` has the option that stood at `(i + k) mod n`.
///
/// # Examples
///
/// ```
/// use rcmu_eval::scorers::Rotation;
///
/// let rotation = Rotation::new(1, 3).expect("there are options");
///
/// assert_eq!(rotation.apply(&["red", "green", "blue"]), ["green", "blue", "red"]);
/// assert_eq!(rotation.to_original(2), 0);
/// assert_eq!(rotation.to_rotated(0), 2);
/// ```
///
/// # Source
///
/// Ours, after the circular evaluation of `MMBench` (arXiv 2307.06281).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    by: usize,
    count: usize,
}

impl Rotation {
    /// A rotation by `by` places of `count` options; `None` without options.
    pub const fn new(by: usize, count: usize) -> Option<Self> {
        if count == 0 { None } else { Some(Self { by: by % count, count }) }
    }

    /// The options in their new order; as many as the rotation is for, and others unchanged.
    pub fn apply<T: Clone>(self, options: &[T]) -> Vec<T> {
        let mut rotated = options.to_vec();
        if options.len() == self.count {
            rotated.rotate_left(self.by);
        }
        rotated
    }

    /// The old place of the option at this place.
    pub const fn to_original(self, place: usize) -> usize {
        (place % self.count + self.by) % self.count
    }

    /// The new place of the option that stood at this place.
    pub const fn to_rotated(self, place: usize) -> usize {
        (place % self.count + self.count - self.by) % self.count
    }

    /// The sample with its options rotated and its answer the new letter; `None` when it has other options or no
    /// right one.
    pub fn apply_to(self, sample: &Sample) -> Option<Sample> {
        let right = right_option(sample).filter(|_| sample.options.len() == self.count)?;
        let mut rotated = sample.clone();
        rotated.options = self.apply(&sample.options);
        rotated.answer = char::from(b'A' + self.to_rotated(right) as u8).to_string();
        Some(rotated)
    }
}

/// How often the right option was chosen over all rotations of a question: `hits / rotations`; `None` without any.
///
/// `chosen` are the places in the original order; `None` for a reply that could not be read, which is wrong.
///
/// # Examples
///
/// Right is 1; the replies to four rotations mean 1, 1, 2 and nothing: `2 / 4`.
///
/// ```
/// let chosen = [Some(1), Some(1), Some(2), None];
///
/// assert_eq!(rcmu_eval::scorers::rotation_accuracy(&chosen, 1), Some(0.5));
/// ```
///
/// # Source
///
/// Ours.
pub fn rotation_accuracy(chosen: &[Option<usize>], right: usize) -> Option<f64> {
    let hits = chosen.iter().filter(|choice| **choice == Some(right)).count();
    (!chosen.is_empty()).then(|| hits as f64 / chosen.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_goes_and_comes_back() {
        for count in 1..=26 {
            for by in 0..30 {
                let rotation = Rotation::new(by, count).expect("there are options");
                let options: Vec<_> = (0..count).collect();

                let rotated = rotation.apply(&options);

                for (place, option) in rotated.into_iter().enumerate() {
                    assert_eq!(option, rotation.to_original(place));
                    assert_eq!(rotation.to_rotated(option), place);
                }
            }
        }
    }

    #[test]
    fn nothing_to_rotate_is_no_rotation() {
        assert_eq!(Rotation::new(1, 0), None);
        assert_eq!(rotation_accuracy(&[], 0), None);
        let other = Rotation::new(1, 3).expect("there are options");
        assert_eq!(other.apply(&["a", "b"]), ["a", "b"]);
    }
}
