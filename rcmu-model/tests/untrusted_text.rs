//! Texts from a stranger: none becomes a control token, is changed or lost, or takes more than its time.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use std::{fs, path::PathBuf, sync::LazyLock, time::Instant};

use proptest::prelude::*;
use rcmu_core::{Prompt, SpecialToken, Trust};
use rcmu_model::{
    Error,
    tokenizer::{EncodedPrompt, Specials, Tokenizer},
};
use serde_json::{Value, json};
use tokenizers::NormalizedString;

/// Generated texts of the long run.
const TEXTS: u64 = 100_000;

fn golden() -> PathBuf {
    std::env::var_os("RCMU_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden")),
        PathBuf::from,
    )
}

/// The tokenizer, and the same file in the hands of the reference.
fn both() -> &'static (Tokenizer, tokenizers::Tokenizer) {
    static BOTH: LazyLock<(Tokenizer, tokenizers::Tokenizer)> = LazyLock::new(|| {
        let dir = golden().join("tokenizer_small");
        let reference = fs::read(dir.join("tokenizer.json")).unwrap();
        (Tokenizer::from_dir(&dir, 1024).unwrap(), tokenizers::Tokenizer::from_bytes(reference).unwrap())
    });
    &BOTH
}

/// The file of the tokenizer.
fn file() -> Value {
    serde_json::from_slice(&fs::read(golden().join("tokenizer_small/tokenizer.json")).unwrap()).unwrap()
}

fn nfc(text: &str) -> String {
    NormalizedString::from(text).nfc().get().to_owned()
}

/// Every id in a span of text is of text, and outside of spans there are just `controls` ids.
fn assert_no_control(tokenizer: &Tokenizer, encoded: &EncodedPrompt, controls: usize) {
    let in_spans: Vec<u32> =
        encoded.spans().iter().flat_map(|span| encoded.ids()[span.range.clone()].to_vec()).collect();
    assert!(in_spans.iter().all(|id| !tokenizer.is_control(*id)));
    assert_eq!(encoded.ids().len() - in_spans.len(), controls);
    assert_eq!(encoded.ids().iter().filter(|id| tokenizer.is_control(**id)).count(), controls);
}

/// Pieces that tokens are written with, in many spellings.
fn fragments() -> Vec<String> {
    let mut fragments: Vec<String> = [
        "<",
        "|",
        ">",
        "<|",
        "|>",
        "im_",
        "start",
        "end",
        "pad",
        "vision",
        "box_",
        "_",
        " ",
        "\n",
        "\r\n",
        "a",
        "é",
        "7",
        // Look-alikes, and characters that NFC joins to `<`, `>` and `|` or takes apart.
        "＜",
        "｜",
        "＞",
        "＜｜im_end｜＞",
        "\u{338}",
        "\u{301}",
        "\u{200b}",
        "\u{feff}",
        "\u{202e}",
        "\0",
        "\u{226e}",
        "\u{226f}",
        "\u{37e}",
        "\u{1fef}",
        "\u{212b}",
        "\u{344}",
        "\u{958}",
        "ſ",
        "한",
        "\u{1112}",
        "\u{1161}",
        "\u{11ab}",
        "😀",
        "<|IM_END|>",
        "&lt;|im_end|&gt;",
        "\u{a0}",
        "\u{3000}",
        "'s",
        "'ſ",
    ]
    .map(str::to_owned)
    .into();
    for token in SpecialToken::ALL {
        let name = token.as_str();
        fragments.push(name.to_owned());
        for at in [1, 2, name.len() / 2, name.len() - 2, name.len() - 1] {
            fragments.extend([name[..at].to_owned(), name[at..].to_owned()]);
        }
    }
    fragments
}

/// Numbers that are the same on every machine (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

#[test]
fn every_token_stays_text_at_every_place_and_cut_anywhere() {
    let (tokenizer, _) = both();
    for token in SpecialToken::ALL {
        let name = token.as_str();
        for (before, after) in [
            ("", ""),
            ("a", "b"),
            (" ", " "),
            ("\n", "\n"),
            ("<|", "|>"),
            ("<", ">"),
            ("e\u{301}", "\u{338}"),
        ] {
            for cut in 0..=name.len() {
                let (left, right) = name.split_at(cut);
                let text = format!("{before}{name}{after}");
                let mut prompt = Prompt::new();
                // The fields of a region line: the label, the text about it, the question.
                prompt.push_special(SpecialToken::ImStart).push_template("user\n");
                prompt
                    .push_untrusted(before)
                    .push_untrusted(left)
                    .push_untrusted(right)
                    .push_untrusted(after);
                prompt.push_special(SpecialToken::ImEnd).push_template("\n");
                // Half of it in words of the format.
                prompt.push_template(left).push_untrusted(right);

                let encoded = tokenizer.encode(&prompt).unwrap();

                assert_no_control(tokenizer, &encoded, 2);
                assert_eq!(
                    tokenizer.decode(&tokenizer.encode_text(&text).unwrap(), Specials::Skip),
                    nfc(&text)
                );
            }
        }
    }
}

#[test]
fn generated_texts_make_no_control_token_and_clean_ones_equal_the_reference() {
    let (tokenizer, reference) = both();
    let fragments = fragments();
    let mut numbers = Numbers(1);
    let mut clean = 0;
    for _ in 0..TEXTS {
        let parts: Vec<&str> =
            (0..=numbers.below(8)).map(|_| fragments[numbers.below(fragments.len())].as_str()).collect();
        let text = parts.concat();
        let mut prompt = Prompt::new();
        for part in &parts {
            let trust = [Trust::Untrusted, Trust::Template][usize::from(numbers.below(4) == 0)];
            prompt.push_text(part, trust);
        }

        let encoded = tokenizer.encode(&prompt).unwrap();

        assert_no_control(tokenizer, &encoded, 0);
        assert_eq!(tokenizer.encode_text(&text).unwrap(), encoded.ids(), "{text:?}");
        assert_eq!(tokenizer.decode(encoded.ids(), Specials::Skip), nfc(&text), "{text:?}");
        let expected = reference.encode(text.as_str(), false).unwrap();
        assert_eq!(tokenizer.encode_reference(&text).unwrap(), expected.get_ids(), "{text:?}");
        if !expected.get_ids().iter().any(|id| tokenizer.is_control(*id)) {
            assert_eq!(encoded.ids(), expected.get_ids(), "{text:?}");
            clean += 1;
        }
    }
    println!("{TEXTS} texts, {clean} without a control token in the reference, 0 control tokens in text");
    assert!(clean > TEXTS / 10);
}

#[test]
fn spans_tell_foreign_text_from_the_format() {
    let (tokenizer, _) = both();
    let mut prompt = Prompt::new();
    prompt.push_template("1: ").push_untrusted("7").push_template("\n");

    let encoded = tokenizer.encode(&prompt).unwrap();

    // No merge joins digits or line breaks, so each piece has tokens of its own.
    let texts: Vec<_> = encoded
        .spans()
        .iter()
        .map(|span| (tokenizer.decode(&encoded.ids()[span.range.clone()], Specials::Keep), span.trust))
        .collect();
    let expected = [("1: ", Trust::Template), ("7", Trust::Untrusted), ("\n", Trust::Template)];
    assert_eq!(texts, expected.map(|(text, trust)| (text.to_owned(), trust)));
}

#[test]
fn a_character_that_foreign_text_changes_is_foreign() {
    let (tokenizer, _) = both();
    let mut prompt = Prompt::new();
    prompt.push_template("e").push_untrusted("\u{301}");

    let encoded = tokenizer.encode(&prompt).unwrap();

    assert_eq!(tokenizer.decode(encoded.ids(), Specials::Keep), "é");
    assert!(encoded.spans().iter().all(|span| span.trust == Trust::Untrusted));
}

#[test]
fn a_control_token_counts_as_one_whatever_its_flag_says() {
    let mut file = file();
    file["added_tokens"][2]["special"] = json!(false);

    let tokenizer = Tokenizer::from_json(file.to_string().as_bytes(), 1024).unwrap();

    assert_eq!(
        tokenizer.notes(),
        ["tokenizer.json: <|im_end|> is not marked as special, and is treated as such"]
    );
    let id = tokenizer.id(SpecialToken::ImEnd);
    assert!(!tokenizer.encode_text("<|im_end|>").unwrap().contains(&id));
    assert_eq!(tokenizer.decode(&[id], Specials::Skip), "");
}

#[test]
fn more_added_tokens_are_control_tokens_too() {
    let mut file = file();
    let id = 700;
    file["added_tokens"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "id": id, "content": "<tool_call>", "special": false }));

    let tokenizer = Tokenizer::from_json(file.to_string().as_bytes(), 1024).unwrap();

    assert!(tokenizer.is_control(id));
    assert_eq!(tokenizer.len(), 701);
    assert!(!tokenizer.encode_text("<tool_call>").unwrap().contains(&id));
    assert_eq!(tokenizer.encode_reference("a<tool_call>").unwrap().last(), Some(&id));
    // Not special, so it is kept, as the reference does.
    assert_eq!(tokenizer.decode(&[id], Specials::Skip), "<tool_call>");
}

#[test]
fn texts_over_the_limit_are_refused() {
    let tokenizer = both().0.clone().with_max_text_bytes(4);
    let mut prompt = Prompt::new();
    prompt.push_template("ab").push_untrusted("cde");

    assert!(tokenizer.encode_text("abcd").is_ok());
    assert!(matches!(tokenizer.encode_text("abcde"), Err(Error::TextTooLong { bytes: 5, max: 4 })));
    assert!(matches!(tokenizer.encode_reference("abcde"), Err(Error::TextTooLong { .. })));
    assert!(matches!(tokenizer.encode(&prompt), Err(Error::TextTooLong { bytes: 5, max: 4 })));
}

#[test]
fn time_grows_with_the_length_of_a_text() {
    let (tokenizer, _) = both();
    let long = 1 << 20;
    for (name, unit) in [
        ("one letter", "a"),
        ("one combining mark", "\u{301}"),
        ("two combining marks out of order", "\u{301}\u{323}"),
        ("blanks", " "),
        ("blanks and lines", "  \n"),
        ("signs", "<|"),
        ("digits", "1"),
        ("words", " information of the man"),
        ("Hangul parts", "\u{1112}\u{1161}\u{11ab}"),
    ] {
        let text = |bytes: usize| unit.repeat(bytes / unit.len());
        let seconds = |text: &str| {
            let runs = (0..5).map(|_| {
                let start = Instant::now();
                assert!(!tokenizer.encode_reference(text).unwrap().is_empty());
                start.elapsed().as_secs_f64()
            });
            runs.fold(f64::MAX, f64::min)
        };

        let (short, long) = (seconds(&text(long / 16)), seconds(&text(long)));

        println!("1 MiB of {name}: {:.0} ms, {:.0} times a 16th of it", long * 1e3, long / short);
        // Linear is 16, quadratic 256; the machine may be busy.
        assert!(long / short < 80.0, "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_encoded_as_the_reference_and_comes_back(text in any::<String>()) {
        let (tokenizer, reference) = both();

        let ids = tokenizer.encode_text(&text).unwrap();

        prop_assert_eq!(tokenizer.decode(&ids, Specials::Keep), nfc(&text));
        let expected = reference.encode(text.as_str(), false).unwrap();
        prop_assert_eq!(&ids, expected.get_ids());
    }

    #[test]
    fn a_stream_says_what_decoding_says(ids in proptest::collection::vec(0_u32..1100, 0..60)) {
        let (tokenizer, reference) = both();
        for (specials, skip) in [(Specials::Keep, false), (Specials::Skip, true)] {
            let mut stream = tokenizer.stream(specials);
            let mut said: String = ids.iter().filter_map(|id| stream.push(*id)).collect();
            said.extend(stream.finish());

            prop_assert_eq!(&said, &tokenizer.decode(&ids, specials));
            prop_assert_eq!(&said, &reference.decode(&ids, skip).unwrap());
        }
    }
}
