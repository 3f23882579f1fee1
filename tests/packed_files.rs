//! Checkpoints with packed weights: written once, they load as what packing at every start would give.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use half::f16;
use rcmu::{
    WeightFormat, WeightFormats,
    core::Generator as _,
    model::{
        self, Device, LoadOptions, Model,
        trace::TraceInput,
        weights::{CheckpointLimits, pack_checkpoint},
    },
};
use safetensors::{Dtype, SafeTensors, serialize_to_file, tensor::TensorView};

/// A matrix of the tiny checkpoint, `[64, 64]`, and its row in 8 bits: 64 numbers and two scales.
const NAME: &str = "model.layers.0.self_attn.q_proj.weight.q8x8";
const ROW: usize = 64 + 2 * 2;

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("rcmu-packed-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tiny")
}

fn load(dir: &Path, weights: Option<WeightFormats>) -> Result<Model, model::Error> {
    let mut options = LoadOptions::default();
    options.weights = weights;
    Model::load(dir, &Device::flex(), &options, &mut |_| {})
}

fn pack(from: &Path, to: &Path, formats: WeightFormats) -> Result<(), model::Error> {
    pack_checkpoint(from, to, formats, &CheckpointLimits::default(), &mut |_| {})
}

/// The bits of the logits of so many tokens.
fn logits(model: &Model, tokens: u32) -> Result<Vec<u32>, model::Error> {
    let input = TraceInput { rows: vec![(100..100 + tokens).collect()], ..TraceInput::default() };
    Ok(model.trace(&input, 0)?.logits.values.iter().map(|value| value.to_bits()).collect())
}

#[test]
fn packed_files_give_what_packing_gives() -> Result<(), Box<dyn Error>> {
    let mixed =
        WeightFormats { vision: WeightFormat::F16, decoder: WeightFormat::Q4, table: WeightFormat::Q8 };
    let all =
        [WeightFormat::Q8, WeightFormat::Q4, WeightFormat::Bf16, WeightFormat::F16].map(WeightFormats::all);
    for formats in all.into_iter().chain([mixed]) {
        let dir = Scratch::new("packed-files")?;
        let mut last = None;
        pack_checkpoint(&fixture(), &dir.0, formats, &CheckpointLimits::default(), &mut |progress| {
            last = Some(progress);
        })?;
        let last = last.expect("there is progress");
        assert_eq!((last.tensors, last.parameters), (last.total_tensors, last.total_parameters));

        let expected = load(&fixture(), Some(formats))?;
        let named = load(&dir.0, Some(formats))?;
        let found = load(&dir.0, None)?;

        for model in [&named, &found] {
            assert_eq!(model.weight_bytes(), expected.weight_bytes(), "{formats:?}");
            for tokens in [1, 40] {
                assert_eq!(logits(model, tokens)?, logits(&expected, tokens)?, "{formats:?} {tokens}");
            }
        }
        assert_ne!(found.identity(), load(&fixture(), None)?.identity());
    }
    Ok(())
}

#[test]
fn packed_files_can_be_expanded() -> Result<(), Box<dyn Error>> {
    let dir = Scratch::new("expanded-files")?;
    pack(&fixture(), &dir.0, WeightFormat::Q8.into())?;

    let expanded = load(&dir.0, Some(WeightFormat::F32.into()))?;

    assert_eq!(expanded.weight_bytes(), 4 * expanded.parameter_count());
    let file = fs::read(dir.0.join("model.safetensors"))?;
    let tensors = SafeTensors::deserialize(&file)?;
    let row = &tensors.tensor(NAME)?.data()[..ROW];
    // Number and scale of the first weight, beside the same weight of the original.
    let weight = f32::from(row[0] as i8) * f16::from_le_bytes([row[64], row[65]]).to_f32();
    let original = fs::read(fixture().join("model.safetensors"))?;
    let original = SafeTensors::deserialize(&original)?;
    let original = original.tensor(NAME.strip_suffix(".q8x8").expect("it ends so"))?;
    let original = f32::from_le_bytes(*original.data().first_chunk().expect("it has weights"));
    let step = f16::from_le_bytes([row[64], row[65]]).to_f32();
    assert!((weight - original).abs() <= step * 0.51, "{weight} and {original}");
    Ok(())
}

/// A packed checkpoint of which one matrix is another.
fn changed(
    dir: &Path,
    change: impl FnOnce(&mut Vec<u8>, &mut Vec<usize>, &mut Dtype),
) -> Result<(), Box<dyn Error>> {
    pack(&fixture(), dir, WeightFormat::Q8.into())?;
    let path = dir.join("model.safetensors");
    let file = fs::read(&path)?;
    let mut tensors = Vec::new();
    for (name, tensor) in SafeTensors::deserialize(&file)?.tensors() {
        tensors.push((name, tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()));
    }
    let at = tensors.iter().position(|(name, ..)| name == NAME).expect("it is packed");
    let (_, dtype, shape, bytes) = &mut tensors[at];
    change(bytes, shape, dtype);
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| Ok((name, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(serialize_to_file(views, None, &path)?)
}

#[test]
fn what_is_wrong_with_a_packed_matrix_is_said() -> Result<(), Box<dyn Error>> {
    let problem = |change: fn(&mut Vec<u8>, &mut Vec<usize>, &mut Dtype)| -> Result<_, Box<dyn Error>> {
        let dir = Scratch::new("hostile-packed")?;
        changed(&dir.0, change)?;
        Ok(load(&dir.0, None).err())
    };

    let narrow = problem(|bytes, shape, _| {
        bytes.truncate(64 * 64);
        *shape = vec![64, 64];
    })?;
    let Some(model::Error::Weights { problems }) = narrow else { panic!("{narrow:?}") };
    assert_eq!(problems, [format!("{NAME} is U8 [64, 64], expected U8 [64, {ROW}]")]);

    let signed = problem(|_, _, dtype| *dtype = Dtype::I8)?;
    assert!(matches!(signed, Some(model::Error::Weights { .. })), "{signed:?}");

    // The second scale of the third row: infinity.
    let broken = problem(|bytes, _, _| bytes[2 * ROW + 66..2 * ROW + 68].copy_from_slice(&[0x00, 0x7c]))?;
    let Some(model::Error::NonFiniteWeight { index, .. }) = broken else { panic!("{broken:?}") };
    assert_eq!(index, 2 * 64 + 32);

    assert!(problem(|_, _, _| ())?.is_none());
    Ok(())
}

#[test]
fn weights_are_never_written_over() -> Result<(), Box<dyn Error>> {
    let dir = Scratch::new("taken")?;
    pack(&fixture(), &dir.0, WeightFormat::Q8.into())?;
    let before = fs::read(dir.0.join("model.safetensors"))?;

    let again = pack(&fixture(), &dir.0, WeightFormat::Q4.into());

    let Err(model::Error::WriteFile { path, source }) = again else { panic!("{again:?}") };
    assert_eq!((path, source.kind()), (dir.0.join("model.safetensors"), io::ErrorKind::AlreadyExists));
    assert_eq!(fs::read(dir.0.join("model.safetensors"))?, before);
    Ok(())
}

#[test]
fn a_file_that_cannot_be_written_or_read_leaves_nothing() -> Result<(), Box<dyn Error>> {
    let dir = Scratch::new("unwritable")?;
    fs::write(dir.0.join("file"), "")?;
    let under_a_file = pack(&fixture(), &dir.0.join("file/under"), WeightFormat::Q8.into());
    assert!(matches!(under_a_file, Err(model::Error::WriteFile { .. })), "{under_a_file:?}");

    // A weight that is no number is found when its turn comes, which is after others have been written.
    let from = Scratch::new("broken-start")?;
    for entry in fs::read_dir(fixture())? {
        let entry = entry?;
        fs::copy(entry.path(), from.0.join(entry.file_name()))?;
    }
    let mut bytes = fs::read(from.0.join("model.safetensors"))?;
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(from.0.join("model.safetensors"), bytes)?;
    let to = dir.0.join("to");
    let broken = pack(&from.0, &to, WeightFormat::Q8.into());
    assert!(matches!(broken, Err(model::Error::NonFiniteWeight { .. })), "{broken:?}");
    let left: Vec<_> =
        fs::read_dir(&to)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("safetensors")), "{left:?}");
    Ok(())
}
