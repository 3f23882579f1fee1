use std::ops::RangeInclusive;

use rand_chacha::{ChaCha8Rng, rand_core::RngCore as _};
use rcmu_core::BBox;

use super::{
    Accessory, Backdrop, Colour, Figurine, SceneSpec, Shape, Size, Stand,
    chance::{below, percent, pick, shuffle},
    draw::aspect,
};

/// Which pairs of shape and colour a scene may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combos {
    /// Those for training.
    TrainingOnly,
    /// At least one that no training scene has.
    HeldOutAtLeastOne,
    /// Any.
    #[default]
    All,
}

/// What scenes look like.
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutOptions {
    /// Side of the picture in pixels.
    pub side: u32,
    /// Fewest and most figurines, at most 4.
    pub figurines: RangeInclusive<usize>,
    /// Whether some figurines wear something.
    pub accessories: bool,
    /// Whether figurines stand in display boxes of different colours.
    pub stands: bool,
    /// What may stand behind them.
    pub backdrops: Vec<Backdrop>,
    /// Colours of figurines.
    pub colours: Vec<Colour>,
    /// A colour that one figurine has in every scene, whether or not it is among `colours`.
    pub always: Option<Colour>,
    /// Shapes of figurines.
    pub shapes: Vec<Shape>,
    /// Which pairs of shape and colour.
    pub combos: Combos,
}

impl Default for LayoutOptions {
    fn default() -> Self {
        Self {
            side: 448,
            figurines: 2..=4,
            accessories: true,
            stands: false,
            backdrops: Backdrop::ALL.to_vec(),
            colours: Colour::ALL.iter().copied().filter(|colour| *colour != Colour::Pink).collect(),
            always: None,
            shapes: Shape::ALL.to_vec(),
            combos: Combos::All,
        }
    }
}

/// Whether training scenes leave this pair out: one of eight, so that each shape and each colour stays known.
///
/// Pink lies between red and purple, and is left out where they are: of a shape that is pink in scenes and never purple,
/// a model can only learn that whatever looks a little purple is pink.
pub fn is_held_out(shape: Shape, colour: Colour) -> bool {
    if colour == Colour::Pink {
        return [Colour::Red, Colour::Purple].iter().any(|&near| is_held_out(shape, near));
    }
    (3 * shape as usize + colour as usize) % 8 == 5
}

/// Grid units between boxes.
const MARGIN: i32 = 12;
/// Where boxes may begin and end. All coordinates have three digits, so that every box is written with equally many
/// tokens: reading them is a matter of looking back so many places.
const ROOM: [i32; 2] = [100, 990];

/// Makes a random scene. Figurines of a scene differ in shape or colour, their boxes do not touch, and their order
/// says nothing about their places.
pub fn layout(rng: &mut ChaCha8Rng, options: &LayoutOptions) -> SceneSpec {
    let most = (*options.figurines.end()).min(4);
    let fewest = (*options.figurines.start()).min(most);
    let count = fewest + below(rng, most - fewest + 1);
    let mut looks = looks(rng, options, count);
    if let Some(colour) = options.always {
        have(rng, options, colour, &mut looks);
    }
    let mut stands = Stand::ALL.to_vec();
    shuffle(rng, &mut stands);
    // Four figurines always fit if at most one of them is large.
    let large = if percent(rng, 50) { below(rng, count.max(1)) } else { usize::MAX };
    let mut figurines: Vec<Figurine> = Vec::new();
    for (at, (shape, colour)) in looks.into_iter().enumerate() {
        let is_large = at == large || (count <= 2 && percent(rng, 40));
        figurines.push(Figurine {
            shape,
            colour,
            size: if is_large { Size::Large } else { Size::Small },
            accessory: (options.accessories && percent(rng, 50)).then(|| *pick(rng, Accessory::ALL)),
            stand: options.stands.then(|| stands[at % stands.len()]),
            bbox: to_bbox([0, 0, 1, 1]),
        });
    }
    let rooms: Vec<[i32; 2]> = figurines.iter().map(|figurine| room(rng, figurine)).collect();
    for (figurine, bbox) in figurines.iter_mut().zip(places(rng, &rooms)) {
        figurine.bbox = bbox;
    }
    // Those placed later had less room: without this, the order would tell of places.
    shuffle(rng, &mut figurines);
    let backdrops = if options.backdrops.is_empty() { Backdrop::ALL } else { options.backdrops.as_slice() };
    SceneSpec {
        version: SceneSpec::VERSION,
        side: options.side,
        backdrop: *pick(rng, backdrops),
        backdrop_seed: rng.next_u32(),
        figurines,
    }
}

/// Width and height of an undistorted figurine on the grid.
fn room(rng: &mut ChaCha8Rng, figurine: &Figurine) -> [i32; 2] {
    let height = match figurine.size {
        // Under a hat, too, there should be something to see.
        Size::Small if figurine.accessory == Some(Accessory::Hat) => 290 + below(rng, 50) as i32,
        Size::Small => 270 + below(rng, 50) as i32,
        Size::Large => 370 + below(rng, 50) as i32,
    };
    let aspect = aspect(figurine.shape, figurine.accessory, figurine.stand.is_some());
    [(height as f32 * aspect + 0.5) as i32, height]
}

/// Different pairs of shape and colour.
fn looks(rng: &mut ChaCha8Rng, options: &LayoutOptions, count: usize) -> Vec<(Shape, Colour)> {
    let mut pairs: Vec<(Shape, Colour)> = options
        .shapes
        .iter()
        .flat_map(|&shape| options.colours.iter().map(move |&colour| (shape, colour)))
        .collect();
    if options.combos == Combos::TrainingOnly {
        pairs.retain(|&(shape, colour)| !is_held_out(shape, colour));
    }
    shuffle(rng, &mut pairs);
    if options.combos == Combos::HeldOutAtLeastOne
        && let Some(found) = pairs.iter().position(|&(shape, colour)| is_held_out(shape, colour))
    {
        let place = below(rng, count.max(1));
        let last = pairs.len() - 1;
        pairs.swap(found, place.min(last));
    }
    pairs.truncate(count);
    pairs
}

/// Gives one of the figurines this colour, unless one has it; not one whose look is held out, where there is another.
fn have(rng: &mut ChaCha8Rng, options: &LayoutOptions, colour: Colour, looks: &mut [(Shape, Colour)]) {
    if looks.iter().any(|look| look.1 == colour) {
        return;
    }
    let ordinary: Vec<_> = (0..looks.len()).filter(|&at| !is_held_out(looks[at].0, looks[at].1)).collect();
    let shapes: Vec<_> = options
        .shapes
        .iter()
        .filter(|&&shape| options.combos != Combos::TrainingOnly || !is_held_out(shape, colour))
        .collect();
    if looks.is_empty() || shapes.is_empty() {
        return;
    }
    let at = if ordinary.is_empty() { 0 } else { *pick(rng, &ordinary) };
    looks[at] = (**pick(rng, &shapes), colour);
}

/// Boxes of these widths and heights that do not touch, anywhere in the picture.
fn places(rng: &mut ChaCha8Rng, rooms: &[[i32; 2]]) -> Vec<BBox> {
    for _ in 0..200 {
        let mut placed: Vec<[i32; 4]> = Vec::new();
        for &[width, height] in rooms {
            let free = (0..40).find_map(|_| {
                let x = ROOM[0] + below(rng, (ROOM[1] - ROOM[0] - width + 1) as usize) as i32;
                let y = ROOM[0] + below(rng, (ROOM[1] - ROOM[0] - height + 1) as usize) as i32;
                let room = [x, y, x + width, y + height];
                placed.iter().all(|other| apart(*other, room)).then_some(room)
            });
            placed.extend(free);
        }
        if placed.len() == rooms.len() {
            return placed.into_iter().map(to_bbox).collect();
        }
    }
    in_corners(rooms).into_iter().map(to_bbox).collect()
}

/// The places that are left when chance finds none: two figurines fit one above the other, and four in the corners if
/// at most one of them is large.
fn in_corners(rooms: &[[i32; 2]]) -> Vec<[i32; 4]> {
    let corners =
        rooms.iter().zip([[0, 0], [1, 1], [1, 0], [0, 1]]).map(|(&[width, height], [right, low])| {
            let x = if right == 1 { ROOM[1] - width } else { ROOM[0] };
            let y = if low == 1 { ROOM[1] - height } else { ROOM[0] };
            [x, y, x + width, y + height]
        });
    corners.collect()
}

fn to_bbox(room: [i32; 4]) -> BBox {
    let [x1, y1, x2, y2] = room.map(|v| v.clamp(0, 1000) as u16);
    BBox::new(x1, y1, x2, y2).expect("rooms have area and lie in the picture")
}

fn apart(a: [i32; 4], b: [i32; 4]) -> bool {
    a[2] + MARGIN <= b[0] || b[2] + MARGIN <= a[0] || a[3] + MARGIN <= b[1] || b[3] + MARGIN <= a[1]
}

#[cfg(test)]
mod tests;
