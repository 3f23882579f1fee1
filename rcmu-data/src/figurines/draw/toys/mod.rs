//! The toys, each in units of 100 to its height, tight in its frame.

mod animals;
mod birds;
mod others;

use super::{coat::Coat, pen::Pen};
use crate::figurines::{Accessory, Shape};

/// Draws a toy from `(0, 0)` to its width and 100.
pub(super) fn toy(pen: &mut Pen<'_>, shape: Shape, coat: Coat) {
    match shape {
        Shape::Bear => animals::bear(pen, coat),
        Shape::Rabbit => animals::rabbit(pen, coat),
        Shape::Cat => animals::cat(pen, coat),
        Shape::Duck => birds::duck(pen, coat),
        Shape::Robot => others::robot(pen, coat),
        Shape::Owl => birds::owl(pen, coat),
        Shape::Fish => others::fish(pen, coat),
        Shape::Mushroom => others::mushroom(pen, coat),
    }
}

/// Where something is worn: a place, a size as a factor, and the direction of its x axis.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) place: (f32, f32),
    pub(super) scale: f32,
    pub(super) along: (f32, f32),
}

const LEVEL: (f32, f32) = (1.0, 0.0);
/// 8 degrees.
const TILTED: (f32, f32) = (0.990_3, 0.139_2);
/// A quarter turn.
const DOWN: (f32, f32) = (0.0, 1.0);

/// Where a toy wears an accessory.
pub(super) const fn mark(shape: Shape, accessory: Accessory) -> Mark {
    let (place, scale, along) = match (accessory, shape) {
        (Accessory::Hat, Shape::Bear) => ((44.0, 9.0), 1.0, TILTED),
        (Accessory::Hat, Shape::Rabbit) => ((35.0, 36.0), 0.86, TILTED),
        (Accessory::Hat, Shape::Cat) => ((40.0, 21.0), 0.96, TILTED),
        (Accessory::Hat, Shape::Duck) => ((68.0, 6.0), 0.96, TILTED),
        (Accessory::Hat, Shape::Robot) => ((39.0, 14.0), 1.0, LEVEL),
        (Accessory::Hat, Shape::Owl) => ((39.0, 13.0), 0.92, TILTED),
        (Accessory::Hat, Shape::Fish) => ((86.0, 25.0), 0.86, (0.939_7, 0.342)),
        (Accessory::Hat, Shape::Mushroom) => ((44.0, 5.0), 1.0, TILTED),
        (Accessory::Scarf, Shape::Bear) => ((44.0, 60.0), 1.0, LEVEL),
        (Accessory::Scarf, Shape::Rabbit) => ((35.0, 70.0), 0.8, LEVEL),
        (Accessory::Scarf, Shape::Cat) => ((40.0, 59.0), 0.9, LEVEL),
        (Accessory::Scarf, Shape::Duck) => ((66.0, 55.0), 0.9, LEVEL),
        (Accessory::Scarf, Shape::Robot) => ((39.0, 51.0), 0.96, LEVEL),
        (Accessory::Scarf, Shape::Owl) => ((39.0, 57.0), 1.1, LEVEL),
        (Accessory::Scarf, Shape::Fish) => ((65.0, 51.0), 1.2, DOWN),
        (Accessory::Scarf, Shape::Mushroom) => ((44.0, 82.5), 0.57, LEVEL),
        (Accessory::Bow, Shape::Bear) => ((44.0, 64.0), 1.0, LEVEL),
        (Accessory::Bow, Shape::Rabbit) => ((35.0, 74.0), 0.9, LEVEL),
        (Accessory::Bow, Shape::Cat) => ((40.0, 63.0), 0.95, LEVEL),
        (Accessory::Bow, Shape::Duck) => ((70.0, 60.0), 0.95, LEVEL),
        (Accessory::Bow, Shape::Robot) => ((39.0, 53.0), 0.95, LEVEL),
        (Accessory::Bow, Shape::Owl) => ((39.0, 62.0), 1.0, LEVEL),
        (Accessory::Bow, Shape::Fish) => ((82.0, 76.0), 0.95, (0.906_3, -0.422_6)),
        (Accessory::Bow, Shape::Mushroom) => ((44.0, 86.0), 0.84, LEVEL),
        (Accessory::Flower, Shape::Bear) => ((68.0, 14.0), 1.0, LEVEL),
        (Accessory::Flower, Shape::Rabbit) => ((52.0, 33.0), 0.9, LEVEL),
        (Accessory::Flower, Shape::Cat) => ((66.0, 16.0), 1.0, LEVEL),
        (Accessory::Flower, Shape::Duck) => ((51.0, 15.0), 1.0, LEVEL),
        (Accessory::Flower, Shape::Robot) => ((62.2, 13.2), 1.0, LEVEL),
        (Accessory::Flower, Shape::Owl) => ((62.0, 11.0), 0.82, LEVEL),
        (Accessory::Flower, Shape::Fish) => ((56.0, 20.0), 1.05, LEVEL),
        (Accessory::Flower, Shape::Mushroom) => ((68.0, 20.0), 1.1, LEVEL),
    };
    Mark { place, scale, along }
}

/// How far a hat stands out above a toy, in units.
pub(super) const fn hat_room(shape: Shape) -> f32 {
    match shape {
        Shape::Rabbit | Shape::Fish => 0.0,
        Shape::Cat => 3.0,
        Shape::Owl | Shape::Robot => 10.0,
        Shape::Bear => 16.0,
        Shape::Duck => 18.0,
        Shape::Mushroom => 20.0,
    }
}

/// Draws the shadow where a toy touches the ground, away from the light.
pub(super) fn shadow(pen: &mut Pen<'_>, shape: Shape) {
    let half = shape.width_percent() as f32 / 2.0;
    pen.glow([half + half * 0.06, 95.5, half * 0.94, 5.4], [24, 16, 44], 0.75);
}
