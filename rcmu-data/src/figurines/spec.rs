use rcmu_core::BBox;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Declares an attribute: its values, each with the words that texts use for it.
macro_rules! attribute {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name { $($(#[$value_doc])* $value),+ }

        impl $name {
            /// All values, in order.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }
        }
    };
}

attribute! {
    /// What a figurine shows.
    Shape {
        /// Round ears.
        Bear = "bear",
        /// Long ears.
        Rabbit = "rabbit",
        /// Pointed ears and a tail.
        Cat = "cat",
        /// A beak and a wing.
        Duck = "duck",
        /// A square head and an antenna.
        Robot = "robot",
        /// Big round eyes and ear tufts.
        Owl = "owl",
        /// Fins.
        Fish = "fish",
        /// A cap with dots on a stem.
        Mushroom = "mushroom",
    }
}

attribute! {
    /// The colour of a figurine's body.
    Colour {
        /// Red.
        Red = "red",
        /// Orange.
        Orange = "orange",
        /// Yellow.
        Yellow = "yellow",
        /// Green.
        Green = "green",
        /// Blue.
        Blue = "blue",
        /// Purple.
        Purple = "purple",
        /// White.
        White = "white",
        /// Black.
        Black = "black",
        /// Pink: in no ordinary scene, kept for adapting a trained model to something new.
        Pink = "pink",
    }
}

attribute! {
    /// What a figurine wears.
    Accessory {
        /// A top hat.
        Hat = "hat",
        /// A scarf around its neck.
        Scarf = "scarf",
        /// A bow tie.
        Bow = "bow tie",
        /// A flower.
        Flower = "flower",
    }
}

attribute! {
    /// How large a figurine is.
    Size {
        /// About a quarter of the picture's side.
        Small = "small",
        /// About two fifths of the picture's side.
        Large = "large",
    }
}

attribute! {
    /// The colour of the display box in which a figurine stands.
    Stand {
        /// Red.
        Red = "red",
        /// Yellow.
        Yellow = "yellow",
        /// Blue.
        Blue = "blue",
        /// Green.
        Green = "green",
    }
}

attribute! {
    /// What stands behind the figurines.
    Backdrop {
        /// A plain wall and a floor.
        Studio = "studio",
        /// A wooden shelf.
        Shelf = "shelf",
        /// A meadow under a sky.
        Meadow = "meadow",
        /// A striped wallpaper and a table.
        Room = "room",
        /// A beach by the sea.
        Beach = "beach",
        /// A snowy hill.
        Snow = "snow",
    }
}

/// One figurine and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Figurine {
    /// What it shows.
    pub shape: Shape,
    /// The colour of its body.
    pub colour: Colour,
    /// How large it is.
    pub size: Size,
    /// What it wears, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessory: Option<Accessory>,
    /// The display box in which it stands, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand: Option<Stand>,
    /// Its box, tight around everything drawn of it (the display box included), on the grid.
    pub bbox: BBox,
}

/// A scene of the figurine world, from which its picture is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SceneSpec {
    /// Version of the drawing; a new version may change pixels.
    pub version: u32,
    /// Side of the square picture in pixels, 64..=1024.
    pub side: u32,
    /// What stands behind the figurines.
    pub backdrop: Backdrop,
    /// Varies the backdrop's details and shades.
    pub backdrop_seed: u32,
    /// The figurines; their boxes do not touch.
    pub figurines: Vec<Figurine>,
}

impl Shape {
    /// Width of a figurine as a share of its height, in percent.
    pub(super) const fn width_percent(self) -> i32 {
        match self {
            Self::Bear | Self::Cat | Self::Mushroom => 88,
            Self::Rabbit => 70,
            Self::Robot | Self::Owl => 78,
            Self::Duck | Self::Fish => 105,
        }
    }
}

impl SceneSpec {
    /// Version of the drawing.
    pub const VERSION: u32 = 2;
    /// The most figurines of a scene.
    pub const MAX_FIGURINES: usize = 6;

    /// A picture without figurines, always the same.
    pub(crate) const fn empty(side: u32) -> Self {
        let backdrop = Backdrop::Studio;
        Self { version: Self::VERSION, side, backdrop, backdrop_seed: 0, figurines: Vec::new() }
    }

    /// Checks that the scene can be drawn.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the first field that is out of range, a figurine without area, or two that overlap.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |field: String, message: String| Err(Error::Field { field, message });
        if self.version != Self::VERSION {
            return fail("version".into(), format!("is {}, this drawing is {}", self.version, Self::VERSION));
        }
        if !(64..=1024).contains(&self.side) {
            return fail("side".into(), format!("is {}, 64..=1024 are possible", self.side));
        }
        if self.figurines.len() > Self::MAX_FIGURINES {
            let message =
                format!("has {} figurines, the most are {}", self.figurines.len(), Self::MAX_FIGURINES);
            return fail("figurines".into(), message);
        }
        for (at, figurine) in self.figurines.iter().enumerate() {
            let [x1, y1, x2, y2] = figurine.bbox.xyxy();
            if x1 >= x2 || y1 >= y2 {
                return fail(format!("figurines[{at}].bbox"), "has no area".into());
            }
            for (other_at, other) in self.figurines[..at].iter().enumerate() {
                let [u1, v1, u2, v2] = other.bbox.xyxy();
                if x1 < u2 && u1 < x2 && y1 < v2 && v1 < y2 {
                    return fail(
                        format!("figurines[{at}].bbox"),
                        format!("overlaps that of figurine {other_at}"),
                    );
                }
            }
        }
        Ok(())
    }
}
