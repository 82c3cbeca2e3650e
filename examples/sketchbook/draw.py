"""Draw the pictures of the sketchbook: `python draw.py OUT` makes one folder per creature of creatures.json.

The same seed gives the same bytes: every picture has its own random generator, seeded by seed, name and number.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from attributes import RADII, WORDS, Look
from creatures import draw_creature
from PIL import Image, ImageDraw, ImageFilter
from scenes import paint_scene, shade

HERE: Final = Path(__file__).resolve().parent
SIDE: Final = 96  # pixels of a finished picture
CANVAS: Final = 192  # it is drawn twice as large and reduced

#: how often an individual differs from its kind: another scene, another size, another colour, a hidden feature
STRAYS: Final[dict[str, float]] = {"scene": 0.3, "size": 0.25, "colour": 0.16, "feature": 0.25}


def clutter(image: Image.Image, rng: Random, most: int) -> None:
    """Draw stones, leaves and twigs at the edge of the picture, sometimes over the creature."""
    draw, s = ImageDraw.Draw(image), image.width
    for _ in range(rng.randint(0, most)):
        x, y, r = rng.uniform(0, s), rng.choice([rng.uniform(0.75, 1.0), rng.uniform(0, 1.0)]) * s, s * 0.04
        kind = rng.choice(["stone", "leaf", "twig", "flake"])
        if kind == "stone":
            draw.ellipse((x - r, y - r * 0.6, x + r, y + r * 0.6), fill=shade((134, 130, 126), rng, 30))
        elif kind == "leaf":
            fill = shade(rng.choice([(96, 140, 60), (190, 120, 50)]), rng)
            draw.polygon([(x - r, y), (x, y - r * 0.5), (x + r, y), (x, y + r * 0.5)], fill=fill)
        elif kind == "twig":
            end = (x + rng.uniform(-3, 3) * r, y + rng.uniform(-1.5, 1.5) * r)
            draw.line([(x, y), end], fill=shade((100, 74, 50), rng), width=max(2, s // 64))
        else:
            side = r * 0.6
            draw.rectangle((x - side, y - side, x + side, y + side), fill=shade((180, 170, 190), rng, 50))


def stylise(image: Image.Image, rng: Random) -> Image.Image:
    """Apply one of four styles: flat, soft (watercolour), grainy (crayon), faded."""
    style = rng.choice(["flat", "flat", "soft", "grain", "faded"])
    if style == "soft":
        return image.filter(ImageFilter.GaussianBlur(image.width / 130))
    if style == "grain":
        noise = Image.frombytes(
            "L", (image.width // 2, image.height // 2), rng.randbytes(image.width * image.height // 4)
        )
        noise = noise.resize(image.size, Image.Resampling.NEAREST).convert("RGB")
        return Image.blend(image, noise, 0.13)
    if style == "faded":
        return Image.blend(image, Image.new("RGB", image.size, (236, 228, 208)), rng.uniform(0.12, 0.26))
    return image


def draw_picture(look: Look, rng: Random, *, crops: float = 0.1, clutters: int = 4) -> Image.Image:
    """Draw one finished RGB picture of `SIDE` x `SIDE` pixels.

    Args:
        look: appearance and scene of the creature.
        rng: the only source of variation (pose, place, hue, clutter, style).
        crops: probability that the creature leaves the frame in part.
        clutters: most pieces of clutter.
    """
    image = paint_scene(look.scene, CANVAS, rng)
    radius = rng.uniform(*RADII[look.size])
    side = round(CANVAS * max(0.7, radius * 4.2))
    layer = draw_creature(look.colour, look.form, look.feature, side=side, radius=radius * CANVAS, rng=rng)
    if rng.random() < 0.5:
        layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    layer = layer.rotate(rng.uniform(-12, 12), resample=Image.Resampling.BILINEAR)
    room = max(0.04, 0.5 - radius * 1.1) + (0.16 if rng.random() < crops else 0.0)
    x = CANVAS * (0.5 + rng.uniform(-room, room))
    y = CANVAS * (0.53 + rng.uniform(-room, room) * 0.7)
    image.paste(layer, (round(x - side / 2), round(y - side / 2)), layer)
    clutter(image, rng, clutters)
    return stylise(image.resize((SIDE, SIDE), Image.Resampling.BOX), rng)


def stray(look: Look, rng: Random) -> Look:
    """Return an individual of the kind: mostly like it, sometimes with a different attribute."""
    for attribute, chance in STRAYS.items():
        if rng.random() < chance:
            look = replace(look, **{attribute: rng.choice(list(WORDS[attribute]))})
    return look


def load_creatures() -> dict[str, Look]:
    """Return the invented kinds and their true looks, in the order of the file."""
    text = (HERE / "creatures.json").read_text(encoding="utf-8")
    return {name: Look(**look) for name, look in json.loads(text).items()}


def draw_folder(out: Path, *, count: int, seed: int) -> int:
    """Write `count` pictures of every creature to `out`/NAME/NNN.png; return the total number."""
    creatures = load_creatures()
    started, shown, total = time.monotonic(), 0.0, 0
    for name, look in creatures.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            rng = Random(f"{seed}/{name}/{number}")
            picture = draw_picture(stray(look, rng), rng, crops=0.4, clutters=9)
            picture.save(folder / f"{number:03d}.png", compress_level=3)
            total += 1
            now = time.monotonic() - started
            if sys.stderr.isatty() and now - shown > 0.2:
                shown = now
                print(f"\rdrawing {total}/{count * len(creatures)}  {total / now:.0f}/s ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder for one folder per creature")
    parser.add_argument("--count", type=int, default=60, help="pictures of each creature (60)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        total = draw_folder(args.out, count=args.count, seed=args.seed)
    except OSError as error:
        raise SystemExit(f"{error.filename or args.out}: {error.strerror or error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(f"{total} pictures in {args.out}")


if __name__ == "__main__":
    main()
