use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use rcmu_model::processor::{Dialect, Resampler};
use serde_json::Value;

use super::{
    Error,
    json::{self, Node},
    ledger::Ledger,
    report::{Report, Stage},
    tensors::{Tensor, TensorFile},
};

/// Files and folders of a directory; a full set has some 80.
const MAX_FILES: usize = 10_000;
/// Folders within folders; a set has one level.
const MAX_DEPTH: usize = 4;
/// Bytes of one file; the largest of a set has 7 MB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What each section of the generator writes.
const SECTIONS: [(&str, &[&str]); 8] = [
    ("resize", &["resize.json", "frames.json"]),
    ("images", &["images.json", "images.safetensors"]),
    (
        "checkpoint",
        &[
            "tiny/config.json",
            "tiny_bf16/config.json",
            "tiny_untied/config.json",
            "tiny_v5_layout/config.json",
            "tokenizer_small/tokenizer.json",
        ],
    ),
    ("tokenizer", &["tokenizer_small.json"]),
    ("rope", &["rope.json"]),
    ("sampling", &["sampling.json"]),
    ("model", &["model.json"]),
    ("errors", &["errors.json"]),
];

/// A directory of golden data in memory, and what of it has not been checked yet.
pub(super) struct Golden {
    dir: PathBuf,
    ledger: Ledger,
    files: BTreeSet<String>,
    documents: BTreeMap<String, Value>,
    tensor_files: BTreeMap<String, TensorFile>,
    left_out: Vec<String>,
    /// First number of the versions of transformers and Pillow that made the data.
    transformers: u32,
    pillow: u32,
}

impl Golden {
    /// Reads all files; one that cannot be read is a miss of the stage `files`.
    pub(super) fn open(dir: &Path, report: &mut Report) -> Result<Self, Error> {
        let mut golden = Self {
            dir: dir.to_owned(),
            ledger: Ledger::default(),
            files: BTreeSet::new(),
            documents: BTreeMap::new(),
            tensor_files: BTreeMap::new(),
            left_out: Vec::new(),
            transformers: 5,
            pillow: 13,
        };
        list(dir, "", 0, &mut golden.files)?;
        let mut stage = Stage::exact("files");
        for file in golden.files.clone() {
            let outcome = golden.read(&file);
            stage.case(&file, outcome);
        }
        stage.case("manifest.json", golden.read_manifest());
        golden.check_sections(&mut stage);
        report.push(stage);
        Ok(golden)
    }

    fn read(&mut self, file: &str) -> Result<(), String> {
        let bytes = self.bytes(file)?;
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
        match extension {
            Some("json") => {
                let value = json::parse(&bytes)?;
                if has_known_fields(file) {
                    json::enter_leaves(&self.ledger, &format!("{file}: "), &value);
                } else {
                    self.ledger.add(file.to_owned());
                }
                self.documents.insert(file.to_owned(), value);
            }
            Some("safetensors") => {
                let tensors = TensorFile::parse(file, &bytes)?;
                for name in tensors.names() {
                    self.ledger.add(format!("{file}: {name}"));
                }
                self.tensor_files.insert(file.to_owned(), tensors);
            }
            _ => self.ledger.add(file.to_owned()),
        }
        Ok(())
    }

    fn read_manifest(&mut self) -> Result<(), String> {
        let value = self.documents.get("manifest.json").ok_or("is missing or cannot be read")?;
        let manifest = Node::root(&self.ledger, "manifest.json", value);
        if let Some(names) = manifest.get("left_out") {
            self.left_out = names.take()?;
        }
        let major = |key: &str| -> Result<u32, String> {
            let version: String = manifest.field(key)?;
            let first = version.split('.').next().and_then(|first| first.parse().ok());
            first.ok_or_else(|| format!("{key} has version {version:?}"))
        };
        self.transformers = major("transformers")?;
        self.pillow = major("pillow")?;
        Ok(())
    }

    /// Every file that the sections of the manifest write must be there.
    fn check_sections(&self, stage: &mut Stage) {
        let Some(value) = self.documents.get("manifest.json") else { return };
        let manifest = Node::root(&self.ledger, "manifest.json", value);
        let sections = match manifest.field::<Vec<String>>("sections") {
            Ok(sections) => sections,
            Err(problem) => return stage.case("manifest.json", Err(problem)),
        };
        for section in sections {
            let Some((_, files)) = SECTIONS.iter().find(|(name, _)| **name == section) else {
                stage.case("manifest.json", Err(format!("section {section:?} is not known")));
                continue;
            };
            for file in *files {
                let is_there = self.files.contains(*file) || self.is_left_out(file);
                stage.case(file, if is_there { Ok(()) } else { Err("is missing".to_owned()) });
            }
        }
    }

    /// The bytes of a file, up to the limit.
    pub(super) fn bytes(&self, file: &str) -> Result<Vec<u8>, String> {
        let path = self.dir.join(file);
        let read = || -> io::Result<Vec<u8>> {
            let metadata = path.metadata()?;
            if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
                return Err(io::Error::other(format!("no regular file of at most {MAX_FILE_BYTES} bytes")));
            }
            let mut bytes = Vec::new();
            File::open(&path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| error.to_string())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// The names of all files in a folder, without the folder.
    pub(super) fn folder(&self, folder: &str) -> Vec<&str> {
        self.files.iter().filter_map(|file| file.strip_prefix(folder)?.strip_prefix('/')).collect()
    }

    /// The names of all files that are in no folder.
    pub(super) fn top_files(&self) -> impl Iterator<Item = &String> {
        self.files.iter().filter(|file| !file.contains('/'))
    }

    pub(super) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A JSON file that could be read.
    pub(super) fn document(&self, file: &str) -> Option<Node<'_>> {
        self.documents.get(file).map(|value| Node::root(&self.ledger, file, value))
    }

    /// A JSON file that a section begins with; a directory without it does not have that section.
    pub(super) fn section(&self, file: &str, report: &mut Report) -> Option<Node<'_>> {
        if !self.files.contains(file) {
            report.absent(format!("{file} is not there"));
        }
        self.document(file)
    }

    /// A file of tensors that could be read.
    pub(super) fn tensors(&self, file: &str) -> Option<&TensorFile> {
        self.tensor_files.get(file)
    }

    /// A tensor that must be there, unless the directory says that it is left out.
    pub(super) fn tensor(&self, file: &str, name: &str) -> Result<Option<&Tensor>, String> {
        if self.is_left_out(file) || self.is_left_out(&format!("{file}: {name}")) {
            return Ok(self.tensors(file).and_then(|tensors| tensors.get(&self.ledger, name)));
        }
        let tensors = self.tensors(file).ok_or_else(|| format!("{file} is missing or cannot be read"))?;
        tensors.need(&self.ledger, name).map(Some)
    }

    fn is_left_out(&self, name: &str) -> bool {
        self.left_out.iter().any(|left_out| left_out == name)
    }

    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    pub(super) fn unchecked(&self) -> Vec<(String, usize)> {
        self.ledger.rest()
    }

    /// Whether transformers 5 or later made the data.
    pub(super) const fn is_v5(&self) -> bool {
        self.transformers >= 5
    }

    /// The pipeline that the data were made with.
    pub(super) const fn dialect(&self) -> Dialect {
        if self.is_v5() { Dialect::Transformers523 } else { Dialect::Transformers457 }
    }

    /// The filter of the Pillow that was installed.
    pub(super) const fn pillow(&self) -> Resampler {
        if self.pillow >= 13 { Resampler::Pillow13 } else { Resampler::Pillow }
    }
}

/// Whether the leaves of a JSON file are checked one by one; the others are checked as a whole.
fn has_known_fields(file: &str) -> bool {
    let names = [
        "chat_template.json",
        "config.json",
        "generation_config.json",
        "preprocessor_config.json",
        "tokenizer_config.json",
    ];
    match file.rsplit_once('/') {
        None => true,
        Some((_, name)) => names.contains(&name),
    }
}

/// Lists the files of a folder and of the folders in it, with `/` between the parts of a name.
fn list(dir: &Path, prefix: &str, depth: usize, files: &mut BTreeSet<String>) -> Result<(), Error> {
    let failed = |source| Error::List { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if files.len() >= MAX_FILES {
            return Err(Error::TooManyFiles { path: dir.to_owned(), max: MAX_FILES });
        }
        // A link to a folder counts as a file, so that no circle is followed.
        if entry.file_type().map_err(failed)?.is_dir() && depth < MAX_DEPTH {
            list(&entry.path(), &format!("{name}/"), depth + 1, files)?;
        } else {
            files.insert(name);
        }
    }
    Ok(())
}
