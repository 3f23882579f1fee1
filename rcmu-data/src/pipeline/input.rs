use std::collections::BTreeSet;

use rcmu_core::BBox;
use serde::{Deserialize, Serialize};

use super::{PipelineError, criteria::marks};
use crate::{Error, PictureSource, open::check_file_name};

/// Most objects of a picture.
const MAX_OBJECTS: usize = 64;
/// Most expressions of an object.
const MAX_EXPRESSIONS: usize = 16;
/// Most bytes of an id.
const MAX_ID: usize = 256;
/// Most bytes of a class noun.
const MAX_NOUN: usize = 64;
/// Most bytes of an expression.
const MAX_EXPRESSION: usize = 1024;
/// Most bytes of a caption.
const MAX_CAPTION: usize = 2048;

/// An object of a picture: what it is, where it is, and how it can be named by what is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotatedObject {
    /// The class noun, such as `woman`.
    pub noun: String,
    /// Where it is.
    pub bbox: BBox,
    /// Visual referring expressions, such as `the woman in the red coat`; may be empty.
    #[serde(default)]
    pub expressions: Vec<String>,
}

/// A picture with its objects, as the pipeline takes it.
///
/// # Examples
///
/// ```
/// use rcmu_core::BBox;
/// use rcmu_data::{PictureSource, pipeline::{AnnotatedObject, AnnotatedPicture}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let picture = AnnotatedPicture {
///     id: "park-1".into(),
///     picture: PictureSource::File("park.jpg".into()),
///     objects: vec![AnnotatedObject {
///         noun: "woman".into(),
///         bbox: BBox::new(100, 80, 420, 960)?,
///         expressions: vec!["the woman in the red coat".into()],
///     }],
///     caption: Some("A woman [1] is standing in a park.".into()),
/// };
/// picture.check()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotatedPicture {
    /// A name that is unique in the run.
    pub id: String,
    /// The picture.
    pub picture: PictureSource,
    /// The objects; the first is `[1]`.
    pub objects: Vec<AnnotatedObject>,
    /// What the picture shows, with `[k]` after the mention of object k; made from the expressions when missing.
    #[serde(default)]
    pub caption: Option<String>,
}

impl AnnotatedPicture {
    /// Checks that the annotation can be used.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the first field that is blank, too long, has line breaks or control characters, leaves
    /// the folder, or cites an object that is not there.
    pub fn check(&self) -> Result<(), Error> {
        check_line("id", &self.id, MAX_ID)?;
        if let PictureSource::File(name) = &self.picture {
            check_file_name(name).map_err(|message| wrong("picture", message))?;
        }
        let count = self.objects.len();
        if count == 0 || count > MAX_OBJECTS {
            return Err(wrong("objects", format!("are {count}; 1 to {MAX_OBJECTS} are possible")));
        }
        for (at, object) in self.objects.iter().enumerate() {
            check_line(&format!("objects[{at}].noun"), &object.noun, MAX_NOUN)?;
            if object.expressions.len() > MAX_EXPRESSIONS {
                let message =
                    format!("are {}; at most {MAX_EXPRESSIONS} are possible", object.expressions.len());
                return Err(wrong(&format!("objects[{at}].expressions"), message));
            }
            for (place, expression) in object.expressions.iter().enumerate() {
                check_line(&format!("objects[{at}].expressions[{place}]"), expression, MAX_EXPRESSION)?;
            }
        }
        if let Some(caption) = &self.caption {
            check_line("caption", caption, MAX_CAPTION)?;
            if let Some((_, cited)) = marks(caption).iter().find(|(_, k)| !(1..=count as u32).contains(k)) {
                return Err(wrong("caption", format!("cites {cited}, none of 1..={count}")));
            }
        }
        Ok(())
    }
}

/// Checks all pictures and that their ids differ.
pub(super) fn check_all(pictures: &[AnnotatedPicture]) -> Result<(), PipelineError> {
    let mut ids = BTreeSet::new();
    for picture in pictures {
        let id = || picture.id.chars().take(MAX_ID).collect();
        picture.check().map_err(|source| PipelineError::Picture { id: id(), source })?;
        if !ids.insert(&picture.id) {
            return Err(PipelineError::DuplicateId { id: id() });
        }
    }
    Ok(())
}

fn check_line(field: &str, text: &str, max: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(wrong(field, "is blank"));
    }
    if text.len() > max {
        return Err(wrong(field, format!("has {} bytes, at most {max} are possible", text.len())));
    }
    if !super::criteria::is_one_line(text) {
        return Err(wrong(field, "has line breaks or control characters"));
    }
    Ok(())
}

fn wrong(field: &str, message: impl Into<String>) -> Error {
    Error::Field { field: field.to_owned(), message: message.into() }
}
