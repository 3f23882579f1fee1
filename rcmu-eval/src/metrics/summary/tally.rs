use std::collections::{BTreeMap, BTreeSet, HashMap};

use rcmu_data::Kind;

use crate::{
    ItemScore, SummaryRow,
    metrics::{BootstrapOptions, summary::rows_of},
};

/// The scores of many items in little memory: what the rows of a table need of them, and nothing else.
///
/// An item takes 16 bytes, and 8 more for each of its measures; a picture takes the length of its key twice, about 150
/// bytes. Drawing pictures needs no more than their sums, but sums that are the same in any order need the values.
///
/// # Examples
///
/// Two items with accuracy 1 and 0: `(1 + 0) / 2 = 0.5`.
///
/// ```
/// use rcmu_data::Kind;
/// use rcmu_eval::{ItemScore, Outcome, metrics::{BootstrapOptions, Tally}};
///
/// let mut tally = Tally::default();
/// for (id, accuracy) in [("a", 1.0), ("b", 0.0)] {
///     tally.add(&ItemScore {
///         item: id.into(),
///         kind: Kind::VisualToContext,
///         cluster: id.into(),
///         outcome: Outcome::Scored,
///         how: String::new(),
///         measures: [("accuracy".to_owned(), accuracy)].into(),
///     });
/// }
///
/// assert_eq!(tally.rows(&BootstrapOptions::default())[0].value, 0.5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tally {
    clusters: Names,
    measures: Names,
    /// Each value once, by its bits: shares have few.
    values: Vec<f64>,
    places: HashMap<u64, u32>,
    items: Vec<Item>,
    /// Measure and value of the items, one item after another.
    item_measures: Vec<u32>,
    item_values: Vec<u32>,
    /// Failed items of each kind.
    pub(super) failed: BTreeMap<Kind, usize>,
    /// Kinds of which at least one item was measured.
    pub(super) measured: BTreeSet<Kind>,
}

/// One measured item.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where its measures end; they begin where those of the item before end.
    end: usize,
    cluster: u32,
    kind: Kind,
}

/// Texts by number.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<String>,
    places: HashMap<String, u32>,
}

impl Names {
    fn place(&mut self, name: &str) -> u32 {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

impl Tally {
    /// Adds the score of one item.
    pub fn add(&mut self, score: &ItemScore) {
        if !score.outcome.is_measured() {
            *self.failed.entry(score.kind).or_default() += 1;
            return;
        }
        self.measured.insert(score.kind);
        for (measure, &value) in score.measures.iter().filter(|(_, value)| value.is_finite()) {
            self.item_measures.push(self.measures.place(measure));
            let next = self.values.len() as u32;
            let place = *self.places.entry(value.to_bits()).or_insert(next);
            if place == next {
                self.values.push(value);
            }
            self.item_values.push(place);
        }
        let cluster = self.cluster(&score.cluster);
        self.items.push(Item { end: self.item_measures.len(), cluster, kind: score.kind });
    }

    /// The rows of the table, as [`summarise`](crate::metrics::summarise) makes them of the same scores.
    pub fn rows(&self, options: &BootstrapOptions) -> Vec<SummaryRow> {
        rows_of(self, options)
    }

    /// The number of a picture's key.
    pub(crate) fn cluster(&mut self, key: &str) -> u32 {
        self.clusters.place(key)
    }

    /// The key of this number.
    pub(crate) fn key(&self, cluster: u32) -> &str {
        &self.clusters.names[cluster as usize]
    }

    /// All measured items.
    pub(super) fn items(&self) -> impl Iterator<Item = TallyItem<'_>> {
        let starts = [0].into_iter().chain(self.items.iter().map(|item| item.end));
        let spans = starts.zip(&self.items);
        spans.map(|(start, item)| TallyItem { tally: self, start, item: *item })
    }

    /// The number of a measure, if an item has it.
    pub(super) fn measure(&self, name: &str) -> Option<u32> {
        self.measures.places.get(name).copied()
    }

    /// The name of a measure.
    pub(super) fn name(&self, measure: u32) -> &str {
        &self.measures.names[measure as usize]
    }
}

/// One measured item of a [`Tally`].
#[derive(Clone, Copy)]
pub(super) struct TallyItem<'a> {
    tally: &'a Tally,
    start: usize,
    item: Item,
}

impl<'a> TallyItem<'a> {
    pub(super) fn kind(&self) -> Kind {
        self.item.kind
    }

    pub(super) fn cluster(&self) -> &'a str {
        self.tally.key(self.item.cluster)
    }

    /// The numbers of its measures.
    pub(super) fn measures(&self) -> &'a [u32] {
        &self.tally.item_measures[self.start..self.item.end]
    }

    /// Its value of a measure.
    pub(super) fn value(&self, measure: u32) -> Option<f64> {
        let at = self.measures().iter().position(|own| *own == measure)?;
        Some(self.tally.values[self.tally.item_values[self.start + at] as usize])
    }
}
