use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use rcmu_data::formats::{Repairs, jsonl, llava, qwen, sharegpt};
use serde_json::{Deserializer, Value};

use super::{
    Dataset, RcpBench,
    lines::{on_line, wrong},
    place,
};
use crate::Error;

/// Bytes of a file in which its first record has to end: a line of the longest format.
const MAX_FIRST: u64 = 4 << 20;
/// What a file may begin with before its first character.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Where a picture stands in a text of Qwen-VL.
const QWEN_PICTURE: &str = "<img>";

/// A form in which the items of a dataset stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The project's own: a header line, then one sample a line.
    Jsonl,
    /// [`RcpBench`]: a header line, then one set of pictures with its questions a line.
    Rcp,
    /// Conversations of LLaVA.
    Llava,
    /// Conversations of ShareGPT.
    ShareGpt,
    /// Conversations of Qwen-VL.
    Qwen,
}

impl Format {
    /// All formats, in order.
    pub const ALL: [Self; 5] = [Self::Jsonl, Self::Rcp, Self::Llava, Self::ShareGpt, Self::Qwen];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Rcp => "rcp",
            Self::Llava => "llava",
            Self::ShareGpt => "sharegpt",
            Self::Qwen => "qwen",
        }
    }

    /// Tells the format of a file by its first record.
    ///
    /// The two formats with a header are named by it. A conversation is one of ShareGPT when its turns are `messages`; of
    /// those with `conversations`, one whose questions are by `human` is LLaVA's and one whose questions are by `user` or
    /// whose texts have `<img>` is Qwen's.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file, the line and the field when the first record is no JSON object, has none of these
    /// marks, or those of two formats; [`Error::File`] when the file cannot be read.
    pub fn recognise(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (line, record) = first_record(path)?;
        let found = record.and_then(|record| of_record(&record));
        found.map_err(|(field, message)| {
            let message = format!("{message}; the format may be named: {}", names());
            on_line(path, line, wrong(field, message)).into()
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads the word for a format.
    ///
    /// # Errors
    ///
    /// [`Error::RunOption`] for another word.
    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|format| format.name() == word).ok_or_else(|| Error::RunOption {
            option: "format",
            message: format!("is {word:?}; possible are {}", names()),
        })
    }
}

/// A dataset that was read from a file.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The items.
    pub dataset: Dataset,
    /// The form in which they stood.
    pub format: Format,
    /// What the reader mended; always empty for [`Format::Rcp`], which mends nothing.
    pub repairs: Repairs,
}

impl Opened {
    /// Reads a file in this format, or in the one that [`Format::recognise`] tells. Pictures are found beside the file, and
    /// the dataset is named after it.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file, the line and the field of the first record that is at fault; those of
    /// [`Format::recognise`] and [`Dataset::new`].
    pub fn read(path: impl AsRef<Path>, format: Option<Format>) -> Result<Self, Error> {
        let path = path.as_ref();
        let format = format.map_or_else(|| Format::recognise(path), Ok)?;
        let (name, folder) = place(path);
        let mut reader = match format {
            Format::Rcp => {
                let dataset = Dataset::new(name, folder, RcpBench::open(path)?.to_samples())?;
                return Ok(Self { dataset, format, repairs: Repairs::default() });
            }
            Format::Jsonl => jsonl::open(path),
            Format::Llava => llava::open(path),
            Format::ShareGpt => sharegpt::open(path),
            Format::Qwen => qwen::open(path),
        }?;
        let dataset = Dataset::collect(name, folder, reader.by_ref())?;
        Ok(Self { dataset, format, repairs: reader.repairs().clone() })
    }
}

/// A field and what is wrong with it.
type Fault = (String, String);

/// The first record of a file and the line on which it begins.
fn first_record(path: &Path) -> Result<(u64, Result<Value, Fault>), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("is not a regular file")));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FIRST).read_to_end(&mut bytes)).map_err(failed)?;
    let mut rest = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes).trim_ascii_start();
    if let Some(inside) = rest.strip_prefix(b"[") {
        rest = inside.trim_ascii_start();
    }
    let before = &bytes[..bytes.len() - rest.len()];
    let line = before.split(|&byte| byte == b'\n').count() as u64;
    let fault = |message: &str| (String::new(), message.to_owned());
    let record = match Deserializer::from_slice(rest).into_iter::<Value>().next() {
        None => Err(fault("the file has no record")),
        Some(Err(error)) if error.is_eof() && bytes.len() as u64 == MAX_FIRST => {
            Err(fault("the first record is longer than 4 MiB"))
        }
        Some(Err(_)) => Err(fault("the first record is no JSON")),
        Some(Ok(value)) => Ok(value),
    };
    Ok((line, record))
}

fn of_record(record: &Value) -> Result<Format, Fault> {
    let fault = |field: &str, message: &str| Err((field.to_owned(), message.to_owned()));
    if !record.is_object() {
        return fault("", "the first record is no object");
    }
    match (&record["format"], &record["messages"], &record["conversations"]) {
        (Value::String(name), ..) if *name == jsonl::FORMAT => Ok(Format::Jsonl),
        (Value::String(name), ..) if *name == super::rcp_bench::FORMAT => Ok(Format::Rcp),
        (Value::Null, Value::Array(_), Value::Null) => Ok(Format::ShareGpt),
        (Value::Null, Value::Null, Value::Array(turns)) => of_turns(turns),
        (Value::Null, Value::Null, Value::Null) => {
            fault("", "the first record has none of `format`, `messages` and `conversations`")
        }
        (Value::Null, ..) => fault("", "the turns of the first record are not one list"),
        _ => fault("format", "is none that this program reads"),
    }
}

/// LLaVA and Qwen-VL name the fields alike.
fn of_turns(turns: &[Value]) -> Result<Format, Fault> {
    let by = |name: &str| turns.iter().any(|turn| turn["from"] == name);
    let shows = |turn: &Value| turn["value"].as_str().is_some_and(|text| text.contains(QWEN_PICTURE));
    match (by("human"), by("user") || turns.iter().any(shows)) {
        (true, false) => Ok(Format::Llava),
        (false, true) => Ok(Format::Qwen),
        (true, true) => Err(("conversations".into(), "has marks of LLaVA and of Qwen-VL".into())),
        (false, false) => Err(("conversations".into(), "has no turn by `human` or `user`".into())),
    }
}

/// The words for all formats.
fn names() -> String {
    Format::ALL.map(Format::name).join(", ")
}

#[cfg(test)]
mod tests {
    use rcmu_data::formats::Repair;

    use super::*;

    fn read(name: &str, text: &str, format: Option<Format>) -> Result<Opened, String> {
        let path = std::env::temp_dir().join(format!("rcmu-open-{name}-{}.json", std::process::id()));
        fs::write(&path, text).unwrap();
        let result = Opened::read(&path, format);
        fs::remove_file(&path).unwrap();
        let shown = format!("{}:", path.display());
        result.map_err(|error| error.to_string().replace(&shown, ""))
    }

    const SAMPLE: &str = concat!(
        "{\"format\":\"rcmu-samples\",\"schema\":1}\n",
        r#"{"id":"a","picture":{"file":"a.png"},"kind":"open","question":"Who?","answer":"Bella.","answerable":true,"#,
        r#""provenance":{"maker":"me"}}"#,
        "\n"
    );
    const RCP: &str = concat!(
        "{\"format\":\"rcmu-rcp-bench\",\"schema\":1}\n",
        r#"{"id":"a","query":{"file":"a.png"},"references":[{"picture":{"file":"1.png"},"profile":"Lily's."}],"#,
        r#""questions":[{"id":"q","group":"V2C","question":"Who?","options":["Lily","Tom"],"answer":"A"}]}"#,
        "\n"
    );
    const LLAVA: &str = concat!(
        r#"[{"id":"a","image":"a.png","conversations":[{"from":"human","value":"<image>\nWho?"},"#,
        r#"{"from":"gpt","value":"Bella."}]}]"#
    );
    const SHAREGPT: &str = concat!(
        r#"{"id":"a","messages":[{"role":"user","content":"<image>Who?"},{"role":"assistant","content":"Bella."}],"#,
        "\"images\":[\"a.png\"]}\n"
    );
    const QWEN: &str = concat!(
        r#"{"id":"a","conversations":[{"from":"user","value":"Picture 1: <img>a.png</img>\nWho?"},"#,
        r#"{"from":"assistant","value":"Bella."}]}"#,
        "\n"
    );
    const TEXTS: [(Format, &str); 5] = [
        (Format::Jsonl, SAMPLE),
        (Format::Rcp, RCP),
        (Format::Llava, LLAVA),
        (Format::ShareGpt, SHAREGPT),
        (Format::Qwen, QWEN),
    ];

    #[test]
    fn every_format_is_recognised_and_read_as_if_it_were_named() {
        for (format, text) in TEXTS {
            let named = read("named", text, Some(format)).unwrap();
            let recognised = read("recognised", text, None).unwrap();

            assert_eq!(recognised.format, format);
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
            let [item] = recognised.dataset.items() else { panic!("{format}: one item") };
            assert_eq!((item.question.as_str(), item.picture.clone()), ("Who?", file("a.png")), "{format}");
            assert_eq!(named.dataset.items().len(), 1, "{format}");
            assert_eq!(named.repairs, recognised.repairs, "{format}");
            assert!(named.repairs.count(&Repair::Spelling("messages".into())) == 0, "{format}");
        }
    }

    fn file(name: &str) -> rcmu_data::PictureSource {
        rcmu_data::PictureSource::File(name.into())
    }

    #[test]
    fn space_and_a_byte_order_mark_before_the_first_record_hide_nothing() {
        for (format, text) in TEXTS {
            // The line by line readers of formats with a header want it on the first line.
            let before = if text.starts_with('[') { "\u{feff}\n \r\n" } else { "\u{feff}" };
            if format != Format::Rcp {
                assert_eq!(read("space", &format!("{before}{text}"), None).unwrap().format, format);
            }
        }
    }

    #[test]
    fn a_bad_record_is_named_with_its_line_and_field() {
        for (format, from, to, expected) in [
            (Format::Jsonl, "\"Who?\"", "7", "2: `question` is not valid: invalid type"),
            (Format::Rcp, "\"A\"", "\"C\"", "2: `questions[0].answer` is the letter of none of 2 options"),
            (Format::Llava, "\"gpt\"", "\"tool\"", "1: `[0].conversations[1].from` is `tool`"),
            (Format::ShareGpt, "\"assistant\"", "\"user\"", "1: `messages[1]` is a question"),
            (Format::Qwen, "</img>", "", "1: `conversations[0].value` has `<img>` without `</img>`"),
        ] {
            let (_, text) = TEXTS.into_iter().find(|(other, _)| *other == format).unwrap();
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text);

            let error = read("bad", &bad, None).expect_err(to);

            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_format_that_cannot_be_told_is_an_error_that_lists_the_formats() {
        for (text, expected) in [
            ("", "1: the file has no record"),
            ("\n\n[ ", "3: the file has no record"),
            ("\n{\"a\" 1}", "2: the first record is no JSON"),
            ("7", "1: the first record is no object"),
            ("{}", "1: the first record has none of `format`, `messages` and `conversations`"),
            ("{\"format\":\"coco\"}", "1: `format` is none that this program reads"),
            ("{\"format\":1}", "1: `format` is none that this program reads"),
            ("{\"messages\":7}", "1: the turns of the first record are not one list"),
            ("{\"messages\":[],\"conversations\":[]}", "1: the turns of the first record are not one list"),
            ("{\"conversations\":[]}", "1: `conversations` has no turn by `human` or `user`"),
            (
                "{\"conversations\":[{\"from\":\"human\",\"value\":\"<img>a</img>\"}]}",
                "1: `conversations` has marks of LLaVA and of Qwen-VL",
            ),
        ] {
            let error = read("untold", text, None).expect_err(text);

            let listed = format!("{expected}; the format may be named: jsonl, rcp, llava, sharegpt, qwen");
            assert_eq!(error.trim_start(), listed, "{text}");
        }
        let error = "coco".parse::<Format>().expect_err("no format").to_string();
        assert_eq!(error, "`format` is \"coco\"; possible are jsonl, rcp, llava, sharegpt, qwen");
    }

    #[test]
    fn a_long_first_record_and_a_folder_are_refused() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_FIRST as usize));
        let error = read("long", &long, None).expect_err("too long");
        assert!(error.trim_start().starts_with("1: the first record is longer than 4 MiB"), "{error}");

        assert!(matches!(Opened::read(std::env::temp_dir(), None), Err(Error::File { .. })));
        assert!(matches!(Opened::read("/no/such/file", None), Err(Error::File { .. })));
    }
}
