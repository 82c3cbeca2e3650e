"""Backgrounds: each scene paints a whole picture of side `s` in pixels."""

import math
from collections.abc import Callable
from random import Random
from typing import Final

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]


def shade(colour: RGB, rng: Random, spread: int = 14) -> RGB:
    """Return the colour moved by up to `spread` per channel, 0 to 255."""
    r, g, b = (max(0, min(255, c + rng.randint(-spread, spread))) for c in colour)
    return r, g, b


def _ground(draw: ImageDraw.ImageDraw, s: int, sky: RGB, ground: RGB, horizon: float) -> None:
    draw.rectangle((0, 0, s, s), fill=sky)
    draw.rectangle((0, int(s * horizon), s, s), fill=ground)


def forest(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((176, 206, 176), rng), shade((70, 104, 54), rng), rng.uniform(0.6, 0.75))
    for _ in range(rng.randint(5, 8)):
        x, w, top = rng.uniform(0, s), s * rng.uniform(0.03, 0.06), s * rng.uniform(0.1, 0.4)
        draw.rectangle((x - w / 2, top, x + w / 2, s * 0.78), fill=shade((92, 66, 42), rng))
        for _ in range(3):
            cx, cy, r = (
                x + rng.uniform(-0.06, 0.06) * s,
                top + rng.uniform(-0.08, 0.06) * s,
                s * rng.uniform(0.08, 0.13),
            )
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=shade((44, 108, 50), rng))


def desert(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((250, 226, 170), rng), shade((226, 186, 112), rng), 0.6)
    for i in range(3):
        base = s * (0.55 + 0.15 * i)
        phase = rng.uniform(0, 6)
        ridge = [(x, base + s * 0.06 * math.sin(x / s * 6 + phase)) for x in range(0, s + 8, 8)]
        draw.polygon([(0, s), *ridge, (s, s)], fill=shade((232 - 16 * i, 192 - 16 * i, 118 - 12 * i), rng, 8))
    if rng.random() < 0.6:
        x, y, w = rng.uniform(0.1, 0.9) * s, rng.uniform(0.35, 0.5) * s, s * 0.03
        draw.rectangle((x - w, y, x + w, y + s * 0.25), fill=(70, 130, 70))
        draw.rectangle((x - 3 * w, y + s * 0.08, x + 3 * w, y + s * 0.11), fill=(70, 130, 70))


def sea(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    top = shade((84, 168, 206), rng)
    for i in range(8):
        fill = (max(0, top[0] - 8 * i), max(0, top[1] - 14 * i), max(0, top[2] - 10 * i))
        draw.rectangle((0, s * i // 8, s, s * (i + 1) // 8), fill=fill)
    for _ in range(rng.randint(4, 7)):
        x, sway = rng.uniform(0, s), rng.uniform(-0.05, 0.05) * s
        points = [(x, s), (x + sway, s * 0.9), (x - sway, s * 0.8), (x + sway, s * rng.uniform(0.6, 0.75))]
        draw.line(points, fill=shade((30, 110, 80), rng), width=max(2, s // 50))
    for _ in range(rng.randint(6, 12)):
        x, y, r = rng.uniform(0, s), rng.uniform(0, s), s * rng.uniform(0.01, 0.025)
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(214, 238, 248), width=max(1, s // 100))


def snow(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((188, 208, 226), rng), shade((238, 242, 248), rng, 6), rng.uniform(0.5, 0.65))
    for _ in range(rng.randint(1, 3)):
        x, w, h = rng.uniform(0, s), s * rng.uniform(0.12, 0.25), s * rng.uniform(0.2, 0.4)
        draw.polygon([(x - w, s * 0.6), (x, s * 0.6 - h), (x + w, s * 0.6)], fill=shade((206, 220, 234), rng))
    for _ in range(rng.randint(20, 34)):
        x, y, r = rng.uniform(0, s), rng.uniform(0, s), s * rng.uniform(0.006, 0.014)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255))


def cave(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    draw.rectangle((0, 0, s, s), fill=shade((84, 74, 68), rng))
    draw.ellipse((s * 0.08, s * 0.15, s * 0.92, s * 0.95), fill=shade((112, 100, 92), rng))
    for top in (True, False):
        for _ in range(rng.randint(5, 8)):
            x, w, h = rng.uniform(0, s), s * rng.uniform(0.03, 0.06), s * rng.uniform(0.12, 0.28)
            tip, base = (h, 0.0) if top else (s - h * 0.7, float(s))
            draw.polygon([(x - w, base), (x, tip), (x + w, base)], fill=shade((56, 48, 46), rng))


def night(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((20, 24, 66), rng, 10), shade((28, 34, 48), rng, 8), rng.uniform(0.75, 0.88))
    for _ in range(rng.randint(24, 40)):
        x, y, r = rng.uniform(0, s), rng.uniform(0, s * 0.8), s * rng.uniform(0.004, 0.01)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 246, 206))
    x, y, r = rng.uniform(0.1, 0.9) * s, rng.uniform(0.08, 0.22) * s, s * 0.08
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(244, 238, 190))


def meadow(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((170, 212, 244), rng), shade((128, 190, 84), rng), rng.uniform(0.35, 0.5))
    for _ in range(rng.randint(12, 20)):
        x, y, r = rng.uniform(0, s), rng.uniform(0.5, 1) * s, s * rng.uniform(0.012, 0.022)
        fill = rng.choice([(250, 240, 120), (244, 150, 190), (250, 250, 250), (220, 90, 90)])
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def volcano(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((96, 44, 48), rng), shade((54, 38, 40), rng), rng.uniform(0.62, 0.75))
    x, w, h = rng.uniform(0.25, 0.75) * s, s * rng.uniform(0.3, 0.42), s * rng.uniform(0.4, 0.52)
    draw.polygon(
        [(x - w, s * 0.72), (x - w * 0.2, s * 0.72 - h), (x + w * 0.2, s * 0.72 - h), (x + w, s * 0.72)],
        fill=shade((70, 48, 46), rng),
    )
    for _ in range(rng.randint(3, 5)):
        dx = rng.uniform(-0.2, 0.2) * w
        points = [(x + dx * 0.6, s * 0.72 - h), (x + dx * 1.8, s * 0.72 - h * 0.5), (x + dx * 3.5, s * 0.74)]
        draw.line(points, fill=shade((250, 110, 30), rng), width=max(2, s // 40))
    for _ in range(rng.randint(8, 14)):
        px, py, r = rng.uniform(0, s), rng.uniform(0, s * 0.6), s * rng.uniform(0.006, 0.014)
        draw.ellipse((px - r, py - r, px + r, py + r), fill=(252, 160, 60))


def city(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    _ground(draw, s, shade((198, 208, 220), rng), shade((120, 120, 124), rng), 0.78)
    x = 0.0
    while x < s:
        w, top = s * rng.uniform(0.12, 0.22), s * rng.uniform(0.12, 0.5)
        draw.rectangle((x, top, x + w, s * 0.78), fill=shade((150, 138, 136), rng, 26))
        for wy in range(int(top + s * 0.04), int(s * 0.74), max(4, s // 11)):
            for wx in range(int(x + s * 0.025), int(x + w - s * 0.03), max(4, s // 16)):
                lit = (248, 226, 140) if rng.random() < 0.4 else (88, 98, 116)
                draw.rectangle((wx, wy, wx + s * 0.03, wy + s * 0.045), fill=lit)
        x += w


def paper(draw: ImageDraw.ImageDraw, s: int, rng: Random) -> None:
    draw.rectangle((0, 0, s, s), fill=shade((246, 240, 222), rng, 8))
    if rng.random() < 0.5:
        for y in range(rng.randint(4, 12), s, max(8, s // 12)):
            draw.line([(0, y), (s, y)], fill=(196, 206, 224), width=1)


SCENES: Final[dict[str, Callable[[ImageDraw.ImageDraw, int, Random], None]]] = {
    "forest": forest,
    "desert": desert,
    "sea": sea,
    "snow": snow,
    "cave": cave,
    "night": night,
    "meadow": meadow,
    "volcano": volcano,
    "city": city,
    "paper": paper,
}


def paint_scene(name: str, side: int, rng: Random) -> Image.Image:
    """Paint the background as an RGB picture of `side` x `side` pixels."""
    image = Image.new("RGB", (side, side))
    SCENES[name](ImageDraw.Draw(image), side, rng)
    return image
