//! Packed weights change what a model costs, and its answers by the rounding of the weights and little else.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use half::f16;
use rcmu::{
    ComputeDtype, WeightFormat, WeightFormats,
    core::{Control, GenerateOptions, Generator, Prompt, Request, SpecialToken},
    model::{
        self, Device, LoadOptions, Model,
        trace::{TraceInput, TracePicture},
        weights::{CheckpointLimits, pack_checkpoint},
    },
};
use safetensors::{Dtype, SafeTensors, serialize_to_file, tensor::TensorView};

/// Weights that share a scale.
const GROUP: usize = 32;
/// Weights of the tiny checkpoint's matrices: the table, the decoder's and the tower's two layers, and the merger.
const PACKED: u64 = 1024 * 64
    + 2 * (64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 64 * 128)
    + 2 * (32 * 96 + 32 * 32 + 2 * 32 * 128)
    + (128 * 128 + 128 * 64);

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tiny")
}

fn load(
    dir: &Path,
    dtype: Option<ComputeDtype>,
    weights: Option<WeightFormats>,
) -> Result<Model, model::Error> {
    let mut options = LoadOptions::default();
    (options.dtype, options.weights) = (dtype, weights);
    Model::load(dir, &Device::flex(), &options, &mut |_| {})
}

/// Logits of so many tokens: of few the weights are multiplied row by row, of many they are expanded first.
fn logits(model: &Model, tokens: u32) -> Result<Vec<f32>, model::Error> {
    let input = TraceInput { rows: vec![(100..100 + tokens).collect()], ..TraceInput::default() };
    Ok(model.trace(&input, 0)?.logits.values)
}

#[test]
fn activations_are_rounded_beside_bf16_only_where_it_is_asked_for() -> Result<(), Box<dyn Error>> {
    #[cfg(target_arch = "x86_64")]
    let has_units = is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    let has_units = false;
    let models = [WeightFormat::F32, WeightFormat::Bf16].map(|format| {
        [false, true].map(|rounds| {
            let mut options = LoadOptions::default();
            (options.weights, options.bf16_activations) = (Some(format.into()), rounds);
            Model::load(&fixture(), &Device::flex(), &options, &mut |_| {})
        })
    });
    let [floats, halves] = models;

    for (models, rounds) in [(floats, false), (halves, has_units)] {
        let [exact, allowed] = models;
        let (exact, allowed) = (exact?, allowed?);
        assert_ne!(exact.identity(), allowed.identity());
        // Of few tokens nothing is rounded.
        assert_eq!(logits(&exact, 3)?, logits(&allowed, 3)?);
        let (exact, allowed) = (logits(&exact, 40)?, logits(&allowed, 40)?);
        let size = exact.iter().map(|value| value.abs()).fold(0.0, f32::max);
        let apart = exact.iter().zip(&allowed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(apart > 0.0, rounds);
        // A number of bf16 is at most 1/512 from the one that was rounded, and errors of all layers add up.
        assert!(apart < size / 20.0, "{apart} of {size}");
    }
    Ok(())
}

#[test]
fn formats_without_loss_answer_alike() -> Result<(), Box<dyn Error>> {
    let mut prompt = Prompt::new();
    prompt.push_untrusted("the blue anchor and the red boat");
    let request = Request { prompt, visuals: Vec::new(), options: GenerateOptions::greedy(24) };
    let answer = |model: &Model| model.generate(&request, &Control::default(), &mut |_| {});
    let expected = answer(&load(&fixture(), None, None)?)?;

    for format in [WeightFormat::F32, WeightFormat::Bf16] {
        let found = answer(&load(&fixture(), None, Some(format.into()))?)?;
        assert_eq!(found.token_ids, expected.token_ids, "{format:?}");
    }
    Ok(())
}

/// The nearest multiple of a group's scale: its largest magnitude over 127, or the first value of that magnitude over -8, as an
/// f16. Halves go away from zero in 8 bits, up in 4.
fn rounded(group: &[f32], format: WeightFormat) -> Vec<f32> {
    let largest = group.iter().fold(0.0_f32, |far, &value| if value.abs() > far.abs() { value } else { far });
    let (scale, [low, high], offset) = match format {
        WeightFormat::Q8 => (largest.abs() / 127.0, [-127.0, 127.0], 0.0),
        _ => (largest / -8.0, [-8.0, 7.0], 8.0),
    };
    let scale = f16::from_f32(scale).to_f32();
    let nearest = |value: &f32| ((value * scale.recip() + offset).round() - offset).clamp(low, high);
    let number = |value: &f32| if scale == 0.0 { 0.0 } else { nearest(value) };
    group.iter().map(|value| number(value) * scale).collect()
}

/// A copy of the fixture whose matrices hold numbers that the format has.
fn rounded_copy(format: WeightFormat) -> Result<PathBuf, Box<dyn Error>> {
    static COPIES: AtomicUsize = AtomicUsize::new(0);
    let copy = COPIES.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("rcmu-packed-{}-{copy}", std::process::id()));
    fs::create_dir_all(&dir)?;
    for entry in fs::read_dir(fixture())? {
        let entry = entry?;
        fs::copy(entry.path(), dir.join(entry.file_name()))?;
    }
    let bytes = fs::read(dir.join("model.safetensors"))?;
    let mut tensors = Vec::new();
    for (name, tensor) in SafeTensors::deserialize(&bytes)?.tensors() {
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let values = match tensor.shape() {
            [_, _] => values.chunks(GROUP).flat_map(|group| rounded(group, format)).collect(),
            _ => values,
        };
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((name, tensor.shape().to_vec(), data));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    serialize_to_file(views, None, &dir.join("model.safetensors"))?;
    Ok(dir)
}

#[test]
fn activations_are_rounded_far_finer_than_weights() -> Result<(), Box<dyn Error>> {
    for format in [WeightFormat::Q8, WeightFormat::Q4] {
        let dir = rounded_copy(format)?;
        let (plain, packed) =
            (load(&dir, None, None)?, load(&fixture(), None, Some(WeightFormats::all(format)))?);
        fs::remove_dir_all(dir)?;
        let exact = load(&fixture(), None, None)?;

        for tokens in [1, 7, 40] {
            let (found, expected) = (logits(&packed, tokens)?, logits(&plain, tokens)?);
            let apart =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let (activations, weights) = (apart(&found, &expected), apart(&found, &logits(&exact, tokens)?));
            // Steps of activations are 256 times as fine as those of weights beside 8 bits, 16 times beside 4; sums of
            // roundings come out within a few times of that.
            let share = if format == WeightFormat::Q8 { 0.01 } else { 0.1 };
            let what = format!("{format:?}, {tokens}: {activations} of {weights}");
            assert!(activations < share * weights, "activations move logits too far: {what}");
            assert!(weights > 0.1, "weights are not rounded: {what}");
        }
    }
    Ok(())
}

#[test]
fn activations_of_the_tower_are_rounded_about_as_finely_as_8_bit_weights() -> Result<(), Box<dyn Error>> {
    let dir = rounded_copy(WeightFormat::Q8)?;
    let (plain, packed) = (load(&dir, None, None)?, load(&fixture(), None, Some(WeightFormat::Q8.into()))?);
    fs::remove_dir_all(dir)?;
    let exact = load(&fixture(), None, None)?;

    let (found, expected) = (features(&packed)?, features(&plain)?);

    let size = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    let (activations, weights) = (size(&found, &expected), size(&expected, &features(&exact)?));
    let what = format!("{activations} of {weights}");
    // Both are rounded to 1/127 of the largest of 32: neither error is a multiple of the other.
    assert!(activations < 2.0 * weights, "activations move features too far: {what}");
    assert!(activations > 0.1 * weights, "activations are not rounded to 8 bits: {what}");
    Ok(())
}

/// What the tower makes of a picture of 8×8 patches with numbers in -2..2.
fn features(model: &Model) -> Result<Vec<f32>, Box<dyn Error>> {
    let (config, [height, width]) = (model.config(), [8, 8]);
    let numbers = height * width * config.vision.patch_dim();
    let pixel_values = (0..numbers).map(|at| (at * 37 % 101) as f32 / 25.0 - 2.0).collect();
    let merged = height * width / config.vision.spatial_merge_size.pow(2);
    let control = |token| model.tokenizer().id(token);
    let mut row = vec![control(SpecialToken::VisionStart)];
    row.extend(std::iter::repeat_n(config.image_token_id, merged));
    row.push(control(SpecialToken::VisionEnd));
    let images = vec![TracePicture { pixel_values, grid_thw: [1, height, width] }];
    let trace = model.trace(&TraceInput { rows: vec![row], images, ..TraceInput::default() }, 0)?;
    let features = trace.tensors.into_iter().find(|tensor| tensor.name == "vision.merged");
    Ok(features.ok_or("the tower has run")?.values)
}

#[test]
fn a_model_says_what_its_weights_take() -> Result<(), model::Error> {
    let plain = load(&fixture(), None, None)?;
    assert_eq!(plain.weight_bytes(), 4 * plain.parameter_count());

    for format in
        [WeightFormat::F32, WeightFormat::Bf16, WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4]
    {
        let packed = load(&fixture(), None, Some(WeightFormats::all(format)))?;
        // Norms, biases and the patch embedding stay as they are.
        let rest = 4 * (packed.parameter_count() - PACKED);
        assert_eq!(packed.weight_bytes(), rest + format.bytes(PACKED), "{format:?}");
        assert_ne!(packed.identity(), plain.identity(), "{format:?}");
    }
    Ok(())
}

#[test]
fn packed_weights_need_f32() {
    let refused = load(&fixture(), Some(ComputeDtype::Bf16), Some(WeightFormat::Q8.into()));

    let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("keeps no such weights beside Bf16"), "{error}");
}

/// With a driver that runs on the CPU: `RCMU_SOFTWARE_GPU=1 cargo test --features wgpu --test packed_weights -- --ignored`.
#[test]
#[ignore = "needs a backend that is not the CPU's, and a device of it"]
fn other_devices_keep_weights_of_8_and_4_bits() -> Result<(), Box<dyn Error>> {
    let device = rcmu::default_device()?;
    assert_ne!(device, Device::flex());
    let on_device = |dir: &Path, weights| {
        let mut options = LoadOptions::default();
        (options.dtype, options.weights) = (Some(ComputeDtype::F32), weights);
        Model::load(dir, &device, &options, &mut |_| {})
    };
    for format in [WeightFormat::Q8, WeightFormat::Q4] {
        let dir = rounded_copy(format)?;
        let plain = load(&dir, None, None)?;
        let packed_dir = dir.join("packed");
        let (formats, limits) = (WeightFormats::all(format), CheckpointLimits::default());
        pack_checkpoint(&fixture(), &packed_dir, formats, &limits, &mut |_| {})?;
        let quantised = on_device(&fixture(), Some(formats))?;
        let from_packed = on_device(&packed_dir, None)?;
        fs::remove_dir_all(dir)?;

        // Scales of groups are f32 there, and the host has a copy of the table.
        let rest = 4 * (quantised.parameter_count() - PACKED) + format.bytes(1024 * 64);
        let bits = if format == WeightFormat::Q8 { 9 } else { 5 };
        for model in [&quantised, &from_packed] {
            assert_eq!(model.weight_bytes(), rest + PACKED * bits / 8, "{format:?}");
            // Nothing is rounded but the weights.
            for tokens in [1, 7, 40] {
                let (found, expected) = (logits(model, tokens)?, logits(&plain, tokens)?);
                let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-3, "{format:?}, {tokens}: {apart}");
            }
            let apart = features(model)?.into_iter().zip(features(&plain)?).map(|(a, b)| (a - b).abs());
            let apart = apart.fold(0.0, f32::max);
            assert!(apart < 1e-3, "{format:?}: {apart}");
        }
        assert_eq!(logits(&quantised, 7)?, logits(&from_packed, 7)?);
    }
    let refused = on_device(&fixture(), Some(WeightFormat::F16.into()));
    assert!(matches!(refused, Err(model::Error::PackedWeights { .. })), "{:?}", refused.err());
    Ok(())
}
