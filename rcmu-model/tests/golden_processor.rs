//! The processor against the numbers of the reference: every table and tensor about pictures and videos.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use rcmu_core::{ImageSize, Picture, Visual};
use rcmu_model::{
    Error,
    processor::{
        Dialect, FrameOptions, FrameRule, Normalization, NormalizeTable, PictureLimits, PictureOptions,
        PixelBounds, Processor, ProcessorConfig, Resampler, RgbPixels, SizeRule, decode, inspect, patchify,
        read_picture, resize, sample_frames, smart_resize,
    },
};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// The golden directory: `RCMU_GOLDEN`, or the subset in the repository.
fn golden() -> PathBuf {
    std::env::var_os("RCMU_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden")),
        PathBuf::from,
    )
}

fn json(name: &str) -> Value {
    let path = golden().join(name);
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

/// The tensors of one file: shape and bytes by name.
struct Tensors(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn load(name: &str) -> Self {
        let path = golden().join(name);
        let file = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tensors = SafeTensors::deserialize(&file).unwrap();
        let copy = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Self(tensors.tensors().into_iter().map(copy).collect())
    }

    /// A picture stored as `[height, width, 3]` bytes.
    fn rgb(&self, name: &str) -> Option<RgbPixels> {
        let (dtype, shape, bytes) = self.0.get(name)?;
        assert_eq!((*dtype, shape.len()), (Dtype::U8, 3), "{name}");
        Some(RgbPixels::new(size(shape[0], shape[1]), bytes.clone()).unwrap())
    }

    /// Numbers stored as `f32`.
    fn floats(&self, name: &str) -> Option<Vec<f32>> {
        let (dtype, _, bytes) = self.0.get(name)?;
        assert_eq!(*dtype, Dtype::F32, "{name}");
        Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }
}

fn size(height: usize, width: usize) -> ImageSize {
    ImageSize::new(width as u32, height as u32).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The largest difference of two pictures of one size.
fn difference(a: &RgbPixels, b: &RgbPixels) -> u8 {
    assert_eq!(a.size(), b.size());
    a.pixels().iter().zip(b.pixels()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

fn assert_bits(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let wrong = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    assert_eq!(wrong, 0, "{name}: {wrong} of {} values differ", expected.len());
}

/// The filter with which the set's Pillow made its pictures.
fn installed_pillow() -> Resampler {
    let pillow = json("manifest.json")["pillow"].as_str().unwrap().to_owned();
    let major: u32 = pillow.split('.').next().unwrap().parse().unwrap();
    if major >= 13 { Resampler::Pillow13 } else { Resampler::Pillow }
}

#[test]
fn both_resize_functions_equal_their_tables() {
    let rows = json("resize.json");
    let (mut compared, mut refused) = (0, 0);
    for row in rows.as_array().unwrap() {
        let [height, width, factor, min, max] =
            ["height", "width", "factor", "min_pixels", "max_pixels"].map(|key| number(&row[key]));
        for (key, rule) in
            [("transformers", SizeRule::Transformers), ("qwen_vl_utils", SizeRule::QwenVlUtils)]
        {
            let found = ImageSize::new(width as u32, height as u32)
                .map_err(Error::from)
                .and_then(|size| smart_resize(size, factor as u32, PixelBounds::new(min, max)?, rule));
            match row[key].as_array() {
                // A side of zero is a value there and an error here.
                Some(sides) if sides.iter().all(|side| number(side) > 0) => {
                    let expected = size(number(&sides[0]) as usize, number(&sides[1]) as usize);
                    assert_eq!(found.unwrap(), expected, "{row}");
                    compared += 1;
                }
                _ => {
                    assert!(found.is_err(), "{row}: {found:?}");
                    refused += 1;
                }
            }
        }
    }
    println!("{compared} sizes equal, {refused} refused");
    assert!(compared > 0 && refused > 0);
}

#[test]
fn both_frame_rules_equal_their_tables() {
    let rows = json("frames.json");
    let (mut compared, mut refused) = (0, 0);
    for row in rows.as_array().unwrap() {
        let (rule, count, indices) = if row.get("transformers_nframes").is_some() {
            (FrameRule::Transformers, &row["transformers_nframes"], &row["transformers_indices"])
        } else {
            (FrameRule::QwenVlUtils, &row["qwen_vl_utils_nframes"], &row["qwen_vl_utils_indices"])
        };
        let mut options = FrameOptions::default();
        for (key, value) in row["options"].as_object().unwrap() {
            match key.as_str() {
                "fps" => options.fps = value.as_f64().unwrap(),
                "min_frames" => options.min_frames = number(value),
                "max_frames" => options.max_frames = number(value),
                "nframes" | "num_frames" => options.num_frames = Some(number(value)),
                other => panic!("unknown option {other}"),
            }
        }
        let fps = row["video_fps"].as_f64().unwrap();
        let found = sample_frames(number(&row["total_frames"]), fps, &options, rule);
        if count.is_object() {
            assert!(matches!(found, Err(Error::FrameCount { .. })), "{row}: {found:?}");
            refused += 1;
            continue;
        }
        let mut found = found.unwrap();
        assert_eq!(found.len() as u64, number(count), "{row}");
        if found.len() > 64 {
            found.drain(32..found.len() - 32);
        }
        // Rounding in f32 can make the reference name a frame behind the last one, which does not exist.
        let last = number(&row["total_frames"]) - 1;
        let expected: Vec<u64> = indices.as_array().unwrap().iter().map(|i| number(i).min(last)).collect();
        assert_eq!(found, expected, "{row}");
        compared += 1;
    }
    println!("{compared} videos equal, {refused} refused");
    assert!(compared > 0 && refused > 0);
}

#[test]
fn normalisation_tables_are_equal_bit_for_bit() {
    let tensors = Tensors::load("images.safetensors");
    let config = ProcessorConfig::default();
    let mut compared = 0;
    for (name, normalization) in
        [("normalize_pil", Normalization::Pil), ("normalize_torchvision", Normalization::Torchvision)]
    {
        let Some(expected) = tensors.floats(name) else { continue };
        let table = NormalizeTable::new(config.image_mean(), config.image_std(), normalization);
        let found: Vec<f32> = (0..256)
            .flat_map(|byte| (0..3).map(move |channel| (byte, channel)))
            .map(|(b, c)| table.channel(c)[b])
            .collect();
        assert_bits(name, &found, &expected);
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn files_decode_to_the_pixels_of_every_dialect() {
    let (info, tensors) = (json("images.json"), Tensors::load("images.safetensors"));
    let limits = PictureLimits::default();
    let mut compared = 0;
    for (name, record) in info.as_object().unwrap() {
        let path = golden().join(record["file"].as_str().unwrap());
        let Ok(Picture::Encoded(bytes)) = read_picture(&path, &limits) else { panic!("{}", path.display()) };
        let Some(rgb) = tensors.rgb(&format!("{name}/rgb")) else { continue };
        let expect = |key: &str| tensors.rgb(&format!("{name}/{key}")).unwrap_or_else(|| rgb.clone());
        // A tensor that is not stored equals `rgb`, if the record says so.
        let is_known = |key: &str| {
            !record[format!("{key}_differs")].as_bool().unwrap_or(false)
                || tensors.0.contains_key(&format!("{name}/{key}"))
        };
        for (key, dialect) in [
            ("rgb", Dialect::QwenVlUtils),
            ("rgb_load_image", Dialect::Transformers457),
            ("rgb_processor", Dialect::Transformers523),
        ] {
            if !is_known(key) {
                continue;
            }
            let (found, expected) = (decode(&bytes, dialect, &limits).unwrap().pixels, expect(key));
            let worst = difference(&found, &expected);
            assert_eq!(worst, 0, "{name}/{key}");
            compared += 1;
        }
        let header = inspect(&bytes, &limits).unwrap();
        assert_eq!(header.file_size, rgb.size(), "{name}");
    }
    println!("{compared} pictures compared");
    assert!(compared > 0);
}

#[test]
fn resized_pictures_are_equal_bit_for_bit() {
    let (info, tensors) = (json("images.json"), Tensors::load("images.safetensors"));
    let bounds = ProcessorConfig::default().bounds();
    let installed = installed_pillow();
    let mut compared = 0;
    for (name, record) in info.as_object().unwrap() {
        let Some(rgb) = tensors.rgb(&format!("{name}/rgb")) else { continue };
        let target = smart_resize(rgb.size(), 28, bounds, SizeRule::Transformers).unwrap();
        let utils = smart_resize(rgb.size(), 28, bounds, SizeRule::QwenVlUtils).unwrap();
        let small = record.get("small").map(|small| {
            let bounds =
                PixelBounds::new(number(&small["min_pixels"]), number(&small["max_pixels"])).unwrap();
            smart_resize(rgb.size(), 28, bounds, SizeRule::Transformers).unwrap()
        });
        let cases = [
            ("resized_pil", Some(target), installed),
            ("resized_pil_horizontal_first", Some(target), Resampler::Pillow),
            ("resized_torchvision", Some(target), Resampler::Torchvision),
            ("fetch_image", Some(utils), installed),
            ("small_pil", small, installed),
            ("small_pil_horizontal_first", small, Resampler::Pillow),
            ("small_torchvision", small, Resampler::Torchvision),
        ];
        for (key, to, resampler) in cases {
            if let (Some(expected), Some(to)) = (tensors.rgb(&format!("{name}/{key}")), to) {
                let found = resize(&rgb, to, resampler);
                assert_eq!(found.size(), expected.size(), "{name}/{key}");
                assert_eq!(difference(&found, &expected), 0, "{name}/{key}");
                compared += 1;
            }
        }
    }
    println!("{compared} resized pictures equal");
    assert!(compared > 0);
}

#[test]
fn pixel_values_are_equal_bit_for_bit() {
    let (info, tensors) = (json("images.json"), Tensors::load("images.safetensors"));
    let installed = installed_pillow();
    let mut compared = 0;
    for (name, record) in info.as_object().unwrap() {
        let path = golden().join(record["file"].as_str().unwrap());
        let visual = Visual::Image(read_picture(&path, &PictureLimits::default()).unwrap());
        let cases = [
            ("pixel_values_pil", Dialect::Transformers523, installed, Normalization::Pil),
            (
                "pixel_values_torchvision",
                Dialect::Transformers523,
                Resampler::Torchvision,
                Normalization::Torchvision,
            ),
            ("pixel_values_readme", Dialect::QwenVlUtils, installed, Normalization::Torchvision),
        ];
        for (key, dialect, resampler, normalization) in cases {
            let Some(expected) = tensors.floats(&format!("{name}/{key}")) else { continue };
            let processor = Processor::default()
                .with_dialect(dialect)
                .with_resampler(resampler)
                .with_normalization(normalization);
            let found = processor.process(&visual, &PictureOptions::default()).unwrap();
            assert_bits(&format!("{name}/{key}"), &found.pixel_values, &expected);
            compared += 1;
        }
        for (key, dialect) in
            [("grid_thw", Dialect::Transformers523), ("readme_pipeline_grid_thw", Dialect::QwenVlUtils)]
        {
            let processor = Processor::default().with_dialect(dialect);
            let plan = processor.plan(&visual, &PictureOptions::default()).unwrap();
            let expected: Vec<u64> = record[key].as_array().unwrap().iter().map(number).collect();
            assert_eq!(plan.grid_thw.map(|n| n as u64), expected[..], "{name}/{key}");
        }
    }
    println!("{compared} tensors equal");
    // The committed subset leaves these tensors out, the full data have them.
    let held = tensors.0.keys().any(|name| name.contains("/pixel_values"));
    assert!(held || std::env::var_os("RCMU_GOLDEN").is_none(), "full golden data have pixel values");
    assert_eq!(compared > 0, held);
}

#[test]
fn the_sum_of_every_picture_is_the_reference_s() {
    // The sums are of exact values, added in another order in f64.
    const TOLERANCE: f64 = 1e-9;
    let (info, tensors) = (json("images.json"), Tensors::load("images.safetensors"));
    let config = ProcessorConfig::default();
    let mut compared = 0;
    for (name, record) in info.as_object().unwrap() {
        let Some(rgb) = tensors.rgb(&format!("{name}/rgb")) else { continue };
        let to = smart_resize(rgb.size(), 28, config.bounds(), SizeRule::Transformers).unwrap();
        for (key, resampler, normalization) in [
            ("pixel_values_pil_sum", installed_pillow(), Normalization::Pil),
            ("pixel_values_torchvision_sum", Resampler::Torchvision, Normalization::Torchvision),
        ] {
            let Some(expected) = record[key].as_f64() else { continue };
            let table = NormalizeTable::new(config.image_mean(), config.image_std(), normalization);
            let values = patchify(&[resize(&rgb, to, resampler)], &table, config.layout());
            let sum: f64 = values.iter().copied().map(f64::from).sum();
            assert!(
                (sum - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
                "{name}/{key}: {sum} {expected}"
            );
            compared += 1;
        }
    }
    assert!(compared > 0);
}

#[test]
fn videos_and_pictures_of_the_model_fixtures_are_equal_bit_for_bit() {
    let cases = json("model.json");
    let info = json("images.json");
    let mut compared = 0;
    for (name, record) in cases.as_object().unwrap() {
        let file = format!("model_{name}.safetensors");
        if !golden().join(&file).exists() {
            continue;
        }
        let tensors = Tensors::load(&file);
        let mut found = Vec::new();
        for picture in record["images"].as_array().unwrap() {
            let path = golden().join(info[picture.as_str().unwrap()]["file"].as_str().unwrap());
            let visual = Visual::Image(read_picture(&path, &PictureLimits::default()).unwrap());
            let processor = Processor::default().with_dialect(Dialect::Transformers523);
            found.extend(processor.process(&visual, &PictureOptions::default()).unwrap().pixel_values);
        }
        if let Some(expected) = tensors.floats("in.pixel_values") {
            assert_bits(&format!("{name}/in.pixel_values"), &found, &expected);
            compared += 1;
        }
        if let (Some(frames), Some(expected)) =
            (tensors.0.get("in.video_frames.0"), tensors.floats("in.pixel_values_videos"))
        {
            let [_, height, width, _] = frames.1[..] else { panic!("{name}: frames have four axes") };
            let frames = frames.2.chunks_exact(height * width * 3);
            let picture = |pixels: &[u8]| Picture::Rgb { size: size(height, width), pixels: pixels.into() };
            let visual = Visual::Video(frames.map(picture).collect());
            for dialect in [Dialect::Visible, Dialect::Transformers457, Dialect::Transformers523] {
                let processor = Processor::default().with_dialect(dialect);
                let video = processor.process(&visual, &PictureOptions::default()).unwrap();
                assert_bits(&format!("{name}/in.pixel_values_videos"), &video.pixel_values, &expected);
                let grid = &tensors.0["in.video_grid_thw"].2;
                let grid: Vec<u64> = grid.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
                assert_eq!(video.grid_thw.map(|n| n as u64), grid[..], "{name}");
            }
            compared += 1;
        }
    }
    println!("{compared} tensors equal");
    assert!(compared > 0);
}

#[test]
fn thin_pictures_are_refused_and_accepted_as_in_the_reference() {
    let errors = json("errors.json");
    for (key, width) in [("image 1x201", 201), ("image 1x200", 200)] {
        let Some(expected) = errors.get(key) else { continue };
        let visual = Visual::Image(Picture::Rgb { size: size(1, width), pixels: vec![0; width * 3].into() });

        let found = Processor::default().plan(&visual, &PictureOptions::default());

        match expected["image_tokens"].as_u64() {
            Some(tokens) => assert_eq!(found.unwrap().tokens as u64, tokens),
            None => assert!(matches!(found, Err(Error::AspectRatio { .. })), "{key}: {found:?}"),
        }
    }
    assert!(errors.get("image 1x201").is_some());
}

#[test]
fn the_published_settings_file_gives_the_published_settings() {
    let folder = golden().join("tiny");
    assert!(folder.join("preprocessor_config.json").exists(), "{} has no settings file", folder.display());

    assert_eq!(ProcessorConfig::load(&folder).unwrap(), ProcessorConfig::default());
}
