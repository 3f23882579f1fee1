//! Where sentences end.

/// Titles that hardly stand without a name behind them, at the end of a sentence.
const BEFORE_NAMES: [&str; 6] = ["dr", "mr", "mrs", "ms", "mx", "prof"];
/// Abbreviations that a name follows as a rule; those that often end a sentence (`etc.`, `Jr.`) are left out.
const TITLES: [&str; 11] = ["rev", "gen", "col", "capt", "lt", "sgt", "sen", "gov", "hon", "st", "mt"];
/// Titles that are words when they are not capitalised (`a sales rep.`).
const CAPITALISED: [&str; 9] = ["Maj", "Adm", "Cpl", "Pvt", "Rep", "Fr", "Det", "Insp", "Pres"];
/// Abbreviations that point at what follows, and end no sentence.
const POINTERS: [&str; 4] = ["vs", "e.g", "i.e", "cf"];
/// Abbreviations that a number follows: months, places in texts, estimates, and measures in two parts (`5 ft. 3 in.`).
const BEFORE_NUMBERS: [&str; 23] = [
    "no", "fig", "vol", "p", "pp", "c", "ca", "approx", "est", "ft", "lbs", "jan", "feb", "mar", "apr",
    "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
];

/// Whether a full stop may be something else than the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Veto {
    No,
    /// That of an abbreviation, if a number follows.
    BeforeNumber,
    /// That of an abbreviation or of initials, unless a mark follows: marks stand at the ends of sentences.
    Abbreviation,
    /// That of a list item, of a pointer or before a name, whatever follows.
    Always,
}

/// Sentence-final punctuation has been read; the next character decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) veto: Veto,
    /// The sign ends a sentence without white space after it (`。`).
    pub(crate) wide: bool,
    /// White space came after it, or after the last mark behind it.
    pub(crate) spaced: bool,
    /// A mark or box came after it.
    pub(crate) marked: bool,
}

/// Whether the sentence ends between its final punctuation and `c`.
pub(crate) fn ends_before(ending: Ending, c: char) -> bool {
    let vetoed = match ending.veto {
        Veto::No => false,
        Veto::BeforeNumber => !ending.marked && c.is_ascii_digit(),
        Veto::Abbreviation => !ending.marked,
        Veto::Always => true,
    };
    let apart = ending.spaced || ending.marked && !is_tight(c);
    !vetoed && (ending.wide || apart && !c.is_lowercase())
}

/// What the word before a full stop, the last of the words `text`, says about it.
pub(crate) fn veto(word: &str, text: &str) -> Veto {
    let lower = word.to_lowercase();
    let initials = |word: &str| {
        let mut letters = word.split('.').map(|part| part.chars().collect::<Vec<_>>());
        letters.all(|letters| matches!(letters[..], [letter] if letter.is_uppercase()))
    };
    let is_number = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let is_letter = word.len() == 1 && word.bytes().all(|b| b.is_ascii_alphabetic());
    let begins_item = (is_number || is_letter) && text.len() == word.len() + 1;
    if begins_item || POINTERS.contains(&lower.as_str()) || BEFORE_NAMES.contains(&lower.as_str()) {
        Veto::Always
    } else if TITLES.contains(&lower.as_str()) || CAPITALISED.contains(&word) || initials(word) {
        Veto::Abbreviation
    } else if BEFORE_NUMBERS.contains(&lower.as_str()) {
        Veto::BeforeNumber
    } else {
        Veto::No
    }
}

pub(crate) fn is_terminator(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…') || is_wide(c)
}

pub(crate) fn is_wide(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡')
}

/// Whether `c` still belongs to the end of the sentence.
pub(crate) fn is_attached(ending: Ending, c: char) -> bool {
    !ending.spaced && (is_terminator(c) || is_closer(c) || !ending.marked && is_german_closer(c))
}

fn is_closer(c: char) -> bool {
    matches!(c, ')' | ']' | '}' | '"' | '\'' | '”' | '’' | '»' | '›' | '*' | '_')
        || matches!(c, '」' | '』' | '）' | '》' | '〉' | '】' | '〕' | '］')
}

/// German quotes close with signs that open others (`„Komm.“`, `»Komm.«`): behind a mark they may begin a sentence.
fn is_german_closer(c: char) -> bool {
    matches!(c, '“' | '«')
}

/// Signs of Markdown that may stand before the words of a line: emphasis, headings, quotes and bullets.
pub(crate) fn is_markup(c: char) -> bool {
    matches!(c, '*' | '_' | '#' | '>' | '-')
}

/// Signs that stand close to the word before them, so that a space before a mark goes away with it.
pub(crate) fn is_tight(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | '.' | '!' | '?' | '…' | ')' | ']' | '}' | '”' | '’' | '»' | '%')
        || matches!(c, '，' | '、' | '；' | '：' | '。' | '！' | '？' | '）' | '」')
}

/// Letters of scripts that put no space between words, or none before what is joined to a name: Thai and Lao, Burmese,
/// Khmer, Korean, Japanese and Chinese with their wide signs.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
        || matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}')
        || matches!(c, '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
        || matches!(c, '\u{1aff0}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}')
}
