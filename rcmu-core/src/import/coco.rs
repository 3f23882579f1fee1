//! COCO detection JSON: `images`, `annotations`, `categories`.
//!
//! A box is `[x, y, width, height]` in pixels from the top left corner, so `[10, 20, 30, 40]` has the corners
//! `[10, 20, 40, 60]`.
//! The name of the category becomes the label; the annotation's `info` or `caption`, which are not part of the
//! published format, become the text. An annotation with both is refused.
//! Annotations with `iscrowd: 1` are left out and reported, because their box holds many objects.
//!
//! # Source
//!
//! <https://cocodataset.org/#format-data>, section 1, "Object Detection".

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::{
    Change, Corners, Edges, Imported, Reader, Unit, four, import_error, json_error, same_size, without_mark,
};
use crate::{Error, ImageSize};

const FORMAT: &str = "COCO JSON";

/// Which image of a COCO file is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CocoImage<'a> {
    /// The only image of the file.
    Only,
    /// The image with this `id`.
    Id(u64),
    /// The image with this `file_name`, compared as it is written.
    FileName(&'a str),
}

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    #[serde(default)]
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Annotation {
    id: Option<u64>,
    image_id: u64,
    category_id: u64,
    bbox: Vec<f64>,
    #[serde(default)]
    iscrowd: u8,
    info: Option<String>,
    caption: Option<String>,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// Reads the regions of one image, whose upright size is `size`.
///
/// # Errors
///
/// [`Error::Import`] with the line or the entry, such as `annotations[3].bbox`: for a file that is not COCO, an
/// image that is not there or has another size, repeated ids, unknown categories and boxes that are not valid;
/// [`Error::TooManyRegions`] over [`RegionSet::MAX`](crate::RegionSet::MAX) for the image.
pub fn read(text: &str, image: CocoImage<'_>, size: ImageSize, edges: Edges) -> Result<Imported, Error> {
    let file: File = serde_json::from_str(without_mark(text)).map_err(|error| json_error(FORMAT, &error))?;
    unique("images", file.images.iter().map(|image| Some(image.id)))?;
    unique("categories", file.categories.iter().map(|category| Some(category.id)))?;
    unique("annotations", file.annotations.iter().map(|annotation| annotation.id))?;
    let image_id = choose(&file.images, image, size)?;
    let categories: HashMap<u64, (usize, &str)> = (0..)
        .zip(&file.categories)
        .map(|(index, category)| (category.id, (index, &*category.name)))
        .collect();

    let mut reader = Reader::new(FORMAT, edges);
    for (index, annotation) in file.annotations.into_iter().enumerate() {
        if annotation.image_id != image_id {
            continue;
        }
        let place = format!("annotations[{index}]");
        if annotation.iscrowd != 0 {
            reader.imported.changes.push(Change::CrowdLeftOut { place });
            continue;
        }
        let Some(&(category, label)) = categories.get(&annotation.category_id) else {
            let problem = format!("no category has the id {}", annotation.category_id);
            return Err(reader.error(&format!("{place}.category_id"), problem));
        };
        if label.trim().is_empty() {
            return Err(reader.error(&format!("categories[{category}].name"), "the name is empty"));
        }
        let info = match (annotation.info, annotation.caption) {
            (Some(_), Some(_)) => {
                return Err(reader.error(&place, "has an info and a caption, expected one of them"));
            }
            (info, caption) => info.or(caption).unwrap_or_default(),
        };
        let box_place = format!("{place}.bbox");
        let [x, y, width, height] = four(FORMAT, &box_place, &annotation.bbox)?;
        let corners =
            Corners { place: &box_place, xyxy: [x, y, x + width, y + height], unit: Unit::Pixels(size) };
        reader.push(&place, label.to_owned(), Some(corners), info)?;
    }
    Ok(reader.imported)
}

/// The id of the chosen image, whose size must be the one given where the file says it.
fn choose(images: &[Image], choice: CocoImage<'_>, size: ImageSize) -> Result<u64, Error> {
    let mut found = images.iter().enumerate().filter(|(_, image)| match choice {
        CocoImage::Only => true,
        CocoImage::Id(id) => image.id == id,
        CocoImage::FileName(name) => image.file_name == name,
    });
    let Some((index, image)) = found.next() else {
        return Err(import_error(FORMAT, "images", format!("no image is {choice:?}")));
    };
    if found.next().is_some() {
        return Err(import_error(FORMAT, "images", format!("more than one image is {choice:?}")));
    }
    if let (Some(width), Some(height)) = (image.width, image.height) {
        same_size(FORMAT, &format!("images[{index}]"), [width, height], size)?;
    }
    Ok(image.id)
}

/// Checks that no two entries of a list have the same id.
fn unique(list: &str, ids: impl Iterator<Item = Option<u64>>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        if let Some(id) = id
            && !seen.insert(id)
        {
            let place = format!("{list}[{index}].id");
            return Err(import_error(FORMAT, &place, format!("the id {id} is used twice")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BBox, Region};

    const IMAGES: &str = r#"{"id": 7, "file_name": "park.jpg", "width": 640, "height": 480, "license": 1},
                            {"id": 8, "file_name": "sea.jpg"}"#;

    fn file(annotations: &str) -> String {
        format!(
            r#"{{"info": {{"year": 2017}}, "images": [{IMAGES}], "annotations": [{annotations}],
                "categories": [{{"id": 1, "name": "person", "supercategory": "person"}},
                               {{"id": 18, "name": "dog"}}]}}"#
        )
    }

    fn park(annotations: &str, edges: Edges) -> Result<Imported, Error> {
        read(&file(annotations), CocoImage::Id(7), ImageSize::new(640, 480)?, edges)
    }

    fn place(annotations: &str) -> String {
        match park(annotations, Edges::Reject) {
            Err(Error::Import { place, .. }) => place,
            other => panic!("{other:?} for {annotations}"),
        }
    }

    #[test]
    fn width_and_height_become_corners() -> Result<(), Error> {
        // [64, 48, 320, 240] -> corners [64, 48, 384, 288] -> 100, 100, 600, 600 of 640x480.
        // [0.64, 0, 6.4, 480] -> [0.64, 0, 7.04, 480] -> 1, 0, 11, 1000.
        let read = park(
            r#"{"id": 1, "image_id": 7, "category_id": 18, "bbox": [64, 48, 320, 240], "iscrowd": 0,
                "area": 76800, "segmentation": [[1, 2, 3, 4]]},
               {"id": 2, "image_id": 8, "category_id": 18, "bbox": [0, 0, 9999, 1]},
               {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0.64, 0, 6.4, 480.0], "caption": "Lily."}"#,
            Edges::Reject,
        )?;

        let expected = vec![
            Region::new("dog", Some(BBox::new(100, 100, 600, 600)?), "")?,
            Region::new("person", Some(BBox::new(1, 0, 11, 1000)?), "Lily.")?,
        ];
        assert_eq!(Vec::from(read.regions), expected);
        Ok(())
    }

    #[test]
    fn an_image_is_chosen_by_id_or_name() -> Result<(), Error> {
        let text = file(r#"{"image_id": 8, "category_id": 1, "bbox": [0, 0, 5, 5]}"#);
        let size = ImageSize::new(10, 10)?;

        assert_eq!(read(&text, CocoImage::Id(8), size, Edges::Reject)?.regions.len(), 1);
        assert_eq!(read(&text, CocoImage::FileName("sea.jpg"), size, Edges::Reject)?.regions.len(), 1);
        for wrong in [CocoImage::Id(9), CocoImage::FileName("a.jpg"), CocoImage::Only] {
            assert!(matches!(read(&text, wrong, size, Edges::Reject), Err(Error::Import { .. })));
        }
        Ok(())
    }

    #[test]
    fn an_image_of_another_size_is_refused() -> Result<(), Error> {
        let error = read(&file(""), CocoImage::Id(7), ImageSize::new(480, 640)?, Edges::Reject)
            .expect_err("the file says 640x480");

        assert!(matches!(error, Error::Import { place, .. } if place == "images[0]"));
        Ok(())
    }

    #[test]
    fn crowds_are_left_out_and_reported() -> Result<(), Error> {
        let read = park(
            r#"{"image_id": 7, "category_id": 1, "bbox": [0, 0, 640, 480], "iscrowd": 1,
                "segmentation": {"counts": [1], "size": [480, 640]}}"#,
            Edges::Reject,
        )?;

        assert!(read.regions.is_empty());
        assert_eq!(read.changes, [Change::CrowdLeftOut { place: "annotations[0]".to_owned() }]);
        Ok(())
    }

    #[test]
    fn errors_name_the_annotation() {
        let good = r#"{"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5]}"#;
        let after = |entry: &str| place(&format!("{good}, {entry}"));

        for bbox in [
            "[0, 0, 641, 5]",
            "[0, 0, -5, 5]",
            "[0, 0, 0, 5]",
            "[-1, 0, 5, 5]",
            "[1, 2, 3]",
            "[1e308, 0, 1e308, 1]",
        ] {
            let entry = format!(r#"{{"image_id": 7, "category_id": 1, "bbox": {bbox}}}"#);
            assert_eq!(after(&entry), "annotations[1].bbox", "{bbox}");
        }
        let unknown = r#"{"image_id": 7, "category_id": 2, "bbox": [0, 0, 5, 5]}"#;
        assert_eq!(after(unknown), "annotations[1].category_id");
        assert_eq!(after(good), "annotations[1].id");
        assert!(after(r#"{"image_id": 7, "category_id": 1, "bbox": [0, 0, NaN, 5]}"#).starts_with("line "));
    }

    #[test]
    fn a_blank_name_is_the_fault_of_its_category() {
        let text = file(r#"{"image_id": 7, "category_id": 18, "bbox": [0, 0, 5, 5]}"#).replace("dog", " ");

        let error =
            ImageSize::new(640, 480).and_then(|size| read(&text, CocoImage::Id(7), size, Edges::Reject));

        assert!(matches!(error, Err(Error::Import { place, .. }) if place == "categories[1].name"));
    }

    #[test]
    fn an_info_beside_a_caption_is_refused_by_name() {
        let both = r#"{"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "info": "Lily.", "caption": "A man."}"#;

        let Err(Error::Import { place, problem, .. }) = park(both, Edges::Reject) else {
            panic!("two texts")
        };

        assert_eq!(place, "annotations[0]");
        assert!(problem.contains("info") && problem.contains("caption"), "{problem}");
    }

    #[test]
    fn too_many_annotations_of_one_image_are_refused() -> Result<(), Error> {
        let entry =
            |image: u32| format!(r#"{{"image_id": {image}, "category_id": 1, "bbox": [0, 0, 5, 5]}}"#);
        let elsewhere = vec![entry(8); 100_000].join(",");
        let here = vec![entry(7); 513].join(",");

        assert_eq!(park(&elsewhere, Edges::Reject)?.regions.len(), 0);
        let error = park(&here, Edges::Reject).expect_err("the limit is 512");
        assert!(matches!(error, Error::TooManyRegions { max: 512, .. }));
        Ok(())
    }

    #[test]
    fn deep_nesting_is_no_stack_overflow() {
        let deep = "[".repeat(1_000_000);
        let entry =
            format!(r#"{{"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "segmentation": {deep}"#);

        assert!(place(&entry).starts_with("line "));
        assert!(place(&deep).starts_with("line "));
    }
}
