use std::{cell::RefCell, fs, io, path::Path};

use safetensors::Dtype;

use super::{
    Checkpoint, CheckpointLimits, ExpectedTensor,
    companions::companions,
    expected_tensors,
    packed::{can_be_packed, stored_name, text},
    write::{Unwritten, WriteError, write_file},
};
use crate::{
    Error,
    kernels::{WeightFormat, WeightFormats, nearest_f16},
    params::LoadProgress,
};

/// Writes a checkpoint with packed weights, which loads without the work of packing and from fewer bytes.
///
/// `to` is made if it is not there, and must have no weights yet. It gets the settings, the files of the tokenizer, and
/// one `model.safetensors`. What is asked to be f32, bf16 or f16 is written so, and what is never packed (norms, biases, the
/// patch embedding) as bf16 or f32, whichever loses nothing. Matrices are packed one at a time while they are written.
///
/// # Layout (ours)
///
/// ```text
/// X.weight        F32, F16 or BF16   [out, in]
/// X.weight.q8x8   U8                 [out, in + in / 16]
/// X.weight.q4x8   U8                 [out, in / 2 + in / 16]
/// ```
///
/// One of the three stands for `X.weight`. A row of 8 or 4 bits is blocks of 256 weights, at its end of what is left: first
/// the numbers, of 32 weights in 32 or 16 bytes, then a scale of f16, little-endian, for each 32 of them. Of 8 bits, a number
/// is signed, and a weight is it times the scale. Of 4 bits, weight `i` of 32 is in the lower half of byte `i`, weight
/// `16 + i` in the upper one, each 8 more than it means. What the rounding is tells [`WeightFormat`].
///
/// The file says in its metadata, under `rcmu.weights`, which formats were asked for, such as `vision f16, decoder q4, table
/// q8`: floats do not tell whether they are to be kept or expanded.
///
/// # What loads it
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
    for (name, bytes) in companions(from, checkpoint.config())? {
        let path = to.join(name);
        fs::write(&path, bytes).map_err(failed(&path))?;
    }
    let expected = expected_tensors(checkpoint.config());
    let state = LoadProgress {
        tensors: 0,
        total_tensors: expected.len(),
        parameters: 0,
        total_parameters: checkpoint.parameter_count(),
    };
    let work = Work { checkpoint: &checkpoint, state: RefCell::new((state, progress)) };
    let tensors = expected.iter().map(|tensor| work.unwritten(tensor, formats));
    write_file(&path, tensors.collect(), Some(text(formats))).map_err(|error| match error {
        WriteError::Tensor(error) => error,
        WriteError::File(source) => failed(&path)(source),
    })
}

/// How a tensor is stored.
#[derive(Clone, Copy)]
enum Form {
    F32,
    Bf16,
    F16,
    Packed(WeightFormat),
}

/// What all tensors share while they are written.
struct Work<'a> {
    checkpoint: &'a Checkpoint,
    state: RefCell<(LoadProgress, &'a mut dyn FnMut(LoadProgress))>,
}

impl Work<'_> {
    /// A tensor that is read and packed when its turn comes.
    fn unwritten<'a>(&'a self, tensor: &'a ExpectedTensor, formats: WeightFormats) -> Unwritten<'a, Error> {
        let (name, form, shape) = self.form(tensor, formats);
        let dtype = match form {
            Form::F32 => Dtype::F32,
            Form::Bf16 => Dtype::BF16,
            Form::F16 => Dtype::F16,
            Form::Packed(_) => Dtype::U8,
        };
        let bytes = move || {
            let bytes = self.bytes(tensor, form)?;
            let (state, progress) = &mut *self.state.borrow_mut();
            state.tensors += 1;
            state.parameters += tensor.shape.iter().product::<usize>() as u64;
            progress(*state);
            Ok(bytes)
        };
        Unwritten { name, dtype, shape, bytes: Box::new(bytes) }
    }

    /// Under which name a tensor is stored, how, and in what shape.
    fn form(&self, tensor: &ExpectedTensor, formats: WeightFormats) -> (String, Form, Vec<usize>) {
        let format = can_be_packed(tensor).then(|| formats.of(&tensor.name));
        let packed = format.zip(tensor.shape.last().copied()).and_then(|(format, inputs)| {
            Some((stored_name(&tensor.name, format)?, format, format.row_bytes(inputs)?))
        });
        if let Some((name, format, width)) = packed {
            return (name, Form::Packed(format), vec![tensor.shape[0], width]);
        }
        let form = match format {
            Some(WeightFormat::F32) => Form::F32,
            Some(WeightFormat::F16) => Form::F16,
            // Rows that cannot be packed are kept as bf16 in memory, too.
            Some(_) => Form::Bf16,
            None if self.checkpoint.is_bf16(&tensor.name) => Form::Bf16,
            None => Form::F32,
        };
        (tensor.name.clone(), form, tensor.shape.clone())
    }

    fn bytes(&self, tensor: &ExpectedTensor, form: Form) -> Result<Vec<u8>, Error> {
        let (checkpoint, name) = (self.checkpoint, &tensor.name);
        Ok(match form {
            Form::F32 => checkpoint.read_f32(name)?.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Form::Bf16 => checkpoint.read_bf16(name)?.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Form::F16 => {
                let values = checkpoint.read_f32(name)?;
                // f16 would hide it, whatever the scan.
                if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                    return Err(Error::NonFiniteWeight { name: name.clone(), index });
                }
                values.iter().flat_map(|&value| nearest_f16(value).to_le_bytes()).collect()
            }
            Form::Packed(format) => {
                let dims = [tensor.shape[0], tensor.shape[1]];
                checkpoint.pack(name, format, dims)?.to_bytes()
            }
        })
    }
}
