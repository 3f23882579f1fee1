//! The recipes in the repository.

use std::path::Path;

use super::{Recipe, fs};

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
