"""What a phrase is about, without a model: the word of it that other phrases are about too.

The head of "large, almond-shaped eyes (gold or green)" is "eye": of the part before the first word that begins an
addition (with, of, usually, such as, ...), the word that stands at the end of such parts in most classes. Where it is a
general property (color, pattern, shape, ...), the word before it belongs to the topic: "coat color" is not "coat".
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from treegen.tree.validation.normalise import normalise

_CUTS: Final = frozenset(
    "with on in at that which who whose for around to by over under above below near from into onto between along "
    "usually typically often sometimes generally commonly mostly mainly occasionally can may might is are was were has "
    "have include including such like when while if as due but than used used resembling extending running depending "
    "ranging visible located carried against across through during without within behind featuring made covered "
    "filled appearing leading hanging pointing standing sitting e.g i.e etc (".split()
)
#: "presence of grazing animals" is about animals
_CONTAINERS: Final = frozenset(
    "presence absence variety sign collection row combination lack pair set cluster patch range series mix mixture "
    "number type kind group touch hint bit piece array lot plenty hints evidence sense use indication instance amount "
    "layer top side front back rest part edge edges tip close-up view line mass bunch stack strip slice bed".split()
)
_PROPERTIES: Final = frozenset(
    "color colour coloration colouration pattern patterning marking shape size texture length style type expression "
    "height width".split()
)
#: "grille design" is about the grille
_EMPTY: Final = frozenset("design structure appearance finish material detail accent element system look".split())
#: nouns that end like adverbs and verbs
_NOUNS: Final = frozenset("belly underbelly family fly butterfly dragonfly lily jelly marking feathering".split())
COLOURS: Final = frozenset(
    "black white gray grey brown red orange yellow green blue purple pink tan cream golden gold silver beige olive "
    "chestnut rufous buff turquoise violet maroon crimson scarlet ivory tawny bicolor tricolor".split()
)
_SIZES: Final = frozenset(
    "small large medium tiny big huge giant medium-sized small-sized large-sized mid-sized".split()
)
_NEVER: Final = frozenset(
    "a an the of and or its their his her this these those it not no very more most some any other each both all "
    "photo photograph picture image shot view scene background foreground lighting camera close-up close detail "
    "captured shown seen showing shows show depicts depict captures capture reveals reveal highlights highlight "
    "highlighting displays display stands stand adds add gives give creates create looks appears overall clearly "
    "distance contrast there out up down environment atmosphere way hint sense s".split()
)
_TOKEN: Final = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[(),;:/.]")
_BRACKETS: Final = re.compile(r"\([^()]*\)?|\[[^\[\]]*\]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a phrase is about: `name` is shared by the phrases of one subject; `words` are all its content words.

    `near` holds those of the part that names the subject.
    """

    name: str
    words: tuple[str, ...]
    near: frozenset[str] = frozenset()


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The normalised word, remembered."""
    return normalise(word)


def _chunk(text: str) -> list[str]:
    """The content words of the part that names the subject, in order."""
    text = _BRACKETS.sub(" ", text)
    label, colon, _ = text.partition(":")
    if colon and 0 < len(label.split()) <= 3:
        text = label
    words: list[str] = []
    for token in _TOKEN.findall(text):
        word = stem(token) if token[0].isalnum() else token
        if word == "of" or token.casefold() == "of":
            if words and words[-1] in _CONTAINERS:
                words = []
                continue
            break
        if token.casefold() in _CUTS and words:
            break
        if token in ";:.":
            if words:
                break
            continue
        if token not in "(),/" and word not in _NEVER:
            words.append(word)
    return words


def _sentence_words(text: str) -> list[tuple[str, bool]]:
    """Content words of a sentence, each with whether something else than a content word follows (as behind a noun)."""
    tokens = _TOKEN.findall(text)
    found = []
    for token, after in zip(tokens, [*tokens[1:], "."], strict=True):
        word = stem(token) if token[0].isalnum() else token
        if word[:1].isalnum() and word not in _NEVER and token.casefold() not in _CUTS and len(word) > 2:
            ends = not after[0].isalnum() or after.casefold() in _CUTS or stem(after) in _NEVER or after in ("of",)
            found.append((word, ends))
    return found


def content_words(text: str) -> tuple[str, ...]:
    """All normalised words of a phrase that say something, in order."""
    words = (stem(t) for t in _TOKEN.findall(text) if t[0].isalnum())
    return tuple(w for w in words if w not in _NEVER and w not in _HEDGES and w)


_HEDGES: Final = frozenset(
    "usually typically often sometimes generally commonly mostly mainly occasionally may can might is are has have "
    "with in on distinctive characteristic prominent noticeable visible distinct".split()
)


def find_topics(
    texts: Sequence[str], owners: Sequence[Iterable[int]], sentences: Sequence[bool], noun: str
) -> list[Topic]:
    """The topic of every phrase.

    Args:
        texts: distinct phrases (N).
        owners: the classes that have each (N).
        sentences: which are whole sentences (N).
        noun: the domain's noun, which is no topic in a sentence.
    """
    chunks = [
        _sentence_words(t) if sentence else [(w, False) for w in _chunk(t)]
        for t, sentence in zip(texts, sentences, strict=True)
    ]
    heads: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for chunk, sentence, own in zip(chunks, sentences, owners, strict=True):
        weight = len(set(own))
        for word in {w for w, _ in chunk}:
            total[word] += weight
        if sentence:
            heads.update({w: weight for w, ends in chunk if ends})
        elif chunk:
            heads[chunk[-1][0]] += weight
    found = []
    for text, chunk, sentence in zip(texts, chunks, sentences, strict=True):
        words = [w for w, _ in chunk if not (sentence and w == stem(noun))]
        name = _sentence_topic(words, heads, total) if sentence else _phrase_topic(words, heads)
        name = name or " ".join(content_words(text)[-1:]) or text.casefold()
        found.append(Topic(name=name, words=content_words(text), near=frozenset() if sentence else frozenset(words)))
    return found


def _phrase_topic(words: Sequence[str], heads: Counter[str]) -> str:
    """The last word, or an earlier one that is the last of many more parts; a property keeps the word before it."""
    if not words:
        return ""
    if len(words) > 1 and words[-1] in _EMPTY and heads[words[-2]] > 1:
        words = words[:-1]
    last = words[-1]
    if last in _PROPERTIES:
        before = words[-2] if len(words) > 1 and heads[words[-2]] > 1 and words[-2] not in COLOURS | _SIZES else ""
        return f"{before} {_one(last)}".strip()
    if all(w in COLOURS or w == "and" for w in words):
        return "color"
    if all(w in _SIZES for w in words):
        return "size"
    return max(words, key=lambda w: (heads[w] * (3 if w == last else 1) * (w not in COLOURS | _SIZES), w == last))


def _one(word: str) -> str:
    """One word for one property."""
    same = {
        "colour": "color",
        "coloration": "color",
        "colouration": "color",
        "patterning": "pattern",
        "marking": "pattern",
    }
    return same.get(word, word)


def _sentence_topic(words: Sequence[str], heads: Counter[str], total: Counter[str]) -> str:
    """The word that is used as a noun in most classes."""
    named = [w for w in words if w in _NOUNS or not (w.endswith("ly") or (len(w) > 5 and w.endswith(("ing", "ed"))))]
    nouns = [w for w in named if heads[w] >= 0.5 * total[w] and heads[w] > 1]
    return max(nouns, key=lambda w: (heads[w], -words.index(w)), default="")
