//! The model that the benches run: the tiny random one, or the directory in `RCMU_BENCH_MODEL`.

use rcmu::{LoadOptions, Rcmu};

pub(crate) fn model() -> Rcmu {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tiny_bf16");
    let dir = std::env::var("RCMU_BENCH_MODEL").unwrap_or_else(|_| tiny.to_owned());
    Rcmu::load(&dir, &LoadOptions::default()).expect("a checkpoint directory")
}
