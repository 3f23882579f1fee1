//! Matrices that a file holds packed, in the layout that [`pack_checkpoint`](super::pack_checkpoint) tells.

use std::collections::BTreeMap;

use super::{ExpectedTensor, TensorDtype, WeightHeader, index::Located};
use crate::kernels::{WeightFormat, WeightFormats};

/// The text of a file that names the formats of its matrices.
const TEXT: &str = "rcmu.weights";
/// What formats are called there.
const NAMES: [&str; 5] = ["f32", "bf16", "f16", "q8", "q4"];

/// Packed formats and how their tensors' names end.
const FORMATS: [(WeightFormat, &str); 2] = [(WeightFormat::Q8, ".q8x8"), (WeightFormat::Q4, ".q4x8")];

/// The name and the words of the text by which a file tells its formats.
pub(super) fn text(formats: WeightFormats) -> (String, String) {
    let WeightFormats { vision, decoder, table } = formats;
    let name = |format| NAMES.into_iter().find(|name| WeightFormat::named(name) == Some(format));
    let [vision, decoder, table] =
        [vision, decoder, table].map(|format| name(format).expect("every format has a name"));
    (TEXT.to_owned(), format!("vision {vision}, decoder {decoder}, table {table}"))
}

/// The formats that a file tells; none where it tells none that are known.
pub(super) fn formats(header: &WeightHeader) -> Option<WeightFormats> {
    let mut words = header.text(TEXT)?.split(", ");
    let mut format = |kind: &str| WeightFormat::named(words.next()?.strip_prefix(kind)?.strip_prefix(' ')?);
    Some(WeightFormats { vision: format("vision")?, decoder: format("decoder")?, table: format("table")? })
}

/// The name of a matrix in a packed format; none for formats that files of floats have.
pub(super) fn stored_name(name: &str, format: WeightFormat) -> Option<String> {
    FORMATS.iter().find(|(known, _)| *known == format).map(|(_, ending)| format!("{name}{ending}"))
}

/// Whether a tensor may be packed: a matrix of a linear layer or a table.
pub(super) fn can_be_packed(tensor: &ExpectedTensor) -> bool {
    tensor.shape.len() == 2 && tensor.name != "visual.patch_embed.proj.weight"
}

/// Whether a matrix is there in a packed format.
pub(super) fn is_there(tensors: &BTreeMap<String, Located>, name: &str) -> bool {
    FORMATS.iter().any(|(_, ending)| tensors.contains_key(&format!("{name}{ending}")))
}

/// Whether a name is that of a packed head.
pub(super) fn is_head(name: &str) -> bool {
    FORMATS.iter().any(|(_, ending)| name.strip_suffix(ending) == Some("lm_head.weight"))
}

/// Takes the packed form of a tensor out of those found, or says what is wrong with it.
pub(super) fn take(
    tensor: &ExpectedTensor,
    tensors: &mut BTreeMap<String, Located>,
) -> Option<Result<Located, String>> {
    if !can_be_packed(tensor) {
        return None;
    }
    let (format, name, mut located) = FORMATS.iter().find_map(|(format, ending)| {
        let name = format!("{}{ending}", tensor.name);
        let located = tensors.remove(&name)?;
        Some((*format, name, located))
    })?;
    let entry = &located.entry;
    let Some(width) = format.row_bytes(tensor.shape[1]) else {
        return Some(Err(format!("{name} has rows that cannot be packed")));
    };
    let expected = [tensor.shape[0], width];
    if entry.dtype != TensorDtype::U8 || entry.shape != expected {
        let problem = format!("{name} is {:?} {:?}, expected U8 {expected:?}", entry.dtype, entry.shape);
        return Some(Err(problem));
    }
    located.packed = Some((format, [tensor.shape[0], tensor.shape[1]]));
    Some(Ok(located))
}
