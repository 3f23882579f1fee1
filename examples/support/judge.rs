//! Scores by the judges that the options name.

use std::{collections::HashMap, error::Error, path::Path};

use rcmu::{
    Device,
    core::Generator,
    model::{LoadOptions, Model},
};
use rcmu_data::Sample;
use rcmu_eval::{
    dataset::Dataset,
    journal::{Contents, SyncPolicy},
    judge::{
        Entailment, FactVision, GeneratorJudge, GeneratorVision, Judges, RecordedEntailment, RecordedVision,
        RuleEntailment, VisionCheck,
    },
    report::{ScoreOptions, Scores},
    run::Progress,
};

/// The options that name judges, and how many items are judged at a time.
pub(crate) const OPTIONS: [&str; 5] =
    ["judge", "judge-name", "judge-vision", "judge-vision-name", "parallel"];

/// Scores answers, by rules unless an option names a judge; what judges say is kept in `folder`.
///
/// `--judge` and `--judge-vision` are each the address of an endpoint or the folder of a model; the key of each endpoint
/// is in a variable of its own.
pub(crate) fn scores<'a>(
    options: &HashMap<String, String>,
    dataset: &'a Dataset,
    contents: &'a Contents,
    folder: &Path,
) -> Result<Scores<'a>, Box<dyn Error>> {
    let texts = generator(options, "judge", "judge-name", "RCMU_JUDGE_KEY")?;
    let texts = texts.as_deref().map(|generator| GeneratorJudge::new(generator, 0));
    let path = folder.join("judge.journal");
    let texts = texts.as_ref().map(|judge| RecordedEntailment::open(path, judge, SyncPolicy::EachRecord));
    let texts = texts.transpose()?;

    let sees = generator(options, "judge-vision", "judge-vision-name", "RCMU_JUDGE_VISION_KEY")?;
    let picture = |sample: &Sample| sample.picture.open(dataset.folder());
    let sees =
        sees.as_deref().map(|generator| GeneratorVision::new(GeneratorJudge::new(generator, 0), &picture));
    let path = folder.join("judge-vision.journal");
    let sees = sees.as_ref().map(|judge| RecordedVision::open(path, judge, SyncPolicy::EachRecord));
    let sees = sees.transpose()?;

    let judges = Judges {
        entailment: texts.as_ref().map_or(&RuleEntailment, |judge| judge as &dyn Entailment),
        vision: sees.as_ref().map_or(&FactVision, |judge| judge as &dyn VisionCheck),
    };
    let asks = texts.is_some() || sees.is_some();
    let on_progress = |progress: &Progress| eprint!("\rjudged {progress}  ");
    let parallel = options.get("parallel").map_or(Ok(1), |text| text.parse())?;
    let mut how = ScoreOptions { parallel, ..ScoreOptions::default() };
    if asks {
        how.on_progress = Some(&on_progress);
    }
    let scores = Scores::with_options(dataset, contents, &judges, &how)?;
    if asks {
        eprintln!();
    }
    Ok(scores)
}

/// The model behind an endpoint or in a folder, whichever the option names.
fn generator(
    options: &HashMap<String, String>,
    place: &str,
    name: &str,
    key: &str,
) -> Result<Option<Box<dyn Generator>>, Box<dyn Error>> {
    match options.get(place) {
        None => Ok(None),
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            let remote = super::remote(options, place, name, key)?;
            Ok(remote.map(|remote| Box::new(remote) as Box<dyn Generator>))
        }
        Some(dir) => {
            let model = Model::load(dir.as_ref(), &Device::flex(), &LoadOptions::default(), &mut |_| ())?;
            Ok(Some(Box::new(model)))
        }
    }
}
