use rcmu_core::RepairKind;

/// Most different repairs that are told apart; further ones count as [`Repair::Other`].
const MAX_KINDS: usize = 128;

/// What a tolerant reader mends instead of refusing the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// The file began with a byte order mark.
    ByteOrderMark,
    /// A line was blank.
    BlankLine,
    /// A line ended with a carriage return and a line feed.
    CarriageReturn,
    /// The last line had no line feed.
    NoFinalNewline,
    /// A list of records had a comma after its last one.
    TrailingComma,
    /// A field that the format does not know was left out. Its path, list places without their numbers.
    UnknownField(String),
    /// A record had no id; its number is taken.
    MissingId,
    /// An id was a number; its digits are taken.
    NumericId,
    /// An id had been used before; the record's number is added to it.
    RepeatedId,
    /// A field or a role had the name that another format uses.
    Spelling(String),
    /// A system turn was left out: a sample has none.
    SystemTurn,
    /// The last question had no answer and was left out.
    UnansweredQuestion,
    /// The place of the picture was not marked; it comes first.
    MissingMarker,
    /// The place of a picture was not before the text; it comes first.
    MovedMarker,
    /// Something was mended in the text of a turn.
    Text(RepairKind),
    /// More kinds of repairs than are told apart.
    Other,
}

/// How often something was mended, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairCount {
    /// What was mended.
    pub repair: Repair,
    /// The line where that happened first, counted from 1.
    pub first_line: u64,
    /// How often it happened.
    pub count: u64,
}

/// Everything that a reader mended so far; its size does not grow with the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    counts: Vec<RepairCount>,
}

impl Repairs {
    /// What was mended, in order of its first line.
    pub fn counts(&self) -> &[RepairCount] {
        &self.counts
    }

    /// Whether nothing was mended.
    pub const fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How often this was mended.
    pub fn count(&self, repair: &Repair) -> u64 {
        self.counts.iter().find(|known| known.repair == *repair).map_or(0, |known| known.count)
    }

    /// Adds one.
    pub(super) fn tell(&mut self, line: u64, repair: Repair) {
        let full = self.counts.len() >= MAX_KINDS;
        let known = |counts: &[RepairCount], repair: &Repair| counts.iter().position(|c| c.repair == *repair);
        let place = known(&self.counts, &repair);
        let (place, repair) = match place {
            None if full => (known(&self.counts, &Repair::Other), Repair::Other),
            place => (place, repair),
        };
        match place {
            Some(place) => self.counts[place].count += 1,
            None => self.counts.push(RepairCount { repair, first_line: line, count: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_unknown_names_are_counted_together() {
        let mut repairs = Repairs::default();

        for line in 1..=1000 {
            repairs.tell(line, Repair::UnknownField(line.to_string()));
        }
        repairs.tell(1001, Repair::UnknownField("1".into()));

        assert_eq!(repairs.counts().len(), MAX_KINDS + 1);
        assert_eq!(repairs.count(&Repair::Other), 1000 - 128);
        assert_eq!(repairs.count(&Repair::UnknownField("1".into())), 2);
    }
}
