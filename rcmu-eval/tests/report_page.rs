//! The page of a report, looked at by a real browser.
//!
//! Skipped, and said so, where there is no Chromium on the path.

use std::{
    fs,
    io::Cursor,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use image::{ImageFormat, RgbImage};
use rcmu_data::{
    PictureSource, Sample,
    figurines::{self, Split},
};
use rcmu_eval::{
    Reply,
    journal::DatasetIdentity,
    judge::Judges,
    metrics::{BootstrapOptions, summarise},
    report::{Report, ReportItem, count_outcomes},
    run::Mode,
    scorers::score_reply,
};

/// The colours of the boxes and marks of the regions 1 to 3, as the style has them.
const REGION_COLOURS: [[u8; 3]; 3] = [[0xd1, 0x24, 0x2f], [0x0a, 0x61, 0xd8], [0x16, 0x80, 0x3a]];
/// The colour of dots and lines in plots.
const PLOT_COLOUR: [u8; 3] = [0x20, 0x50, 0xc8];

/// A reply as a model of middling quality gives it.
fn reply(at: usize, sample: &Sample) -> Reply {
    let text = match at % 6 {
        2 => "The red robot is a <b>pilot</b> [2] and likes tea [9].".into(),
        4 => "The text does not say that.".into(),
        _ => sample.answer.clone(),
    };
    if at == 17 {
        return Reply::Failed { reason: "no answer within 30 s".into() };
    }
    Reply::Text { text, finish: "end_of_text".into() }
}

fn report(allowed_failures: usize) -> Report {
    let samples: Vec<_> = figurines::samples(Split::Test, 7, 36)
        .map(|sample| sample.expect("the world makes samples"))
        .collect();
    let items: Vec<_> = samples
        .into_iter()
        .filter(|sample| sample.regions.len() >= 3)
        .enumerate()
        .map(|(at, sample)| {
            let reply = reply(at, &sample);
            let score = score_reply(&sample, &reply, &Judges::rules());
            let PictureSource::Figurines(spec) = &sample.picture else {
                panic!("the world draws its pictures")
            };
            let mut png = Cursor::new(Vec::new());
            let drawn = figurines::draw(spec).expect("the scene can be drawn");
            drawn.write_to(&mut png, ImageFormat::Png).expect("memory takes all bytes");
            ReportItem::new(sample, Some(png.into_inner()), reply, score)
        })
        .collect();
    let scores: Vec<_> = items.iter().map(|item| item.score.clone()).collect();
    Report {
        title: "Figurines, test split".into(),
        model: "scripted".into(),
        dataset: DatasetIdentity {
            name: "figurines-test".into(),
            hash: "0".repeat(64),
            items: scores.len() as u64,
        },
        mode: Mode::Full,
        settings: vec![("Sampling".into(), "greedy".into()), ("Most new tokens".into(), "256".into())],
        allowed_failures,
        rows: summarise(&scores, &BootstrapOptions::default()),
        outcomes: count_outcomes(&scores),
        shown: None,
        items,
    }
}

/// Opens a page and takes a picture of it; none where there is no browser.
fn screenshot(page: &str, folder: &Path) -> Option<RgbImage> {
    let (file, picture) = (folder.join("report.html"), folder.join("report.png"));
    fs::write(&file, page).expect("the folder takes files");
    let mut browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1240,3000"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", file.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    while browser.try_wait().expect("the browser is ours").is_none() {
        if begun.elapsed() > Duration::from_mins(2) {
            let _ = browser.kill();
            let _ = browser.wait();
            panic!("the browser did not end");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Some(image::open(&picture).expect("the browser has taken a picture").to_rgb8())
}

#[test]
fn a_browser_shows_the_boxes_and_plots_in_their_colours() {
    let page = report(1).to_html().expect("the page can be written");
    let folder = std::env::temp_dir().join(format!("rcmu-eval-page-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the system has a folder for scratch files");
    let picture = screenshot(&page, &folder);
    if std::env::var_os("RCMU_KEEP_PAGES").is_none() {
        let _ = fs::remove_dir_all(&folder);
    } else {
        println!("kept in {}", folder.display());
    }
    let Some(picture) = picture else {
        println!("skipped: there is no chromium on the path");
        return;
    };

    for colour in REGION_COLOURS.into_iter().chain([PLOT_COLOUR]) {
        let seen = picture.pixels().filter(|pixel| pixel.0 == colour).count();
        assert!(seen > 300, "{seen} pixels are {colour:?}");
    }
}

#[test]
fn pictures_that_items_share_stand_in_the_page_once() {
    let report = report(1);
    let mut pictures: Vec<_> = report.items.iter().filter_map(|item| item.picture_png.as_ref()).collect();
    pictures.sort();
    pictures.dedup();

    let page = report.to_html().expect("the page can be written");

    assert!(pictures.len() < report.items.len());
    assert_eq!(page.matches("data:image/png;base64,").count(), pictures.len());
    assert_eq!(page.matches("<use href=").count(), report.items.len());
}
