use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use crate::{
    Error,
    formats::repair::{Repair, Repairs},
};

/// How the records of a file stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One JSON list of all records.
    Array,
    /// One record a line.
    Lines,
}

/// One record of a file, not yet parsed.
#[derive(Debug)]
pub(super) struct Record {
    /// The line where it begins, counted from 1.
    pub(super) line: u64,
    /// Its number, counted from 1.
    pub(super) number: u64,
    /// Its JSON text.
    pub(super) text: String,
}

/// Longest record in bytes; a longer one is skipped without being held in memory.
pub(super) const MAX_RECORD: usize = 1 << 20; // far more text than a prompt may have tokens
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Cuts a file into records, one at a time.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    path: PathBuf,
    place: Place,
    line: u64,
    number: u64,
}

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte.
    Start(Option<Layout>),
    /// At the beginning of a line.
    Line,
    /// Behind the `[` of the list.
    FirstElement,
    /// Behind a comma of the list.
    NextElement,
    /// Behind an element of the list.
    Comma,
    /// Nothing more can be read.
    End,
}

impl<R: BufRead> Records<R> {
    /// The records of a file; without a layout, the first character tells it.
    pub(super) fn new(input: R, path: &Path, layout: Option<Layout>) -> Self {
        Self { input, path: path.to_owned(), place: Place::Start(layout), line: 1, number: 0 }
    }

    /// The name of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the records stand in one list.
    pub(super) const fn is_array(&self) -> bool {
        matches!(self.place, Place::FirstElement | Place::NextElement | Place::Comma)
    }

    /// Reads nothing more.
    pub(super) const fn stop(&mut self) {
        self.place = Place::End;
    }

    /// The next record; a record that is at fault does not keep the next ones from being read.
    pub(super) fn next(&mut self, repairs: &mut Repairs) -> Option<Result<Record, Error>> {
        match self.read(repairs) {
            Ok(record) => record,
            Err(source) => {
                self.stop();
                Some(Err(Error::File { path: self.path.clone(), source }))
            }
        }
    }

    fn read(&mut self, repairs: &mut Repairs) -> io::Result<Option<Result<Record, Error>>> {
        if let Place::Start(layout) = self.place {
            self.start(layout, repairs)?;
        }
        match self.place {
            Place::End => Ok(None),
            Place::Line => self.text_line(repairs),
            _ => self.element(repairs),
        }
    }

    fn start(&mut self, layout: Option<Layout>, repairs: &mut Repairs) -> io::Result<()> {
        // A first buffer of less than three bytes hides the mark; the JSON is then refused.
        if fill(&mut self.input)?.starts_with(&MARK) {
            self.input.consume(MARK.len());
            repairs.tell(1, Repair::ByteOrderMark);
        }
        self.place = Place::Line;
        if layout != Some(Layout::Lines) {
            let first = self.skip_space()?;
            if first == Some(b'[') {
                self.input.consume(1);
                self.place = Place::FirstElement;
            } else {
                (1..self.line).for_each(|line| repairs.tell(line, Repair::BlankLine));
            }
        }
        Ok(())
    }

    /// The next line that is not blank.
    fn text_line(&mut self, repairs: &mut Repairs) -> io::Result<Option<Result<Record, Error>>> {
        loop {
            let line = self.line;
            let mut text = Text::default();
            let mut ended = false;
            while !ended {
                let bytes = fill(&mut self.input)?;
                if bytes.is_empty() {
                    break;
                }
                let end = bytes.iter().position(|&byte| byte == b'\n');
                text.push(&bytes[..end.unwrap_or(bytes.len())]);
                let used = end.map_or(bytes.len(), |end| end + 1);
                self.input.consume(used);
                ended = end.is_some();
            }
            if !ended {
                self.stop();
                if text.bytes.is_empty() {
                    return Ok(None);
                }
                repairs.tell(line, Repair::NoFinalNewline);
            }
            self.line += 1;
            if !text.cut && text.bytes.last() == Some(&b'\r') {
                text.bytes.pop();
                repairs.tell(line, Repair::CarriageReturn);
            }
            if text.cut || !text.bytes.trim_ascii().is_empty() {
                return Ok(Some(self.record(line, text)));
            }
            repairs.tell(line, Repair::BlankLine);
        }
    }

    /// The next element of the list.
    fn element(&mut self, repairs: &mut Repairs) -> io::Result<Option<Result<Record, Error>>> {
        loop {
            let Some(first) = self.skip_space()? else {
                return Ok(Some(Err(self.broken("the list has no end"))));
            };
            match (self.place, first) {
                (place, b']') => {
                    if place == Place::NextElement {
                        repairs.tell(self.line, Repair::TrailingComma);
                    }
                    self.input.consume(1);
                    let more = self.skip_space()?.is_some();
                    let line = self.line;
                    self.stop();
                    let error = || self.at(line, "text follows the end of the list");
                    return Ok(more.then(|| Err(error())));
                }
                (Place::Comma, b',') => {
                    self.input.consume(1);
                    self.place = Place::NextElement;
                }
                (Place::Comma, _) => return Ok(Some(Err(self.broken("expected `,` or `]`")))),
                _ => break,
            }
        }
        let line = self.line;
        let mut text = Text::default();
        let (mut depth, mut in_text, mut escaped) = (0_u64, false, false);
        loop {
            let Some(&byte) = fill(&mut self.input)?.first() else {
                return Ok(Some(Err(self.broken("the file ends inside a record"))));
            };
            if depth == 0 && !in_text {
                match byte {
                    b',' | b']' => break,
                    b'}' => return Ok(Some(Err(self.broken("`}` closes nothing")))),
                    _ => {}
                }
            }
            self.input.consume(1);
            self.line += u64::from(byte == b'\n');
            text.push(&[byte]);
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => depth += 1,
                b'}' | b']' if !in_text => depth -= 1,
                _ => {}
            }
        }
        self.place = Place::Comma;
        Ok(Some(self.record(line, text)))
    }

    fn record(&mut self, line: u64, text: Text) -> Result<Record, Error> {
        self.number += 1;
        if text.cut || text.bytes.len() > MAX_RECORD {
            return Err(self.at(line, &format!("has more than {MAX_RECORD} bytes")));
        }
        let text = String::from_utf8(text.bytes).map_err(|error| {
            self.at(line, &format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
        })?;
        Ok(Record { line, number: self.number, text })
    }

    /// The error of a list that cannot be read further.
    fn broken(&mut self, message: &str) -> Error {
        self.stop();
        self.at(self.line, message)
    }

    fn at(&self, line: u64, message: &str) -> Error {
        Error::Line { path: self.path.clone(), line, field: String::new(), message: message.to_owned() }
    }

    /// Skips white space and shows the byte after it.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = fill(&mut self.input)?;
            let space = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let first = bytes.get(space).copied();
            let at_end = bytes.is_empty();
            let breaks = bytes[..space].split(|&byte| byte == b'\n').count() - 1;
            self.line += breaks as u64;
            self.input.consume(space);
            if first.is_some() || at_end {
                return Ok(first);
            }
        }
    }
}

/// The bytes at hand; empty at the end of the file.
fn fill<R: BufRead>(input: &mut R) -> io::Result<&[u8]> {
    while let Err(error) = input.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    input.fill_buf()
}

/// The bytes of a record, as many as one may have.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    cut: bool,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        // One more than allowed: a carriage return at the end does not count.
        let room = MAX_RECORD + 1 - self.bytes.len();
        self.cut |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Result<(u64, String), String>;

    fn read(bytes: &[u8], layout: Option<Layout>) -> (Vec<Found>, Repairs) {
        let mut repairs = Repairs::default();
        let mut records = Records::new(bytes, Path::new("f"), layout);
        let mut found = Vec::new();
        while let Some(record) = records.next(&mut repairs) {
            found.push(record.map(|r| (r.line, r.text)).map_err(|error| error.to_string()));
        }
        (found, repairs)
    }

    fn texts(text: &str) -> Vec<Found> {
        read(text.as_bytes(), None).0
    }

    #[test]
    fn a_list_is_cut_at_its_own_commas() {
        let text = "\n [ {\"a\": \"],[}\\\"\"},\n{\"b\": [1, {}]} ,3]\n ";

        let expected = [(2, r#"{"a": "],[}\""}"#), (3, r#"{"b": [1, {}]} "#), (3, "3")];
        assert_eq!(texts(text), expected.map(|(line, text)| Ok((line, text.to_owned()))));
        assert_eq!(texts("[]"), []);
    }

    #[test]
    fn a_broken_list_is_told_once() {
        for (text, error) in [
            ("[{}", "f:1: the file ends inside a record"),
            ("[{},\n", "f:2: the list has no end"),
            ("[{}}]", "f:1: `}` closes nothing"),
            ("[] x", "f:1: text follows the end of the list"),
            ("[\"a", "f:1: the file ends inside a record"),
        ] {
            let last = texts(text).pop().expect("an error");
            assert_eq!(last, Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn lines_are_mended_and_told() {
        let (found, repairs) = read(b"\xEF\xBB\xBF{1}\r\n\n  \n{2}\n{3}", Some(Layout::Lines));

        assert_eq!(
            found,
            [(1, "{1}"), (4, "{2}"), (5, "{3}")].map(|(line, text)| Ok((line, text.to_owned())))
        );
        let told: Vec<_> =
            repairs.counts().iter().map(|c| (c.repair.clone(), c.first_line, c.count)).collect();
        let expected = [
            (Repair::ByteOrderMark, 1, 1),
            (Repair::CarriageReturn, 1, 1),
            (Repair::BlankLine, 2, 2),
            (Repair::NoFinalNewline, 5, 1),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_trailing_comma_is_mended() {
        let (found, repairs) = read(b"[{1},]", None);

        assert_eq!((found.len(), repairs.count(&Repair::TrailingComma)), (1, 1));
    }

    #[test]
    fn a_record_may_have_a_mebibyte_and_the_next_one_is_read() {
        let full = "x".repeat(MAX_RECORD);

        for (text, good) in [(format!("{full}\r\n1\n"), true), (format!("{full}x\n1\n"), false)] {
            let (found, _) = read(text.as_bytes(), Some(Layout::Lines));
            assert_eq!(found[0].is_ok(), good);
            assert_eq!(found[1], Ok((2, "1".to_owned())));
        }
        let (found, _) = read(format!("[{full}{full},1]").as_bytes(), None);
        assert_eq!(found[0], Err("f:1: has more than 1048576 bytes".to_owned()));
        assert_eq!(found[1], Ok((1, "1".to_owned())));
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        assert_eq!(read(b"ab\xFF\n", None).0, [Err("f:1: is not UTF-8 at byte 2".to_owned())]);
    }
}
