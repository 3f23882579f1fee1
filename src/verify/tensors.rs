use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};

use super::ledger::Ledger;

/// A tensor of a file.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// `file: tensor`.
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The tensors of one file by name.
pub(super) struct TensorFile {
    file: String,
    tensors: BTreeMap<String, Tensor>,
}

impl TensorFile {
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, String> {
        let parsed = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let tensor = Tensor {
                name: format!("{file}: {name}"),
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
            };
            (name, tensor)
        };
        Ok(Self { file: file.to_owned(), tensors: parsed.tensors().into_iter().map(tensor).collect() })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor, which counts as checked, if there is one.
    pub(super) fn get(&self, ledger: &Ledger, name: &str) -> Option<&Tensor> {
        let tensor = self.tensors.get(name)?;
        ledger.strike(&tensor.name);
        Some(tensor)
    }

    /// A tensor, which counts as checked.
    pub(super) fn need(&self, ledger: &Ledger, name: &str) -> Result<&Tensor, String> {
        self.get(ledger, name).ok_or_else(|| format!("tensor {name} of {} is missing", self.file))
    }
}

impl Tensor {
    /// Bytes of all values.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Sizes of the axes.
    pub(super) fn dims<const D: usize>(&self) -> Result<[usize; D], String> {
        let axes = format!("{} has shape {:?}, expected {D} axes", self.name, self.shape);
        self.shape.clone().try_into().map_err(|_| axes)
    }

    /// The values of an f32 tensor, all of them finite.
    pub(super) fn floats(&self) -> Result<Vec<f32>, String> {
        self.expect(Dtype::F32)?;
        let (chunks, _) = self.bytes.as_chunks::<4>();
        self.finite(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// The values of a weight in f32 or bf16, all of them finite.
    pub(super) fn weights(&self) -> Result<Vec<f32>, String> {
        if self.dtype != Dtype::BF16 {
            return self.floats();
        }
        let (chunks, _) = self.bytes.as_chunks::<2>();
        // bfloat16 is the upper half of an f32.
        let wide = |bytes: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
        self.finite(chunks.iter().map(wide).collect())
    }

    fn finite(&self, values: Vec<f32>) -> Result<Vec<f32>, String> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(format!("{} holds {} at {at}", self.name, values[at])),
            None => Ok(values),
        }
    }

    /// The values of an i64 tensor.
    pub(super) fn integers(&self) -> Result<Vec<i64>, String> {
        self.expect(Dtype::I64)?;
        let (chunks, _) = self.bytes.as_chunks::<8>();
        Ok(chunks.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }

    /// The rows of an i64 tensor of token ids, `[rows, columns]`.
    pub(super) fn id_rows(&self) -> Result<Vec<Vec<u32>>, String> {
        let [rows, columns] = self.dims()?;
        let bad = |id: &i64| format!("{} holds {id}, which is no token id", self.name);
        let ids = self.integers()?;
        let ids: Vec<u32> =
            ids.iter().map(|id| u32::try_from(*id).map_err(|_| bad(id))).collect::<Result<_, _>>()?;
        Ok((0..rows).map(|row| ids[row * columns..(row + 1) * columns].to_vec()).collect())
    }

    /// The bytes of a u8 tensor.
    pub(super) fn bytes(&self) -> Result<&[u8], String> {
        self.expect(Dtype::U8)?;
        Ok(&self.bytes)
    }

    fn expect(&self, dtype: Dtype) -> Result<(), String> {
        if self.dtype == dtype {
            Ok(())
        } else {
            Err(format!("{} is of type {:?}, expected {dtype:?}", self.name, self.dtype))
        }
    }
}
