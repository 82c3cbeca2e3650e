"""From a descriptor list to the data of a tree, with the fate of every phrase."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from treegen.exchange.cleaning import Cleaner
from treegen.exchange.descriptors import Descriptors, Dropped, Phrase
from treegen.exchange.grouping import (
    MOST_GROUPS,
    Built,
    Member,
    Option,
    build,
    choose,
    clustered_subjects,
    counted,
    is_usable,
    typed_subjects,
)
from treegen.exchange.topics import Topic, find_topics
from treegen.exchange.wording import group_name, prompt_for, surface_name
from treegen.progress import Progress, no_progress
from treegen.tree.validation.normalise import normalise

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder

LEXICAL: Final = (
    "the built-in lexical embedding (words, weighted by rarity, with weight on what the phrase is about). It needs no "
    "model and knows no meaning: synonyms such as fur and coat stay apart; --encoder NAME groups by a CLIP's text side"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A usable phrase that is in no rule, and why."""

    owner: str
    text: str
    reason: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A class's name in one of its own phrases; `left` is what remains of it, empty if it was dropped."""

    owner: str
    text: str
    name: str
    left: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A group of the tree with the classes and wordings of its options."""

    name: str
    prompt: str
    options: tuple[Option, ...]
    typed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The groups, and what became of every phrase: `placed`, `dropped` and `unplaced` add up to what was read."""

    groups: tuple[Placed, ...]
    answers: dict[str, dict[str, int]]
    placed: int
    dropped: tuple[Dropped, ...]
    unplaced: tuple[Unplaced, ...]
    contradictions: tuple[Unplaced, ...]
    leaks: tuple[Leak, ...]
    method: str


def group_phrases(
    found: Descriptors,
    *,
    noun: str,
    encoder: "Encoder | None" = None,
    groups: int | None = None,
    progress: Progress = no_progress,
) -> Grouped:
    """Applies the procedure of `grouping` to a descriptor list.

    Args:
        found: what the file says.
        noun: the domain's, for prompts and in place of names.
        encoder: embeds phrases without an attribute type; without it the lexical embedding does.
        groups: most groups; by default all attribute types and `MOST_GROUPS` clusters.
        progress: is told how far long steps are.
    """
    members, dropped, leaks = _clean(found, noun)
    typed, again = _typed(found.phrases, members)
    free, more = counted([m for m in members if found.phrases[m.number].kind is None])
    again += more
    dropped += [_fate(Dropped, found.phrases[m.number], "stands twice for its class") for m in again]
    clusters, outside = _clustered(free, noun, encoder, progress)
    built, small = _usable([*map(build, typed), *map(build, clusters)])
    chosen = _chosen(built, groups)
    beaten = _beaten(chosen)
    reasons = {**_left_out(built, small, outside, {id(b) for b in chosen}), **beaten}
    placed, answers = _groups(chosen, noun)
    return Grouped(
        groups=placed,
        answers=answers,
        placed=sum(len(b.placed) for b in chosen),
        dropped=tuple(dropped),
        unplaced=tuple(_fate(Unplaced, found.phrases[n], reasons[n]) for n in sorted(reasons)),
        contradictions=tuple(_fate(Unplaced, found.phrases[n], told) for n, told in beaten.items()),
        leaks=tuple(leaks),
        method=_method(typed, free, encoder),
    )


def _fate(kind: Any, phrase: Phrase, reason: str) -> Any:
    return kind(owner=phrase.owner, text=phrase.text, reason=reason, place=phrase.place)


def _clean(found: Descriptors, noun: str) -> tuple[list[Member], list[Dropped], list[Leak]]:
    """Step 1 of the procedure."""
    cleaner, members, dropped, leaks = Cleaner(noun=noun), list[Member](), list(found.dropped), list[Leak]()
    for number, phrase in enumerate(found.phrases):
        cleaned = cleaner.clean(phrase.owner, phrase.text)
        if cleaned.leak:
            leaks.append(
                Leak(owner=phrase.owner, text=phrase.text, name=cleaned.leak, left=cleaned.text, place=phrase.place)
            )
        if cleaned.text:
            members.append(Member(number=number, owner=phrase.owner, text=cleaned.text, prose=cleaned.prose))
        else:
            told = "nothing is left without the class's name" if cleaned.leak else "says nothing"
            dropped.append(_fate(Dropped, phrase, told))
    return members, dropped, leaks


def _typed(phrases: Sequence[Phrase], members: Sequence[Member]) -> tuple[list[Any], list[Member]]:
    """The subjects of attribute types, and repetitions within a class and type."""
    subjects, again = [], list[Member]()
    pairs = [(kind, m) for m in members if (kind := phrases[m.number].kind) is not None]
    for subject in typed_subjects(pairs):
        kept, twice = counted(subject.members)
        subjects.append(replace(subject, members=tuple(kept)))
        again += twice
    return subjects, again


def _clustered(
    members: Sequence[Member], noun: str, encoder: "Encoder | None", progress: Progress
) -> tuple[list[Any], list[Member]]:
    """The subjects of clusters, and phrases that are in none."""
    if not members:
        return [], []
    from treegen.exchange.clustering import cluster
    from treegen.exchange.embedding import encoder_vectors, lexical_vectors

    keys = list(dict.fromkeys(normalise(m.text) for m in members))
    place = {key: i for i, key in enumerate(keys)}
    numbers = {name: i for i, name in enumerate(dict.fromkeys(m.owner for m in members))}
    owners: list[list[int]] = [[] for _ in keys]
    texts, sentences = [""] * len(keys), [False] * len(keys)
    for member in members:
        i = place[normalise(member.text)]
        owners[i].append(numbers[member.owner])
        texts[i] = texts[i] or member.text
        sentences[i] = sentences[i] or member.prose
    topics: list[Topic] = find_topics(texts, owners, sentences, noun)
    vectors = encoder_vectors(texts, encoder, progress) if encoder else lexical_vectors(topics)
    labels, nearness = cluster(vectors, owners)
    at = [place[normalise(m.text)] for m in members]
    full = [replace(m, nearness=float(nearness[i]), topic=topics[i].name) for m, i in zip(members, at, strict=True)]
    own = [int(labels[i]) for i in at]
    outside = [m for m, label in zip(full, own, strict=True) if label < 0]
    return clustered_subjects(full, own), outside


def _usable(candidates: Sequence[Built]) -> tuple[list[Built], list[Built]]:
    """Those that can be groups, and those that cannot."""
    good = [b for b in candidates if is_usable(b)]
    return good, [b for b in candidates if not is_usable(b)]


def _chosen(built: Sequence[Built], groups: int | None) -> list[Built]:
    """All groups of attribute types and the best clusters; with `groups`, the best of all."""
    if groups is not None:
        return choose(built, groups)
    typed = [b for b in built if b.subject.typed]
    return [*typed, *choose([b for b in built if not b.subject.typed], MOST_GROUPS)]


def _reasons(built: Built, told: str) -> dict[int, str]:
    return {m.number: told for m in built.subject.members}


def _left_out(
    built: Sequence[Built], small: Sequence[Built], outside: Sequence[Member], kept: set[int]
) -> dict[int, str]:
    """Phrases whose subject is no group of the tree, with the reason."""
    reasons = {m.number: "near to no other phrase" for m in outside}
    for one in small:
        reasons |= _reasons(one, f"its subject {one.subject.name!r} is too small: it has {_size(one)}")
    for one in built:
        if id(one) not in kept:
            reasons |= _reasons(one, f"its subject {one.subject.name!r} is not among the groups kept (--groups)")
    return reasons


def _beaten(chosen: Sequence[Built]) -> dict[int, str]:
    """Phrases that lost their place to another of their class, with the reason."""
    told = {}
    for one in chosen:
        name = surface_name(one)
        for loser, winner in one.beaten:
            told[loser.number] = f"its class has another phrase in {name!r}: {winner.text!r}"
    return told


def _size(built: Built) -> str:
    options, classes = len(built.options), built.classes
    return f"{options} option{'s' if options != 1 else ''} of {classes} class{'es' if classes != 1 else ''}"


def _groups(chosen: Sequence[Built], noun: str) -> tuple[tuple[Placed, ...], dict[str, dict[str, int]]]:
    """Groups with names and prompts, and class -> group -> index."""
    groups: list[Placed] = []
    answers: dict[str, dict[str, int]] = {}
    for built in chosen:
        name = group_name(surface_name(built), {g.name for g in groups})
        prompt = prompt_for(built, noun)
        groups.append(Placed(name=name, prompt=prompt, options=built.options, typed=built.subject.typed))
        for index, option in enumerate(built.options):
            for owner in option.classes:
                answers.setdefault(owner, {})[name] = index
    return tuple(groups), answers


def _method(typed: Sequence[Any], free: Sequence[Member], encoder: "Encoder | None") -> str:
    """Which embedding grouped what, in words."""
    parts = [f"{len(typed)} attribute types of the file"] if typed else []
    if free:
        parts.append(f"the text side of {encoder.name} (centred cosine, average linkage)" if encoder else LEXICAL)
    return "; ".join(parts)
