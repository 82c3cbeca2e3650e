"""The bodies: each form is a list of shapes around the origin (radius about 1, y down, facing left) with anchors."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

Point = tuple[float, float]


@dataclass(slots=True, kw_only=True)
class Body:
    """Shapes in drawing order and the places where features are attached.

    Attributes:
        shapes: ("ellipse", cx, cy, rx, ry), ("polygon", points) or ("stroke", points, width).
        head: centre of the head.
        head_radius: its radius.
        back: points along the upper side, from head to tail.
        tail: where a tail begins.
        core: (cx, cy, rx, ry) of the trunk.
        bristle: the point that spikes on the back point away from.
    """

    head: Point
    head_radius: float
    back: list[Point]
    tail: Point
    core: tuple[float, float, float, float]
    bristle: Point = (0.0, 0.55)
    shapes: list[tuple[object, ...]] = field(default_factory=list)
    details: list[tuple[object, ...]] = field(default_factory=list)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float) -> None:
        self.shapes.append(("ellipse", cx, cy, rx, ry))

    def polygon(self, points: list[Point]) -> None:
        self.shapes.append(("polygon", points))

    def stroke(self, points: list[Point], width: float) -> None:
        self.shapes.append(("stroke", points, width))


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float, steps: int = 8) -> list[Point]:
    """Return points on an ellipse from `start` to `end` degrees; 0 is right, 90 is down."""
    angles = [math.radians(start + (end - start) * i / (steps - 1)) for i in range(steps)]
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


def ball(rng: Random) -> Body:
    ry = rng.uniform(0.8, 0.95)
    body = Body(
        head=(-0.1, -0.35), head_radius=0.5, back=arc(0, 0, 0.9, ry, 250, 350), tail=(0.8, 0.3), core=(0, 0, 0.75, 0.7)
    )
    body.ellipse(-0.35, ry, 0.25, 0.12)
    body.ellipse(0.35, ry, 0.25, 0.12)
    body.ellipse(0, 0, 0.9, ry)
    return body


def serpent(rng: Random) -> Body:
    waves = rng.uniform(1.2, 1.6)
    phase = rng.uniform(-0.4, 0.4)
    line = [(x / 10, 0.38 * math.sin(waves * math.pi * (x / 10) + phase) + 0.1) for x in range(-9, 12)]
    body = Body(
        head=(line[0][0] - 0.1, line[0][1] - 0.08),
        head_radius=0.3,
        tail=line[-1],
        core=(0.1, 0.1, 0.85, 0.5),
        back=[(x, y - 0.2) for x, y in line[3:17:2]],
    )
    body.stroke(line, 0.36)
    body.ellipse(body.head[0], body.head[1], 0.32, 0.25)
    return body


def quadruped(rng: Random) -> Body:
    lift = rng.uniform(-0.45, -0.3)
    stride = rng.uniform(-0.12, 0.12)
    body = Body(
        head=(-0.78, lift),
        head_radius=0.32,
        back=arc(0.08, 0.05, 0.65, 0.38, 215, 340),
        tail=(0.7, -0.05),
        core=(0.08, 0.05, 0.58, 0.32),
    )
    for x in (-0.42, -0.22, 0.38, 0.58):
        body.stroke([(x, 0.2), (x + stride, 0.9)], 0.17)
        stride = -stride
    body.stroke([(-0.35, 0.0), (-0.7, lift)], 0.32)
    body.ellipse(0.08, 0.05, 0.66, 0.38)
    body.ellipse(-0.78, lift, 0.3, 0.26)
    body.ellipse(-1.0, lift + 0.08, 0.17, 0.13)
    return body


def bird(rng: Random) -> Body:
    tilt = rng.uniform(-0.08, 0.08)
    body = Body(
        head=(-0.5, -0.52),
        head_radius=0.34,
        back=arc(0.05, 0.05, 0.62, 0.5, 235, 350),
        tail=(0.6, 0.1),
        core=(0.05, 0.08, 0.5, 0.4),
    )
    body.stroke([(-0.08, 0.4), (-0.12, 0.92), (-0.3, 0.92)], 0.07)
    body.stroke([(0.2, 0.4), (0.18, 0.92), (0.0, 0.92)], 0.07)
    body.polygon([(0.45, -0.1 + tilt), (1.05, -0.28 + tilt), (1.05, 0.02 + tilt), (0.5, 0.25)])
    body.ellipse(0.05, 0.05, 0.6, 0.46)
    body.ellipse(-0.5, -0.5, 0.34, 0.32)
    body.details.append(("polygon", [(-0.8, -0.6), (-1.18, -0.45), (-0.8, -0.36)], (236, 170, 50)))
    return body


def fish(rng: Random) -> Body:
    fin = rng.uniform(0.38, 0.52)
    body = Body(
        head=(-0.55, -0.12),
        head_radius=0.36,
        back=arc(-0.1, 0, 0.8, 0.46, 225, 330),
        tail=(0.95, 0.0),
        core=(-0.1, 0, 0.65, 0.38),
    )
    body.polygon([(0.5, 0.0), (1.1, -fin), (0.95, 0.0), (1.1, fin)])
    body.polygon([(-0.25, -0.4), (0.05, -0.72), (0.3, -0.35)])
    body.polygon([(-0.15, 0.35), (0.1, 0.68), (0.2, 0.35)])
    body.ellipse(-0.1, 0, 0.8, 0.46)
    return body


def insect(rng: Random) -> Body:
    bend = rng.uniform(0.05, 0.2)
    body = Body(
        head=(-0.78, -0.05),
        head_radius=0.28,
        back=arc(0.1, 0, 0.85, 0.36, 205, 335),
        tail=(0.95, 0.0),
        core=(0.3, 0.0, 0.7, 0.34),
    )
    for x in (-0.35, -0.1, 0.18):
        for side in (0.85, -0.62):
            body.stroke([(x, 0.0), (x + bend - 0.2, side * 0.6), (x + bend * 2 - 0.1, side)], 0.08)
    body.stroke([(-0.9, -0.2), (-1.1, -0.55)], 0.05)
    body.stroke([(-0.75, -0.25), (-0.85, -0.6)], 0.05)
    body.ellipse(0.5, 0, 0.52, 0.36)
    body.ellipse(-0.2, 0, 0.32, 0.27)
    body.ellipse(-0.74, 0, 0.28, 0.25)
    return body


def biped(rng: Random) -> Body:
    wave = rng.uniform(-0.4, 0.3)
    body = Body(
        head=(0, -0.68),
        head_radius=0.32,
        back=[(0.3, -0.45), (0.36, -0.2), (0.36, 0.05), (0.33, 0.3)],
        tail=(0.25, 0.4),
        core=(0, 0.05, 0.32, 0.45),
        bristle=(-0.6, 0.1),
    )
    body.stroke([(-0.16, 0.4), (-0.24, 1.0), (-0.38, 1.0)], 0.19)
    body.stroke([(0.16, 0.4), (0.24, 1.0), (0.1, 1.0)], 0.19)
    body.stroke([(-0.28, -0.2), (-0.75, wave)], 0.16)
    body.stroke([(0.28, -0.2), (0.75, -wave * 0.5 + 0.1)], 0.16)
    body.ellipse(0, 0.08, 0.36, 0.5)
    body.ellipse(0, -0.68, 0.33, 0.32)
    return body


def star(rng: Random) -> Body:
    turn = rng.uniform(-12, 12)
    points: list[Point] = []
    for i in range(10):
        angle, radius = math.radians(turn - 90 + 36 * i), (1.05 if i % 2 == 0 else 0.46)
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    body = Body(
        head=(0, -0.35),
        head_radius=0.4,
        back=[points[0], points[1], points[2], points[3]],
        tail=points[4],
        core=(0, 0, 0.5, 0.5),
    )
    body.polygon(points)
    return body


def slug(rng: Random) -> Body:
    top = rng.uniform(0.5, 0.62)
    body = Body(
        head=(-0.78, -0.1),
        head_radius=0.28,
        back=arc(0.2, 0.45, 0.75, top * 1.4, 215, 340),
        tail=(1.0, 0.5),
        core=(0.1, 0.2, 0.65, 0.35),
    )
    body.polygon(
        [(-1.0, 0.6), (-0.95, 0.1), (-0.7, -0.1), (-0.5, 0.1), *arc(0.2, 0.5, 0.7, top * 1.35, 195, 345), (1.15, 0.6)]
    )
    for x in (-0.92, -0.66):
        body.stroke([(x, 0.0), (x - 0.08, -0.5)], 0.09)
        body.ellipse(x - 0.08, -0.52, 0.11, 0.11)
    return body


def octopus(rng: Random) -> Body:
    sway = rng.uniform(0.06, 0.16)
    body = Body(
        head=(0, -0.4),
        head_radius=0.5,
        back=arc(0, -0.3, 0.6, 0.58, 240, 350),
        tail=(0.6, 0.1),
        core=(0, -0.3, 0.5, 0.45),
    )
    for i, x in enumerate((-0.5, -0.26, 0.0, 0.26, 0.5)):
        bend = sway if i % 2 else -sway
        body.stroke([(x, 0.0), (x * 1.35 + bend, 0.4), (x * 1.6 - bend, 0.7), (x * 1.9 + bend, 1.0)], 0.16)
    body.ellipse(0, -0.3, 0.62, 0.6)
    return body


FORMS: Final[dict[str, Callable[[Random], Body]]] = {
    "ball": ball,
    "serpent": serpent,
    "quadruped": quadruped,
    "bird": bird,
    "fish": fish,
    "insect": insect,
    "biped": biped,
    "star": star,
    "slug": slug,
    "octopus": octopus,
}
