//! The model that the benches run: the tiny random one, or the directory in `RCMU_BENCH_MODEL`; its weights as they compute,
//! or in the format in `RCMU_BENCH_WEIGHTS`. With `RCMU_BENCH_MAP` weights stay in their files, unread until they are needed;
//! with `RCMU_BENCH_BF16` activations beside weights of bf16 are bf16, too.

#![allow(dead_code, reason = "each bench uses a part of it")]
#![allow(unsafe_code, reason = "mapping files takes a promise")]

pub(crate) mod machine;

use std::sync::OnceLock;

use rcmu::{LoadOptions, Rcmu, WeightFormat, WeightFormats, model::weights::Scan};

/// Loads the model once for all benches of a program, on the default device.
pub(crate) fn model() -> &'static Rcmu {
    static MODEL: OnceLock<Rcmu> = OnceLock::new();
    MODEL.get_or_init(|| {
        let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tiny_bf16");
        let dir = std::env::var("RCMU_BENCH_MODEL").unwrap_or_else(|_| tiny.to_owned());
        let options = LoadOptions::default();
        let mut options = formats().map_or(options.clone(), |formats| options.with_weights(formats));
        options.model.bf16_activations = std::env::var_os("RCMU_BENCH_BF16").is_some();
        if std::env::var_os("RCMU_BENCH_MAP").is_some() {
            // SAFETY: whoever sets the variable promises that nobody changes the files until the bench has ended.
            options.model = unsafe { options.model.map_weights() };
            options.model.checkpoint_limits.scan = Scan::Skip;
        }
        Rcmu::load(&dir, &options).expect("`RCMU_BENCH_MODEL` names a checkpoint directory")
    })
}

/// The formats in `RCMU_BENCH_WEIGHTS`, if it is set: `q4`, or `q4+q4` with that of the table and the head after it.
pub(crate) fn formats() -> Option<WeightFormats> {
    let names = std::env::var("RCMU_BENCH_WEIGHTS").ok()?;
    let format = |name| {
        WeightFormat::named(name)
            .expect("`RCMU_BENCH_WEIGHTS` is f32, bf16, f16, q8 or q4, or two of them with a + between")
    };
    let (name, table) = names.split_once('+').map_or((&*names, None), |(name, table)| (name, Some(table)));
    let formats = WeightFormats::from(format(name));
    Some(WeightFormats { table: table.map_or(formats.table, format), ..formats })
}

/// Prints what is measured, with its size, dtype and device.
pub(crate) fn announce() {
    println!("{:?}", model().model());
}
