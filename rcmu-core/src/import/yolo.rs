//! YOLO label text: one box a line, `class cx cy width height`.
//!
//! The class is a place in a list of names, counted from 0; the other four numbers are the centre and the size of
//! the box as parts of the image's width and height, so the image's size is not needed.
//! Blank lines are passed over. The text about each region is empty.
//!
//! # Source
//!
//! <https://docs.ultralytics.com/datasets/detect/>, "Ultralytics YOLO format": normalised `xywh`, classes from 0.

use super::{Corners, Edges, Imported, Reader, Unit, shown, without_mark};
use crate::Error;

const FORMAT: &str = "YOLO text";

/// Reads the regions of an image; `names` are the classes in their order.
///
/// # Errors
///
/// [`Error::Import`] with the line, counted from 1: for a line that has not five numbers, a class without a name
/// and a box that is not valid; [`Error::TooManyRegions`] over [`RegionSet::MAX`](crate::RegionSet::MAX).
///
/// # Examples
///
/// ```
/// use rcmu_core::{BBox, Error, import::{Edges, yolo}};
///
/// // A fifth of the width around 0.3, half the height around 0.25.
/// let read = yolo::read("1 0.3 0.25 0.2 0.5\n", &["man", "dog"], Edges::Reject)?;
///
/// let (_, dog) = read.regions.iter().next().expect("one region");
/// assert_eq!((dog.label(), dog.bbox()), ("dog", Some(BBox::new(200, 0, 400, 500)?)));
/// # Ok::<(), Error>(())
/// ```
pub fn read(text: &str, names: &[impl AsRef<str>], edges: Edges) -> Result<Imported, Error> {
    let mut reader = Reader::new(FORMAT, edges);
    for (index, line) in without_mark(text).lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("line {}", index + 1);
        let fields: Vec<&str> = line.split_whitespace().take(6).collect();
        let [class, numbers @ ..] = fields.as_slice() else { continue };
        if numbers.len() != 4 {
            return Err(reader.error(&place, "expected `class cx cy width height` and nothing else"));
        }
        let Some(label) = class.parse::<usize>().ok().and_then(|class| names.get(class)) else {
            let problem =
                format!("class \"{}\" is not one of the {} names, from 0", shown(class), names.len());
            return Err(reader.error(&place, problem));
        };
        let mut centre_and_size = [0.0; 4];
        for (value, text) in centre_and_size.iter_mut().zip(numbers) {
            *value = text
                .parse::<f64>()
                .map_err(|_| reader.error(&place, format!("\"{}\" is not a number", shown(text))))?;
        }
        let [cx, cy, width, height] = centre_and_size;
        let corners = [cx - width / 2.0, cy - height / 2.0, cx + width / 2.0, cy + height / 2.0];
        let corners = Corners { place: &place, xyxy: corners, unit: Unit::Side };
        reader.push(&place, label.as_ref().to_owned(), Some(corners), String::new())?;
    }
    Ok(reader.imported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BBox, Region};

    const NAMES: [&str; 2] = ["man", "dog"];

    fn error(text: &str) -> (String, String) {
        match read(text, &NAMES, Edges::Reject) {
            Err(Error::Import { place, problem, .. }) => (place, problem),
            other => panic!("{other:?} for {text:?}"),
        }
    }

    #[test]
    fn centre_and_size_become_corners() -> Result<(), Error> {
        // 0.5 - 0.25 / 2 = 0.375, 0.5 + 0.125 = 0.625; 0.2 - 0.2 = 0, 0.2 + 0.2 = 0.4.
        let read = read("\u{feff}1 0.5 0.2 0.25 0.4\r\n\n0\t0.5 0.5 1 1", &NAMES, Edges::Reject)?;

        let expected = vec![
            Region::new("dog", Some(BBox::new(375, 0, 625, 400)?), "")?,
            Region::new("man", Some(BBox::new(0, 0, 1000, 1000)?), "")?,
        ];
        assert_eq!(Vec::from(read.regions), expected);
        Ok(())
    }

    #[test]
    fn errors_name_the_line() {
        for line in [
            "2 0.5 0.5 1 1",
            "-1 0.5 0.5 1 1",
            "1.5 0.5 0.5 1 1",
            "99999999999999999999 0.5 0.5 1 1",
            "0 0.5 0.5 1",
            "0 0.5 0.5 1 1 0.9",
            "0 0.5 0.5 one 1",
            "0 NaN 0.5 1 1",
            "0 0.5 0.5 inf 1",
            "0 0.5 0.5 -1 1",
            "0 0.5 0.5 0 1",
            "0 0.9 0.5 0.4 1",
            "0 320 240 640 480",
            "0 1e308 0.5 1e308 1",
        ] {
            assert_eq!(error(&format!("0 0.5 0.5 1 1\n\n{line}\n")).0, "line 3", "{line}");
        }
    }

    #[test]
    fn errors_show_little_of_the_file() {
        let long = "x\u{1b}".repeat(10_000);

        for line in [format!("{long} 0.5 0.5 1 1"), format!("0 {long} 0.5 1 1")] {
            let (_, problem) = error(&line);
            assert!(problem.len() < 1000 && !problem.contains('\u{1b}'), "{} bytes", problem.len());
        }
    }

    #[test]
    fn a_box_over_the_edge_is_cut_on_request() -> Result<(), Error> {
        // 0.9 - 0.2 = 0.7, 0.9 + 0.2 = 1.1.
        let read = read("0 0.9 0.5 0.4 1", &NAMES, Edges::Clamp)?;

        let (_, region) = read.regions.iter().next().expect("one region");
        assert_eq!(region.bbox(), Some(BBox::new(700, 0, 1000, 1000)?));
        assert_eq!(read.changes.len(), 1);
        Ok(())
    }

    #[test]
    fn a_hundred_thousand_lines_are_too_many() {
        let text = "0 0.5 0.5 1 1\n".repeat(100_000);

        let error = read(&text, &NAMES, Edges::Reject).expect_err("the limit is 512");
        assert_eq!(error, Error::TooManyRegions { count: 513, max: 512 });
    }
}
