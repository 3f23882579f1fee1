//! Pascal VOC XML: one `annotation` with its `object`s.
//!
//! Corners count pixels from 1 and both belong to the box: `xmin` 1 and `xmax` 4 are the columns 0, 1, 2 and 3,
//! which is `x1` 0 and `x2` 4 here. So `[xmin - 1, ymin - 1, xmax, ymax]` are the half-open corners.
//! Tools that count from 0 write `xmin` 0, which lies outside and is refused, or cut on request.
//!
//! The object's `name` becomes the label; its `info`, which is not part of the published format, the text.
//! Document type definitions are refused, and with them every entity that they could define.
//!
//! # Source
//!
//! "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 2.3.3: "the top-left pixel in the
//! image has coordinates (1, 1)".

use roxmltree::{Document, Node, ParsingOptions};

use super::{Edges, Imported, Reader, Unit, import_error, same_size, without_mark};
use crate::{Error, ImageSize};

const FORMAT: &str = "Pascal VOC XML";
/// Room for the most regions with some forty nodes each, and much to spare.
const MAX_NODES: u32 = 200_000;

/// Reads the regions of an image whose upright size is `size`.
///
/// # Errors
///
/// [`Error::Import`] with the line and the object, such as `line 12, object[1].bndbox`: for a text that is not
/// XML or not VOC, another image size, and boxes that are not valid; [`Error::TooManyRegions`] over
/// [`RegionSet::MAX`](crate::RegionSet::MAX).
pub fn read(text: &str, size: ImageSize, edges: Edges) -> Result<Imported, Error> {
    let text = without_mark(text);
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        import_error(
            FORMAT,
            &format!("line {} column {}", error.pos().row, error.pos().col),
            error.to_string(),
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        let problem = format!("expected an annotation, found {}", root.tag_name().name());
        return Err(import_error(FORMAT, "line 1", problem));
    }
    if let Some(node) = child(root, "size") {
        let place = at(node, "size");
        let sides = [number(node, &place, "width")?, number(node, &place, "height")?];
        same_size(FORMAT, &place, sides.map(|side| side as u32), size)?;
    }
    let mut reader = Reader::new(FORMAT, edges);
    for (index, object) in root.children().filter(|node| node.has_tag_name("object")).enumerate() {
        let place = at(object, &format!("object[{index}]"));
        let label = text_of(object, &place, "name")?.to_owned();
        let info = child(object, "info").and_then(|node| node.text()).unwrap_or_default().trim().to_owned();
        let Some(bndbox) = child(object, "bndbox") else {
            return Err(reader.error(&place, "bndbox is missing"));
        };
        let place = at(bndbox, &format!("object[{index}].bndbox"));
        let corners = [
            number(bndbox, &place, "xmin")? - 1.0,
            number(bndbox, &place, "ymin")? - 1.0,
            number(bndbox, &place, "xmax")?,
            number(bndbox, &place, "ymax")?,
        ];
        reader.push(&place, label, Some((corners, Unit::Pixels(size))), info)?;
    }
    Ok(reader.imported)
}

/// The only direct child with this name.
fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The text of a child, without the blanks around it.
fn text_of<'a>(node: Node<'a, '_>, place: &str, name: &str) -> Result<&'a str, Error> {
    let mut found = node.children().filter(|child| child.has_tag_name(name));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.text().unwrap_or_default().trim()),
        (None, _) => Err(import_error(FORMAT, place, format!("{name} is missing"))),
        (Some(_), Some(_)) => Err(import_error(FORMAT, place, format!("{name} stands twice"))),
    }
}

fn number(node: Node<'_, '_>, place: &str, name: &str) -> Result<f64, Error> {
    let text = text_of(node, place, name)?;
    text.parse().map_err(|_| import_error(FORMAT, place, format!("{name} is {text:?}, expected a number")))
}

/// The place of a node, with its line.
fn at(node: Node<'_, '_>, path: &str) -> String {
    let row = node.document().text_pos_at(node.range().start).row;
    format!("line {row}, {path}")
}

#[cfg(test)]
mod tests {
    use super::super::Change;
    use super::*;
    use crate::{BBox, Region};

    fn object(xyxy: [&str; 4]) -> String {
        let [x1, y1, x2, y2] = xyxy;
        format!(
            "<object><name> dog </name><pose>Left</pose><difficult>0</difficult>\n\
             <bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n\
             <part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>\n"
        )
    }

    fn file(objects: &str) -> String {
        format!(
            "<annotation><filename>park.jpg</filename>\n\
             <size><width>200</width><height>100</height><depth>3</depth></size>\n{objects}</annotation>"
        )
    }

    fn read_objects(objects: &str, edges: Edges) -> Result<Imported, Error> {
        read(&file(objects), ImageSize::new(200, 100)?, edges)
    }

    fn error(text: &str) -> (String, String) {
        match read(text, ImageSize::new(200, 100).expect("sides above 0"), Edges::Reject) {
            Err(Error::Import { place, problem, .. }) => (place, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn corners_that_count_from_one_become_half_open() -> Result<(), Error> {
        // The whole image is 1, 1, 200, 100. The 21st to the 100th column, the 11th to the 50th row are
        // [20, 10, 100, 50] half-open: 100, 100, 500, 500 on the grid.
        let objects = object(["1", "1", "200", "100"]) + &object(["21", "11", "100", " 50.0 "]);

        let read = read_objects(&objects, Edges::Reject)?;

        let expected = vec![
            Region::new("dog", Some(BBox::new(0, 0, 1000, 1000)?), "")?,
            Region::new("dog", Some(BBox::new(100, 100, 500, 500)?), "")?,
        ];
        assert_eq!(Vec::from(read.regions), expected);
        Ok(())
    }

    #[test]
    fn one_pixel_is_a_box() -> Result<(), Error> {
        // Column 100 of 200 counted from 1 is [99, 100] half-open: 495 and 500.
        let read = read_objects(&object(["100", "1", "100", "1"]), Edges::Reject)?;

        let (_, region) = read.regions.iter().next().expect("one region");
        assert_eq!(region.bbox(), Some(BBox::new(495, 0, 500, 10)?));
        Ok(())
    }

    #[test]
    fn corners_that_count_from_zero_are_refused_or_cut() -> Result<(), Error> {
        let objects = object(["0", "1", "200", "100"]);

        assert_eq!(error(&file(&objects)).0, "line 4, object[0].bndbox");
        let read = read_objects(&objects, Edges::Clamp)?;
        assert!(matches!(&read.changes[..], [Change::Clamped { .. }]));
        Ok(())
    }

    #[test]
    fn bad_numbers_and_missing_fields_name_the_object() {
        let good = object(["1", "1", "200", "100"]);
        for xmax in ["NaN", "inf", "-5", "1e400", "201", "", "four", "0x10"] {
            let (place, _) = error(&file(&(good.clone() + &object(["1", "1", xmax, "100"]))));
            assert_eq!(place, "line 7, object[1].bndbox", "{xmax}");
        }
        assert!(error(&file("<object><name>dog</name></object>")).1.contains("bndbox"));
        assert!(error(&file("<object><bndbox/></object>")).1.contains("name is missing"));
        assert!(error(&file("<object><name>a</name><name>b</name></object>")).1.contains("twice"));
        assert!(error("<html/>").1.contains("html"));
    }

    #[test]
    fn another_size_is_refused() {
        let text = "<annotation><size><width>100</width><height>200</height></size></annotation>";

        assert_eq!(error(text).0, "line 1, size");
    }

    #[test]
    fn entities_of_the_file_are_refused() {
        let bomb = format!(
            "<!DOCTYPE a [<!ENTITY a \"{}\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>\n{}",
            "x".repeat(1000),
            file("<object><name>&c;</name></object>")
        );
        let outside = "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><annotation>&e;</annotation>";

        assert!(error(&bomb).1.contains("DTD"), "{}", error(&bomb).1);
        assert!(error(outside).1.contains("DTD"));
    }

    #[test]
    fn deep_nesting_and_too_many_nodes_are_refused() {
        assert!(error(&"<a>".repeat(100_000)).0.starts_with("line 1"));
        let wide = format!("<annotation>{}</annotation>", "<a/>".repeat(300_000));
        assert!(error(&wide).0.starts_with("line "));
    }

    #[test]
    fn too_many_objects_are_refused() {
        let objects = object(["1", "1", "2", "2"]).repeat(513);

        let error = read_objects(&objects, Edges::Reject).expect_err("the limit is 512");
        assert_eq!(error, Error::TooManyRegions { count: 513, max: 512 });
    }
}
