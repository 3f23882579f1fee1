//! Weight files that are used where they lie.

#![allow(unsafe_code, reason = "nothing in the language keeps others from changing a file")]

use std::{collections::BTreeMap, fs::File, path::Path, path::PathBuf, sync::Arc};

use memmap2::Mmap;

use crate::{Error, LoadOptions};

impl LoadOptions {
    /// Uses matrices where the files have them, on the CPU: nothing of them is copied or, with [`Scan::Skip`], read before
    /// it is needed, and all processes that do so share one copy in the system's cache of files.
    ///
    /// Matrices whose format is named in [`LoadOptions::weights`] and is another than that of the file are packed as
    /// without this option, and so are those that do not lie at a multiple of their numbers' size. With no formats named,
    /// matrices stay in the format they have in the file. Answers are those of the same formats without this option, bit
    /// for bit.
    ///
    /// # Safety
    ///
    /// Until the model and its clones and sessions are gone, nobody, no other process either, may change or shorten the
    /// weight files: numbers would change under the program, and reading behind the new end of a file ends it with a
    /// signal (SIGBUS) on Unix. Removing a file, or renaming another into its place, is safe on Unix.
    ///
    /// [`Scan::Skip`]: crate::weights::Scan::Skip
    pub unsafe fn map_weights(mut self) -> Self {
        self.maps = true;
        self
    }
}

/// The files that are mapped.
#[derive(Debug)]
pub(crate) struct Maps {
    files: BTreeMap<PathBuf, Arc<Mmap>>,
}

impl Maps {
    /// None yet; only for options that ask for it.
    pub(crate) fn new(options: &LoadOptions) -> Option<Self> {
        options.maps.then(|| Self { files: BTreeMap::new() })
    }

    /// The bytes of a file, mapped once.
    pub(super) fn of(&mut self, path: &Path, file: &File) -> Result<Arc<Mmap>, Error> {
        if let Some(map) = self.files.get(path) {
            return Ok(map.clone());
        }
        // SAFETY: there are `Maps` only where `LoadOptions::map_weights` was called, whose caller has promised that nobody
        // changes the file while the map lives.
        let map = unsafe { Mmap::map(file) };
        let map = Arc::new(map.map_err(|source| Error::ReadFile { path: path.to_owned(), source })?);
        self.files.insert(path.to_owned(), map.clone());
        Ok(map)
    }
}
