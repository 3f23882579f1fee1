//! A picture file that ends early is an error wherever it ends.

#![allow(clippy::unwrap_used, reason = "a missing fixture should stop the test")]

use std::{fs, path::PathBuf};

use rcmu_model::processor::{Dialect, PictureLimits, decode, inspect};

/// The golden directory: `RCMU_GOLDEN`, or the subset in the repository.
fn golden() -> PathBuf {
    std::env::var_os("RCMU_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden")),
        PathBuf::from,
    )
}

#[test]
fn a_picture_file_cut_at_any_byte_is_an_error_for_plan_and_process() {
    let limits = PictureLimits::default();
    let mut files = 0;
    for entry in fs::read_dir(golden().join("images")).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        decode(&whole, Dialect::Visible, &limits).unwrap();
        // Every byte near both ends; in between about a thousand places.
        let step = (whole.len() / 1000).max(1);
        let ends = (0..whole.len()).filter(|end| end % step == 0 || *end < 400 || whole.len() - end < 400);
        for end in ends {
            assert!(inspect(&whole[..end], &limits).is_err(), "{} cut to {end}", path.display());
            assert!(
                decode(&whole[..end], Dialect::Visible, &limits).is_err(),
                "{} cut to {end}",
                path.display()
            );
        }
        files += 1;
    }
    assert!(files > 0);
}
