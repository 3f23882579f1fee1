use std::collections::BTreeSet;

use rcmu_core::{Picture, Prompt, Visual};
use rcmu_model::{
    ComputeDtype, LoadOptions, Model,
    processor::PictureOptions,
    trace::{TraceInput, TracePicture},
};

use super::{
    VerifyOptions,
    checkpoints::CHECKPOINTS,
    decode, forward,
    golden::Golden,
    json::Node,
    pictures::{PictureFile, image_size},
    report::{Report, Stage, equal},
    rope::real_tokens,
    tensors::Tensor,
    tolerance::Tolerance,
};

/// The stages of this section.
pub(super) struct Stages {
    pub(super) prompts: Stage,
    pub(super) pixels: Stage,
    pub(super) positions: Stage,
    pub(super) vision: Stage,
    pub(super) hidden: Stage,
    pub(super) logits: Stage,
    pub(super) untied: Stage,
    pub(super) bf16: Stage,
    pub(super) greedy: Stage,
    pub(super) decode: Stage,
    pub(super) batches: Stage,
    pub(super) records: Stage,
}

/// The checkpoints of the directory on the device.
pub(super) struct Models {
    pub(super) tied: Model,
    /// `None` where the directory does not have it.
    pub(super) untied: Option<Model>,
}

/// Checks every case: prompt, pixels, positions, each layer, logits and greedy decoding.
pub(super) fn check(golden: &Golden, options: &VerifyOptions, report: &mut Report) {
    let Some(records) = golden.section("model.json", report) else { return };
    let tolerances = options.tolerances;
    let mut stages = Stages {
        prompts: Stage::exact("prompts"),
        pixels: Stage::exact("pixel values of prompts"),
        positions: Stage::exact("positions of prompts"),
        vision: Stage::new("vision", tolerances.vision),
        hidden: Stage::new("hidden states", tolerances.hidden),
        logits: Stage::new("logits", tolerances.logits),
        untied: Stage::new("logits, untied", tolerances.logits),
        bf16: Stage::new("stated bf16 noise", Tolerance::Noise(1.0)),
        greedy: Stage::exact("greedy ids"),
        decode: Stage::new("decoded logits", tolerances.logits),
        batches: Stage::exact("batches"),
        records: Stage::exact("model records"),
    };
    match load_all(golden, options) {
        Ok(models) => {
            for (name, record) in records.entries() {
                let case = Case::read(golden, name, record.clone(), &models.tied, tolerances.logits);
                let checked = case.and_then(|case| {
                    let trace = forward::check(&case, &models, &mut stages)?;
                    decode::check(&case, &models, &trace, &mut stages)
                });
                if let Err(problem) = checked {
                    stages.prompts.case(record.name(), Err(problem));
                }
            }
        }
        Err(problem) => stages.prompts.case("loading", Err(problem)),
    }
    push_all(golden, stages, &records, report);
}

fn push_all(golden: &Golden, stages: Stages, records: &Node<'_>, report: &mut Report) {
    let Stages {
        prompts,
        pixels,
        positions,
        vision,
        hidden,
        logits,
        untied,
        bf16,
        greedy,
        decode,
        batches,
        records: facts,
    } = stages;
    // A set of texts alone, or one without an untied checkpoint, has nothing for some of the stages.
    let may_be_empty =
        ["pixel values of prompts", "positions of prompts", "vision", "logits, untied", "batches"];
    for stage in
        [prompts, pixels, positions, vision, hidden, logits, untied, bf16, greedy, decode, batches, facts]
    {
        if stage.cases() > 0 || !may_be_empty.contains(&stage.name()) {
            report.push(stage);
        }
    }
    let named: BTreeSet<String> =
        records.entries().into_iter().map(|(name, _)| format!("model_{name}.safetensors")).collect();
    for file in golden.top_files().filter(|file| file.starts_with("model_") && !named.contains(*file)) {
        report.absent(format!("{file} has no entry in model.json"));
    }
}

/// The tied checkpoint in f32, in whichever form the directory has it.
pub(super) fn load_tied(golden: &Golden, options: &VerifyOptions) -> Result<Model, String> {
    let mut tied = CHECKPOINTS.into_iter().filter(|folder| *folder != "tiny_untied");
    let folder = tied.find(|folder| golden.has(&format!("{folder}/config.json")));
    load(golden, options, folder.ok_or("no checkpoint is there")?, ComputeDtype::F32)
}

pub(super) fn load(
    golden: &Golden,
    options: &VerifyOptions,
    folder: &str,
    dtype: ComputeDtype,
) -> Result<Model, String> {
    let mut load_options = LoadOptions::default();
    load_options.dtype = Some(dtype);
    load_options.dialect = golden.dialect();
    load_options.weights = options.weights.filter(|_| dtype == ComputeDtype::F32);
    Model::load(&golden.path(folder), &options.device, &load_options, &mut |_| {})
        .map_err(|error| format!("{folder}: {}", with_causes(&error)))
}

fn load_all(golden: &Golden, options: &VerifyOptions) -> Result<Models, String> {
    let has = |folder: &str| golden.has(&format!("{folder}/config.json"));
    let tied = load_tied(golden, options)?;
    let untied =
        has("tiny_untied").then(|| load(golden, options, "tiny_untied", ComputeDtype::F32)).transpose()?;
    Ok(Models { tied, untied })
}

/// An error and its causes in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// One case of the section, with its pictures processed here.
pub(super) struct Case<'a> {
    pub(super) golden: &'a Golden,
    pub(super) record: Node<'a>,
    file: String,
    /// One prompt for each row.
    pub(super) prompts: Vec<String>,
    /// Ids of each row without its pads, as the reference has them.
    pub(super) rows: Vec<Vec<u32>>,
    /// Pads before each row.
    pub(super) pads: Vec<usize>,
    /// Tokens of a padded row.
    pub(super) seq: usize,
    pub(super) images: Vec<Visual>,
    pub(super) videos: Vec<Visual>,
    pub(super) logits_tolerance: Tolerance,
}

impl<'a> Case<'a> {
    pub(super) fn read(
        golden: &'a Golden,
        name: &str,
        record: Node<'a>,
        model: &Model,
        logits_tolerance: Tolerance,
    ) -> Result<Self, String> {
        let file = format!("model_{name}.safetensors");
        let prompts: Vec<String> = record.field("prompt")?;
        let tensor = |name: &str| golden.tensor(&file, name)?.ok_or_else(|| format!("{name} is left out"));
        let ids = tensor("in.input_ids")?.id_rows()?;
        let masks = tensor("in.attention_mask")?.id_rows()?;
        if prompts.is_empty() || prompts.len() != ids.len() || masks.len() != ids.len() {
            return Err("prompts, ids and masks are of different numbers".to_owned());
        }
        let seq: usize = record.field("seq_len")?;
        let (mut rows, mut pads) = (Vec::new(), Vec::new());
        for (ids, mask) in ids.into_iter().zip(masks) {
            equal(&ids.len(), &seq)?;
            let bits: Vec<u8> = mask.iter().map(|&bit| bit.min(2) as u8).collect();
            let real = real_tokens(&bits, seq)?;
            let pad = model.generation_config().pad_token_id;
            if let Some(other) = ids[..seq - real].iter().find(|&&id| id != pad) {
                return Err(format!("{other} stands where a pad belongs"));
            }
            rows.push(ids[seq - real..].to_vec());
            pads.push(seq - real);
        }
        let images: Vec<String> = record.field("images")?;
        let images = images.iter().map(|name| image(golden, name)).collect::<Result<_, _>>()?;
        let videos = videos(golden, &file)?;
        Ok(Self { golden, record, file, prompts, rows, pads, seq, images, videos, logits_tolerance })
    }

    /// What goes into the model: the reference's ids with the pictures as processed here.
    pub(super) fn input(&self, model: &Model) -> Result<TraceInput, String> {
        Ok(TraceInput {
            rows: self.rows.clone(),
            images: process(model, &self.images)?,
            videos: process(model, &self.videos)?,
            position_rule: self.golden.dialect().position_rule(),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.record.name()
    }

    /// A tensor of this case that must be there, unless the directory leaves it out.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<&'a Tensor>, String> {
        self.golden.tensor(&self.file, name)
    }

    /// Names of all tensors of this case.
    pub(super) fn tensor_names(&self) -> Vec<&'a str> {
        self.golden.tensors(&self.file).map_or_else(Vec::new, |tensors| tensors.names().collect())
    }

    /// Whether any picture belongs to the prompts.
    pub(super) fn has_visuals(&self) -> bool {
        !self.images.is_empty() || !self.videos.is_empty()
    }

    /// The prompt of a row and the pictures that fill its places.
    pub(super) fn request(&self, row: usize) -> (Prompt, Vec<Visual>) {
        let slots = |text: &String| {
            let prompt = Prompt::from_reference_text(text);
            [prompt.image_slots(), prompt.video_slots()]
        };
        let mut visuals = Vec::new();
        for (kind, all) in [&self.images, &self.videos].into_iter().enumerate() {
            let before: usize = self.prompts[..row].iter().map(|text| slots(text)[kind]).sum();
            visuals.extend(all.iter().skip(before).take(slots(&self.prompts[row])[kind]).cloned());
        }
        (Prompt::from_reference_text(&self.prompts[row]), visuals)
    }
}

/// Patches of pictures as the processor of a model gives them.
pub(super) fn process(model: &Model, visuals: &[Visual]) -> Result<Vec<TracePicture>, String> {
    let process = |visual| {
        let processed = model.processor().process(visual, &PictureOptions::default());
        let processed = processed.map_err(|error| with_causes(&error))?;
        Ok(TracePicture { pixel_values: processed.pixel_values, grid_thw: processed.grid_thw })
    };
    visuals.iter().map(process).collect()
}

/// A picture of the images section by its name.
fn image(golden: &Golden, name: &str) -> Result<Visual, String> {
    let record = golden.document("images.json").and_then(|records| records.get(name));
    let file =
        record.ok_or_else(|| format!("{name} is not in images.json"))?.need("file")?.peek::<String>()?;
    Ok(Visual::Image(PictureFile::read(golden, &file)?.picture()))
}

/// The videos of a case: `in.video_frames.0` and so on, `[frames, height, width, 3]` bytes each.
fn videos(golden: &Golden, file: &str) -> Result<Vec<Visual>, String> {
    let Some(tensors) = golden.tensors(file) else { return Ok(Vec::new()) };
    let mut videos = Vec::new();
    while let Some(tensor) = tensors.get(golden.ledger(), &format!("in.video_frames.{}", videos.len())) {
        let [_, height, width, channels] = tensor.dims()?;
        if channels != 3 {
            return Err(format!("{} has {channels} channels", tensor.name));
        }
        let size = image_size(height, width)?;
        let frames = tensor.bytes()?.chunks_exact(height * width * 3);
        videos
            .push(Visual::Video(frames.map(|pixels| Picture::Rgb { size, pixels: pixels.into() }).collect()));
    }
    Ok(videos)
}
