use std::path::Path;

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
/// [`Error::Model`] when the file cannot be read; [`Error::Input`] with the line or entry that is wrong.
pub fn open_regions(path: impl AsRef<Path>, scene: Scene) -> Result<Scene, Error> {
    let path = path.as_ref();
    let failed = |source| Error::Model(rcmu_model::Error::ReadFile { path: path.to_owned(), source });
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_REGION_BYTES {
        let problem = format!("is no regular file of at most {MAX_REGION_BYTES} bytes");
        return Err(rcmu_model::Error::CheckpointFile { path: path.to_owned(), problem }.into());
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
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
