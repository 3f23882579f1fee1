use super::*;
use crate::Kind;

/// Reads a text of any of the conversation formats.
fn results(format: &str, text: &str) -> (Vec<Result<Sample, String>>, Repairs) {
    let mut reader = match format {
        "llava" => llava::read(text.as_bytes(), "d/f.json"),
        "sharegpt" => sharegpt::read(text.as_bytes(), "d/f.json"),
        _ => qwen::read(text.as_bytes(), "d/f.json"),
    };
    let results = reader.by_ref().map(|result| result.map_err(|error| error.to_string())).collect();
    (results, reader.repairs().clone())
}

fn one(format: &str, text: &str) -> (Sample, Repairs) {
    let (mut results, repairs) = results(format, text);
    assert_eq!(results.len(), 1, "{results:?}");
    (results.remove(0).expect("a good record"), repairs)
}

fn error(format: &str, text: &str) -> String {
    let (results, _) = results(format, text);
    results.into_iter().find_map(Result::err).expect("an error")
}

/// A record of LLaVA around the turns of a conversation.
fn llava_record(turns: &str) -> String {
    format!(r#"[{{"id":"a","image":"a.png","conversations":[{turns}]}}]"#)
}

const CONTEXT: &str = r"<image>\n[1]: The information of the dog located at <|box_start|>(214,424),(583 884)<|box_end|> in the image: Bella.\nAnswer the following question based on the information above and the given image, and provide citations for your response.\nWho?";

#[test]
fn a_published_prompt_is_read_with_its_region_and_its_mark() {
    let text = llava_record(&format!(
        r#"{{"from":"human","value":"{CONTEXT}"}},{{"from":"gpt","value":"Bella.[1]"}}"#
    ));

    let (sample, repairs) = one("llava", &text);

    let region = &sample.regions[0].region;
    assert_eq!((region.label(), region.info()), ("dog", "Bella."));
    assert_eq!(region.bbox().map(rcmu_core::BBox::xyxy), Some([214, 424, 583, 884]));
    assert_eq!((sample.question.as_str(), sample.cited, &sample.citations[..]), ("Who?", true, &[1][..]));
    assert_eq!(
        (sample.kind, sample.answerable, sample.provenance.maker.as_str()),
        (Kind::Open, true, "f.json")
    );
    assert_eq!(repairs.count(&Repair::Text(rcmu_core::RepairKind::BoxSeparator)), 1, "the missing comma");
    assert_eq!(repairs.counts().len(), 1);
}

#[test]
fn further_questions_share_picture_and_regions() {
    let text = llava_record(&format!(
        r#"{{"from":"human","value":"{CONTEXT}"}},{{"from":"gpt","value":"Bella.[1]"}},
           {{"from":"human","value":"Answer the following question based on the information above and the given image.\nHow old?\nA. two\nB. there is not enough information to answer the question\nAnswer with the option's letter from the given choices directly."}},
           {{"from":"gpt","value":"B"}},{{"from":"human","value":"Left out"}}"#
    ));

    let (found, repairs) = results("llava", &text);

    let [Ok(first), Ok(second)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.id.as_str(), second.id.as_str()), ("a/1", "a/2"));
    assert_eq!((&second.picture, &second.regions), (&first.picture, &first.regions));
    assert_eq!((second.question.as_str(), second.cited, second.options.len()), ("How old?", false, 2));
    assert!(!second.answerable, "option B says so");
    assert_eq!(repairs.count(&Repair::UnansweredQuestion), 1);
}

#[test]
fn a_letter_that_refuses_is_read_however_it_is_written() {
    for (letter, answerable) in [("C", false), ("c", false), ("C.", false), ("(C)", false), ("b.", true)] {
        let question = r"How old?\nA. two\nB. three\nC. there is not enough information to answer the question\nAnswer with the option's letter from the given choices directly.";
        let text = llava_record(&format!(
            r#"{{"from":"human","value":"<image>\n{question}"}},{{"from":"gpt","value":"{letter}"}}"#
        ));

        let (sample, _) = one("llava", &text);

        assert_eq!((sample.options.len(), sample.answerable), (3, answerable), "{letter}");
    }
}

#[test]
fn qwen_pictures_and_boxes_stand_in_the_text() {
    let text = r#"{"id":"a","conversations":[
        {"from":"user","value":"Picture 1: <img>x/a.png</img>\nWhere is the dog?"},
        {"from":"assistant","value":"<ref>the dog</ref><box>(214,424),(583,884)</box>"}]}"#
        .replace('\n', "");

    let (sample, repairs) = one("qwen", &text);

    assert_eq!(sample.picture, PictureSource::File("x/a.png".into()));
    assert_eq!(sample.question, "Where is the dog?");
    let expected = "<|object_ref_start|>the dog<|object_ref_end|><|box_start|>(214,424),(583,884)<|box_end|>";
    assert_eq!(sample.answer, expected);
    assert_eq!(repairs.counts().len(), 1, "{repairs:?}");
    assert_eq!(repairs.count(&Repair::NoFinalNewline), 1);
}

#[test]
fn names_of_other_formats_and_careless_records_are_mended() {
    let text = r#"[{"id": 7, "messages": [{"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Who?\n<image>"}, {"role": "assistant", "content": "Lily.", "weight": 1}],
        "images": ["a.png"]}, {"image": "b.png", "conversations": [{"from": "human", "value": "Who?"},
        {"from": "gpt", "value": "The person is not in the image."}]}, {"id": "7", "image": "b.png",
        "conversations": [{"from": "human", "value": "<image>Who?"}, {"from": "gpt", "value": "Tom."}]}]"#;

    let (found, repairs) = results("llava", text);

    let samples: Vec<Sample> = found.into_iter().collect::<Result<_, _>>().expect("good records");
    let ids: Vec<_> = samples.iter().map(|sample| sample.id.as_str()).collect();
    assert_eq!(ids, ["7", "record-2", "7#3"]);
    assert_eq!((samples[0].question.as_str(), samples[1].answerable), ("Who?", false));
    for repair in [
        Repair::NumericId,
        Repair::MissingId,
        Repair::RepeatedId,
        Repair::SystemTurn,
        Repair::MovedMarker,
        Repair::MissingMarker,
        Repair::Spelling("messages".into()),
        Repair::UnknownField("messages[].weight".into()),
    ] {
        assert_eq!(repairs.count(&repair), 1, "{repair:?}");
    }
}

#[test]
fn reference_pictures_come_before_the_scene() {
    let text = r#"{"id":"a","images":["r.png","s.png"],"messages":[{"role":"user","content":"Picture 1: <image>Picture 2: <image>[1]: The information of the object shown in Picture 1: Owned by Lily.\nAnswer the following question based on the information above and the given image.\nWho owns it?"},{"role":"assistant","content":"Lily."}]}"#;

    let (sample, _) = one("sharegpt", text);

    assert_eq!(sample.picture, PictureSource::File("s.png".into()));
    assert_eq!(sample.references[0].picture, PictureSource::File("r.png".into()));
    assert_eq!(sample.references[0].info, "Owned by Lily.");
}

#[test]
fn errors_name_line_record_and_field() {
    let turn = |from: &str, value: &str| format!(r#"{{"from":"{from}","value":"{value}"}}"#);
    let pair = |question: &str, answer: &str| {
        llava_record(&format!("{},{}", turn("human", question), turn("gpt", answer)))
    };
    for (text, expected) in [
        (pair("<image>", "x"), "`[0].conversations[0].value` question is blank"),
        (pair("<image>Who?", " "), "`[0].conversations[1].value` is blank"),
        (pair("<image><image>Who?", "x"), "`[0].conversations[0].value` has `<image>` 2 times, expected 1"),
        (
            pair("<image>Who?<|im_end|>", "x"),
            "`[0].conversations[0].value` has the control token `<|im_end|>`",
        ),
        (
            pair("<image>Who?", "<|video_pad|>"),
            "`[0].conversations[1].value` has the control token `<|video_pad|>`",
        ),
        (
            pair("<image>[2]: The information of the dog in the image: x\\nWho?", "x"),
            "`[0].conversations[0].value` has [2] as its context line 1",
        ),
        (
            pair(
                "<image>[1]: The information of the dog located at <|box_start|>(1,2)<|box_end|> in the image: x\\nWho?",
                "x",
            ),
            "`[0].conversations[0].value` has a region whose box cannot be read",
        ),
        (
            pair("<image>[1]: The information of the dog in the image:  located at <|box_end|>\\nWho?", "x"),
            "`[0].conversations[0].value` has `<|box_end|>` in the place of a box",
        ),
        (llava_record(&turn("gpt", "x")), "`[0].conversations[0]` is an answer, expected a question"),
        (llava_record(&turn("human", "x")), "`[0].conversations` has no question with an answer"),
        (llava_record(&turn("tool", "x")), "`[0].conversations[0].from` is `tool`, which is no known role"),
        (llava_record("7"), "`[0].conversations[0]` is a number, expected an object"),
        (pair("Who?", "x").replace("a.png", "/a.png"), "`[0].image` is an absolute path"),
        (pair("Who?", "x").replace("\"a.png\"", "[]"), "`[0].image` is missing"),
        (pair("Who?", "x").replace("\"a.png\"", "7"), "`[0].image` is not valid: invalid type"),
        (
            pair("Who?", "x").replace("}]}]", "}],\"rcmu\":{\"schema\":1}}]"),
            "`[0].rcmu` is not valid: missing field",
        ),
        ("[\n\n{]".to_owned(), "`[0]` is no JSON"),
        ("[\n7]".to_owned(), "`[0]` is a number, expected an object"),
    ] {
        let found = error("llava", &text);
        let place = found.split_once(": ").expect("a place and a message");
        let line = 1 + text
            .bytes()
            .take_while(|byte| *byte == b'[' || *byte == b'\n')
            .filter(|b| *b == b'\n')
            .count();
        if !text.ends_with("{]") {
            assert_eq!(place.0, format!("d/f.json:{line}"), "{text}");
            assert!(place.1.starts_with(expected), "{found}");
        }
    }
}

#[test]
fn a_broken_record_does_not_hide_the_next() {
    let good = r#"{"id":"a","image":"a.png","conversations":[{"from":"human","value":"<image>Who?"},{"from":"gpt","value":"Tom."}]}"#;

    let (found, _) = results("llava", &format!("[{{\"a\": tru}},\n{good}]"));

    assert!(
        found[0].as_ref().is_err_and(|error| error.starts_with("d/f.json:1: `[0]` is no JSON at column 10")),
        "{found:?}"
    );
    assert!(found[1].as_ref().is_ok_and(|sample| sample.id == "a"));
}

#[test]
fn the_written_records_are_those_of_the_formats() {
    let (sample, _) = one(
        "llava",
        &llava_record(&format!(
            r#"{{"from":"human","value":"{CONTEXT}"}},{{"from":"gpt","value":"<|box_start|>(1,2),(3,4)<|box_end|>"}}"#
        )),
    );
    let context = CONTEXT.replace("583 884", "583,884").replace(r"<image>\n", "");

    let written = |mut writer: SampleWriter<Vec<u8>>| {
        writer.write(&sample).expect("a good sample");
        String::from_utf8(writer.finish().expect("memory can be written")).expect("JSON is UTF-8")
    };

    let (lines, omit) = (Layout::Lines, Extras::Omit);
    assert_eq!(
        written(llava::write(Vec::new(), "f", lines, omit).expect("memory")),
        format!(
            r#"{{"id":"a","image":"a.png","conversations":[{{"from":"human","value":"<image>\n{context}"}},{{"from":"gpt","value":"<|box_start|>(1,2),(3,4)<|box_end|>"}}]}}"#
        ) + "\n"
    );
    assert_eq!(
        written(sharegpt::write(Vec::new(), "f", lines, omit).expect("memory")),
        format!(
            r#"{{"id":"a","messages":[{{"role":"user","content":"<image>{context}"}},{{"role":"assistant","content":"<|box_start|>(1,2),(3,4)<|box_end|>"}}],"images":["a.png"]}}"#
        ) + "\n"
    );
    let tagged = context.replace("<|box_start|>", "<box>").replace("<|box_end|>", "</box>");
    assert_eq!(
        written(qwen::write(Vec::new(), "f", lines, omit).expect("memory")),
        format!(
            r#"{{"id":"a","conversations":[{{"from":"user","value":"Picture 1: <img>a.png</img>\n{tagged}"}},{{"from":"assistant","value":"<box>(1,2),(3,4)</box>"}}]}}"#
        ) + "\n"
    );
}

#[test]
fn a_writer_names_the_field_that_its_format_cannot_carry() {
    let (good, _) = one(
        "llava",
        &llava_record(&format!(
            r#"{{"from":"human","value":"{CONTEXT}"}},{{"from":"gpt","value":"Bella."}}"#
        )),
    );
    let info = |text: &str| {
        let mut sample = good.clone();
        let region = rcmu_core::Region::new("dog", None, text).expect("a short text");
        sample.regions[0].region = region;
        sample
    };
    for (sample, expected) in [
        (info("a\nb"), "`regions[0].info` has '\\n' at byte 1"),
        (info("<|im_end|>"), "has the control token `<|im_end|>`"),
        (info("<image>"), "has `<image>` 2 times, expected 1"),
        (
            Sample {
                question:
                    " \nWho?\nA. x\nB. Bella\nAnswer with the option's letter from the given choices directly."
                        .into(),
                ..good.clone()
            },
            "`question` would be read back as another",
        ),
        (Sample { answer: "<|endoftext|>".into(), ..good.clone() }, "has the control token `<|endoftext|>`"),
    ] {
        let mut writer = llava::write(Vec::new(), "f", Layout::Lines, Extras::Omit).expect("memory");
        let error = writer.write(&sample).expect_err("it cannot be carried").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
