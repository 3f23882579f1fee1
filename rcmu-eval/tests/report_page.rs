//! The page of a report, looked at by a real browser.
//!
//! Skips what needs Chromium where there is none on the path.

mod browser;
mod reports;

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use rcmu_core::{BBox, Region};
use rcmu_data::{
    Kind, PictureSource, Provenance, Sample, SampleRegion,
    figurines::{self, Split},
};
use rcmu_eval::{
    Reply,
    journal::DatasetIdentity,
    judge::Judges,
    metrics::{BootstrapOptions, summarise},
    report::{Report, ReportItem, count_outcomes, visible},
    run::Mode,
    scorers::score_reply,
};

use browser::Browser;
use reports::{comparison_of, report_of, skeleton};

/// The colours of the boxes and marks of the regions 1 to 3, as the style has them.
const COLOURS: [Rgb<u8>; 3] = [Rgb([0xd1, 0x24, 0x2f]), Rgb([0x0a, 0x61, 0xd8]), Rgb([0x16, 0x80, 0x3a])];
/// The colour of dots and lines in plots.
const PLOT_COLOUR: Rgb<u8> = Rgb([0x20, 0x50, 0xc8]);
/// The colour of the one picture whose place is looked for; no style has it.
const GROUND: Rgb<u8> = Rgb([0xff, 0, 0xff]);
/// Width and height of that picture.
const SIZE: [u32; 2] = [800, 600];
/// The boxes in it, in thousandths of its sides; the last one has no room for its tag above.
const BOXES: [[u16; 4]; 3] = [[100, 150, 300, 400], [400, 300, 700, 900], [750, 20, 950, 350]];
/// How far an edge may stand from its place: half of its width, and rounding.
const EDGE_TOLERANCE: f64 = 3.0; // pixels of the screen
/// No mark is wider or higher.
const MARK_SIDE: u32 = 32; // pixels of the screen

/// What each would do to a page that took it for more than text: it sets the title before the page is complete, or adds
/// an element.
const ATTACKS: [&str; 8] = [
    "</title></style><script>document.title='taken'</script>",
    "\"'><img src=x onerror=\"document.title='taken'\">",
    "</svg><svg onload=\"document.title='taken'\"><rect/></svg>",
    "<body onload=\"document.title='taken'\">",
    "<iframe srcdoc=\"<script>parent.document.title='taken'</script>\"></iframe>",
    "--><style>body{display:none}</style>",
    "<link rel=stylesheet href=\"data:text/css,\" onload=\"document.title='taken'\">",
    "<b id=taken>\u{202e}evil\u{202c}\u{2066}\u{200b}</b>]]>",
];

fn report_with(pictured: Vec<(ReportItem, Vec<u8>)>) -> Report {
    let mut pictures: Vec<Vec<u8>> = Vec::new();
    let items = pictured.into_iter().map(|(item, picture)| {
        let place = pictures.iter().position(|known| *known == picture).unwrap_or(pictures.len());
        if place == pictures.len() {
            pictures.push(picture);
        }
        ReportItem { picture: Some(place), ..item }
    });
    let items: Vec<_> = items.collect();
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
        allowed_failures: 1,
        rows: summarise(&scores, &BootstrapOptions::default()),
        outcomes: count_outcomes(&scores),
        shown: None,
        pictures,
        items,
    }
}

/// An item, and its picture as a PNG file.
fn item(sample: Sample, picture: &RgbImage, reply: Reply) -> (ReportItem, Vec<u8>) {
    let score = score_reply(&sample, &reply, &Judges::rules());
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).expect("memory takes all bytes");
    (ReportItem::new(sample, None, reply, score), png.into_inner())
}

/// Items of the figurine world, as a model of middling quality answers them.
fn figurine_report() -> Report {
    let samples =
        figurines::samples(Split::Test, 7, 36).map(|sample| sample.expect("the world makes samples"));
    let items = samples.filter(|sample| sample.regions.len() >= 3).enumerate().map(|(at, sample)| {
        let text = match at % 6 {
            2 => "The red robot is a <b>pilot</b> [2] and likes tea [9].".into(),
            4 => "The text does not say that.".into(),
            _ => sample.answer.clone(),
        };
        let reply = if at == 17 {
            Reply::Failed { reason: "no answer within 30 s".into() }
        } else {
            Reply::Text { text, finish: "end_of_text".into() }
        };
        let PictureSource::Figurines(spec) = &sample.picture else { panic!("the world draws its pictures") };
        let picture = figurines::draw(spec).expect("the scene can be drawn");
        item(sample, &picture, reply)
    });
    report_with(items.collect())
}

/// One item: a picture of one colour with three boxes, and a reply that cites the second.
fn plain_report() -> Report {
    let region = |[x1, y1, x2, y2]: [u16; 4]| SampleRegion {
        region: Region::new("dog", BBox::new(x1, y1, x2, y2).ok(), "It is a dog.").expect("a short label"),
        facts: [].into(),
        visual: [].into(),
    };
    let sample = Sample {
        id: "one".into(),
        picture: PictureSource::File("one.png".into()),
        references: vec![],
        regions: BOXES.map(region).into(),
        kind: Kind::Open,
        question: "Which dog sleeps?".into(),
        options: vec![],
        cited: true,
        answer: "The second one.".into(),
        accepted: vec![],
        citations: vec![2],
        answerable: true,
        provenance: Provenance::default(),
    };
    let reply = Reply::Text { text: "The second one [2].".into(), finish: "end_of_text".into() };
    report_with(vec![item(sample, &RgbImage::from_pixel(SIZE[0], SIZE[1], GROUND), reply)])
}

/// A part of a picture, its ends included.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Area {
    fn width(self) -> u32 {
        self.right - self.left + 1
    }

    fn height(self) -> u32 {
        self.bottom - self.top + 1
    }
}

/// The number of pixels of a colour inside an area, and the smallest area that holds them.
fn seen(picture: &RgbImage, within: Area, colour: Rgb<u8>) -> Option<(usize, Area)> {
    let mut found: Option<(usize, Area)> = None;
    for y in within.top..=within.bottom {
        for x in within.left..=within.right {
            if *picture.get_pixel(x, y) == colour {
                let (count, area) = found.unwrap_or((0, Area { left: x, top: y, right: x, bottom: y }));
                let (left, right) = (area.left.min(x), area.right.max(x));
                found = Some((count + 1, Area { left, right, bottom: y, ..area }));
            }
        }
    }
    found
}

/// Checks that these places, along one line, are at the two expected ones and nowhere else.
fn assert_edges(places: &[u32], expected: [f64; 2], what: &str) {
    let is_at = |place: u32, edge: f64| (f64::from(place) + 0.5 - edge).abs() <= EDGE_TOLERANCE;
    for edge in expected {
        assert!(places.iter().any(|&place| is_at(place, edge)), "{what}: nothing at {edge}: {places:?}");
    }
    let strays: Vec<_> =
        places.iter().filter(|&&place| !expected.iter().any(|&edge| is_at(place, edge))).collect();
    assert!(strays.is_empty(), "{what}: {strays:?} beside {expected:?}");
}

#[test]
fn boxes_stand_at_their_places_and_marks_have_their_colours() {
    let Some(browser) = Browser::find() else { return };
    let picture = browser.picture(&plain_report().to_html().expect("the page can be written"), [1240, 2600]);
    let page = Area { left: 0, top: 0, right: picture.width() - 1, bottom: picture.height() - 1 };

    let (_, scene) = seen(&picture, page, GROUND).expect("the picture is shown");
    let [across, down] =
        [f64::from(scene.width()) / f64::from(SIZE[0]), f64::from(scene.height()) / f64::from(SIZE[1])];
    assert!((across / down - 1.0).abs() < 0.01 && scene.width() > 400, "{scene:?}");

    for ((number, colour), [x1, y1, x2, y2]) in (1..).zip(COLOURS).zip(BOXES) {
        let x = |thousandths: f64| f64::from(scene.left) + thousandths / 1000.0 * f64::from(scene.width());
        let y = |thousandths: f64| f64::from(scene.top) + thousandths / 1000.0 * f64::from(scene.height());
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(f64::from);
        // Tags are at the upper left: a row through the lower part and a column through the right part miss them.
        let (row, column) = (y(0.3 * y1 + 0.7 * y2) as u32, x(0.3 * x1 + 0.7 * x2) as u32);
        let in_row = (scene.left..=scene.right).filter(|&x| *picture.get_pixel(x, row) == colour);
        let in_column = (scene.top..=scene.bottom).filter(|&y| *picture.get_pixel(column, y) == colour);
        assert_edges(&in_row.collect::<Vec<_>>(), [x(x1), x(x2)], &format!("box {number}, across"));
        assert_edges(&in_column.collect::<Vec<_>>(), [y(y1), y(y2)], &format!("box {number}, down"));
        // What is cited is tinted, the rest is not.
        let is_ground = *picture.get_pixel(column, row) == GROUND;
        assert_eq!(is_ground, number != 2, "inside of box {number}");
    }

    // The list of regions stands below the picture: one mark each, one under the other.
    let list = Area { top: scene.bottom + 1, ..Area { bottom: page.bottom, ..scene } };
    let mut above = scene.bottom;
    for (number, colour) in (1..).zip(COLOURS) {
        let (count, mark) = seen(&picture, list, colour).expect("the region has a mark");
        assert!(count > 100 && mark.width() <= MARK_SIDE && mark.height() <= MARK_SIDE, "{number}: {mark:?}");
        assert!(mark.top > above, "{number}: {mark:?} below {above}");
        above = mark.bottom;
    }

    // What was said stands beside the picture: only the second region is cited.
    let beside = Area { left: scene.right + 1, top: scene.top, ..page };
    let (count, mark) = seen(&picture, beside, COLOURS[1]).expect("the reply has its mark");
    assert!(count > 100 && mark.width() <= MARK_SIDE && mark.height() <= MARK_SIDE, "{count}: {mark:?}");
    assert!(seen(&picture, beside, COLOURS[0]).is_none() && seen(&picture, beside, COLOURS[2]).is_none());
}

#[test]
fn plots_have_their_colour() {
    let Some(browser) = Browser::find() else { return };
    let picture =
        browser.picture(&figurine_report().to_html().expect("the page can be written"), [1240, 3000]);

    let page = Area { left: 0, top: 0, right: picture.width() - 1, bottom: picture.height() - 1 };
    let (count, _) = seen(&picture, page, PLOT_COLOUR).expect("plots are shown");
    assert!(count > 300, "{count}");
}

#[test]
fn the_browser_reads_no_tag_out_of_a_hostile_text_and_runs_nothing() {
    let Some(browser) = Browser::find() else { return };
    let text = ATTACKS.concat();
    let pages = |text: &str| {
        [report_of(text).to_html(), comparison_of(text).to_html()]
            .map(|page| page.expect("a page can be written"))
    };

    for (hostile, plain) in pages(&text).iter().zip(&pages("plain")) {
        let (hostile, plain) = (browser.document(hostile), browser.document(plain));

        assert_eq!(skeleton(&hostile), skeleton(&plain));
        assert_eq!(visible(&hostile), hostile, "nothing hides or reorders text");
        let title = hostile.split(['<', '>']).skip_while(|tag| *tag != "title").nth(1);
        assert!(title.is_some_and(|title| title.starts_with("&lt;/title&gt;")), "{title:?}");
    }
}

#[test]
fn the_browser_runs_the_attacks_where_nothing_keeps_it_from_them() {
    let Some(browser) = Browser::find() else { return };

    for attack in ATTACKS {
        let page = format!("<!DOCTYPE html><html><title>calm</title><body>{attack}</body></html>");
        let document = browser.document(&page);

        let taken =
            ["<title>taken", "id=\"taken\"", "<style>body"].iter().any(|sign| document.contains(sign));
        assert!(taken, "{attack}: {document}");
    }
}

#[test]
fn the_policy_alone_keeps_scripts_and_styles_out() {
    let Some(browser) = Browser::find() else { return };
    let page = report_of("plain").to_html().expect("the page can be written");
    let broken = page.replacen("<main>", &format!("<main>{}", ATTACKS.concat()), 1);
    assert_ne!(broken, page);

    let document = browser.document(&broken);

    assert!(document.contains("<title>plain</title>"), "{document:.2000}");
    assert!(document.contains("id=\"taken\"") && document.contains("<style>body"), "the tags are there");
    let width = layouts(&browser, &[(&broken, 1240)])[0].rsplit(' ').next().map(str::to_owned);
    assert!(width.is_some_and(|width| width != "0"), "the page is still shown");
}

/// Shows pages in frames of these widths with everything unfolded; gives for each by how much it is too wide, how many
/// elements stand outside of it and in no box that scrolls, and how wide the first item's picture is.
fn layouts(browser: &Browser, frames: &[(&str, u32)]) -> Vec<String> {
    const MEASURE: &str = "onload = () => {
        const layout = frame => {
            const page = frame.contentDocument, root = page.documentElement;
            page.querySelectorAll('details').forEach(item => item.open = true);
            const scrolls = at => at && at !== page.body
                && (frame.contentWindow.getComputedStyle(at).overflowX !== 'visible' || scrolls(at.parentElement));
            const outside = [...page.body.querySelectorAll('*')].filter(element => {
                const box = element.getBoundingClientRect();
                return box.width && (box.right > root.clientWidth + 1 || box.left < -1) && !scrolls(element.parentElement);
            });
            const scene = page.querySelector('.scene'), main = page.querySelector('main');
            if (main && frame.contentWindow.getComputedStyle(main).maxWidth === 'none') return ['unstyled'];
            return [root.scrollWidth - root.clientWidth, outside.length, scene ? scene.getBoundingClientRect().width : 0];
        };
        document.title = [...document.querySelectorAll('iframe')].map(frame => layout(frame).join(' ')).join(';');
    }";
    let frame = |(page, width): &(&str, u32)| {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        format!("<iframe style=\"width:{width}px;height:900px\" srcdoc=\"{page}\"></iframe>")
    };
    let frames: String = frames.iter().map(frame).collect();
    let page =
        format!("<!DOCTYPE html><html><title></title><body>{frames}<script>{MEASURE}</script></body></html>");
    // With several browsers at work at a time, one in some ten shows frames without their styles.
    for _ in 0..5 {
        let document = browser.document(&page);
        let title = document.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let found: Vec<_> = title.expect("the page has a title").0.split(';').map(str::to_owned).collect();
        if !found.iter().any(|layout| layout == "unstyled") {
            return found;
        }
    }
    panic!("the browser has shown no frame with its styles");
}

#[test]
fn hostile_texts_leave_the_layout_as_it_is() {
    let Some(browser) = Browser::find() else { return };
    let texts = [
        "W".repeat(5000),
        "\u{5d0}\u{627}".repeat(2000),
        format!("a{}", "\u{301}".repeat(2000)),
        "\n".repeat(2000),
        "word \u{202e}".repeat(2000),
        ATTACKS.concat(),
    ];
    let mut pages = vec![report_of("plain").to_html().expect("the page can be written")];
    pages.extend(texts.iter().map(|text| report_of(text).to_html().expect("the page can be written")));
    let wide = "<!DOCTYPE html><body><p style=\"width:2000px\">wide</p></body>".to_owned();

    for width in [1240, 390] {
        let mut frames: Vec<_> = pages.iter().map(|page| (page.as_str(), width)).collect();
        frames.push((&wide, width));
        let found = layouts(&browser, &frames);

        let (control, found) = found.split_last().expect("there are frames");
        assert!(!control.starts_with("0 0 "), "what is too wide is seen: {control}");
        assert!(found[0].starts_with("0 0 "), "{width}: {found:?}");
        assert!(found.iter().all(|layout| *layout == found[0]), "{width}: {found:?}");
    }
}

#[test]
fn pictures_that_items_share_stand_in_the_page_once() {
    let report = figurine_report();

    let page = report.to_html().expect("the page can be written");

    assert!(report.pictures.len() < report.items.len());
    assert_eq!(page.matches("data:image/png;base64,").count(), report.pictures.len());
    assert_eq!(page.matches("<use href=").count(), report.items.len());
}
