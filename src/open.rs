use std::{fs::File, io::Read, path::Path};

use rcmu_core::{
    ImageSize, Picture, RegionSet, Scene,
    import::{Edges, regions_json},
};
use rcmu_model::processor::{Dialect, ExifRule, PictureLimits, inspect, read_picture};

use crate::Error;

/// Most bytes of a region file: 512 regions with the longest texts.
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
/// Boxes in pixels refer to the picture as a person sees it, after its EXIF orientation.
///
/// # Errors
///
/// [`Error::Model`] when the file cannot be read, is over the limits or is no PNG, JPEG or WebP.
pub fn open(path: impl AsRef<Path>) -> Result<Scene, Error> {
    scene(open_picture(path)?)
}

/// Makes a scene without regions from a picture in memory.
///
/// # Errors
///
/// [`Error::Model`] when the bytes are over the limits or are no PNG, JPEG or WebP.
pub fn scene(picture: Picture) -> Result<Scene, Error> {
    let size = upright_size(&picture)?;
    Ok(Scene::new(picture, size))
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

/// The size of a picture as a person sees it.
fn upright_size(picture: &Picture) -> Result<ImageSize, Error> {
    match picture {
        Picture::Encoded(bytes) => {
            let header = inspect(bytes, &PictureLimits::default())?;
            Ok(match Dialect::default().exif_rule() {
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
