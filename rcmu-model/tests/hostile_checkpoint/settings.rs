//! Every field of the settings files, with every value a field can be given.

use rcmu_model::{
    Error,
    config::{GenerationConfig, ModelConfig},
};
use serde_json::{Value, json};

use super::kit::{CONFIG, GENERATION, Scratch, assert_growth, peak_kib};

fn values() -> Vec<Option<Value>> {
    let values = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(4),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(u32::MAX),
        json!(1_000_000_000),
        json!(-1),
        json!(-0.0),
        json!(0.5),
        json!(4.0),
        json!(1e-300),
        json!(1e300),
        json!("NaN"),
        json!("x"),
        json!(""),
        json!("4"),
        json!(true),
        json!(false),
        json!([]),
        json!([1, 1, 6]),
        json!([u64::MAX, u64::MAX, 10]),
        json!({}),
        json!(null),
    ];
    values.into_iter().map(Some).chain([None]).collect()
}

/// All fields of an object and of the objects in it, as pointers.
fn pointers(object: &Value, place: &str) -> Vec<String> {
    let fields = object.as_object().into_iter().flatten();
    let inner = fields.flat_map(|(name, value)| {
        let place = format!("{place}/{name}");
        let mut inner = pointers(value, &place);
        inner.push(place);
        inner
    });
    inner.collect()
}

fn with(file: &Value, pointer: &str, value: Option<&Value>) -> Value {
    let mut file = file.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let object = file.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(object.insert(name.into(), value.clone())),
        None => drop(object.remove(name)),
    }
    file
}

/// The same settings as newer files nest them.
fn nested(flat: &Value) -> Value {
    let mut text = flat.clone();
    let fields = text.as_object_mut().unwrap();
    let outside = ["vision_config", "image_token_id", "video_token_id", "tie_word_embeddings"];
    let mut root: serde_json::Map<_, _> =
        outside.iter().filter_map(|name| Some(((*name).into(), fields.remove(*name)?))).collect();
    let mut rope = fields.remove("rope_scaling").unwrap();
    rope["rope_theta"] = fields.remove("rope_theta").unwrap();
    fields.insert("rope_parameters".into(), rope);
    root.insert("model_type".into(), fields["model_type"].clone());
    root.insert("text_config".into(), text);
    Value::Object(root)
}

/// The settings with one field as given; what a field that may be left out is then; `None` if it may not be so.
fn expected(original: &ModelConfig, pointer: &str, value: Option<&Value>) -> Option<ModelConfig> {
    let mut config = original.clone();
    let value = value.filter(|value| !value.is_null());
    let count = |default: Option<usize>| match value {
        Some(value) => value.as_f64().filter(|v| v.fract() == 0.0).map(|v| v as usize),
        None => default,
    };
    let id = || count(None).filter(|&id| id < 1024).map(|id| id as u32);
    if pointer == "/model_type" {
        return None;
    }
    let (_, name) = pointer.rsplit_once('/')?;
    if pointer.starts_with("/vision_config/") {
        let vision = &mut config.vision;
        match name {
            "depth" => vision.depth = count(None)?,
            "embed_dim" => vision.embed_dim = count(None)?,
            "num_heads" => vision.num_heads = count(None)?,
            "mlp_ratio" => vision.mlp_ratio = count(Some(4))?,
            "in_chans" => vision.in_channels = count(Some(3))?,
            "hidden_size" => vision.hidden_size = count(None)?,
            "patch_size" => vision.patch_size = count(Some(14))?,
            "spatial_merge_size" => vision.spatial_merge_size = count(Some(2))?,
            "temporal_patch_size" => vision.temporal_patch_size = count(Some(2))?,
            _ => {}
        }
        return Some(config);
    }
    let text = &mut config.text;
    match name {
        "hidden_size" => text.hidden_size = count(None)?,
        "intermediate_size" => text.intermediate_size = count(None)?,
        "num_hidden_layers" => text.num_hidden_layers = count(None)?,
        "num_attention_heads" => text.num_attention_heads = count(None)?,
        "num_key_value_heads" => text.num_key_value_heads = count(Some(text.num_attention_heads))?,
        "vocab_size" => text.vocab_size = count(None)?,
        "max_position_embeddings" => text.max_position_embeddings = count(None)?,
        "rms_norm_eps" => text.rms_norm_eps = value?.as_f64()?,
        "rope_theta" => text.rope_theta = value?.as_f64()?,
        "mrope_section" => text.mrope_section = serde_json::from_value(value?.clone()).ok()?,
        "image_token_id" => config.image_token_id = id()?,
        "video_token_id" => config.video_token_id = id()?,
        "eos_token_id" => {
            let element = |value: &Value| value.as_u64().filter(|&id| id < 1024).map(|id| id as u32);
            config.eos_token_ids = match value {
                None => Vec::new(),
                Some(Value::Array(list)) if list.is_empty() => return None,
                Some(Value::Array(list)) => list.iter().map(element).collect::<Option<_>>()?,
                Some(single) => vec![element(single)?],
            };
        }
        "bos_token_id" => config.bos_token_id = if value.is_none() { None } else { Some(id()?) },
        "tie_word_embeddings" => config.tie_word_embeddings = value.map_or(Some(false), Value::as_bool)?,
        "vision_config" | "text_config" | "rope_scaling" | "rope_parameters" => return None,
        _ => {}
    }
    Some(config)
}

#[test]
fn every_field_of_the_config_is_read_as_given_or_refused() {
    let scratch = Scratch::copy_of("tiny", "config");
    let flat = scratch.read_json(CONFIG);
    let original = scratch.open().unwrap().config().clone();
    let before = peak_kib();
    let (mut cases, mut accepted) = (0, 0);
    for file in [flat.clone(), nested(&flat)] {
        assert_eq!(ModelConfig::from_json(file.to_string().as_bytes()).unwrap(), original);
        for pointer in pointers(&file, "") {
            for value in values() {
                let value = value.as_ref();
                let changed = with(&file, &pointer, value).to_string();
                let case = format!("{pointer} = {value:?}");
                cases += 1;

                match ModelConfig::from_json(changed.as_bytes()) {
                    Ok(config) => {
                        accepted += 1;
                        assert_eq!(Some(&config), expected(&original, &pointer, value).as_ref(), "{case}");
                        scratch.write(CONFIG, changed.as_bytes());
                        match scratch.open() {
                            // An id of the vocabulary, a number, or a field that is not read.
                            Ok(checkpoint) => assert_eq!(checkpoint.tensor_count(), 57, "{case}"),
                            Err(error) => assert!(
                                matches!(error, Error::Weights { .. } | Error::Config { .. }),
                                "{case}: {error}"
                            ),
                        }
                    }
                    Err(Error::Config { problems, .. }) => assert!(!problems.is_empty(), "{case}"),
                    Err(error) => panic!("{case}: {error:?}"),
                }
            }
        }
    }
    println!("{cases} settings, {accepted} accepted");
    assert!(accepted > cases / 10 && accepted < cases / 2);
    assert_growth(before, "hostile settings");
}

#[test]
fn numbers_that_no_json_has_are_refused() {
    let scratch = Scratch::copy_of("tiny", "numbers");
    let text = String::from_utf8(scratch.read(CONFIG)).unwrap();
    for number in ["NaN", "Infinity", "-Infinity", "1e999", "01", "0x10", "1_000", "", "\u{feff}64"] {
        scratch.write(CONFIG, text.replace("1000000.0", number).as_bytes());

        assert!(matches!(scratch.open(), Err(Error::ConfigSyntax { file: CONFIG, .. })), "{number}");
    }
    for file in ["", "[]", "null", "1", "\"x\"", "{}", "{\"model_type\": \"qwen2_vl\"}"] {
        scratch.write(CONFIG, file.as_bytes());

        assert!(matches!(scratch.open(), Err(Error::Config { .. } | Error::ConfigSyntax { .. })), "{file}");
    }
    scratch.write(CONFIG, " ".repeat((1 << 20) + 1).as_bytes());
    assert_eq!(scratch.refused().0, CONFIG);
}

#[test]
fn every_field_of_the_generation_config_is_in_range_or_refused() {
    let scratch = Scratch::copy_of("tiny", "generation");
    let config = scratch.open().unwrap().config().clone();
    let mut file = scratch.read_json(GENERATION);
    file["min_p"] = json!(0.1);
    let mut accepted = 0;
    for pointer in pointers(&file, "") {
        for value in values() {
            let changed = with(&file, &pointer, value.as_ref()).to_string();
            let case = format!("{pointer} = {value:?}");

            match GenerationConfig::from_json(changed.as_bytes(), &config) {
                Ok(read) => {
                    accepted += 1;
                    let divides = [read.temperature, read.top_p, read.repetition_penalty];
                    let good = |number: f32| (1e-7..=1e7).contains(&number);
                    assert!(divides.into_iter().flatten().all(good), "{case}");
                    assert!(read.min_p.is_none_or(|p| (0.0..=1.0).contains(&p)), "{case}");
                    assert!(read.top_p.is_none_or(|p| p <= 1.0), "{case}");
                    assert!(read.top_k.is_none_or(|k| k >= 1), "{case}");
                    let ids = read.eos_token_ids.iter().chain([&read.pad_token_id]);
                    assert!(!read.eos_token_ids.is_empty() && ids.into_iter().all(|id| *id < 1024), "{case}");
                }
                Err(Error::Config { file: GENERATION, problems }) => assert_eq!(problems.len(), 1, "{case}"),
                Err(error) => panic!("{case}: {error:?}"),
            }
        }
    }
    assert!(accepted > 50);
}
