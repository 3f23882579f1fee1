//! Region lists from the text of other tools' files.
//!
//! | Format | Box in the file | Read with |
//! |---|---|---|
//! | regions JSON, this project's own | corners in pixels or thousandths | [`regions_json::read`] |
//! | COCO detection JSON | `[x, y, width, height]` in pixels | [`coco::read`] |
//! | Pascal VOC XML | corners in pixels, counted from 1, both inclusive | [`voc::read`] |
//! | YOLO text | centre and size, as parts of the side | [`yolo::read`] |
//!
//! All boxes belong to the image as a person sees it, after its EXIF orientation. Fractional coordinates are
//! placed on the grid at once, to the nearest unit with ties up, without a stop at whole pixels.
//!
//! A box that reaches over the edge of its image is an error unless [`Edges::Clamp`] asks for cutting; what was
//! cut is reported. Up to a tenth of a grid unit over the edge is rounding of the tool that wrote the file, and
//! is always accepted as the edge itself.

pub mod coco;
pub mod regions_json;
pub mod voc;
pub mod yolo;

use crate::{BBox, Error, ImageSize, Region, RegionId, RegionSet};

/// What happens to a box that reaches over the edge of its image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Edges {
    /// The file is refused.
    #[default]
    Reject,
    /// The box is cut at the edge and the cut is reported; a box with nothing inside is still refused.
    Clamp,
}

/// The regions of a file, and what was changed to read them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// The regions in the order of the file.
    pub regions: RegionSet,
    /// Everything that is not as the file says.
    pub changes: Vec<Change>,
}

/// One difference between a file and what was read from it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A box was cut at the edge of its image, under [`Edges::Clamp`].
    Clamped {
        /// The region.
        region: RegionId,
        /// Line, field or entry of the file.
        place: String,
        /// The corners `[x1, y1, x2, y2]` before, in the file's unit.
        before: [f64; 4],
        /// The corners after.
        after: [f64; 4],
    },
    /// A COCO annotation of a crowd was left out: its box holds many objects.
    CrowdLeftOut {
        /// Line, field or entry of the file.
        place: String,
    },
}

/// Tools write coordinates with two to six decimals; a tenth of a grid unit cannot be seen on the grid.
const EDGE_SLACK: f64 = 1e-4;

/// What the corners of a file count.
#[derive(Clone, Copy)]
enum Unit {
    /// Pixels of an image of this size.
    Pixels(ImageSize),
    /// Thousandths of the side; two corners may be equal, as in [`BBox`].
    Grid,
    /// Parts of the side.
    Side,
}

impl Unit {
    /// Width and height of the image in this unit.
    fn extent(self) -> [f64; 2] {
        match self {
            Self::Pixels(size) => [f64::from(size.width()), f64::from(size.height())],
            Self::Grid => [f64::from(BBox::GRID); 2],
            Self::Side => [1.0; 2],
        }
    }
}

/// The corners of a box as a file has them.
struct Corners<'a> {
    /// Line, field or entry.
    place: &'a str,
    xyxy: [f64; 4],
    unit: Unit,
}

/// Gathers the checked regions of one file.
struct Reader {
    format: &'static str,
    edges: Edges,
    imported: Imported,
}

impl Reader {
    fn new(format: &'static str, edges: Edges) -> Self {
        Self { format, edges, imported: Imported::default() }
    }

    /// The error for this place of the file.
    fn error(&self, place: &str, problem: impl Into<String>) -> Error {
        import_error(self.format, place, problem)
    }

    /// Adds the region of the entry at this place.
    fn push(
        &mut self,
        place: &str,
        label: String,
        corners: Option<Corners<'_>>,
        info: String,
    ) -> Result<(), Error> {
        let bbox = match corners {
            Some(corners) => Some(self.place(corners.place, corners.xyxy, corners.unit)?),
            None => None,
        };
        let region = Region::new(label, bbox, info).map_err(|error| self.error(place, error.to_string()))?;
        self.imported.regions.push(region)?;
        Ok(())
    }

    /// Puts corners on the grid.
    fn place(&mut self, place: &str, before: [f64; 4], unit: Unit) -> Result<BBox, Error> {
        let [width, height] = unit.extent();
        let extent = [width, height, width, height];
        if let Some(value) = before.iter().find(|value| !value.is_finite()) {
            return Err(self.error(place, format!("{value} is not a coordinate")));
        }
        let after: [f64; 4] = std::array::from_fn(|i| before[i].clamp(0.0, extent[i]));
        let thin = matches!(unit, Unit::Grid);
        let ordered = |lo: f64, hi: f64| lo < hi || thin && lo <= hi;
        if !ordered(before[0], before[2]) || !ordered(before[1], before[3]) {
            return Err(self.error(place, Error::BoxCorners { xyxy: before }.to_string()));
        }
        let over = (0..4).any(|i| (before[i] - after[i]).abs() > EDGE_SLACK * extent[i]);
        let outside = (0..2).any(|i| before[i] > extent[i] || before[i + 2] < 0.0);
        let emptied = |i: usize| before[i] < before[i + 2] && after[i] >= after[i + 2];
        let inside = !outside
            && ordered(after[0], after[2])
            && ordered(after[1], after[3])
            && !(over && (emptied(0) || emptied(1)));
        if over && self.edges == Edges::Reject || !inside {
            let [x1, y1, x2, y2] = before;
            let problem = format!("box [{x1}, {y1}, {x2}, {y2}] reaches outside [0, 0, {width}, {height}]");
            return Err(self.error(place, problem));
        }
        if over {
            let region = RegionId::from_index(self.imported.regions.len());
            self.imported.changes.push(Change::Clamped { region, place: place.to_owned(), before, after });
        }
        // Inside the image, hence 0 to 1000, and the order of the corners stays.
        let xyxy: [u16; 4] =
            std::array::from_fn(|i| (after[i] * f64::from(BBox::GRID) / extent[i]).round() as u16);
        BBox::try_from(xyxy).map_err(|error| self.error(place, error.to_string()))
    }
}

fn import_error(format: &'static str, place: &str, problem: impl Into<String>) -> Error {
    Error::Import { format, place: place.to_owned(), problem: problem.into() }
}

/// The error of a JSON text, with its line and column.
fn json_error(format: &'static str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let problem = shown(text.split(" at line ").next().unwrap_or(&text));
    import_error(format, &format!("line {} column {}", error.line(), error.column()), problem)
}

/// The four numbers of a box.
fn four(format: &'static str, place: &str, numbers: &[f64]) -> Result<[f64; 4], Error> {
    numbers
        .try_into()
        .map_err(|_| import_error(format, place, format!("a box has 4 numbers, found {}", numbers.len())))
}

/// Checks that a file was made for an image of this size.
fn same_size(format: &'static str, place: &str, file: [u32; 2], size: ImageSize) -> Result<(), Error> {
    if file == <[u32; 2]>::from(size) {
        return Ok(());
    }
    let [width, height] = file;
    let problem = format!(
        "made for an image of {width}x{height}, the upright image is {size}; a turned or resized image needs \
         its boxes turned or resized too"
    );
    Err(import_error(format, place, problem))
}

/// The most characters that an error shows of a file; the limits of the file itself are far above.
const MAX_SHOWN: usize = 120;

/// What an error shows of a file: the beginning, with everything escaped that is not plain to see.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(MAX_SHOWN) {
        match c {
            '"' | '\'' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// The text without the byte order mark that some editors write.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelBox;

    fn place(xyxy: [f64; 4], unit: Unit, edges: Edges) -> Result<(BBox, Vec<Change>), Error> {
        let mut reader = Reader::new("test", edges);
        let bbox = reader.place("entry", xyxy, unit)?;
        Ok((bbox, reader.imported.changes))
    }

    #[test]
    fn whole_pixels_are_placed_as_by_the_box_itself() -> Result<(), Error> {
        for side in [1, 2, 3, 7, 999, 1000, 1001, 2000, 4096, u32::MAX] {
            let size = ImageSize::new(side, side)?;
            for x in [0, side / 3, side / 2, side - 1] {
                let pixels = PixelBox::new(x, 0, x + 1, side)?;

                let (bbox, _) = place(pixels.xyxy().map(f64::from), Unit::Pixels(size), Edges::Reject)?;

                assert_eq!(bbox, BBox::from_pixels(pixels, size)?, "{x} of {side}");
            }
        }
        Ok(())
    }

    #[test]
    fn a_box_over_the_edge_is_refused_or_cut_and_reported() -> Result<(), Error> {
        let unit = Unit::Pixels(ImageSize::new(200, 100)?);
        let over = [-10.0, 20.0, 250.0, 50.0];

        assert!(matches!(place(over, unit, Edges::Reject), Err(Error::Import { .. })));
        let (bbox, changes) = place(over, unit, Edges::Clamp)?;
        assert_eq!(bbox, BBox::new(0, 200, 1000, 500)?);
        assert!(
            matches!(&changes[..], [Change::Clamped { after, .. }] if after.map(|v| v as i32) == [0, 20, 200, 50])
        );
        Ok(())
    }

    #[test]
    fn rounding_of_the_writing_tool_is_no_change() -> Result<(), Error> {
        // 0.0000005 of the side, as six decimals leave.
        let (bbox, changes) = place([-5e-7, 0.25, 1.000_000_5, 0.5], Unit::Side, Edges::Reject)?;

        assert_eq!(bbox, BBox::new(0, 250, 1000, 500)?);
        assert!(changes.is_empty());
        Ok(())
    }

    #[test]
    fn a_box_with_nothing_inside_is_refused_even_when_cutting() {
        for xyxy in [
            [1001.0, 0.0, 1200.0, 9.0],
            [0.0, -9.0, 9.0, -1.0],
            [1000.0, 0.0, 1200.0, 9.0],
            [-9.0, 0.0, 0.0, 9.0],
            [0.0, -9.0, 9.0, 0.0],
        ] {
            assert!(place(xyxy, Unit::Grid, Edges::Clamp).is_err(), "{xyxy:?}");
            assert!(place(xyxy.map(|v| v / 1000.0), Unit::Side, Edges::Clamp).is_err(), "{xyxy:?}");
        }
    }

    #[test]
    fn numbers_that_are_no_coordinates_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in 0..4 {
                let mut xyxy = [0.1, 0.1, 0.9, 0.9];
                xyxy[at] = value;
                assert!(place(xyxy, Unit::Side, Edges::Clamp).is_err(), "{value} at {at}");
            }
        }
    }

    #[test]
    fn only_the_grid_knows_boxes_without_area() -> Result<(), Error> {
        let line = [0.5, 0.0, 0.5, 1.0];

        assert!(place(line, Unit::Side, Edges::Reject).is_err());
        let (bbox, _) = place(line.map(|v| v * 1000.0), Unit::Grid, Edges::Reject)?;
        assert_eq!(bbox, BBox::new(500, 0, 500, 1000)?);
        Ok(())
    }
}
