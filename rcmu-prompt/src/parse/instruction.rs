use crate::{
    parse::chat::TurnText,
    render::instruction::{ANSWER, ANSWER_CITED, CHOOSE},
};

/// Reads the instruction line at byte `from`: whether it asks for marks, and where the question begins.
pub(crate) fn read_instruction(turn: &TurnText, from: usize) -> Option<(bool, usize)> {
    [(ANSWER, false), (ANSWER_CITED, true)].into_iter().find_map(|(words, cited)| {
        let rest = turn.text[from..].strip_prefix(words)?;
        let rest = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
        let question = turn.text.len() - rest.len();
        turn.is_template(from..question).then_some((cited, question))
    })
}

/// Reads the question at byte `from` and its options.
pub(crate) fn read_question(turn: &TurnText, from: usize) -> (String, Vec<String>) {
    let all = &turn.text[from..];
    read_choices(turn, from).unwrap_or_else(|| (all.to_owned(), Vec::new()))
}

fn read_choices(turn: &TurnText, from: usize) -> Option<(String, Vec<String>)> {
    let body = turn.text[from..].strip_suffix(CHOOSE)?.strip_suffix('\n')?;
    let to = from + body.len();
    if !turn.is_template(to..turn.text.len()) {
        return None;
    }
    // The options are the last lines: the first of them is found from the end.
    let mut starts = vec![turn.rfind("\nA. ", from..to)?];
    for letter in 'B'..='Z' {
        let last = *starts.last().expect("the first option is there");
        match turn.find(&format!("\n{letter}. "), last + 1..to, |_| true) {
            Some(start) => starts.push(start),
            None => break,
        }
    }
    let line = |start: usize, end: usize| turn.text[start..turn.without_return(start, end)].to_owned();
    let ends = starts.iter().skip(1).copied().chain([to]);
    let choices = starts.iter().zip(ends).map(|(&start, end)| line(start + 4, end)).collect();
    Some((line(from, starts[0]), choices))
}
