"""Domains for benchmarks/drafting.py: islands of invented creatures, with drawings and a naturalist's notes, by seed.

Drawings, attributes and their words are those of examples/sketchbook. A name tells nothing; what a creature looks like
is told by the notes, or to be seen in the drawings of the dev split.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final, Literal

from treegen.errors import InputError
from treegen.resources import sketchbook_dir

sys.path.insert(0, str(sketchbook_dir()))

from attributes import WORDS, Look
from draw import draw_picture, stray

Kind = Literal["notes", "pictures"]
KINDS: Final[tuple[Kind, ...]] = ("notes", "pictures")
CLASSES: Final = {"notes": 14, "pictures": 12}
SHOWN: Final = {"notes": 0, "pictures": 2}  # pictures of each class that the language model sees
COUNT: Final = 40  # drawings of each class, half of them for the test split
_RELATED: Final = 0.4  # share of creatures that differ from another one in a single attribute

_ONSETS: Final = "b br d dr f g gl h k l m n p pl qu s sk t th v w y z".split()
_VOWELS: Final = "a e i o u ae".split()
_CODAS: Final = ["b", "ck", "d", "f", "l", "m", "n", "p", "r", "sh", "t", ""]
_ENDINGS: Final = "ab el ick im ith ock on oon uff um".split()

_DOMAIN: Final = """name = {name}
noun = "creature"
description = "Creatures of an invented island, drawn by a naturalist where they were met. Some individuals differ \
from their kind, or are seen away from home."
name_template = "a drawing of a {{noun}} called {{name}}"
classes_file = "classes.txt"

[images]
folder = "images"

[split]
by = "rank"
"""

_BUILD: Final = {
    "ball": ("is as round as a ball, on two stubby feet", "has a round body, like a ball"),
    "serpent": ("is long and winding, without limbs, like a snake", "has the shape of a snake"),
    "quadruped": ("goes on four legs, like a dog", "is a four-legged beast, of the build of a wolf"),
    "bird": ("is built like a bird, with a beak and two thin legs", "has beak and legs of a bird"),
    "fish": ("has the body and the tail fin of a fish", "is a fish by its shape, fins and all"),
    "insect": ("has six legs and a jointed body, like an ant", "is built like an insect, with six legs"),
    "biped": ("stands upright on two legs, like a little man", "has the figure of a human, arms and legs"),
    "star": ("has five arms, like a starfish", "is a star of five points"),
    "slug": (
        "crawls on one flat foot and has its eyes on stalks, like a snail",
        "is a slug by its shape, eye stalks and all",
    ),
    "octopus": ("is a head on a bunch of tentacles, like an octopus", "has many tentacles below a large head"),
}
_MARKS: Final = {
    "horn": ("A single long horn grows on its head.", "It carries one pointed horn."),
    "antlers": ("It wears branched antlers.", "A pair of antlers is on its head, like those of a deer."),
    "ears": ("Its ears are long and upright, like a rabbit's.", "Two long ears stand on its head."),
    "wings": ("It has a pair of large wings.", "Two leathery wings spread from its back."),
    "spikes": ("A row of sharp spikes covers its back.", "It bristles with spines."),
    "eye": ("It looks at you from one great eye.", "It has a single huge eye."),
    "tail": ("Its long tail is curled into a spiral.", "It has a tail coiled like a spring."),
    "stripes": ("Its body is striped all over.", "Dark or light bands run across its body."),
    "spots": ("Its body is spotted all over.", "It is speckled with spots."),
    "mane": ("A shaggy ruff of fur is about its neck.", "It has a mane like a lion's."),
    "none": ("I found no ornament or marking on it.", "Its body is plain, without any mark."),
}
_HOMES: Final = {
    "forest": ("in the woods", "among the trees of the forest"),
    "desert": ("on the dunes of the desert", "on dry sand"),
    "sea": ("under water, off the coast", "in the sea"),
    "snow": ("on the snow fields", "where the ground is covered with snow"),
    "cave": ("in caves", "in a dark cave"),
    "night": ("at night, below the stars", "by night only, under the moon"),
    "meadow": ("on grassy meadows", "in meadows full of flowers"),
    "volcano": ("at the volcano, beside the lava", "on the slopes of the volcano"),
    "city": ("in town, between the houses", "in the streets of the town"),
    "paper": ("in a cage only, and drew it on an empty page", "once, in a box, and drew it on blank paper"),
}
_SIZES: Final = {"tiny": ("tiny", "very small"), "medium": ("medium-sized", "middling"), "huge": ("huge", "very large")}
_ASIDES: Final = (
    "Its call is a low hum.",
    "The islanders say that it brings luck.",
    "It smells faintly of pepper.",
    "It eats moss, as far as I could see.",
    "Shy; it took me three days to draw it.",
    "It is said to live for forty years.",
    "The children keep it as a pet.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """A domain: its kind and seed decide everything."""

    kind: Kind
    seed: int

    @classmethod
    def named(cls, name: str) -> "Island":
        """Return the island with that `name`.

        Raises:
            InputError: it is not a kind and a seed.
        """
        kind, _, seed = name.rpartition("-")
        if kind not in KINDS or not seed.isdecimal():
            raise InputError(f"{name}: not a domain", f"a kind ({', '.join(KINDS)}) and a seed, such as notes-1")
        return cls(kind=kind, seed=int(seed))

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"

    @property
    def shown(self) -> int:
        """Pictures of each class that the language model sees."""
        return SHOWN[self.kind]

    def creatures(self) -> dict[str, Look]:
        """Return name -> look; no two have colour, form and feature in common, and many differ in one of them only."""
        rng, looks = Random(f"island/{self.name}"), list[Look]()
        while len(looks) < CLASSES[self.kind]:
            look = _relative(rng.choice(looks), rng) if looks and rng.random() < _RELATED else _look(rng)
            if look.triple not in {each.triple for each in looks}:
                looks.append(look)
        return dict(zip(_names(len(looks), rng), looks, strict=True))

    def lay_out(self, folder: Path, *, count: int = COUNT) -> list[Path]:
        """Write the domain into a folder; return its files of notes."""
        creatures = self.creatures()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "domain.toml").write_text(_DOMAIN.format(name=json.dumps(f"island {self.name}")), encoding="utf-8")
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in creatures), encoding="utf-8")
        for name, look in creatures.items():
            (folder / "images" / name).mkdir(parents=True)
            for number in range(count):
                rng = Random(f"{self.name}/{name}/{number}")
                picture = draw_picture(stray(look, rng), rng, crops=0.4, clutters=9)
                picture.save(folder / "images" / name / f"{number:03d}.png")
        if self.kind != "notes":
            return []
        rng, file = Random(f"notes/{self.name}"), folder / "notes.json"
        notes = {name: _note(look, rng) for name, look in creatures.items()}
        file.write_text(json.dumps(notes, indent=1), encoding="utf-8")
        return [file]


def _look(rng: Random) -> Look:
    return Look(**{attribute: rng.choice(list(values)) for attribute, values in WORDS.items()})


def _relative(look: Look, rng: Random) -> Look:
    """Return the look with another colour, form or feature."""
    attribute = rng.choice(("colour", "form", "feature"))
    others = [value for value in WORDS[attribute] if value != getattr(look, attribute)]
    return replace(look, **{attribute: rng.choice(others)})


def _names(count: int, rng: Random) -> list[str]:
    """Return invented names that hold no word of an attribute and do not begin alike."""
    words = {
        w for values in WORDS.values() for texts in values.values() for t in texts for w in t.split() if len(w) > 2
    }
    names: dict[str, str] = {}
    while len(names) < count:
        name = rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) + rng.choice(_ENDINGS)
        if not any(word in name for word in words):
            names.setdefault(name[:3], name.capitalize())
    return list(names.values())


def _note(look: Look, rng: Random) -> str:
    """Return what the naturalist writes of a kind: its attributes in prose, often with what nobody can see."""
    size, colour = rng.choice(_SIZES[look.size]), rng.choice(WORDS["colour"][look.colour])
    build, mark, home = (rng.choice(t) for t in (_BUILD[look.form], _MARKS[look.feature], _HOMES[look.scene]))
    first = rng.choice(
        (f"{size.capitalize()} and {colour}; it {build}.", f"It {build}; {size}, and {colour} in colour.")
    )
    rest = [mark, f"I met it {home}.", *([rng.choice(_ASIDES)] if rng.random() < 0.5 else [])]
    rng.shuffle(rest)
    return " ".join([first, *rest])
