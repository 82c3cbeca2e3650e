"""Cheap drawing: only the cells that differ from what the terminal shows are written to it.

Textual writes every region that was marked for a refresh in full, with 40 bytes of colours for each piece. A cursor
that moves among groups repaints the whole pane beside it: 20 KB, which is felt over a slow line.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip


class Look(NamedTuple):
    """How a cell looks: what begins and ends its attributes and link, and the codes of its colours.

    The colour of a blank is empty: it may be any.
    """

    begin: str = ""
    end: str = ""
    colour: str = "39"
    background: str = "49"


#: a character (empty behind a wide one) and its look
Cell = tuple[str, Look]
#: column, line and cells
Piece = tuple[int, int, list[Cell]]
_SAME: Final = 6  # unchanged cells between two changes that cost less than another move of the cursor
_RESET: Final = "\x1b[0m"
_MARK: Final = "\ue000"


class Painted:
    """What the terminal shows, cell by cell; `None` where that is not known."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._lines: list[list[Cell | None]] = []

    def clear(self) -> None:
        """Forget everything: something else was drawn, or the terminal has changed its size."""
        self._lines = [[None] * self._size.width for _ in range(self._size.height)]

    def changes(self, update: LayoutUpdate | ChopsUpdate, console: Console, size: Size) -> str:
        """Return what to write to a terminal of a size for an update, and take it as written."""
        if size != self._size:
            self._size = size
            self.clear()
        if any(segment.control or "\x1b" in segment.text for _, _, strip in _strips(update) for segment in strip):
            self.clear()  # a picture: what it covers is known to the terminal alone
            return update.render_segments(console)
        system = console._color_system or ColorSystem.TRUECOLOR
        pieces = [piece for x, y, strip in _strips(update) for piece in self._line(x, y, list(_cells(strip, system)))]
        # A colour costs up to 40 bytes, a move of the cursor 8: where the cells of many lines change, as when a heat
        # map scrolls sideways, it is cheaper to write them colour by colour.
        return min(_written(pieces), _written(_by_look(pieces)), key=len)

    def _line(self, x: int, y: int, cells: list[Cell]) -> "Iterator[Piece]":
        """Yield what has changed in a line, and take it as written."""
        if not 0 <= y < self._size.height:
            return
        line = self._lines[y]
        cells = cells[: max(self._size.width - x, 0)]  # an update may be of the size before the last resize
        before, line[x : x + len(cells)] = line[x : x + len(cells)], cells
        for start, end in _runs(
            [n for n, (old, new) in enumerate(zip(before, cells, strict=True)) if old != new], cells
        ):
            yield x + start, y, cells[start:end]


class Changes(CompositorUpdate):
    """An update of which only the changes are written."""

    def __init__(self, update: LayoutUpdate | ChopsUpdate, painted: Painted, size: Size) -> None:
        self._update, self._painted, self._size = update, painted, size

    def render_segments(self, console: Console) -> str:
        """Return what to write to the terminal."""
        return self._painted.changes(self._update, console, self._size)


def _strips(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Yield column, line and content of every piece of an update."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield x, y, strip
                x += strip.cell_length
        return
    for y, start, end in update.spans:
        for next_x, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if chop is not None and x < end and next_x > start:
                yield x, y, chop


def _cells(strip: Iterable[Segment], system: ColorSystem) -> Iterator[Cell]:
    for text, style, _ in strip:
        look = _look(style, system) if style else Look()
        blank = look if look.begin else look._replace(colour="")
        if text.isascii():
            yield from ((character, blank if character == " " else look) for character in text)
            continue
        for character in characters(text):
            yield character, blank if character == " " else look
            if cell_len(character) > 1:
                yield "", look


def characters(text: str) -> Iterator[str]:
    """Yield the characters, each with the accents behind it, which have no width."""
    character = ""
    for piece in text:
        if character and cell_len(piece):
            yield character
            character = ""
        character += piece
    if cell_len(character):
        yield character


@lru_cache(4096)
def _look(style: Style, system: ColorSystem) -> Look:
    begin, _, end = Strip.render_style(style.without_color, _MARK, system).partition(_MARK)
    colour, background = (
        ";".join(color.downgrade(system).get_ansi_codes(foreground)) if color else default
        for color, foreground, default in ((style.color, True, "39"), (style.bgcolor, False, "49"))
    )
    return Look(begin, end, colour, background)


def _runs(changed: list[int], cells: list[Cell]) -> list[tuple[int, int]]:
    """Return start and end of what to write: changes with little between them are one, and wide characters whole."""
    runs: list[tuple[int, int]] = []
    for at in changed:
        start = at - 1 if at and not cells[at][0] else at
        end = at + 2 if at + 1 < len(cells) and not cells[at + 1][0] else at + 1
        if runs and start - runs[-1][1] <= _SAME:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _by_look(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces of one look each, by their looks; sorted before its colour, a blank is with its background."""
    looks = [each for piece in pieces for each in _of_one_look(*piece)]
    looks.sort(key=lambda each: (each[0].begin, each[0].end, each[0].background, each[0].colour))
    return [piece for _, piece in looks]


def _of_one_look(x: int, y: int, cells: list[Cell]) -> Iterator[tuple[Look, Piece]]:
    """Divide a piece where the look changes; a blank belongs to what is before it on the same background."""
    start, look = 0, cells[0][1]
    for at, (_, other) in enumerate(cells):
        if other == look:
            continue
        if other._replace(colour=look.colour) == look and not (other.colour and look.colour):
            look = other if other.colour else look
        else:
            yield look, (x + start, y, cells[start:at])
            start, look = at, other
    yield look, (x + start, y, cells[start:])


def _written(pieces: Iterable[Piece]) -> str:
    pen = _Pen()
    for piece in pieces:
        pen.write(*piece)
    return pen.written()


class _Pen:
    """Writes cells; of a style only what differs from the one before."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._now = Look()

    def write(self, x: int, y: int, cells: list[Cell]) -> None:
        """Write cells from a place on."""
        self._pieces.append(f"\x1b[{y + 1};{x + 1}H")
        for character, look in cells:
            if look != self._now:
                self._take(look)
            self._pieces.append(character)

    def _take(self, look: Look) -> None:
        now = self._now
        if (look.begin, look.end) != (now.begin, now.end):
            self._pieces += [now.end, look.begin]
            if _RESET in now.end:
                now = Look()
        look = look._replace(colour=look.colour or now.colour)
        codes = [new for new, old in zip(look[2:], now[2:], strict=True) if new != old]
        if codes:
            self._pieces.append(f"\x1b[{';'.join(codes)}m")
        self._now = look

    def written(self) -> str:
        """Return everything, ended in no style."""
        end = "" if self._now == Look() or _RESET in self._now.end else _RESET
        return "".join([*self._pieces, self._now.end, end])
