use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use rcmu_core::Region;
use serde_json::Value;

use super::{FORMAT, SCHEMA};
use crate::{
    Error, PictureSource, Provenance, Sample, SampleReference, SampleRegion,
    formats::{
        SampleReader, check,
        json::{Fields, shorten, tell_unknown, typed, wrong},
        read::{Context, Form},
        records::Layout,
    },
};

const FORM: Form = Form { layout: Some(Layout::Lines), header: Some(header), decode: sample, renames: false };

/// Opens a file; its samples come one at a time.
///
/// Mended and counted: a byte order mark, blank lines, carriage returns, a missing last line feed, unknown fields. An
/// error of the reader names the line: no or another header, no JSON, a field that is missing or wrong, an id used
/// before, more than a mebibyte.
///
/// # Errors
///
/// [`Error::File`] when the file cannot be opened or is no regular file.
pub fn open(path: impl AsRef<Path>) -> Result<SampleReader<BufReader<File>>, Error> {
    SampleReader::open(path.as_ref(), FORM)
}

/// Reads from anywhere; `name` stands for the file in errors.
pub fn read<R: BufRead>(input: R, name: impl AsRef<Path>) -> SampleReader<R> {
    SampleReader::new(input, name.as_ref(), FORM)
}

fn header(value: Value, context: &mut Context<'_>) -> Result<(), Error> {
    let mut fields = Fields::of(value, "")?;
    let format = fields.optional::<String>("format")?.ok_or_else(|| {
        wrong("format", format!("is missing: the first line must be a header of `{FORMAT}`"))
    })?;
    if format != FORMAT {
        return Err(wrong("format", format!("is `{}`, expected `{FORMAT}`", shorten(&format))));
    }
    let schema: u64 = fields.required("schema")?;
    if schema != SCHEMA {
        return Err(wrong("schema", format!("is {schema}, this program reads {SCHEMA}")));
    }
    fields.finish(context.line, context.repairs);
    Ok(())
}

fn sample(value: Value, context: &mut Context<'_>) -> Result<Vec<Sample>, Error> {
    let mut fields = Fields::of(value, "")?;
    let sample = Sample {
        id: fields.required("id")?,
        picture: picture(&mut fields, context)?,
        references: (0..)
            .zip(fields.list("references")?)
            .map(|(at, value)| reference(value, at, context))
            .collect::<Result<_, _>>()?,
        regions: (0..)
            .zip(fields.list("regions")?)
            .map(|(at, value)| region(value, at, context))
            .collect::<Result<_, _>>()?,
        kind: fields.required("kind")?,
        question: fields.required("question")?,
        options: fields.optional("options")?.unwrap_or_default(),
        cited: fields.optional("cited")?.unwrap_or_default(),
        answer: fields.required("answer")?,
        accepted: fields.optional("accepted")?.unwrap_or_default(),
        citations: fields.optional("citations")?.unwrap_or_default(),
        answerable: fields.required("answerable")?,
        provenance: provenance(&mut fields, context)?,
    };
    fields.finish(context.line, context.repairs);
    check(&sample)?;
    Ok(vec![sample])
}

fn picture(fields: &mut Fields, context: &mut Context<'_>) -> Result<PictureSource, Error> {
    let path = fields.path("picture");
    let value = fields.take("picture").ok_or_else(|| wrong(&path, "is missing"))?;
    let picture: PictureSource = typed(value.clone(), &path)?;
    if let Ok(known) = serde_json::to_value(&picture) {
        tell_unknown(&value, &known, &path, context.line, context.repairs);
    }
    Ok(picture)
}

fn reference(value: Value, at: usize, context: &mut Context<'_>) -> Result<SampleReference, Error> {
    let mut fields = Fields::of(value, format!("references[{at}]"))?;
    let reference = SampleReference {
        picture: picture(&mut fields, context)?,
        info: fields.required("info")?,
        facts: fields.optional("facts")?.unwrap_or_default(),
    };
    fields.finish(context.line, context.repairs);
    Ok(reference)
}

fn region(value: Value, at: usize, context: &mut Context<'_>) -> Result<SampleRegion, Error> {
    let path = format!("regions[{at}]");
    let mut fields = Fields::of(value, path.as_str())?;
    let (label, info): (String, String) = (fields.required("label")?, fields.required("info")?);
    let region = Region::new(label, fields.optional("bbox")?, info);
    let region = SampleRegion {
        region: region.map_err(|error| wrong(path, error.to_string()))?,
        facts: fields.optional("facts")?.unwrap_or_default(),
        visual: fields.optional("visual")?.unwrap_or_default(),
    };
    fields.finish(context.line, context.repairs);
    Ok(region)
}

fn provenance(fields: &mut Fields, context: &mut Context<'_>) -> Result<Provenance, Error> {
    let mut fields = Fields::of(fields.required("provenance")?, "provenance")?;
    let provenance = Provenance {
        maker: fields.required("maker")?,
        split: fields.optional("split")?.unwrap_or_default(),
        step: fields.optional("step")?.unwrap_or_default(),
        prompt: fields.optional("prompt")?.unwrap_or_default(),
        seed: fields.optional("seed")?,
    };
    fields.finish(context.line, context.repairs);
    Ok(provenance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Repair;

    const HEAD: &str = "{\"format\":\"rcmu-samples\",\"schema\":1}\n";
    const LINE: &str = r#"{"id":"a","picture":{"file":"a.png"},"regions":[{"label":"dog","bbox":[1,2,3,4],"info":"Bella."}],
        "kind":"open","question":"Who?","answer":"Bella.","answerable":true,"provenance":{"maker":"me"}}"#;

    fn line() -> String {
        LINE.replace('\n', "")
    }

    fn errors(text: &str) -> Vec<String> {
        let results = read(text.as_bytes(), "d/people.jsonl");
        results.filter_map(Result::err).map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_bad_field_is_named_with_its_file_and_line() {
        for (from, to, expected) in [
            ("\"a\"", "5", "`id` is not valid: invalid type: integer `5`, expected a string"),
            (
                "[1,2,3,4]",
                "[1,2,0,4]",
                "`regions[0].bbox` is not valid: box [1, 2, 0, 4] needs x1 < x2 and y1 < y2",
            ),
            ("\"dog\"", "\" \"", "`regions[0]` label is empty"),
            ("\"info\":\"Bella.\"", "\"x\":1", "`regions[0].info` is missing"),
            ("\"Who?\"", "\" \"", "`question` is blank"),
            ("{\"maker\":\"me\"}", "[]", "`provenance` is a list, expected an object"),
            ("a.png", "../a.png", "`picture` has `..` in it"),
            ("\"open\"", "\"closed\"", "`kind` is not valid: unknown variant `closed`"),
            (
                "\"answer\":\"Bella.\"",
                "\"options\":[\"Sam\",\"Max\"],\"answer\":\"Bella.\"",
                "`answer` is none of the options",
            ),
            ("true", "true,\"accepted\":[\"Bella\",\" \"]", "`accepted[1]` is blank"),
            ("true", "true,\"citations\":[2]", "`citations[0]` 2 is none of 1..=1"),
            ("\"a\",", "\"a\",\"id\":\"b\",", "is no JSON at column 14: the key `id` stands twice"),
            ("\"Who?\"", "\"Who?\" \"", "is no JSON at column"),
        ] {
            let line = line().replace(from, to);
            let found = errors(&format!("{HEAD}\n{line}\n"));

            assert_eq!(found.len(), 1, "{to}");
            assert!(found[0].starts_with(&format!("d/people.jsonl:3: {expected}")), "{}", found[0]);
        }
    }

    #[test]
    fn the_reader_goes_on_after_a_bad_line() {
        let text = format!("{HEAD}{{\n{}\n", line());

        let results: Vec<_> = read(text.as_bytes(), "f").collect();

        assert!(matches!(&results[..], [Err(Error::Line { line: 2, .. }), Ok(sample)] if sample.id == "a"));
    }

    #[test]
    fn an_id_used_before_names_both_lines() {
        let text = format!("{HEAD}{0}\n\n{0}\n", line());

        assert_eq!(errors(&text), ["d/people.jsonl:4: `id` `a` is the id of line 2 too"]);
    }

    #[test]
    fn another_header_is_refused_once() {
        for (head, error) in [
            ("", "1: the file is empty, expected a header"),
            ("{\"format\":\"rcmu-samples\",\"schema\":2}\n", "1: `schema` is 2, this program reads 1"),
            ("{\"format\":\"other\",\"schema\":1}\n", "1: `format` is `other`, expected `rcmu-samples`"),
            (&line(), "1: `format` is missing: the first line must be a header of `rcmu-samples`"),
        ] {
            let text = if head.is_empty() { String::new() } else { format!("{head}\n{}\n", line()) };
            assert_eq!(errors(&text), [format!("d/people.jsonl:{error}")]);
        }
    }

    #[test]
    fn unknown_fields_are_left_out_and_counted() {
        let line = line()
            .replace("\"dog\"", "\"dog\",\"x\":1,\"y\":null")
            .replace("\"me\"", "\"me\",\"z\":{}")
            .replace("\"id\"", "\"new\":[],\"id\"");
        let text = format!("{HEAD}{line}\n{}\n", line.replace("\"a\"", "\"b\""));
        let mut reader = read(text.as_bytes(), "f");

        assert_eq!(reader.by_ref().flatten().count(), 2);

        for path in ["regions[].x", "regions[].y", "provenance.z", "new"] {
            assert_eq!(reader.repairs().count(&Repair::UnknownField(path.into())), 2, "{path}");
        }
        assert_eq!(reader.repairs().counts().len(), 4);
    }
}
