use std::{collections::BTreeMap, io::Read};

use serde_json::Value;

use crate::json;

/// What the header of a safetensors file may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderLimits {
    /// Bytes of the header. The 2B model's has about 80 thousand; the format allows 100 million, which cost gigabytes
    /// to parse.
    pub max_bytes: u64,
    /// Tensors of one file, and of all files together.
    pub max_tensors: usize,
    /// Bytes of a tensor's name.
    pub max_name_bytes: usize,
    /// Dimensions of a tensor.
    pub max_dims: usize,
}

impl HeaderLimits {
    /// What the JSON of a header or an index may cost to hold, as [`json::parse_within`] counts.
    pub(super) const fn max_cost(&self) -> usize {
        // A tensor costs 30 with its name, fields and lists, and its dimensions; two more pay for the metadata.
        self.max_tensors.saturating_add(2).saturating_mul(self.max_dims.saturating_add(30))
    }
}

impl Default for HeaderLimits {
    fn default() -> Self {
        Self { max_bytes: 8 << 20, max_tensors: 20_000, max_name_bytes: 512, max_dims: 8 }
    }
}

/// A number format of weight files that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TensorDtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// bfloat16.
    Bf16,
    /// Bytes: rows of packed weights.
    U8,
    /// Any other format of safetensors, with its bytes per value; can be skipped, not loaded.
    Other {
        /// Bytes of one value.
        size: u64,
    },
}

impl TensorDtype {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "U8" => Self::U8,
            "F64" | "I64" | "U64" | "C64" => Self::Other { size: 8 },
            "I32" | "U32" => Self::Other { size: 4 },
            "I16" | "U16" => Self::Other { size: 2 },
            "I8" | "BOOL" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" => Self::Other { size: 1 },
            _ => return None,
        })
    }

    /// Bytes of one value.
    pub const fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::U8 => 1,
            Self::Other { size } => size,
        }
    }
}

/// One tensor of a weight file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorEntry {
    /// Its name in the file.
    pub name: String,
    /// Its number format.
    pub dtype: TensorDtype,
    /// Its shape as stored.
    pub shape: Vec<usize>,
    /// Where its bytes begin, counted from the start of the file.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// The checked header of one safetensors file.
///
/// # Invariant
///
/// Names are unique; the byte ranges follow each other without gap or overlap and end where the file ends; each range
/// has exactly the bytes of its shape and dtype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightHeader {
    entries: Vec<TensorEntry>,
    texts: BTreeMap<String, String>,
}

impl WeightHeader {
    /// Reads and checks the header of a file of `file_len` bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, in words; reading errors included.
    pub fn read(file: &mut impl Read, file_len: u64, limits: &HeaderLimits) -> Result<Self, String> {
        let mut len = [0; 8];
        file.read_exact(&mut len).map_err(|error| format!("has no header length: {error}"))?;
        let len = u64::from_le_bytes(len);
        if len > limits.max_bytes {
            return Err(format!("has a header of {len} bytes, the limit is {}", limits.max_bytes));
        }
        if len.checked_add(8).is_none_or(|end| end > file_len) {
            return Err(format!("has a header of {len} bytes in a file of {file_len}"));
        }
        // At most `max_bytes`, checked above.
        let mut text = vec![0; len as usize];
        file.read_exact(&mut text).map_err(|error| format!("ends in its header: {error}"))?;
        // The format fills the header up with spaces, at its end only.
        if text.first() != Some(&b'{') {
            return Err("has a header that is not an object".into());
        }
        let root = json::parse_within(&text, limits.max_cost());
        let root = root.map_err(|error| format!("has a header that cannot be read: {error}"))?;
        let Value::Object(object) = root else { return Err("has a header that is not an object".into()) };
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let texts = match object.get("__metadata__") {
            Some(all) => all.as_object().and_then(|all| all.iter().map(text).collect()),
            None => Some(BTreeMap::new()),
        };
        let texts = texts.ok_or("has metadata other than texts")?;
        let count = object.len() - usize::from(object.contains_key("__metadata__"));
        if count > limits.max_tensors {
            return Err(format!("names {count} tensors, the limit is {}", limits.max_tensors));
        }
        let start = 8 + len;
        let mut entries = object
            .iter()
            .filter(|(name, _)| *name != "__metadata__")
            .map(|(name, value)| read_entry(name, value, start, limits))
            .collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| (entry.offset, entry.bytes));
        let mut end = start;
        for entry in &entries {
            if entry.offset != end {
                return Err(format!("has a gap or an overlap before tensor {}", shown(&entry.name)));
            }
            end = entry.offset.checked_add(entry.bytes).ok_or("has offsets that overflow")?;
        }
        if end != file_len {
            return Err(format!("has {file_len} bytes, its tensors end at {end}"));
        }
        Ok(Self { entries, texts })
    }

    /// What the file says of itself under a name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The tensors in the order of their bytes.
    pub fn entries(&self) -> &[TensorEntry] {
        &self.entries
    }
}

fn read_entry(name: &str, value: &Value, start: u64, limits: &HeaderLimits) -> Result<TensorEntry, String> {
    let fail = |what: &str| format!("has tensor {} with {what}", shown(name));
    if name.is_empty() || name.len() > limits.max_name_bytes || name.chars().any(char::is_control) {
        return Err(fail("a name that is empty, too long or has control characters"));
    }
    let Value::Object(fields) = value else { return Err(fail("an entry that is not an object")) };
    if fields.len() != 3 {
        return Err(fail("fields other than dtype, shape and data_offsets"));
    }
    let dtype = fields.get("dtype").and_then(Value::as_str).and_then(TensorDtype::from_name);
    let dtype = dtype.ok_or_else(|| fail("an unknown dtype"))?;
    let counts = |name: &str, max: usize| -> Option<Vec<u64>> {
        let list = fields.get(name)?.as_array().filter(|list| list.len() <= max)?;
        list.iter().map(Value::as_u64).collect()
    };
    let shape = counts("shape", limits.max_dims).ok_or_else(|| fail("an unreadable shape"))?;
    let offsets = counts("data_offsets", 2).filter(|pair| pair.len() == 2);
    let offsets = offsets.ok_or_else(|| fail("unreadable data_offsets"))?;
    let values = shape.iter().try_fold(1_u64, |product, &side| product.checked_mul(side));
    let bytes = values.and_then(|values| values.checked_mul(dtype.size()));
    let bytes = bytes.ok_or_else(|| fail("a shape that overflows"))?;
    if offsets[1].checked_sub(offsets[0]) != Some(bytes) {
        return Err(fail("data_offsets that do not hold its shape"));
    }
    let offset = start.checked_add(offsets[0]).ok_or_else(|| fail("offsets that overflow"))?;
    let sides = shape.iter().map(|&side| usize::try_from(side)).collect::<Result<_, _>>();
    let shape = sides.map_err(|_| fail("a shape that overflows"))?;
    Ok(TensorEntry { name: name.to_owned(), dtype, shape, offset, bytes })
}

/// A name with control characters made visible, cut to a readable length.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(120).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<WeightHeader, String> {
        WeightHeader::read(&mut &bytes[..], bytes.len() as u64, &HeaderLimits::default())
    }

    #[test]
    fn a_good_header_is_read() -> Result<(), String> {
        let header = r#"{"__metadata__": {"format": "pt"},
            "b": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [8, 12]},
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}   "#;

        let header_read = read(&file(header, 12))?;

        let names: Vec<_> = header_read.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(header_read.entries()[1].offset, 8 + header.len() as u64 + 8);
        Ok(())
    }

    #[test]
    fn hostile_headers_are_refused() {
        let one = |entry: &str| file(&format!("{{\"a\": {entry}}}"), 4);
        let huge = u64::MAX;
        let cases = [
            ("empty file", vec![]),
            ("length only", huge.to_le_bytes().to_vec()),
            ("length beyond the file", 100_u64.to_le_bytes().to_vec()),
            ("not JSON", file("{", 0)),
            ("not UTF-8", [&3_u64.to_le_bytes()[..], &[0xff, 0xfe, 0x7d]].concat()),
            ("a list", file("[]", 0)),
            ("deep nesting", file(&format!("{{\"a\": {}}}", "[".repeat(100_000)), 0)),
            (
                "repeated key",
                file(
                    r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#,
                    4,
                ),
            ),
            (
                "wrapping offsets",
                one(&format!(r#"{{"dtype": "F32", "shape": [1], "data_offsets": [{}, 0]}}"#, huge - 3)),
            ),
            (
                "wrapping end",
                one(&format!(r#"{{"dtype": "F32", "shape": [1], "data_offsets": [{}, {huge}]}}"#, huge - 4)),
            ),
            (
                "wrapping shape",
                one(&format!(r#"{{"dtype": "F32", "shape": [{huge}, 4], "data_offsets": [0, 4]}}"#)),
            ),
            ("wrong size", one(r#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}"#)),
            ("unknown dtype", one(r#"{"dtype": "F31", "shape": [1], "data_offsets": [0, 4]}"#)),
            ("negative side", one(r#"{"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}"#)),
            ("gap", one(r#"{"dtype": "BF16", "shape": [1], "data_offsets": [2, 4]}"#)),
            ("rest of the file", one(r#"{"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}"#)),
            (
                "nine dimensions",
                one(r#"{"dtype": "F32", "shape": [1,1,1,1,1,1,1,1,1], "data_offsets": [0, 4]}"#),
            ),
            ("unknown field", one(r#"{"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": 1}"#)),
            ("empty name", file(r#"{"": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#, 4)),
            (
                "control character",
                file("{\"a\\u0000\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 4),
            ),
            (
                "overlap",
                file(
                    r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#,
                    4,
                ),
            ),
        ];
        for (name, bytes) in cases {
            assert!(read(&bytes).is_err(), "{name}");
        }
    }

    #[test]
    fn the_limits_hold() {
        let limits = HeaderLimits { max_bytes: 10, ..HeaderLimits::default() };
        let bytes = file(&format!("{{{}}}", " ".repeat(20)), 0);

        assert!(WeightHeader::read(&mut &bytes[..], bytes.len() as u64, &limits).is_err());
        assert!(read(&bytes).is_ok());
    }

    #[test]
    fn a_header_of_as_many_tensors_and_dimensions_as_allowed_is_read() {
        let entry = r#"{"dtype": "F32", "shape": [0, 1, 1], "data_offsets": [0, 0]}"#;
        let header = |count: usize| {
            let tensors: Vec<_> = (0..count).map(|at| format!("\"{at}\": {entry}")).collect();
            file(&format!("{{\"__metadata__\": {{\"format\": \"pt\"}}, {}}}", tensors.join(", ")), 0)
        };
        let limits = HeaderLimits { max_tensors: 5, max_dims: 3, ..HeaderLimits::default() };
        let read = |bytes: &[u8]| WeightHeader::read(&mut &*bytes, bytes.len() as u64, &limits);

        assert_eq!(read(&header(5)).map(|read| read.entries().len()), Ok(5));
        assert_eq!(read(&header(6)), Err("names 6 tensors, the limit is 5".into()));
        assert!(read(&header(500)).is_err());
    }
}
