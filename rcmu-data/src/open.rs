use std::{
    fs::{self, File},
    io::{Cursor, Read},
    path::{Component, Path},
};

use image::{ImageDecoder, ImageReader, Limits, metadata::Orientation};
use rcmu_core::{ImageSize, Picture, Question, Scene};

use crate::{Error, PictureSource, Sample, figurines};

/// Most bytes of a picture file.
const MAX_FILE_BYTES: u64 = 32 << 20;
/// Longest side of a picture in pixels.
const MAX_SIDE: u32 = 16_384;
/// Most pixels of a picture.
const MAX_PIXELS: u64 = 64_000_000;
/// Most memory for the header of a picture, and for its pixels as the file stores them, in bytes.
const MAX_ALLOC: u64 = 256 << 20;

impl Sample {
    /// Opens the pictures, and gives the scene and the question as the prompt asks it.
    ///
    /// Files are found in `folder`; a link there may lead elsewhere. Scenes of the figurine world are drawn.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the picture whose name leaves the folder, that is no regular file, over 32 MiB, no PNG,
    /// JPEG or WebP, or over 64 million pixels or 256 MiB when it is decoded; [`Error::File`] when it cannot be read; [`Error::Core`] when a text or a list is over its limit.
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
                let bytes = read_file(&folder.join(name), field)?;
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

fn read_file(path: &Path, field: &str) -> Result<Vec<u8>, Error> {
    let shown = path.display().to_string();
    let refused =
        |problem: &str| Error::Field { field: field.to_owned(), message: format!("{problem}: {shown}") };
    let failed = |source| Error::File { path: path.to_owned(), source };
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused("is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
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
    if size.pixels() > MAX_PIXELS {
        return Err(format!("is {size}, the limit is 64 million pixels"));
    }
    if decoder.total_bytes() > MAX_ALLOC {
        return Err(format!(
            "takes {} bytes when it is decoded, the limit is 256 MiB",
            decoder.total_bytes()
        ));
    }
    // A broken EXIF block counts as none.
    Ok(match decoder.orientation().unwrap_or(Orientation::NoTransforms) {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => size.transposed(),
        _ => size,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use image::{
        ColorType, ExtendedColorType, ImageEncoder,
        codecs::{jpeg::JpegEncoder, png::PngEncoder},
    };
    use rcmu_core::BBox;

    use super::*;
    use crate::{
        Kind, Provenance,
        figurines::{Backdrop, Colour, Figurine, SceneSpec, Shape, Size},
    };

    /// A folder of this test, empty at first.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rcmu-open-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn sample(picture: PictureSource) -> Sample {
        Sample {
            id: "a".into(),
            picture,
            references: vec![],
            regions: vec![],
            kind: Kind::Open,
            question: "Who?".into(),
            options: vec![],
            cited: false,
            answer: "Lily.".into(),
            accepted: vec![],
            citations: vec![],
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    /// A JPEG of 12 by 8 pixels with this EXIF orientation.
    fn jpeg(orientation: u8) -> Vec<u8> {
        // Header, one entry: tag 0x0112, type short, count 1, the value.
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        exif[18] = orientation;
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&[9; 12 * 8 * 3], 12, 8, ColorType::Rgb8.into()).unwrap();
        bytes
    }

    #[test]
    fn the_size_is_that_of_the_upright_picture() {
        let folder = folder("upright");
        for orientation in 1..=8 {
            fs::write(folder.join("a.jpg"), jpeg(orientation)).unwrap();

            let (scene, question) = sample(PictureSource::File("a.jpg".into())).open(&folder).unwrap();

            // Orientations 5 to 8 turn the picture by a quarter.
            let expected = if orientation < 5 { "12x8" } else { "8x12" };
            assert_eq!(scene.size().to_string(), expected, "{orientation}");
            assert_eq!(question.text(), "Who?");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in
            ["", "/etc/passwd", "../a.png", "a/../../b", "C:\\a.png", "a\\b", "\\\\host\\a", "a\0", "c:a"]
        {
            let refused = sample(PictureSource::File(name.into())).open(Path::new("/"));
            assert!(matches!(refused, Err(Error::Field { ref field, .. }) if field == "picture"), "{name:?}");
        }
        for name in ["a.png", "./a.png", "a/b c/é..png"] {
            assert_eq!(check_file_name(name), Ok(()));
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let folder = folder("refused");
        fs::write(folder.join("text.png"), "no picture").unwrap();
        fs::write(folder.join("cut.jpg"), &jpeg(1)[..30]).unwrap();
        fs::create_dir(folder.join("folder.png")).unwrap();
        let huge = File::create(folder.join("huge.png")).unwrap();
        huge.set_len(MAX_FILE_BYTES + 1).unwrap();

        for (name, expected) in [
            ("text.png", "`picture` cannot be read"),
            ("cut.jpg", "`picture` cannot be read"),
            ("folder.png", "`picture` is not a regular file"),
            ("huge.png", "`picture` has more than 32 MiB"),
            ("none.png", "cannot use"),
        ] {
            let error = PictureSource::File(name.into()).open(&folder).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    /// A PNG of one pixel of 16 bits a channel whose header says that it has this size.
    fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(&[9; 8], 1, 1, ExtendedColorType::Rgba16).unwrap();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        // The checksum over `IHDR` and its 13 bytes: the reflected CRC-32 of the PNG specification, annex D.
        let crc = bytes[12..29].iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        });
        bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
        bytes
    }

    #[test]
    fn a_picture_that_decodes_to_too_much_is_refused_by_its_header() {
        let folder = folder("bomb");
        for (width, height, expected) in [
            (16_384, 16_384, "`picture` is 16384x16384, the limit is 64 million pixels"),
            // 36 million pixels of 8 bytes.
            (6000, 6000, "`picture` takes 288000000 bytes when it is decoded, the limit is 256 MiB"),
        ] {
            fs::write(folder.join("bomb.png"), png_that_claims(width, height)).unwrap();

            let error = PictureSource::File("bomb.png".into()).open(&folder).unwrap_err();

            assert_eq!(error.to_string(), expected);
        }
        fs::write(folder.join("large.png"), png_that_claims(5000, 5000)).unwrap();
        assert!(PictureSource::File("large.png".into()).open(&folder).is_ok());
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = folder("pipe");
        let pipe = folder.join("pipe.png");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());

        let error = PictureSource::File("pipe.png".into()).open(&folder).unwrap_err();

        assert!(error.to_string().contains("is not a regular file"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_scene_of_figurines_is_drawn() {
        let figurine = Figurine {
            shape: Shape::Owl,
            colour: Colour::Red,
            size: Size::Large,
            accessory: None,
            stand: None,
            bbox: BBox::new(300, 300, 700, 700).unwrap(),
        };
        let spec = SceneSpec {
            version: SceneSpec::VERSION,
            side: 96,
            backdrop: Backdrop::Studio,
            backdrop_seed: 1,
            figurines: vec![figurine],
        };

        let (picture, size) = PictureSource::Figurines(Box::new(spec)).open(Path::new("none")).unwrap();

        assert_eq!(size.to_string(), "96x96");
        assert!(matches!(picture, Picture::Rgb { pixels, .. } if pixels.len() == 96 * 96 * 3));
    }
}
