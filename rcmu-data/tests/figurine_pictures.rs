//! What is drawn is what the specification says, where it says.

use image::RgbImage;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rcmu_core::BBox;
use rcmu_data::figurines::{
    Backdrop, Colour, Combos, Figurine, LayoutOptions, SceneSpec, Shape, Size, Stand, draw, is_held_out,
    layout,
};
use sha2::{Digest, Sha256};

fn spec(backdrop: Backdrop, figurines: Vec<Figurine>) -> SceneSpec {
    SceneSpec { version: SceneSpec::VERSION, side: 200, backdrop, backdrop_seed: 3, figurines }
}

fn figurine(shape: Shape, colour: Colour) -> Figurine {
    let bbox = BBox::new(300, 250, 650, 650).expect("corners in order");
    Figurine { shape, colour, size: Size::Large, accessory: None, stand: None, bbox }
}

/// Pixels in which two pictures differ by more than a trace, as `[left, top, right, bottom]`, half open.
fn changed(a: &RgbImage, b: &RgbImage) -> [u32; 4] {
    let mut found = [u32::MAX, u32::MAX, 0, 0];
    for (x, y, pixel) in a.enumerate_pixels() {
        let other = b.get_pixel(x, y);
        if pixel.0.iter().zip(other.0).any(|(a, b)| a.abs_diff(b) > 8) {
            found = [found[0].min(x), found[1].min(y), found[2].max(x + 1), found[3].max(y + 1)];
        }
    }
    found
}

#[test]
fn a_figurine_fills_its_box_and_nothing_else() {
    for &backdrop in &[Backdrop::Studio, Backdrop::Meadow] {
        let empty = draw(&spec(backdrop, Vec::new())).unwrap();
        for &shape in Shape::ALL {
            for stand in [None, Some(Stand::Red)] {
                let toy = Figurine { stand, ..figurine(shape, Colour::Red) };
                let [x1, y1, x2, y2] = changed(&draw(&spec(backdrop, vec![toy])).unwrap(), &empty);

                // The box is 60..130 by 50..130 in pixels; 2 % of the picture's side are 4.
                assert!(x1 >= 60 && y1 >= 50 && x2 <= 130 && y2 <= 130, "{shape:?}: {x1} {y1} {x2} {y2}");
                assert!(x1 <= 64 && y1 <= 54 && x2 >= 126 && y2 >= 126, "{shape:?}: {x1} {y1} {x2} {y2}");
            }
        }
    }
}

#[test]
fn the_most_frequent_strong_colour_is_that_of_the_body() {
    // What a person would call these colours; the drawing has shades of its own.
    let names: [(Colour, [i32; 3]); 8] = [
        (Colour::Red, [220, 30, 30]),
        (Colour::Orange, [250, 140, 20]),
        (Colour::Yellow, [250, 220, 40]),
        (Colour::Green, [40, 160, 60]),
        (Colour::Blue, [40, 90, 220]),
        (Colour::Purple, [140, 60, 180]),
        (Colour::White, [245, 245, 245]),
        (Colour::Black, [30, 30, 35]),
    ];
    let nearest = |pixel: [u8; 3]| {
        let distance = |rgb: [i32; 3]| (0..3).map(|c| (i32::from(pixel[c]) - rgb[c]).pow(2)).sum::<i32>();
        names.iter().min_by_key(|(_, rgb)| distance(*rgb)).expect("eight").0
    };
    for &backdrop in Backdrop::ALL {
        for &shape in Shape::ALL {
            for (colour, _) in names {
                let scene = spec(backdrop, vec![figurine(shape, colour)]);
                let picture = draw(&scene).unwrap();
                let empty = draw(&spec(backdrop, Vec::new())).unwrap();
                let mut counts = std::collections::HashMap::new();
                for (x, y, pixel) in picture.enumerate_pixels() {
                    if pixel != empty.get_pixel(x, y) {
                        *counts.entry(nearest(pixel.0)).or_insert(0) += 1;
                    }
                }
                // Eyes, faces and bellies are light or dark whatever the body's colour.
                if !matches!(colour, Colour::White | Colour::Black) {
                    counts.retain(|name, _| !matches!(name, Colour::White | Colour::Black));
                }
                let most = counts.iter().max_by_key(|entry| *entry.1).map(|entry| *entry.0);
                assert_eq!(most, Some(colour), "{shape:?} in front of {backdrop:?}: {counts:?}");
            }
        }
    }
}

#[test]
fn layouts_keep_figurines_apart_and_use_the_whole_picture() {
    let mut middles = [[0; 3]; 3];
    for seed in 0..2000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scene =
            layout(&mut rng, &LayoutOptions { combos: Combos::TrainingOnly, ..LayoutOptions::default() });

        scene.check().unwrap();
        assert!((2..=4).contains(&scene.figurines.len()));
        for toy in &scene.figurines {
            let [x1, y1, x2, y2] = toy.bbox.xyxy();
            assert!([x1, y1, x2, y2].iter().all(|v| (100..1000).contains(v)), "three digits: {:?}", toy.bbox);
            assert!(!is_held_out(toy.shape, toy.colour));
            let third = |a: u16, b: u16| usize::from(a.midpoint(b)).clamp(250, 849).saturating_sub(250) / 200;
            middles[third(y1, y2)][third(x1, x2)] += 1;
        }
    }
    let total: i32 = middles.iter().flatten().sum();
    for count in middles.iter().flatten() {
        // A ninth each, if all places were alike; figurines of up to 0.4 cannot have their middle everywhere.
        assert!((total / 30..total / 4).contains(count), "{middles:?}");
    }
}

#[test]
fn a_held_out_pair_is_in_every_scene_that_asks_for_one() {
    for seed in 0..300 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let options = LayoutOptions { combos: Combos::HeldOutAtLeastOne, ..LayoutOptions::default() };
        let scene = layout(&mut rng, &options);
        assert!(scene.figurines.iter().any(|toy| is_held_out(toy.shape, toy.colour)), "seed {seed}");
    }
    // Every shape and every ordinary colour stays known from other pairs.
    for &shape in Shape::ALL {
        assert!(Colour::ALL.iter().filter(|&&colour| !is_held_out(shape, colour)).count() >= 7);
    }
}

#[test]
fn the_same_scene_gives_the_same_bytes_on_every_platform() {
    // Pins version 2 of the drawing; says nothing about its looks. A change of these needs another version.
    let pins = PINS;
    for (seed, pin) in (0..).zip(pins) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scene = layout(&mut rng, &LayoutOptions { stands: seed == 2, ..LayoutOptions::default() });
        let digest = Sha256::digest(draw(&scene).unwrap().as_raw());
        let found = format!("{:016x}", u64::from_be_bytes(std::array::from_fn(|at| digest[at])));
        assert_eq!(found, pin, "seed {seed}");
    }
}

const PINS: [&str; 3] = ["b368e8b53619314e", "afd2dfce99640f78", "f1dd2625197cbff1"];

#[test]
fn scenes_that_cannot_be_drawn_are_refused_by_field() {
    let refused = |scene: SceneSpec| draw(&scene).expect_err("it cannot be drawn").to_string();
    let good = || spec(Backdrop::Studio, vec![figurine(Shape::Bear, Colour::Red)]);

    assert_eq!(refused(SceneSpec { version: 7, ..good() }), "`version` is 7, this drawing is 2");
    assert_eq!(refused(SceneSpec { side: 63, ..good() }), "`side` is 63, 64..=1024 are possible");
    let twice = vec![figurine(Shape::Bear, Colour::Red), figurine(Shape::Owl, Colour::Red)];
    assert_eq!(refused(spec(Backdrop::Studio, twice)), "`figurines[1].bbox` overlaps that of figurine 0");
    let line = Figurine { bbox: BBox::new(5, 5, 5, 9).unwrap(), ..figurine(Shape::Bear, Colour::Red) };
    assert_eq!(refused(spec(Backdrop::Studio, vec![line])), "`figurines[0].bbox` has no area");
    let crowd = vec![figurine(Shape::Bear, Colour::Red); 7];
    assert_eq!(refused(spec(Backdrop::Studio, crowd)), "`figurines` has 7 figurines, the most are 6");
}
