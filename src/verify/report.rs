use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use super::tolerance::Tolerance;

/// Misses of a stage that are kept word by word; the rest is only counted.
const KEPT_MISSES: usize = 20;
/// Characters of a value that a miss quotes.
const QUOTED: usize = 160;

/// Whether a stage passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// All cases are within the tolerance.
    Pass,
    /// A case is not, or there was none.
    Miss,
}

/// One row of the table: the cases of one kind.
#[derive(Clone, Debug)]
pub struct Stage {
    name: &'static str,
    tolerance: Tolerance,
    cases: usize,
    largest: f64,
    misses: Vec<String>,
    miss_count: usize,
}

impl Stage {
    pub(super) const fn new(name: &'static str, tolerance: Tolerance) -> Self {
        Self { name, tolerance, cases: 0, largest: 0.0, misses: Vec::new(), miss_count: 0 }
    }

    /// A stage whose cases must be equal.
    pub(super) const fn exact(name: &'static str) -> Self {
        Self::new(name, Tolerance::Exact)
    }

    /// What was compared.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many comparisons were made.
    pub const fn cases(&self) -> usize {
        self.cases
    }

    /// The largest difference of a number or, in a stage of means, of a case on average; NaN when a number was not finite.
    pub const fn largest(&self) -> f64 {
        self.largest
    }

    /// How far numbers may be apart.
    pub const fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// What did not fit, in words; the first of them.
    pub fn misses(&self) -> &[String] {
        &self.misses
    }

    /// How many cases did not fit.
    pub const fn miss_count(&self) -> usize {
        self.miss_count
    }

    /// A stage without a single case has checked nothing, so it has not passed.
    pub const fn verdict(&self) -> Verdict {
        if self.miss_count == 0 && self.cases > 0 { Verdict::Pass } else { Verdict::Miss }
    }

    /// Counts one case; an error is a miss.
    pub(super) fn case(&mut self, name: &str, outcome: Result<(), String>) {
        self.cases += 1;
        if let Err(problem) = outcome {
            self.miss_count += 1;
            if self.misses.len() < KEPT_MISSES {
                self.misses.push(format!("{name}: {problem}"));
            }
        }
    }

    /// Counts one case: two values must be equal.
    pub(super) fn equal<T: PartialEq + Debug>(&mut self, name: &str, found: &T, expected: &T) {
        self.case(name, equal(found, expected));
    }

    /// Counts one case: numbers must be within the tolerance of this stage.
    pub(super) fn near(&mut self, name: &str, found: &[f32], expected: &[f32]) {
        self.near_within(name, found, expected, self.tolerance.limit());
    }

    /// Counts one case: numbers must be within a tolerance of its own.
    pub(super) fn near_within(&mut self, name: &str, found: &[f32], expected: &[f32], limit: f64) {
        let outcome = largest_difference(found, expected).and_then(|(largest, at)| {
            self.keep_largest(largest);
            if largest <= limit {
                Ok(())
            } else {
                Err(format!("{} instead of {} at {at}", found[at], expected[at]))
            }
        });
        self.case(name, outcome);
    }

    /// Counts one case: numbers must be within a tolerance on average.
    pub(super) fn near_on_average(&mut self, name: &str, found: &[f32], expected: &[f32], limit: f64) {
        let outcome = mean_difference(found, expected).and_then(|mean| {
            self.keep_largest(mean);
            if mean <= limit { Ok(()) } else { Err(format!("{mean} apart on average, {limit} allowed")) }
        });
        self.case(name, outcome);
    }

    fn keep_largest(&mut self, difference: f64) {
        // `max` would drop a NaN.
        if difference.is_nan() || difference > self.largest {
            self.largest = difference;
        }
    }
}

/// Two values must be equal.
pub(super) fn equal<T: PartialEq + Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{} instead of {}", quoted(found), quoted(expected)))
}

/// A value for people, shortened.
pub(super) fn quoted(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The largest difference and its place; NaN as soon as one number is NaN.
fn largest_difference(found: &[f32], expected: &[f32]) -> Result<(f64, usize), String> {
    same_len(found, expected)?;
    let mut worst = (0.0, 0);
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - f64::from(*expected)).abs();
        if difference.is_nan() {
            return Ok((difference, at));
        }
        if difference > worst.0 {
            worst = (difference, at);
        }
    }
    Ok(worst)
}

/// The mean of the differences; NaN as soon as one number is NaN, and of no numbers.
fn mean_difference(found: &[f32], expected: &[f32]) -> Result<f64, String> {
    same_len(found, expected)?;
    let differences = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    Ok(differences.sum::<f64>() / found.len() as f64)
}

fn same_len(found: &[f32], expected: &[f32]) -> Result<(), String> {
    if found.len() == expected.len() {
        return Ok(());
    }
    Err(format!("{} numbers instead of {}", found.len(), expected.len()))
}

/// What was compared, what did not fit and what was not looked at.
#[derive(Clone, Debug)]
pub struct Report {
    golden: PathBuf,
    device: String,
    stages: Vec<Stage>,
    absent: Vec<String>,
    unchecked: Vec<(String, usize)>,
    left_out: Vec<String>,
}

impl Report {
    pub(super) fn new(golden: &Path, device: &str) -> Self {
        Self {
            golden: golden.to_owned(),
            device: device.to_owned(),
            stages: Vec::new(),
            absent: Vec::new(),
            unchecked: Vec::new(),
            left_out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// Notes something that is not there or cannot be done.
    pub(super) fn absent(&mut self, what: impl Into<String>) {
        self.absent.push(what.into());
    }

    pub(super) fn finish(&mut self, unchecked: Vec<(String, usize)>, left_out: &[String]) {
        self.unchecked = unchecked;
        self.left_out = left_out.to_vec();
    }

    /// The directory of golden data.
    pub fn golden(&self) -> &Path {
        &self.golden
    }

    /// The kind of device.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The rows of the table.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Sections that the directory does not have, and checks that this build or device cannot make.
    pub fn not_run(&self) -> &[String] {
        &self.absent
    }

    /// Names in the directory that no check has used, and how many entries of lists each stands for.
    pub fn unchecked(&self) -> &[(String, usize)] {
        &self.unchecked
    }

    /// What the directory says that it leaves out.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// How many comparisons were made.
    pub fn cases(&self) -> usize {
        self.stages.iter().map(Stage::cases).sum()
    }

    /// Whether every stage passed.
    pub fn passed(&self) -> bool {
        self.cases() > 0 && self.stages.iter().all(|stage| stage.verdict() == Verdict::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_never_passes() {
        for (found, expected) in
            [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::NAN, f32::NAN), (f32::INFINITY, 1.0)]
        {
            let mut stage = Stage::new("numbers", Tolerance::Within(1e30));

            stage.near("x", &[1.0, found], &[1.0, expected]);

            assert_eq!(stage.verdict(), Verdict::Miss, "{found} {expected}");
        }
    }

    #[test]
    fn a_mean_is_bounded_where_the_largest_difference_is_not() {
        // Differences of 1 and 0 at 4 numbers: 1 at most, 0.25 on average.
        let (found, expected) = ([1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 4.0]);
        for (limit, verdict) in [(0.25, Verdict::Pass), (0.24, Verdict::Miss)] {
            let mut stage = Stage::new("numbers", Tolerance::Noise(1.0));

            stage.near_on_average("x", &found, &expected, limit);

            assert_eq!((stage.verdict(), stage.largest()), (verdict, 0.25));
        }
    }

    #[test]
    fn the_mean_of_what_is_no_number_never_passes() {
        for (found, expected) in
            [(&[1.0, f32::NAN][..], &[1.0, 1.0][..]), (&[f32::INFINITY], &[1.0]), (&[], &[]), (&[1.0], &[])]
        {
            let mut stage = Stage::new("numbers", Tolerance::Noise(1.0));

            stage.near_on_average("x", found, expected, 1e30);

            assert_eq!(stage.verdict(), Verdict::Miss, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn lengths_that_differ_and_stages_without_cases_are_misses() {
        let mut stage = Stage::new("numbers", Tolerance::Within(1.0));
        assert_eq!(stage.verdict(), Verdict::Miss);

        stage.near("x", &[1.0], &[1.0, 1.0]);

        assert_eq!((stage.cases(), stage.miss_count()), (1, 1));
    }

    #[test]
    fn only_the_first_misses_are_told_and_all_are_counted() {
        let mut stage = Stage::exact("ids");

        for id in 0..100 {
            stage.equal("id", &id, &-1);
        }

        assert_eq!((stage.misses().len(), stage.miss_count()), (KEPT_MISSES, 100));
    }
}
