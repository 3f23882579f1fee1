use std::collections::BTreeSet;

use rand_chacha::rand_core::SeedableRng;

use super::*;

fn scenes(options: &LayoutOptions) -> Vec<SceneSpec> {
    (0..2000).map(|seed| layout(&mut ChaCha8Rng::seed_from_u64(seed), options)).collect()
}

#[test]
fn a_colour_that_is_always_there_is_there_once() {
    for combos in [Combos::TrainingOnly, Combos::HeldOutAtLeastOne, Combos::All] {
        let options = LayoutOptions { always: Some(Colour::Pink), combos, ..LayoutOptions::default() };
        for scene in scenes(&options) {
            let is_pink = |figurine: &&Figurine| figurine.colour == Colour::Pink;
            let pink: Vec<_> = scene.figurines.iter().filter(is_pink).collect();
            assert_eq!(pink.len(), 1, "{scene:?}");
            let held_out = scene.figurines.iter().any(|it| is_held_out(it.shape, it.colour));
            match combos {
                Combos::TrainingOnly => assert!(!held_out, "{scene:?}"),
                Combos::HeldOutAtLeastOne => assert!(held_out, "{scene:?}"),
                Combos::All => {}
            }
        }
    }
}

fn corners(figurine: &Figurine) -> [i32; 4] {
    figurine.bbox.xyxy().map(i32::from)
}

#[test]
fn boxes_of_two_thousand_scenes_keep_apart_and_have_coordinates_of_three_digits() {
    for stands in [false, true] {
        for spec in scenes(&LayoutOptions { stands, ..LayoutOptions::default() }) {
            spec.check().unwrap();
            for (at, figurine) in spec.figurines.iter().enumerate() {
                let own = corners(figurine);
                assert!(own.iter().all(|v| (100..=990).contains(v)), "{own:?}");
                assert!(spec.figurines[..at].iter().all(|other| apart(own, corners(other))), "{spec:?}");
            }
        }
    }
}

#[test]
fn figurines_of_a_scene_differ_in_shape_or_colour() {
    for spec in scenes(&LayoutOptions::default()) {
        let looks: BTreeSet<_> = spec.figurines.iter().map(|it| (it.shape, it.colour)).collect();

        assert_eq!(looks.len(), spec.figurines.len());
        assert!((2..=4).contains(&spec.figurines.len()));
        assert!(looks.iter().all(|(_, colour)| *colour != Colour::Pink));
    }
}

#[test]
fn small_and_large_figurines_differ_in_height() {
    let options = LayoutOptions { figurines: 1..=4, ..LayoutOptions::default() };
    for figurine in scenes(&options).into_iter().flat_map(|spec| spec.figurines) {
        let [_, top, _, bottom] = corners(&figurine);

        match figurine.size {
            Size::Small => assert!((270..340).contains(&(bottom - top))),
            Size::Large => assert!((370..420).contains(&(bottom - top))),
        }
    }
}

#[test]
fn figurines_come_everywhere() {
    // Where boxes begin, as a share of where they may begin, in 3 x 3 cells.
    let shares = |most: usize| {
        let (mut cells, mut figurines) = ([0_usize; 9], 0);
        for spec in scenes(&LayoutOptions { figurines: 1..=most, ..LayoutOptions::default() }) {
            for [x1, y1, x2, y2] in spec.figurines.iter().map(corners) {
                let cell = |low, high| 3 * (low - ROOM[0]) / (ROOM[1] - ROOM[0] - (high - low) + 1);
                cells[(3 * cell(y1, y2) + cell(x1, x2)) as usize] += 1;
                figurines += 1;
            }
        }
        cells.map(|count| 100.0 * f64::from(count as u32) / f64::from(figurines))
    };

    // A ninth, 11.1 %, in each cell, standard deviation sqrt(2000 * 1/9 * 8/9) / 20 = 0.7: five of them.
    let alone = shares(1);
    assert!(alone.iter().all(|share| (7.6..=14.6).contains(share)), "{alone:?}");
    // Figurines that give way to one another come to corners more often and to the middle less.
    let together = shares(4);
    assert!(together.iter().all(|share| (3.0..=18.0).contains(share)), "{together:?}");
}

#[test]
fn the_order_tells_nothing_of_places_and_sizes() {
    let options = LayoutOptions { figurines: 4..=4, ..LayoutOptions::default() };
    let mut sums = [[0.0; 3]; 4];

    for spec in scenes(&options) {
        for (sum, figurine) in sums.iter_mut().zip(&spec.figurines) {
            let [x1, y1, x2, y2] = corners(figurine);
            sum[0] += f64::from(x1 + x2) / 2.0;
            sum[1] += f64::from(y1 + y2) / 2.0;
            sum[2] += f64::from((x2 - x1) * (y2 - y1)).sqrt();
        }
    }

    // Middles vary by at most half the room (445) about the mean, sides by less: 445 / sqrt(2000) = 10, and five
    // such deviations are 50. The means of all places are those of a scene turned by any symmetry: the middle.
    for [x, y, side] in sums.map(|sum| sum.map(|value| value / 2000.0)) {
        assert!((x - 545.0).abs() < 50.0 && (y - 545.0).abs() < 50.0, "{x} {y}");
        assert!((side - sums[0][2] / 2000.0).abs() < 10.0, "{side}");
    }
}

#[test]
fn one_pair_of_eight_is_held_out_and_each_shape_and_colour_stays_known() {
    let colours: Vec<Colour> = LayoutOptions::default().colours;
    let pairs = || Shape::ALL.iter().flat_map(|&shape| colours.iter().map(move |&colour| (shape, colour)));

    let (held_out, known): (Vec<_>, Vec<_>) =
        pairs().partition(|&(shape, colour)| is_held_out(shape, colour));

    assert_eq!((held_out.len(), known.len()), (8, 56));
    for &shape in Shape::ALL {
        assert_eq!(held_out.iter().filter(|pair| pair.0 == shape).count(), 1);
    }
    for &colour in &colours {
        assert_eq!(held_out.iter().filter(|pair| pair.1 == colour).count(), 1);
    }
}

#[test]
fn pink_is_held_out_where_its_neighbours_are() {
    let held_out: Vec<_> =
        Shape::ALL.iter().filter(|&&shape| is_held_out(shape, Colour::Pink)).copied().collect();

    assert!(is_held_out(Shape::Bear, Colour::Purple) && is_held_out(Shape::Mushroom, Colour::Red));
    assert_eq!(held_out, [Shape::Bear, Shape::Mushroom]);
}

#[test]
fn combos_decide_over_held_out_pairs() {
    let count = |combos| {
        let options = LayoutOptions { combos, ..LayoutOptions::default() };
        let held_out = |spec: &SceneSpec| spec.figurines.iter().any(|it| is_held_out(it.shape, it.colour));
        scenes(&options).iter().filter(|spec| held_out(spec)).count()
    };

    assert_eq!(count(Combos::TrainingOnly), 0);
    assert_eq!(count(Combos::HeldOutAtLeastOne), 2000);
    assert!((1..2000).contains(&count(Combos::All)));
}

#[test]
fn four_display_boxes_have_four_colours() {
    let options = LayoutOptions { figurines: 4..=4, stands: true, ..LayoutOptions::default() };
    for spec in scenes(&options) {
        let stands: BTreeSet<_> = spec.figurines.iter().filter_map(|it| it.stand).collect();

        assert_eq!(stands.len(), 4);
    }
}

#[test]
fn the_largest_figurines_fit_into_the_corners() {
    let widest = |height: i32| {
        let aspects = Shape::ALL.iter().map(|&shape| aspect(shape, None, true));
        [(height as f32 * aspects.fold(0.0, f32::max) + 0.5) as i32, height]
    };
    let (small, large) = (widest(339), widest(419));

    for rooms in [vec![large, large], vec![large, small, small, small], vec![small, small, large, small]] {
        let placed = in_corners(&rooms);

        for (at, room) in placed.iter().enumerate() {
            assert!(room.iter().all(|v| (100..=990).contains(v)), "{room:?}");
            assert!(placed[..at].iter().all(|other| apart(*other, *room)), "{placed:?}");
        }
    }
}

#[test]
fn options_that_leave_nothing_to_draw_make_an_empty_scene() {
    let options = LayoutOptions { colours: Vec::new(), backdrops: Vec::new(), ..LayoutOptions::default() };

    let spec = layout(&mut ChaCha8Rng::seed_from_u64(1), &options);

    assert!(spec.figurines.is_empty());
    spec.check().unwrap();
}
