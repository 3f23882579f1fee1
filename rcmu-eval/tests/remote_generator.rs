//! A model behind an endpoint that does everything wrong that an endpoint can do.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod endpoint;
mod runs;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rcmu_core::{Control, GenerateOptions, Generator, Prompt, Request};
use rcmu_eval::{
    Outcome, Reply,
    dataset::Dataset,
    journal,
    judge::Judges,
    metrics::BootstrapOptions,
    report::{Headline, ReportOptions, Scores},
    run::{Run, RunOptions},
};

use endpoint::{
    DEADLINE, KEY, RETRIES, description,
    faults::{Comes, Fault},
    generator,
    log::{check_log, keep_log},
    said, search,
};
use runs::Scratch;

#[test]
fn no_fault_becomes_an_answer_or_shows_the_key_or_outlasts_the_deadline() {
    keep_log();
    let scratch = Scratch::new("remote-generator");
    let dataset = Dataset::new("described", "", [description()]).unwrap();
    for retries in RETRIES {
        // All faults at a time, as most of the time is waiting.
        thread::scope(|scope| {
            for fault in Fault::all() {
                let (dataset, scratch) = (&dataset, &scratch);
                scope.spawn(move || {
                    let place = format!("{}, {retries} retries", fault.name);
                    let generator = generator(&fault.address, retries);
                    let options = RunOptions { timeout: Some(DEADLINE), ..RunOptions::default() };
                    let folder = scratch.path(&format!("{}-{retries}", fault.number));
                    fs::create_dir_all(&folder).unwrap();
                    let path = folder.join("run.journal");
                    let begun = Instant::now();

                    let summary = Run::new(dataset, &generator, options).unwrap().execute(&path).unwrap();

                    let took = begun.elapsed();
                    assert!(took <= DEADLINE + Duration::from_secs(1), "{place} took {took:?}");
                    fault.check_asked(&place, retries, took);
                    let contents = journal::read(&path).unwrap();
                    let scores = Scores::of(dataset, &contents, &Judges::rules()).unwrap();
                    let report = scores.report(&ReportOptions::default()).unwrap();
                    let (reply, score) = (&contents.records[0].reply, &scores.items()[0]);
                    if fault.comes == Comes::Text {
                        // What the endpoint says is the model's answer, right or wrong.
                        assert!(
                            matches!(reply, Reply::Text { text, .. } if !text.is_empty()),
                            "{place}: {reply:?}"
                        );
                    } else {
                        assert!(matches!(reply, Reply::Failed { .. }), "{place}: {reply:?}");
                        assert_eq!((summary.made, summary.failed), (1, 1), "{place}");
                        assert_eq!(
                            (score.outcome, score.measures.len()),
                            (Outcome::ModelFailed, 0),
                            "{place}"
                        );
                        assert!(
                            matches!(report.headline(), Headline::Refused { failures: 1, .. }),
                            "{place}"
                        );
                        assert_eq!(report.rows, [], "{place}");
                    }
                    report.write(&folder).unwrap();
                    scores.compare(&scores, &BootstrapOptions::default()).unwrap().write(&folder).unwrap();
                    assert_eq!(search(&folder, &place), 1 + 6 + 4, "{place}: journal, report and comparison");
                    let texts = format!("{generator:?} {contents:?} {report:?} {summary:?}");
                    assert!(!texts.contains(KEY), "{place}");
                    if retries == 0 {
                        let prompt = Prompt::from_reference_text("<|im_start|>user\nWho?<|im_end|>\n");
                        let request =
                            Request { prompt, visuals: vec![], options: GenerateOptions::greedy(9) };
                        let result = generator.generate(&request, &Control::default(), &mut |_| {});
                        let texts = match result {
                            Ok(generation) => format!("{generation:?}"),
                            Err(error) => said(&error),
                        };
                        assert!(!texts.contains(KEY), "{place}: {texts}");
                    }
                });
            }
        });
    }
    check_log();
}
