"""Appearance of sketchbook creatures: five attributes, their values and the words people use for them.

The generator draws values, the training captions use `WORDS`. A value's first word is its plainest name; the
others are paraphrases, so that a tree whose options are worded differently still means something to the CLIP.
"""

from dataclasses import dataclass
from typing import Final

#: attribute -> value -> words. Every word completes one of the frames of the attribute in `captions.py`.
WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "colour": {
        "white": ("white", "pale", "snow white", "ivory", "off-white", "chalky white", "cream white"),
        "gray": ("gray", "grey", "ashen", "slate gray", "silver gray", "stone grey", "silvery"),
        "black": ("black", "dark black", "jet black", "coal black", "ink black", "very dark", "charcoal black"),
        "brown": ("brown", "chestnut", "tan brown", "earthy brown", "chocolate brown", "russet brown", "tawny"),
        "red": ("red", "crimson", "scarlet", "bright red", "blood red", "ruby red", "cherry red"),
        "orange": ("orange", "bright orange", "amber orange", "pumpkin orange", "tangerine", "fiery orange"),
        "yellow": ("yellow", "golden", "bright yellow", "lemon yellow", "golden yellow", "sunny yellow", "gold"),
        "green": ("green", "leafy green", "emerald", "grass green", "moss green", "bright green", "olive green"),
        "blue": ("blue", "azure", "sky blue", "deep blue", "navy blue", "bright blue", "cobalt blue"),
        "purple": ("purple", "violet", "lavender", "plum purple", "deep purple", "lilac", "mauve"),
        "pink": ("pink", "rosy", "rose pink", "bright pink", "salmon pink", "pale pink", "magenta pink"),
    },
    "form": {
        "ball": ("a ball", "a round ball", "a sphere", "a round blob", "a globe", "a spherical body", "round"),
        "serpent": (
            "a snake",
            "a serpent",
            "a long worm",
            "a long winding snake",
            "an eel",
            "snake-like",
            "serpentine",
            "a limbless winding serpent",
        ),
        "quadruped": (
            "a four-legged animal",
            "a dog",
            "a wolf",
            "a horse",
            "a quadruped",
            "a beast on four legs",
            "a four-legged beast",
            "a deer",
            "a cat",
            "a four-legged mammal",
        ),
        "bird": (
            "a bird",
            "a bird with a beak",
            "a songbird",
            "a chick",
            "a two-legged bird",
            "bird-like",
            "avian",
            "a beaked bird",
        ),
        "fish": ("a fish", "a fish with a tail fin", "a finned fish", "fish-like", "a carp", "a finned swimmer"),
        "insect": (
            "an insect",
            "an ant",
            "a beetle",
            "a six-legged insect",
            "insect-like",
            "a bug",
            "a bug with six legs",
            "a segmented insect",
        ),
        "biped": (
            "a person",
            "a human",
            "a humanoid",
            "an upright figure on two legs",
            "an upright two-legged figure",
            "human-like",
            "a standing humanoid",
            "a little man",
        ),
        "star": ("a star", "a starfish", "a five-pointed star", "star-shaped", "a sea star", "a star with five arms"),
        "slug": ("a slug", "a snail", "a slug with eye stalks", "slug-like", "snail-like", "a crawling slug"),
        "octopus": (
            "an octopus",
            "a squid",
            "a jellyfish",
            "a body with tentacles",
            "octopus-like",
            "a head with tentacles",
            "a tentacled creature",
        ),
    },
    "feature": {
        "horn": ("a horn", "a single horn", "one horn", "one long horn", "a unicorn horn", "a pointed horn"),
        "antlers": ("antlers", "branched antlers", "large antlers", "a pair of antlers", "deer antlers"),
        "ears": ("long ears", "rabbit ears", "big ears", "two long ears", "large upright ears", "bunny ears"),
        "wings": ("wings", "bat wings", "large wings", "a pair of wings", "leathery wings", "two wings"),
        "spikes": ("spikes", "spines", "a row of spikes", "spikes along its back", "sharp spines", "a spiny back"),
        "eye": ("one eye", "a single large eye", "one huge eye", "a giant eye", "a cyclops eye", "one big eye"),
        "tail": ("a curly tail", "a long curled tail", "a spiral tail", "a coiled tail", "a long curly tail"),
        "stripes": ("stripes", "dark stripes", "a striped body", "striped skin", "bands", "stripes on its body"),
        "spots": ("spots", "dots", "a spotted body", "dark spots", "speckles", "spots on its body", "polka dots"),
        "mane": ("a mane", "a shaggy mane", "a fur collar", "a fluffy collar", "a ruff of fur", "a lion's mane"),
        "none": ("nothing special", "no special feature", "nothing unusual", "no notable feature", "a plain body"),
    },
    "size": {
        "tiny": ("tiny", "very small", "small", "little", "miniature"),
        "medium": ("medium-sized", "medium", "of middling size", "of average size", "mid-sized"),
        "huge": ("huge", "large", "very large", "big", "gigantic", "enormous"),
    },
    "scene": {
        "forest": ("a forest", "the woods", "trees", "woodland", "a dense forest", "a green forest"),
        "desert": ("a desert", "sand dunes", "a sandy desert", "sand", "dry dunes", "a hot desert"),
        "sea": ("the sea", "under water", "the ocean", "water", "deep water", "an underwater scene", "the sea floor"),
        "snow": ("snow", "a snowy field", "an icy landscape", "a snow-covered field", "ice and snow", "winter snow"),
        "cave": ("a cave", "a dark cave", "a cavern", "an underground cave", "a rocky cave", "a grotto"),
        "night": ("the night sky", "a starry night", "night", "a moonlit night", "stars and a moon", "the dark sky"),
        "meadow": ("a meadow", "grass", "a grassy field", "a flowery meadow", "green grass", "a field of flowers"),
        "volcano": ("a volcano", "lava", "a lava field", "an erupting volcano", "molten lava", "a fiery volcano"),
        "city": ("a city", "a town", "buildings", "houses", "a city street", "tall buildings", "an urban scene"),
        "paper": ("blank paper", "plain paper", "an empty page", "a blank page", "a notebook page", "nothing"),
    },
}

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "white": (240, 238, 232),
    "gray": (140, 142, 146),
    "black": (42, 42, 48),
    "brown": (124, 80, 44),
    "red": (206, 40, 44),
    "orange": (240, 130, 30),
    "yellow": (242, 212, 46),
    "green": (66, 150, 62),
    "blue": (52, 104, 208),
    "purple": (132, 66, 172),
    "pink": (242, 136, 178),
}

#: radius of the creature as a fraction of the picture's side: (least, most)
RADII: Final[dict[str, tuple[float, float]]] = {"tiny": (0.20, 0.23), "medium": (0.28, 0.32), "huge": (0.39, 0.44)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One value for each attribute; the attribute names are the fields."""

    colour: str
    form: str
    feature: str
    size: str
    scene: str

    @property
    def triple(self) -> tuple[str, str, str]:
        """Colour, form and feature: what no training picture may share with a class."""
        return self.colour, self.form, self.feature
