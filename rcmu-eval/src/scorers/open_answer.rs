use rcmu_core::Answer;
use rcmu_data::Sample;

use crate::{
    judge::{Said, lower},
    scorers::squad::{exact_match, normalise, token_f1},
};

/// The most words of a value that is looked for inside an answer.
const MAX_VALUE_WORDS: usize = 6; // "the robot in the red box"

/// How well an answer in words says what it should.
///
/// # Source
///
/// As [`score_open`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenScore {
    /// 1 when it equals an accepted wording or the right answer, after normalisation.
    pub exact_match: f64,
    /// The best F1 of shared words with any of them.
    pub token_f1: f64,
    /// 1 when it says an accepted short value; none when the sample has no short value.
    pub contains: Option<f64>,
    /// The headline: 1 when it equals an accepted wording, or says an accepted short value and no rival of it; none
    /// when the sample has no accepted wording.
    pub accuracy: Option<f64>,
}

/// Scores an answer in words against the sample's accepted wordings and its right answer without marks.
///
/// With `w` over these wordings: `exact_match = max exact(answer, w)` and `token_f1 = max F1(answer, w)`; `contains` is 1
/// when an accepted short value is said, and `accuracy` is 1 when the answer is exact, or contains one and says no rival.
///
/// A short value (up to six words) is *said* when its words stand in the answer one after the other without a
/// negation up to three words before; no negation reaches over `but`, a semicolon, the end of a sentence or the comma of
/// `No, …`. A *rival* is what another region says or shows under the same name of a fact; it counts only where the first
/// cited region has exactly one fact with the accepted value, and neither says nor shows the rival itself. So an answer
/// that lists every value is wrong.
///
/// # Examples
///
/// Accepted `teacher`, right answer `She is a teacher`: `The owner is a teacher.` is right and not exact; its F1 with the
/// first is `2 * 1 / (3 + 1) = 0.5`, with the second `2 * 2 / (3 + 3) = 0.666667`, which is larger. `A teacher or a nurse`
/// is wrong when another region's job is `nurse`; `She is not a teacher` is wrong.
///
/// # Source
///
/// Theirs: exact match and F1 of words, each the best over the wordings, `SQuAD` (arXiv 1606.05250), section 6.1. Ours: that
/// the right answer without marks is one of the wordings; that a text of articles alone (`A`) equals only itself and a
/// text without words nothing; `contains`, rivals and `accuracy`.
pub fn score_open(sample: &Sample, answer: &Answer, right: &Answer) -> OpenScore {
    let (text, right) = (plain_text(answer), plain_text(right));
    let wordings = || sample.accepted.iter().chain([&right]);
    let best = |score: Measure| wordings().map(|wording| of_words(score, &text, wording)).fold(0.0, f64::max);
    let (exact, f1) = (best(exact_match), best(token_f1));
    let said = Said::read(&text);
    let values: Vec<_> = sample.accepted.iter().map(|value| without_article(lower(value))).collect();
    let is_short = |value: &&Vec<String>| (1..=MAX_VALUE_WORDS).contains(&value.len());
    let short: Vec<_> = values.iter().filter(is_short).collect();
    let contains = short.iter().any(|value| said.says(value));
    let names_a_rival = rivals(sample).iter().any(|rival| said.says(rival));
    let flag = |is: bool| f64::from(u8::from(is));
    OpenScore {
        exact_match: exact,
        token_f1: f1,
        contains: (!short.is_empty()).then(|| flag(contains)),
        accuracy: (!sample.accepted.is_empty()).then(|| flag(exact == 1.0 || contains && !names_a_rival)),
    }
}

/// How alike two texts are.
type Measure = fn(&str, &str) -> f64;

/// The measure of two texts that have words other than articles; else 1 where they have the same words, and any.
fn of_words(score: Measure, text: &str, wording: &str) -> f64 {
    if !normalise(text).is_empty() && !normalise(wording).is_empty() {
        return score(text, wording);
    }
    let words = lower(text);
    f64::from(u8::from(!words.is_empty() && words == lower(wording)))
}

/// The words of an answer, without marks and boxes, a line for each statement.
pub(super) fn plain_text(answer: &Answer) -> String {
    let statements: Vec<_> = answer.statements.iter().map(|statement| statement.text.as_str()).collect();
    statements.join("\n")
}

fn without_article(mut words: Vec<String>) -> Vec<String> {
    if words.len() > 1 && matches!(words[0].as_str(), "a" | "an" | "the") {
        words.remove(0);
    }
    words
}

/// The words of what other regions say or show where the first cited one has the accepted value.
fn rivals(sample: &Sample) -> Vec<Vec<String>> {
    let accepted: Vec<_> = sample.accepted.iter().map(|value| lower(value)).collect();
    // Regions have numbers before reference pictures.
    let regions = sample.regions.iter().map(|region| (&region.facts, Some(&region.visual)));
    let all: Vec<_> =
        regions.chain(sample.references.iter().map(|reference| (&reference.facts, None))).collect();
    let place = sample.citations.first().and_then(|&number| (number as usize).checked_sub(1));
    let Some((place, (facts, visual))) = place.and_then(|place| Some((place, *all.get(place)?))) else {
        return Vec::new();
    };
    let own: Vec<_> = facts.iter().chain(visual.into_iter().flatten()).collect();
    let mut named = own.iter().filter(|(_, value)| accepted.contains(&lower(value)));
    let (Some((name, _)), None) = (named.next(), named.next()) else { return Vec::new() };
    let others = all.iter().enumerate().filter(|(at, _)| *at != place);
    let values = others.flat_map(|(_, (facts, visual))| {
        facts
            .iter()
            .chain(visual.iter().copied().flatten())
            .filter(|(other, _)| other == name)
            .map(|(_, value)| lower(value))
    });
    values
        .filter(|value| !accepted.contains(value) && !own.iter().any(|(_, own)| lower(own) == *value))
        .collect()
}

#[cfg(test)]
mod tests {
    use rcmu_core::{FinishReason, ImageSize, Region};
    use rcmu_data::{Kind, PictureSource, Provenance, SampleRegion};
    use rcmu_prompt::{Targets, parse};

    use super::*;

    fn sample(accepted: &[&str], facts: &[&[(&str, &str)]]) -> Sample {
        let region = |facts: &&[(&str, &str)]| SampleRegion {
            region: Region::new("woman", None, "").expect("the label is not blank"),
            facts: facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            visual: [("colour".to_owned(), "red".to_owned())].into(),
        };
        Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: Vec::new(),
            regions: facts.iter().map(region).collect(),
            kind: Kind::VisualToContext,
            question: "What does she do?".into(),
            options: Vec::new(),
            cited: true,
            answer: "She is a teacher.[1]".into(),
            accepted: accepted.iter().map(|value| (*value).to_owned()).collect(),
            citations: vec![1],
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    fn score(sample: &Sample, text: &str) -> OpenScore {
        let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
        let read = |text: &str| parse(text, Targets::new(2, 0, size), FinishReason::EndOfText);
        score_open(sample, &read(text), &read(&sample.answer))
    }

    #[test]
    fn a_value_inside_a_sentence_is_right() {
        let sample = sample(&["teacher"], &[&[("job", "teacher")], &[("job", "nurse")]]);

        // Shared words of `owner is teacher` and `teacher`: 1 of 3 and 1 of 1, F1 0.5; with the right answer `she is
        // teacher`: 2 of 3 and 2 of 3, F1 2/3.
        let said = score(&sample, "The owner is a teacher.[1]");
        assert_eq!((said.exact_match, said.contains, said.accuracy), (0.0, Some(1.0), Some(1.0)));
        assert!((said.token_f1 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(score(&sample, "She is a teacher").exact_match, 1.0);
    }

    #[test]
    fn a_negated_value_and_a_list_of_values_are_wrong() {
        let sample = sample(&["teacher"], &[&[("job", "teacher")], &[("job", "nurse")]]);

        let list = score(&sample, "A teacher or a nurse.");
        assert_eq!((list.contains, list.accuracy), (Some(1.0), Some(0.0)));
        assert_eq!(score(&sample, "She is not a teacher.").accuracy, Some(0.0));
        assert_eq!(score(&sample, "The teachers.").accuracy, Some(0.0));
    }

    #[test]
    fn a_negation_of_something_else_denies_no_value() {
        let sample = sample(&["blue"], &[&[("colour", "blue")]]);

        for text in ["It is not red but blue.", "No, blue.", "She is not a nurse. Blue.", "not red; blue"] {
            assert_eq!(score(&sample, text).accuracy, Some(1.0), "{text}");
        }
        for text in ["It is not blue.", "It is not a blue but a red one.", "No blue one."] {
            assert_eq!(score(&sample, text).accuracy, Some(0.0), "{text}");
        }
    }

    #[test]
    fn a_value_that_two_facts_share_has_no_rivals() {
        // `red` is both the colour and the favourite: nothing says which one is asked for.
        let sample = sample(&["red"], &[&[("favourite", "red")], &[("favourite", "blue")]]);

        assert_eq!(score(&sample, "It is red, not far from the blue one.").accuracy, Some(1.0));
    }

    #[test]
    fn what_has_no_words_is_right_by_no_wording() {
        for (accepted, text) in [("A", ""), ("A", "The."), ("-", ""), ("-", "..."), ("", "")] {
            let said = score(&sample(&[accepted], &[]), text);

            assert_eq!((said.exact_match, said.accuracy), (0.0, Some(0.0)), "{accepted}: {text}");
            assert_eq!(said.token_f1, 0.0, "{accepted}: {text}");
        }
        let letter = score(&sample(&["A"], &[]), "A");
        assert_eq!((letter.exact_match, letter.token_f1, letter.accuracy), (1.0, 1.0, Some(1.0)));
    }

    #[test]
    fn without_accepted_wordings_there_is_no_headline() {
        let sample = sample(&[], &[&[]]);

        let same = score(&sample, "She is a teacher");
        assert_eq!((same.exact_match, same.contains, same.accuracy), (1.0, None, None));
    }
}
