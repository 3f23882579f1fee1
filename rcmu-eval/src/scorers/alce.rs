use crate::{
    judge::{Entailment, JudgeError, Verdict},
    scorers::questions::{Questions, Stop},
};

/// A statement of an answer with what it cites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CitedStatement {
    /// What has to follow from the cited passages, all of it; empty for a statement that needs no support, such as
    /// one that only says what can be seen.
    pub hypotheses: Vec<String>,
    /// Places of the cited passages, from 0; `None` for a mark that points at nothing.
    pub cited: Vec<Option<usize>>,
}

/// A statement of which each claim has one wording or more; one of them has to follow.
#[derive(Clone, Debug)]
pub(super) struct WordedStatement {
    /// The wordings of each claim.
    pub(super) claims: Vec<Vec<String>>,
    /// As [`CitedStatement::cited`].
    pub(super) cited: Vec<Option<usize>>,
}

/// Citation quality without right citations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlceScore {
    /// Share of the statements that need support and get it; none when no statement needs any.
    pub recall: Option<f64>,
    /// Share of the citations that support; 0 when statements need support and nothing is cited, none when nothing
    /// needs support and nothing is wrong.
    pub precision: Option<f64>,
    /// Statements that need support.
    pub statements: usize,
    /// Citations that count.
    pub citations: usize,
}

/// Judges citations by entailment.
///
/// - A statement is **supported** when the passages that it cites, one after the other, entail all its hypotheses.
/// - A citation is **precise** when its statement is supported, and it supports the statement alone or the other
///   citations do not support it without this one.
/// - Recall is the share of supported statements, precision the share of precise citations.
///
/// A passage that is cited twice by one statement counts once; a place beyond the passages is a mark that points at
/// nothing.
///
/// # Errors
///
/// [`JudgeError`] when the judge gives no verdict.
///
/// # Examples
///
/// Passages `Lily is a teacher.` and `Bella is a dog.`; the statement `Lily is a teacher` cites both and a ninth: it
/// is supported (recall 1 / 1); the first citation is precise, the second is not (the first is enough without it),
/// the third points at nothing: precision 1 / 3.
///
/// ```
/// use rcmu_eval::{judge::RuleEntailment, scorers::{CitedStatement, alce}};
///
/// # fn main() -> Result<(), rcmu_eval::judge::JudgeError> {
/// let passages = ["Lily is a teacher.", "Bella is a dog."];
/// let statement = CitedStatement {
///     hypotheses: vec!["Lily is a teacher.".into()],
///     cited: vec![Some(0), Some(1), None],
/// };
///
/// let score = alce(&[statement], &passages, &RuleEntailment)?;
///
/// assert_eq!((score.recall, score.precision), (Some(1.0), Some(1.0 / 3.0)));
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Theirs: ALCE (arXiv 2305.14627), section 4. Ours are two changes: a citation of nothing counts as wrong instead of
/// making its whole statement unsupported, and statements that need no support are left out, their resolved citations
/// too. Ours as well: any number of citations per statement, and hypotheses that are parts of a statement.
pub fn alce(
    statements: &[CitedStatement],
    passages: &[&str],
    judge: &dyn Entailment,
) -> Result<AlceScore, JudgeError> {
    let worded = statements.iter().map(|statement| WordedStatement {
        claims: statement.hypotheses.iter().map(|hypothesis| vec![hypothesis.clone()]).collect(),
        cited: statement.cited.clone(),
    });
    alce_of_wordings(&worded.collect::<Vec<_>>(), passages, &Questions::unlimited(judge))
}

/// As [`alce`]; from the statement on at which the judge has been asked enough, all are left out.
pub(super) fn alce_of_wordings(
    statements: &[WordedStatement],
    passages: &[&str],
    questions: &Questions<'_>,
) -> Result<AlceScore, JudgeError> {
    let mut all = Counts::default();
    for statement in statements {
        let Some(own) = Stop::found(count(statement, passages, questions))? else { break };
        all.needing += own.needing;
        all.supported += own.supported;
        all.citations += own.citations;
        all.precise += own.precise;
    }
    let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    Ok(AlceScore {
        recall: ratio(all.supported, all.needing),
        precision: ratio(all.precise, all.citations).or((all.needing > 0).then_some(0.0)),
        statements: all.needing,
        citations: all.citations,
    })
}

/// Statements that need support and get it, citations that count and support.
#[derive(Clone, Copy, Default)]
struct Counts {
    needing: usize,
    supported: usize,
    citations: usize,
    precise: usize,
}

fn count(statement: &WordedStatement, passages: &[&str], questions: &Questions<'_>) -> Result<Counts, Stop> {
    let mut cited: Vec<usize> = Vec::new();
    let mut counts = Counts::default();
    for place in &statement.cited {
        match place.filter(|&place| place < passages.len()) {
            None => counts.citations += 1,
            Some(place) if !cited.contains(&place) => cited.push(place),
            Some(_) => {}
        }
    }
    if statement.claims.is_empty() {
        return Ok(counts);
    }
    counts.needing = 1;
    counts.citations += cited.len();
    let supports = |cited: &[usize]| -> Result<bool, Stop> {
        let premise: Vec<_> = cited.iter().map(|&place| passages[place]).collect();
        Ok(!cited.is_empty() && entails_all(questions, &premise.join("\n"), &statement.claims)?)
    };
    if !supports(&cited)? {
        return Ok(counts);
    }
    counts.supported = 1;
    for (at, place) in cited.iter().enumerate() {
        let others: Vec<_> = cited.iter().copied().filter(|other| other != place).collect();
        if cited.len() == 1 || supports(&cited[at..=at])? || !supports(&others)? {
            counts.precise += 1;
        }
    }
    Ok(counts)
}

fn entails_all(questions: &Questions<'_>, premise: &str, claims: &[Vec<String>]) -> Result<bool, Stop> {
    for wordings in claims {
        if !entails_any(questions, premise, wordings)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entails_any(questions: &Questions<'_>, premise: &str, wordings: &[String]) -> Result<bool, Stop> {
    for wording in wordings {
        if questions.entails(premise, wording)? == Verdict::Entail {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::RuleEntailment;

    const PASSAGES: [&str; 3] = ["Lily is a teacher.", "Lily lives in Rome.", "Bella is a dog."];

    fn score(statements: &[(&[&str], &[Option<usize>])]) -> AlceScore {
        let statements: Vec<_> = statements
            .iter()
            .map(|(hypotheses, cited)| CitedStatement {
                hypotheses: hypotheses.iter().map(|text| (*text).to_owned()).collect(),
                cited: cited.to_vec(),
            })
            .collect();
        alce(&statements, &PASSAGES, &RuleEntailment).expect("rules never fail")
    }

    #[test]
    fn citations_that_only_support_together_are_both_precise() {
        let both = score(&[(&["Lily, a teacher, lives in Rome."], &[Some(0), Some(1)])]);

        assert_eq!((both.recall, both.precision), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn an_unsupported_statement_makes_its_citations_imprecise() {
        // One of two supported; 1 precise of 3 citations.
        let found =
            score(&[(&["Lily is a teacher."], &[Some(0)]), (&["Lily is a nurse."], &[Some(0), Some(1)])]);

        assert_eq!((found.recall, found.precision), (Some(0.5), Some(1.0 / 3.0)));
    }

    #[test]
    fn what_can_only_be_seen_needs_no_citation() {
        let none = score(&[(&[], &[])]);
        let cited = score(&[(&[], &[Some(2)])]);
        let wrong = score(&[(&[], &[Some(7)])]);

        assert_eq!((none.recall, none.precision), (None, None));
        assert_eq!((cited.recall, cited.precision), (None, None));
        assert_eq!((wrong.recall, wrong.precision), (None, Some(0.0)));
    }

    #[test]
    fn nothing_cited_supports_nothing() {
        let found = score(&[(&["Lily is a teacher."], &[])]);

        assert_eq!((found.recall, found.precision, found.citations), (Some(0.0), Some(0.0), 0));
    }
}
