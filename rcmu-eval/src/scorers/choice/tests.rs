use rcmu_core::{FinishReason, ImageSize};
use rcmu_data::{Kind, PictureSource, Provenance};
use rcmu_prompt::{Targets, parse};

use super::*;

fn read(text: &str, options: &[&str]) -> Result<(usize, MatchedBy), Unread> {
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    let answer = parse(text, Targets::new(4, 0, size), FinishReason::EndOfText);
    let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
    choose(&answer, &options).map(|choice| (choice.index, choice.by))
}

const JOBS: [&str; 4] =
    ["teacher", "nurse", "there is not enough information to answer the question", "cook"];

#[test]
fn each_step_reads_what_it_should() {
    use MatchedBy::*;
    for (text, index, by) in [
        ("B", 1, Letter),
        ("b.", 1, Letter),
        ("(D)", 3, Letter),
        ("**A**", 0, Letter),
        ("A [3]", 0, Letter),
        ("teacher", 0, OptionExact),
        ("A teacher.", 0, OptionNormalised),
        ("The Nurse!", 1, OptionNormalised),
        ("Answer: B", 1, Stated),
        ("answer: b", 1, Stated),
        ("The correct answer is (B).", 1, Stated),
        ("The answer is **D** because she cooks.", 3, Stated),
        ("The answer is A because she teaches.", 0, Stated),
        ("Option A is wrong, the answer is option B.", 1, Stated),
        ("I would take option D.", 3, Stated),
        ("The answer is B, a nurse.", 1, Stated),
        ("The answer is B, D is wrong.", 1, Stated),
        ("The answer is B; A, C and D are wrong.", 1, Stated),
        ("Answer: B, D wears a hat.", 1, Stated),
        ("The answer is B; C says she cooks.", 1, Stated),
        ("The answer is B and not D.", 1, Stated),
        ("\\boxed{B}", 1, Stated),
        ("B. nurse", 1, Leading),
        ("B) She is a nurse.", 1, Leading),
        ("(b) nurse", 1, Leading),
        ("C. there is not enough information to answer the question", 2, Leading),
        ("There is no information about her job.", 2, Refusal),
        ("Cannot be answered. The description does not provide any information about it.", 2, Refusal),
        ("She works as a nurse.", 1, OptionContained),
        ("She is not a teacher but works as a nurse.", 1, OptionContained),
        ("I think B fits.", 1, LetterContained),
        ("It must be (A) then", 0, LetterContained),
    ] {
        assert_eq!(read(text, &JOBS), Ok((index, by)), "{text}");
    }
}

/// Forms of replies, with `#` for a letter and `@` for the text of an option.
const FORMS: [&str; 34] = [
    "#",
    "#.",
    "(#)",
    "**#**",
    "# [2]",
    "#. @",
    "#) @",
    "(#) @",
    "**#** @",
    "**#.** @",
    "#: @",
    "#, @",
    "# - @",
    "# — @",
    "# (@)",
    "#\n@",
    "#\n\nThe first one is in the red box, the second one in the blue one.",
    "#\nThe woman holds chalk.",
    "#.\nThe woman holds chalk.",
    "(#)\r\nThe woman holds chalk.",
    "Answer: #",
    "Answer: #\nThe woman holds chalk.",
    "Answer:\n#\nThe woman holds chalk.",
    "Answer: # (@)",
    "The answer is #\n\nThe woman holds chalk.",
    "The correct answer is #. The woman holds chalk.",
    "The answer is # because she holds chalk.",
    "Option # is correct.",
    "Option #, since she holds chalk.",
    "Choice # fits best",
    "# is correct.",
    "I think it is #. The woman holds chalk.",
    "It is #\nThe woman holds chalk.",
    "I choose # because of the chalk.",
];

#[test]
fn a_form_of_reply_means_the_same_whatever_its_letter() {
    for form in FORMS {
        for (at, letter) in ('A'..='D').enumerate() {
            let text = form.replace('#', &letter.to_string()).replace('@', JOBS[at]);

            assert_eq!(read(&text, &JOBS).map(|(index, _)| index), Ok(at), "{text}");
        }
    }
}

#[test]
fn a_letter_and_the_text_of_another_option_are_ambiguous() {
    for form in FORMS.into_iter().filter(|form| form.starts_with('#') && form.contains('@')) {
        for (at, letter) in ('A'..='D').enumerate() {
            for other in (0..JOBS.len()).filter(|&other| other != at) {
                let text = form.replace('#', &letter.to_string()).replace('@', JOBS[other]);

                assert_eq!(read(&text, &JOBS), Err(Unread::Ambiguous), "{text}");
            }
        }
    }
}

#[test]
fn an_article_is_no_letter() {
    for text in [
        "A nurse.",
        "**A nurse**",
        "Answer: **A nurse**",
        "A nurse\nShe wears white.",
        "(A nurse)",
        "A (retired) nurse.",
        "The answer is a (retired) nurse.",
        "The answer is a – rather old – nurse.",
    ] {
        assert_eq!(read(text, &JOBS).map(|(index, _)| index), Ok(1), "{text}");
    }
    assert_eq!(read("A. Smith", &["B. Jones", "A. Smith"]), Ok((1, MatchedBy::OptionExact)));
    assert_eq!(read("A. Smith.", &["B. Jones", "A. Smith"]), Ok((1, MatchedBy::OptionNormalised)));
    assert_eq!(read("He is from the U.S.A.", &JOBS), Err(Unread::NoMatch));
}

#[test]
fn a_negation_denies_no_letter_behind_but() {
    assert_eq!(read("It is not A but D.", &JOBS), Ok((3, MatchedBy::LetterContained)));
    assert_eq!(read("It is not D but A.", &JOBS), Ok((0, MatchedBy::LetterContained)));
    assert_eq!(read("She is not a nurse. Teacher.", &JOBS), Ok((0, MatchedBy::OptionContained)));
    assert_eq!(read("It is not D.", &JOBS), Err(Unread::NoMatch));
}

#[test]
fn letters_inside_the_words_of_the_chosen_option_choose_nothing() {
    let people = ["Ann Lee", "Samuel C. Reed", "Tom Hill", "Max Berg"];
    let plans = ["Plan A", "Plan C", "Plan B"];

    assert_eq!(read("B. Samuel C. Reed", &people), Ok((1, MatchedBy::Leading)));
    assert_eq!(read("C. Plan B.", &plans), Ok((2, MatchedBy::Leading)));
    assert_eq!(read("B. Samuel C. Reed or C.", &people), Err(Unread::Ambiguous));
    assert_eq!(read("B. Plan A.", &plans), Err(Unread::Ambiguous));
}

#[test]
fn the_right_option_is_told_by_letter_or_by_text() {
    let place = |answer: &str| {
        let sample = Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: Vec::new(),
            regions: Vec::new(),
            kind: Kind::Open,
            question: "What does she do?".into(),
            options: vec!["teacher".into(), "nurse".into()],
            cited: false,
            answer: answer.into(),
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
            provenance: Provenance::default(),
        };
        right_option(&sample)
    };

    assert_eq!(
        ["B", "b.", "B. nurse", "A nurse.", "C"].map(place),
        [Some(1), Some(1), Some(1), Some(1), None]
    );
}

#[test]
fn what_means_two_options_is_ambiguous() {
    for text in [
        "A or B",
        "A, B",
        "Answer: A. No, the answer is B.",
        "The answer is B or C.",
        "Answer: A, B",
        "Answer: B, C",
        "Answer: B/D",
        "Answer: (B), (C)",
        "The answer is B, C, or D.",
        "The answer is B or C, I think.",
        "The answer is **B** and **D** because she cooks.",
        "A. teacher B. nurse",
        "B. She is a teacher",
        "A teacher or a nurse",
        "B fits, she is a teacher",
        "A\nB",
        "A\nThe answer is B.",
    ] {
        assert_eq!(read(text, &JOBS), Err(Unread::Ambiguous), "{text}");
    }
    assert_eq!(read("red", &["red", "red", "blue"]), Err(Unread::Ambiguous));
}

#[test]
fn what_means_no_option_is_unread() {
    for text in
        ["A doctor.", "I do not know her", "E", "She is not a teacher", "The answer is a doctor", "G."]
    {
        assert_eq!(read(text, &JOBS), Err(Unread::NoMatch), "{text}");
    }
    for text in ["", "...", "[1]"] {
        assert_eq!(read(text, &JOBS), Err(Unread::Empty), "{text}");
    }
    assert_eq!(read("Cannot be answered.", &["red", "blue"]), Err(Unread::Declined));
}

#[test]
fn the_longer_option_is_meant_where_one_is_part_of_the_other() {
    let options = ["red", "the red robot", "blue"];

    assert_eq!(read("It is the red robot over there", &options), Ok((1, MatchedBy::OptionContained)));
    assert_eq!(read("It is red, the red robot", &options), Err(Unread::Ambiguous));
}
