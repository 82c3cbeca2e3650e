"""Word lists behind the lints: English words that an image cannot answer, or that leave the meaning open.

A list holds whole words and phrases, and the longest matching phrase wins: `either side` is not `either`, and a
harmless phrase hides the words inside it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Final

_HEDGES: Final = """
usually, often, oftentimes, sometimes, may, might, maybe, perhaps, possible, possibly, potentially, probably
presumably, typically, generally, commonly, frequently, occasionally, normally, ordinarily, rarely, seldom
likely, could, can be, can have, can vary, can appear, can also, tend to, tends to, vary, varies
depending on, if any, if present, if visible, in some cases, at times, more or less, most likely, as a rule
"""
_NEGATIONS: Final = """
no, not, none, never, neither, nor, non, cannot, nothing, without, w / o, n / a, lack, lacks, lacking
absent, absence of, missing, devoid of, free of, free from, instead of, rather than, other than, except
"""
_ALTERNATIVES: Final = "or, /, and / or, either, alternatively, whichever, e g, such as, etc"
#: what a picture does not show, by topic
_UNSEEN: Final = """
venomous, poisonous, toxic, nontoxic, edible, inedible, harmless, dangerous, deadly, medicinal, allergenic
endangered, extinct, threatened species, protected species, invasive, domesticated, popular, famous, well known
native to, endemic, endemic to, originates, originated, originating, originally from, bred for, bred in
imported, made in, invented, discovered, named after, known for, known as, introduced in, released in
tastes, tasting, tasty, tasteless, delicious, flavor, flavour, flavors, flavours, flavored, flavoured
flavorful, flavourful, spicy
smell, smells, smelling, smelly, scent, scented, fragrant, fragrance, aroma, aromatic, odor, odour, odorless
sounds, sounding, noisy, loud, silent, chirps, chirping, melodious, high pitched, low pitched
expensive, inexpensive, cheap, affordable, price, priced, costs, costly, valuable
fast, slow, top speed, fast growing, slow growing, fast moving, slow moving
lives in, lives up to, inhabits, feeds on, preys on, eats, diet, hunts, lays eggs, nocturnal, diurnal
migratory, migrates, hibernates, lifespan, life span, long lived, years old, warm blooded, cold blooded
annual, biennial, perennial, hypoallergenic, to the touch, weighs, weighing
under the hood, under the bonnet, keyless entry, keyless, horsepower, transmission, drivetrain, powertrain
front wheel drive, rear wheel drive, all wheel drive, four wheel drive, cruise control, air conditioning
power windows, power locks, power steering, power seats, heated seats, antilock brakes, anti lock brakes
fuel efficient, fuel economy, mpg, turbocharged, supercharged, bluetooth, battery life, warranty
v6 engine, v8 engine, v10 engine, v12 engine, 4 cylinder engine, 6 cylinder engine, 8 cylinder engine
durable, reliable, comfortable, waterproof, high performance, high quality, low maintenance
"""
#: invisible too, unless said of a face or a front
_CHARACTER: Final = """
friendly, unfriendly, intelligent, loyal, playful, docile, shy, affectionate, obedient, curious
temperamental, temperament, personality, brave, faithful, sociable, independent, territorial
"""
_FACES: Final = frozenset(
    "angles appearance bumper curves demeanor demeanour design expression expressions eyes face faces front gaze "
    "grille grin lines look looking looks pose posed posture smile stance styling".split()
)
#: phrases in which a listed word means something that can be seen
_HARMLESS: Final = """
either side, either end, either hand, either edge, either flank, on either, or more, or less, or fewer
or above, or below, or over, or under, or larger, or smaller, or higher, or lower
km / h, m / s, a / c, ac / dc, c / o, i / o
can be seen, can be clearly seen, can be made out
no entry, no parking, no smoking, forget me not, touch me not, nothing but, not only, non stick
fast food, stuck fast, slow cooker, slow loris, slow lorises, slow worm, loud color, loud colors, loud colour
loud colours, loud pattern, loud patterns, price tag, price tags, price list, sound hole, sound holes
noisy texture, noisy textures, noisy pattern, noisy background
missing link, annual ring, annual rings, scent gland, scent glands, dangerous goods
"""

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|/")
_MODAL_VERBS: Final = frozenset("also appear be contain differ feature have include look not or seem show vary".split())

#: words that do not change an option's meaning
FILLERS: Final = frozenset(
    "body color colored colour coloured kind like looking mainly mostly primarily predominantly quite rather really "
    "shape shaped type very".split()
)
_ACHROMATIC: Final = frozenset("white whitish gray grey grayish greyish black blackish".split())
_SHADES: Final = frozenset(
    "ash ashen bright charcoal cream creamy dark darker deep dim dull ebony ivory jet light lighter medium metallic "
    "off pale pearl pitch pure shade silver silvery slate smoky snow tint tone".split()
)
_SPELLINGS: Final = {
    "grey": "gray",
    "greyish": "grayish",
    "colour": "color",
    "coloured": "colored",
    "colours": "color",
    "multicoloured": "multicolored",
    "mould": "mold",
    "plough": "plow",
    "tyre": "tire",
    "aluminium": "aluminum",
    "centre": "center",
    "fibre": "fiber",
    "odour": "odor",
    "armour": "armor",
    "moustache": "mustache",
}

CONTEXT: Final = 77  # context length of CLIP text encoders of OpenAI's design, including start and end
_PIECE: Final = re.compile(r"'(?:s|t|re|ve|m|ll|d)(?![^\W\d_])|[^\W\d_]+|\d|(?:[^\w\s]|_)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A phrase of a text and the code of its lint."""

    code: str
    phrase: str


def _phrases(text: str) -> Iterator[tuple[str, ...]]:
    for phrase in re.split(r"[,\n]", text):
        if words := tuple(phrase.split()):
            yield words


def _lexicon() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """Map first words to phrases with their codes, the longest first; a harmless phrase has no code."""
    lists = (
        (_HARMLESS, ""),
        (_ALTERNATIVES, "TG603"),
        (_HEDGES, "TG604"),
        (_NEGATIONS, "TG605"),
        (_UNSEEN, "TG606"),
        (_CHARACTER, "TG606"),
    )
    lexicon: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for text, code in lists:
        for words in _phrases(text):
            lexicon.setdefault(words[0], []).append((words, code))
    return {first: sorted(entries, key=lambda e: -len(e[0])) for first, entries in lexicon.items()}


_LEXICON: Final = _lexicon()
_CHARACTERS: Final = frozenset(words[0] for words in _phrases(_CHARACTER))


def doubtful_words(text: str) -> Iterator[Finding]:
    """Find alternatives (TG603), hedges (TG604), negations (TG605) and invisible properties (TG606) in English text.

    >>> [(f.code, f.phrase) for f in doubtful_words("usually red or blue, no horn")]
    [('TG604', 'usually'), ('TG603', 'or'), ('TG605', 'no')]
    """
    text = unicodedata.normalize("NFKC", text)
    tokens = list(_WORD.finditer(text))
    words = [m[0].casefold().replace("’", "'") for m in tokens]
    place = 0
    while place < len(words):
        length, code = _at(words, place)
        if code and _counts(words, place, tokens[place][0]):
            yield Finding(code=code, phrase=text[tokens[place].start() : tokens[place + length - 1].end()])
        place += length


def _at(words: Sequence[str], place: int) -> tuple[int, str]:
    """Return the word count and code of the longest listed phrase at `place`; (1, no code) if there is none."""
    for phrase, code in _LEXICON.get(words[place], ()):
        if tuple(words[place : place + len(phrase)]) == phrase:
            return len(phrase), code
    return 1, "TG605" if words[place].endswith("n't") else ""


def _counts(words: Sequence[str], place: int, written: str) -> bool:
    """Whether a listed word has the meaning that it is listed for."""
    word, after = words[place], words[place + 1] if place + 1 < len(words) else ""
    if word == "/":  # between two words, not in 1/2
        return place > 0 and words[place - 1].isalpha() and after.isalpha()
    if word == "no":  # No. 7
        return not after.isdigit()
    if word == "may":  # the month, and the blossom
        return written.islower() or after in _MODAL_VERBS
    return word not in _CHARACTERS or _FACES.isdisjoint(words[place:])


def content_words(words: Sequence[str]) -> tuple[str, ...]:
    """Drop filler words from a normalised text and unify spellings; keep all words if none would be left.

    >>> content_words(["mainly", "grey", "body"])
    ('gray',)
    """
    return tuple(_SPELLINGS.get(w, w) for w in words if w not in FILLERS) or tuple(words)


def only_achromatic(options: Iterable[Sequence[str]]) -> bool:
    """Whether all options, given as content words, consist only of whites, grays and blacks.

    Words that all options share, such as `fur`, do not count.
    """
    sets = [frozenset(words) for words in options]
    shared = frozenset.intersection(*sets) if sets else frozenset()
    remaining = [words - (shared - _ACHROMATIC - _SHADES) - {"and"} for words in sets]
    achromatic = [bool(words & _ACHROMATIC) for words in remaining]
    return any(achromatic) and all(words and words <= _ACHROMATIC | _SHADES for words in remaining)


def least_tokens(text: str) -> int:
    """Return a lower bound of the number of CLIP tokens of a text, including start and end.

    The tokenizer never merges across its initial split: words, single digits, runs of punctuation (Radford et al.
    2021).
    """
    plain = unicodedata.normalize("NFC", unescape(unescape(text))).lower()
    return sum(1 for _ in _PIECE.finditer(plain)) + 2
