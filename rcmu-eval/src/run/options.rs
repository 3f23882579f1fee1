use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use rcmu_core::{CancelToken, GenerateOptions};
use serde::{Deserialize, Serialize};

use super::Mode;
use crate::{Error, journal::SyncPolicy, scorers::CHOICE_CHAIN};

/// How a run asks.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What is left out or changed of each item.
    pub mode: Mode,
    /// How answers are generated; repeat r has the seed `seed + r`.
    pub generate: GenerateOptions,
    /// The longest that one answer may take. A text that was cut is recorded with the reason `deadline`, none as a failure.
    pub timeout: Option<Duration>,
    /// How often each item is asked; at least 1.
    pub repeats: u32,
    /// Which part of the dataset is asked.
    pub shard: Shard,
    /// How many items are asked at a time, 1 to [`RunOptions::MAX_PARALLEL`]; more than 1 is for remote generators.
    pub parallel: usize,
    /// When records are flushed to the disk.
    pub sync: SyncPolicy,
    /// Stops the run; an answer that this cuts is not recorded.
    pub cancel: CancelToken,
    /// The version of the chain that will read the answers, for the manifest.
    pub chain: String,
}

impl Default for RunOptions {
    /// Everything, greedily, once, one at a time.
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            generate: GenerateOptions { sample: Some(false), ..GenerateOptions::default() },
            timeout: None,
            repeats: 1,
            shard: Shard::WHOLE,
            parallel: 1,
            sync: SyncPolicy::EachRecord,
            cancel: CancelToken::new(),
            chain: CHOICE_CHAIN.to_owned(),
        }
    }
}

impl RunOptions {
    /// The most items that are asked at a time.
    pub const MAX_PARALLEL: usize = 256;
    /// The most repeats.
    pub const MAX_REPEATS: u32 = 10_000;

    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// [`Error::RunOption`] or [`Error::Core`] naming the first that is out of it.
    pub fn check(&self) -> Result<(), Error> {
        self.generate.check()?;
        let fail = |option, message: String| Err(Error::RunOption { option, message });
        if !(1..=Self::MAX_PARALLEL).contains(&self.parallel) {
            return fail("parallel", format!("is {}, expected 1..={}", self.parallel, Self::MAX_PARALLEL));
        }
        if !(1..=Self::MAX_REPEATS).contains(&self.repeats) {
            return fail("repeats", format!("is {}, expected 1..={}", self.repeats, Self::MAX_REPEATS));
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return fail("timeout", "is zero".into());
        }
        Ok(())
    }
}

/// A part of a dataset: of every `of` items in a row, the one at place `index`, counted from 1.
///
/// # Invariant
///
/// `1 <= index <= of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: NonZeroU32,
    of: NonZeroU32,
}

impl Shard {
    /// The whole dataset.
    pub const WHOLE: Self = Self { index: NonZeroU32::MIN, of: NonZeroU32::MIN };

    /// Part `index` of `of`, both counted from 1.
    ///
    /// # Errors
    ///
    /// [`Error::RunOption`] unless `1 <= index <= of`.
    pub fn new(index: u32, of: u32) -> Result<Self, Error> {
        let wrong = || Error::RunOption {
            option: "shard",
            message: format!("is {index}/{of}, expected a part from 1/{of} on"),
        };
        let shard = Self {
            index: NonZeroU32::new(index).ok_or_else(wrong)?,
            of: NonZeroU32::new(of).ok_or_else(wrong)?,
        };
        if shard.index > shard.of { Err(wrong()) } else { Ok(shard) }
    }

    /// Which part, from 1.
    pub const fn index(self) -> u32 {
        self.index.get()
    }

    /// How many parts there are.
    pub const fn of(self) -> u32 {
        self.of.get()
    }

    /// Whether the item at this place of the dataset, from 0, belongs to the part.
    pub const fn contains(self, place: u64) -> bool {
        place % self.of.get() as u64 == self.index.get() as u64 - 1
    }

    /// How many of `items` items belong to the part.
    pub const fn len(self, items: u64) -> u64 {
        let before = self.index.get() as u64 - 1;
        items.saturating_sub(before).div_ceil(self.of.get() as u64)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// Reads `i/n`, such as `2/7`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = numbers.ok_or_else(|| Error::RunOption {
            option: "shard",
            message: "is no part such as `2/7`".into(),
        })?;
        Self::new(index, of)
    }
}

impl TryFrom<String> for Shard {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_items_out_without_rest() {
        for of in 1..=9 {
            for items in 0..40 {
                let shards: Vec<_> = (1..=of).map(|index| Shard::new(index, of).unwrap()).collect();

                for place in 0..items {
                    assert_eq!(shards.iter().filter(|shard| shard.contains(place)).count(), 1);
                }
                for shard in shards {
                    let own = (0..items).filter(|&place| shard.contains(place)).count();
                    assert_eq!(shard.len(items), own as u64, "{shard} of {items}");
                }
            }
        }
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "", "-1/2", "1/99999999999"] {
            assert!(matches!(text.parse::<Shard>(), Err(Error::RunOption { option: "shard", .. })), "{text}");
        }
        assert_eq!("2/7".parse::<Shard>().unwrap().to_string(), "2/7");
    }

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        let bad = |set: fn(&mut RunOptions)| {
            let mut options = RunOptions::default();
            set(&mut options);
            match options.check() {
                Err(Error::RunOption { option, .. }) => option,
                other => panic!("expected an error, found {other:?}"),
            }
        };

        assert_eq!(bad(|options| options.parallel = 0), "parallel");
        assert_eq!(bad(|options| options.parallel = 257), "parallel");
        assert_eq!(bad(|options| options.repeats = 0), "repeats");
        assert_eq!(bad(|options| options.timeout = Some(Duration::ZERO)), "timeout");
        assert!(RunOptions::default().check().is_ok());
    }
}
