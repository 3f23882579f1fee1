use std::ops::Range;

use rcmu_core::{Answer, Citation, CitationTarget, SpecialToken, Statement};

/// A part of a sentence with the marks that close it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clause {
    /// Its words.
    pub(super) text: String,
    /// Places of the subjects it cites (regions, then reference pictures), from 0; each once.
    pub(super) cited: Vec<usize>,
    /// Marks that point at nothing.
    pub(super) unresolved: usize,
    /// Whether a sentence begins with it.
    pub(super) begins: bool,
}

impl Clause {
    fn cite(&mut self, target: CitationTarget, regions: usize) {
        let place = match target {
            CitationTarget::Region(id) => id.index(),
            CitationTarget::Reference(number) => regions + number as usize - 1,
            CitationTarget::Unresolved(_) => {
                self.unresolved += 1;
                return;
            }
        };
        if !self.cited.contains(&place) {
            self.cited.push(place);
        }
    }
}

/// Splits the sentences of an answer at their marks.
///
/// A clause ends with its mark, or several marks in a row. Words after the last mark of a sentence belong to the
/// clause before; words after a mark that begins the sentence (`[1]: Lily …`) belong to that mark. A sentence without
/// marks is one clause. A number that a sentence cites twice counts where it stands first, as in the answer's
/// statements.
pub(super) fn clauses(answer: &Answer, regions: usize) -> Vec<Clause> {
    let mut found = Vec::new();
    for statement in &answer.statements {
        found.extend(of_statement(answer, statement, regions));
    }
    found
}

fn of_statement(answer: &Answer, statement: &Statement, regions: usize) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    // Marks before any word wait for the words after them.
    let mut waiting: Vec<&Citation> = Vec::new();
    let mut from = statement.span.start;
    for citation in &statement.citations {
        let text = words_of(answer, from..citation.span.start);
        if has_words(&text) {
            clauses.push(clause(text, &mut waiting, regions));
        }
        match clauses.last_mut() {
            Some(clause) => clause.cite(citation.target, regions),
            None => waiting.push(citation),
        }
        from = from.max(citation.span.end);
    }
    let rest = words_of(answer, from..statement.span.end);
    if has_words(&rest) {
        match clauses.last_mut() {
            Some(clause) => clause.text.push_str(&rest),
            None => clauses.push(clause(rest, &mut waiting, regions)),
        }
    }
    if let Some(first) = clauses.first_mut() {
        first.begins = true;
    }
    if clauses.is_empty() && !waiting.is_empty() {
        clauses.push(clause(String::new(), &mut waiting, regions));
    }
    clauses
}

fn clause(text: String, waiting: &mut Vec<&Citation>, regions: usize) -> Clause {
    let mut clause = Clause { text, ..Clause::default() };
    for citation in waiting.drain(..) {
        clause.cite(citation.target, regions);
    }
    clause
}

fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// The text of a span without boxes and control tokens; the numbers of one mark share its span, which then is empty.
fn words_of(answer: &Answer, span: Range<usize>) -> String {
    let mut text = String::new();
    let mut from = span.start;
    // Boxes stand in the order of the text, so that all clauses together look at each once.
    let first = answer.boxes.partition_point(|mention| mention.span.start < span.start);
    for mention in answer.boxes[first..].iter().take_while(|mention| mention.span.end <= span.end) {
        text.push_str(answer.text.get(from..mention.span.start).unwrap_or_default());
        text.push(' ');
        from = from.max(mention.span.end);
    }
    text.push_str(answer.text.get(from..span.end).unwrap_or_default());
    SpecialToken::ALL.iter().fold(text, |text, token| text.replace(token.as_str(), " "))
}

#[cfg(test)]
mod tests {
    use rcmu_core::{FinishReason, ImageSize};
    use rcmu_prompt::{Targets, parse};

    use super::*;

    fn read(text: &str) -> Vec<(String, Vec<usize>, usize)> {
        let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
        let answer = parse(text, Targets::new(3, 1, size), FinishReason::EndOfText);
        let clauses = clauses(&answer, 3).into_iter();
        clauses.map(|clause| (clause.text.trim().to_owned(), clause.cited, clause.unresolved)).collect()
    }

    fn clause(text: &str, cited: &[usize]) -> (String, Vec<usize>, usize) {
        (text.to_owned(), cited.to_vec(), 0)
    }

    #[test]
    fn a_clause_ends_with_its_marks() {
        assert_eq!(
            read("A red robot owned by Lily [1], and a blue cat [2][3]. It rains."),
            [
                clause("A red robot owned by Lily", &[0]),
                clause(", and a blue cat", &[1, 2]),
                clause("It rains.", &[])
            ]
        );
    }

    #[test]
    fn marks_after_the_final_stop_and_before_the_first_word_find_their_words() {
        assert_eq!(read("She sits in movie nights.[3]"), [clause("She sits in movie nights.", &[2])]);
        assert_eq!(read("[1]: Lily is a teacher."), [clause(": Lily is a teacher.", &[0])]);
        assert_eq!(
            read("John Smith [1], is standing on the grass."),
            [clause("John Smith , is standing on the grass.", &[0])]
        );
    }

    #[test]
    fn reference_pictures_come_after_regions_and_the_rest_points_at_nothing() {
        assert_eq!(
            read("Lily [4] and Tom [7, 2]."),
            [clause("Lily", &[3]), ("and Tom".to_owned(), vec![1], 1),]
        );
        assert_eq!(read("[9]"), [(String::new(), vec![], 1)]);
    }

    #[test]
    fn boxes_are_no_words() {
        let text = "The dog <|box_start|>(10,20),(30,40)<|box_end|> of Lily [1].";

        let clauses = read(text);

        assert_eq!(clauses[0].0.split_whitespace().collect::<Vec<_>>(), ["The", "dog", "of", "Lily"]);
    }
}
