use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use rcmu_core::{ImageSize, Picture};

use crate::Error;

/// What a picture or a video may cost; checked from headers, before memory is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureLimits {
    /// Bytes of one file. Default 32 MiB.
    pub max_file_bytes: u64,
    /// Pixels along a side. Default 16,384.
    pub max_side: u64,
    /// Pixels of one picture. Default 64 million.
    pub max_pixels: u64,
    /// Bytes that decoding one picture holds at once, with its RGB pixels. Default 256 MiB.
    ///
    /// Turning a picture by its EXIF orientation takes a second copy of the RGB pixels for a moment, on top.
    pub max_decode_bytes: u64,
    /// Scans of one JPEG file; each passes over the whole picture. Default 64.
    pub max_jpeg_scans: u64,
    /// Frames of one video. Default 768, as in the reference.
    pub max_frames: u64,
    /// Tokens of one picture or video after resizing. Default 32,768, the context window of the model.
    pub max_tokens: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 32 << 20,
            max_side: 16_384,
            max_pixels: 64_000_000,
            max_decode_bytes: 256 << 20,
            max_jpeg_scans: 64,
            max_frames: 768,
            max_tokens: 32_768,
        }
    }
}

impl PictureLimits {
    /// Sets the bytes of one file.
    pub const fn with_max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// Sets the pixels along a side.
    pub const fn with_max_side(mut self, pixels: u64) -> Self {
        self.max_side = pixels;
        self
    }

    /// Sets the pixels of one picture.
    pub const fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels;
        self
    }

    /// Sets the bytes that decoding one picture holds at once.
    pub const fn with_max_decode_bytes(mut self, bytes: u64) -> Self {
        self.max_decode_bytes = bytes;
        self
    }

    /// Sets the scans of one JPEG file.
    pub const fn with_max_jpeg_scans(mut self, scans: u64) -> Self {
        self.max_jpeg_scans = scans;
        self
    }

    /// Sets the frames of one video.
    pub const fn with_max_frames(mut self, frames: u64) -> Self {
        self.max_frames = frames;
        self
    }

    /// Sets the tokens of one picture or video.
    pub const fn with_max_tokens(mut self, tokens: u64) -> Self {
        self.max_tokens = tokens;
        self
    }

    /// Checks the size of a picture before its pixels exist.
    pub(crate) fn check_size(&self, size: ImageSize) -> Result<(), Error> {
        let longest = size.width().max(size.height());
        check("longest side in pixels", longest.into(), self.max_side)?;
        check("number of pixels", size.pixels(), self.max_pixels)
    }
}

/// Refuses what is above its limit.
pub(crate) fn check(what: &'static str, found: u64, max: u64) -> Result<(), Error> {
    if found > max {
        return Err(Error::PictureLimit { what, found, max });
    }
    Ok(())
}

/// Reads the bytes of a picture file; nothing is decoded.
///
/// # Errors
///
/// - [`Error::ReadFile`] when the file cannot be opened or read;
/// - [`Error::PictureFile`] when the path is not a regular file, or the file changed its length meanwhile;
/// - [`Error::PictureLimit`] when it is longer than `limits.max_file_bytes`.
pub fn read_picture(path: &Path, limits: &PictureLimits) -> Result<Picture, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let refused = |problem| Err(Error::PictureFile { path: path.to_owned(), problem });
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return refused("is not a regular file");
    }
    let file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    if !opened.is_file() {
        return refused("is not a regular file");
    }
    check("file in bytes", opened.len(), limits.max_file_bytes)?;
    let mut bytes = Vec::new();
    // One byte more than expected shows a file that grows.
    file.take(opened.len() + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 != opened.len() {
        return refused("changed its length while it was read");
    }
    Ok(Picture::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_not_a_picture() {
        let refused = read_picture(&std::env::temp_dir(), &PictureLimits::default());

        assert!(matches!(refused, Err(Error::PictureFile { .. })), "{refused:?}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let refused = read_picture(Path::new("no/such/picture.png"), &PictureLimits::default());

        assert!(matches!(refused, Err(Error::ReadFile { .. })), "{refused:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_endless_device_and_a_pipe_are_refused_at_once() {
        let pipe = std::env::temp_dir().join(format!("rcmu-pipe-{}", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());

        let device = read_picture(Path::new("/dev/zero"), &PictureLimits::default());
        let waiting = read_picture(&pipe, &PictureLimits::default());
        fs::remove_file(&pipe).unwrap();

        assert!(matches!(device, Err(Error::PictureFile { .. })), "{device:?}");
        assert!(matches!(waiting, Err(Error::PictureFile { .. })), "{waiting:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_with_more_bytes_than_it_declares_is_refused() {
        // Files of /proc declare length 0 and then yield bytes, as a growing file would.
        let refused = read_picture(Path::new("/proc/self/status"), &PictureLimits::default());

        assert!(matches!(refused, Err(Error::PictureFile { .. })), "{refused:?}");
    }

    #[test]
    fn a_file_over_the_byte_limit_is_not_read() {
        let path = std::env::temp_dir().join(format!("rcmu-long-{}", std::process::id()));
        fs::write(&path, [0; 11]).unwrap();
        let limits = |max_file_bytes| PictureLimits { max_file_bytes, ..PictureLimits::default() };

        let long = read_picture(&path, &limits(10));
        let exact = read_picture(&path, &limits(11));
        fs::remove_file(&path).unwrap();

        assert!(matches!(long, Err(Error::PictureLimit { found: 11, max: 10, .. })), "{long:?}");
        assert!(exact.is_ok());
    }
}
