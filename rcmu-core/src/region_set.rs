use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use crate::{Error, Region};

/// The number of a region, counted from 1, as it stands in `[1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RegionId(NonZeroU32);

impl RegionId {
    /// Makes the id with this number; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The id of the region at this place, counted from 0.
    pub(crate) fn from_index(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index as u32))
    }

    /// The number, from 1.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The place in the list, from 0.
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The regions of one image, numbered 1 to n in the order they were added.
///
/// # Invariant
///
/// At most [`RegionSet::MAX`] regions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Region>", into = "Vec<Region>")]
pub struct RegionSet {
    regions: Vec<Region>,
}

impl RegionSet {
    /// The most regions an image may have.
    pub const MAX: usize = 512;

    /// An empty set.
    pub const fn new() -> Self {
        Self { regions: Vec::new() }
    }

    /// Adds a region and returns its number.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRegions`] when the set is full.
    pub fn push(&mut self, region: Region) -> Result<RegionId, Error> {
        if self.regions.len() >= Self::MAX {
            return Err(Error::TooManyRegions { count: self.regions.len() + 1, max: Self::MAX });
        }
        self.regions.push(region);
        Ok(RegionId::from_index(self.regions.len() - 1))
    }

    /// The region with this number, if there is one.
    pub fn find(&self, id: RegionId) -> Option<&Region> {
        self.regions.get(id.index())
    }

    /// The id for a number read from text, if such a region exists.
    pub fn resolve(&self, number: u64) -> Option<RegionId> {
        let id = RegionId::new(u32::try_from(number).ok()?)?;
        self.find(id).map(|_| id)
    }

    /// All regions with their numbers, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (RegionId, &Region)> {
        self.regions.iter().enumerate().map(|(index, region)| (RegionId::from_index(index), region))
    }

    /// How many regions there are.
    pub const fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }
}

impl TryFrom<Vec<Region>> for RegionSet {
    type Error = Error;

    fn try_from(regions: Vec<Region>) -> Result<Self, Error> {
        if regions.len() > Self::MAX {
            return Err(Error::TooManyRegions { count: regions.len(), max: Self::MAX });
        }
        Ok(Self { regions })
    }
}

impl From<RegionSet> for Vec<Region> {
    fn from(set: RegionSet) -> Self {
        set.regions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_numbered_from_one() -> Result<(), Error> {
        let mut set = RegionSet::new();

        let first = set.push(Region::new("man", None, "Lily.")?)?;
        let second = set.push(Region::new("dog", None, "Bella.")?)?;

        assert_eq!((first.number(), second.number()), (1, 2));
        assert_eq!(set.resolve(2), Some(second));
        assert_eq!((set.resolve(0), set.resolve(3), set.resolve(u64::MAX)), (None, None, None));
        Ok(())
    }

    #[test]
    fn a_full_set_refuses_more() -> Result<(), Error> {
        let region = Region::new("man", None, "")?;
        let mut set = RegionSet::try_from(vec![region.clone(); RegionSet::MAX])?;

        assert!(matches!(set.push(region.clone()), Err(Error::TooManyRegions { count: 513, max: 512 })));
        assert!(RegionSet::try_from(vec![region; 513]).is_err());
        Ok(())
    }
}
