//! What helps a model to learn: which tokens are asked for what.

use burn::tensor::{Tensor, TensorData};
use rcmu_data::figurines::{Curriculum, Lesson, Mix, Part};

use super::*;
use crate::{
    ComputeDtype, Model,
    text::text_rotary,
    training::matches::{Match, Matches},
};

/// Conversations of the first lesson; the tokenizer has to meet every word of the world in so many.
const LESSON: u64 = 100;

/// An untrained model of the lessons, and the lessons: told questions with and without pictures.
fn lessons(name: &str) -> (Scratch, Recipe) {
    lessons_for(name, 6)
}

fn lessons_for(name: &str, num_hidden_layers: usize) -> (Scratch, Recipe) {
    let told = Mix { told_numbers: 1, ..Mix::default() };
    let both = Mix { context_to_visual: 1, visual_to_context: 1, ..Mix::default() };
    let part = |mix, picture| Part {
        mix,
        picture,
        side: 168,
        accessories: false,
        places: false,
        questions: 3,
        ..Part::default()
    };
    let lesson = |part| Lesson { conversations: LESSON, parts: vec![part] };
    let curriculum =
        Curriculum { seed: 1, lessons: vec![lesson(part(told, false)), lesson(part(both, true))] };
    let starter = Starter { num_hidden_layers, ..Starter::default() };
    let recipe = Recipe { starter, curriculum, vocabulary: None, settings: settings() };
    let scratch = Scratch::new(name);
    recipe.start(&scratch.0).expect("an untrained model");
    (scratch, recipe)
}

fn model(dir: &Scratch) -> Model {
    let options = LoadOptions::default();
    Model::load(&dir.0, &Device::flex(), &options, &mut |_| ()).expect("the untrained model loads")
}

#[test]
fn a_question_looks_at_the_words_that_name_its_region() {
    let (dir, recipe) = lessons("matches");
    let model = model(&dir);
    let (mut found, mut asked) = (0, 0);
    for index in (0..4).chain(LESSON..LESSON + 4) {
        let conversation = TrainingData::conversation(&recipe.curriculum, index).expect("a conversation");
        let example = Example::new(&model, index, &conversation).expect("an example");
        let ids = &example.request.input_ids;
        let questions: Vec<_> = example.asked.iter().step_by(2).collect();
        for question in &questions {
            // The last of the words asked for is the number of the region, which the tokens of its text have to say, too.
            let number = question.words.last().expect("every region has a number");
            let text = example.numbered.iter().find(|text| text.words.last() == Some(number));
            let text = text.expect("every region has a text");
            let own: Vec<_> =
                example.matches.iter().filter(|own| question.places.contains(&own.place)).collect();
            for own in &own {
                assert!(!own.same.is_empty());
                for &same in &own.same {
                    assert_eq!(ids[same], ids[own.place]);
                    assert!(text.places.contains(&same), "{same} in {:?}", text.places);
                }
            }
            found += usize::from(!own.is_empty());
        }
        let names_by_text = conversation.named_by.iter().flatten().count();
        asked += names_by_text;
        assert!(example.matches.len() >= names_by_text, "conversation {index}");
    }

    assert!(asked >= 16, "{asked} questions name a region by its text");
    assert_eq!(found, asked);
}

#[test]
fn the_loss_of_matches_is_that_of_the_weights_written_out() {
    let (batch, seq) = (2, 6);
    let model = model(&lessons("weights").0);
    let (network, config, device) = (model.network(), &model.config().text, Device::flex());
    let values = (0..batch * seq * config.hidden_size).map(|at| ((at * 29 % 83) as f32 - 41.0) / 20.0);
    let data = TensorData::new(values.collect::<Vec<f32>>(), [batch * seq, config.hidden_size]);
    let hidden = Tensor::<2>::from_data(data, &device);
    let places: Vec<u32> = (0..seq as u32).collect();
    let axes: [&[u32]; 3] = [&places, &places, &places];
    let rotary = text_rotary(&[axes, axes], config, &device, hidden.dtype());
    // Rows with different numbers of matches; the second is shorter, so that its last two tokens are padding.
    let rows = [
        vec![Match { place: 4, same: vec![1, 2] }, Match { place: 5, same: vec![0] }],
        vec![Match { place: 3, same: vec![2] }],
    ];
    let mut matches = Matches::default();
    for row in &rows {
        matches.push(row);
    }

    let loss = matches.loss(network, 2, hidden.clone(), &rotary, &device).into_scalar::<f32>();

    let all = Tensor::arange(0..(batch * seq) as i64, &device);
    let scores = to_host(network.scores(2, hidden, &rotary, all)).expect("on the host");
    let heads = config.num_attention_heads;
    let mut expected = 0.0;
    for (row, matches) in rows.iter().enumerate() {
        for own in matches {
            let weight = (0..heads).map(|head| {
                let start = ((row * heads + head) * seq + own.place) * seq;
                let powers: Vec<f64> =
                    scores[start..=start + own.place].iter().map(|&score| f64::from(score).exp()).collect();
                own.same.iter().map(|&same| powers[same]).sum::<f64>() / powers.iter().sum::<f64>()
            });
            expected -= (weight.sum::<f64>() / heads as f64).ln();
        }
    }
    assert_eq!(matches.count(), 3);
    assert!((f64::from(loss) - expected).abs() < 1e-4 * expected, "{loss} and {expected}");
}

/// The second lesson alone.
struct Pictured<'a>(&'a Curriculum);

impl TrainingData for Pictured<'_> {
    fn len(&self) -> Option<u64> {
        None
    }

    fn fingerprint(&self) -> String {
        "pictured".into()
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn std::error::Error + Send + Sync>> {
        TrainingData::conversation(self.0, LESSON + index)
    }
}

#[test]
fn all_that_helps_learns_in_bfloat16_too() {
    let (dir, recipe) = lessons("aids");
    for frozen in [Frozen::default(), Frozen { vision: true, merger: true, language: false }] {
        let losses = [ComputeDtype::F32, ComputeDtype::Bf16].map(|compute| {
            let settings = TrainSettings { compute, frozen, sight_weight: 0.5, batch: 8, ..settings() };
            let options = LoadOptions::default();
            let mut trainer = Trainer::new(&dir.0, &Device::flex(), settings, &options).expect("it loads");
            trainer.step(&Pictured(&recipe.curriculum)).expect("a step").loss
        });
        assert!((losses[0] - losses[1]).abs() < losses[0] / 64.0, "{losses:?}");
    }
}

#[test]
fn a_model_of_one_layer_learns_without_a_layer_that_looks() {
    let (dir, recipe) = lessons_for("one-layer", 1);
    let settings = TrainSettings { sight_weight: 0.5, ..settings() };
    let options = LoadOptions::default();
    let mut trainer = Trainer::new(&dir.0, &Device::flex(), settings, &options).expect("it loads");

    assert!(trainer.step(&recipe.curriculum).expect("a step").loss.is_finite());
}
