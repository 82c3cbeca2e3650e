"""The parts of which details are made: lines of styled text, bars, and pictures with captions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from textual.content import Content

from treegen.images import LabelledImage
from treegen.text import printable
from treegen.tree.changes import ABSENT, Answer

GOOD: Final = "$text-success"
BAD: Final = "$text-error"
WARN: Final = "$text-warning"
DIM: Final = "dim"
HEAD: Final = "bold"

Part = str | tuple[str, str] | Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture to show.

    Attributes:
        image: where its bytes are.
        caption: what is seen on it, and by whom.
        good: whether that is right; `None` if that is not the question.
    """

    image: LabelledImage
    caption: str
    good: bool | None = None


@dataclass(slots=True, kw_only=True)
class Detail:
    """Details of what the cursor is on.

    Attributes:
        title: what it is.
        about: what is quieter, such as that it belongs to an earlier tree.
        lines: the text.
        pictures: of the dev split, in the order in which they are worth to be seen.
    """

    title: str
    about: str = ""
    lines: list[Content] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def add(self, *parts: Part) -> None:
        """Add a line; a part is a text, or a text with its style."""
        self.lines.append(line(*parts))

    def head(self, text: str) -> None:
        """Add the head of a section, with an empty line before it unless it is the first."""
        if self.lines:
            self.add("")
        self.add((text, HEAD))


def joined(first: Detail, second: Detail) -> Detail:
    """Return the first with the lines and pictures of the second behind its own."""
    head = line((second.title, HEAD))
    lines = [*first.lines, Content(), head, *second.lines]
    return Detail(title=first.title, about=second.about, lines=lines, pictures=second.pictures)


def line(*parts: Part) -> Content:
    """Return a line; names in it cannot break the terminal."""
    return Content.assemble(*map(_shown, parts))


def _shown(part: Part) -> Part:
    if isinstance(part, tuple):
        return printable(part[0]), part[1]
    return printable(part) if isinstance(part, str) else part


def tone_style(value: float | None) -> str:
    """Return the style of a share: green from 80 %, red below 50 %."""
    return DIM if value is None else GOOD if value >= 0.8 else BAD if value < 0.5 else WARN


def bar(value: float | None, width: int = 12) -> Content:
    """Return a share as a bar."""
    full = round(width * (value or 0))
    return Content.assemble(("━" * full, tone_style(value)), ("─" * (width - full), DIM))


def share(right: int, n: int) -> str:
    """Return "52 of 60"."""
    return f"{right} of {n}"


def aligned(names: Iterable[str], most: int = 28) -> int:
    """Return a width for names in front of other things."""
    return min(max((len(printable(name)) for name in names), default=0), most)


def answer_word(answer: Answer) -> str:
    """Return an answer as it is shown: `-` says that the question does not apply, `?` that nobody answered it.

    >>> answer_word("white"), answer_word(None), answer_word(ABSENT), answer_word(9)
    ('white', '-', '?', '?9')
    """
    if answer is None:
        return "-"
    return answer if isinstance(answer, str) else f"?{'' if answer is ABSENT else answer}"


def cut(text: str, width: int) -> str:
    """Return a text of exactly that width, cut or filled."""
    text = printable(text)
    return f"{text[: width - 1]}…" if len(text) > width else text.ljust(width)
