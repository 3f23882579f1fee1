use std::ops::Range;

use rcmu_core::SpecialToken;

use crate::parse::{
    bbox::{PairState, is_box_char},
    citation::{MarkState, Step},
};

/// The control tokens that a model writes into an answer to point at things.
const GROUNDING_TOKENS: [SpecialToken; 6] = [
    SpecialToken::ObjectRefStart,
    SpecialToken::ObjectRefEnd,
    SpecialToken::BoxStart,
    SpecialToken::BoxEnd,
    SpecialToken::QuadStart,
    SpecialToken::QuadEnd,
];

/// One thing found in an answer; the spans of all items but [`Item::Broken`] tile the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A character of the words.
    Char(char),
    /// A citation mark.
    Mark,
    /// Round brackets, or separators in them, that hold nothing but marks.
    Bracket,
    /// A box between its tokens; `corners` is the text between them.
    Box {
        /// Bytes between the tokens.
        corners: Range<usize>,
    },
    /// A box without tokens.
    BareBox,
    /// A lone control token.
    Token(SpecialToken),
    /// Tells that the box here is not complete; its characters follow on their own.
    BrokenBox,
    /// Tells that the mark here is not complete; its characters follow on their own.
    BrokenMark,
}

/// What has begun and is not complete.
#[derive(Clone, Debug)]
enum Pending {
    Mark(MarkState),
    Pair(PairState),
    /// Behind a round bracket with nothing but marks and separators so far; `mark` is where the one begins that is not
    /// complete.
    Bracketed {
        marks: Vec<Range<usize>>,
        mark: Option<(usize, MarkState)>,
    },
    /// The first characters of a token.
    Token,
    /// Behind `<|box_start|>`, whose text begins at `corners`; `token` is where the token begins that may end it.
    Box {
        corners: usize,
        token: Option<usize>,
    },
}

/// Finds marks, boxes and tokens, one character at a time.
///
/// No candidate holds a character that could begin another one inside it, so that a candidate which fails is given
/// out as plain characters, and the marks that it is known to hold, and only the character it failed on is looked at
/// again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexer {
    pending: Option<(usize, Pending)>,
    /// Between the tokens of a quadrilateral, whose four corners are not those of two boxes.
    in_quad: bool,
}

impl Lexer {
    /// Takes the character at byte `at`; `text` holds at least everything up to its end.
    pub(crate) fn feed(&mut self, text: &str, at: usize, c: char, out: &mut impl FnMut(Item, Range<usize>)) {
        let end = at + c.len_utf8();
        let Some((start, pending)) = self.pending.take() else {
            return self.begin(at, c, out);
        };
        match pending {
            Pending::Mark(state) => match state.next(c) {
                Step::More(state) => self.pending = Some((start, Pending::Mark(state))),
                Step::Done => out(Item::Mark, start..end),
                Step::Fail => self.fail(text, start..at, c, out),
            },
            Pending::Pair(state) => match state.next(c) {
                Step::More(state) => self.pending = Some((start, Pending::Pair(state))),
                Step::Done => out(Item::BareBox, start..end),
                Step::Fail if c == '[' && state == PairState::START => {
                    let mark = Some((at, MarkState::Opened));
                    self.pending = Some((start, Pending::Bracketed { marks: Vec::new(), mark }));
                }
                Step::Fail => self.fail(text, start..at, c, out),
            },
            Pending::Bracketed { mut marks, mark } => {
                let mark = match (mark.map(|(from, state)| (from, state.next(c))), c) {
                    (Some((from, Step::More(state))), _) => Some((from, state)),
                    (Some((from, Step::Done)), _) => {
                        marks.push(from..end);
                        None
                    }
                    (None, '[') => Some((at, MarkState::Opened)),
                    (None, ',' | ';' | ' ' | '\t') => None,
                    (None, ')') => return Self::bracketed(start..end, &marks, out),
                    (Some((_, Step::Fail)) | None, _) => {
                        Self::plain_bracket(text, start..at, &marks, out);
                        return self.begin(at, c, out);
                    }
                };
                self.pending = Some((start, Pending::Bracketed { marks, mark }));
            }
            Pending::Token => match match_token(&text[start..end]) {
                TokenMatch::Prefix => self.pending = Some((start, Pending::Token)),
                TokenMatch::Whole(token) => self.token(token, start..end, out),
                TokenMatch::None => self.fail(text, start..at, c, out),
            },
            Pending::Box { corners, token: None } if c == '<' => {
                self.pending = Some((start, Pending::Box { corners, token: Some(at) }));
            }
            Pending::Box { corners, token: None } if is_box_char(c) => {
                self.pending = Some((start, Pending::Box { corners, token: None }));
            }
            Pending::Box { corners, token: None } => {
                Self::broken_box(text, start..at, corners, out);
                self.begin(at, c, out);
            }
            Pending::Box { corners, token: Some(token_at) } => match match_token(&text[token_at..end]) {
                TokenMatch::Prefix => {
                    self.pending = Some((start, Pending::Box { corners, token: Some(token_at) }));
                }
                TokenMatch::Whole(SpecialToken::BoxEnd) => {
                    out(Item::Box { corners: corners..token_at }, start..end);
                }
                TokenMatch::Whole(token) => {
                    Self::broken_box(text, start..token_at, corners, out);
                    self.token(token, token_at..end, out);
                }
                TokenMatch::None => {
                    Self::broken_box(text, start..token_at, corners, out);
                    self.fail(text, token_at..at, c, out);
                }
            },
        }
    }

    /// Gives out what is left when the text has ended.
    pub(crate) fn finish(&mut self, text: &str, out: &mut impl FnMut(Item, Range<usize>)) {
        let Some((start, pending)) = self.pending.take() else { return };
        let span = start..text.len();
        match pending {
            Pending::Box { corners, .. } => return Self::broken_box(text, span, corners, out),
            Pending::Mark(state) if state.has_number() => out(Item::BrokenMark, span.clone()),
            Pending::Pair(state) if state.is_second_pair() => out(Item::BrokenBox, span.clone()),
            Pending::Bracketed { marks, mark } => {
                if let Some((from, _)) = mark.filter(|(_, state)| state.has_number()) {
                    out(Item::BrokenMark, from..span.end);
                }
                return Self::plain_bracket(text, span, &marks, out);
            }
            _ => {}
        }
        Self::plain(text, span, out);
    }

    /// Takes a character when nothing is pending.
    fn begin(&mut self, at: usize, c: char, out: &mut impl FnMut(Item, Range<usize>)) {
        self.in_quad &= is_box_char(c) || c == '<';
        let pending = match c {
            '(' if self.in_quad => return out(Item::Char(c), at..at + 1),
            '[' => Pending::Mark(MarkState::Opened),
            '(' => Pending::Pair(PairState::START),
            '<' => Pending::Token,
            _ => return out(Item::Char(c), at..at + c.len_utf8()),
        };
        self.pending = Some((at, pending));
    }

    /// Gives out a candidate that is none, then takes the character after it.
    fn fail(&mut self, text: &str, span: Range<usize>, c: char, out: &mut impl FnMut(Item, Range<usize>)) {
        let at = span.end;
        Self::plain(text, span, out);
        self.begin(at, c, out);
    }

    fn plain(text: &str, span: Range<usize>, out: &mut impl FnMut(Item, Range<usize>)) {
        for (offset, c) in text[span.clone()].char_indices() {
            let at = span.start + offset;
            out(Item::Char(c), at..at + c.len_utf8());
        }
    }

    /// Gives out a bracket that holds nothing but these marks.
    fn bracketed(span: Range<usize>, marks: &[Range<usize>], out: &mut impl FnMut(Item, Range<usize>)) {
        let mut from = span.start;
        for mark in marks {
            if from < mark.start {
                out(Item::Bracket, from..mark.start);
            }
            out(Item::Mark, mark.clone());
            from = mark.end;
        }
        out(Item::Bracket, from..span.end);
    }

    /// Gives out a bracket that holds something else, too, with the marks in it.
    fn plain_bracket(
        text: &str,
        span: Range<usize>,
        marks: &[Range<usize>],
        out: &mut impl FnMut(Item, Range<usize>),
    ) {
        let mut from = span.start;
        for mark in marks {
            Self::plain(text, from..mark.start, out);
            out(Item::Mark, mark.clone());
            from = mark.end;
        }
        Self::plain(text, from..span.end, out);
    }

    fn token(&mut self, token: SpecialToken, span: Range<usize>, out: &mut impl FnMut(Item, Range<usize>)) {
        self.in_quad = token == SpecialToken::QuadStart;
        if token == SpecialToken::BoxStart {
            self.pending = Some((span.start, Pending::Box { corners: span.end, token: None }));
        } else {
            out(Item::Token(token), span);
        }
    }

    fn broken_box(text: &str, span: Range<usize>, corners: usize, out: &mut impl FnMut(Item, Range<usize>)) {
        out(Item::BrokenBox, span.clone());
        out(Item::Token(SpecialToken::BoxStart), span.start..corners);
        Self::plain(text, corners..span.end, out);
    }
}

/// How far a text is a control token.
enum TokenMatch {
    None,
    Prefix,
    Whole(SpecialToken),
}

fn match_token(text: &str) -> TokenMatch {
    let mut tokens = GROUNDING_TOKENS.into_iter().filter(|token| token.as_str().starts_with(text));
    match tokens.next() {
        None => TokenMatch::None,
        Some(token) if token.as_str().len() == text.len() => TokenMatch::Whole(token),
        Some(_) => TokenMatch::Prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> Vec<(Item, &str)> {
        let mut lexer = Lexer::default();
        let mut items: Vec<(Item, Range<usize>)> = Vec::new();
        for (at, c) in text.char_indices() {
            lexer.feed(text, at, c, &mut |item, span| items.push((item, span)));
        }
        lexer.finish(text, &mut |item, span| items.push((item, span)));
        items.into_iter().map(|(item, span)| (item, &text[span])).collect()
    }

    fn found(text: &str) -> Vec<(Item, &str)> {
        lex(text).into_iter().filter(|(item, _)| !matches!(item, Item::Char(_))).collect()
    }

    #[test]
    fn a_failed_candidate_does_not_hide_the_next_one() {
        assert_eq!(found("[1[2]"), [(Item::Mark, "[2]")]);
        assert_eq!(found("(1,(2,3),(4,5)"), [(Item::BareBox, "(2,3),(4,5)")]);
        assert_eq!(found("(1,2),((3,4),(5,6)"), [(Item::BareBox, "(3,4),(5,6)")]);
        assert_eq!(found("<|box_<|box_end|>"), [(Item::Token(SpecialToken::BoxEnd), "<|box_end|>")]);
        assert_eq!(found("([1]"), [(Item::Mark, "[1]")]);
    }

    #[test]
    fn brackets_that_hold_nothing_but_marks_go_with_them() {
        let bracket = |text| (Item::Bracket, text);
        let mark = |text| (Item::Mark, text);

        assert_eq!(lex("([1])"), [bracket("("), mark("[1]"), bracket(")")]);
        assert_eq!(
            lex("( [1], [2-3])"),
            [bracket("( "), mark("[1]"), bracket(", "), mark("[2-3]"), bracket(")")]
        );
        for text in ["([1], Lily)", "([1] [x])", "([1]", "([1],(", "((1,2)[1])", "([x])", "([]) ()"] {
            assert!(lex(text).iter().all(|(item, _)| *item != Item::Bracket), "{text}");
        }
        assert_eq!(found("([1], Lily"), [mark("[1]")]);
        assert_eq!(found("([1], ([2])"), [mark("[1]"), bracket("("), mark("[2]"), bracket(")")]);
        assert_eq!(found("([1] [2"), [(Item::BrokenMark, "[2"), mark("[1]")]);
        assert_eq!(found("([1](2,3),(4,5)"), [mark("[1]"), (Item::BareBox, "(2,3),(4,5)")]);
    }

    #[test]
    fn the_corners_of_a_quadrilateral_are_no_boxes() {
        let boxes = |text| found(text).into_iter().filter(|(item, _)| *item == Item::BareBox).count();

        assert_eq!(boxes("<|quad_start|>(1,2),(3,4),(5,6),(7,8)<|quad_end|>"), 0);
        assert_eq!(boxes("<|quad_start|>(1,2),(3,4)<|quad_end|> (1,2),(3,4)"), 1);
        assert_eq!(boxes("<|quad_start|> is not closed (1,2),(3,4)"), 1);
        assert_eq!(boxes("(1,2),(3,4),(5,6),(7,8)"), 2);
    }

    #[test]
    fn a_box_that_another_one_interrupts_is_broken() {
        let text = "<|box_start|>(1,2)<|box_start|>(1,2),(3,4)<|box_end|>";

        assert_eq!(
            found(text),
            [
                (Item::BrokenBox, "<|box_start|>(1,2)"),
                (Item::Token(SpecialToken::BoxStart), "<|box_start|>"),
                (Item::Box { corners: 31..42 }, "<|box_start|>(1,2),(3,4)<|box_end|>"),
            ]
        );
    }

    #[test]
    fn a_mark_inside_a_broken_box_is_found() {
        let items = found("<|box_start|>(1,[2]");

        assert!(items.contains(&(Item::Mark, "[2]")), "{items:?}");
    }

    #[test]
    fn the_work_is_in_proportion_to_the_text() {
        let parts = [
            "[",
            "(",
            "<|box_start|>",
            "[1,",
            "(1,2),(",
            "((1,2),(3,",
            "<|box_",
            "[1]",
            "<|box_start|>(1,",
            "([1],",
            "([1]",
            "([1])",
            "([1",
        ];
        for part in parts {
            for count in [1, 1000, 100_000] {
                let text = part.repeat(count);
                // Each character is fed once, in bounded time, and all further work gives out an item.
                let items = lex(&text).len();
                assert!(items <= 2 * text.len(), "{part}: {items} items");
            }
        }
    }
}
