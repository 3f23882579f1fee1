use rcmu_core::BBox;
use serde::{Deserialize, Serialize};

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
