"""Draw the international maritime signal flags A to Z: `python flags.py OUT` makes one folder per flag.

The same seed gives the same pictures: every picture has its own random generator, seeded by seed, name and number.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

SIDE: Final = 96  # pixels of a finished picture
CLOTH: Final = 240  # side of the flag before it is turned and reduced
CANVAS: Final = 288

COLOURS: Final[dict[str, str]] = {
    "white": "#f2f0ea",
    "blue": "#2a5cc4",
    "red": "#ce2a2e",
    "yellow": "#f2d22e",
    "black": "#2a2a30",
}
#: behind the flag: upper and lower colour
BACKDROPS: Final[dict[str, tuple[str, str]]] = {
    "sky over sea": ("#b4d2ea", "#3c74a0"),
    "fog": ("#c8c8c8", "#a8acb0"),
    "harbour wall": ("#a89c8c", "#7c7064"),
    "dusk": ("#7a5a80", "#2c2c4c"),
    "shore": ("#bcd8ea", "#7c9c58"),
}

Draw = ImageDraw.ImageDraw


def bands(*colours: str, upright: bool = False, shares: tuple[int, ...] = ()) -> Callable[[Draw], None]:
    """Return a painter of bands, from the top or (upright) from the hoist."""
    parts = shares or (1,) * len(colours)

    def paint(draw: Draw) -> None:
        at = 0.0
        for colour, part in zip(colours, parts, strict=True):
            end = at + CLOTH * part / sum(parts)
            draw.rectangle((at, 0, end, CLOTH) if upright else (0, at, CLOTH, end), fill=COLOURS[colour])
            at = end

    return paint


def checks(first: str, second: str, n: int) -> Callable[[Draw], None]:
    """Return a painter of n x n squares of two colours."""

    def paint(draw: Draw) -> None:
        s = CLOTH / n
        for i in range(n * n):
            x, y = i % n * s, i // n * s
            draw.rectangle((x, y, x + s, y + s), fill=COLOURS[second if (i % n + i // n) % 2 else first])

    return paint


def polygons(ground: str, *shapes: tuple[str, tuple[tuple[float, float], ...]]) -> Callable[[Draw], None]:
    """Return a painter of polygons (corners as shares of the side) on a ground."""

    def paint(draw: Draw) -> None:
        draw.rectangle((0, 0, CLOTH, CLOTH), fill=COLOURS[ground])
        for colour, corners in shapes:
            draw.polygon([(x * CLOTH, y * CLOTH) for x, y in corners], fill=COLOURS[colour])

    return paint


def box(colour: str, margin: float) -> tuple[str, tuple[tuple[float, float], ...]]:
    """Return a square in the middle."""
    a, b = margin, 1 - margin
    return colour, ((a, a), (b, a), (b, b), (a, b))


def saltire(ground: str, colour: str) -> Callable[[Draw], None]:
    """Return a painter of a diagonal cross."""
    w = 0.14
    down = (colour, ((0, 0), (w, 0), (1, 1 - w), (1, 1), (1 - w, 1), (0, w)))
    up = (colour, ((1, 0), (1, w), (w, 1), (0, 1), (0, 1 - w), (1 - w, 0)))
    return polygons(ground, down, up)


def cross(ground: str, colour: str) -> Callable[[Draw], None]:
    """Return a painter of an upright cross."""
    a, b = 0.39, 0.61
    return polygons(ground, (colour, ((a, 0), (b, 0), (b, 1), (a, 1))), (colour, ((0, a), (1, a), (1, b), (0, b))))


def disc(draw: Draw) -> None:
    """Paint India: a black disc on yellow."""
    draw.rectangle((0, 0, CLOTH, CLOTH), fill=COLOURS["yellow"])
    draw.ellipse((CLOTH * 0.26, CLOTH * 0.26, CLOTH * 0.74, CLOTH * 0.74), fill=COLOURS["black"])


def diagonals(draw: Draw) -> None:
    """Paint Yankee: ten diagonal stripes of yellow and red."""
    step = CLOTH / 5
    for i in range(10):
        x = i * step
        corners = [(x, 0), (x + step, 0), (x + step - CLOTH, CLOTH), (x - CLOTH, CLOTH)]
        draw.polygon(corners, fill=COLOURS["red" if i % 2 else "yellow"])


FLAGS: Final[dict[str, Callable[[Draw], None]]] = {
    "Alfa": bands("white", "blue", upright=True),
    "Bravo": bands("red"),
    "Charlie": bands("blue", "white", "red", "white", "blue"),
    "Delta": bands("yellow", "blue", "yellow", shares=(1, 2, 1)),
    "Echo": bands("blue", "red"),
    "Foxtrot": polygons("white", ("red", ((0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)))),
    "Golf": bands(*["yellow", "blue"] * 3, upright=True),
    "Hotel": bands("white", "red", upright=True),
    "India": disc,
    "Juliett": bands("blue", "white", "blue"),
    "Kilo": bands("yellow", "blue", upright=True),
    "Lima": checks("yellow", "black", 2),
    "Mike": saltire("blue", "white"),
    "November": checks("blue", "white", 4),
    "Oscar": polygons("red", ("yellow", ((0, 0), (1, 1), (0, 1)))),
    "Papa": polygons("blue", box("white", 0.32)),
    "Quebec": bands("yellow"),
    "Romeo": cross("red", "yellow"),
    "Sierra": polygons("white", box("blue", 0.32)),
    "Tango": bands("red", "white", "blue", upright=True),
    "Uniform": checks("red", "white", 2),
    "Victor": saltire("white", "red"),
    "Whiskey": polygons("blue", box("white", 0.2), box("red", 0.38)),
    "Xray": cross("white", "blue"),
    "Yankee": diagonals,
    "Zulu": polygons(
        "yellow",
        ("red", ((0, 1), (1, 1), (0.5, 0.5))),
        ("black", ((0, 0), (0, 1), (0.5, 0.5))),
        ("blue", ((1, 0), (1, 1), (0.5, 0.5))),
    ),
}
SWALLOW_TAILED: Final = ("Alfa", "Bravo")


def cloth(name: str, rng: Random) -> Image.Image:
    """Return the flag, transparent outside, in weathered colours."""
    image = Image.new("RGB", (CLOTH, CLOTH))
    FLAGS[name](ImageDraw.Draw(image))
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.75, 1.15))
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.1))
    mask = Image.new("L", image.size, 255)
    if name in SWALLOW_TAILED:
        ImageDraw.Draw(mask).polygon([(CLOTH, 0), (CLOTH * 0.72, CLOTH / 2), (CLOTH, CLOTH)], fill=0)
    image.putalpha(mask)
    return image


def picture(name: str, rng: Random) -> Image.Image:
    """Return a finished RGB picture of `SIDE` x `SIDE` pixels: the flag before a backdrop."""
    upper, lower = BACKDROPS[rng.choice(list(BACKDROPS))]
    image = Image.new("RGB", (CANVAS, CANVAS), upper)
    ImageDraw.Draw(image).rectangle((0, CANVAS * rng.uniform(0.45, 0.75), CANVAS, CANVAS), fill=lower)
    side = round(CLOTH * rng.uniform(0.7, 1.0))
    flag = (
        cloth(name, rng)
        .resize((side, side))
        .rotate(rng.uniform(-14, 14), resample=Image.Resampling.BILINEAR, expand=True)
    )
    room = CANVAS - flag.width
    at = (room // 2 + rng.randint(-12, 12), (CANVAS - flag.height) // 2 + rng.randint(-12, 12))
    image.paste(flag, at, flag)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 2.0)))
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def draw(out: Path, count: int, seed: int) -> int:
    """Write `count` pictures of each flag below `out`; return how many."""
    for name in FLAGS:
        (out / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(name, Random(f"{seed}/{name}/{number}")).save(out / name / f"{number:03}.png")
    return count * len(FLAGS)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=32, help="pictures of each flag")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.stdout.write(f"drew {draw(options.out, options.count, options.seed)} pictures\n")


if __name__ == "__main__":
    main()
