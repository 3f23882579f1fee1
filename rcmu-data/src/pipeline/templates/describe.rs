use super::profiles::aside;
use crate::pipeline::{
    CitedDescriptionInput, DescriptionDraft, DescriptionInput, KnownObject,
    criteria::{marks, says},
};

/// Puts what is known about each object behind its first mention in the caption.
pub(super) fn weave(input: &DescriptionInput) -> DescriptionDraft {
    let mut told = Vec::new();
    let mut description = String::new();
    let mut from = 0;
    for (range, number) in marks(&input.caption) {
        let before = &input.caption[from..range.start];
        description.push_str(before.strip_suffix(' ').unwrap_or(before));
        from = range.end;
        let object = input.objects.iter().find(|it| it.object == number);
        if let Some(it) = object.filter(|it| !it.facts.is_empty() && !told.contains(&it.object)) {
            description.extend([" ", &asides(it)]);
            told.push(it.object);
        }
    }
    description.push_str(&input.caption[from..]);
    if !description.ends_with(['.', '!', '?']) {
        description.push('.');
    }
    // A caption need not cite everything.
    for it in input.objects.iter().filter(|it| !told.contains(&it.object)) {
        let known = if it.facts.is_empty() { String::new() } else { format!(" {}", asides(it)) };
        description.extend([" There is the ", &it.noun, &known, "."]);
    }
    DescriptionDraft { description }
}

/// Puts a mark behind what is told of each object: its asides, or the first of its facts, or its noun.
pub(super) fn cite(input: &CitedDescriptionInput) -> DescriptionDraft {
    let text = &input.description;
    let mut places: Vec<(usize, u32)> = Vec::new();
    for it in &input.objects {
        let asides = asides(it);
        let values = it.facts.values().map(String::as_str).chain([it.noun.as_str()]);
        let place =
            end_of(text, &asides).or_else(|| values.filter_map(|words| end_of_word(text, words)).min());
        places.extend(place.map(|at| (at, it.object)));
    }
    places.sort_unstable();
    let mut description = String::new();
    let mut from = 0;
    for (at, number) in places {
        description.extend([&text[from..at], " [", &number.to_string(), "]"]);
        from = at;
    }
    description.push_str(&text[from..]);
    DescriptionDraft { description }
}

/// What is known about an object, in passing: `(Lily, 34 years old, a teacher)`.
fn asides(it: &KnownObject) -> String {
    let name = it.facts.get("name").cloned();
    let others = it.facts.iter().filter(|(name, _)| *name != "name");
    let others = others.map(|(name, value)| aside(&it.noun, name, value));
    format!("({})", name.into_iter().chain(others).collect::<Vec<_>>().join(", "))
}

fn end_of(text: &str, words: &str) -> Option<usize> {
    text.find(words).map(|at| at + words.len())
}

/// The end of the first place where the words stand by themselves.
fn end_of_word(text: &str, words: &str) -> Option<usize> {
    let mut ends = text.match_indices(words).map(|(at, _)| at + words.len());
    ends.find(|&end| {
        // With the letters around it, as `says` looks at them.
        let rest = text[end..].chars().next().map_or(end, |next| end + next.len_utf8());
        says(&text[..end], words) && says(&text[..rest], words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(object: u32, noun: &str, facts: &[(&str, &str)]) -> KnownObject {
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        KnownObject { object, noun: noun.into(), context: String::new(), facts }
    }

    #[test]
    fn asides_stand_behind_the_mention_and_marks_behind_the_asides() {
        let objects = vec![
            known(1, "woman", &[("job", "teacher"), ("name", "Lily")]),
            known(2, "dog", &[("age", "3"), ("name", "Bella")]),
        ];
        let caption = "A woman [1] walks a dog [2]; the woman [1] smiles.".to_owned();
        let description = weave(&DescriptionInput { caption, objects: objects.clone() }).description;
        let cited = cite(&CitedDescriptionInput { description: description.clone(), objects }).description;

        assert_eq!(
            description,
            "A woman (Lily, a teacher) walks a dog (Bella, 3 years old); the woman smiles."
        );
        assert_eq!(
            cited,
            "A woman (Lily, a teacher) [1] walks a dog (Bella, 3 years old) [2]; the woman smiles."
        );
    }

    #[test]
    fn a_description_of_another_maker_is_cited_at_the_first_fact() {
        let objects = vec![known(1, "woman", &[("name", "Ann"), ("job", "nurse")])];
        let description = "Anna is not here, but Ann is a nurse.".to_owned();

        let cited = cite(&CitedDescriptionInput { description, objects }).description;

        assert_eq!(cited, "Anna is not here, but Ann [1] is a nurse.");
    }
}
