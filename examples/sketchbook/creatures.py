"""Draw one creature: a body with its feature, coloured and outlined, on a transparent layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from attributes import COLOURS
from forms import FORMS, Body, Point
from PIL import Image, ImageDraw
from scenes import RGB, shade

INK: Final[RGB] = (34, 30, 34)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Maps body coordinates to pixels of one layer and draws shapes there."""

    draw: ImageDraw.ImageDraw
    centre: float
    scale: float

    def at(self, point: Point) -> Point:
        return self.centre + point[0] * self.scale, self.centre + point[1] * self.scale

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, fill: RGB | int, grow: float = 0.0) -> None:
        x, y = self.at((cx, cy))
        rx, ry = rx * self.scale + grow, ry * self.scale + grow
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def polygon(self, points: list[Point], fill: RGB | int, grow: float = 0.0) -> None:
        pixels = [self.at(p) for p in points]
        self.draw.polygon(pixels, fill=fill)
        if grow:
            self.draw.line([*pixels, pixels[0]], fill=fill, width=round(2 * grow), joint="curve")

    def stroke(self, points: list[Point], width: float, fill: RGB | int, grow: float = 0.0) -> None:
        pixels = [self.at(p) for p in points]
        w = max(2.0, width * self.scale + 2 * grow)
        self.draw.line(pixels, fill=fill, width=round(w), joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            self.draw.ellipse((x - w / 2, y - w / 2, x + w / 2, y + w / 2), fill=fill)

    def shapes(self, body: Body, fill: RGB | int, grow: float = 0.0) -> None:
        for kind, *rest in body.shapes:
            getattr(self, str(kind))(*rest, fill, grow)


def darker(colour: RGB, factor: float) -> RGB:
    """Return the colour times `factor`, at most 255 per channel."""
    r, g, b = (max(0, min(255, round(c * factor))) for c in colour)
    return r, g, b


def contrast(colour: RGB) -> RGB:
    """Return a dark mark on light colours, a light mark on dark ones."""
    return darker(colour, 0.42) if sum(colour) > 270 else (216, 212, 200)


def horn(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    x, y = body.head
    r, lean = body.head_radius, rng.uniform(-0.25, 0.1)
    tip = (x + lean, y - r - 0.62)
    pen.polygon([(x - 0.15, y - r * 0.7), tip, (x + 0.15, y - r * 0.7)], INK if grow else (246, 226, 170), grow)


def antlers(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    x, y = body.head
    top = y - body.head_radius * 0.7
    fill = INK if grow else (150, 104, 58)
    for side in (-1, 1):
        base, mid, end = (x + side * 0.1, top), (x + side * 0.36, top - 0.38), (x + side * 0.3, top - 0.72)
        pen.stroke([base, mid, end], 0.085, fill, grow)
        pen.stroke([mid, (x + side * 0.66, top - 0.52)], 0.07, fill, grow)
        pen.stroke([(x + side * 0.24, top - 0.2), (x + side * 0.54, top - 0.22)], 0.07, fill, grow)


def ears(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    x, y = body.head
    top, spread = y - body.head_radius * 0.55, rng.uniform(0.12, 0.28)
    for side in (-1, 1):
        base, tip = x + side * 0.17, (x + side * (0.17 + spread), top - 0.75)
        pen.polygon(
            [(base - 0.13, top), (tip[0] - 0.1, tip[1] + 0.12), tip, (tip[0] + 0.1, tip[1] + 0.12), (base + 0.13, top)],
            INK if grow else colour,
            grow,
        )
        if not grow:
            pen.stroke([(base, top - 0.06), (tip[0], tip[1] + 0.2)], 0.08, (238, 172, 176))


def wings(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    x, y = body.core[0], body.core[1] - body.core[3] * 0.4
    lift, fill = rng.uniform(0.75, 1.0), INK if grow else darker(colour, 0.68)
    for side in (-1, 1):
        w = side * 1.25
        pen.polygon(
            [
                (x, y),
                (x + w * 0.35, y - lift),
                (x + w, y - lift * 0.85),
                (x + w * 0.85, y - lift * 0.35),
                (x + w * 0.95, y + 0.05),
                (x + w * 0.6, y - 0.05),
                (x + w * 0.45, y + 0.25),
            ],
            fill,
            grow,
        )


def spikes(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    length, fill = rng.uniform(0.34, 0.46), INK if grow else contrast(colour)
    for bx, by in body.back:
        dx, dy = bx - body.bristle[0], by - body.bristle[1]
        norm = math.hypot(dx, dy) or 1.0
        dx, dy = dx / norm, dy / norm
        pen.polygon(
            [
                (bx - dy * 0.13 - dx * 0.12, by + dx * 0.13 - dy * 0.12),
                (bx + dx * length, by + dy * length),
                (bx + dy * 0.13 - dx * 0.12, by - dx * 0.13 - dy * 0.12),
            ],
            fill,
            grow,
        )


def tail(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    x, y = body.tail
    turns, size = rng.uniform(1.5, 1.8), 0.36
    cx, cy = x + 0.3, y - 0.42
    curl = [
        (
            cx + size * (1 - 0.75 * t) * math.cos(math.pi * 0.75 - turns * 2 * math.pi * t),
            cy + size * (1 - 0.75 * t) * math.sin(math.pi * 0.75 - turns * 2 * math.pi * t),
        )
        for t in (i / 22 for i in range(23))
    ]
    pen.stroke([(x - 0.15, y), (x + 0.05, y), *curl], 0.12, INK if grow else darker(colour, 0.85), grow)


def mane(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    x, y = body.head
    fill = INK if grow else contrast(colour)
    points: list[Point] = []
    for i in range(26):
        radius = body.head_radius * (1.85 if i % 2 else 1.35) * rng.uniform(0.93, 1.07) + 0.06
        angle = 2 * math.pi * i / 26
        points.append((x + radius * math.cos(angle), y + 0.08 + radius * math.sin(angle)))
    pen.polygon(points, fill, grow)


def nothing(pen: Pen, body: Body, colour: RGB, rng: Random, grow: float) -> None:
    """Draw nothing: patterns and the single eye are drawn on the body, not behind it."""


BEHIND: Final[dict[str, Callable[[Pen, Body, RGB, Random, float], None]]] = {
    "horn": horn,
    "antlers": antlers,
    "ears": ears,
    "wings": wings,
    "spikes": spikes,
    "tail": tail,
    "mane": mane,
}


def pattern(feature: str, body: Body, size: int, pen: Pen, rng: Random) -> Image.Image:
    """Return the marks of stripes or spots as a mask over the layer, before it is clipped to the body."""
    marks = Image.new("L", (size, size))
    ink = Pen(draw=ImageDraw.Draw(marks), centre=pen.centre, scale=pen.scale)
    if feature == "stripes":
        step, lean = rng.uniform(0.26, 0.34), rng.uniform(-0.15, 0.15)
        for i in range(-5, 6):
            ink.stroke([(i * step + lean, -1.1), (i * step - lean, 1.1)], 0.11, 255)
    else:
        for gx in range(-4, 5):
            for gy in range(-4, 5):
                dx, dy, r = rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05), rng.uniform(0.07, 0.11)
                ink.ellipse(gx * 0.28 + (gy % 2) * 0.14 + dx, gy * 0.26 + dy, r, r, 255)
    return marks


def face(pen: Pen, body: Body, feature: str) -> None:
    """Draw two dots of eyes, or the one large eye."""
    x, y = body.head
    if feature == "eye":
        r = max(0.27, body.head_radius * 0.78)
        pen.ellipse(x, y, r, r, INK)
        pen.ellipse(x, y, r * 0.86, r * 0.86, (252, 252, 250))
        pen.ellipse(x - r * 0.12, y, r * 0.42, r * 0.42, INK)
        return
    for dx in (-0.14, 0.1):
        pen.ellipse(x + dx, y - 0.04, 0.06, 0.075, (250, 250, 250))
        pen.ellipse(x + dx, y - 0.03, 0.04, 0.05, INK)


def draw_creature(colour: str, form: str, feature: str, *, side: int, radius: float, rng: Random) -> Image.Image:
    """Draw one creature in the middle of a transparent RGBA layer of `side` pixels, `radius` pixels from its centre."""
    fill = shade(COLOURS[colour], rng, 13)
    body = FORMS[form](rng)
    layer = Image.new("RGB", (side, side), fill)
    alpha = Image.new("L", (side, side))
    pen = Pen(draw=ImageDraw.Draw(layer), centre=side / 2, scale=radius)
    cut = Pen(draw=ImageDraw.Draw(alpha), centre=side / 2, scale=radius)
    outline = rng.uniform(1.2, 3.0) * side / 192
    add, state = BEHIND.get(feature, nothing), rng.getstate()
    for target, grow in ((cut, outline), (pen, outline), (pen, 0.0)):
        rng.setstate(state)
        inner = fill if grow == 0.0 else INK
        add(OnAlpha(cut) if target is cut else target, body, fill, rng, grow)  # type: ignore[arg-type]
        target.shapes(body, 255 if target is cut else inner, grow)
    if feature in ("stripes", "spots"):
        clip = Image.new("L", (side, side))
        Pen(draw=ImageDraw.Draw(clip), centre=side / 2, scale=radius).shapes(body, 255)
        marks = Image.composite(pattern(feature, body, side, pen, rng), Image.new("L", (side, side)), clip)
        layer.paste(contrast(fill), (0, 0), marks)
    for kind, points, ink in body.details:
        getattr(cut, str(kind))(points, 255, outline)
        getattr(pen, str(kind))(points, INK, outline)
        getattr(pen, str(kind))(points, ink)
    face(pen, body, feature)
    layer.putalpha(alpha)
    return layer


class OnAlpha:
    """Return a pen that draws every colour as opaque, for the transparency mask."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def polygon(self, points: list[Point], fill: RGB | int, grow: float = 0.0) -> None:
        self._pen.polygon(points, 255, grow)

    def stroke(self, points: list[Point], width: float, fill: RGB | int, grow: float = 0.0) -> None:
        self._pen.stroke(points, width, 255, grow)
