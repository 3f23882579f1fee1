use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use image::ImageFormat;
use rcmu_core::Picture;
use rcmu_data::{
    PictureSource,
    figurines::{SceneSpec, draw},
};
use sha2::{Digest, Sha256};

use super::{RcpBench, figurine_bench};
use crate::{Error, hex::hex};

/// The file of the items.
const ITEMS: &str = "benchmark.jsonl";
/// The folder of the pictures.
const PICTURES: &str = "pictures";

/// The shipped benchmark as files: `benchmark.jsonl` in the form of [`RcpBench`], and its pictures as PNG files beside it.
///
/// ```text
/// benchmark.jsonl
/// pictures/0001/query.png 1.png 2.png 3.png 4.png
/// pictures/0002/…
/// ```
///
/// The same seed and number of sets give the same items and the same pixels, on every platform. The bytes of a PNG file
/// are not promised: how they are packed may change with the library that does it.
#[derive(Clone, Debug)]
pub struct BenchFiles {
    items: String,
    pictures: Vec<(String, SceneSpec)>,
}

/// SHA-256 in hexadecimal digits of what the benchmark is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchDigests {
    /// Of the bytes of `benchmark.jsonl`.
    pub items: String,
    /// Of the name, the side and the RGB bytes of every picture in order.
    pub pictures: String,
}

/// What in a folder is not as the benchmark has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BenchFault {
    /// The items differ.
    Items {
        /// The first line that does, counted from 1.
        line: usize,
    },
    /// A file cannot be read, or a picture cannot be decoded.
    Unreadable {
        /// Its name in the folder.
        file: String,
        /// Why.
        message: String,
    },
    /// A picture has another size or other pixels.
    Pixels {
        /// Its name in the folder.
        file: String,
    },
}

impl fmt::Display for BenchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items { line } => write!(f, "{ITEMS} differs from line {line} on"),
            Self::Unreadable { file, message } => write!(f, "{file} cannot be used: {message}"),
            Self::Pixels { file } => write!(f, "{file} shows something else"),
        }
    }
}

impl BenchFiles {
    /// The files of [`figurine_bench`] with this seed and number of sets.
    ///
    /// # Errors
    ///
    /// As [`figurine_bench`].
    pub fn new(seed: u64, sets: usize) -> Result<Self, Error> {
        let mut bench = RcpBench::from_samples(figurine_bench(seed, sets)?.items())?;
        let mut pictures = Vec::new();
        for (number, item) in (1..).zip(&mut bench.items) {
            let folder = format!("{PICTURES}/{number:04}");
            take_picture(&mut item.query, format!("{folder}/query.png"), &mut pictures);
            for (number, reference) in (1..).zip(&mut item.references) {
                take_picture(&mut reference.picture, format!("{folder}/{number}.png"), &mut pictures);
            }
        }
        Ok(Self { items: bench.to_text()?, pictures })
    }

    /// The text of `benchmark.jsonl`.
    pub fn items(&self) -> &str {
        &self.items
    }

    /// The name of each picture's file and what it shows.
    pub fn pictures(&self) -> &[(String, SceneSpec)] {
        &self.pictures
    }

    /// Draws every picture and gives the digests.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] when a picture cannot be drawn.
    pub fn digests(&self) -> Result<BenchDigests, Error> {
        let mut hash = Sha256::new();
        for (name, spec) in &self.pictures {
            for field in [name.as_bytes(), &spec.side.to_le_bytes(), draw(spec)?.as_raw()] {
                hash.update((field.len() as u64).to_le_bytes());
                hash.update(field);
            }
        }
        let items = hex(&Sha256::digest(self.items.as_bytes()));
        Ok(BenchDigests { items, pictures: hex(&hash.finalize()) })
    }

    /// Writes all files into a folder that is new or empty; the items come last, so that a folder that has them is whole.
    /// Gives the path of the items.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the folder has anything in it, or a file cannot be written; [`Error::Data`] when a picture
    /// cannot be drawn.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let folder = folder.as_ref();
        let failed = |path: &Path, source| Error::File { path: path.to_owned(), source };
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let mut found = fs::read_dir(folder).map_err(|source| failed(folder, source))?;
        if found.next().is_some() {
            return Err(failed(folder, io::ErrorKind::DirectoryNotEmpty.into()));
        }
        for (name, spec) in &self.pictures {
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
            let mut file = io::Cursor::new(Vec::new());
            let packed = draw(spec)?.write_to(&mut file, ImageFormat::Png).map_err(io::Error::other);
            packed
                .and_then(|()| fs::write(&path, file.into_inner()))
                .map_err(|source| failed(&path, source))?;
        }
        let path = folder.join(ITEMS);
        fs::write(&path, &self.items).map_err(|source| failed(&path, source))?;
        Ok(path)
    }

    /// Makes everything anew and compares it with a folder; gives all faults in order, none when nothing differs.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] when a picture cannot be drawn.
    pub fn check(&self, folder: impl AsRef<Path>) -> Result<Vec<BenchFault>, Error> {
        let folder = folder.as_ref();
        let mut faults = Vec::new();
        match fs::read(folder.join(ITEMS)) {
            Err(error) => {
                faults.push(BenchFault::Unreadable { file: ITEMS.into(), message: error.to_string() });
            }
            Ok(bytes) if bytes == self.items.as_bytes() => {}
            Ok(bytes) => {
                let same = bytes.iter().zip(self.items.as_bytes()).take_while(|(a, b)| a == b);
                let lines = same.filter(|(byte, _)| **byte == b'\n').count();
                faults.push(BenchFault::Items { line: lines + 1 });
            }
        }
        for (name, spec) in &self.pictures {
            let drawn = draw(spec)?;
            match pixels(folder, name, spec.side) {
                Ok(Some(found)) if found == *drawn.as_raw() => {}
                Ok(_) => faults.push(BenchFault::Pixels { file: name.clone() }),
                Err(message) => faults.push(BenchFault::Unreadable { file: name.clone(), message }),
            }
        }
        Ok(faults)
    }
}

/// Puts the name of a file in the place of a scene that is to be drawn.
fn take_picture(picture: &mut PictureSource, name: String, pictures: &mut Vec<(String, SceneSpec)>) {
    if let PictureSource::Figurines(spec) = std::mem::replace(picture, PictureSource::File(name.clone())) {
        pictures.push((name, *spec));
    }
}

/// The pixels of a picture file; `None` when it has not this side. What is wrong with it, otherwise.
fn pixels(folder: &Path, name: &str, side: u32) -> Result<Option<Vec<u8>>, String> {
    let (picture, size) = PictureSource::File(name.into()).open(folder).map_err(|error| match error {
        rcmu_data::Error::File { source, .. } => source.to_string(),
        other => other.to_string(),
    })?;
    let Picture::Encoded(bytes) = picture else { return Err("is no picture file".into()) };
    if (size.width(), size.height()) != (side, side) {
        return Ok(None);
    }
    let decoded = image::load_from_memory(&bytes).map_err(|error| error.to_string())?;
    Ok(Some(decoded.to_rgb8().into_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Scratch;

    #[test]
    fn written_files_are_found_unchanged() {
        let scratch = Scratch::new("bench-written");
        let folder = scratch.path("bench");
        let files = BenchFiles::new(4, 2).unwrap();

        let path = files.write(&folder).unwrap();

        assert_eq!(files.check(&folder).unwrap(), []);
        assert_eq!(RcpBench::open(&path).unwrap().items.len(), 2);
        assert_eq!(files.pictures().len(), 10);
        assert_ne!(BenchFiles::new(5, 2).unwrap().digests().unwrap(), files.digests().unwrap());
    }

    #[test]
    fn every_change_is_told_by_file() {
        let scratch = Scratch::new("bench-changed");
        let folder = scratch.path("bench");
        let files = BenchFiles::new(4, 2).unwrap();
        let path = files.write(&folder).unwrap();
        let file = |name: &str| folder.join("pictures").join(name);

        fs::write(path, files.items().replacen("C2V", "V2C", 1)).unwrap();
        fs::remove_file(file("0001/2.png")).unwrap();
        fs::copy(file("0001/1.png"), file("0002/1.png")).unwrap();
        fs::write(file("0002/query.png"), "no picture").unwrap();
        image::RgbImage::new(7, 7).save(file("0002/4.png")).unwrap();

        let faults: Vec<_> = files.check(&folder).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(faults[0], "benchmark.jsonl differs from line 2 on");
        assert!(faults[1].starts_with("pictures/0001/2.png cannot be used: "), "{faults:?}");
        assert!(faults[2].starts_with("pictures/0002/query.png cannot be used: "), "{faults:?}");
        let rest = ["pictures/0002/1.png shows something else", "pictures/0002/4.png shows something else"];
        assert_eq!(faults[3..], rest);
    }

    #[test]
    fn a_folder_with_anything_in_it_is_left_alone() {
        let scratch = Scratch::new("bench-full");
        let folder = scratch.path("bench");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("mine.txt"), "mine").unwrap();

        let error = BenchFiles::new(4, 1).unwrap().write(&folder).expect_err("it is not empty");

        assert!(
            matches!(error, Error::File { source, .. } if source.kind() == io::ErrorKind::DirectoryNotEmpty)
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
