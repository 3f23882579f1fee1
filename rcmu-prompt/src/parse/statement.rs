use std::{collections::HashSet, mem, ops::Range};

use rcmu_core::{
    Answer, BoxMention, Citation, CitationTarget, FinishReason, Refusal, Repair, RepairKind, SpecialToken,
    Statement,
};

use crate::{
    parse::{
        ParseEvent, Targets,
        bbox::read_corners,
        citation::{LongRanges, read_mark},
        is_refusal,
        lexer::Item,
        sentence::{
            Ending, Veto, ends_before, is_attached, is_markup, is_terminator, is_tight, is_unspaced, is_wide,
            veto,
        },
    },
    text_policy::is_line_break,
};

/// Letters of a word that matter to tell an abbreviation.
const MAX_WORD: usize = 16;

/// The statement that is being read.
#[derive(Clone, Debug, Default)]
struct Current {
    start: Option<usize>,
    end: usize,
    text: String,
    /// Signs of Markdown before the first word: they are no words, unless nothing else comes.
    lead: String,
    /// Where the first word begins in the text.
    first_word: usize,
    /// White space that is written when a word follows.
    gap: String,
    /// A mark or box stood in the gap.
    cut: bool,
    /// Nothing but `[1]:` so far: what it is about follows, on another line, too.
    heads: bool,
    citations: Vec<Citation>,
    cited: HashSet<CitationTarget>,
    ending: Option<Ending>,
    /// How many `«` are open; less than nothing where they close.
    open_quotes: i32,
    /// The letters, digits and inner full stops before this place.
    word: String,
}

/// Joins items to statements.
///
/// Sentences end as Unicode Standard Annex 29 has it in the main: at `.`, `!`, `?` and their kin, with closing
/// quotes and brackets after them, unless a lower-case letter follows. The rules are written out here because that
/// algorithm looks ahead without bound, breaks `nights.[3]` inside its mark, and breaks after `Dr.`.
#[derive(Clone, Debug)]
pub(crate) struct Assembler {
    targets: Targets,
    long_ranges: LongRanges,
    current: Current,
    /// The statement before: marks without words behind it are its own.
    held: Option<Current>,
    /// The first line with anything has nothing but marks.
    begins_with_marks: bool,
    words: String,
    /// What has been found behind the held statement before a word tells where it belongs.
    waiting: Vec<ParseEvent>,
    pub(crate) events: Vec<ParseEvent>,
    statements: Vec<Statement>,
    boxes: Vec<BoxMention>,
    refusal: Option<Refusal>,
    repairs: Vec<Repair>,
}

impl Assembler {
    pub(crate) fn new(targets: Targets) -> Self {
        Self {
            targets,
            long_ranges: LongRanges::up_to(targets.citable()),
            current: Current::default(),
            held: None,
            begins_with_marks: false,
            words: String::new(),
            waiting: Vec::new(),
            events: Vec::new(),
            statements: Vec::new(),
            boxes: Vec::new(),
            refusal: None,
            repairs: Vec::new(),
        }
    }

    /// Takes the item at `span` of `text`.
    pub(crate) fn take(&mut self, text: &str, item: Item, span: Range<usize>) {
        match item {
            Item::Char(c) if is_line_break(c) => self.close(),
            Item::Char(c) if c.is_whitespace() => self.space(c),
            Item::Char(c) => self.char(c, &span),
            Item::Bracket => self.extend(&span),
            Item::Mark => self.mark(&text[span.clone()], &span),
            Item::Box { corners } => self.bbox(&text[corners], &span),
            Item::BareBox => {
                self.repair(RepairKind::BoxWithoutTokens, &span);
                self.bbox(&text[span.clone()], &span);
            }
            Item::Token(token) => self.token(token, &span),
            Item::BrokenBox => self.repair(RepairKind::BoxTruncated, &span),
            Item::BrokenMark => self.repair(RepairKind::CitationTruncated, &span),
        }
    }

    /// The events so far.
    pub(crate) fn drain(&mut self) -> Vec<ParseEvent> {
        self.flush_words();
        mem::take(&mut self.events)
    }

    /// Ends the last statement and gives out the rest.
    pub(crate) fn finish(mut self, text: String, finish: FinishReason) -> (Vec<ParseEvent>, Answer) {
        self.current.heads = false;
        self.close();
        self.release();
        let events = self.drain();
        let Self { statements, boxes, refusal, repairs, .. } = self;
        (events, Answer { text, statements, boxes, refusal, repairs, finish })
    }

    fn space(&mut self, c: char) {
        let current = &mut self.current;
        if let Some(ending) = &mut current.ending {
            ending.spaced = true;
        }
        // The spaces on both sides of a mark become those before it.
        if !current.cut || current.gap.is_empty() {
            current.gap.push(c);
        }
        current.word.clear();
    }

    fn char(&mut self, c: char, span: &Range<usize>) {
        if let Some(ending) = self.current.ending {
            // French quotes have a space inside.
            let closes = c == '»' && self.current.open_quotes > 0;
            if is_attached(ending, c) || closes {
                // The space before a mark goes away with it.
                if self.current.cut {
                    self.current.gap.clear();
                }
            } else {
                if ends_before(ending, c) {
                    self.close();
                }
                self.current.ending = None;
            }
        }
        self.extend(span);
        let current = &mut self.current;
        if current.text.is_empty() {
            if c == ':' && !current.citations.is_empty() {
                current.heads = true;
                return; // `[1]: Lily …`
            }
            if is_markup(c) {
                return push_lead(current, c);
            }
            self.begin();
            push_word(&mut self.current, &mut self.words, c);
            self.current.first_word = self.current.text.len() - c.len_utf8();
        } else {
            push_word(current, &mut self.words, c);
        }
        let current = &mut self.current;
        if is_terminator(c) {
            let veto = if c == '.' && current.ending.is_none() {
                veto(&current.word, &current.text[current.first_word..])
            } else {
                Veto::No
            };
            let marked = current.ending.is_some_and(|ending| ending.marked);
            current.ending = Some(Ending { veto, wide: is_wide(c), spaced: false, marked });
        }
        if c.is_alphanumeric() || c == '.' {
            if current.word.len() < MAX_WORD {
                current.word.push(c);
            }
        } else {
            current.word.clear();
        }
    }

    /// Begins the words of the current statement with the signs before them.
    fn begin(&mut self) {
        self.current.heads = false;
        self.release();
        let lead = mem::take(&mut self.current.lead);
        self.words.push_str(&lead);
        self.current.text = lead;
    }

    fn mark(&mut self, mark: &str, span: &Range<usize>) {
        self.attach(span);
        let (numbers, mended) = read_mark(mark, &mut self.long_ranges);
        if mended {
            self.repair(RepairKind::CitationRange, span);
        }
        for number in numbers {
            let target = self.targets.resolve(number);
            if self.current.cited.insert(target) {
                let citation = Citation { target, span: span.clone() };
                self.event(ParseEvent::Citation(citation.clone()));
                self.current.citations.push(citation);
            }
        }
    }

    fn bbox(&mut self, corners: &str, span: &Range<usize>) {
        self.attach(span);
        let (boxes, repairs) = read_corners(corners);
        if boxes.is_empty() {
            self.repair(RepairKind::BoxTruncated, span);
        }
        for kind in repairs {
            self.repair(kind, span);
        }
        for bbox in boxes {
            let pixels = bbox.to_pixels(self.targets.size());
            let mention = BoxMention { bbox, pixels, span: span.clone() };
            self.event(ParseEvent::Box(mention.clone()));
            self.boxes.push(mention);
        }
    }

    fn token(&mut self, token: SpecialToken, span: &Range<usize>) {
        // As before a word that is neither a number nor in lower case.
        let ended = |ending| ends_before(ending, '<');
        if token == SpecialToken::ObjectRefStart && self.current.ending.is_some_and(ended) {
            self.close();
        }
        self.extend(span);
    }

    /// Puts a mark or box into the current statement, after its final punctuation too.
    fn attach(&mut self, span: &Range<usize>) {
        self.extend(span);
        self.current.cut = true;
        self.current.word.clear();
        if let Some(ending) = &mut self.current.ending {
            // What stands straight behind the mark is what counts.
            (ending.marked, ending.spaced) = (true, false);
        }
    }

    fn extend(&mut self, span: &Range<usize>) {
        self.current.start.get_or_insert(span.start);
        self.current.end = span.end;
    }

    fn repair(&mut self, kind: RepairKind, span: &Range<usize>) {
        let repair = Repair { kind, span: span.clone() };
        self.event(ParseEvent::Repair(repair.clone()));
        self.repairs.push(repair);
    }

    /// Ends the current statement, if anything stands in it. Without words it goes to the one before, unless the answer began
    /// with marks on a line of their own: there they may stand above what they are about.
    fn close(&mut self) {
        let Current { text, citations, lead, .. } = &self.current;
        // A heading that is nothing but marks stands above what they are about.
        self.current.heads |= text.is_empty() && !citations.is_empty() && lead.contains('#');
        if self.current.heads {
            self.current.lead.clear();
            return;
        }
        if self.current.start.is_none() {
            self.current = Current::default();
            return;
        }
        let Current { text, citations, lead, cut, .. } = &self.current;
        if text.is_empty() && citations.is_empty() && !lead.is_empty() && !cut {
            self.begin();
        }
        let current = mem::take(&mut self.current);
        let joins = current.text.is_empty() && !self.begins_with_marks;
        self.begins_with_marks |= current.text.is_empty() && self.held.is_none();
        match self.held.take() {
            Some(held) if joins => self.join(held, current.end),
            held => {
                self.held = held;
                self.release();
                self.held = Some(current);
            }
        }
    }

    /// Gives what was found behind the held statement to it.
    fn join(&mut self, mut held: Current, end: usize) {
        held.end = end;
        for event in mem::take(&mut self.waiting) {
            if let ParseEvent::Citation(citation) = &event {
                if !held.cited.insert(citation.target) {
                    continue;
                }
                held.citations.push(citation.clone());
            }
            self.send(event);
        }
        self.held = Some(held);
    }

    /// Gives out the held statement: nothing more belongs to it.
    fn release(&mut self) {
        if let Some(Current { start: Some(start), end, text, citations, .. }) = self.held.take() {
            let statement = Statement { text, span: start..end, citations };
            let refuses = self.statements.is_empty() && is_refusal(&statement.text);
            self.send(ParseEvent::Statement(statement.clone()));
            self.statements.push(statement);
            if refuses {
                let refusal = Refusal { span: start..end };
                self.send(ParseEvent::Refusal(refusal.clone()));
                self.refusal = Some(refusal);
            }
        }
        for event in mem::take(&mut self.waiting) {
            self.send(event);
        }
    }

    /// Tells an event, as soon as it is known which statement it belongs to.
    fn event(&mut self, event: ParseEvent) {
        if self.held.is_some() && self.current.text.is_empty() {
            self.waiting.push(event);
        } else {
            self.send(event);
        }
    }

    fn send(&mut self, event: ParseEvent) {
        self.flush_words();
        self.events.push(event);
    }

    fn flush_words(&mut self) {
        if !self.words.is_empty() {
            self.events.push(ParseEvent::Words(mem::take(&mut self.words)));
        }
    }
}

/// Keeps a sign of Markdown before the first word. Where it closes what opens before a mark, both go with the mark.
fn push_lead(current: &mut Current, c: char) {
    let lead = &mut current.lead;
    if current.cut && current.gap.is_empty() && lead.ends_with(c) {
        lead.pop();
        current.gap = lead.split_off(lead.trim_end().len());
        return;
    }
    current.cut = false;
    if !lead.is_empty() {
        lead.push_str(&current.gap);
    }
    current.gap.clear();
    lead.push(c);
}

/// Writes a character of the words after the gap before it.
fn push_word(current: &mut Current, words: &mut String, c: char) {
    let cut = mem::take(&mut current.cut);
    if current.text.is_empty() || cut && is_tight(c) {
        current.gap.clear();
    } else if cut && current.gap.is_empty() && c.is_alphanumeric() {
        let unspaced = is_unspaced(c) || current.text.ends_with(is_unspaced);
        current.gap.push_str(if unspaced { "" } else { " " });
    }
    current.open_quotes = current.open_quotes.saturating_add(match c {
        '«' => 1,
        '»' => -1,
        _ => 0,
    });
    for text in [&mut current.text, words] {
        text.push_str(&current.gap);
        text.push(c);
    }
    current.gap.clear();
}
