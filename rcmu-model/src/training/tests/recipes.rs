//! The recipes in the repository.

use std::path::Path;

use super::{Recipe, Scratch, Starter, TrainError, fs};

#[test]
fn every_recipe_can_be_followed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/figurines");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // What `describe` shows stands beside the recipes.
        if path.extension().is_none_or(|kind| kind != "json") || name == "scene.json" {
            continue;
        }
        let recipe = serde_json::from_slice::<Recipe>(&fs::read(&path).expect("readable"));
        let recipe = recipe.unwrap_or_else(|error| panic!("{name}: {error}"));
        recipe.settings.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut first = 0;
        for lesson in &recipe.curriculum.lessons {
            let made = recipe.curriculum.conversation(first);
            assert!(made.is_ok(), "{name}, conversation {first}: {:?}", made.err());
            first += lesson.conversations;
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "1-see.json",
            "2-answer.json",
            "3-settle.json",
            "4-look.json",
            "5-bundled.json",
            "5-settle.json",
            "6-settle.json",
            "pink.json",
            "smoke.json"
        ]
    );
}

#[test]
fn a_start_of_another_recipe_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/figurines");
    let smoke = fs::read(folder.join("smoke.json")).expect("readable");
    let recipe: Recipe = serde_json::from_slice(&smoke).expect("a recipe");
    let scratch = Scratch::new("recipe-start");
    recipe.start(&scratch.0).expect("an untrained model");
    recipe.start(&scratch.0).expect("it is there");

    let wider = Recipe {
        starter: Starter {
            intermediate_size: recipe.starter.intermediate_size + 8,
            ..recipe.starter.clone()
        },
        ..recipe.clone()
    };
    let mut said = recipe.clone();
    said.vocabulary.get_or_insert_with(|| recipe.curriculum.clone()).seed += 1;
    for other in [wider, said] {
        let refused = other.start(&scratch.0);
        assert!(matches!(refused, Err(TrainError::Checkpoint { .. })), "{refused:?}");
    }
    // How long it learns does not matter, and a folder of before says nothing.
    let mut longer = recipe.clone();
    longer.settings.steps += 1;
    longer.start(&scratch.0).expect("the same untrained model");
    fs::remove_file(scratch.0.join("origin.json")).expect("it is there");
    longer.start(&scratch.0).expect("it does not tell");
}
