use super::super::{
    coat::{Coat, Rgb},
    face::{blush, eyes, gloss, nose, snout},
    pen::{Pen, arc, blob, corners, oval, tilted},
};

const ROSE: Rgb = [255, 166, 176];

pub(super) fn bear(pen: &mut Pen<'_>, coat: Coat) {
    for (x, inner) in [(16.0, 17.0), (72.0, 71.0)] {
        pen.body(oval(x, 14.0, 14.5, 14.0), coat);
        pen.flat(oval(inner, 15.5, 8.0, 7.8), coat.pale, 1.0);
    }
    for (x, along) in [(11.5, (0.94, 0.342)), (76.5, (0.94, -0.342))] {
        pen.body(tilted(x, 69.0, 10.0, 16.0, along), coat);
    }
    pen.body(oval(44.0, 72.0, 31.0, 26.0), coat);
    pen.flat(oval(44.0, 75.0, 19.0, 17.5), coat.pale, 1.0);
    for x in [22.0, 66.0] {
        pen.body(oval(x, 91.0, 16.0, 9.0), coat);
        pen.flat(oval(x, 92.0, 7.5, 4.8), coat.pale, 1.0);
    }
    let head = [
        (44.0, 5.0),
        (66.0, 12.0),
        (80.0, 34.0),
        (71.0, 54.0),
        (44.0, 62.0),
        (17.0, 54.0),
        (8.0, 34.0),
        (22.0, 12.0),
    ];
    pen.body(blob(&head), coat);
    gloss(pen, (27.0, 17.0), 9.0, 4.6);
    pen.flat(oval(44.0, 45.5, 16.0, 12.0), coat.pale, 1.0);
    nose(pen, (44.0, 39.5), 6.4, 4.4);
    snout(pen, (44.0, 46.0), 7.0);
    eyes(pen, (44.0, 32.0), 16.5, 4.6);
    blush(pen, (44.0, 45.0), 25.5, 4.6);
}

pub(super) fn rabbit(pen: &mut Pen<'_>, coat: Coat) {
    for (x, along) in [(22.0, (0.99, -0.139)), (48.0, (0.99, 0.139))] {
        pen.body(tilted(x, 22.5, 9.5, 22.0, along), coat);
        pen.flat(tilted(x, 24.0, 4.8, 16.0, along), ROSE, 1.0);
    }
    pen.body(oval(35.0, 80.0, 23.0, 19.0), coat);
    pen.flat(oval(35.0, 83.0, 13.5, 12.5), coat.pale, 1.0);
    for (x, along) in [(15.5, (0.866, 0.5)), (54.5, (0.866, -0.5))] {
        pen.body(tilted(x, 75.0, 6.0, 10.0, along), coat);
    }
    for x in [17.0, 53.0] {
        pen.body(oval(x, 93.5, 17.0, 6.5), coat);
        pen.flat(oval(x, 94.0, 8.0, 3.2), ROSE, 0.9);
    }
    let head = [
        (35.0, 33.0),
        (53.0, 37.0),
        (64.5, 52.0),
        (56.0, 65.0),
        (35.0, 69.0),
        (14.0, 65.0),
        (5.5, 52.0),
        (17.0, 37.0),
    ];
    pen.body(blob(&head), coat);
    gloss(pen, (19.0, 43.0), 6.5, 3.4);
    pen.flat(oval(35.0, 59.5, 11.0, 7.0), coat.pale, 1.0);
    let teeth = super::super::pen::block([31.4, 60.5, 38.6, 66.5], 1.2);
    pen.flat(teeth.clone(), [255; 3], 1.0);
    pen.line(teeth, 0.8, [120, 100, 110], 1.0);
    snout(pen, (35.0, 58.5), 5.6);
    pen.flat(oval(35.0, 55.5, 4.0, 2.8), [238, 96, 122], 1.0);
    eyes(pen, (35.0, 50.0), 14.0, 4.4);
    blush(pen, (35.0, 58.5), 21.0, 4.0);
}

pub(super) fn cat(pen: &mut Pen<'_>, coat: Coat) {
    let tail = [
        (54.0, 97.0),
        (74.0, 97.0),
        (86.0, 84.0),
        (87.0, 66.0),
        (81.0, 53.0),
        (73.0, 54.0),
        (75.0, 66.0),
        (74.0, 78.0),
        (64.0, 85.0),
        (54.0, 84.0),
    ];
    pen.body(blob(&tail), coat);
    pen.flat(oval(78.0, 57.5, 3.6, 4.2), coat.pale, 0.9);
    let body = [
        (40.0, 52.0),
        (54.0, 58.0),
        (63.0, 78.0),
        (62.0, 95.0),
        (40.0, 99.0),
        (18.0, 95.0),
        (17.0, 78.0),
        (26.0, 58.0),
    ];
    pen.body(blob(&body), coat);
    pen.flat(
        blob(&[(40.0, 58.0), (51.0, 70.0), (48.0, 88.0), (40.0, 91.0), (32.0, 88.0), (29.0, 70.0)]),
        coat.pale,
        1.0,
    );
    for x in [28.0, 52.0] {
        pen.body(oval(x, 94.0, 11.0, 6.0), coat);
        for toe in [x - 3.0, x + 3.0] {
            pen.line(arc(&[(toe, 93.0), (toe, 95.0), (toe, 97.5)]), 1.3, coat.line, 0.9);
        }
    }
    for (outer, tip, inner) in [(2.0, 8.5, 37.0), (78.0, 71.5, 43.0)] {
        pen.body(corners(&[(outer, 36.0), (tip, -1.6), (inner, 22.0)], 5.0), coat);
        let middle = outer + (inner - outer) * 0.5;
        let small = [
            (outer + (middle - outer) * 0.35, 30.0),
            (tip + (middle - tip) * 0.25, 7.0),
            (inner + (middle - inner) * 0.4, 21.0),
        ];
        pen.flat(corners(&small, 3.0), ROSE, 1.0);
    }
    let head = [
        (40.0, 16.0),
        (62.0, 20.0),
        (77.0, 34.0),
        (79.0, 47.0),
        (66.0, 57.0),
        (40.0, 62.0),
        (14.0, 57.0),
        (1.0, 47.0),
        (3.0, 34.0),
        (18.0, 20.0),
    ];
    pen.body(blob(&head), coat);
    gloss(pen, (17.0, 29.0), 7.5, 3.6);
    for (x, low) in [(33.0, 25.0), (40.0, 27.5), (47.0, 25.0)] {
        pen.line(arc(&[(x, 18.5), (x, 21.0), (x, low)]), 2.6, coat.dark, 0.85);
    }
    pen.flat(oval(34.5, 50.0, 8.0, 6.0), coat.pale, 1.0);
    pen.flat(oval(45.5, 50.0, 8.0, 6.0), coat.pale, 1.0);
    snout(pen, (40.0, 49.5), 6.0);
    pen.flat(corners(&[(35.5, 44.0), (44.5, 44.0), (40.0, 49.5)], 1.6), [236, 92, 118], 1.0);
    eyes(pen, (40.0, 37.5), 17.5, 5.2);
    blush(pen, (40.0, 49.0), 26.0, 4.4);
    for (y, low) in [(47.0, 45.5), (51.5, 53.0)] {
        pen.line(arc(&[(25.0, y), (14.0, y), (5.0, low)]), 1.1, coat.line, 0.8);
        pen.line(arc(&[(55.0, y), (66.0, y), (75.0, low)]), 1.1, coat.line, 0.8);
    }
}
