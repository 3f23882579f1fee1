use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rcmu_core::BBox;

use super::*;
use crate::figurines::{Accessory, Backdrop, Colour, LayoutOptions, Shape, Size, Stand, layout};

/// What the words of colours mean, whatever the drawing makes of them.
const MEANINGS: [(Colour, [i32; 3]); 8] = [
    (Colour::Red, [220, 20, 30]),
    (Colour::Orange, [255, 140, 0]),
    (Colour::Yellow, [255, 220, 0]),
    (Colour::Green, [0, 150, 50]),
    (Colour::Blue, [30, 80, 220]),
    (Colour::Purple, [130, 40, 170]),
    (Colour::White, [250, 250, 250]),
    (Colour::Black, [20, 20, 20]),
];

/// A scene of 256 pixels with one figurine of its own proportions.
fn scene(shape: Shape, colour: Colour, accessory: Option<Accessory>, stand: Option<Stand>) -> SceneSpec {
    let width = (500.0 * aspect(shape, accessory, stand.is_some())) as u16;
    let bbox = BBox::new(210, 330, 210 + width, 830).unwrap();
    let figurine = Figurine { shape, colour, size: Size::Large, accessory, stand, bbox };
    SceneSpec {
        version: SceneSpec::VERSION,
        side: 256,
        backdrop: Backdrop::Studio,
        backdrop_seed: 3,
        figurines: vec![figurine],
    }
}

/// Where two pictures differ: `(x, y)`.
fn differences(a: &RgbImage, b: &RgbImage) -> Vec<(u32, u32)> {
    a.enumerate_pixels().filter(|&(x, y, pixel)| b.get_pixel(x, y) != pixel).map(|(x, y, _)| (x, y)).collect()
}

fn without_figurines(spec: &SceneSpec) -> RgbImage {
    draw(&SceneSpec { figurines: Vec::new(), ..spec.clone() }).unwrap()
}

fn brightness(picture: &RgbImage, [x1, y1, x2, y2]: [u32; 4]) -> f64 {
    let places = (y1..y2).flat_map(|y| (x1..x2).map(move |x| (x, y)));
    let sum: f64 =
        places.map(|(x, y)| picture.get_pixel(x, y).0.iter().map(|&v| f64::from(v)).sum::<f64>()).sum();
    sum / f64::from(3 * (x2 - x1) * (y2 - y1))
}

#[test]
fn a_scene_is_drawn_alike_twice_and_as_the_picture_that_models_see() {
    let spec = layout(&mut ChaCha8Rng::seed_from_u64(9), &LayoutOptions::default());

    let drawn = draw(&spec).unwrap();

    assert_eq!(draw(&spec).unwrap(), drawn);
    let Picture::Rgb { size, pixels } = picture(&spec).unwrap() else { panic!("not pixels") };
    assert_eq!((size.width(), size.height()), (448, 448));
    assert_eq!(&pixels[..], drawn.as_raw().as_slice());
}

#[test]
fn a_box_is_tight_around_everything_drawn_of_a_figurine() {
    for &shape in Shape::ALL {
        for accessory in [None].into_iter().chain(Accessory::ALL.iter().copied().map(Some)) {
            for stand in [None, Some(Stand::Blue)] {
                let spec = scene(shape, Colour::Red, accessory, stand);

                let changed = differences(&draw(&spec).unwrap(), &without_figurines(&spec));

                let case = format!("{shape:?} {accessory:?} {stand:?}");
                let edges = spec.figurines[0].bbox.xyxy().map(|v| f32::from(v) * 0.256);
                let [left, top, right, bottom] = [
                    changed.iter().map(|at| at.0).min().unwrap() as f32 - edges[0],
                    changed.iter().map(|at| at.1).min().unwrap() as f32 - edges[1],
                    edges[2] - 1.0 - changed.iter().map(|at| at.0).max().unwrap() as f32,
                    edges[3] - 1.0 - changed.iter().map(|at| at.1).max().unwrap() as f32,
                ];
                // A pixel that a box's edge runs through may be touched; a fiftieth may be free.
                for (gap, side) in [
                    (left, edges[2] - edges[0]),
                    (right, edges[2] - edges[0]),
                    (top, edges[3] - edges[1]),
                    (bottom, edges[3] - edges[1]),
                ] {
                    assert!(gap > -1.0 && gap <= side / 50.0, "{case}: {left} {top} {right} {bottom}");
                }
            }
        }
    }
}

#[test]
fn a_body_has_the_colour_of_its_word_before_every_backdrop() {
    for &shape in Shape::ALL {
        for &backdrop in Backdrop::ALL {
            for (at, (colour, _)) in MEANINGS.into_iter().enumerate() {
                let spec = SceneSpec { side: 128, backdrop, ..scene(shape, colour, None, None) };
                let other =
                    SceneSpec { side: 128, backdrop, ..scene(shape, MEANINGS[(at + 3) % 8].0, None, None) };

                // What changes much with the colour is the body.
                let (picture, other) = (draw(&spec).unwrap(), draw(&other).unwrap());
                let change = |&(x, y): &(u32, u32)| -> u32 {
                    let pairs = picture.get_pixel(x, y).0.into_iter().zip(other.get_pixel(x, y).0);
                    pairs.map(|(a, b)| u32::from(a.abs_diff(b))).sum()
                };
                let mut body = differences(&picture, &other);
                body.retain(|at| change(at) > 150);
                assert!(body.len() > 200, "{shape:?} {colour:?}: {}", body.len());
                // The median, since outlines are not the body.
                let middle: [i32; 3] = std::array::from_fn(|c| {
                    let mut values: Vec<u8> =
                        body.iter().map(|&(x, y)| picture.get_pixel(x, y).0[c]).collect();
                    values.sort_unstable();
                    i32::from(values[values.len() / 2])
                });

                let distance = |rgb: [i32; 3]| -> i32 { (0..3).map(|c| (rgb[c] - middle[c]).pow(2)).sum() };
                let nearest = MEANINGS.into_iter().min_by_key(|(_, rgb)| distance(*rgb)).unwrap().0;
                assert_eq!(nearest, colour, "{shape:?} on {backdrop:?}: {middle:?}");
            }
        }
    }
}

#[test]
fn figurines_of_all_colours_stand_out_from_every_backdrop() {
    for &backdrop in Backdrop::ALL {
        for &colour in Colour::ALL {
            for &shape in Shape::ALL {
                let spec = SceneSpec { backdrop, ..scene(shape, colour, None, None) };
                let (picture, empty) = (draw(&spec).unwrap(), without_figurines(&spec));

                let toy = differences(&picture, &empty);
                let difference = |&(x, y): &(u32, u32)| -> u32 {
                    let pairs = picture.get_pixel(x, y).0.into_iter().zip(empty.get_pixel(x, y).0);
                    pairs.map(|(a, b)| u32::from(a.abs_diff(b))).max().unwrap_or(0)
                };
                let mean = toy.iter().map(difference).sum::<u32>() / toy.len() as u32;

                assert!(mean >= 30, "{shape:?} {colour:?} on {backdrop:?}: {mean}");
            }
        }
    }
}

#[test]
fn no_two_shapes_have_the_same_silhouette() {
    let silhouettes: Vec<Vec<bool>> = Shape::ALL
        .iter()
        .map(|&shape| {
            let spec = scene(shape, Colour::Black, None, None);
            let (picture, empty) = (draw(&spec).unwrap(), without_figurines(&spec));
            let [x1, y1, x2, y2] = spec.figurines[0].bbox.xyxy().map(|v| f32::from(v) * 0.256);
            // Its box as 32 x 32 cells, without the faint shadow.
            (0..32 * 32)
                .map(|cell| {
                    let x = x1 + (x2 - x1) * ((cell % 32) as f32 + 0.5) / 32.0;
                    let y = y1 + (y2 - y1) * ((cell / 32) as f32 + 0.5) / 32.0;
                    let [a, b] = [&picture, &empty].map(|it| it.get_pixel(x as u32, y as u32).0);
                    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>() > 150
                })
                .collect()
        })
        .collect();

    for (at, a) in silhouettes.iter().enumerate() {
        for (other, b) in silhouettes.iter().enumerate().skip(at + 1) {
            let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();

            // A tenth of the cells.
            assert!(differ > 102, "{:?} and {:?}: {differ}", Shape::ALL[at], Shape::ALL[other]);
        }
    }
}

#[test]
fn light_falls_from_the_left_and_heights_differ() {
    for &backdrop in Backdrop::ALL {
        for backdrop_seed in 0..8 {
            let spec = SceneSpec { backdrop, backdrop_seed, ..scene(Shape::Bear, Colour::Red, None, None) };
            let picture = without_figurines(&spec);

            let left = brightness(&picture, [0, 100, 64, 256]);
            let right = brightness(&picture, [192, 100, 256, 256]);
            let (high, low) =
                (brightness(&picture, [0, 96, 256, 136]), brightness(&picture, [0, 204, 256, 244]));

            // A fifth of the light is lost from edge to edge, so 15 % between the middles of the outer quarters.
            assert!((0.8..0.9).contains(&(right / left)), "{backdrop:?}: {left} {right}");
            assert!(low < high * 0.95, "{backdrop:?}: {high} {low}");
        }
    }
}

#[test]
fn a_scene_looks_the_same_at_every_size() {
    for seed in 0..6 {
        let options = LayoutOptions { side: 224, ..LayoutOptions::default() };
        let spec = layout(&mut ChaCha8Rng::seed_from_u64(seed), &options);

        let small = draw(&spec).unwrap();
        let large = draw(&SceneSpec { side: 448, ..spec }).unwrap();

        let mut total = 0.0;
        for (x, y, pixel) in small.enumerate_pixels() {
            for (c, value) in pixel.0.into_iter().enumerate() {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)];
                let sum: u32 =
                    four.iter().map(|(dx, dy)| u32::from(large.get_pixel(2 * x + dx, 2 * y + dy).0[c])).sum();
                total += (f64::from(sum) / 4.0 - f64::from(value)).abs();
            }
        }
        let mean = total / f64::from(3 * 224 * 224);
        assert!(mean < 1.0, "scene {seed}: {mean} levels");
    }
}

#[test]
fn even_the_smallest_boxes_are_drawn() {
    for (x2, y2) in [(1, 1), (1, 1000), (1000, 1)] {
        for side in [64, 1024] {
            let bbox = BBox::new(0, 0, x2, y2).unwrap();
            for &shape in Shape::ALL {
                let mut spec = scene(shape, Colour::Red, Some(Accessory::Hat), Some(Stand::Red));
                spec.side = side;
                spec.figurines[0].bbox = bbox;

                assert_eq!(draw(&spec).unwrap().width(), side);
            }
        }
    }
}
