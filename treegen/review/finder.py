"""What the command palette finds beside commands: groups, options, classes, images, problems, revisions."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol

from textual.command import Hit, Hits, Provider
from textual.content import Content

from treegen.review.context import ReviewContext
from treegen.review.flows.compare import CompareFlow
from treegen.review.flows.navigation import NavigationFlow
from treegen.text import printable
from treegen.tree.validation.problems import pointer_to

_AT_ONCE: Final = 200  # candidates between two looks at the keys


class _Findable(ReviewContext, Protocol):
    """The application as the finder sees it."""

    navigation: NavigationFlow
    compare: CompareFlow


class TreeProvider(Provider):
    """Finds what the review shows."""

    async def search(self, query: str) -> Hits:
        """Yield what matches; choosing it goes there."""
        app: Any = self.app
        matcher = self.matcher(query)
        for number, (text, kind, go) in enumerate(_candidates(app)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            score, offsets = matcher.fuzzy_search.match(query, text)
            if score:
                shown = Content(text)  # a name is no markup
                for offset in offsets:
                    shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, go, text=text, help=kind)


def _candidates(app: _Findable) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Yield names, what they are, and how to go there."""
    review, navigation = app.review, app.navigation
    for group in review.tree.groups:
        pointer = pointer_to("classification_groups", group.name)
        yield printable(group.name), "group", partial(navigation.go_to, pointer)
        for index, option in enumerate(group.options):
            place = pointer_to("classification_groups", group.name, "options", index)
            yield printable(option), f"option of {printable(group.name)}", partial(navigation.go_to, place)
    for rule in review.tree.rules:
        kind = "look" if rule.look_of else "class"
        yield printable(rule.title), kind, partial(navigation.go_to, pointer_to("rules", rule.name))
    for number, mistake in enumerate(review.measured.mistakes if review.measured else ()):
        kind = f"image of {printable(mistake.true)}, taken for {printable(mistake.predicted)}"
        yield printable(mistake.image.name), kind, partial(navigation.to_mistake, number)
    for problem in review.known_problems:
        yield printable(problem.message), f"problem {problem.code}", partial(navigation.go_to, problem.pointer)
    for revision in review.session.store.revisions():
        kind = f"revision {revision.id}, {revision.created}"
        yield printable(revision.note) or kind, kind, partial(app.compare.with_revision, revision)
