use rcmu_core::{FinishReason, ImageSize};
use rcmu_prompt::{Targets, parse};

use crate::Sample;

impl Sample {
    /// The place of the right option of a multiple-choice question, from 0: that of its letter, or of the option that its
    /// answer spells out, with or without its letter before it. `None` when neither is there.
    ///
    /// Case, ASCII punctuation, articles and marks do not count.
    ///
    /// # Examples
    ///
    /// Of the options `teacher` and `nurse`, the answers `B`, `b.`, `B. nurse`, `B. nurse, as her coat shows`, `The answer is B.`
    /// and `A nurse.` mean the place 1; `C`, `A. nurse` and `cook` mean none.
    #[expect(clippy::missing_panics_doc, reason = "one pixel is a size")]
    pub fn right_option(&self) -> Option<usize> {
        let size = ImageSize::new(1, 1).expect("the sides are not empty");
        let targets = Targets::new(self.regions.len(), self.references.len(), size);
        let answer = parse(&self.answer, targets, FinishReason::EndOfText);
        let statements: Vec<_> = answer.statements.iter().map(|statement| statement.text.as_str()).collect();
        let text = statements.join(" ");
        let text = after_cue(&text);
        let letter = letter_alone(text).filter(|&at| at < self.options.len());
        letter
            .or_else(|| self.options.iter().position(|option| option.trim() == self.answer.trim()))
            .or_else(|| self.spelt_out(text))
    }

    fn spelt_out(&self, text: &str) -> Option<usize> {
        let said = words(text);
        let set_out = first_letter(text);
        let own = set_out
            .and_then(|(at, rest, _)| self.options.get(at).map(|option| (at, words(option), words(rest))));
        if let Some((at, own, rest)) = own {
            let (mut own, mut rest) = (without_articles(&own).peekable(), without_articles(&rest));
            // What follows the option's words is the reason.
            if own.peek().is_some() && own.all(|word| rest.next() == Some(word)) {
                return Some(at);
            }
        }
        let is_set_out = set_out.is_some_and(|(_, _, is_set_out)| is_set_out);
        let is_said = |option: &String| {
            let own = words(option);
            // The letter of `A. nurse` is no article.
            if is_set_out { own == said } else { without_articles(&own).eq(without_articles(&said)) }
        };
        self.options.iter().position(is_said).filter(|_| without_articles(&said).next().is_some())
    }
}

/// What stands behind `The answer is` or `Answer:`, or all.
fn after_cue(text: &str) -> &str {
    let cues = ["the answer is", "the correct answer is", "answer:"];
    let text = text.trim();
    let behind = |cue: &str| {
        let (begin, rest) = text.split_at_checked(cue.len())?;
        begin.eq_ignore_ascii_case(cue).then(|| rest.trim_start_matches([':', ' ']))
    };
    cues.into_iter().find_map(behind).unwrap_or(text)
}

/// The place of the option of a letter that stands alone, in signs or without.
fn letter_alone(text: &str) -> Option<usize> {
    match text.trim_matches(|c: char| !c.is_alphanumeric()).as_bytes() {
        [letter] => letter_place(*letter),
        _ => None,
    }
}

fn letter_place(letter: u8) -> Option<usize> {
    letter.is_ascii_alphabetic().then(|| usize::from(letter.to_ascii_lowercase() - b'a'))
}

/// The place of the option of the letter that a text begins with, what stands behind it, and whether a sign does.
fn first_letter(text: &str) -> Option<(usize, &str, bool)> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let place = letter_place(*text.as_bytes().first()?)?;
    let after = text[1..].chars().next().filter(|c| !c.is_alphanumeric())?;
    Some((place, text[1..].trim_start_matches(|c: char| !c.is_alphanumeric()), !after.is_whitespace()))
}

/// The words of a text in lower case, without ASCII punctuation.
fn words(text: &str) -> Vec<String> {
    let parted = text.to_lowercase();
    let words = parted.split_whitespace().map(|word| word.replace(|c: char| c.is_ascii_punctuation(), ""));
    words.filter(|word| !word.is_empty()).collect()
}

fn without_articles(words: &[String]) -> impl Iterator<Item = &String> {
    words.iter().filter(|word| !matches!(word.as_str(), "a" | "an" | "the"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Kind, PictureSource, Provenance};

    fn sample(answer: &str, options: &[&str]) -> Sample {
        Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: vec![],
            regions: vec![],
            kind: Kind::Open,
            question: "What does she do?".into(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            cited: false,
            answer: answer.into(),
            accepted: vec![],
            citations: vec![],
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn a_letter_a_text_and_both_are_the_right_option() {
        for (answer, expected) in [
            ("B", Some(1)),
            ("b.", Some(1)),
            ("(B)", Some(1)),
            ("B. [1]", Some(1)),
            ("B. nurse", Some(1)),
            ("(b) a nurse.", Some(1)),
            ("**B** Nurse!", Some(1)),
            ("B nurse", Some(1)),
            ("nurse", Some(1)),
            ("A nurse.", Some(1)),
            ("The nurse.", Some(1)),
            ("The answer is B.", Some(1)),
            ("Answer: b", Some(1)),
            ("The answer is a nurse.", Some(1)),
            ("B. nurse, because she wears white.", Some(1)),
            ("B、nurse", Some(1)),
            ("B. cook", None),
            ("Q", None),
            ("A. nurse", None),
            ("cook", None),
            ("...", None),
        ] {
            assert_eq!(sample(answer, &["teacher", "nurse"]).right_option(), expected, "{answer}");
        }
    }

    #[test]
    fn options_that_begin_with_letters_are_told_by_their_texts() {
        let options = ["B. Jones", "A. Smith", "-"];

        for (answer, expected) in
            [("B. Jones.", Some(0)), ("A. Smith", Some(1)), ("B. A. Smith", Some(1)), ("-", Some(2))]
        {
            assert_eq!(sample(answer, &options).right_option(), expected, "{answer}");
        }
    }

    #[test]
    fn a_question_whose_answer_is_none_of_its_options_is_refused() {
        let error = sample("Q", &["teacher", "nurse"]).check().unwrap_err();

        assert!(matches!(&error, Error::Field { field, .. } if field == "answer"), "{error}");
        assert!(sample("B. nurse", &["teacher", "nurse"]).check().is_ok());
        assert!(sample("Q", &[]).check().is_ok(), "a question without options");
    }
}
