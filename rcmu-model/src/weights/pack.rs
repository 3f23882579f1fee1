use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashMap,
    fs::{self, File},
    io,
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, View, serialize_to_file};

use super::{
    COMPANIONS, Checkpoint, CheckpointLimits, ExpectedTensor, expected_tensors,
    packed::{can_be_packed, stored_name},
};
use crate::{
    Error,
    kernels::{WeightFormat, WeightFormats, nearest_f16},
    params::LoadProgress,
};

/// Writes a checkpoint with packed weights, which loads without the work of packing and from fewer bytes.
///
/// `to` is made if it is not there, and must have no weights yet. It gets the settings, the files of the tokenizer, and
/// one `model.safetensors`; matrices in 8 and 4 bits are stored as `X.weight.q8x8` and `X.weight.q4x8`,
/// U8 of `[out, bytes of a row]`: of each 256 weights, at the end of a row of what is left, the numbers, then one f16 scale
/// for 32 of them. What is asked to be f32, bf16 or f16 is written so,
/// and what is never packed (norms, biases, the patch embedding) as bf16 or f32, whichever loses nothing. The layout is
/// ours. Matrices are packed one at a time while they are written.
///
/// Loading such a directory with the formats it has, or with none named, on the CPU, gives the model that loading the
/// original with these formats gives, bit for bit; on other devices matrices of 8 and 4 bits stay so, too, and in training they
/// are expanded.
///
/// # Errors
///
/// Any [`Error`] of opening or reading the checkpoint; [`Error::WriteFile`] when the directory cannot be written or has
/// weights. Nothing is left under the name `model.safetensors` then.
pub fn pack_checkpoint(
    from: &Path,
    to: &Path,
    formats: WeightFormats,
    limits: &CheckpointLimits,
    progress: &mut dyn FnMut(LoadProgress),
) -> Result<(), Error> {
    let checkpoint = Checkpoint::open(from, limits)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::WriteFile { path, source }
    };
    fs::create_dir_all(to).map_err(failed(to))?;
    let path = to.join("model.safetensors");
    for taken in [&path, &to.join("model.safetensors.index.json")] {
        if taken.exists() {
            return Err(failed(taken)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    for name in COMPANIONS {
        if from.join(name).is_file() {
            fs::copy(from.join(name), to.join(name)).map_err(failed(&to.join(name)))?;
        }
    }
    let expected = expected_tensors(checkpoint.config());
    let state = LoadProgress {
        tensors: 0,
        total_tensors: expected.len(),
        parameters: 0,
        total_parameters: checkpoint.parameter_count(),
    };
    let work =
        Work { checkpoint: &checkpoint, state: RefCell::new((state, progress)), failure: RefCell::new(None) };
    let tensors = expected.iter().map(|tensor| Lazy::new(&work, tensor, formats));
    let tensors: Vec<_> = tensors.map(|tensor| (tensor.name.clone(), tensor)).collect();
    let part = to.join("model.safetensors.part");
    let info = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    // The file takes the place of this one, whose permissions are those that new files get here.
    let permissions =
        File::create(&part).and_then(|file| file.metadata()).map_err(failed(&part))?.permissions();
    let written = serialize_to_file(tensors, Some(info), &part);
    let written = match (work.failure.borrow_mut().take(), written) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => {
            let named = fs::set_permissions(&part, permissions)
                .and_then(|()| File::open(&part)?.sync_all())
                .and_then(|()| fs::rename(&part, &path));
            named.map_err(failed(&path))
        }
        (None, Err(SafeTensorError::IoError(source))) => Err(failed(&part)(source)),
        (None, Err(error)) => Err(failed(&part)(io::Error::other(error))),
    };
    if written.is_err() {
        // What is left of it is of no use; that it cannot be removed is no worse.
        let _ = fs::remove_file(&part);
    }
    written
}

/// What all tensors share while they are written.
struct Work<'a> {
    checkpoint: &'a Checkpoint,
    state: RefCell<(LoadProgress, &'a mut dyn FnMut(LoadProgress))>,
    failure: RefCell<Option<Error>>,
}

/// How a tensor is stored.
#[derive(Clone, Copy)]
enum Form {
    F32,
    Bf16,
    F16,
    Packed(WeightFormat),
}

/// A tensor that is read and packed when its turn comes.
struct Lazy<'a> {
    work: &'a Work<'a>,
    tensor: &'a ExpectedTensor,
    name: String,
    form: Form,
    shape: Vec<usize>,
}

impl<'a> Lazy<'a> {
    fn new(work: &'a Work<'a>, tensor: &'a ExpectedTensor, formats: WeightFormats) -> Self {
        let format = can_be_packed(tensor).then(|| formats.of(&tensor.name));
        let packed = format.zip(tensor.shape.last().copied()).and_then(|(format, inputs)| {
            Some((stored_name(&tensor.name, format)?, format, format.row_bytes(inputs)?))
        });
        if let Some((name, format, width)) = packed {
            return Self {
                work,
                tensor,
                name,
                form: Form::Packed(format),
                shape: vec![tensor.shape[0], width],
            };
        }
        let form = match format {
            Some(WeightFormat::F32) => Form::F32,
            Some(WeightFormat::F16) => Form::F16,
            // Rows that cannot be packed are kept as bf16 in memory, too.
            Some(_) => Form::Bf16,
            None if work.checkpoint.is_bf16(&tensor.name) => Form::Bf16,
            None => Form::F32,
        };
        Self { work, tensor, name: tensor.name.clone(), form, shape: tensor.shape.clone() }
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let (checkpoint, name) = (self.work.checkpoint, &self.tensor.name);
        Ok(match self.form {
            Form::F32 => checkpoint.read_f32(name)?.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Form::Bf16 => checkpoint.read_bf16(name)?.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Form::F16 => {
                let values = checkpoint.read_f32(name)?;
                values.iter().flat_map(|&value| nearest_f16(value).to_le_bytes()).collect()
            }
            Form::Packed(format) => {
                let dims = [self.tensor.shape[0], self.tensor.shape[1]];
                checkpoint.pack(name, format, dims)?.to_bytes()
            }
        })
    }
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        match self.form {
            Form::F32 => Dtype::F32,
            Form::Bf16 => Dtype::BF16,
            Form::F16 => Dtype::F16,
            Form::Packed(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut failure = self.work.failure.borrow_mut();
        if failure.is_some() {
            return Cow::Borrowed(&[]);
        }
        match self.bytes() {
            Ok(bytes) => {
                let (state, progress) = &mut *self.work.state.borrow_mut();
                state.tensors += 1;
                state.parameters += self.tensor.shape.iter().product::<usize>() as u64;
                progress(*state);
                Cow::Owned(bytes)
            }
            Err(error) => {
                *failure = Some(error);
                Cow::Borrowed(&[])
            }
        }
    }

    fn data_len(&self) -> usize {
        let size = match self.form {
            Form::F32 => 4,
            Form::Bf16 | Form::F16 => 2,
            Form::Packed(_) => 1,
        };
        self.shape.iter().product::<usize>() * size
    }
}
