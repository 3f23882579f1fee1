use rand_chacha::ChaCha8Rng;

use crate::figurines::{
    chance::{below, pick, shuffle},
    phrases::INSUFFICIENT,
};

/// The options of a multiple-choice question.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// All options in order.
    pub(crate) texts: Vec<String>,
    /// The place of the right one.
    pub(crate) right: usize,
}

/// Makes `count` options, one of which says that the question cannot be answered.
///
/// `right` is the right value; without one the right option is the insufficient one. The wrong values come from
/// `wrong` first, which are the values of other figurines, then from `fill`. All places are equally likely.
pub(crate) fn options(
    rng: &mut ChaCha8Rng,
    count: usize,
    right: Option<&str>,
    [mut wrong, mut fill]: [Vec<String>; 2],
) -> Options {
    shuffle(rng, &mut wrong);
    shuffle(rng, &mut fill);
    let mut texts: Vec<String> = right.map(str::to_owned).into_iter().collect();
    for value in wrong.into_iter().chain(fill) {
        if texts.len() + 1 < count && !texts.contains(&value) {
            texts.push(value);
        }
    }
    shuffle(rng, &mut texts);
    let insufficient = below(rng, texts.len() + 1);
    texts.insert(insufficient, (*pick(rng, &INSUFFICIENT)).to_owned());
    let right = right.map_or(Some(insufficient), |right| texts.iter().position(|text| text == right));
    Options { right: right.expect("the right value is among the options"), texts }
}

/// The letter of the option at this place, of which there are at most 26.
pub(crate) fn letter(place: usize) -> String {
    char::from(b'A' + place as u8).to_string()
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use rcmu_prompt::is_refusal;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn the_right_option_stands_at_every_place() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut right, mut insufficient) = ([0; 4], [0; 4]);

        for _ in 0..2000 {
            let options =
                options(&mut rng, 4, Some("Rome"), [words(&["Paris"]), words(&["Oslo", "Rome", "Lima"])]);
            assert_eq!(options.texts.len(), 4);
            assert_eq!(options.texts[options.right], "Rome");
            assert!(options.texts.contains(&"Paris".to_owned()));
            right[options.right] += 1;
            insufficient[options.texts.iter().position(|text| is_refusal(text)).expect("there is one")] += 1;
        }

        // 500 each, standard deviation 19.4: five of them.
        assert!(right.iter().chain(&insufficient).all(|count| (403..=597).contains(count)), "{right:?}");
    }

    #[test]
    fn without_a_right_value_the_insufficient_option_is_right() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);

        let options = options(&mut rng, 3, None, [words(&["Paris"]), words(&["Oslo"])]);

        assert_eq!(options.texts.len(), 3);
        assert!(is_refusal(&options.texts[options.right]));
        assert_eq!(letter(2), "C");
    }
}
