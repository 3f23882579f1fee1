//! What holds for every box and every geometry.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a property that does not hold")]

use proptest::prelude::*;
use rcmu_core::{BBox, Error, Geometry, ImageSize, Orientation, PixelBox, Region, RegionSet, import};

/// The numbers that break careless arithmetic.
const SPECIAL: [f64; 11] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    -0.0,
    -1.0,
    0.5,
    u32::MAX as f64,
    u32::MAX as f64 + 1.0,
];

fn special_boxes() -> impl Iterator<Item = [f64; 4]> {
    (0..11 * 11 * 11 * 11).map(|n| [n % 11, n / 11 % 11, n / 121 % 11, n / 1331].map(|i| SPECIAL[i]))
}

fn sizes(sides: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = ImageSize> {
    (sides.clone(), sides).prop_map(|(w, h)| ImageSize::new(w, h).expect("sides above 0"))
}

fn boxes_in(size: ImageSize) -> impl Strategy<Value = PixelBox> {
    fn span(side: u32) -> impl Strategy<Value = (u32, u32)> {
        (0..side).prop_flat_map(move |lo| (Just(lo), lo + 1..=side))
    }
    (span(size.width()), span(size.height()))
        .prop_map(|((x1, x2), (y1, y2))| PixelBox::new(x1, y1, x2, y2).expect("corners in order"))
}

fn grid_boxes() -> impl Strategy<Value = BBox> {
    (0..=1000_u16, 0..=1000_u16, 0..=1000_u16, 0..=1000_u16)
        .prop_map(|(a, b, c, d)| BBox::new(a.min(b), c.min(d), a.max(b), c.max(d)).expect("corners in order"))
}

fn orientations() -> impl Strategy<Value = Orientation> {
    prop::sample::select(Orientation::ALL.to_vec())
}

/// A geometry and a box inside its file.
fn photos() -> impl Strategy<Value = (Geometry, PixelBox)> {
    (sizes(1..=u32::MAX), orientations(), sizes(1..=u32::MAX)).prop_flat_map(|(file, orientation, model)| {
        (Just(Geometry::new(file, orientation, model)), boxes_in(file))
    })
}

#[test]
fn every_product_of_special_floats_is_a_valid_box_or_an_error() {
    let mut accepted = 0;
    for xyxy in special_boxes() {
        let fits = |v: f64| (0.0..=f64::from(u32::MAX)).contains(&v);
        // Rounded: -0.0 and the least positive number are 0, 0.5 is 1.
        let expected = xyxy.iter().all(|&v| fits(v))
            && xyxy[0].round() < xyxy[2].round()
            && xyxy[1].round() < xyxy[3].round();

        let made = PixelBox::from_f64(xyxy);

        assert_eq!(made.is_ok(), expected, "{xyxy:?}");
        if let Ok(pixel_box) = made {
            accepted += 1;
            assert_eq!(pixel_box.xyxy(), xyxy.map(|v| v.round() as u32));
        }
    }
    // Four numbers fit: 0, 0, 1 and u32::MAX after rounding. In order per axis: 0-1 and 0-max twice, 1-max once,
    // which is 5; two axes make 25.
    assert_eq!(accepted, 25);
}

#[test]
fn every_product_of_special_floats_in_a_file_is_a_region_or_an_error() -> Result<(), Error> {
    let size = ImageSize::new(1, u32::MAX)?;
    for [cx, cy, w, h] in special_boxes() {
        for edges in [import::Edges::Reject, import::Edges::Clamp] {
            let yolo = import::yolo::read(&format!("0 {cx:?} {cy:?} {w:?} {h:?}"), &["dog"], edges);
            let json = format!(
                r#"{{"version": 1, "regions": [{{"label": "dog", "box": [{cx:?}, {cy:?}, {w:?}, {h:?}]}}]}}"#
            );
            let json = import::regions_json::read(&json, size, edges);

            for read in [yolo, json] {
                match read {
                    Ok(read) => {
                        assert_eq!(read.regions.len(), 1);
                        assert!(edges == import::Edges::Clamp || read.changes.is_empty());
                    }
                    Err(error) => assert!(matches!(error, Error::Import { .. }), "{error:?}"),
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn file_and_upright_pixels_are_one_to_one((geometry, file_box) in photos()) {
        let upright = geometry.file_to_upright(file_box).unwrap();

        prop_assert!(upright.check_inside(geometry.upright_size()).is_ok());
        prop_assert_eq!(geometry.upright_to_file(upright).unwrap(), file_box);
        let area = |b: PixelBox| u64::from(b.width()) * u64::from(b.height());
        prop_assert_eq!(area(upright), area(file_box));
    }

    #[test]
    fn every_map_stays_inside_its_frame((geometry, file_box) in photos(), bbox in grid_boxes()) {
        let upright = geometry.file_to_upright(file_box).unwrap();
        let model = geometry.upright_to_model(upright).unwrap();

        prop_assert!(model.check_inside(geometry.model_size()).is_ok());
        prop_assert!(geometry.model_to_upright(model).unwrap().check_inside(geometry.upright_size()).is_ok());
        prop_assert!(geometry.grid_to_upright(bbox).check_inside(geometry.upright_size()).is_ok());
        prop_assert!(geometry.grid_to_model(bbox).check_inside(geometry.model_size()).is_ok());
        prop_assert!(geometry.grid_to_file(bbox).check_inside(geometry.file_size()).is_ok());
        prop_assert!(geometry.model_to_grid(model).is_ok() && geometry.upright_to_grid(upright).is_ok());
        prop_assert_eq!(
            geometry.upright_to_file(geometry.grid_to_upright(bbox)).unwrap(),
            geometry.grid_to_file(bbox)
        );
        prop_assert_eq!(
            geometry.file_to_grid(file_box).unwrap(),
            geometry.upright_to_grid(upright).unwrap()
        );
    }

    #[test]
    fn enlarging_for_the_model_loses_nothing(
        (file, upright) in sizes(1..=5000).prop_flat_map(|size| (Just(size), boxes_in(size))),
        more in (0..5000_u32, 0..5000_u32),
    ) {
        let model = ImageSize::new(file.width() + more.0, file.height() + more.1).unwrap();
        let geometry = Geometry::new(file, Orientation::Upright, model);

        let enlarged = geometry.upright_to_model(upright).unwrap();

        prop_assert_eq!(geometry.model_to_upright(enlarged).unwrap(), upright);
    }

    #[test]
    fn reducing_moves_an_edge_by_half_a_model_pixel_at_most(
        (file, upright) in sizes(100..=5000).prop_flat_map(|size| (Just(size), boxes_in(size))),
        less in 1..=100_u32,
    ) {
        let model = ImageSize::new(file.width().div_ceil(less), file.height().div_ceil(less)).unwrap();
        let geometry = Geometry::new(file, Orientation::Upright, model);
        let reduced = geometry.upright_to_model(upright).unwrap();

        let sides = [(0, 2, file.width(), model.width()), (1, 3, file.height(), model.height())];
        for (lo, hi, from, to) in sides {
            let exact = |v: u32| f64::from(v) * f64::from(to) / f64::from(from);
            let (before, after) = (upright.xyxy(), reduced.xyxy());
            let near = |i: usize, most: f64| (exact(before[i]) - f64::from(after[i])).abs() <= most;
            // Half a pixel from rounding, and one more where a side that would vanish keeps one pixel.
            let most = if after[hi] - after[lo] == 1 { 1.5 } else { 0.5 };
            prop_assert!(near(lo, most) && near(hi, most));
        }
    }

    #[test]
    fn grid_boxes_come_back_from_a_thousand_pixels_and_more(
        bbox in grid_boxes(),
        file in sizes(1000..=u32::MAX),
        orientation in orientations(),
    ) {
        let geometry = Geometry::new(file, orientation, file);
        let back = geometry.upright_to_grid(geometry.grid_to_upright(bbox)).unwrap();

        let (before, after) = (bbox.xyxy(), back.xyxy());
        for (lo, hi) in [(0, 2), (1, 3)] {
            if before[lo] < before[hi] {
                prop_assert_eq!((after[lo], after[hi]), (before[lo], before[hi]));
            } else {
                // One pixel was kept, which is one unit at most.
                prop_assert!(before[lo].abs_diff(after[lo]) <= 1 && before[hi].abs_diff(after[hi]) <= 1);
            }
        }
        prop_assert_eq!(geometry.file_to_grid(geometry.grid_to_file(bbox)).unwrap(), back);
    }

    #[test]
    fn pixels_move_by_half_a_grid_unit_at_most(
        (size, pixel_box) in sizes(1..=u32::MAX).prop_flat_map(|size| (Just(size), boxes_in(size))),
    ) {
        let bbox = BBox::from_pixels(pixel_box, size).unwrap();

        let sides = [size.width(), size.height(), size.width(), size.height()];
        for ((grid, pixel), side) in bbox.xyxy().into_iter().zip(pixel_box.xyxy()).zip(sides) {
            // |grid - 1000 pixel / side| <= 1/2, in whole numbers.
            let (grid, pixel, side) = (i128::from(grid), i128::from(pixel), i128::from(side));
            prop_assert!((2 * (grid * side - 1000 * pixel)).abs() <= side);
        }
    }

    #[test]
    fn four_quarter_turns_are_none((geometry, file_box) in photos()) {
        let mut size = geometry.file_size();
        let mut turned = file_box;
        for _ in 0..4 {
            turned = Orientation::QuarterTurn.to_upright(turned, size).unwrap();
            size = Orientation::QuarterTurn.turn_size(size);
        }

        prop_assert_eq!((turned, size), (file_box, geometry.file_size()));
    }

    #[test]
    fn written_regions_are_read_back(
        entries in prop::collection::vec((".*\\S.*", prop::option::of(grid_boxes()), ".*"), 0..8),
        size in sizes(1..=u32::MAX),
    ) {
        let regions: Vec<Region> =
            entries.into_iter().map(|(label, bbox, info)| Region::new(label, bbox, info).unwrap()).collect();
        let set = RegionSet::try_from(regions).unwrap();

        let text = import::regions_json::write(&set);

        prop_assert_eq!(import::regions_json::read(&text, size, import::Edges::Reject).unwrap().regions, set);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[\\[\\]{}<>/\"':,.0-9eE a-z\\n&!-]{0,200}") {
        let size = ImageSize::new(10, 10).unwrap();
        let edges = import::Edges::Clamp;

        let _ = import::regions_json::read(&text, size, edges);
        let _ = import::coco::read(&text, import::coco::CocoImage::Only, size, edges);
        let _ = import::voc::read(&text, size, edges);
        let _ = import::yolo::read(&text, &["dog"], edges);
    }
}
