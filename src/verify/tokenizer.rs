use std::path::Path;

use rcmu_core::SpecialToken;
use rcmu_model::tokenizer::{Specials, Tokenizer};
use sha2::{Digest, Sha256};

use super::{
    VerifyOptions, chats,
    golden::Golden,
    json::Node,
    report::{Report, Stage, equal},
};

/// More rows than any known embedding table has; the tokenizer is checked against its own file only.
const VOCAB_ROWS: usize = 1 << 20;

/// Checks the small tokenizer of the directory and, where its directory is named, the published one.
pub(super) fn check(golden: &Golden, options: &VerifyOptions, report: &mut Report) {
    let small = golden.path("tokenizer_small");
    if let Some(root) = golden.section("tokenizer_small.json", report) {
        check_tokenizer(["small tokenizer", "small tokenizer's chats"], &root, &small, report);
        for file in ["tokenizer.json", "vocab.json", "merges.txt"] {
            golden.ledger().strike(&format!("tokenizer_small/{file}"));
        }
    }
    match (golden.document("tokenizer_qwen.json"), &options.tokenizer) {
        (Some(root), Some(dir)) => {
            check_tokenizer(["published tokenizer", "published tokenizer's chats"], &root, dir, report);
        }
        (Some(_), None) => {
            report.absent("tokenizer_qwen.json needs the directory of the published tokenizer");
        }
        (None, _) => {}
    }
}

fn check_tokenizer(names: [&'static str; 2], root: &Node<'_>, dir: &Path, report: &mut Report) {
    let mut stage = Stage::exact(names[0]);
    match Tokenizer::from_dir(dir, VOCAB_ROWS) {
        Ok(tokenizer) => {
            check_files(root, dir, &mut stage);
            check_vocabulary(root, &tokenizer, &mut stage);
            check_lists(root, &tokenizer, &mut stage);
            report.push(stage);
            report.push(chats::check(names[1], root, &tokenizer));
        }
        Err(error) => {
            stage.case(root.name(), Err(error.to_string()));
            report.push(stage);
        }
    }
}

/// SHA-256 of the files that the ids were made with.
fn check_files(root: &Node<'_>, dir: &Path, stage: &mut Stage) {
    let Some(sums) = root.get("files_sha256") else {
        return stage.case(root.name(), Err("files_sha256 is missing".to_owned()));
    };
    for (file, sum) in sums.entries() {
        let compare = || -> Result<(), String> {
            let expected: String = sum.take()?;
            let is_name = file == "vocab.json" || file == "merges.txt";
            if !is_name {
                return Err("is no file of a tokenizer".to_owned());
            }
            // Reading the tokenizer has shown that these files are of a bearable size.
            let bytes = std::fs::read(dir.join(file)).map_err(|error| error.to_string())?;
            equal(&format!("{:x}", Sha256::digest(&bytes)), &expected)
        };
        stage.case(sum.name(), compare());
    }
}

fn check_vocabulary(root: &Node<'_>, tokenizer: &Tokenizer, stage: &mut Stage) {
    let size = root.field::<usize>("vocab_size_with_specials");
    stage.case("vocab_size_with_specials", size.and_then(|size| equal(&tokenizer.len(), &size)));
    let ids = root.get("special_ids").map_or_else(Vec::new, |ids| ids.entries());
    stage.equal("special_ids", &ids.len(), &SpecialToken::ALL.len());
    for (name, id) in ids {
        let token = SpecialToken::from_name(name).ok_or_else(|| format!("{name} is no control token"));
        let compare = token.and_then(|token| equal(&tokenizer.id(token), &id.take()?));
        stage.case(id.name(), compare);
    }
}

fn check_lists(root: &Node<'_>, tokenizer: &Tokenizer, stage: &mut Stage) {
    type Check = fn(&Node<'_>, &Tokenizer) -> Result<(), String>;
    for (key, check) in [("strings", check_string as Check), ("streaming", check_stream)] {
        let rows = root.get(key).map_or_else(Vec::new, |rows| rows.items());
        if rows.is_empty() {
            stage.case(root.name(), Err(format!("{key} is missing or empty")));
        }
        for row in rows {
            stage.case(row.name(), check(&row, tokenizer));
        }
    }
}

fn check_string(row: &Node<'_>, tokenizer: &Tokenizer) -> Result<(), String> {
    let text: String = row.field("text")?;
    let (ids, is_nfc): (Vec<u32>, bool) = (row.field("ids")?, row.field("nfc")?);
    let (kept, skipped): (String, String) = (row.field("decoded")?, row.field("decoded_skip_special")?);

    let found = tokenizer.encode_reference(&text).map_err(|error| error.to_string())?;
    equal(&found, &ids)?;
    equal(&tokenizer.decode(&ids, Specials::Keep), &kept)?;
    equal(&tokenizer.decode(&ids, Specials::Skip), &skipped)?;
    // Bytes come back as they went in, so that only the normal form can change a text.
    equal(&(tokenizer.decode(&found, Specials::Keep) == text), &is_nfc)
}

fn check_stream(row: &Node<'_>, tokenizer: &Tokenizer) -> Result<(), String> {
    let (ids, prefixes): (Vec<u32>, Vec<String>) = (row.field("ids")?, row.field("prefix_decodes")?);
    equal(&prefixes.len(), &ids.len())?;
    let mut decoder = tokenizer.stream(Specials::Keep);
    let mut text = String::new();
    for (at, prefix) in prefixes.iter().enumerate() {
        equal(&tokenizer.decode(&ids[..=at], Specials::Keep), prefix)?;
        text.push_str(&decoder.push(ids[at]).unwrap_or_default());
        // The reference shows half a character as U+FFFD; a stream holds it back.
        equal(&text.as_str(), &prefix.trim_end_matches('\u{FFFD}'))?;
    }
    text.push_str(&decoder.finish().unwrap_or_default());
    equal(&Some(&text), &prefixes.last())
}
