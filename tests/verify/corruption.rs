use std::path::Path;

use rcmu::verify::{Stage, Verdict};

use crate::{
    scratch::{Scratch, copy_sections},
    verify,
};

/// A way to spoil some sections, and the stage that must find it.
pub(crate) struct Corruption {
    pub(crate) name: &'static str,
    pub(crate) sections: &'static [&'static str],
    pub(crate) case: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) apply: fn(&Path),
}

/// A shorthand for tables.
pub(crate) const fn spoil(
    name: &'static str,
    sections: &'static [&'static str],
    stage: &'static str,
    apply: fn(&Path),
) -> Corruption {
    Corruption { name, sections, case: "text", stage, apply }
}

pub(crate) const fn spoil_case(
    name: &'static str,
    case: &'static str,
    stage: &'static str,
    apply: fn(&Path),
) -> Corruption {
    Corruption { name, sections: &["model"], case, stage, apply }
}

/// A shorthand for cases that need all checkpoints.
pub(crate) const fn spoil_checkpoint(
    name: &'static str,
    case: &'static str,
    stage: &'static str,
    apply: fn(&Path),
) -> Corruption {
    Corruption { name, sections: &["model", "checkpoint"], case, stage, apply }
}

pub(crate) fn assert_found(corruptions: &[Corruption]) {
    for Corruption { name, sections, case, stage, apply } in corruptions {
        let scratch = Scratch::new(name);
        copy_sections(&scratch.0, sections, case);
        apply(&scratch.0);

        let report = verify(&scratch.0);

        assert!(!report.passed(), "{name} was not found\n{report}");
        let missed: Vec<&str> =
            report.stages().iter().filter(|s| s.verdict() == Verdict::Miss).map(Stage::name).collect();
        assert!(missed.contains(stage), "{name}: expected a miss of {stage}, found {missed:?}\n{report}");
    }
}
