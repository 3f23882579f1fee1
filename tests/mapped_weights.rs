//! Weight files that are used where they lie: answers are those of weights that were read.

#![allow(unsafe_code, reason = "mapping files takes a promise, which these tests keep")]

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use rcmu::{
    ComputeDtype, WeightFormat, WeightFormats,
    core::Generator as _,
    model::{
        self, Device, LoadOptions, Model,
        trace::TraceInput,
        weights::{CheckpointLimits, Scan, pack_checkpoint},
    },
};
use safetensors::SafeTensors;

/// A copy of a checkpoint that is removed at the end.
struct Copied(PathBuf);

impl Copied {
    fn new(from: &str, name: &str) -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("rcmu-mapped-weights-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        for file in fs::read_dir(fixture(from))? {
            let file = file?;
            fs::copy(file.path(), dir.join(file.file_name()))?;
        }
        Ok(Self(dir))
    }

    /// The files of weights.
    fn weights(&self) -> io::Result<Vec<PathBuf>> {
        let files = fs::read_dir(&self.0)?.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>()?;
        Ok(files
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
            .collect())
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

fn mapping(weights: Option<WeightFormats>) -> LoadOptions {
    let mut options = LoadOptions::default();
    options.weights = weights;
    // SAFETY: nothing writes to the fixtures, nor to a copy while a model of it is there.
    unsafe { options.map_weights() }
}

fn load(dir: &Path, options: &LoadOptions) -> Result<Model, model::Error> {
    Model::load(dir, &Device::flex(), options, &mut |_| {})
}

/// The bits of the logits of so many tokens.
fn logits(model: &Model, tokens: u32) -> Result<Vec<u32>, model::Error> {
    let input = TraceInput { rows: vec![(100..100 + tokens).collect()], ..TraceInput::default() };
    Ok(model.trace(&input, 0)?.logits.values.iter().map(|value| value.to_bits()).collect())
}

fn assert_alike(found: &Model, expected: &Model) -> Result<(), model::Error> {
    assert_eq!(found.weight_bytes(), expected.weight_bytes());
    for tokens in [1, 40] {
        assert_eq!(logits(found, tokens)?, logits(expected, tokens)?, "{tokens}");
    }
    Ok(())
}

#[test]
fn mapped_weights_give_what_read_ones_give() -> Result<(), Box<dyn Error>> {
    for (name, format) in [("tiny", WeightFormat::F32), ("tiny_bf16", WeightFormat::Bf16)] {
        let mut read = LoadOptions::default();
        read.weights = Some(format.into());
        let expected = load(&fixture(name), &read)?;

        for weights in [None, Some(format.into())] {
            assert_alike(&load(&fixture(name), &mapping(weights))?, &expected)?;
        }
        // What is asked for in another format is packed.
        let other = Some(WeightFormats::from(WeightFormat::Q8));
        read.weights = other;
        assert_alike(&load(&fixture(name), &mapping(other))?, &load(&fixture(name), &read)?)?;
    }
    Ok(())
}

#[test]
fn mapped_packed_weights_give_what_packing_gives() -> Result<(), Box<dyn Error>> {
    for format in [WeightFormat::Q8, WeightFormat::Q4, WeightFormat::F16] {
        let dir = Copied::new("tiny", &format!("packed-{format:?}"))?;
        let packed = dir.0.join("packed");
        pack_checkpoint(&fixture("tiny"), &packed, format.into(), &CheckpointLimits::default(), &mut |_| {})?;
        let mut read = LoadOptions::default();
        read.weights = Some(format.into());

        assert_alike(&load(&packed, &mapping(None))?, &load(&fixture("tiny"), &read)?)?;
    }
    Ok(())
}

#[test]
fn the_name_of_a_model_tells_how_it_multiplies() -> Result<(), Box<dyn Error>> {
    let [mapped, read] =
        [mapping(None), LoadOptions::default()].map(|options| load(&fixture("tiny"), &options));

    assert_ne!(mapped?.identity(), read?.identity());
    Ok(())
}

#[test]
fn a_model_outlives_the_name_of_its_file() -> Result<(), Box<dyn Error>> {
    let dir = Copied::new("tiny_bf16", "removed")?;
    let model = load(&dir.0, &mapping(None))?;
    let before = logits(&model, 3)?;

    for file in dir.weights()? {
        fs::remove_file(file)?;
    }

    assert_eq!(logits(&model, 3)?, before);
    Ok(())
}

#[test]
fn numbers_at_odd_addresses_are_read() -> Result<(), Box<dyn Error>> {
    let dir = Copied::new("tiny_bf16", "odd")?;
    // One more space behind the header moves all numbers by a byte.
    for path in dir.weights()? {
        let file = fs::read(&path)?;
        let (length, rest) = file.split_first_chunk::<8>().ok_or("a length")?;
        let length = u64::from_le_bytes(*length);
        let (header, numbers) = rest.split_at(usize::try_from(length)?);
        fs::write(&path, [&(length + 1).to_le_bytes(), header, b" ", numbers].concat())?;
    }
    let mut read = LoadOptions::default();
    read.weights = Some(WeightFormat::Bf16.into());

    assert_alike(&load(&dir.0, &mapping(None))?, &load(&fixture("tiny_bf16"), &read)?)?;
    Ok(())
}

#[test]
fn broken_numbers_of_mapped_files_are_named() -> Result<(), Box<dyn Error>> {
    let dir = Copied::new("tiny_bf16", "broken")?;
    let name = "model.layers.1.mlp.up_proj.weight";
    for path in dir.weights()? {
        let mut file = fs::read(&path)?;
        let tensors = SafeTensors::deserialize(&file)?;
        let Ok(tensor) = tensors.tensor(name) else { continue };
        let start = tensor.data().as_ptr() as usize - file.as_ptr() as usize;
        // Infinity as the sixth number.
        file[start + 10..start + 12].copy_from_slice(&0x7f80_u16.to_le_bytes());
        fs::write(path, file)?;
    }

    let refused = load(&dir.0, &mapping(None));
    let found = matches!(&refused, Err(model::Error::NonFiniteWeight { name: at, index: 5 }) if at == name);
    assert!(found, "{:?}", refused.err());

    let mut options = mapping(None);
    options.checkpoint_limits.scan = Scan::Skip;
    load(&dir.0, &options)?;
    Ok(())
}

#[test]
fn mapped_weights_need_f32() {
    let mut options = mapping(None);
    options.dtype = Some(ComputeDtype::Bf16);

    let refused = load(&fixture("tiny_bf16"), &options);

    assert!(matches!(refused, Err(model::Error::PackedWeights { .. })), "{:?}", refused.err());
}
