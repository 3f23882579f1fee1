//! A training that is killed again and again loses no more than the steps since its last checkpoint.
#![cfg(all(feature = "train", feature = "flex", unix))]

use std::{
    env,
    error::Error,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rcmu_core::{ImageSize, Picture, Question, Scene};
use rcmu_model::{
    ComputeDtype, Device, LoadOptions,
    training::{Checkpoints, Conversation, TrainSettings, Trainer, TrainingData},
};

/// Names the folder that a child trains in.
const CHILD: &str = "RCMU_TRAINING_KILL_CHILD";
const KILLS: u64 = 50;

/// Grey pictures; the answer says how bright.
struct Greys;

impl TrainingData for Greys {
    fn len(&self) -> Option<u64> {
        Some(7)
    }

    fn fingerprint(&self) -> String {
        "greys".into()
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn Error + Send + Sync>> {
        let size = ImageSize::new(56, 56)?;
        let pixels = vec![index as u8 * 36; 56 * 56 * 3];
        let scene = Scene::new(Picture::Rgb { size, pixels: pixels.into() }, size);
        let turns = vec![(Question::new("How bright?")?, format!("{index} of 6."))];
        Ok(Conversation { scene, turns, subjects: Vec::new(), named_by: Vec::new(), sights: None })
    }
}

fn trainer(root: &Path) -> Trainer {
    let start = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden/tiny");
    let settings = TrainSettings {
        steps: 40,
        batch: 2,
        micro_batch: 2,
        checkpoint_steps: 1,
        warmup_steps: 2,
        ..TrainSettings::default()
    };
    let options = LoadOptions::default();
    Trainer::resume(Path::new(start), root, &Device::flex(), settings, &options)
        .expect("newest checkpoint is whole")
}

fn step_of(checkpoint: &Path) -> u64 {
    let name = checkpoint.file_name().expect("a folder").to_string_lossy();
    name.trim_start_matches("step-").parse().expect("the name holds the step")
}

/// What the killed process runs; does nothing when the test is run by itself.
#[test]
fn child() {
    let Some(root) = env::var_os(CHILD) else { return };
    let root = PathBuf::from(root);
    let mut trainer = trainer(&root);
    trainer.run(&Greys, &root, &mut |_| ControlFlow::Continue(())).expect("nothing goes wrong by itself");
}

#[test]
fn a_killed_training_goes_on_from_a_whole_checkpoint_and_ends_the_same() {
    let root = env::temp_dir().join(format!("rcmu-training-kill-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    let (mut newest, mut killed) = (0, 0);
    for kill in 0..KILLS {
        let exe = env::current_exe().expect("this test");
        let mut child = Command::new(exe)
            .args(["child", "--exact", "--test-threads=1"])
            .env(CHILD, &root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test can be started");
        // From the first moments of loading into the steps and saves.
        thread::sleep(Duration::from_millis(40 + kill * 7919 % 331));
        killed += u64::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("a child can be killed");
        child.wait().expect("a child ends");

        let found = Checkpoints::new(&root).newest().expect("the folder can be read");
        let step = found.as_deref().map_or(0, step_of);
        assert!(
            step >= newest,
            "kill {kill}: step {newest} was there, the newest whole checkpoint is {step}"
        );
        newest = step;
    }
    println!("{killed} of {KILLS} kills hit a running training; the last left step {newest}");
    assert!(killed > 0, "no kill hit");

    let mut resumed = trainer(&root);
    resumed.run(&Greys, &root, &mut |_| ControlFlow::Continue(())).expect("the rest of the steps");
    let calm = root.join("calm");
    let mut whole = trainer(&calm);
    whole.run(&Greys, &calm, &mut |_| ControlFlow::Continue(())).expect("all steps");
    let weights = |trainer: &Trainer, name: &str| {
        let dir = root.join(name);
        trainer.export(&dir, ComputeDtype::F32).expect("a folder can be written");
        fs::read(dir.join("model.safetensors")).expect("the weights")
    };
    let same = weights(&resumed, "resumed") == weights(&whole, "whole");
    let _ = fs::remove_dir_all(&root);
    assert!(same, "the killed training ended with other weights");
}
