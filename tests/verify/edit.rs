use std::{fs, path::Path};

use serde_json::{Value, json};

/// Changes a JSON file.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}

/// Header and data of a safetensors file.
pub(crate) fn tensors(path: &Path) -> (Value, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + len]).unwrap(), bytes[8 + len..].to_vec())
}

pub(crate) fn write_tensors(path: &Path, header: &Value, data: &[u8]) {
    let header = serde_json::to_vec(header).unwrap();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, data].concat();
    fs::write(path, bytes).unwrap();
}

/// Changes the data of one tensor.
pub(crate) fn edit_tensor(path: &Path, name: &str, change: impl FnOnce(&mut [u8])) {
    let (header, mut data) = tensors(path);
    let [start, end] = [0, 1].map(|at| header[name]["data_offsets"][at].as_u64().unwrap() as usize);
    change(&mut data[start..end]);
    write_tensors(path, &header, &data);
}

/// Changes the last number of an f32 tensor.
pub(crate) fn edit_f32(path: &Path, name: &str, change: impl FnOnce(f32) -> f32) {
    edit_tensor(path, name, |bytes| {
        let at = bytes.len() - 4;
        let old = f32::from_le_bytes(bytes[at..].try_into().unwrap());
        bytes[at..].copy_from_slice(&change(old).to_le_bytes());
    });
}

/// Changes the numbers of an f32 tensor by their places.
pub(crate) fn edit_each_f32(path: &Path, name: &str, change: impl Fn(usize, f32) -> f32) {
    edit_tensor(path, name, |bytes| {
        for (at, number) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *number = change(at, f32::from_le_bytes(*number)).to_le_bytes();
        }
    });
}

/// Adds to the last byte.
pub(crate) fn add_one(bytes: &mut [u8]) {
    let last = bytes.last_mut().unwrap();
    *last = if *last == 255 { 254 } else { *last + 1 };
}

/// Adds to the first byte, the lowest of an i64.
pub(crate) fn add_one_low(bytes: &mut [u8]) {
    bytes[0] ^= 1;
}

/// Takes a tensor away; the others move up.
pub(crate) fn drop_tensor(path: &Path, name: &str) {
    let (mut header, data) = tensors(path);
    let mut kept = Vec::new();
    header.as_object_mut().unwrap().remove(name);
    let names: Vec<String> = header.as_object().unwrap().keys().cloned().collect();
    for name in names.iter().filter(|name| *name != "__metadata__") {
        let [start, end] = [0, 1].map(|at| header[name]["data_offsets"][at].as_u64().unwrap() as usize);
        let begin = kept.len();
        kept.extend_from_slice(&data[start..end]);
        header[name]["data_offsets"] = json!([begin, kept.len()]);
    }
    write_tensors(path, &header, &kept);
}

pub(crate) fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
}

/// The first entry of a list that has a key.
pub(crate) fn first_with<'a>(rows: &'a mut Value, key: &str) -> &'a mut Value {
    rows.as_array_mut().unwrap().iter_mut().find(|row| row.pointer(key).is_some()).unwrap()
}

pub(crate) fn add(value: &mut Value, amount: i64) {
    *value = json!(value.as_i64().unwrap() + amount);
}
