"""What the command palette finds beside commands: groups, options, classes, images, problems, revisions."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from textual.command import Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.markup import escape

from treegen.review.context import ReviewContext
from treegen.review.flows.compare import CompareFlow
from treegen.review.flows.navigation import NavigationFlow
from treegen.text import printable
from treegen.tree.validation.problems import pointer_to

if TYPE_CHECKING:
    from treegen.history.store import Revision

_AT_ONCE: Final = 200  # candidates between two looks at the keys
_MOST: Final = 50  # hits of each kind that are listed: the palette sorts and measures its whole list again and again
_STARTS: Final = 8  # places of the first letter that are tried
_SEARCH: Final = FuzzySearch()


class Candidate(NamedTuple):
    """A name that can be found, what it is, and how to go there."""

    name: str
    kind: str
    go: Callable[[], None]


class _Findable(ReviewContext, Protocol):
    """The application as the finder sees it."""

    navigation: NavigationFlow
    compare: CompareFlow


class TreeProvider(Provider):
    """Finds what the review shows."""

    async def search(self, query: str) -> Hits:
        """Yield the best matches of each kind, and how many more there are; choosing one goes there."""
        app: Any = self.app
        for plural, candidates in _candidates(app):
            best: list[tuple[float, int, Sequence[int], Candidate]] = []  # a heap, the worst first
            count = 0
            for number, candidate in enumerate(candidates):
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
                score, offsets = match(query, candidate.name)
                count += score > 0
                if score and (len(best) < _MOST or score > best[0][0]):
                    heappush(best, (score, -number, offsets, candidate))
                    if len(best) > _MOST:
                        heappop(best)
            for score, _, offsets, candidate in sorted(best, reverse=True):
                shown = Content(candidate.name)  # a name is no markup
                for offset in offsets:
                    shown = shown.stylize(self.match_style or "reverse", offset, offset + 1)
                yield Hit(score, shown, candidate.go, text=candidate.name, help=escape(candidate.kind))
            if count > _MOST:
                yield _left_out(app, f"{plural}: {count - _MOST:,} more")


def _left_out(app: ReviewContext, words: str) -> Hit:
    """Return the line, below all hits, that counts those that are not listed."""
    tip = "type more of the name"
    return Hit(0, Content(words), partial(app.notify, f"{words}; {tip}", timeout=4), text=words, help=tip)


def match(query: str, name: str) -> tuple[float, Sequence[int]]:
    """Return how well a name matches, 0 for not at all, and where its letters are.

    Textual's own search scores every way in which the letters can be taken, and their number explodes with the letters.

    Args:
        query: letters that the name must have in this order, in any case; at least one.
        name: what is searched.
    """
    wanted, text = query.lower(), name.lower()
    if len(text) != len(name):  # a capital I with a dot becomes two characters, and places would not fit
        text = name
    factor = 2.0 if text == wanted else 1.5 if wanted in text else 1.0
    scored = ((factor * _SEARCH.score(text, offsets), offsets) for offsets in _ways(wanted, text))
    return max(scored, key=itemgetter(0), default=(0.0, ()))


def _ways(wanted: str, text: str) -> Iterator[Sequence[int]]:
    """Yield places of the letters: in one piece if the text has them so, else the next of each from a start."""
    piece = wanted if wanted in text else wanted[0]
    at = text.find(piece)
    for _ in range(_STARTS):
        offsets = range(at, at + len(piece)) if piece == wanted else _next_of_each(wanted, text, at)
        if at < 0 or not offsets:
            return
        yield offsets
        at = text.find(piece, at + 1)


def _next_of_each(wanted: str, text: str, at: int) -> list[int]:
    offsets = []
    for letter in wanted:
        at = text.find(letter, at)
        if at < 0:
            return []
        offsets.append(at)
        at += 1
    return offsets


def _candidates(app: _Findable) -> Iterator[tuple[str, Iterable[Candidate]]]:
    """Yield the kinds in the plural, with what there is of each; images, of which there are most, last."""
    yield "groups", _groups(app)
    yield "options", _options(app)
    yield "classes", _classes(app)
    yield "problems", _problems(app)
    yield "revisions", (_revision(app, each) for each in app.review.session.store.revisions())
    yield "images", _images(app)


def _groups(app: _Findable) -> Iterator[Candidate]:
    for group in app.review.tree.groups:
        place = pointer_to("classification_groups", group.name)
        yield Candidate(printable(group.name), "group", partial(app.navigation.go_to, place))


def _options(app: _Findable) -> Iterator[Candidate]:
    for group in app.review.tree.groups:
        kind = f"option of {printable(group.name)}"
        for index, option in enumerate(group.options):
            place = pointer_to("classification_groups", group.name, "options", index)
            yield Candidate(printable(option), kind, partial(app.navigation.go_to, place))


def _classes(app: _Findable) -> Iterator[Candidate]:
    for rule in app.review.tree.rules:
        kind = "look" if rule.look_of else "class"
        yield Candidate(printable(rule.title), kind, partial(app.navigation.go_to, pointer_to("rules", rule.name)))


def _problems(app: _Findable) -> Iterator[Candidate]:
    for problem in app.review.known_problems:
        go = partial(app.navigation.go_to, problem.pointer)
        yield Candidate(printable(problem.message), f"problem {problem.code}", go)


def _revision(app: _Findable, revision: "Revision") -> Candidate:
    kind = f"revision {revision.id}, {revision.created}"
    return Candidate(printable(revision.note) or kind, kind, partial(app.compare.with_revision, revision))


def _images(app: _Findable) -> Iterator[Candidate]:
    """Yield the images of the last score."""
    seen = app.review.measured.observations if app.review.measured else None
    if seen is None:
        return
    for index, image in enumerate(seen.images):
        true, predicted = seen.class_of(index), seen.predicted(index)
        kind = f"image of {printable(true)}" + (f", taken for {printable(predicted)}" if predicted != true else "")
        yield Candidate(printable(image.name), kind, partial(app.navigation.to_image, index))
