use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

/// The calls by which a journal reads and changes what is on the disk. Tests let each of them fail, or be the last one.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file to read and to write; makes it if it is not there.
    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    /// Opens a file to read.
    fn open_to_read(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    /// How many bytes a file has.
    fn len(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    /// Reads the next bytes of a file, as many as there are at once; 0 at its end.
    fn read(&self, mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        file.read(buffer)
    }

    /// Writes all of these bytes.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Cuts a file to this length.
    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    /// Waits until everything written is on the disk.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Makes the name of a file last; a system on which a folder cannot be opened does that by itself.
    fn sync_name(&self, path: &Path) -> io::Result<()> {
        if cfg!(not(unix)) {
            return Ok(());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// A file that is read through a disk.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) file: &'a File,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read(self.file, buffer)
    }
}

/// The disk as it is.
#[derive(Debug)]
pub(super) struct System;

impl Disk for System {}
