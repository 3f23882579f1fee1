use std::ops::Range;

use crate::{BBox, FinishReason, PixelBox, RegionId};

/// What a citation mark points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CitationTarget {
    /// A region of the scene.
    Region(RegionId),
    /// A reference picture of the scene, counted from 1; its number in the text comes after those of the regions.
    Reference(u32),
    /// A number that neither has; kept as it was written (`u64::MAX` when it was larger still).
    Unresolved(u64),
}

impl CitationTarget {
    /// The region, if the mark points at one.
    pub const fn region(self) -> Option<RegionId> {
        match self {
            Self::Region(id) => Some(id),
            Self::Reference(_) | Self::Unresolved(_) => None,
        }
    }
}

/// A mark such as `[2]` in an answer, or one number of `[1, 3]` or `[1-3]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Citation {
    /// What it points at.
    pub target: CitationTarget,
    /// Bytes of the whole mark in the answer's text, brackets included; numbers of one mark share it.
    pub span: Range<usize>,
}

/// A box that the answer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxMention {
    /// The box on the model's grid.
    pub bbox: BBox,
    /// The same box in pixels of the upright picture.
    pub pixels: PixelBox,
    /// Bytes of the mention in the answer's text, box tokens included.
    pub span: Range<usize>,
}

/// One sentence or clause of an answer with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The words, without citation marks, boxes and their tokens, trimmed. Where one of them was all that parted two
    /// words, a space does, unless their script puts none between words.
    pub text: String,
    /// Bytes of the statement in the answer's text, its marks included.
    pub span: Range<usize>,
    /// Its citations in order; a number is kept once.
    pub citations: Vec<Citation>,
}

impl Statement {
    /// The regions it cites, in order, each once.
    pub fn regions(&self) -> impl Iterator<Item = RegionId> {
        self.citations.iter().filter_map(|citation| citation.target.region())
    }
}

/// The answer says that it cannot answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Bytes of the words that say so.
    pub span: Range<usize>,
}

/// What a tolerant reader mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RepairKind {
    /// A separator inside a box was missing or another one.
    BoxSeparator,
    /// A box stood without its box tokens.
    BoxWithoutTokens,
    /// The corners of a box were swapped.
    BoxCornersSwapped,
    /// A coordinate above 1000 was cut to 1000.
    BoxClamped,
    /// A box ended before its fourth number or its closing token; it is not among the boxes.
    BoxTruncated,
    /// A citation range such as `[9-2]` ran backwards or was longer than what there is to cite; its ends are kept.
    CitationRange,
    /// A mark was open when the text ended; it is kept as text.
    CitationTruncated,
}

/// One thing that a tolerant reader mended, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repair {
    /// What was mended.
    pub kind: RepairKind,
    /// Bytes in the answer's text.
    pub span: Range<usize>,
}

/// A parsed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the model wrote, with box tokens, without the end token.
    pub text: String,
    /// Its statements in order; their spans do not overlap.
    pub statements: Vec<Statement>,
    /// The boxes it names, in order.
    pub boxes: Vec<BoxMention>,
    /// Set when the answer says that it cannot answer.
    pub refusal: Option<Refusal>,
    /// What had to be mended to read it.
    pub repairs: Vec<Repair>,
    /// Why the model stopped; anything but [`FinishReason::EndOfText`] or [`FinishReason::StopString`] means that the
    /// answer is partial.
    pub finish: FinishReason,
}

impl Answer {
    /// The statements in order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// All regions cited, in order of their first mark, each once.
    pub fn cited_regions(&self) -> Vec<RegionId> {
        let mut cited = Vec::new();
        for id in self.statements.iter().flat_map(Statement::regions) {
            if !cited.contains(&id) {
                cited.push(id);
            }
        }
        cited
    }

    /// Whether the text was cut before the model ended it.
    pub const fn is_partial(&self) -> bool {
        self.finish.is_partial()
    }
}
