//! Checks this build against a directory of golden data, on a device of your choice.
//!
//! `verify --golden DIR [--device flex|cuda|vulkan|wgpu|metal] [--tokenizer DIR] [--weights f32|bf16|f16|q8|q4]`
//!
//! Prints a table of what was compared and ends with status 1 when anything does not fit. The published tokenizer may
//! also be named by the environment variable `RCMU_QWEN_TOKENIZER`. `--weights` keeps the weights so
//! where the model computes in f32; q8 and q4 on any device, the others on the CPU.

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use rcmu::{
    WeightFormat,
    verify::{VerifyOptions, run},
};

const USAGE: &str = "usage: verify --golden DIR [--device flex|cuda|vulkan|wgpu|metal] [--tokenizer DIR] \
                     [--weights f32|bf16|f16|q8|q4]";

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    golden: PathBuf,
    device: Option<String>,
    tokenizer: Option<PathBuf>,
    weights: Option<WeightFormat>,
}

fn arguments() -> Option<Arguments> {
    let mut found = Arguments::default();
    let mut arguments = env::args_os().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.to_str()? {
            "--golden" => found.golden = value.into(),
            "--device" => found.device = Some(value.into_string().ok()?),
            "--tokenizer" => found.tokenizer = Some(value.into()),
            "--weights" => found.weights = Some(WeightFormat::named(value.to_str()?)?),
            _ => return None,
        }
    }
    (!found.golden.as_os_str().is_empty()).then_some(found)
}

fn verify(arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let device = arguments.device.as_deref().unwrap_or("flex");
    let tokenizer = arguments.tokenizer.or_else(|| env::var_os("RCMU_QWEN_TOKENIZER").map(PathBuf::from));
    let options = VerifyOptions::new(device)?.with_tokenizer(tokenizer);
    let options = options.with_weights(arguments.weights.map(Into::into));
    let report = run(&arguments.golden, &options)?;
    println!("{report}");
    Ok(report.passed())
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match verify(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
