use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashMap,
    fs::{self, File},
    io, iter,
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, View, serialize_to_file};

/// A tensor whose bytes are made when its turn comes.
pub(crate) struct Unwritten<'a, E> {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Its bytes, row by row.
    pub(crate) bytes: Box<dyn Fn() -> Result<Vec<u8>, E> + 'a>,
}

/// Why a file was not written.
pub(crate) enum WriteError<E> {
    /// The bytes of a tensor could not be made.
    Tensor(E),
    /// The file could not be written.
    File(io::Error),
}

/// Writes a safetensors file, beside the name `format` with more texts about it: aside, with the permissions that new files
/// get, made durable, then put in place. Of the tensors one at a time is in memory.
pub(crate) fn write_file<E>(
    path: &Path,
    tensors: Vec<Unwritten<'_, E>>,
    more: Option<(String, String)>,
) -> Result<(), WriteError<E>> {
    let failure = RefCell::new(None);
    let views = tensors.into_iter().map(|tensor| (tensor.name.clone(), Lazy { tensor, failure: &failure }));
    let views: Vec<_> = views.collect();
    let format = ("format".to_owned(), "pt".to_owned());
    let texts: Vec<_> = [format].into_iter().chain(more).collect();
    // They are written in the order of a map, which is chance; the same tensors make the same file.
    let texts = || texts.iter().cloned().collect::<HashMap<_, _>>();
    let texts = iter::repeat_with(texts).find(|texts| texts.keys().is_sorted());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let write = || {
        // The file takes the place of this one, whose permissions are those that new files get here.
        let permissions = File::create(part)?.metadata()?.permissions();
        match serialize_to_file(views, texts, part) {
            Err(SafeTensorError::IoError(error)) => return Err(error),
            written => written.map_err(io::Error::other)?,
        }
        if failure.borrow().is_some() {
            return Err(io::Error::other("a tensor has no bytes"));
        }
        fs::set_permissions(part, permissions)?;
        File::open(part)?.sync_all()?;
        fs::rename(part, path)
    };
    let written = write();
    if written.is_err() {
        // What is left of it is of no use; that it cannot be removed is no worse.
        let _ = fs::remove_file(part);
    }
    match failure.into_inner() {
        Some(error) => Err(WriteError::Tensor(error)),
        None => written.map_err(WriteError::File),
    }
}

struct Lazy<'a, E> {
    tensor: Unwritten<'a, E>,
    failure: &'a RefCell<Option<E>>,
}

impl<E> View for Lazy<'_, E> {
    fn dtype(&self) -> Dtype {
        self.tensor.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut failure = self.failure.borrow_mut();
        if failure.is_none() {
            match (self.tensor.bytes)() {
                Ok(bytes) => return Cow::Owned(bytes),
                Err(error) => *failure = Some(error),
            }
        }
        Cow::Borrowed(&[])
    }

    fn data_len(&self) -> usize {
        self.tensor.shape.iter().product::<usize>() * self.tensor.dtype.bitsize() / 8
    }
}
