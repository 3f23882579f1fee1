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
    /// The signs next to it; none at the ends and next to white space. A dash and a bracket that opens may stand apart.
    before: Option<char>,
    after: Option<char>,
}

/// Signs behind a letter that belong to it alone.
const SETTING_OUT: &str = ".):]}–—(";
/// Words before a letter that is stated as the answer.
const ANSWER: [&str; 2] = ["answer", "boxed"];
/// Words before a letter that is named.
const OPTION: [&str; 2] = ["option", "choice"];
/// What follows a letter that is said to be right, and no article or pronoun.
const VERBS: [&str; 4] = ["is", "fits", "seems", "matches"];

impl Letter {
    /// Stands in brackets, quotes or asterisks.
    fn is_wrapped(self) -> bool {
        let opens = self.before.is_some_and(|c| "([{*\"'“".contains(c)) && self.after.is_some();
        opens || self.after.is_some_and(|c| ")]}*".contains(c))
    }
}

impl<'a> Reply<'a> {
    /// Reads a reply whose statements stand in lines of their own.
    pub(super) fn read(text: &'a str, options: &'a [String]) -> Self {
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
        Self { text, words: words(text), said: Said::read(text), options, option_words }
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
            let rest = &self.text[word.end..];
            let apart = rest.trim_start_matches(' ').chars().next().filter(|c| "-–—(".contains(*c));
            let apart = apart.filter(|_| rest.starts_with(' ')).map(|c| if c == '-' { '–' } else { c });
            // Behind the article of `a (retired) nurse` no option follows.
            let is_word = matches!(&*word.lower, "a" | "i");
            let apart = apart.filter(|_| !is_word || self.begins_with_option(rest));
            let after = apart.or_else(|| sign(rest.chars().next()));
            Some(Letter { place, index, is_capital: word.is_capital, before, after })
        };
        self.words.iter().enumerate().skip(place).filter_map(letter)
    }

    /// Whether the words of an option come first.
    fn begins_with_option(&self, text: &str) -> bool {
        let words = lower(text);
        self.options.iter().map(|option| lower(option)).any(|option| words.starts_with(&option))
    }

    /// The letter that is the reply, or its first line; other letters in lines of their own or stated as the answer, and
    /// another option's text below it, make it ambiguous.
    pub(super) fn letter_alone(&self) -> BTreeSet<usize> {
        let is_alone = |letter: &Letter| {
            (letter.place == 0 || self.ends_line(letter.place - 1)) && self.ends_line(letter.place)
        };
        let alone: Vec<_> = self.letters().filter(is_alone).collect();
        let mut found = BTreeSet::new();
        if alone.first().is_some_and(|letter| letter.place == 0) {
            found.extend(alone.iter().map(|letter| letter.index));
            found.extend(self.stated_after(&ANSWER));
            found.extend(self.options_like(&self.text[self.words[0].end..]));
        }
        found
    }

    /// Whether the word at this place is the last of its line.
    fn ends_line(&self, place: usize) -> bool {
        let end = self.words[place].end;
        self.words.get(place + 1).is_none_or(|next| self.text[end..next.start].contains('\n'))
    }

    pub(super) fn option_exact(&self) -> BTreeSet<usize> {
        let text = self.text.replace('\n', " ");
        (0..self.options.len()).filter(|&at| self.options[at].trim() == text).collect()
    }

    /// The letter of `A. nurse` is no article.
    pub(super) fn option_normalised(&self) -> BTreeSet<usize> {
        if self.letters().next().is_some_and(|first| first.place == 0 && first.after.is_some()) {
            let is_said = |at: &usize| lower(&self.options[*at]) == self.said.lower;
            return (0..self.options.len()).filter(is_said).collect();
        }
        self.options_like(self.text)
    }

    /// The options with this text but for case, punctuation and articles.
    fn options_like(&self, text: &str) -> BTreeSet<usize> {
        let text = normalise(text);
        (0..self.options.len())
            .filter(|&at| !text.is_empty() && normalise(&self.options[at]) == text)
            .collect()
    }

    /// `answer` is a stronger cue than `option` or `choice`; letters that are joined to a stated one are stated, too.
    pub(super) fn stated(&self) -> BTreeSet<usize> {
        let strong = self.stated_after(&ANSWER);
        if strong.is_empty() { self.stated_after(&OPTION) } else { strong }
    }

    fn stated_after(&self, cues: &[&str]) -> BTreeSet<usize> {
        let follows_cue = |letter: &Letter| {
            let before = self.said.lower[..letter.place].iter().rev();
            let mut before = before.skip_while(|word| {
                let filler =
                    ["is", "be", "would", "should", "the", "correct", "right", "letter", "option", "choice"];
                filler.contains(&word.as_str()) && !cues.contains(&word.as_str())
            });
            before.next().is_some_and(|word| cues.contains(&word.as_str()))
        };
        let is_stated = |letter: &Letter| follows_cue(letter) && self.is_letter_of_option(*letter);
        let stated = self.letters().filter(is_stated);
        stated.flat_map(|letter| self.with_joined(letter)).map(|letter| letter.index).collect()
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

    /// A capital letter, or one that ends a line or has a sign after it; `A` and `I` may be words.
    fn is_letter_of_option(&self, letter: Letter) -> bool {
        let ends =
            self.ends_line(letter.place) || letter.after.is_some_and(|c| ".,:;!?)]}*\"'”–—(".contains(c));
        let is_capital = letter.is_capital && (!self.may_be_word(letter) || self.is_told(letter));
        letter.is_wrapped() || ends || is_capital && (letter.after.is_none() || self.is_told(letter))
    }

    /// Whether a sentence ends behind a letter, or a reason follows.
    fn ends_or_is_reasoned(&self, letter: Letter) -> bool {
        let ends = self.ends_line(letter.place) || letter.after.is_some_and(|c| ".,!?)]}*–—(".contains(c));
        ends || self.is_reasoned(letter)
    }

    fn is_reasoned(&self, letter: Letter) -> bool {
        const REASONS: [&str; 6] = ["because", "since", "as", "based", "according", "for"];
        self.next(letter).is_some_and(|word| REASONS.contains(&word))
    }

    /// The word after a letter in its line.
    fn next(&self, letter: Letter) -> Option<&str> {
        let next = self.said.lower.get(letter.place + 1)?;
        (!self.ends_line(letter.place)).then_some(next.as_str())
    }

    fn may_be_word(&self, letter: Letter) -> bool {
        matches!(self.said.lower[letter.place].as_str(), "a" | "i")
    }

    /// Whether the words next to a capital letter make it one of an option: `Option A`, `A is`, `A because`.
    fn is_told(&self, letter: Letter) -> bool {
        let word = |place: usize| self.said.lower[place].as_str();
        // `the option I like`
        let is_named =
            letter.place > 0 && OPTION.contains(&word(letter.place - 1)) && word(letter.place) != "i";
        is_named || self.is_reasoned(letter) || self.next(letter).is_some_and(|next| VERBS.contains(&next))
    }

    /// The letter at the beginning; another letter set out like it, or the words of another option after it, make it
    /// ambiguous. Letters that its own option's words have, as in `B. Samuel C. Reed`, are none.
    pub(super) fn leading(&self) -> BTreeSet<usize> {
        let is_set_out =
            |letter: &Letter| letter.after.is_some_and(|c| SETTING_OUT.contains(c)) || letter.is_wrapped();
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

    /// Letters that the words of a contained option have are none.
    pub(super) fn letters_contained(&self) -> BTreeSet<usize> {
        let own: BTreeSet<_> =
            self.contained(0).into_iter().flat_map(|option| self.places_of(option)).collect();
        let stands_out = |letter: &Letter| {
            // The last letter of `U.S.A.` ends an abbreviation.
            let is_listed = letter.before != Some('.')
                && (letter.after.is_some_and(|c| ",/&;.!?:–—(".contains(c))
                    || matches!(self.next(*letter), None | Some("or" | "and")));
            let is_letter =
                !self.may_be_word(*letter) || letter.is_wrapped() || is_listed || self.is_told(*letter);
            letter.is_capital
                && is_letter
                && !own.contains(&letter.place)
                && !self.said.is_negated(letter.place)
        };
        self.letters().filter(stands_out).map(|letter| letter.index).collect()
    }
}
