use crate::figurines::{
    Figurine, SceneSpec,
    phrases::{Phrasing, contextual::phrasings},
};

/// How far two centres must lie apart, in thousandths of the side, before one is called left of or above the other.
const CLEAR: u16 = 120;
/// How far a centre must lie from the middle of the picture to be in a corner.
const OFF_CENTRE: u16 = 80;

/// `red robot`.
pub(crate) fn noun(figurine: &Figurine) -> String {
    format!("{} {}", figurine.colour.word(), figurine.shape.word())
}

/// Something that can be seen of a figurine and is asked for.
///
/// Size and place are not asked for: the box in the prompt already tells them without the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Aspect {
    /// Colour and shape.
    Look,
    /// The colour of its body.
    Colour,
    /// What it shows.
    Shape,
    /// What it wears.
    Accessory,
    /// The colour of its display box.
    Stand,
}

impl Aspect {
    pub(crate) const ALL: [Self; 5] = [Self::Look, Self::Colour, Self::Shape, Self::Accessory, Self::Stand];
}

/// What a figurine says about an aspect; `None` for an accessory or a display box that it does not have.
pub(crate) fn visual_value(figurine: &Figurine, aspect: Aspect) -> Option<String> {
    match aspect {
        Aspect::Look => Some(noun(figurine)),
        Aspect::Colour => Some(figurine.colour.word().into()),
        Aspect::Shape => Some(figurine.shape.word().into()),
        Aspect::Accessory => figurine.accessory.map(|accessory| accessory.word().into()),
        Aspect::Stand => figurine.stand.map(|stand| stand.word().into()),
    }
}

/// How an aspect is asked of a figurine `{x}`; where the value is a noun, `{v}` comes with its article.
pub(crate) fn visual_phrasings(aspect: Aspect) -> &'static [Phrasing] {
    match aspect {
        Aspect::Look => phrasings![
            "look-1": "What does {x} look like?" => "It{k} is {v}.",
            "look-2": "Which one is {x}?" => "It{k} is {v}.",
            "look-3": "What is {x}?" => "It{k} is {v}.",
        ],
        Aspect::Colour => phrasings![
            "colour-1": "What colour is {x}?" => "It{k} is {v}.",
            "colour-2": "What is the colour of {x}?" => "The colour{k} is {v}.",
            "colour-3": "Which colour does {x} have?" => "It{k} is {v}.",
        ],
        Aspect::Shape => phrasings![
            "shape-1": "What does {x} show?" => "It{k} shows {v}.",
            "shape-2": "What kind of figurine is {x}?" => "It{k} is {v}.",
            "shape-3": "Which kind of figurine is {x}?" => "It{k} is {v}.",
        ],
        Aspect::Accessory => phrasings![
            "accessory-1": "What does {x} wear?" => "It{k} wears {v}.",
            "accessory-2": "What is {x} wearing?" => "It{k} wears {v}.",
            "accessory-3": "What does {x} have on?" => "It{k} wears {v}.",
        ],
        Aspect::Stand => phrasings![
            "stand-1": "In which box is {x}?" => "It{k} is in the {v} box.",
            "stand-2": "What colour is the box of {x}?" => "The box{k} is {v}.",
            "stand-3": "Which box is {x} in?" => "It{k} is in the {v} box.",
        ],
    }
}

/// A name for one figurine that fits no other of the scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    /// What it goes by, for the provenance of an item.
    pub(crate) id: &'static str,
    /// The words, such as `the red robot`.
    pub(crate) text: String,
    /// How often it is chosen beside the others.
    pub(crate) weight: u32,
}

/// The names that fit this figurine and no other of the scene, by what it looks like and where it stands.
pub(crate) fn visual_expressions(scene: &SceneSpec, target: usize) -> Vec<Expression> {
    let mut found = looks(scene, target);
    let place = |text: &str| Expression { id: "place", text: format!("the figurine {text}"), weight: 2 };
    found.extend(place_words(scene, target).map(place));
    found
}

/// The names that fit this figurine and no other of the scene, by what it looks like alone.
pub(crate) fn looks(scene: &SceneSpec, target: usize) -> Vec<Expression> {
    let it = scene.figurines[target];
    let is_alone = |same: &dyn Fn(&Figurine) -> bool| {
        scene.figurines.iter().enumerate().all(|(at, other)| at == target || !same(other))
    };
    let mut found = Vec::new();
    let mut add = |id, weight, fits: bool, text: String| {
        if fits {
            found.push(Expression { id, text, weight });
        }
    };
    let same_look = |other: &Figurine| other.shape == it.shape && other.colour == it.colour;
    add("look", 8, is_alone(&same_look), format!("the {}", noun(&it)));
    add("shape", 3, is_alone(&|other| other.shape == it.shape), format!("the {}", it.shape.word()));
    let colour = format!("the {} figurine", it.colour.word());
    add("colour", 3, is_alone(&|other| other.colour == it.colour), colour);
    let size = format!("the {} figurine", it.size.word());
    add("size", 1, scene.figurines.len() > 1 && is_alone(&|other| other.size == it.size), size);
    if let Some(accessory) = it.accessory {
        let text = format!("the figurine with the {}", accessory.word());
        add("accessory", 2, is_alone(&|other| other.accessory == it.accessory), text);
    }
    if let Some(stand) = it.stand {
        let text = format!("the figurine in the {} box", stand.word());
        add("stand", 4, is_alone(&|other| other.stand == it.stand), text);
    }
    found
}

/// Twice the centre of a figurine, in thousandths of the side.
fn double_centre(figurine: &Figurine) -> (u16, u16) {
    let [x1, y1, x2, y2] = figurine.bbox.xyxy();
    (x1 + x2, y1 + y2)
}

/// `on the left` for the figurine that is clearly the left-most, and the like for the other sides.
fn place_words(scene: &SceneSpec, target: usize) -> impl Iterator<Item = &'static str> {
    let (x, y) = double_centre(&scene.figurines[target]);
    let others: Vec<_> = scene.figurines.iter().enumerate().filter(|(at, _)| *at != target).collect();
    let clear = |before: &dyn Fn((u16, u16)) -> bool| {
        !others.is_empty() && others.iter().all(|(_, other)| before(double_centre(other)))
    };
    let sides = [
        (clear(&|(other, _)| x + 2 * CLEAR <= other), "on the left"),
        (clear(&|(other, _)| other + 2 * CLEAR <= x), "on the right"),
        (clear(&|(_, other)| y + 2 * CLEAR <= other), "at the top"),
        (clear(&|(_, other)| other + 2 * CLEAR <= y), "at the bottom"),
    ];
    sides.into_iter().filter_map(|(fits, text)| fits.then_some(text))
}

/// Where a figurine stands, as the picture shows it: a corner such as `top left`, or a side on which it clearly is.
pub(crate) fn place(figurine: &Figurine) -> Option<&'static str> {
    let (x, y) = double_centre(figurine);
    Some(match (half(x), half(y)) {
        (Half::Low, Half::Low) => "top left",
        (Half::Low, Half::High) => "bottom left",
        (Half::High, Half::Low) => "top right",
        (Half::High, Half::High) => "bottom right",
        (Half::Low, Half::Neither) => "left",
        (Half::High, Half::Neither) => "right",
        (Half::Neither, Half::Low) => "top",
        (Half::Neither, Half::High) => "bottom",
        (Half::Neither, Half::Neither) => return None,
    })
}

/// Whether a figurine is at this place, or so near the middle of the picture that someone could say so.
pub(crate) fn may_be_at(figurine: &Figurine, place: &str) -> bool {
    let (x, y) = double_centre(figurine);
    let sides =
        [("left", x, Half::High), ("right", x, Half::Low), ("top", y, Half::High), ("bottom", y, Half::Low)];
    !sides.into_iter().any(|(side, v, opposite)| place.contains(side) && half(v) == opposite)
}

/// On which side of the middle something clearly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Low,
    Neither,
    High,
}

const fn half(double: u16) -> Half {
    match double {
        _ if double + 2 * OFF_CENTRE <= 1000 => Half::Low,
        _ if double >= 1000 + 2 * OFF_CENTRE => Half::High,
        _ => Half::Neither,
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::BBox;

    use super::*;
    use crate::figurines::{Accessory, Backdrop, Colour, Shape, Size};

    fn figurine(colour: Colour, shape: Shape, [x1, y1, x2, y2]: [u16; 4]) -> Figurine {
        let bbox = BBox::new(x1, y1, x2, y2).expect("the corners are in order");
        Figurine { shape, colour, size: Size::Small, accessory: None, stand: None, bbox }
    }

    fn scene(figurines: Vec<Figurine>) -> SceneSpec {
        SceneSpec {
            version: SceneSpec::VERSION,
            side: 140,
            backdrop: Backdrop::Studio,
            backdrop_seed: 0,
            figurines,
        }
    }

    fn names(scene: &SceneSpec, target: usize) -> Vec<String> {
        visual_expressions(scene, target).into_iter().map(|expression| expression.text).collect()
    }

    #[test]
    fn a_name_fits_one_figurine_only() {
        let mut hat = figurine(Colour::Red, Shape::Robot, [100, 100, 300, 300]);
        hat.accessory = Some(Accessory::Hat);
        let scene = scene(vec![
            hat,
            figurine(Colour::Blue, Shape::Robot, [600, 120, 800, 320]),
            figurine(Colour::Red, Shape::Cat, [350, 600, 550, 800]),
        ]);

        assert_eq!(
            names(&scene, 0),
            ["the red robot", "the figurine with the hat", "the figurine on the left"]
        );
        assert_eq!(names(&scene, 1), ["the blue robot", "the blue figurine", "the figurine on the right"]);
        assert_eq!(names(&scene, 2), ["the red cat", "the cat", "the figurine at the bottom"]);
    }

    #[test]
    fn figurines_that_look_alike_and_stand_close_have_no_name() {
        let twin = |x1| figurine(Colour::Red, Shape::Owl, [x1, 400, x1 + 100, 500]);

        assert_eq!(names(&scene(vec![twin(400), twin(510)]), 0), Vec::<String>::new());
    }

    #[test]
    fn a_corner_is_named_only_off_the_middle() {
        let at = |x1, y1| figurine(Colour::Red, Shape::Owl, [x1, y1, x1 + 100, y1 + 100]);

        // Centres (150, 150), (850, 150), (150, 500), (430, 430): 430 is less than 80 from the middle.
        assert_eq!(place(&at(100, 100)), Some("top left"));
        assert_eq!(place(&at(800, 100)), Some("top right"));
        assert_eq!(place(&at(100, 450)), Some("left"));
        assert_eq!(place(&at(380, 380)), None);
    }

    #[test]
    fn what_stands_in_the_middle_may_be_on_either_side() {
        let middle = figurine(Colour::Red, Shape::Owl, [450, 100, 550, 200]);

        let places = ["left", "right", "top left", "bottom left"].map(|place| may_be_at(&middle, place));

        assert_eq!(places, [true, true, true, false]);
    }
}
