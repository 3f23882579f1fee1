use std::{collections::HashMap, path::Path};

use rcmu_data::SampleReference;
use serde_json::Value;

use super::{
    FORMAT, RcpBench, RcpItem, RcpQuestion, SCHEMA,
    samples::{letter_place, sample},
};
use crate::{
    Error,
    dataset::{
        lines::{self, Fields, wrong},
        short_key,
    },
};

impl RcpBench {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file, the line and the field: no or another header, no JSON, a field that is missing,
    /// wrong or unknown, a letter of no option, an id used before.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let mut items = Vec::new();
        read_each(path.as_ref(), |item| items.push(item))?;
        Ok(Self { items })
    }
}

/// Reads a file item by item, as [`RcpBench::open`].
pub(in crate::dataset) fn read_each(path: &Path, mut take: impl FnMut(RcpItem)) -> Result<(), Error> {
    let mut lines_of_ids = HashMap::new();
    let mut headed = false;
    lines::read(path, |line, mut fields| {
        if !headed {
            headed = true;
            return header(fields);
        }
        let item = item(&mut fields)?;
        fields.finish()?;
        for (at, question) in item.questions.iter().enumerate() {
            if let Some(first) = lines_of_ids.insert(short_key(&question.id), line) {
                let message = format!("`{}` is an id of line {first} too", question.id);
                return Err(wrong(format!("questions[{at}].id"), message));
            }
        }
        take(item);
        Ok(())
    })?;
    if headed {
        Ok(())
    } else {
        Err(lines::on_line(path, 1, wrong("", "the file is empty, expected a header")).into())
    }
}

fn header(mut fields: Fields) -> Result<(), rcmu_data::Error> {
    let format: String = fields.required("format")?;
    if format != FORMAT {
        return Err(wrong("format", format!("is not `{FORMAT}`")));
    }
    let schema: u64 = fields.required("schema")?;
    if schema != SCHEMA {
        return Err(wrong("schema", format!("is {schema}, this program reads {SCHEMA}")));
    }
    fields.finish()
}

/// The item with these fields; those that it does not have are left.
pub(super) fn item(fields: &mut Fields) -> Result<RcpItem, rcmu_data::Error> {
    let id: String = fields.required("id")?;
    if id.trim().is_empty() {
        return Err(wrong("id", "is blank"));
    }
    let references: Vec<Value> = fields.required("references")?;
    let references = (0..).zip(references).map(|(at, value)| {
        let mut fields = Fields::of(value, format!("references[{at}]"))?;
        let reference = SampleReference {
            picture: fields.required("picture")?,
            info: fields.required("profile")?,
            facts: fields.optional("facts")?.unwrap_or_default(),
        };
        fields.finish()?;
        Ok(reference)
    });
    let mut item = RcpItem {
        id,
        query: fields.required("query")?,
        references: references.collect::<Result<_, rcmu_data::Error>>()?,
        questions: Vec::new(),
    };
    let questions: Vec<Value> = fields.required("questions")?;
    for (at, value) in questions.into_iter().enumerate() {
        let path = format!("questions[{at}]");
        let mut fields = Fields::of(value, path.as_str())?;
        let question = question(&mut fields)?;
        fields.finish()?;
        let place = letter_place(&question.answer, question.options.len());
        if place.is_none() {
            return Err(wrong(
                format!("{path}.answer"),
                format!("is the letter of none of {} options", question.options.len()),
            ));
        }
        let in_question = |error| match error {
            rcmu_data::Error::Field { field, message } => wrong(format!("{path}.{field}"), message),
            other => wrong(&path, other.to_string()),
        };
        let sample = sample(&item, &question);
        sample.check().map_err(in_question)?;
        sample.to_question().map_err(in_question)?;
        item.questions.push(question);
    }
    Ok(item)
}

fn question(fields: &mut Fields) -> Result<RcpQuestion, rcmu_data::Error> {
    Ok(RcpQuestion {
        id: fields.required("id")?,
        group: fields.required("group")?,
        question: fields.required("question")?,
        options: fields.required("options")?,
        answer: fields.required("answer")?,
        accepted: fields.optional("accepted")?.unwrap_or_default(),
        citations: fields.optional("citations")?.unwrap_or_default(),
        provenance: fields.optional("provenance")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::rcp_bench::Group;

    const HEAD: &str = "{\"format\":\"rcmu-rcp-bench\",\"schema\":1}\n";
    const LINE: &str = concat!(
        r#"{"id":"shelf","query":{"file":"q.png"},"references":[{"picture":{"file":"1.png"},"profile":"Lily's."}],"#,
        r#""questions":[{"id":"q1","group":"V2C","question":"Who?","options":["Lily","Tom","Not enough information"],"answer":"A"}]}"#,
    );

    fn open(name: &str, text: &str) -> Result<RcpBench, Error> {
        let path = std::env::temp_dir().join(format!("rcmu-rcp-{name}-{}.jsonl", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let result = RcpBench::open(&path);
        std::fs::remove_file(&path).unwrap();
        result
    }

    #[test]
    fn an_item_is_read_field_by_field() {
        let bench = open("good", &format!("{HEAD}\n{LINE}\r\n")).unwrap();

        let item = &bench.items[0];
        assert_eq!((item.id.as_str(), item.references[0].info.as_str()), ("shelf", "Lily's."));
        let question = &item.questions[0];
        assert_eq!((question.group, question.answer.as_str()), (Group::VisualToContext, "A"));
        let sample = &bench.to_samples()[0];
        assert_eq!((sample.id.as_str(), sample.accepted.as_slice()), ("q1", ["Lily".to_owned()].as_slice()));
        assert!(sample.answerable);
    }

    #[test]
    fn the_letter_of_the_insufficient_option_makes_a_question_unanswerable() {
        let bench = open("insufficient", &format!("{HEAD}{}", LINE.replace("\"A\"", "\"C\""))).unwrap();

        let sample = &bench.to_samples()[0];
        assert_eq!(sample.kind, rcmu_data::Kind::UnanswerableVisualToContext);
        assert!(!sample.answerable);
    }

    #[test]
    fn a_bad_field_is_named_with_its_file_and_line() {
        for (from, to, expected) in [
            ("\"shelf\"", "5", "`id` is not valid: invalid type"),
            ("\"shelf\"", "\" \"", "`id` is blank"),
            ("\"query\"", "\"picture\"", "`query` is missing"),
            (
                "\"profile\":\"Lily's.\"",
                "\"profile\":[]",
                "`references[0].profile` is not valid: invalid type",
            ),
            ("\"profile\"", "\"info\":1,\"profile\"", "`references[0].info` is no field of this format"),
            ("\"V2C\"", "\"V2V\"", "`questions[0].group` is not valid: unknown variant"),
            (
                "\"answer\":\"A\"",
                "\"answer\":\"D\"",
                "`questions[0].answer` is the letter of none of 3 options",
            ),
            (
                "\"answer\":\"A\"",
                "\"answer\":\"a\"",
                "`questions[0].answer` is the letter of none of 3 options",
            ),
            (
                "\"answer\":\"A\"",
                "\"answer\":\"A\",\"citations\":[2]",
                "`questions[0].citations[0]` 2 is none of 1..=1",
            ),
            (
                "[\"Lily\",\"Tom\",\"Not enough information\"]",
                "[\"Lily\"]",
                "`questions[0].options` 1 options",
            ),
            ("\"Who?\"", "\"\"", "`questions[0].question` is blank"),
            ("\"id\":\"q1\"", "\"id\":\"q1\",\"id\":\"q2\"", "is no JSON at column"),
            ("}]}", "}]", "is no JSON at column"),
            ("{\"id\":\"shelf\"", "[]{\"id\":\"shelf\"", "is no JSON at column 3"),
        ] {
            let line = LINE.replacen(from, to, 1);
            assert_ne!(line, LINE, "{from}");
            let error = open("bad", &format!("{HEAD}\n{line}\n")).expect_err(to);

            let message = error.to_string();
            let place = message.find(".jsonl:3: ").unwrap_or_else(|| panic!("{message}"));
            assert!(message[place + 10..].starts_with(expected), "{message}");
        }
    }

    #[test]
    fn an_id_used_before_and_another_header_are_refused() {
        let message =
            open("twice", &format!("{HEAD}{LINE}\n{LINE}\n")).expect_err("one id twice").to_string();
        assert!(message.ends_with(".jsonl:3: `questions[0].id` `q1` is an id of line 2 too"), "{message}");

        for (head, expected) in [
            ("", "1: the file is empty, expected a header"),
            ("{\"format\":\"x\",\"schema\":1}", "1: `format` is not `rcmu-rcp-bench`"),
            ("{\"format\":\"rcmu-rcp-bench\",\"schema\":2}", "1: `schema` is 2, this program reads 1"),
            (LINE, "1: `format` is missing"),
        ] {
            let message = open("head", head).expect_err(head).to_string();
            assert!(message.ends_with(expected), "{message}");
        }
    }
}
