use super::super::{
    coat::{Coat, Rgb},
    face::{blush, eye, eyes, gloss, smile},
    pen::{OUTLINE, Pen, arc, blob, block, corners, oval},
};

const STEEL: Coat = Coat::plain([176, 184, 198]);
const LAMP: Rgb = [104, 240, 255];

pub(super) fn robot(pen: &mut Pen<'_>, coat: Coat) {
    pen.body(block([36.6, 7.0, 41.4, 16.0], 0.0), STEEL);
    pen.body(oval(39.0, 5.5, 5.5, 5.5), Coat::plain([255, 92, 84]));
    pen.flat(oval(37.2, 3.6, 1.7, 1.6), [255; 3], 0.9);
    for [x1, x2] in [[2.0, 12.0], [66.0, 76.0]] {
        pen.body(block([x1, 22.0, x2, 36.0], 3.0), STEEL);
    }
    for (x1, claw) in [(0.5, 6.5), (65.5, 71.5)] {
        pen.body(oval(claw, 77.0, 6.5, 6.5), STEEL);
        pen.body(block([x1, 51.0, x1 + 12.0, 74.0], 5.5), coat);
    }
    for x in [18.0, 43.0] {
        pen.body(block([x + 2.5, 82.0, x + 14.5, 95.0], 2.0), STEEL);
        pen.body(block([x, 90.5, x + 17.0, 100.0], 4.5), coat.shaded());
    }
    pen.body(block([32.0, 42.0, 46.0, 52.0], 0.0), STEEL);
    pen.body(block([12.0, 49.0, 66.0, 87.0], 8.0), coat);
    pen.flat(block([21.0, 56.0, 57.0, 74.0], 4.0), [236, 240, 246], 1.0);
    pen.line(block([21.0, 56.0, 57.0, 74.0], 4.0), OUTLINE * 0.6, coat.line, 0.9);
    for (x, lamp) in [(29.0, [232, 62, 62]), (39.0, [250, 200, 50]), (49.0, [66, 184, 90])] {
        pen.flat(oval(x, 62.0, 3.4, 3.4), lamp, 1.0);
    }
    pen.line(arc(&[(27.0, 69.5), (39.0, 69.5), (51.0, 69.5)]), 1.6, [130, 140, 160], 1.0);
    for x in [18.0, 60.0] {
        pen.flat(oval(x, 81.0, 1.6, 1.6), coat.line, 0.8);
    }
    pen.body(block([7.0, 12.0, 71.0, 46.0], 9.0), coat);
    pen.flat(block([14.0, 18.0, 64.0, 41.0], 7.0), [30, 38, 58], 1.0);
    pen.flat(corners(&[(18.0, 20.0), (36.0, 20.0), (24.0, 39.0), (18.0, 39.0)], 2.5), [255; 3], 0.1);
    for x in [27.0, 51.0] {
        pen.glow([x, 28.0, 9.0, 9.0], LAMP, 0.55);
        pen.flat(oval(x, 28.0, 4.6, 5.0), LAMP, 1.0);
        pen.flat(oval(x - 1.4, 26.2, 1.5, 1.6), [255; 3], 1.0);
    }
    pen.line(arc(&[(32.0, 33.5), (39.0, 39.0), (46.0, 33.5)]), 2.0, LAMP, 1.0);
    pen.flat(block([13.0, 14.2, 40.0, 16.2], 1.0), [255; 3], 0.45);
}

pub(super) fn fish(pen: &mut Pen<'_>, coat: Coat) {
    let fin = coat.shaded();
    let tail = [
        (28.0, 44.0),
        (16.0, 28.0),
        (3.0, 17.0),
        (1.0, 32.0),
        (9.0, 49.0),
        (1.0, 68.0),
        (4.0, 84.0),
        (17.0, 72.0),
        (28.0, 56.0),
    ];
    pen.body(blob(&tail), fin);
    for (bend, y1, y2) in [(43.0, 36.0, 26.0), (57.0, 64.0, 74.0)] {
        pen.line(arc(&[(20.0, bend), (13.0, y1), (7.0, y2)]), 1.4, coat.line, 0.7);
    }
    let top = [(36.0, 32.0), (40.0, 12.0), (52.0, 2.0), (68.0, 1.4), (76.0, 8.0), (78.0, 26.0), (56.0, 34.0)];
    pen.body(blob(&top), fin);
    for x in [50.0, 60.0, 69.0] {
        pen.line(arc(&[(x, 18.0), (x - 2.0, 11.0), (x - 1.0, 6.0)]), 1.4, coat.line, 0.7);
    }
    let low = [(46.0, 80.0), (43.0, 93.0), (50.0, 99.5), (60.0, 97.0), (68.0, 82.0)];
    pen.body(blob(&low), fin);
    let body = [
        (19.0, 50.0),
        (34.0, 30.0),
        (60.0, 16.0),
        (86.0, 20.0),
        (103.0, 42.0),
        (103.5, 54.0),
        (94.0, 74.0),
        (70.0, 86.0),
        (42.0, 77.0),
    ];
    pen.body(blob(&body), coat);
    for x in [38.0, 50.0] {
        let half = (x - 18.0) * 0.62;
        let stripe = [
            (x, 50.0 - half),
            (x + 7.0, 49.0 - half),
            (x + 12.0, 50.0),
            (x + 7.0, 52.0 + half),
            (x, 51.0 + half),
            (x + 5.0, 50.0),
        ];
        pen.flat(blob(&stripe), coat.pale, 0.75);
    }
    pen.line(arc(&[(76.0, 27.0), (68.0, 50.0), (77.0, 74.0)]), 1.8, coat.line, 0.7);
    pen.body(blob(&[(71.0, 54.0), (60.0, 52.0), (51.0, 59.0), (54.0, 68.0), (64.0, 66.0)]), fin);
    gloss(pen, (62.0, 25.0), 9.0, 3.4);
    eye(pen, (87.0, 41.0), 7.0);
    pen.flat(oval(83.0, 57.0, 6.0, 3.8), [255, 110, 130], 0.5);
    smile(pen, (97.0, 57.0), 4.6);
}

pub(super) fn mushroom(pen: &mut Pen<'_>, coat: Coat) {
    let stem = Coat { line: [96, 70, 50], ..Coat::plain([250, 236, 210]) };
    let stem = Coat { dark: [216, 184, 146], ..stem };
    let foot = [
        (30.0, 44.0),
        (30.0, 66.0),
        (21.0, 88.0),
        (26.0, 98.0),
        (44.0, 100.0),
        (62.0, 98.0),
        (67.0, 88.0),
        (58.0, 66.0),
        (58.0, 44.0),
    ];
    pen.body(blob(&foot), stem);
    pen.flat(oval(44.0, 57.0, 16.0, 9.0), [120, 84, 60], 0.35);
    let cap = [
        (0.5, 44.0),
        (6.0, 22.0),
        (23.0, 5.0),
        (44.0, 0.0),
        (65.0, 5.0),
        (82.0, 22.0),
        (87.5, 44.0),
        (78.0, 56.0),
        (44.0, 60.0),
        (10.0, 56.0),
    ];
    pen.body(blob(&cap), coat);
    let white = coat.base.iter().all(|&v| v > 240);
    let spot: Rgb = if white { [240, 176, 166] } else { [255, 252, 246] };
    for [x, y, rx, ry] in [
        [28.0, 27.0, 8.0, 7.4],
        [55.0, 17.0, 7.0, 5.8],
        [48.0, 43.0, 8.0, 7.0],
        [73.0, 37.0, 5.4, 6.6],
        [12.5, 45.0, 4.4, 5.0],
        [36.0, 9.0, 4.4, 2.8],
    ] {
        pen.flat(oval(x, y, rx, ry), spot, 0.96);
    }
    gloss(pen, (18.0, 16.0), 7.0, 3.0);
    eyes(pen, (44.0, 70.0), 8.4, 3.7);
    blush(pen, (44.0, 76.5), 12.0, 3.2);
    smile(pen, (44.0, 74.5), 3.6);
}
