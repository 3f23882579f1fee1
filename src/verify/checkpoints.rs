use std::collections::{BTreeMap, BTreeSet};

use rcmu_core::SpecialToken;
use rcmu_model::{
    config::{GenerationConfig, ModelConfig},
    processor::ProcessorConfig,
    tokenizer::Tokenizer,
    weights::{Checkpoint, CheckpointLimits},
};
use safetensors::Dtype;
use serde_json::{Value, json};

use super::{
    chats,
    golden::Golden,
    json::Node,
    report::{Report, Stage, equal},
};

/// The tied checkpoint in all its forms, then the untied one; the generator gives all of them the same values.
pub(super) const CHECKPOINTS: [&str; 4] = ["tiny", "tiny_bf16", "tiny_v5_layout", "tiny_untied"];
const TOKENIZER: &str = "tokenizer_small";
/// Fields that can have no other value in a Qwen2-VL checkpoint.
const FIXED: [(&str, &str); 3] =
    [("hidden_act", "silu"), ("model_type", "qwen2_vl"), ("rope_scaling.type", "mrope")];

/// Weights by their names on the hub.
type Weights = BTreeMap<String, Vec<f32>>;

/// Checks settings and weights of every checkpoint as loaded here against its files, and against each other.
pub(super) fn check(golden: &Golden, report: &mut Report) {
    let mut settings = Stage::exact("checkpoint settings");
    let mut values = Stage::exact("checkpoint weights");
    let mut first: Option<(&str, Weights)> = None;
    for folder in CHECKPOINTS {
        if !golden.has(&format!("{folder}/config.json")) {
            report.absent(format!("{folder} is not there"));
            continue;
        }
        settings.case(folder, check_settings(golden, folder));
        settings.case(folder, check_copies(golden, folder));
        settings.case(folder, check_like_others(golden, folder));
        match read_weights(golden, folder, &mut values) {
            Ok(weights) => match &first {
                Some((other, expected)) => compare(folder, &weights, other, expected, &mut values),
                None => first = Some((folder, weights)),
            },
            Err(problem) => values.case(folder, Err(problem)),
        }
    }
    if golden.has(&format!("{TOKENIZER}/tokenizer.json")) {
        settings.case(TOKENIZER, check_tokenizer_folder(golden));
    }
    if settings.cases() > 0 {
        report.push(settings);
    }
    if first.is_some() || values.cases() > 0 {
        report.push(values);
    }
}

/// The three files of settings, field by field as they are understood here.
fn check_settings(golden: &Golden, folder: &str) -> Result<(), String> {
    let document = |name: &str| {
        let file = format!("{folder}/{name}");
        golden.document(&file).ok_or_else(|| format!("{file} is missing or cannot be read"))
    };
    let dir = golden.path(folder);
    let config = ModelConfig::from_dir(&dir).map_err(|error| error.to_string())?;
    let generation = GenerationConfig::from_dir(&dir, &config).map_err(|error| error.to_string())?;
    let processor = ProcessorConfig::load(&dir).map_err(|error| error.to_string())?;
    let root = document("config.json")?;
    compare_fields(&root, &config_fields(&config))?;
    compare_fields(&root, &FIXED.map(|(path, value)| (path, json!(value))))?;
    if let Some(flag) = root.get("use_sliding_window") {
        equal(&flag.take()?, &false)?;
    }
    let tokenizer = Tokenizer::from_dir(&dir, config.text.vocab_size).map_err(|error| error.to_string())?;
    compare_fields(&root, &token_fields(&tokenizer))?;
    let root_generation = document("generation_config.json")?;
    let (end, pad) = (tokenizer.id(SpecialToken::ImEnd), tokenizer.id(SpecialToken::EndOfText));
    let ids =
        [("bos_token_id", json!(pad)), ("pad_token_id", json!(pad)), ("eos_token_id", json!([end, pad]))];
    compare_fields(&root_generation, &ids)?;
    compare_fields(&root_generation, &generation_fields(&generation))?;
    compare_fields(&document("preprocessor_config.json")?, &processor_fields(&processor))
}

/// Fields that stand in the file must have these values.
fn compare_fields(root: &Node<'_>, fields: &[(&str, Value)]) -> Result<(), String> {
    for (path, found) in fields {
        let node = path.split('.').try_fold(root.clone(), |node, key| node.get(key));
        let Some(node) = node else { continue };
        let expected: Value = node.take()?;
        let is_equal = match (found.as_f64(), expected.as_f64()) {
            // Settings are kept in f32 or f64.
            (Some(found), Some(expected)) => (found as f32).to_bits() == (expected as f32).to_bits(),
            _ => *found == expected,
        };
        if !is_equal {
            return Err(format!("{}: {found} instead of {expected}", node.name()));
        }
    }
    Ok(())
}

fn config_fields(config: &ModelConfig) -> Vec<(&'static str, Value)> {
    let (text, vision) = (&config.text, &config.vision);
    vec![
        ("hidden_size", json!(text.hidden_size)),
        ("intermediate_size", json!(text.intermediate_size)),
        ("num_hidden_layers", json!(text.num_hidden_layers)),
        ("num_attention_heads", json!(text.num_attention_heads)),
        ("num_key_value_heads", json!(text.num_key_value_heads)),
        ("vocab_size", json!(text.vocab_size)),
        ("max_position_embeddings", json!(text.max_position_embeddings)),
        ("rms_norm_eps", json!(text.rms_norm_eps)),
        ("rope_theta", json!(text.rope_theta)),
        ("rope_scaling.mrope_section", json!(text.mrope_section)),
        ("vision_config.depth", json!(vision.depth)),
        ("vision_config.embed_dim", json!(vision.embed_dim)),
        ("vision_config.num_heads", json!(vision.num_heads)),
        ("vision_config.mlp_ratio", json!(vision.mlp_ratio)),
        ("vision_config.in_chans", json!(vision.in_channels)),
        ("vision_config.hidden_size", json!(vision.hidden_size)),
        ("vision_config.patch_size", json!(vision.patch_size)),
        ("vision_config.spatial_merge_size", json!(vision.spatial_merge_size)),
        ("vision_config.temporal_patch_size", json!(vision.temporal_patch_size)),
        ("tie_word_embeddings", json!(config.tie_word_embeddings)),
        ("image_token_id", json!(config.image_token_id)),
        ("video_token_id", json!(config.video_token_id)),
        (
            "eos_token_id",
            if let [id] = config.eos_token_ids[..] { json!(id) } else { json!(config.eos_token_ids) },
        ),
        ("bos_token_id", json!(config.bos_token_id)),
    ]
}

/// Ids that the config and the tokenizer must agree on.
fn token_fields(tokenizer: &Tokenizer) -> Vec<(&'static str, Value)> {
    [
        ("vision_start_token_id", SpecialToken::VisionStart),
        ("vision_end_token_id", SpecialToken::VisionEnd),
        ("vision_token_id", SpecialToken::VisionPad),
        ("image_token_id", SpecialToken::ImagePad),
        ("video_token_id", SpecialToken::VideoPad),
    ]
    .map(|(path, token)| (path, json!(tokenizer.id(token))))
    .to_vec()
}

fn generation_fields(config: &GenerationConfig) -> Vec<(&'static str, Value)> {
    vec![
        ("do_sample", json!(config.do_sample)),
        ("temperature", json!(config.temperature)),
        ("top_k", json!(config.top_k)),
        ("top_p", json!(config.top_p)),
        ("repetition_penalty", json!(config.repetition_penalty)),
        ("eos_token_id", json!(config.eos_token_ids)),
        ("pad_token_id", json!(config.pad_token_id)),
    ]
}

fn processor_fields(config: &ProcessorConfig) -> Vec<(&'static str, Value)> {
    vec![
        ("min_pixels", json!(config.bounds().min())),
        ("max_pixels", json!(config.bounds().max())),
        ("patch_size", json!(config.layout().patch_size)),
        ("temporal_patch_size", json!(config.layout().temporal_patch_size)),
        ("merge_size", json!(config.layout().merge_size)),
        ("image_mean", json!(config.image_mean())),
        ("image_std", json!(config.image_std())),
    ]
}

/// The settings of all checkpoints are the same, but for the type of the weights and whether the head is tied.
fn check_like_others(golden: &Golden, folder: &str) -> Result<(), String> {
    let others = CHECKPOINTS.into_iter().take_while(|other| *other != folder);
    for other in others.filter(|other| golden.has(&format!("{other}/config.json"))) {
        for file in ["config.json", "generation_config.json"] {
            let settings = |folder: &str| {
                let file = format!("{folder}/{file}");
                let root =
                    golden.document(&file).ok_or_else(|| format!("{file} is missing or cannot be read"))?;
                let mut fields: BTreeMap<String, Value> = root.peek()?;
                fields.retain(|key, _| !["torch_dtype", "tie_word_embeddings"].contains(&key.as_str()));
                Ok::<_, String>(fields)
            };
            equal(&settings(folder)?, &settings(other)?)
                .map_err(|problem| format!("{other}/{file}: {problem}"))?;
        }
    }
    Ok(())
}

/// Every checkpoint has the files of the small tokenizer, byte for byte, and one that can be read.
fn check_copies(golden: &Golden, folder: &str) -> Result<(), String> {
    let config = ModelConfig::from_dir(&golden.path(folder)).map_err(|error| error.to_string())?;
    Tokenizer::from_dir(&golden.path(folder), config.text.vocab_size).map_err(|error| error.to_string())?;
    for name in golden.folder(TOKENIZER) {
        let (copy, original) = (format!("{folder}/{name}"), format!("{TOKENIZER}/{name}"));
        golden.ledger().strike(&copy);
        if golden.bytes(&copy).map_err(|error| format!("{copy}: {error}"))? != golden.bytes(&original)? {
            return Err(format!("{copy} is not {original}"));
        }
    }
    Ok(())
}

/// Settings beside the small tokenizer; its vocabulary is checked with the strings.
fn check_tokenizer_folder(golden: &Golden) -> Result<(), String> {
    let processor = ProcessorConfig::load(&golden.path(TOKENIZER)).map_err(|error| error.to_string())?;
    if let Some(root) = golden.document(&format!("{TOKENIZER}/preprocessor_config.json")) {
        compare_fields(&root, &processor_fields(&processor))?;
    }
    if let Some(root) = golden.document(&format!("{TOKENIZER}/chat_template.json")) {
        chats::check_template(&root.field::<String>("chat_template")?)?;
    }
    let Some(root) = golden.document(&format!("{TOKENIZER}/tokenizer_config.json")) else { return Ok(()) };
    if let Some(template) = root.get("chat_template") {
        chats::check_template(&template.take::<String>()?)?;
    }
    let path = golden.path(TOKENIZER);
    let tokenizer = Tokenizer::from_dir(&path, 1 << 20).map_err(|error| error.to_string())?;
    for (id, token) in root.get("added_tokens_decoder").map_or_else(Vec::new, |tokens| tokens.entries()) {
        let name: String = token.field("content")?;
        let known = SpecialToken::from_name(&name).ok_or_else(|| format!("{name} is no control token"))?;
        equal(&id, &tokenizer.id(known).to_string().as_str())?;
        // A control token is found as it is written, wherever it stands.
        for (flag, value) in [
            ("lstrip", false),
            ("rstrip", false),
            ("normalized", false),
            ("single_word", false),
            ("special", true),
        ] {
            equal(&token.field(flag)?, &value)?;
        }
    }
    for name in
        root.get("additional_special_tokens").map_or(Ok(Vec::new()), |names| names.take::<Vec<String>>())?
    {
        SpecialToken::from_name(&name).ok_or_else(|| format!("{name} is no control token"))?;
    }
    Ok(())
}

/// The weights as the loader reads them, after comparing them with the bytes of the files.
fn read_weights(golden: &Golden, folder: &str, stage: &mut Stage) -> Result<Weights, String> {
    let checkpoint = Checkpoint::open(&golden.path(folder), &CheckpointLimits::default())
        .map_err(|error| error.to_string())?;
    let mut weights = Weights::new();
    let (mut bytes, mut dtypes) = (0, BTreeSet::new());
    for file in golden.folder(folder).into_iter().filter(|file| file.ends_with(".safetensors")) {
        let file = format!("{folder}/{file}");
        let tensors = golden.tensors(&file).ok_or_else(|| format!("{file} cannot be read"))?;
        for name in tensors.names().map(str::to_owned).collect::<Vec<_>>() {
            let tensor = tensors.need(golden.ledger(), &name)?;
            let stored = tensor.weights()?;
            bytes += tensor.len();
            dtypes.insert(tensor.dtype);
            let hub_name = hub_name(&name);
            let loaded = checkpoint.read_f32(&hub_name).map_err(|error| format!("{name}: {error}"))?;
            stage.near(&tensor.name, &loaded, &stored);
            weights.insert(hub_name, loaded);
        }
    }
    let dtype = if dtypes == BTreeSet::from([Dtype::BF16]) { "bfloat16" } else { "float32" };
    if let Some(stated) =
        golden.document(&format!("{folder}/config.json")).and_then(|root| root.get("torch_dtype"))
    {
        stage.case(stated.name(), stated.take::<String>().and_then(|stated| equal(&stated.as_str(), &dtype)));
    }
    if let Some(index) = golden.document(&format!("{folder}/model.safetensors.index.json")) {
        golden.ledger().strike(&format!("{folder}/model.safetensors.index.json"));
        let total = index.need("metadata")?.field::<usize>("total_size");
        stage.case(index.name(), total.and_then(|total| equal(&bytes, &total)));
    }
    Ok(weights)
}

/// The name on the hub of a weight in the layout of transformers since 4.52.
fn hub_name(name: &str) -> String {
    if name.starts_with("model.visual.") {
        return name["model.".len()..].to_owned();
    }
    match name.strip_prefix("model.language_model.") {
        Some(rest) => format!("model.{rest}"),
        None => name.to_owned(),
    }
}

/// Two checkpoints must hold the same values; only the untied one has a head of its own.
fn compare(folder: &str, found: &Weights, other: &str, expected: &Weights, stage: &mut Stage) {
    let is_shared = |name: &&String| name.as_str() != "lm_head.weight";
    let names = |weights: &Weights| weights.keys().filter(is_shared).cloned().collect::<Vec<_>>();
    stage.equal(&format!("names in {folder} and {other}"), &names(found), &names(expected));
    for (name, expected) in expected.iter().filter(|(name, _)| is_shared(name)) {
        if let Some(found) = found.get(name) {
            stage.near(&format!("{name} of {folder} and {other}"), found, expected);
        }
    }
}
