//! Reads answers and prompts.
//!
//! ```text
//! text ─ stream (UTF-8) ─ lexer ─► chars, marks, boxes ─ statement ─► statements ─ refusal ─► Answer
//!                                         │ citation   │ bbox       │ sentence
//! ```
//!
//! One machine that takes one character at a time serves whole texts and streams, so that both give the same
//! answer however the text is cut. Each character is looked at a bounded number of times.

mod bbox;
mod chat;
mod citation;
mod instruction;
mod lexer;
mod refusal;
mod region;
mod sentence;
mod statement;
mod stream;

use rcmu_core::{Answer, CitationTarget, FinishReason, ImageSize, RegionId, Scene};

pub use bbox::parse_bbox;
pub use chat::{UserTurn, parse_user_turn};
pub use refusal::is_refusal;
pub use region::ContextLine;
pub use stream::{ParseEvent, StreamParser};

/// What the citations and boxes of an answer can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Targets {
    regions: u32,
    references: u32,
    size: ImageSize,
}

impl Targets {
    /// The regions, reference pictures and pixels of a scene.
    pub fn of(scene: &Scene) -> Self {
        Self::new(scene.regions().len(), scene.references().len(), scene.size())
    }

    /// So many regions and reference pictures, and a picture of this size.
    pub fn new(regions: usize, references: usize, size: ImageSize) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { regions: count(regions), references: count(references), size }
    }

    /// Size of the picture in which boxes are placed.
    pub const fn size(self) -> ImageSize {
        self.size
    }

    /// How many things there are to cite: `[1]` up to this number.
    pub const fn citable(self) -> u32 {
        self.regions.saturating_add(self.references)
    }

    /// What `[number]` points at: regions come first, then reference pictures.
    pub fn resolve(self, number: u64) -> CitationTarget {
        let small = u32::try_from(number).ok();
        let region = small.filter(|&n| n <= self.regions).and_then(RegionId::new);
        let reference = || {
            let place = small?.checked_sub(self.regions)?;
            (1..=self.references).contains(&place).then_some(CitationTarget::Reference(place))
        };
        region.map(CitationTarget::Region).or_else(reference).unwrap_or(CitationTarget::Unresolved(number))
    }
}

/// Reads an answer.
///
/// Never fails: what cannot be read stays text, and everything that was mended is in [`Answer::repairs`].
///
/// # Examples
///
/// ```
/// use rcmu_core::{FinishReason, ImageSize};
/// use rcmu_prompt::{Targets, parse};
///
/// # fn main() -> Result<(), rcmu_core::Error> {
/// let targets = Targets::new(2, 0, ImageSize::new(640, 480)?);
/// let answer = parse("Lily [1] walks her dog.[2] It is sunny.", targets, FinishReason::EndOfText);
///
/// assert_eq!(answer.statements[0].text, "Lily walks her dog.");
/// assert_eq!(answer.statements[0].regions().map(|id| id.number()).collect::<Vec<_>>(), [1, 2]);
/// assert_eq!(answer.statements[1].citations, []);
/// # Ok(())
/// # }
/// ```
pub fn parse(text: &str, targets: Targets, finish: FinishReason) -> Answer {
    let mut parser = StreamParser::new(targets);
    parser.push(text);
    let (_, answer) = parser.finish(finish);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_over_all_regions_cites_each() -> Result<(), rcmu_core::Error> {
        let targets = Targets::new(40, 0, ImageSize::new(640, 480)?);

        let answer = parse("All of them play.[1-40] Nobody sleeps.[1-41]", targets, FinishReason::EndOfText);

        let cited: Vec<_> = answer.statements[0].regions().map(RegionId::number).collect();
        assert_eq!(cited, (1..=40).collect::<Vec<_>>());
        assert_eq!(answer.statements[1].citations.len(), 2);
        assert_eq!(answer.repairs.len(), 1);
        Ok(())
    }
}
