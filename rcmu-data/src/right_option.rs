use rcmu_core::{FinishReason, ImageSize};
use rcmu_prompt::{Targets, parse};

use crate::Sample;

impl Sample {
    /// The place of the right option of a multiple-choice question, from 0: that of its letter, or of the option that its
    /// answer spells out, with or without its letter before it. `None` when neither is there, or the answer is that of
    /// several different options.
    ///
    /// Case, ASCII punctuation and marks do not count, nor do articles unless they tell options apart. The points, hyphens
    /// and minus signs of numbers do: `3.5 cm` is not `35 cm`.
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
        if said.is_empty() {
            return None;
        }
        // The letter of `A. nurse` is no article.
        let is_set_out = |text: &str| first_letter(text).is_some_and(|(_, _, is_set_out)| is_set_out);
        let set_out = is_set_out(text);
        self.only(|option| words(option) == said && is_set_out(option) == set_out)
            .or_else(|| self.letter_and_text(text))
            .or_else(|| self.only(|option| !set_out && is_same(&words(option), &said)))
    }

    /// The option whose letter and text the answer has, and after a letter that is set out by a sign the reason, too.
    fn letter_and_text(&self, text: &str) -> Option<usize> {
        let (at, rest, is_set_out) = first_letter(text)?;
        let (own, rest) = (words(self.options.get(at)?), words(rest));
        if is_same(&own, &rest) {
            return Some(at);
        }
        let mut behind = without_articles(&rest);
        let mut own = without_articles(&own).peekable();
        let begins = own.peek().is_some() && own.all(|word| behind.next() == Some(word));
        let is_other = self.options.iter().any(|option| is_same(&words(option), &rest));
        (is_set_out && begins && !is_other).then_some(at)
    }

    /// The place of the one option of which this holds.
    fn only(&self, holds: impl Fn(&String) -> bool) -> Option<usize> {
        let mut places = self.options.iter().enumerate().filter(|(_, option)| holds(option));
        let (place, _) = places.next()?;
        places.next().is_none().then_some(place)
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

/// The words of a text in lower case, without ASCII punctuation but for the points and hyphens of numbers.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split_whitespace().map(|word| {
        let is_number = word.contains(|c: char| c.is_ascii_digit());
        let is_kept = |c: char| !c.is_ascii_punctuation() || is_number && matches!(c, '.' | '-');
        word.chars().filter(|c| is_kept(*c)).collect::<String>().trim_end_matches(['.', '-']).to_owned()
    });
    words.filter(|word| !word.is_empty()).collect()
}

/// Whether two texts have the same words but for articles, and any at all.
fn is_same(one: &[String], other: &[String]) -> bool {
    without_articles(one).next().is_some() && without_articles(one).eq(without_articles(other))
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
    fn options_that_differ_in_a_sign_or_an_article_are_told_apart() {
        for (options, answer, expected) in [
            (["35 cm", "3.5 cm"], "3.5 cm.", Some(1)),
            (["35 cm", "3.5 cm"], "35 cm", Some(0)),
            (["35 cm", "3.5 cm"], "B. 3.5 cm, as told.", Some(1)),
            (["35 cm", "3.5 cm"], "A. 3.5 cm", None),
            (["5", "-5"], "The answer is -5.", Some(1)),
            (["5", "-5"], "The answer is 5.", Some(0)),
            (["nurse", "a nurse assistant"], "A nurse assistant.", Some(1)),
            (["nurse", "a nurse assistant"], "A. nurse assistant", None),
            (["nurse", "a nurse assistant"], "A nurse.", Some(0)),
            (["The doll", "A doll in the yellow box"], "A doll in the yellow box.[2]", Some(1)),
            (["the nurse", "a nurse"], "A nurse.", Some(1)),
            (["the nurse", "a nurse"], "Nurse.", None),
            (["nurse", "nurse"], "nurse", Some(0)),
        ] {
            assert_eq!(sample(answer, &options).right_option(), expected, "{answer} of {options:?}");
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
