use std::{fs::File, io::Read, path::Path};

use rcmu_core::{
    ImageSize, Picture, RegionSet, Scene,
    import::{Edges, regions_json},
};
use rcmu_model::processor::{Dialect, ExifRule, PictureLimits, Processor, inspect, read_picture};

use crate::Error;

/// Most bytes of a region file: twice those of 512 regions with the longest texts, where no character is escaped.
const MAX_REGION_BYTES: u64 = 64 << 20;

/// Reads a picture file; nothing is decoded yet.
///
/// # Errors
///
/// [`Error::Model`] when the file cannot be read, is over the limits or is no PNG, JPEG or WebP.
pub fn open_picture(path: impl AsRef<Path>) -> Result<Picture, Error> {
    Ok(read_picture(path.as_ref(), &PictureLimits::default())?)
}

/// Opens a picture file as a scene without regions.
///
/// Boxes in pixels refer to the picture as a person sees it, after its EXIF orientation, which is what the default dialect
/// shows the model; for others see [`open_as`].
///
/// # Errors
///
/// [`Error::Model`] when the file cannot be read, is over the limits or is no PNG, JPEG or WebP.
pub fn open(path: impl AsRef<Path>) -> Result<Scene, Error> {
    scene(open_picture(path)?)
}

/// As [`open`], for a model that reads pictures in a dialect ([`model::LoadOptions::dialect`](rcmu_model::LoadOptions::dialect)):
/// boxes in pixels refer to the picture as it is seen there, with or without its EXIF orientation.
///
/// # Errors
///
/// As [`open`].
pub fn open_as(path: impl AsRef<Path>, dialect: Dialect) -> Result<Scene, Error> {
    scene_as(open_picture(path)?, dialect)
}

/// Makes a scene without regions from a picture in memory.
///
/// # Errors
///
/// [`Error::Model`] when the bytes are over the limits or are no PNG, JPEG or WebP.
pub fn scene(picture: Picture) -> Result<Scene, Error> {
    scene_as(picture, Dialect::default())
}

/// As [`scene`], for a model that reads pictures in a dialect; see [`open_as`].
///
/// # Errors
///
/// As [`scene`].
pub fn scene_as(picture: Picture, dialect: Dialect) -> Result<Scene, Error> {
    let size = seen_size(&picture, dialect, &PictureLimits::default())?;
    Ok(Scene::new(picture, size))
}

/// Checks that a scene has the size in which a processor shows its picture.
pub(crate) fn check_size(scene: &Scene, processor: &Processor) -> Result<(), Error> {
    let seen = seen_size(scene.picture(), processor.dialect(), processor.limits())?;
    if seen == scene.size() { Ok(()) } else { Err(Error::SceneSize { scene: scene.size(), seen }) }
}

/// Reads regions from a file of the project's JSON form and adds them to the scene.
///
/// # Errors
///
/// [`Error::Model`] when the file cannot be opened or read, [`Error::RegionFile`] when it is no regular file of UTF-8 text
/// within 64 MiB, [`Error::Input`] with the line or entry that is wrong.
pub fn open_regions(path: impl AsRef<Path>, scene: Scene) -> Result<Scene, Error> {
    let path = path.as_ref();
    let failed = |source| Error::Model(rcmu_model::Error::ReadFile { path: path.to_owned(), source });
    let refused = |problem: String| Error::RegionFile { path: path.to_owned(), problem };
    // Asked before opening: opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused("is not a regular file".into()));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_REGION_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_REGION_BYTES {
        return Err(refused(format!("has more than {MAX_REGION_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".into()))?;
    let regions: RegionSet = regions_json::read(&text, scene.size(), Edges::Reject)?.regions;
    Ok(scene.with_regions(regions)?)
}

/// The size of a picture as it is seen in a dialect.
fn seen_size(picture: &Picture, dialect: Dialect, limits: &PictureLimits) -> Result<ImageSize, Error> {
    match picture {
        Picture::Encoded(bytes) => {
            let header = inspect(bytes, limits)?;
            Ok(match dialect.exif_rule() {
                ExifRule::Apply => header.orientation.turn_size(header.file_size),
                ExifRule::Ignore => header.file_size,
            })
        }
        Picture::Rgb { size, .. } => Ok(*size),
        _ => Err(rcmu_model::Error::UnknownVisual.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Result<Scene, Error> {
        let size = ImageSize::new(10, 10)?;
        Ok(Scene::new(Picture::Rgb { size, pixels: vec![0; 300].into() }, size))
    }

    #[test]
    fn a_directory_is_no_region_file() -> Result<(), Error> {
        let result = open_regions(env!("CARGO_MANIFEST_DIR"), blank()?);

        assert!(matches!(result, Err(Error::RegionFile { .. })));
        Ok(())
    }

    #[test]
    fn a_picture_is_no_region_file() -> Result<(), Error> {
        let result = open_regions(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/scene.png"), blank()?);

        assert!(matches!(result, Err(Error::RegionFile { .. })));
        Ok(())
    }
}
