use rcmu_core::BBox;

/// The most predicted boxes that are compared; further ones count as wrong.
const MAX_BOXES: usize = 1024; // an answer that repeats itself must not cost time

/// How well predicted boxes cover the right ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxMatch {
    /// Mean intersection over union over `max(predicted, right)` boxes; missing and surplus ones count 0.
    pub iou: f64,
    /// Share of `max(predicted, right)` boxes that are matched with an intersection over union of 0.5 or more.
    pub hits: f64,
}

/// Matches boxes one to one, the best pair first.
///
/// With `m` pairs and `N = max(predicted, right)`: `iou = Σ IoU(pair) / N`, `hits = #{pair: IoU ≥ 0.5} / N`; both are
/// 1 when there is no box on either side.
///
/// # Examples
///
/// Right: one box of 100 × 100. Predicted: the same box moved right by 50, so that 5000 units are shared of
/// `10000 + 10000 - 5000`: the intersection over union is 1 / 3, and no hit. A second predicted box halves it. Moved by
/// 20 it shares `8000 / 12000`, which is a hit, and with a second box `hits` is 1 / 2.
///
/// ```
/// use rcmu_core::BBox;
/// use rcmu_eval::metrics::match_boxes;
///
/// # fn main() -> Result<(), rcmu_core::Error> {
/// let right = [BBox::new(0, 0, 100, 100)?];
/// let moved = BBox::new(50, 0, 150, 100)?;
///
/// assert!((match_boxes(&[moved], &right).iou - 1.0 / 3.0).abs() < 1e-12);
/// let far = BBox::new(900, 900, 999, 999)?;
/// assert!((match_boxes(&[moved, far], &right).iou - 1.0 / 6.0).abs() < 1e-12);
/// assert_eq!(match_boxes(&[moved], &right).hits, 0.0);
/// assert_eq!(match_boxes(&[BBox::new(20, 0, 120, 100)?, far], &right).hits, 0.5);
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Theirs: intersection over union, and 0.5 as its threshold, as in the PASCAL VOC challenge (IJCV 2010). Ours:
/// greedy matching, and the mean that counts missing and surplus boxes.
pub fn match_boxes(predicted: &[BBox], right: &[BBox]) -> BoxMatch {
    let count = predicted.len().max(right.len());
    if count == 0 {
        return BoxMatch { iou: 1.0, hits: 1.0 };
    }
    let mut pairs = Vec::new();
    for (p, predicted) in predicted.iter().take(MAX_BOXES).enumerate() {
        for (r, right) in right.iter().enumerate() {
            let iou = predicted.iou(*right);
            if iou > 0.0 {
                pairs.push((iou, p, r));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let (mut taken, mut covered) = (vec![false; predicted.len()], vec![false; right.len()]);
    let (mut sum, mut hits) = (0.0, 0_usize);
    for (iou, p, r) in pairs {
        if !taken[p] && !covered[r] {
            (taken[p], covered[r]) = (true, true);
            sum += iou;
            hits += usize::from(iou >= 0.5);
        }
    }
    BoxMatch { iou: sum / count as f64, hits: hits as f64 / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bbox(x1: u16) -> BBox {
        BBox::new(x1, 0, x1 + 100, 100).expect("the corners are in order")
    }

    #[test]
    fn each_right_box_is_taken_once() {
        // Twice the same box: one matches with 1, the other is surplus.
        let found = match_boxes(&[bbox(0), bbox(0)], &[bbox(0)]);

        assert_eq!((found.iou, found.hits), (0.5, 0.5));
    }

    #[test]
    fn no_boxes_at_all_are_right_and_missing_ones_are_not() {
        assert_eq!(match_boxes(&[], &[]).iou, 1.0);
        assert_eq!(match_boxes(&[], &[bbox(0)]), BoxMatch { iou: 0.0, hits: 0.0 });
    }

    #[test]
    fn a_flood_of_boxes_is_wrong_and_quick() {
        let found = match_boxes(&vec![bbox(0); 100_000], &[bbox(0)]);

        assert!((found.iou - 1e-5).abs() < 1e-12);
    }
}
