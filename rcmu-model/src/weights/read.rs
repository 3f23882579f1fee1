use std::{
    io::{self, Read},
    path::Path,
};

use half::{bf16, f16};
use rayon::prelude::*;

use super::header::{TensorDtype, TensorEntry};
use crate::Error;

/// Values that are read at once.
///
/// As f32 numbers they take nearly 32 MiB. The allocator of glibc keeps blocks that are as large as the largest, up to this
/// size, that was given back to it; larger ones come from the system each time, zeroed page by page. So it keeps what
/// pictures and prompts need for a moment in every layer, after any model was loaded.
const PART: usize = 31 << 18;
/// Values of a task.
const TASK: usize = 1 << 15;

/// A value that weights can be converted to.
pub(super) trait Value: Copy + Send + Sync {
    fn from_f32(value: f32) -> Self;
    fn is_finite(self) -> bool;
}

impl Value for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Value for bf16 {
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// A tensor of a file.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) entry: &'a TensorEntry,
    pub(super) name: &'a str,
    pub(super) path: &'a Path,
    /// Whether a value that is NaN or infinite is an error, before or after the conversion.
    pub(super) scan: bool,
}

/// The values of a tensor, converted while they are read; `file` stands at its first byte.
pub(super) fn values<T: Value>(file: &mut impl Read, source: Source<'_>) -> Result<Vec<T>, Error> {
    let Source { entry, name, path, .. } = source;
    let count = usize::try_from(entry.bytes / entry.dtype.size()).map_err(|_| too_large(path, name))?;
    let mut values: Vec<T> = Vec::new();
    // The file has been measured, but memory may still run out.
    values.try_reserve_exact(count).map_err(|_| too_large(path, name))?;
    parts(file, source, 1, &mut |part| values.extend_from_slice(part))?;
    Ok(values)
}

/// Gives the values of a tensor part by part, converted, in whole rows of `width`; `file` stands at its first byte.
pub(super) fn parts<T: Value>(
    file: &mut impl Read,
    Source { entry, name, path, scan }: Source<'_>,
    width: usize,
    take: &mut dyn FnMut(&[T]),
) -> Result<(), Error> {
    let size = entry.dtype.size();
    let row = u64::try_from(width).ok().and_then(|width| width.checked_mul(size)).filter(|&row| row > 0);
    let row = row.and_then(|row| usize::try_from(row).ok()).ok_or_else(|| too_large(path, name))?;
    let room = (PART / width).max(1).saturating_mul(row);
    let mut buffer = Vec::new();
    let room = room.min(usize::try_from(entry.bytes).unwrap_or(room));
    buffer.try_reserve_exact(room).map_err(|_| too_large(path, name))?;
    buffer.resize(room, 0);
    let mut values = Vec::new();
    let numbers = room / size as usize;
    values.try_reserve_exact(numbers).map_err(|_| too_large(path, name))?;
    values.resize(numbers, T::from_f32(0.0));
    let mut done: u64 = 0;
    while done < entry.bytes {
        let len = usize::try_from(entry.bytes - done).map_or(room, |left| left.min(room));
        let chunk = &mut buffer[..len];
        read_all(file, chunk).map_err(|source| Error::ReadWeights {
            path: path.to_owned(),
            offset: entry.offset + done,
            source,
        })?;
        let values = &mut values[..len / size as usize];
        let finite = match entry.dtype {
            TensorDtype::F32 => convert::<4, T>(chunk, f32::from_le_bytes, values),
            TensorDtype::F16 => convert::<2, T>(chunk, |b| f16::from_le_bytes(b).to_f32(), values),
            TensorDtype::Bf16 => convert::<2, T>(chunk, |b| bf16::from_le_bytes(b).to_f32(), values),
            TensorDtype::U8 | TensorDtype::Other { .. } => {
                let problem = format!("has tensor {name} in a format that cannot be loaded");
                return Err(Error::CheckpointFile { path: path.to_owned(), problem });
            }
        };
        let broken = if finite || !scan { None } else { values.iter().position(|value| !value.is_finite()) };
        if let Some(at) = broken {
            return Err(Error::NonFiniteWeight { name: name.to_owned(), index: (done / size) as usize + at });
        }
        take(values);
        done += len as u64;
    }
    Ok(())
}

/// The bytes of a tensor; `file` stands at the first.
pub(super) fn bytes(
    file: &mut impl Read,
    Source { entry, name, path, .. }: Source<'_>,
) -> Result<Vec<u8>, Error> {
    let count = usize::try_from(entry.bytes).map_err(|_| too_large(path, name))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count).map_err(|_| too_large(path, name))?;
    bytes.resize(count, 0);
    read_all(file, &mut bytes).map_err(|source| Error::ReadWeights {
        path: path.to_owned(),
        offset: entry.offset,
        source,
    })?;
    Ok(bytes)
}

/// Converts on all threads; tells whether all values are finite.
fn convert<const N: usize, T: Value>(
    bytes: &[u8],
    value: impl Fn([u8; N]) -> f32 + Sync,
    out: &mut [T],
) -> bool {
    let places = out.par_chunks_mut(TASK).zip(bytes.as_chunks::<N>().0.par_chunks(TASK));
    let finite = places.map(|(out, bytes)| {
        for (out, &bytes) in out.iter_mut().zip(bytes) {
            *out = T::from_f32(value(bytes));
        }
        // All of them are looked at, as vector units do it.
        out.iter().fold(true, |finite, value| finite & value.is_finite())
    });
    finite.reduce(|| true, |a, b| a & b)
}

/// Fills the buffer; interrupted and short reads go on.
fn read_all(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    source.read_exact(buffer)
}

pub(super) fn too_large(path: &Path, name: &str) -> Error {
    let problem = format!("has tensor {name}, which does not fit into memory");
    Error::CheckpointFile { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// Gives few bytes at a time, is interrupted every other call, and fails at the n-th.
    struct Faulty<'a> {
        bytes: &'a [u8],
        calls: usize,
        fail_at: usize,
    }

    impl Read for Faulty<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls == self.fail_at {
                return Err(io::Error::other("broken disk"));
            }
            if self.calls.is_multiple_of(2) {
                return Err(ErrorKind::Interrupted.into());
            }
            let len = out.len().min(3);
            self.bytes.read(&mut out[..len])
        }
    }

    fn entry(dtype: TensorDtype, bytes: u64) -> TensorEntry {
        let shape = vec![(bytes / dtype.size()) as usize];
        TensorEntry { name: "x".into(), dtype, shape, offset: 100, bytes }
    }

    #[test]
    fn every_failing_read_is_an_error_with_its_place() -> Result<(), Error> {
        let bytes: Vec<u8> = [1.0_f32, -2.5, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = Path::new("file");
        let entry = entry(TensorDtype::F32, 12);
        let run = |fail_at| {
            let source = Source { entry: &entry, name: "x", path, scan: true };
            values::<f32>(&mut Faulty { bytes: &bytes, calls: 0, fail_at }, source)
        };

        // 12 bytes, 3 at a time, each but the first after an interruption: 7 calls.
        for fail_at in 1..=7 {
            assert!(matches!(run(fail_at), Err(Error::ReadWeights { offset: 100, .. })), "{fail_at}");
        }
        assert_eq!(run(8)?, [1.0, -2.5, 3.0]);
        Ok(())
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let entry = entry(TensorDtype::F32, 8);
        let source = Source { entry: &entry, name: "x", path: Path::new("f"), scan: true };
        let result = values::<f32>(&mut &[0_u8; 7][..], source);

        assert!(matches!(result, Err(Error::ReadWeights { .. })));
    }

    #[test]
    fn broken_numbers_are_named() {
        for (dtype, bytes) in [
            (TensorDtype::F32, f32::NAN.to_le_bytes().to_vec()),
            (TensorDtype::F16, f16::INFINITY.to_le_bytes().to_vec()),
            (TensorDtype::Bf16, bf16::NEG_INFINITY.to_le_bytes().to_vec()),
        ] {
            let entry = entry(dtype, bytes.len() as u64);
            let source = |scan| Source { entry: &entry, name: "x", path: Path::new("f"), scan };
            let read = |scan| values::<f32>(&mut &bytes[..], source(scan));
            assert!(matches!(read(true), Err(Error::NonFiniteWeight { index: 0, .. })), "{dtype:?}");
            assert!(read(false).is_ok());
        }
    }

    #[test]
    fn half_formats_become_the_numbers_they_stand_for() -> Result<(), Error> {
        // 1.5 is 0x3E00 as f16 and 0x3FC0 as bf16.
        for (dtype, bits) in [(TensorDtype::F16, 0x3E00_u16), (TensorDtype::Bf16, 0x3FC0)] {
            let bytes = bits.to_le_bytes();
            let entry = entry(dtype, 2);
            let source = Source { entry: &entry, name: "x", path: Path::new("f"), scan: true };
            let read = values::<f32>(&mut &bytes[..], source)?;
            assert_eq!(read, [1.5]);
        }
        Ok(())
    }

    #[test]
    fn tensors_of_several_parts_come_in_whole_rows() -> Result<(), Error> {
        // More than one part of 4-byte numbers, with a row that no part ends within.
        let (rows, width) = (3 * PART / 2 / 1001, 1001);
        let numbers: Vec<f32> = (0..rows * width).map(|at| at as f32).collect();
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let entry = entry(TensorDtype::F32, bytes.len() as u64);
        let read = |bytes: &[u8], take: &mut dyn FnMut(&[f32])| {
            let source = Source { entry: &entry, name: "x", path: Path::new("f"), scan: true };
            parts(&mut &*bytes, source, width, take)
        };

        let mut found = Vec::new();
        let mut sizes = Vec::new();
        read(&bytes, &mut |part| {
            sizes.push(part.len());
            found.extend_from_slice(part);
        })?;
        assert!(found == numbers);
        assert!(sizes.len() > 1 && sizes.iter().all(|size| size % width == 0), "{sizes:?}");

        let broken = numbers.len() - 5;
        bytes[4 * broken..4 * broken + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let result = read(&bytes, &mut |_| {});
        assert!(matches!(result, Err(Error::NonFiniteWeight { index, .. }) if index == broken), "{result:?}");
        Ok(())
    }
}
