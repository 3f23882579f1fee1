use std::{
    fs::{self, File},
    io::{Cursor, Read},
    path::{Component, Path, PathBuf},
};

use image::{ImageDecoder, ImageReader, Limits, metadata::Orientation};
use rcmu_core::{ImageSize, Picture, Question, Scene};

use crate::{Error, PictureSource, Sample, figurines};

/// Most bytes of a picture file.
const MAX_FILE_BYTES: u64 = 32 << 20;
/// Longest side of a picture in pixels.
const MAX_SIDE: u32 = 16_384;
/// Most memory for reading the header of a picture, in bytes.
const MAX_ALLOC: u64 = 256 << 20;

impl Sample {
    /// Opens the pictures, and gives the scene and the question as the prompt asks it.
    ///
    /// Files are found in `folder`; a link there may lead elsewhere. Scenes of the figurine world are drawn.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the picture whose name leaves the folder, that is no regular file, over 32 MiB, or no PNG,
    /// JPEG or WebP; [`Error::File`] when it cannot be read; [`Error::Core`] when a text or a list is over its limit.
    pub fn open(&self, folder: &Path) -> Result<(Scene, Question), Error> {
        let (picture, size) = self.picture.open_as("picture", folder)?;
        let references = (0..).zip(&self.references).map(|(at, reference)| {
            let opened = reference.picture.open_as(&format!("references[{at}].picture"), folder)?;
            Ok(opened.0)
        });
        let references = references.collect::<Result<_, Error>>()?;
        Ok((self.to_scene(picture, size, references)?, self.to_question()?))
    }
}

impl PictureSource {
    /// Opens the picture, and gives its size as a person sees it, after its EXIF orientation.
    ///
    /// # Errors
    ///
    /// As [`Sample::open`].
    pub fn open(&self, folder: &Path) -> Result<(Picture, ImageSize), Error> {
        self.open_as("picture", folder)
    }

    fn open_as(&self, field: &str, folder: &Path) -> Result<(Picture, ImageSize), Error> {
        match self {
            Self::File(name) => {
                let wrong = |message: String| Error::Field { field: field.to_owned(), message };
                check_file_name(name).map_err(wrong)?;
                let bytes = read_file(folder.join(name), field)?;
                let size = upright_size(&bytes).map_err(wrong)?;
                Ok((Picture::from_bytes(bytes), size))
            }
            Self::Figurines(spec) => {
                let drawn = figurines::draw(spec)?;
                let size = ImageSize::new(drawn.width(), drawn.height())?;
                Ok((Picture::Rgb { size, pixels: drawn.into_raw().into() }, size))
            }
        }
    }
}

/// Checks that the name of a file stays in its folder, on every platform; says what is wrong with it.
pub(crate) fn check_file_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains('\0') {
        return Err("is empty or has a NUL in it".into());
    }
    if name.contains('\\') || name.contains(':') {
        return Err("has a backslash or a colon in it: expected a file in the dataset's folder".into());
    }
    for part in Path::new(name).components() {
        match part {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return Err("has `..` in it".into()),
            _ => return Err("is an absolute path: expected a file in the dataset's folder".into()),
        }
    }
    Ok(())
}

fn read_file(path: PathBuf, field: &str) -> Result<Vec<u8>, Error> {
    let shown = path.display().to_string();
    let refused =
        |problem: &str| Error::Field { field: field.to_owned(), message: format!("{problem}: {shown}") };
    let failed = |source| Error::File { path: path.clone(), source };
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(refused("is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(refused("has more than 32 MiB"));
    }
    Ok(bytes)
}

/// The size of a picture as a person sees it; nothing but its header is decoded.
fn upright_size(bytes: &[u8]) -> Result<ImageSize, String> {
    let unreadable = |error: image::ImageError| format!("cannot be read: {error}");
    let mut reader = ImageReader::new(Cursor::new(bytes));
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(|error| unreadable(error.into()))?;
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let size = ImageSize::new(width, height).map_err(|error| error.to_string())?;
    // A broken EXIF block counts as none.
    Ok(match decoder.orientation().unwrap_or(Orientation::NoTransforms) {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => size.transposed(),
        _ => size,
    })
}
