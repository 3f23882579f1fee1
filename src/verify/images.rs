use rcmu_core::{ImageSize, Orientation, Visual};
use rcmu_model::processor::{
    Dialect, Normalization, NormalizeTable, PictureLimits, PictureOptions, PixelBounds, Processor,
    ProcessorConfig, Resampler, RgbPixels, SizeRule, decode, inspect, resize, smart_resize,
};

use super::{
    golden::Golden,
    json::Node,
    pictures::{PictureFile, height_width, largest_difference, levels, raw, rgb},
    report::{Report, Stage, equal},
    tolerance::{JPEG_LEVELS, SUM},
};

const TENSORS: &str = "images.safetensors";
/// Pictures whose patches the generator stores in full.
const STORED_IN_FULL: [&str; 3] = ["gradient", "noise", "photo"];

/// The stages of this section.
struct Stages {
    decoded: Stage,
    decoded_jpeg: Stage,
    resized: Stage,
    resized_jpeg: Stage,
    values: Stage,
    records: Stage,
}

/// Checks decoding, resizing, normalising and cutting into patches, picture by picture and in every dialect.
pub(super) fn check(golden: &Golden, report: &mut Report) {
    let Some(records) = golden.section("images.json", report) else { return };
    let mut stages = Stages {
        decoded: Stage::exact("decoded pictures"),
        decoded_jpeg: Stage::new("decoded JPEG, levels", JPEG_LEVELS),
        resized: Stage::exact("resized pictures"),
        resized_jpeg: Stage::new("resized JPEG, levels", JPEG_LEVELS),
        values: Stage::exact("pixel values"),
        records: Stage::exact("picture records"),
    };
    check_tables(golden, &mut stages.values);
    for (name, record) in records.entries() {
        let checked = Image::read(golden, name, &record).and_then(|image| image.check(&mut stages));
        if let Err(problem) = checked {
            stages.records.case(record.name(), Err(problem));
        }
    }
    let Stages { decoded, decoded_jpeg, resized, resized_jpeg, values, records } = stages;
    for stage in [decoded, resized, values, records] {
        report.push(stage);
    }
    // A set without a JPEG is whole.
    for stage in [decoded_jpeg, resized_jpeg].into_iter().filter(|stage| stage.cases() > 0) {
        report.push(stage);
    }
}

/// Every byte in every channel, after normalising.
fn check_tables(golden: &Golden, stage: &mut Stage) {
    let config = ProcessorConfig::default();
    for (name, normalization) in
        [("normalize_pil", Normalization::Pil), ("normalize_torchvision", Normalization::Torchvision)]
    {
        let table = NormalizeTable::new(config.image_mean(), config.image_std(), normalization);
        let found: Vec<f32> = (0..256 * 3).map(|at| table.channel(at % 3)[at / 3]).collect();
        compare_floats(golden, stage, name, &found, &[256, 3]);
    }
}

fn compare_floats(golden: &Golden, stage: &mut Stage, name: &str, found: &[f32], shape: &[usize]) {
    let expected = golden.tensor(TENSORS, name).and_then(|tensor| {
        let Some(tensor) = tensor else { return Ok(None) };
        equal(&tensor.shape.as_slice(), &shape)?;
        tensor.floats().map(Some)
    });
    match expected {
        Ok(Some(expected)) => stage.near(name, found, &expected),
        Ok(None) => {}
        Err(problem) => stage.case(name, Err(problem)),
    }
}

/// One picture of the section.
struct Image<'a> {
    golden: &'a Golden,
    name: &'a str,
    record: &'a Node<'a>,
    file: PictureFile,
    /// The pixels of the reference, from which everything after decoding starts.
    rgb: RgbPixels,
    bounds: PixelBounds,
}

impl<'a> Image<'a> {
    fn read(golden: &'a Golden, name: &'a str, record: &'a Node<'a>) -> Result<Self, String> {
        let file = PictureFile::read(golden, &record.field::<String>("file")?)?;
        let tensor = golden.tensor(TENSORS, &format!("{name}/rgb"))?;
        let rgb = rgb(tensor.ok_or("its tensor rgb is left out")?)?;
        Ok(Self { golden, name, record, file, rgb, bounds: ProcessorConfig::default().bounds() })
    }

    fn check(&self, stages: &mut Stages) -> Result<(), String> {
        let Stages { decoded, decoded_jpeg, resized, resized_jpeg, values, records } = stages;
        self.decoding(if self.file.is_lossless { decoded } else { decoded_jpeg }, records)?;
        self.resizing(resized, records)?;
        if !self.file.is_lossless {
            self.own_decoding(resized_jpeg)?;
        }
        self.processing(values, records)
    }

    /// The pixels of the file in each dialect.
    fn decoding(&self, stage: &mut Stage, records: &mut Stage) -> Result<(), String> {
        let limits = PictureLimits::default();
        let own = |dialect| {
            let decoded = decode(&self.file.bytes, dialect, &limits);
            decoded.map(|decoded| decoded.pixels).map_err(|error| error.to_string())
        };
        let header = inspect(&self.file.bytes, &limits).map_err(|error| error.to_string())?;
        let size: [u32; 2] = self.record.field("size_hw")?;
        records.equal(&self.about("size_hw"), &height_width(header.file_size), &size);

        let plain = own(Dialect::QwenVlUtils)?;
        compare_pixels(stage, &self.about("rgb"), &plain, &self.rgb);
        for (key, dialect) in
            [("rgb_load_image", Dialect::Transformers457), ("rgb_processor", self.golden.dialect())]
        {
            // What transformers 4.57 does with a picture that was opened before is no dialect of its own: it drops
            // transparency as `load_image` does and leaves the orientation as it is.
            let found = if key == "rgb_processor"
                && !self.golden.is_v5()
                && header.orientation != Orientation::default()
            {
                plain.clone()
            } else {
                own(dialect)?
            };
            let differs: bool = self.record.field(&format!("{key}_differs"))?;
            records.equal(&self.about(&format!("{key}_differs")), &(found != plain), &differs);
            if differs {
                self.compare(stage, key, &found)?;
            }
        }
        Ok(())
    }

    /// The reference's pixels in each size and by each filter.
    fn resizing(&self, stage: &mut Stage, records: &mut Stage) -> Result<(), String> {
        let pillow = self.golden.pillow();
        let target = self.target(SizeRule::Transformers, self.bounds)?;
        let ready = self.target(SizeRule::QwenVlUtils, self.bounds)?;
        for (key, size) in [("resized_hw", target), ("fetch_image_hw", ready)] {
            records.equal(&self.about(key), &height_width(size), &self.record.field(key)?);
        }
        let [installed, rows_first, torchvision] = [pillow, Resampler::Pillow, Resampler::Torchvision]
            .map(|filter| resize(&self.rgb, target, filter));
        let is_same: bool = self.record.field("pillow_horizontal_first")?;
        records.equal(&self.about("pillow_horizontal_first"), &(installed == rows_first), &is_same);
        let key = "horizontal_first_vs_torchvision_max_diff";
        let distance: u8 = self.record.field(key)?;
        records.equal(&self.about(key), &largest_difference(&rows_first, &torchvision), &distance);

        self.compare(stage, "resized_pil", &installed)?;
        if !is_same {
            self.compare(stage, "resized_pil_horizontal_first", &rows_first)?;
        }
        if distance > 0 {
            self.compare(stage, "resized_torchvision", &torchvision)?;
        }
        if ready != target {
            self.compare(stage, "fetch_image", &resize(&self.rgb, ready, pillow))?;
        }
        let Some(small) = self.record.get("small") else { return Ok(()) };
        let bounds = PixelBounds::new(small.field("min_pixels")?, small.field("max_pixels")?);
        let target = self.target(SizeRule::Transformers, bounds.map_err(|error| error.to_string())?)?;
        records.equal(small.name(), &height_width(target), &small.field("resized_hw")?);
        for (key, filter) in [
            ("small_pil", pillow),
            ("small_pil_horizontal_first", Resampler::Pillow),
            ("small_torchvision", Resampler::Torchvision),
        ] {
            self.compare(stage, key, &resize(&self.rgb, target, filter))?;
        }
        Ok(())
    }

    /// The file, decoded here and resized, which must be near the reference's although decoders differ.
    fn own_decoding(&self, stage: &mut Stage) -> Result<(), String> {
        let target = self.target(SizeRule::Transformers, self.bounds)?;
        let decoded = decode(&self.file.bytes, Dialect::QwenVlUtils, &PictureLimits::default());
        let own = decoded.map_err(|error| error.to_string())?.pixels;
        let Some(expected) = self.golden.tensor(TENSORS, &format!("{}/resized_pil", self.name))? else {
            return Ok(());
        };
        let found = resize(&own, target, self.golden.pillow());
        compare_pixels(stage, &self.about("resized_pil"), &found, &rgb(expected)?);
        Ok(())
    }

    /// Patches of the reference's pixels, by each way to normalise.
    fn processing(&self, stage: &mut Stage, records: &mut Stage) -> Result<(), String> {
        let pillow = self.golden.pillow();
        let is_stored = STORED_IN_FULL.contains(&self.name);
        let mut both = Vec::new();
        for (key, resampler, normalization) in [
            ("pixel_values_pil", pillow, Normalization::Pil),
            ("pixel_values_torchvision", Resampler::Torchvision, Normalization::Torchvision),
        ] {
            let (found, grid) = self.process(self.golden.dialect(), resampler, normalization)?;
            // The reference's older processor cannot read some thin pictures; their sums are not recorded.
            if let Some(sum) = self.record.get(&format!("{key}_sum")) {
                let sum: f64 = sum.take()?;
                let own: f64 = found.iter().copied().map(f64::from).sum();
                let is_near = (own - sum).abs() <= SUM * sum.abs().max(1.0);
                let outcome = if is_near { Ok(()) } else { Err(format!("{own} instead of {sum}")) };
                records.case(&self.about(&format!("{key}_sum")), outcome);
            }
            records.equal(&self.about("grid_thw"), &grid, &self.record.field("grid_thw")?);
            if is_stored {
                self.compare_values(stage, key, &found);
            }
            both.push(found);
        }
        if let Some(distance) = self.record.get("pixel_values_max_diff") {
            let pairs = both[0].iter().zip(&both[1]);
            let own = pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
            let distance: f64 = distance.take()?;
            let is_near = (own - distance).abs() <= SUM;
            let outcome = if is_near { Ok(()) } else { Err(format!("{own} instead of {distance}")) };
            records.case(&self.about("pixel_values_max_diff"), outcome);
        }
        let (found, grid) = self.process(Dialect::QwenVlUtils, pillow, Normalization::Torchvision)?;
        let key = "readme_pipeline_grid_thw";
        records.equal(&self.about(key), &grid, &self.record.field(key)?);
        if is_stored {
            self.compare_values(stage, "pixel_values_readme", &found);
        }
        Ok(())
    }

    fn process(
        &self,
        dialect: Dialect,
        resampler: Resampler,
        normalization: Normalization,
    ) -> Result<(Vec<f32>, [usize; 3]), String> {
        let processor = Processor::default()
            .with_dialect(dialect)
            .with_resampler(resampler)
            .with_normalization(normalization);
        let processed = processor.process(&Visual::Image(raw(&self.rgb)), &PictureOptions::default());
        processed.map(|visual| (visual.pixel_values, visual.grid_thw)).map_err(|error| error.to_string())
    }

    fn target(&self, rule: SizeRule, bounds: PixelBounds) -> Result<ImageSize, String> {
        let factor = ProcessorConfig::default().layout().factor();
        smart_resize(self.rgb.size(), factor as u32, bounds, rule).map_err(|error| error.to_string())
    }

    fn compare(&self, stage: &mut Stage, key: &str, found: &RgbPixels) -> Result<(), String> {
        if let Some(tensor) = self.golden.tensor(TENSORS, &format!("{}/{key}", self.name))? {
            compare_pixels(stage, &self.about(key), found, &rgb(tensor)?);
        }
        Ok(())
    }

    fn compare_values(&self, stage: &mut Stage, key: &str, found: &[f32]) {
        let width = ProcessorConfig::default().layout().patch_dim();
        let shape = [found.len() / width, width];
        compare_floats(self.golden, stage, &format!("{}/{key}", self.name), found, &shape);
    }

    fn about(&self, key: &str) -> String {
        format!("{}.{key}", self.record.name())
    }
}

fn compare_pixels(stage: &mut Stage, name: &str, found: &RgbPixels, expected: &RgbPixels) {
    if found.size() != expected.size() {
        return stage.equal(name, &found.size(), &expected.size());
    }
    stage.near(name, &levels(found), &levels(expected));
}
