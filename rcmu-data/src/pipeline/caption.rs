use super::{
    AnnotatedObject, AnnotatedPicture,
    criteria::{
        MAX_EXPRESSION, check_text, count_placeholders, ends_as_sentence, fits_one_object, has_no_marks,
        marks, normalised, without_marks,
    },
};

/// Words that may stand before a noun in place of `the`.
const DETERMINERS: [&str; 8] = ["the ", "a ", "an ", "this ", "that ", "his ", "her ", "their "];

/// The caption with a mark for every object: objects that it does not cite are added at its end.
pub(super) fn grounded_caption(picture: &AnnotatedPicture) -> String {
    let given = picture.caption.as_deref().unwrap_or_default();
    let cited = marks(given);
    let mut left = Vec::new();
    for (number, object) in (1..).zip(&picture.objects) {
        if cited.iter().all(|mark| mark.1 != number) {
            let named = object.expressions.iter().find(|words| is_usable(words));
            let words = named.map_or_else(|| with_the(&object.noun), |words| with_the(words));
            // A noun is checked for control characters only.
            let words = if has_no_marks(&words) { words } else { "the object".into() };
            left.push(format!("{words} [{number}]"));
        }
    }
    let added = match &left[..] {
        [] => String::new(),
        [most @ .., last] if !most.is_empty() => {
            format!("The image shows {}, and {last}.", most.join(", "))
        }
        _ => format!("The image shows {}.", left.concat()),
    };
    let given = given.trim();
    let stop = if added.is_empty() || given.is_empty() || is_whole(given) { "" } else { "." };
    [&format!("{given}{stop}"), &added]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether the last sentence of a caption ends, before its marks and closing quotes.
fn is_whole(caption: &str) -> bool {
    let plain = without_marks(caption);
    let plain = plain.trim_end_matches(|c: char| c.is_whitespace() || "\"'”’)".contains(c));
    ends_as_sentence(plain) || plain.ends_with(['…', '。', '！', '？'])
}

/// The expressions that name this object (from 0) and no other of the picture, and how many were dropped.
///
/// An object without expressions that is alone with its noun goes by the noun.
pub(super) fn unique_expressions(picture: &AnnotatedPicture, at: usize) -> (Vec<String>, u64) {
    let Some(object) = picture.objects.get(at) else { return (Vec::new(), 0) };
    let others = || {
        let others = picture.objects.iter().enumerate().filter(|(place, _)| *place != at);
        others.map(|(_, other)| (other.noun.as_str(), &other.expressions[..]))
    };
    let mut kept: Vec<String> = Vec::new();
    let mut dropped = 0;
    for expression in usable_expressions(object) {
        if fits_one_object(&expression, &object.noun, others()) {
            if kept.iter().all(|other| normalised(other) != normalised(&expression)) {
                kept.push(expression);
            }
        } else {
            dropped += 1;
        }
    }
    let noun = with_the(&object.noun);
    if object.expressions.is_empty() && is_usable(&noun) && fits_one_object(&noun, &object.noun, others()) {
        kept.push(noun);
    }
    (kept, dropped)
}

/// The expressions that may stand in a question, each with its article.
pub(super) fn usable_expressions(object: &AnnotatedObject) -> Vec<String> {
    object.expressions.iter().filter(|words| is_usable(words)).map(|words| with_the(words)).collect()
}

/// Whether an expression is short and has neither marks nor braces nor a sentence in it.
fn is_usable(expression: &str) -> bool {
    check_text(expression, MAX_EXPRESSION).is_ok()
        && count_placeholders(expression) == Some(0)
        && !expression.contains('?')
        && expression.contains(char::is_alphabetic)
}

/// The words with `the` before them unless they have another determiner, and no full stop after them.
fn with_the(words: &str) -> String {
    let words = words.trim().trim_end_matches(['.', ',', ';']).trim_end();
    let lower = words.to_lowercase();
    if DETERMINERS.iter().any(|determiner| lower.starts_with(determiner)) {
        let mut chars = words.chars();
        // `The dog` stands inside a sentence.
        return chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect());
    }
    format!("the {words}")
}

#[cfg(test)]
mod tests {
    use rcmu_core::BBox;

    use super::*;
    use crate::PictureSource;

    #[test]
    fn what_is_added_begins_a_sentence() {
        let bbox = BBox::new(1, 2, 3, 4).expect("the corners are in order");
        let object = |noun: &str| AnnotatedObject { noun: noun.into(), bbox, expressions: vec![] };
        for (caption, expected) in [
            ("A woman [1] walks", "A woman [1] walks. The image shows the dog [2]."),
            ("A woman walks [1]", "A woman walks [1]. The image shows the dog [2]."),
            ("A woman walks.[1] ", "A woman walks.[1] The image shows the dog [2]."),
            ("A woman [1] walks!", "A woman [1] walks! The image shows the dog [2]."),
            ("\"A woman [1] walks.\"", "\"A woman [1] walks.\" The image shows the dog [2]."),
            ("一个女人[1]走。", "一个女人[1]走。 The image shows the dog [2]."),
            ("", "The image shows the woman [1], and the dog [2]."),
            ("A woman [1] walks a dog [2]", "A woman [1] walks a dog [2]"),
        ] {
            let picture = AnnotatedPicture {
                id: "a".into(),
                picture: PictureSource::File("a.png".into()),
                objects: vec![object("woman"), object("dog")],
                caption: Some(caption.into()),
            };

            assert_eq!(grounded_caption(&picture), expected);
        }
    }
}
