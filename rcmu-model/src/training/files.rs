//! Files that are on the disk when they are said to be.

use std::{fs::File, io::Write, path::Path};

use safetensors::Dtype;

use super::TrainError;
use crate::weights::{Unwritten, WriteError, write_file};

/// A tensor whose values are made when its turn comes, as f32.
pub(super) fn floats<'a>(
    name: String,
    shape: Vec<usize>,
    values: impl Fn() -> Result<Vec<f32>, TrainError> + 'a,
) -> Unwritten<'a, TrainError> {
    let bytes = move || Ok(values()?.iter().flat_map(|value| value.to_le_bytes()).collect());
    Unwritten { name, dtype: Dtype::F32, shape, bytes: Box::new(bytes) }
}

/// Writes a safetensors file and makes it durable.
pub(super) fn write_tensors(path: &Path, tensors: Vec<Unwritten<'_, TrainError>>) -> Result<(), TrainError> {
    write_file(path, tensors, None).map_err(|error| match error {
        WriteError::Tensor(error) => error,
        WriteError::File(source) => TrainError::File { path: path.to_owned(), source },
    })
}

/// Writes a file and makes it durable.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(TrainError::file(path))
}

/// Makes a file or the entries of a folder durable.
pub(super) fn sync(path: &Path) -> Result<(), TrainError> {
    // Folders cannot be opened for this on every system; there a rename is durable when the system says so.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(TrainError::file(path))
}
