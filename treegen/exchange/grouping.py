"""How a descriptor list becomes groups of mutually exclusive options: the procedure, step by step.

1. Every phrase is cleaned: the class's own name is a leak and is taken out (in a sentence the domain's noun takes its
   place), and so are "a photo of", "has", "with" at its beginning. What stands twice for a class counts as said twice.
2. Subjects. Where the file names attribute types, the phrases of one type are one subject; wordings of a type that
   `normalise` makes equal are one type. All other phrases are clustered by embedding (`clustering`), with the built-in
   lexical one (`topics`, `embedding`) or the text side of a CLIP.
3. One answer for each class and subject, since options exclude each other: the phrase said most often; then the one
   nearest to the subject's centre; then the first in the file. The others are listed as contradictions.
4. Phrases of one subject with nearly the same words are one option, in the shortest wording: three
   quarters of their content words in common, or all words of one in the other and two thirds in common ("short coat"
   excludes no "short, smooth coat"), brackets left out, and the same numbers and colours in both.
5. A subject with two options or more, of two classes or more, is a group. Of clusters at most `MOST_GROUPS` are kept:
   in turn the one that tells most of the classes apart that have few answers yet. Classes without a phrase get null.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from treegen.exchange.topics import COLOURS, content_words
from treegen.tree.validation.normalise import normalise

MOST_GROUPS: Final = 24
_SAME: Final = 0.75
_WITHIN: Final = 0.66
_SHORT: Final = 4  # words of a value that stands as it is
_SHADES: Final = frozenset("dark light bright pale deep vivid".split())
_BRACKETS: Final = re.compile(r"\([^()]*\)?|\[[^\[\]]*\]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A cleaned phrase in a subject: `number` is its place among the phrases read, `times` how often it is said."""

    number: int
    owner: str
    text: str
    times: int = 1
    nearness: float = 1.0
    topic: str = ""
    prose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What phrases of several classes are about."""

    name: str
    members: tuple[Member, ...]
    typed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option with the classes that have it and all wordings that were merged into it."""

    text: str
    classes: tuple[str, ...]
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A group to be: its options, the phrases that are in it, and those that lost their place to another."""

    subject: Subject
    options: tuple[Option, ...]
    placed: tuple[Member, ...]
    beaten: tuple[tuple[Member, Member], ...]

    @property
    def classes(self) -> int:
        """Number of classes with an answer."""
        return sum(len(o.classes) for o in self.options)


def build(subject: Subject) -> Built:
    """Steps 3 and 4 for one subject; it may turn out to have one option only."""
    chosen: dict[str, Member] = {}
    beaten: list[tuple[Member, Member]] = []
    for member in sorted(subject.members, key=lambda m: (-m.times, -round(m.nearness, 5), m.number)):
        winner = chosen.setdefault(member.owner, member)
        if winner is not member:
            beaten.append((member, winner))
    placed = sorted(chosen.values(), key=lambda m: m.number)
    return Built(
        subject=subject,
        options=merge_wordings(placed, typed=subject.typed),
        placed=tuple(placed),
        beaten=tuple(sorted(beaten, key=lambda pair: pair[0].number)),
    )


def merge_wordings(members: Sequence[Member], *, typed: bool = False) -> tuple[Option, ...]:
    """The options of phrases, in the order of their first class; nearly the same words are one option.

    Short values of an attribute type ("white", "short tail") are options as they are.
    """
    said: dict[str, list[Member]] = {}
    for member in members:
        said.setdefault(normalise(member.text), []).append(member)
    bags = {key: _bag(same[0].text) or frozenset([key]) for key, same in said.items()}
    common = Counter(word for bag in bags.values() for word in bag)
    merged: list[list[str]] = []
    holders: dict[str, list[int]] = {}  # word -> numbers of the options that may be near a bag with it
    for key in sorted(said, key=lambda k: (-len(said[k]), said[k][0].number)):
        alone = typed and len(said[key][0].text.split()) <= _SHORT
        rare = [] if alone else _rarest(bags[key], common)
        near = sorted({number for word in rare for number in holders.get(word, ())})
        own = next((n for n in near if all(_near(bags[key], bags[other]) for other in merged[n])), None)
        if own is None:
            own = len(merged)
            merged.append([])
        merged[own].append(key)
        for word in rare:
            holders.setdefault(word, []).append(own)
    options = sorted((_option([said[key] for key in keys]) for keys in merged), key=lambda pair: pair[0])
    return tuple(option for _, option in options)


def _option(wordings: Sequence[Sequence[Member]]) -> tuple[int, Option]:
    """One option of several wordings: the shortest says nothing that is untrue of the others' classes."""
    same = sorted((m for members in wordings for m in members), key=lambda m: m.number)
    counts = Counter(m.text for m in same)
    text = min(counts, key=lambda t: (len(_bag(t)) or len(t), -counts[t], len(t)))
    option = Option(text=text, classes=tuple(m.owner for m in same), wordings=tuple(counts))
    return same[0].number, option


@lru_cache(maxsize=200_000)
def _bag(text: str) -> frozenset[str]:
    return frozenset(content_words(_BRACKETS.sub(" ", text)))


def _rarest(bag: frozenset[str], common: Counter[str]) -> list[str]:
    """So many of the rarest words that two near bags must share one of them: spares comparing each with each."""
    most = len(bag) - math.ceil(_WITHIN * len(bag)) + 1
    return sorted(bag, key=lambda word: (common[word], word))[:most]


def _near(a: frozenset[str], b: frozenset[str]) -> bool:
    if a == b:
        return True
    shared = len(a & b)
    alike = shared / (len(a) + len(b) - shared)
    if alike < _WITHIN or (alike < _SAME and shared < min(len(a), len(b))):
        return False
    return not any(w in COLOURS or w in _SHADES or any(c.isdigit() for c in w) for w in a ^ b)


def is_usable(built: Built) -> bool:
    """A group needs two options and two classes."""
    return len(built.options) >= 2 and built.classes >= 2


def choose(candidates: Sequence[Built], most: int) -> list[Built]:
    """Step 5: at most so many groups, in the order of their worth to classes that have few answers yet."""
    left, chosen = list(candidates), list[Built]()
    answers: Counter[str] = Counter()
    while left and len(chosen) < most:
        best = max(left, key=lambda b: (_gain(b, answers), -b.placed[0].number))
        left.remove(best)
        chosen.append(best)
        answers.update(m.owner for m in best.placed)
    return chosen


def _gain(built: Built, answers: Counter[str]) -> float:
    """Classes by how few answers they have, times the share of them that the most common option does not hold."""
    spread = 1 - max(len(o.classes) for o in built.options) / built.classes
    return spread * sum(1 / (1 + answers[m.owner]) for m in built.placed)


def typed_subjects(members: Iterable[tuple[str, Member]]) -> list[Subject]:
    """Subjects of (attribute type, phrase): wordings of one type are one, in the wording used most."""
    kinds: dict[str, list[tuple[str, Member]]] = {}
    for kind, member in members:
        kinds.setdefault(normalise(kind), []).append((kind, member))
    return [
        Subject(name=Counter(k for k, _ in same).most_common(1)[0][0], members=tuple(m for _, m in same), typed=True)
        for same in kinds.values()
    ]


def clustered_subjects(members: Sequence[Member], labels: Sequence[int]) -> list[Subject]:
    """Subjects of clusters, each named by that topic of its phrases whose words stand in most of them."""
    clusters: dict[int, list[Member]] = {}
    for member, label in zip(members, labels, strict=True):
        if label >= 0:
            clusters.setdefault(label, []).append(member)
    return [Subject(name=_common_topic(same), members=tuple(same), typed=False) for same in clusters.values()]


def _common_topic(members: Sequence[Member]) -> str:
    """ "exhaust", not "pipe", of "dual exhaust pipes", "dual exhaust" and "exhaust tips"."""
    topics = Counter(m.topic for m in members)
    words = Counter(word for m in members for word in set(content_words(m.text)))
    return max(topics, key=lambda topic: (min(words[w] for w in topic.split()), topics[topic]))


def counted(members: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    """Phrases without those that a class says again, which add to `times` of the first; and the repetitions."""
    first: dict[tuple[str, str], int] = {}
    kept: list[Member] = []
    again: list[Member] = []
    for member in members:
        key = (member.owner, normalise(member.text))
        if key in first:
            place = first[key]
            kept[place] = replace(kept[place], times=kept[place].times + 1)
            again.append(member)
        else:
            first[key] = len(kept)
            kept.append(member)
    return kept, again
