//! The figurines: each touches all four sides of its box.

use super::pen::{Pen, Rgb, mix};
use crate::figurines::{Accessory, Colour, Shape, Stand};

/// The colour of a body.
pub(super) const fn rgb(colour: Colour) -> Rgb {
    match colour {
        Colour::Red => [214, 38, 38],
        Colour::Orange => [244, 134, 24],
        Colour::Yellow => [250, 216, 40],
        Colour::Green => [52, 160, 62],
        Colour::Blue => [44, 92, 214],
        Colour::Purple => [140, 60, 178],
        Colour::White => [246, 246, 246],
        Colour::Black => [34, 34, 40],
        Colour::Pink => [248, 130, 186],
    }
}

pub(super) const fn stand_rgb(stand: Stand) -> Rgb {
    match stand {
        Stand::Red => [226, 60, 60],
        Stand::Yellow => [246, 206, 60],
        Stand::Blue => [64, 116, 226],
        Stand::Green => [66, 172, 84],
    }
}

pub(super) fn shape(pen: &mut Pen<'_>, shape: Shape, colour: Rgb) {
    let pale = mix(colour, [255, 246, 230], 0.55);
    match shape {
        Shape::Bear => bear(pen, colour, pale),
        Shape::Rabbit => rabbit(pen, colour, pale),
        Shape::Cat => cat(pen, colour, pale),
        Shape::Duck => duck(pen, colour),
        Shape::Robot => robot(pen, colour),
        Shape::Owl => owl(pen, colour, pale),
        Shape::Fish => fish(pen, colour),
        Shape::Mushroom => mushroom(pen, colour),
    }
}

fn bear(pen: &mut Pen<'_>, colour: Rgb, pale: Rgb) {
    for x in [0.17, 0.83] {
        let ear = pen.oval(x, 0.15, 0.16, 0.15);
        pen.body(ear, colour);
        let inner = pen.oval(x, 0.16, 0.08, 0.075);
        pen.flat(inner, pale, 1.0);
        let foot = pen.oval(x.clamp(0.22, 0.78), 0.92, 0.2, 0.08);
        pen.body(foot, colour);
        let arm = pen.oval(if x < 0.5 { 0.1 } else { 0.9 }, 0.66, 0.1, 0.16);
        pen.body(arm, colour);
    }
    let body = pen.oval(0.5, 0.73, 0.36, 0.25);
    pen.body(body, colour);
    let belly = pen.oval(0.5, 0.76, 0.22, 0.16);
    pen.flat(belly, pale, 1.0);
    let head = pen.oval(0.5, 0.33, 0.4, 0.29);
    pen.body(head, colour);
    let muzzle = pen.oval(0.5, 0.42, 0.17, 0.12);
    pen.flat(muzzle, pale, 1.0);
    let nose = pen.oval(0.5, 0.375, 0.065, 0.04);
    pen.flat(nose, [40, 25, 25], 1.0);
    pen.eye(0.33, 0.28, 0.038);
    pen.eye(0.67, 0.28, 0.038);
}

fn rabbit(pen: &mut Pen<'_>, colour: Rgb, pale: Rgb) {
    for x in [0.3, 0.7] {
        let ear = pen.oval(x, 0.21, 0.13, 0.21);
        pen.body(ear, colour);
        let inner = pen.oval(x, 0.22, 0.06, 0.15);
        pen.flat(inner, [250, 190, 190], 1.0);
        let foot = pen.oval(if x < 0.5 { 0.23 } else { 0.77 }, 0.94, 0.23, 0.06);
        pen.body(foot, colour);
    }
    let body = pen.oval(0.5, 0.77, 0.36, 0.21);
    pen.body(body, colour);
    let belly = pen.oval(0.5, 0.8, 0.2, 0.14);
    pen.flat(belly, pale, 1.0);
    let head = pen.oval(0.5, 0.49, 0.36, 0.17);
    pen.body(head, colour);
    pen.eye(0.34, 0.47, 0.034);
    pen.eye(0.66, 0.47, 0.034);
    let nose = pen.oval(0.5, 0.53, 0.06, 0.025);
    pen.flat(nose, [230, 110, 130], 1.0);
    let teeth = pen.block([0.44, 0.56, 0.56, 0.62], 0.01);
    pen.flat(teeth, [255; 3], 1.0);
}

fn cat(pen: &mut Pen<'_>, colour: Rgb, pale: Rgb) {
    let tail = pen.curve(
        (0.72, 0.98),
        &[[1.02, 1.0, 0.97, 0.7], [0.95, 0.55, 1.0, 0.5], [0.86, 0.46, 0.85, 0.66], [0.86, 0.84, 0.68, 0.86]],
    );
    pen.body(tail, colour);
    let body = pen.curve((0.18, 1.0), &[[0.12, 0.5, 0.45, 0.5], [0.82, 0.5, 0.78, 1.0]]);
    pen.body(body, colour);
    let belly = pen.oval(0.47, 0.82, 0.16, 0.14);
    pen.flat(belly, pale, 1.0);
    for (outer, inner, mid) in [(0.02, 0.4, 0.1), (0.86, 0.48, 0.78)] {
        let ear = pen.polygon(&[(outer, 0.0), (inner, 0.2), (mid, 0.42)]);
        pen.body(ear, colour);
    }
    let head = pen.oval(0.44, 0.36, 0.44, 0.24);
    pen.body(head, colour);
    pen.eye(0.28, 0.33, 0.042);
    pen.eye(0.6, 0.33, 0.042);
    let nose = pen.polygon(&[(0.39, 0.41), (0.49, 0.41), (0.44, 0.46)]);
    pen.flat(nose, [230, 110, 130], 1.0);
    for y in [0.44, 0.49] {
        let left = pen.block([0.04, y, 0.26, y + 0.012], 0.0);
        pen.flat(left, [240, 240, 240], 0.9);
        let right = pen.block([0.62, y, 0.84, y + 0.012], 0.0);
        pen.flat(right, [240, 240, 240], 0.9);
    }
}

fn duck(pen: &mut Pen<'_>, colour: Rgb) {
    let body = pen.curve(
        (0.0, 0.5),
        &[[0.12, 0.62, 0.34, 0.56], [0.6, 0.5, 0.86, 0.55], [0.94, 1.0, 0.5, 1.0], [0.08, 1.0, 0.0, 0.5]],
    );
    pen.body(body, colour);
    let head = pen.oval(0.64, 0.3, 0.25, 0.3);
    pen.body(head, colour);
    let wing = pen.curve((0.2, 0.68), &[[0.4, 0.58, 0.62, 0.7], [0.5, 0.95, 0.2, 0.68]]);
    pen.body(wing, mix(colour, [0; 3], 0.12));
    let beak = pen.curve((0.84, 0.26), &[[1.0, 0.26, 1.0, 0.36], [0.96, 0.44, 0.82, 0.42]]);
    pen.body(beak, [250, 150, 30]);
    pen.eye(0.7, 0.22, 0.05);
}

fn robot(pen: &mut Pen<'_>, colour: Rgb) {
    let rod = pen.block([0.47, 0.04, 0.53, 0.16], 0.0);
    pen.flat(rod, [90, 90, 100], 1.0);
    let bulb = pen.oval(0.5, 0.055, 0.07, 0.055);
    pen.body(bulb, [255, 90, 70]);
    for (x1, x2) in [(0.0, 0.16), (0.84, 1.0)] {
        let arm = pen.block([x1, 0.5, x2, 0.8], 0.05);
        pen.body(arm, colour);
    }
    for (x1, x2) in [(0.22, 0.44), (0.56, 0.78)] {
        let leg = pen.block([x1, 0.82, x2, 1.0], 0.02);
        pen.body(leg, colour);
    }
    let body = pen.block([0.14, 0.48, 0.86, 0.88], 0.03);
    pen.body(body, colour);
    let head = pen.block([0.1, 0.13, 0.9, 0.47], 0.04);
    pen.body(head, colour);
    let screen = pen.block([0.2, 0.2, 0.8, 0.4], 0.03);
    pen.flat(screen, [40, 50, 66], 1.0);
    for x in [0.36, 0.64] {
        let lamp = pen.dot(x, 0.29, 0.045);
        pen.flat(lamp, [120, 240, 255], 1.0);
    }
    let panel = pen.block([0.3, 0.58, 0.7, 0.74], 0.02);
    pen.flat(panel, [225, 228, 235], 1.0);
    for (x, lamp) in [(0.38, [230, 70, 60]), (0.5, [245, 200, 60]), (0.62, [80, 190, 90])] {
        let dot = pen.dot(x, 0.66, 0.028);
        pen.flat(dot, lamp, 1.0);
    }
}

fn owl(pen: &mut Pen<'_>, colour: Rgb, pale: Rgb) {
    for (tip, inner, low) in [(0.06, 0.36, 0.12), (0.94, 0.64, 0.88)] {
        let tuft = pen.polygon(&[(tip, 0.0), (inner, 0.1), (low, 0.3)]);
        pen.body(tuft, colour);
    }
    for x in [0.36, 0.64] {
        let foot = pen.oval(x, 0.965, 0.1, 0.035);
        pen.body(foot, [240, 160, 40]);
    }
    let body = pen.curve(
        (0.5, 0.08),
        &[
            [0.98, 0.06, 0.94, 0.52],
            [0.94, 0.97, 0.5, 0.97],
            [0.06, 0.97, 0.06, 0.52],
            [0.02, 0.06, 0.5, 0.08],
        ],
    );
    pen.body(body, colour);
    for (x1, x2) in [(0.0, 0.22), (1.0, 0.78)] {
        let wing = pen.curve((x2, 0.44), &[[x1, 0.5, x1, 0.72], [x1, 0.84, x2, 0.9]]);
        pen.body(wing, mix(colour, [0; 3], 0.15));
    }
    let chest = pen.oval(0.5, 0.74, 0.24, 0.19);
    pen.flat(chest, pale, 1.0);
    for x in [0.31, 0.69] {
        let disc = pen.dot(x, 0.34, 0.15);
        pen.flat(disc, [250, 245, 230], 1.0);
        pen.eye(x, 0.34, 0.095);
    }
    let beak = pen.polygon(&[(0.42, 0.42), (0.58, 0.42), (0.5, 0.54)]);
    pen.flat(beak, [245, 160, 40], 1.0);
}

fn fish(pen: &mut Pen<'_>, colour: Rgb) {
    let tail = pen.polygon(&[(0.3, 0.5), (0.0, 0.12), (0.08, 0.5), (0.0, 0.88)]);
    pen.body(tail, mix(colour, [0; 3], 0.12));
    let top = pen.curve((0.34, 0.3), &[[0.5, -0.078, 0.74, 0.02], [0.72, 0.2, 0.7, 0.3]]);
    pen.body(top, mix(colour, [0; 3], 0.12));
    let low = pen.curve((0.42, 0.72), &[[0.5, 1.0, 0.62, 1.0], [0.66, 0.9, 0.66, 0.74]]);
    pen.body(low, mix(colour, [0; 3], 0.12));
    let body = pen.curve(
        (0.14, 0.5),
        &[[0.4, 0.08, 0.72, 0.2], [1.0, 0.32, 1.0, 0.52], [0.96, 0.8, 0.64, 0.86], [0.36, 0.9, 0.14, 0.5]],
    );
    pen.body(body, colour);
    for x in [0.36, 0.5, 0.64] {
        let stripe = pen.curve((x, 0.28), &[[x + 0.1, 0.52, x, 0.78], [x + 0.02, 0.52, x, 0.28]]);
        pen.flat(stripe, mix(colour, [255; 3], 0.5), 0.8);
    }
    pen.eye(0.82, 0.42, 0.06);
}

fn mushroom(pen: &mut Pen<'_>, colour: Rgb) {
    let stem =
        pen.curve((0.32, 0.46), &[[0.34, 0.8, 0.24, 1.0], [0.5, 1.0, 0.76, 1.0], [0.66, 0.8, 0.68, 0.46]]);
    pen.body(stem, [246, 236, 214]);
    let cap = pen.curve((0.0, 0.52), &[[0.0, 0.0, 0.5, 0.0], [1.0, 0.0, 1.0, 0.52], [0.5, 0.72, 0.0, 0.52]]);
    pen.body(cap, colour);
    for (x, y, radius) in
        [(0.3, 0.26, 0.075), (0.62, 0.18, 0.06), (0.5, 0.42, 0.07), (0.82, 0.4, 0.055), (0.16, 0.46, 0.045)]
    {
        let spot = pen.dot(x, y, radius);
        pen.flat(spot, if colour == rgb(Colour::White) { [225, 120, 110] } else { [255; 3] }, 0.95);
    }
    pen.eye(0.42, 0.74, 0.035);
    pen.eye(0.58, 0.74, 0.035);
}

/// Where the head's top, the neck and the chest of a shape are: `(x, y)` each, and the head's half width.
fn marks(shape: Shape) -> [(f32, f32); 3] {
    match shape {
        Shape::Bear => [(0.5, 0.09), (0.5, 0.57), (0.5, 0.6)],
        Shape::Rabbit => [(0.5, 0.33), (0.5, 0.64), (0.5, 0.66)],
        Shape::Cat => [(0.44, 0.16), (0.45, 0.58), (0.45, 0.6)],
        Shape::Duck => [(0.62, 0.04), (0.62, 0.56), (0.58, 0.6)],
        Shape::Robot => [(0.5, 0.12), (0.5, 0.47), (0.5, 0.49)],
        Shape::Owl => [(0.5, 0.12), (0.5, 0.57), (0.5, 0.58)],
        Shape::Fish => [(0.66, 0.18), (0.66, 0.72), (0.8, 0.66)],
        Shape::Mushroom => [(0.5, 0.06), (0.5, 0.6), (0.5, 0.64)],
    }
}

pub(super) fn accessory(pen: &mut Pen<'_>, shape: Shape, accessory: Accessory) {
    let [(hx, hy), (nx, ny), (cx, cy)] = marks(shape);
    match accessory {
        Accessory::Hat => {
            let top = (hy - 0.16).max(0.0);
            let crown = pen.block([hx - 0.15, top, hx + 0.15, hy + 0.06], 0.01);
            pen.body(crown, [54, 40, 60]);
            let band = pen.block([hx - 0.15, hy - 0.01, hx + 0.15, hy + 0.04], 0.0);
            pen.flat(band, [220, 60, 80], 1.0);
            let brim = pen.block([hx - 0.26, hy + 0.04, hx + 0.26, hy + 0.09], 0.02);
            pen.body(brim, [54, 40, 60]);
        }
        Accessory::Scarf => {
            let wrap = pen.block([nx - 0.3, ny - 0.05, nx + 0.3, ny + 0.06], 0.05);
            pen.body(wrap, [30, 170, 190]);
            let end = pen.block([nx + 0.1, ny + 0.02, nx + 0.25, ny + 0.27], 0.02);
            pen.body(end, [30, 170, 190]);
            for y in [0.14, 0.2] {
                let stripe = pen.block([nx + 0.1, ny + y, nx + 0.25, ny + y + 0.025], 0.0);
                pen.flat(stripe, [250, 250, 250], 1.0);
            }
        }
        Accessory::Bow => {
            for side in [-1.0, 1.0] {
                let wing =
                    pen.polygon(&[(cx, cy), (cx + side * 0.2, cy - 0.085), (cx + side * 0.2, cy + 0.085)]);
                pen.body(wing, [236, 64, 140]);
            }
            let knot = pen.dot(cx, cy, 0.035);
            pen.body(knot, [250, 120, 170]);
        }
        Accessory::Flower => {
            let (x, y) = (hx + 0.2, hy + 0.1);
            for (dx, dy) in [(0.0, -0.07), (0.08, -0.02), (0.05, 0.06), (-0.05, 0.06), (-0.08, -0.02)] {
                let petal = pen.dot(x + dx, y + dy, 0.045);
                pen.body(petal, [255, 250, 250]);
            }
            let heart = pen.dot(x, y, 0.04);
            pen.flat(heart, [250, 200, 40], 1.0);
        }
    }
}
