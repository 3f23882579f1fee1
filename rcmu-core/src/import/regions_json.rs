//! The project's own region list: `{"version": 1, "regions": [...]}`.
//!
//! ```json
//! {
//!   "version": 1,
//!   "regions": [
//!     {"label": "man", "box": [412, 160, 540.5, 340], "info": "Lily's brother."},
//!     {"label": "dog", "box": [214, 424, 583, 884], "unit": "grid", "info": "Bella, two years old."},
//!     {"label": "park", "info": "Open from 8 to 20."}
//!   ]
//! }
//! ```
//!
//! | Field | Meaning |
//! |---|---|
//! | `version` | always 1 |
//! | `label` | the class noun |
//! | `box` | corners `[x1, y1, x2, y2]`, half-open, may be fractional; left out: the object's place is not known |
//! | `unit` | `"pixels"` of the upright image, the default, or `"grid"`: thousandths of the side |
//! | `info` | what is known about the object; left out: nothing |
//!
//! A field with another name is an error, so that a misspelt `box` cannot be lost.

use serde::{Deserialize, Serialize};

use super::{Corners, Edges, Imported, Reader, Unit, four, import_error, json_error, without_mark};
use crate::{BBox, Error, ImageSize, RegionSet};

const FORMAT: &str = "regions JSON";
const VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    regions: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    label: String,
    #[serde(rename = "box", default)]
    corners: Option<Vec<f64>>,
    #[serde(default)]
    unit: Option<EntryUnit>,
    #[serde(default)]
    info: String,
}

/// An entry as it is written, its box always on the grid.
#[derive(Serialize)]
struct WrittenEntry<'a> {
    label: &'a str,
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    bbox: Option<BBox>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<EntryUnit>,
    info: &'a str,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EntryUnit {
    Pixels,
    Grid,
}

/// Reads the regions of an image whose upright size is `size`.
///
/// # Errors
///
/// [`Error::Import`] with the line or the entry, such as `regions[3].box`; [`Error::TooManyRegions`] over
/// [`RegionSet::MAX`].
///
/// # Examples
///
/// ```
/// use rcmu_core::{BBox, Error, ImageSize, import::{Edges, regions_json}};
///
/// let text = r#"{"version": 1, "regions": [{"label": "man", "box": [20, 10, 100, 100], "info": "Lily."}]}"#;
/// let read = regions_json::read(text, ImageSize::new(200, 100)?, Edges::Reject)?;
///
/// let (_, man) = read.regions.iter().next().expect("one region");
/// assert_eq!(man.bbox(), Some(BBox::new(100, 100, 500, 1000)?));
/// # Ok::<(), Error>(())
/// ```
pub fn read(text: &str, size: ImageSize, edges: Edges) -> Result<Imported, Error> {
    let file: File = serde_json::from_str(without_mark(text)).map_err(|error| json_error(FORMAT, &error))?;
    if file.version != VERSION {
        let problem = format!("this program reads version {VERSION}, found {}", file.version);
        return Err(import_error(FORMAT, "version", problem));
    }
    if file.regions.len() > RegionSet::MAX {
        return Err(Error::TooManyRegions { count: file.regions.len(), max: RegionSet::MAX });
    }
    let mut reader = Reader::new(FORMAT, edges);
    for (index, entry) in file.regions.into_iter().enumerate() {
        let place = format!("regions[{index}]");
        let box_place = format!("{place}.box");
        let unit = match entry.unit {
            Some(EntryUnit::Grid) => Unit::Grid,
            Some(EntryUnit::Pixels) | None => Unit::Pixels(size),
        };
        let corners = match &entry.corners {
            Some(numbers) => {
                Some(Corners { place: &box_place, xyxy: four(FORMAT, &box_place, numbers)?, unit })
            }
            None if entry.unit.is_some() => {
                return Err(reader.error(&box_place, "a unit needs a box"));
            }
            None => None,
        };
        reader.push(&place, entry.label, corners, entry.info)?;
    }
    Ok(reader.imported)
}

/// Writes regions, one a line; [`read`] gives exactly the same ones for an image of any size.
#[allow(clippy::missing_panics_doc, reason = "strings and integers always serialise")]
pub fn write(regions: &RegionSet) -> String {
    let lines: Vec<String> = regions
        .iter()
        .map(|(_, region)| {
            let bbox = region.bbox();
            let unit = bbox.map(|_| EntryUnit::Grid);
            let entry = WrittenEntry { label: region.label(), bbox, unit, info: region.info() };
            serde_json::to_string(&entry).expect("strings and integers always serialise")
        })
        .collect();
    let lines = if lines.is_empty() { String::new() } else { format!("\n    {}\n  ", lines.join(",\n    ")) };
    format!("{{\n  \"version\": {VERSION},\n  \"regions\": [{lines}]\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Region;

    fn read_with(text: &str, edges: Edges) -> Result<Imported, Error> {
        read(text, ImageSize::new(200, 100)?, edges)
    }

    fn problem(text: &str) -> (String, String) {
        match read_with(text, Edges::Reject) {
            Err(Error::Import { place, problem, .. }) => (place, problem),
            other => panic!("{other:?} for {text}"),
        }
    }

    #[test]
    fn pixels_grid_and_unplaced_regions_are_read() -> Result<(), Error> {
        // 20 / 200 -> 100, 10 / 100 -> 100, 100.1 / 200 -> 500.5 -> 501, 99 / 100 -> 990.
        let text = r#"{"version": 1, "regions": [
            {"label": "man", "box": [20, 10, 100.1, 99.0], "info": "Lily."},
            {"label": "dog", "box": [1, 2, 3, 4], "unit": "grid", "info": "Bella."},
            {"label": "park", "info": "Open."}, {"label": "tree"}]}"#;

        let read = read_with(text, Edges::Reject)?;

        let expected = vec![
            Region::new("man", Some(BBox::new(100, 100, 501, 990)?), "Lily.")?,
            Region::new("dog", Some(BBox::new(1, 2, 3, 4)?), "Bella.")?,
            Region::new("park", None, "Open.")?,
            Region::new("tree", None, "")?,
        ];
        assert_eq!(Vec::from(read.regions), expected);
        assert!(read.changes.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_written_is_read_back() -> Result<(), Error> {
        let set = RegionSet::try_from(vec![
            Region::new("m\"an\n", Some(BBox::new(0, 1, 1, 1000)?), "a\u{202e}b\\ \u{0}")?,
            Region::new("\u{72d7}", None, "")?,
        ])?;

        assert_eq!(read_with(&write(&set), Edges::Reject)?.regions, set);
        Ok(())
    }

    #[test]
    fn the_written_text_has_one_region_a_line() -> Result<(), Error> {
        let set = RegionSet::try_from(vec![
            Region::new("man", Some(BBox::new(1, 2, 3, 4)?), "Lily.")?,
            Region::new("park", None, "")?,
        ])?;

        let expected = r#"{
  "version": 1,
  "regions": [
    {"label":"man","box":[1,2,3,4],"unit":"grid","info":"Lily."},
    {"label":"park","info":""}
  ]
}
"#;
        assert_eq!(write(&set), expected);
        assert!(read_with(&write(&RegionSet::new()), Edges::Reject)?.regions.is_empty());
        Ok(())
    }

    #[test]
    fn errors_name_the_place() {
        let one = |entry: &str| format!(r#"{{"version": 1, "regions": [{{"label": "a"}}, {entry}]}}"#);

        assert_eq!(problem(&one(r#"{"label": "a", "box": [0, 0, 201, 9]}"#)).0, "regions[1].box");
        assert_eq!(problem(&one(r#"{"label": "a", "box": [0, 0, 9]}"#)).0, "regions[1].box");
        assert_eq!(problem(&one(r#"{"label": "a", "box": [5, 0, 5, 9]}"#)).0, "regions[1].box");
        assert_eq!(problem(&one(r#"{"label": "a", "unit": "grid"}"#)).0, "regions[1].box");
        assert_eq!(problem(&one(r#"{"label": " "}"#)).0, "regions[1]");
        assert_eq!(problem(&one(r#"{"label": " ", "box": [0, 0, 9, 9]}"#)).0, "regions[1]");
        assert_eq!(problem(r#"{"version": 2, "regions": []}"#).0, "version");
        assert_eq!(problem("{\n  \"regions\": nope}").0, "line 2 column 15");
    }

    #[test]
    fn misspelt_repeated_and_impossible_fields_are_refused() {
        let one = |entry: &str| format!(r#"{{"version": 1, "regions": [{entry}]}}"#);

        assert!(problem(&one(r#"{"label": "a", "bbox": [0, 0, 1, 1]}"#)).1.contains("bbox"));
        assert!(problem(&one(r#"{"label": "a", "label": "b"}"#)).1.contains("duplicate"));
        assert!(problem(&one(r#"{"label": "a", "box": [0, 0, 1e999, 1]}"#)).1.contains("range"));
        assert!(problem(&one(r#"{"label": "a", "box": [NaN, 0, 1, 1]}"#)).0.starts_with("line 1"));
        assert!(problem(&one(r#"{"label": "a", "box": [0, 0, 1, 1], "unit": "cm"}"#)).1.contains("cm"));
    }

    #[test]
    fn errors_show_little_of_the_file() {
        let long = "x\u{1b}".repeat(10_000);

        let (_, problem) =
            problem(&format!(r#"{{"version": 1, "{}": []}}"#, long.replace('\u{1b}', "\\u001b")));

        assert!(problem.contains("unknown field") && problem.len() < 1000, "{} bytes", problem.len());
        assert!(!problem.contains('\u{1b}'), "{problem}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let (place, _) = problem(&format!("{{\"version\": {}", "[".repeat(1_000_000)));
        assert!(place.starts_with("line 1"), "{place}");
    }

    #[test]
    fn a_hundred_thousand_regions_are_too_many() {
        let entries = vec![r#"{"label": "a"}"#; 100_000].join(",");
        let text = format!(r#"{{"version": 1, "regions": [{entries}]}}"#);

        let error = read_with(&text, Edges::Reject).expect_err("the limit is 512");
        assert_eq!(error, Error::TooManyRegions { count: 100_000, max: 512 });
    }

    #[test]
    fn cutting_reports_the_region() -> Result<(), Error> {
        let text = r#"{"version": 1, "regions": [{"label": "a", "box": [-5, 0, 100, 50]}]}"#;

        let read = read_with(text, Edges::Clamp)?;

        assert_eq!(read.changes.len(), 1);
        let (_, region) = read.regions.iter().next().expect("one region");
        assert_eq!(region.bbox(), Some(BBox::new(0, 0, 500, 500)?));
        Ok(())
    }
}
