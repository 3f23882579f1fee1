//! Pascal VOC XML: one `annotation` with its `object`s.
//!
//! Corners count pixels from 1 and both belong to the box: `xmin` 1 and `xmax` 4 are the columns 0, 1, 2 and 3,
//! which is `x1` 0 and `x2` 4 here. So `[xmin - 1, ymin - 1, xmax, ymax]` are the half-open corners.
//! Tools that count from 0 write `xmin` 0, which lies outside and is refused, or cut on request.
//!
//! The object's `name` becomes the label; its `info`, which is not part of the published format, the text.
//! Comments inside a text are left out of it; elements inside it are refused, and so is a field that stands twice.
//! Document type definitions are refused, and with them every entity that they could define.
//!
//! # Source
//!
//! "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 2.3.3: "the top-left pixel in the
//! image has coordinates (1, 1)".

use roxmltree::{Document, Node, ParsingOptions};

use super::{Corners, Edges, Imported, Reader, Unit, import_error, same_size, shown, without_mark};
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
            shown(&error.to_string()),
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        let problem = format!("expected an annotation, found {}", shown(root.tag_name().name()));
        return Err(import_error(FORMAT, "line 1", problem));
    }
    let mut lines = Lines { text, row: 1, at: 0 };
    if let Some(node) = child(root, "annotation", "size")? {
        let place = lines.place(node, "size");
        let sides = [side(node, &place, "width")?, side(node, &place, "height")?];
        same_size(FORMAT, &place, sides, size)?;
    }
    let mut reader = Reader::new(FORMAT, edges);
    for (index, object) in root.children().filter(|node| node.has_tag_name("object")).enumerate() {
        let place = lines.place(object, &format!("object[{index}]"));
        let label = text_of(object, &place, "name")?;
        let info = child(object, &place, "info")?.map(|info| text_in(info, &place)).transpose()?;
        let bndbox = child(object, &place, "bndbox")?.ok_or_else(|| missing(&place, "bndbox"))?;
        let box_place = lines.place(bndbox, &format!("object[{index}].bndbox"));
        let xyxy = [
            number(bndbox, &box_place, "xmin")? - 1.0,
            number(bndbox, &box_place, "ymin")? - 1.0,
            number(bndbox, &box_place, "xmax")?,
            number(bndbox, &box_place, "ymax")?,
        ];
        let corners = Corners { place: &box_place, xyxy, unit: Unit::Pixels(size) };
        reader.push(&place, label, Some(corners), info.unwrap_or_default())?;
    }
    Ok(reader.imported)
}

/// The direct child with this name; two of them are an error.
fn child<'a, 'i>(node: Node<'a, 'i>, place: &str, name: &str) -> Result<Option<Node<'a, 'i>>, Error> {
    let mut found = node.children().filter(|child| child.has_tag_name(name));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(import_error(FORMAT, place, format!("{name} stands twice"))),
        (only, _) => Ok(only),
    }
}

fn missing(place: &str, name: &str) -> Error {
    import_error(FORMAT, place, format!("{name} is missing"))
}

/// The text of a child, without the blanks around it.
fn text_of(node: Node<'_, '_>, place: &str, name: &str) -> Result<String, Error> {
    let child = child(node, place, name)?.ok_or_else(|| missing(place, name))?;
    text_in(child, place)
}

/// The text of a node, without the blanks around it. Comments cut it into several nodes.
fn text_in(node: Node<'_, '_>, place: &str) -> Result<String, Error> {
    if let Some(element) = node.children().find(Node::is_element) {
        let [outer, inner] = [node, element].map(|node| node.tag_name().name());
        let problem = format!("{outer} has the element {} in it, expected text", shown(inner));
        return Err(import_error(FORMAT, place, problem));
    }
    let text: String = node.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
    Ok(text.trim().to_owned())
}

fn number(node: Node<'_, '_>, place: &str, name: &str) -> Result<f64, Error> {
    let text = text_of(node, place, name)?;
    text.parse().map_err(|_| not_a(place, name, &text, "a number"))
}

/// A side of the image, in whole pixels.
fn side(node: Node<'_, '_>, place: &str, name: &str) -> Result<u32, Error> {
    let text = text_of(node, place, name)?;
    let whole = |value: &f64| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value);
    let value = text.parse().ok().filter(whole);
    value.map(|value| value as u32).ok_or_else(|| not_a(place, name, &text, "a whole number"))
}

fn not_a(place: &str, name: &str, text: &str, expected: &str) -> Error {
    import_error(FORMAT, place, format!("{name} is \"{}\", expected {expected}", shown(text)))
}

/// Counts lines as far as they are asked for, so that places in the order of the file cost one pass over it.
struct Lines<'a> {
    text: &'a str,
    row: usize,
    at: usize,
}

impl Lines<'_> {
    /// The place of a node, with its line.
    fn place(&mut self, node: Node<'_, '_>, path: &str) -> String {
        let start = node.range().start;
        if start < self.at {
            (self.row, self.at) = (1, 0);
        }
        self.row += self.text[self.at..start].matches('\n').count();
        self.at = start;
        format!("line {}, {path}", self.row)
    }
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
    fn texts_are_read_whole_or_refused() -> Result<(), Error> {
        let with = |info: &str| object(["1", "1", "200", "100"]).replace("<pose>", &format!("{info}<pose>"));
        let info = |info: &str| -> Result<String, Error> {
            let read = read_objects(&with(info), Edges::Reject)?;
            Ok(read.regions.iter().map(|(_, region)| region.info().to_owned()).collect())
        };

        assert_eq!(info("<info><!-- x -->Bella.</info>")?, "Bella.");
        assert_eq!(
            info("<info> Bella <!-- x -->is <![CDATA[<2>]]> &amp; black. </info>")?,
            "Bella is <2> & black."
        );
        assert_eq!(info("<info/>")?, "");
        let (place, problem) = error(&file(&with("<info>Bella <b>is</b> 2.</info>")));
        assert_eq!((place.as_str(), problem.contains("element b")), ("line 3, object[0]", true), "{problem}");
        Ok(())
    }

    #[test]
    fn fields_that_stand_twice_are_refused() {
        let good = object(["1", "1", "200", "100"]);
        let bndbox = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>";
        for twice in [
            file(&good.replace("<pose>", "<info>a</info><info>b</info><pose>")),
            file(&good.replace("<pose>", &format!("{bndbox}<pose>"))),
            file(&good)
                .replace("<filename>", "<size><width>200</width><height>100</height></size><filename>"),
        ] {
            assert!(error(&twice).1.contains("twice"), "{twice}");
        }
    }

    #[test]
    fn a_blank_name_is_the_fault_of_its_object() {
        let blank = object(["1", "1", "200", "100"]).replace("<name> dog </name>", "<name> </name>");

        assert_eq!(error(&file(&blank)), ("line 3, object[0]".to_owned(), "label is empty".to_owned()));
    }

    #[test]
    fn sides_are_whole_numbers() -> Result<(), Error> {
        let sized = |width: &str| file("").replace(">200<", &format!(">{width}<"));

        for width in ["200.7", "-200", "1e300", "NaN", "inf", ""] {
            assert_eq!(error(&sized(width)).0, "line 2, size", "{width}");
        }
        assert!(read(&sized("200.0"), ImageSize::new(200, 100)?, Edges::Reject).is_ok());
        Ok(())
    }

    #[test]
    fn lines_are_counted_wherever_the_size_stands() {
        let size = "<size><width>200</width><height>100</height></size>";
        let text =
            format!("<annotation>\n<object>\n<name>a</name></object>\n\n{size}\n<object/></annotation>");

        assert_eq!(error(&text).0, "line 2, object[0]");
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
