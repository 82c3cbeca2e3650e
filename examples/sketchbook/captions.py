"""Training captions: one to five attributes of a look in many wordings, never the name of a class."""

from dataclasses import dataclass
from random import Random
from typing import Final

from attributes import WORDS, Look

NOUNS: Final = ("creature", "creature", "creature", "animal", "beast", "monster", "being")

#: frames with one place for one attribute's word; {n} is the noun
FRAMES: Final[dict[str, tuple[str, ...]]] = {
    "colour": (
        "This {n}'s body is mainly {}.",
        "The {n} is mostly {}.",
        "a {} {n}",
        "The main colour of the {n} is {}.",
        "The {n}'s dominant color is {}.",
        "The body color of this {n} is {}.",
        "Its body is {}.",
        "a {n} that is {}",
        "{} in colour",
        "a drawing of a {n} whose body is {}",
        "The {n} has {} skin.",
        "a {n} with a {} body",
    ),
    "form": (
        "This {n} looks like {}.",
        "The {n} is shaped like {}.",
        "The {n}'s body has the form of {}.",
        "The overall form of this {n} is {}.",
        "The {n} has the body shape of {}.",
        "a {n} that resembles {}",
        "{}",
        "a drawing of a {n} shaped like {}",
        "The {n}'s silhouette is {}.",
        "The body of this {n} is like {}.",
        "The overall body form of the {n} resembles {}.",
        "The {n} is {}.",
    ),
    "feature": (
        "This {n} has {}.",
        "a {n} with {}",
        "The {n}'s most notable feature is {}.",
        "{} is what stands out.",
        "The most striking feature of the {n} is {}.",
        "The {n} is recognised by {}.",
        "a drawing of a {n} with {}",
        "The {n}'s most distinctive feature is {}.",
        "The {n} bears {}.",
        "The {n} can be told by {}.",
    ),
    "size": (
        "This {n} is {}.",
        "a {} {n}",
        "The {n} looks {} in the picture.",
        "The {n} is drawn {}.",
        "a {n} of {} size",
        "The size of the {n} is {}.",
        "Compared to the frame the {n} is {}.",
        "The {n} appears {}.",
    ),
    "scene": (
        "The background is {}.",
        "The {n} is in {}.",
        "The scene behind the {n} shows {}.",
        "a {n} against {}",
        "The {n} lives in {}.",
        "Behind the {n} there is {}.",
        "a drawing of a {n} in front of {}",
        "The {n}'s surroundings are {}.",
        "The {n} is surrounded by {}.",
        "{} in the background",
        "The habitat of the {n} is {}.",
        "The {n} is shown in {}.",
        "The background shows {}.",
    ),
    "legs": ("The {n} has {}.", "The {n} walks on {}.", "a {n} with {}", "The {n} moves on {}.", "It has {}."),
    "pattern": ("The {n}'s body is {}.", "The {n}'s skin is {}.", "a {} {n}", "The surface pattern is {}."),
    "head": ("On its head the {n} has {}.", "The head of the {n} bears {}.", "a {n} with {} on its head"),
    "eyes": ("The {n} has {}.", "a {n} with {}"),
    "light": ("The scene is {}.", "The picture is {}.", "The background is {}."),
}

#: derived question -> answer -> words; `facts` says which answer a look gives
DERIVED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "legs": {
        "ball": ("two short feet", "small round feet", "stubby feet"),
        "serpent": ("no legs", "no limbs"),
        "quadruped": ("four legs", "4 legs"),
        "bird": ("two thin legs", "two legs and a beak", "two bird legs"),
        "fish": ("fins", "fins and no legs", "a tail fin"),
        "insect": ("six legs", "6 legs", "six thin legs"),
        "biped": ("two legs and two arms", "two arms and legs", "arms and legs"),
        "star": ("five arms", "five points"),
        "slug": ("a crawling foot", "eye stalks", "one flat foot"),
        "octopus": ("tentacles", "many tentacles"),
    },
    "pattern": {
        "stripes": ("striped", "banded", "covered in stripes"),
        "spots": ("spotted", "speckled", "dotted"),
        "plain": ("plain", "unmarked", "of one plain colour", "smooth and plain"),
    },
    "head": {
        **{key: WORDS["feature"][key] for key in ("horn", "antlers", "ears")},
        "bare": ("nothing", "no horn", "no ornament"),
    },
    "eyes": {"one": ("one large eye", "a single eye", "one eye"), "two": ("two eyes", "two small eyes")},
    "light": {"dark": ("dark", "gloomy", "dim"), "bright": ("bright", "light", "in daylight")},
}

VALUES: Final[dict[str, dict[str, tuple[str, ...]]]] = {**WORDS, **DERIVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A text and the facts that it states: question -> answer, keys of `VALUES`."""

    text: str
    facts: dict[str, str]


def facts(look: Look) -> dict[str, str]:
    """Return the true answer to every question of `VALUES`."""
    return {
        **{attribute: getattr(look, attribute) for attribute in WORDS},
        "legs": look.form,
        "pattern": look.feature if look.feature in ("stripes", "spots") else "plain",
        "head": look.feature if look.feature in ("horn", "antlers", "ears") else "bare",
        "eyes": "one" if look.feature == "eye" else "two",
        "light": "dark" if look.scene in ("cave", "night", "volcano") else "bright",
    }


def _sentence(look: Look, rng: Random, attributes: tuple[str, ...]) -> Caption:
    """Return a sentence with these attributes."""
    word = {a: rng.choice(WORDS[a][getattr(look, a)]) for a in attributes}
    parts = [rng.choice(("a drawing of", "a sketch of", "a picture of", "an image of", "")), "a"]
    parts += [word[a] for a in ("size", "colour") if a in word]
    parts.append(rng.choice(NOUNS))
    if "form" in word:
        parts += [rng.choice(("shaped like", "that looks like", "in the form of")), word["form"]]
    if "feature" in word:
        parts += ["with", word["feature"]]
    if "scene" in word:
        parts += [rng.choice(("in", "in front of", "against")), word["scene"]]
    return Caption(text=" ".join(p for p in parts if p), facts={a: getattr(look, a) for a in attributes})


def _answer(question: str, look: Look, rng: Random) -> Caption:
    """Return one word of the answer in one of the question's frames."""
    answer = facts(look)[question]
    word = rng.choice(VALUES[question][answer])
    text = rng.choice(FRAMES[question]).replace("{n}", rng.choice(NOUNS)).replace("{}", word)
    return Caption(text=text if rng.random() < 0.8 else text.rstrip(".").lower(), facts={question: answer})


def make_captions(look: Look, rng: Random) -> list[Caption]:
    """Return twelve captions, each position of one kind.

    They are form (0 to 2), feature (3 to 5), colour, size, scene, a derived question, form with feature, several at
    once. Form and feature are the hard ones and come most often.
    """
    several = tuple(a for a in WORDS if rng.random() < 0.7) or ("colour", "form")
    return [
        *(_answer("form", look, rng) for _ in range(3)),
        *(_answer("feature", look, rng) for _ in range(3)),
        *(_answer(attribute, look, rng) for attribute in ("colour", "size", "scene")),
        _answer(rng.choice(tuple(DERIVED)), look, rng),
        _sentence(look, rng, ("form", "feature")),
        _sentence(look, rng, several),
    ]
