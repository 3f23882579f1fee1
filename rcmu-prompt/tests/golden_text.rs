//! Text goldens: each `testdata/*.toml` against the reader or the writer.

use rcmu_core::{
    Answer, BBox, CitationTarget, FinishReason, ImageSize, Picture, Question, Reference, Region, RegionSet,
    Scene,
};
use rcmu_prompt::{PromptBuilder, Targets, parse};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Cases<T> {
    case: Vec<T>,
}

fn cases<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let cases: Cases<T> = toml::from_str(text).expect("the test data is valid");
    assert!(!cases.case.is_empty());
    cases.case
}

fn size() -> ImageSize {
    ImageSize::new(1000, 1000).expect("the sides are not empty")
}

fn read(text: &str) -> Answer {
    parse(text, Targets::new(3, 0, size()), FinishReason::EndOfText)
}

#[test]
fn statements_and_their_citations() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        text: String,
        statements: Vec<Expected>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Expected {
        text: String,
        cites: Vec<String>,
    }

    for case in cases::<Case>(include_str!("../testdata/statements.toml")) {
        let answer = read(&case.text);

        let found: Vec<_> = answer
            .statements
            .iter()
            .map(|statement| Expected {
                text: statement.text.clone(),
                cites: statement
                    .citations
                    .iter()
                    .map(|citation| match citation.target {
                        CitationTarget::Region(id) => id.to_string(),
                        CitationTarget::Reference(place) => format!("picture {place}"),
                        CitationTarget::Unresolved(number) => format!("?{number}"),
                    })
                    .collect(),
            })
            .collect();
        assert_eq!(found, case.statements, "{}", case.name);
        assert_eq!(answer.repairs, [], "{}", case.name);
    }
}

#[test]
fn boxes_and_repairs() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        text: String,
        boxes: Vec<[u16; 4]>,
        repairs: Vec<String>,
    }

    for case in cases::<Case>(include_str!("../testdata/boxes.toml")) {
        let answer = read(&case.text);

        let boxes: Vec<_> = answer.boxes.iter().map(|mention| mention.bbox.xyxy()).collect();
        let repairs: Vec<_> = answer.repairs.iter().map(|repair| format!("{:?}", repair.kind)).collect();
        assert_eq!((boxes, repairs), (case.boxes, case.repairs), "{}", case.name);
    }
}

#[test]
fn refusals_are_told_from_answers() {
    #[derive(Deserialize)]
    struct Case {
        text: String,
        refuses: bool,
    }

    for case in cases::<Case>(include_str!("../testdata/refusals.toml")) {
        assert_eq!(read(&case.text).refusal.is_some(), case.refuses, "{}", case.text);
    }
}

#[test]
fn user_turns_have_the_published_form() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        #[serde(default)]
        regions: Vec<RegionFields>,
        #[serde(default)]
        references: Vec<String>,
        question: String,
        #[serde(default)]
        choices: Vec<String>,
        #[serde(default)]
        cited: bool,
        text: String,
    }
    #[derive(Deserialize)]
    struct RegionFields {
        label: String,
        bbox: Option<BBox>,
        info: String,
    }

    for case in cases::<Case>(include_str!("../testdata/prompts.toml")) {
        let mut regions = RegionSet::new();
        for region in case.regions {
            let region = Region::new(region.label, region.bbox, region.info).expect("a valid region");
            regions.push(region).expect("few regions");
        }
        let picture = Picture::from_bytes(vec![]);
        let mut scene = Scene::new(picture.clone(), size()).with_regions(regions).expect("few regions");
        for info in &case.references {
            let reference = Reference::new(picture.clone(), info).expect("a short info");
            scene = scene.with_reference(reference).expect("few references");
        }
        let mut question = Question::new(case.question).expect("a question");
        if !case.choices.is_empty() {
            question = question.with_choices(case.choices).expect("a few options");
        }
        if case.cited {
            question = question.with_citations();
        }

        let built = PromptBuilder::new(&scene, &question).build().expect("a short prompt");

        let pictures: String = if case.references.is_empty() {
            "<|vision_start|><|image_pad|><|vision_end|>".into()
        } else {
            let picture = |k| format!("Picture {k}: <|vision_start|><|image_pad|><|vision_end|>");
            (1..=case.references.len() + 1).map(picture).collect::<Vec<_>>().concat()
        };
        let text = case.text.trim_start_matches('\n');
        let expected = format!(
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{pictures}{text}<|im_end|>\n\
             <|im_start|>assistant\n"
        );
        assert_eq!(built.prompt.to_reference_text(), expected, "{}", case.name);
        assert_eq!(built.visuals.len(), built.prompt.image_slots(), "{}", case.name);
    }
}
