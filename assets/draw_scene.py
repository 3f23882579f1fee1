#!/usr/bin/env python3
"""Draws the bundled picture `scene.png` (448 x 448) and prints the boxes of its three figurines.

Needs Pillow. Run in this folder: python3 draw_scene.py
"""
from PIL import Image, ImageDraw, ImageFilter

SIDE, SCALE = 448, 4
image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE))
draw = ImageDraw.Draw(image)


def s(*values):
    return [round(v * SCALE) for v in values]


def blend(a, b, t):
    return tuple(round(x + (y - x) * t) for x, y in zip(a, b))


# Wall and table.
for y in range(SIDE):
    wall, table = blend((246, 232, 213), (231, 205, 181), y / 300), blend((157, 111, 78), (120, 80, 54), (y - 290) / 158)
    draw.rectangle(s(0, y, SIDE, y + 1), fill=wall if y < 290 else table)
draw.rectangle(s(0, 290, SIDE, 294), fill=(181, 134, 98))
for x in range(-40, SIDE, 56):
    draw.line(s(x + 40, 294, x - 20, SIDE), fill=(132, 90, 62), width=SCALE)

# Soft shadows first.
shadows = Image.new("L", image.size, 0)
shade = ImageDraw.Draw(shadows)
for x1, x2 in ((30, 150), (172, 290), (310, 428)):
    shade.ellipse(s(x1 - 4, 358, x2 + 14, 392), fill=120)
image.paste((60, 38, 26), mask=shadows.filter(ImageFilter.GaussianBlur(9 * SCALE)))
draw = ImageDraw.Draw(image)


def crate(x1, x2, colour):
    """An open display box; returns its rectangle."""
    dark, light = blend(colour, (0, 0, 0), 0.28), blend(colour, (255, 255, 255), 0.18)
    draw.rounded_rectangle(s(x1, 176, x2, 380), 8 * SCALE, fill=dark)
    draw.rounded_rectangle(s(x1 + 8, 184, x2 - 8, 366), 4 * SCALE, fill=blend(colour, (255, 255, 255), 0.62))
    draw.rounded_rectangle(s(x1, 344, x2, 380), 8 * SCALE, fill=colour)
    draw.rounded_rectangle(s(x1 + 6, 348, x2 - 6, 354), 3 * SCALE, fill=light)


def eyes(cx, cy, gap, size):
    for x in (cx - gap, cx + gap):
        draw.ellipse(s(x - size, cy - size, x + size, cy + size), fill=(32, 28, 30))
        draw.ellipse(s(x - size * 0.1, cy - size * 0.7, x + size * 0.6, cy), fill=(255, 255, 255))


# A silver robot in the red box.
crate(28, 148, (200, 54, 52))
draw.line(s(88, 196, 88, 214), fill=(90, 96, 104), width=4 * SCALE)
draw.ellipse(s(81, 188, 95, 202), fill=(246, 196, 60))
draw.rounded_rectangle(s(58, 212, 118, 264), 12 * SCALE, fill=(176, 186, 196))
draw.rounded_rectangle(s(66, 224, 110, 250), 8 * SCALE, fill=(40, 52, 66))
for x in (78, 98):
    draw.ellipse(s(x - 6, 231, x + 6, 243), fill=(94, 214, 224))
draw.rounded_rectangle(s(54, 270, 122, 330), 10 * SCALE, fill=(150, 162, 174))
draw.ellipse(s(78, 286, 98, 306), fill=(226, 84, 70))
for x in (40, 124):
    draw.rounded_rectangle(s(x, 274, x + 12, 318), 6 * SCALE, fill=(128, 140, 152))
for x in (62, 94):
    draw.rounded_rectangle(s(x, 330, x + 20, 350), 4 * SCALE, fill=(108, 118, 130))

# A brown bear with a green scarf in the blue box.
crate(172, 288, (52, 104, 190))
fur, snout = (150, 98, 56), (222, 184, 140)
for x in (200, 260):
    draw.ellipse(s(x - 16, 206, x + 16, 238), fill=fur)
    draw.ellipse(s(x - 8, 214, x + 8, 230), fill=snout)
draw.ellipse(s(190, 262, 270, 352), fill=fur)
draw.ellipse(s(206, 284, 254, 346), fill=snout)
draw.ellipse(s(190, 208, 270, 280), fill=fur)
draw.ellipse(s(212, 240, 248, 272), fill=snout)
draw.ellipse(s(223, 242, 237, 252), fill=(56, 36, 28))
eyes(230, 234, 17, 5)
draw.rounded_rectangle(s(196, 270, 264, 286), 8 * SCALE, fill=(58, 148, 84))
draw.rounded_rectangle(s(244, 276, 260, 316), 6 * SCALE, fill=(48, 128, 72))

# A doll with red hair and a yellow dress in the green box.
crate(312, 428, (58, 148, 84))
skin, hair, dress = (246, 206, 178), (186, 66, 40), (246, 196, 60)
draw.ellipse(s(334, 196, 406, 284), fill=hair)
draw.polygon(s(370, 262, 404, 346, 336, 346), fill=dress)
draw.rounded_rectangle(s(352, 262, 388, 300), 10 * SCALE, fill=dress)
draw.ellipse(s(343, 210, 397, 268), fill=skin)
draw.pieslice(s(340, 200, 400, 262), 180, 360, fill=hair)
eyes(370, 242, 12, 4)
draw.arc(s(360, 244, 380, 258), 20, 160, fill=(170, 60, 60), width=2 * SCALE)
for x1, x2 in ((354, 338), (386, 402)):
    draw.line(s(x1, 274, x2, 304), fill=skin, width=9 * SCALE)
for x in (352, 376):
    draw.rounded_rectangle(s(x, 344, x + 12, 352), 3 * SCALE, fill=(96, 64, 140))

image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save("scene.png", optimize=True)
print("robot [28, 176, 148, 380]  bear [172, 176, 288, 380]  doll [312, 176, 428, 380]")
