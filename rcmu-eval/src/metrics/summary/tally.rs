use std::collections::{BTreeMap, BTreeSet, HashMap};

use rcmu_data::Kind;

use super::clusters::Clusters;
use crate::{
    ItemScore, SummaryRow,
    metrics::{BootstrapOptions, summary::rows_of},
};

/// The scores of many items in little memory: what the rows of a table need of them, and nothing else.
///
/// An item takes 8 bytes, and 4 more for each of its measures; a picture takes about 40; lists that grow take up to twice
/// as much. Drawing pictures needs no more than their sums, but sums that are the same in any order need the values, of
/// which different ones are kept once. Making the rows takes 40 bytes an item besides.
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
///
/// # Source
///
/// Ours: how the scores are kept. The rows are those of [`summarise`](crate::metrics::summarise).
#[derive(Clone, Debug, Default)]
pub struct Tally {
    clusters: Clusters,
    measures: Names,
    /// Each value once, by its bits: shares have few.
    values: Vec<f64>,
    places: HashMap<u64, u32>,
    /// Each kind with a list of measures once.
    shapes: Vec<Shape>,
    shape_places: BTreeMap<Shape, u32>,
    items: Vec<Item>,
    /// The values of the items, one item after another, in the order of their measures.
    item_values: Vec<u32>,
    /// Failed items of each kind.
    pub(super) failed: BTreeMap<Kind, usize>,
    /// Kinds of which at least one item was measured.
    pub(super) measured: BTreeSet<Kind>,
}

/// One measured item.
#[derive(Clone, Copy, Debug)]
struct Item {
    cluster: u32,
    shape: u32,
}

/// What an item has values of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    kind: Kind,
    measures: Vec<u32>,
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
        let mut shape = Shape { kind: score.kind, measures: Vec::new() };
        for (measure, &value) in score.measures.iter().filter(|(_, value)| value.is_finite()) {
            shape.measures.push(self.measures.place(measure));
            let next = self.values.len() as u32;
            let place = *self.places.entry(value.to_bits()).or_insert(next);
            if place == next {
                self.values.push(value);
            }
            self.item_values.push(place);
        }
        let cluster = self.cluster(&score.cluster);
        let shape = self.shape(shape);
        self.items.push(Item { cluster, shape });
    }

    /// The rows of the table, as [`summarise`](crate::metrics::summarise) makes them of the same scores.
    pub fn rows(&self, options: &BootstrapOptions) -> Vec<SummaryRow> {
        rows_of(self, options)
    }

    /// The number of a picture's key, in the order in which they came.
    pub(crate) fn cluster(&mut self, key: &str) -> u32 {
        self.clusters.place(key)
    }

    /// The numbers of the pictures in the order of their keys.
    pub(crate) fn clusters_in_order(&self) -> Vec<u32> {
        self.clusters.in_order()
    }

    fn shape(&mut self, shape: Shape) -> u32 {
        if let Some(&place) = self.shape_places.get(&shape) {
            return place;
        }
        let place = self.shapes.len() as u32;
        self.shapes.push(shape.clone());
        self.shape_places.insert(shape, place);
        place
    }

    /// All measured items.
    pub(super) fn items(&self) -> impl Iterator<Item = TallyItem<'_>> {
        let mut end = 0;
        self.items.iter().map(move |item| {
            let shape = &self.shapes[item.shape as usize];
            let start = end;
            end += shape.measures.len();
            TallyItem { tally: self, shape, cluster: item.cluster, start }
        })
    }

    /// The number of a measure, if an item has it.
    pub(super) fn measure(&self, name: &str) -> Option<u32> {
        self.measures.places.get(name).copied()
    }

    /// The name of a measure.
    pub(super) fn name(&self, measure: u32) -> &str {
        &self.measures.names[measure as usize]
    }

    /// Which kinds have which measures.
    pub(super) fn kinds_and_measures(&self) -> impl Iterator<Item = (Kind, u32)> {
        self.shapes.iter().flat_map(|shape| shape.measures.iter().map(|measure| (shape.kind, *measure)))
    }
}

/// One measured item of a [`Tally`].
#[derive(Clone, Copy)]
pub(super) struct TallyItem<'a> {
    tally: &'a Tally,
    shape: &'a Shape,
    cluster: u32,
    start: usize,
}

impl TallyItem<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.shape.kind
    }

    /// The number of its picture.
    pub(super) fn cluster(&self) -> u32 {
        self.cluster
    }

    /// Its value of a measure.
    pub(super) fn value(&self, measure: u32) -> Option<f64> {
        let at = self.shape.measures.iter().position(|own| *own == measure)?;
        Some(self.tally.values[self.tally.item_values[self.start + at] as usize])
    }
}
