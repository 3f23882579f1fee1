use super::super::{
    coat::{Coat, Rgb},
    face::{eye, gloss},
    pen::{OUTLINE, Pen, arc, blob, corners, oval},
};

/// Beaks, apart from orange and red bodies.
fn horn(coat: Coat) -> Coat {
    let warm = coat.base[0] > 200 && coat.base[1] < 180 && coat.base[2] < 100;
    let rgb: Rgb = if warm { [255, 212, 60] } else { [252, 146, 28] };
    Coat::plain(rgb)
}

pub(super) fn duck(pen: &mut Pen<'_>, coat: Coat) {
    let horn = horn(coat);
    let body = [
        (0.9, 45.0),
        (14.0, 56.0),
        (32.0, 58.0),
        (52.0, 50.0),
        (78.0, 50.0),
        (93.0, 64.0),
        (90.0, 84.0),
        (74.0, 97.0),
        (44.0, 99.2),
        (18.0, 93.0),
        (4.0, 74.0),
    ];
    let head = oval(67.0, 29.0, 27.8, 28.0);
    // The body covers the head's outline below, the head that of the body: no line runs through the neck.
    pen.line(head.clone(), OUTLINE * 2.0, coat.line, 1.0);
    pen.body(blob(&body), coat);
    pen.shaded(head, coat);
    gloss(pen, (53.0, 13.0), 8.5, 4.4);
    let wing = [
        (17.0, 66.0),
        (34.0, 65.0),
        (54.0, 63.0),
        (64.0, 71.0),
        (60.0, 82.0),
        (46.0, 89.0),
        (30.0, 84.0),
        (21.0, 75.0),
    ];
    pen.body(blob(&wing), coat.shaded());
    for (y, x) in [(73.0, 32.0), (79.5, 38.0)] {
        pen.line(arc(&[(x, y), (x + 8.0, y + 3.0), (x + 16.0, y - 0.5)]), 1.5, coat.line, 0.8);
    }
    let upper = [(88.0, 26.0), (97.0, 27.2), (104.2, 33.0), (102.0, 38.0), (88.0, 39.5), (84.0, 33.0)];
    let lower = [(87.0, 38.0), (97.0, 38.5), (100.5, 41.0), (96.0, 45.0), (87.0, 44.0)];
    pen.body(blob(&lower), horn.shaded());
    pen.body(blob(&upper), horn);
    eye(pen, (76.0, 23.0), 5.6);
    pen.flat(oval(73.0, 38.0, 6.2, 4.0), [255, 110, 130], 0.5);
}

pub(super) fn owl(pen: &mut Pen<'_>, coat: Coat) {
    let horn = horn(coat);
    for x in [28.0, 50.0] {
        for toe in [-5.0, 0.0, 5.0] {
            pen.body(oval(x + toe, 96.5, 3.4, 3.5), horn);
        }
    }
    let body = [
        (10.0, 0.5),
        (23.0, 8.0),
        (39.0, 9.5),
        (55.0, 8.0),
        (68.0, 0.5),
        (74.0, 19.0),
        (75.0, 50.0),
        (70.0, 80.0),
        (57.0, 94.0),
        (39.0, 97.0),
        (21.0, 94.0),
        (8.0, 80.0),
        (3.0, 50.0),
        (4.0, 19.0),
    ];
    pen.body(blob(&body), coat);
    pen.flat(
        blob(&[(39.0, 50.0), (56.0, 60.0), (57.0, 78.0), (39.0, 92.0), (21.0, 78.0), (22.0, 60.0)]),
        coat.pale,
        1.0,
    );
    for (y, xs) in [(66.0, &[30.0, 39.0, 48.0][..]), (73.0, &[34.5, 43.5]), (80.0, &[30.0, 39.0, 48.0])] {
        for &x in xs {
            pen.line(arc(&[(x - 3.0, y), (x, y + 4.4), (x + 3.0, y)]), 1.6, coat.base, 0.9);
        }
    }
    let left = [(11.0, 48.0), (17.0, 58.0), (18.0, 76.0), (9.0, 91.0), (1.5, 80.0), (0.5, 62.0), (5.0, 50.0)];
    pen.body(blob(&left), coat.shaded());
    pen.body(blob(&left.map(|(x, y)| (78.0 - x, y))), coat.shaded());
    for x in [23.0, 55.0] {
        pen.flat(oval(x, 34.0, 16.5, 16.5), [255, 247, 226], 1.0);
        pen.line(oval(x, 34.0, 16.5, 16.5), OUTLINE * 0.8, coat.line, 1.0);
        pen.flat(oval(x, 34.0, 11.5, 11.5), [255, 190, 40], 1.0);
        pen.line(oval(x, 34.0, 11.5, 11.5), 1.0, [140, 80, 10], 1.0);
        eye_glow(pen, x);
    }
    let beak = [(39.0, 39.0), (46.0, 45.0), (39.0, 56.0), (32.0, 45.0)];
    pen.body(corners(&beak, 3.4), horn);
    gloss(pen, (20.0, 13.0), 5.0, 2.2);
}

fn eye_glow(pen: &mut Pen<'_>, x: f32) {
    pen.flat(oval(x, 34.0, 7.6, 7.6), [30, 20, 30], 1.0);
    pen.flat(oval(x - 2.6, 30.8, 2.8, 3.0), [255; 3], 1.0);
    pen.flat(oval(x + 2.8, 37.2, 1.3, 1.4), [255; 3], 0.9);
}
