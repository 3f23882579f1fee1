use std::collections::BTreeSet;

use crate::{
    judge::{Said, Word, lower, outermost, positions, words},
    scorers::{choice::letter_index, normalise},
};

/// A reply with what the steps look at.
pub(super) struct Reply<'a> {
    text: &'a str,
    pub(super) words: Vec<Word>,
    said: Said,
    options: &'a [String],
    /// The words of each option, without a leading article.
    option_words: Vec<Vec<String>>,
}

/// A word that is the letter of an option.
#[derive(Clone, Copy)]
struct Letter {
    place: usize,
    index: usize,
    is_capital: bool,
    /// The signs next to it; none at the ends and next to white space.
    before: Option<char>,
    after: Option<char>,
}

impl Letter {
    /// Stands in brackets, quotes or asterisks.
    fn is_wrapped(self) -> bool {
        self.before.is_some_and(|c| "([{*\"'“".contains(c)) || self.after.is_some_and(|c| ")]}*".contains(c))
    }
}

impl<'a> Reply<'a> {
    pub(super) fn read(text: &'a str, options: &'a [String]) -> Self {
        let words = words(text);
        let option_words = options
            .iter()
            .map(|option| {
                let mut words = lower(option);
                if words.len() > 1 && matches!(words[0].as_str(), "a" | "an" | "the") {
                    words.remove(0);
                }
                words
            })
            .collect();
        Self { text, words, said: Said::read(text), options, option_words }
    }

    fn letters(&self) -> impl Iterator<Item = Letter> {
        self.letters_from(0)
    }

    /// Those from a word on.
    fn letters_from(&self, place: usize) -> impl Iterator<Item = Letter> {
        let letter = |(place, word): (usize, &Word)| {
            let index =
                letter_index(&word.lower).filter(|&at| at < self.options.len() && !word.is_possessive)?;
            let sign = |c: Option<char>| c.filter(|c| !c.is_whitespace());
            let before = sign(self.text[..word.start].chars().next_back());
            let after = sign(self.text[word.end..].chars().next());
            Some(Letter { place, index, is_capital: word.is_capital, before, after })
        };
        self.words.iter().enumerate().skip(place).filter_map(letter)
    }

    pub(super) fn letter_alone(&self) -> BTreeSet<usize> {
        self.letters().filter(|_| self.words.len() == 1).map(|letter| letter.index).collect()
    }

    pub(super) fn option_exact(&self) -> BTreeSet<usize> {
        (0..self.options.len()).filter(|&at| self.options[at].trim() == self.text).collect()
    }

    pub(super) fn option_normalised(&self) -> BTreeSet<usize> {
        let reply = normalise(self.text);
        (0..self.options.len())
            .filter(|&at| !reply.is_empty() && normalise(&self.options[at]) == reply)
            .collect()
    }

    /// `answer` is a stronger cue than `option` or `choice`; letters that are joined to a stated one are stated, too.
    pub(super) fn stated(&self) -> BTreeSet<usize> {
        let by_cue = |cues: &[&str]| -> BTreeSet<usize> {
            let follows_cue = |letter: &Letter| {
                let before = self.said.lower[..letter.place].iter().rev();
                let mut before = before.skip_while(|word| {
                    let filler = [
                        "is", "be", "would", "should", "the", "correct", "right", "letter", "option",
                        "choice",
                    ];
                    filler.contains(&word.as_str()) && !cues.contains(&word.as_str())
                });
                before.next().is_some_and(|word| cues.contains(&word.as_str()))
            };
            let is_stated = |letter: &Letter| follows_cue(letter) && self.is_letter_of_option(*letter);
            let stated = self.letters().filter(is_stated);
            stated.flat_map(|letter| self.with_joined(letter)).map(|letter| letter.index).collect()
        };
        let strong = by_cue(&["answer", "boxed"]);
        if strong.is_empty() { by_cue(&["option", "choice"]) } else { strong }
    }

    /// A letter with those that a comma, a stroke, `and` or `or` joins to it, as in `B or C`, but not `B, C is wrong`: of a
    /// chain that something follows to which its last letter belongs only the first is stated.
    fn with_joined(&self, first: Letter) -> Vec<Letter> {
        let mut joined = vec![first];
        let mut last = first;
        for letter in self.letters_from(first.place + 1) {
            if !self.is_joined(last.place, letter.place) || !self.is_letter_of_option(letter) {
                break;
            }
            joined.push(letter);
            last = letter;
        }
        if !self.ends_or_is_reasoned(last) {
            joined.truncate(1);
        }
        joined
    }

    /// Whether nothing but signs and at most one `and` or `or` stands between two words, and they join.
    fn is_joined(&self, one: usize, other: usize) -> bool {
        let between = |from: usize| &self.text[self.words[from].end..self.words[from + 1].start];
        let is_apart =
            |text: &str| text.contains(|c: char| !c.is_whitespace() && !",;/&()[]{}*\"'“”".contains(c));
        match other.checked_sub(one) {
            Some(1) => !is_apart(between(one)) && between(one).contains([',', ';', '/', '&']),
            Some(2) => {
                matches!(self.said.lower[one + 1].as_str(), "and" | "or")
                    && !is_apart(between(one))
                    && !is_apart(between(one + 1))
            }
            _ => false,
        }
    }

    /// A capital letter, or one that ends the text or has a sign after it; `A` and `I` may be words.
    fn is_letter_of_option(&self, letter: Letter) -> bool {
        let ends = letter.place + 1 == self.words.len()
            || letter.after.is_some_and(|c| ".,:;!?)]}*\"'”".contains(c));
        let reasoned = self.is_reasoned(letter);
        let may_be_word = matches!(self.said.lower[letter.place].as_str(), "a" | "i") || !letter.is_capital;
        letter.is_wrapped() || ends || reasoned && letter.is_capital || !may_be_word && letter.after.is_none()
    }

    /// Whether a sentence ends behind a letter, or a reason follows.
    fn ends_or_is_reasoned(&self, letter: Letter) -> bool {
        let ends =
            letter.place + 1 == self.words.len() || letter.after.is_some_and(|c| ".,!?)]}*".contains(c));
        ends || self.is_reasoned(letter)
    }

    fn is_reasoned(&self, letter: Letter) -> bool {
        const REASONS: [&str; 6] = ["because", "since", "as", "based", "according", "for"];
        self.said.lower.get(letter.place + 1).is_some_and(|word| REASONS.contains(&word.as_str()))
    }

    /// The letter at the beginning; another letter set out like it, or the words of another option after it, make it
    /// ambiguous. Letters that its own option's words have, as in `B. Samuel C. Reed`, are none.
    pub(super) fn leading(&self) -> BTreeSet<usize> {
        let is_set_out =
            |letter: &Letter| letter.after.is_some_and(|c| ".):]}".contains(c)) || letter.is_wrapped();
        let set_out: Vec<_> = self.letters().filter(is_set_out).collect();
        let mut found = BTreeSet::new();
        if let Some(first) = set_out.first().filter(|letter| letter.place == 0) {
            let own = self.places_of(first.index);
            let others = set_out.iter().filter(|letter| letter.place == 0 || !own.contains(&letter.place));
            found.extend(others.map(|letter| letter.index));
            let rest = self.contained(1);
            if rest.len() == 1 && !rest.contains(&first.index) {
                found.extend(rest);
            }
        }
        found
    }

    /// Where the words of an option of several words stand.
    fn places_of(&self, option: usize) -> BTreeSet<usize> {
        let words = &self.option_words[option];
        let places = positions(&self.said.lower, words).into_iter().filter(|_| words.len() > 1);
        places.flat_map(|place| place..place + words.len()).collect()
    }

    /// The options whose words stand in the reply from word `from` on, without a negation, and not inside the words
    /// of a longer option.
    pub(super) fn contained(&self, from: usize) -> BTreeSet<usize> {
        let found = outermost(&self.said.lower[from..], &self.option_words).into_iter();
        found.filter(|(place, _)| !self.said.is_negated(from + place)).map(|(_, option)| option).collect()
    }

    pub(super) fn letters_contained(&self) -> BTreeSet<usize> {
        let stands_out = |letter: &Letter| {
            let may_be_word = matches!(self.said.lower[letter.place].as_str(), "a" | "i");
            let next = self.said.lower.get(letter.place + 1).map(String::as_str);
            let is_listed =
                letter.after.is_some_and(|c| ",/&;".contains(c)) || matches!(next, None | Some("or" | "and"));
            letter.is_capital
                && (!may_be_word || letter.is_wrapped() || is_listed)
                && !self.said.is_negated(letter.place)
        };
        self.letters().filter(stands_out).map(|letter| letter.index).collect()
    }
}
