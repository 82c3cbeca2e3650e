"""Cheap drawing: only the cells that differ from what the terminal shows are written to it.

Textual writes every region that was marked for a refresh in full, with 40 bytes of colours for each piece. A cursor
that moves among groups repaints the whole pane beside it: 20 KB, which is felt over a slow line.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

#: a cell: its character (empty behind a wide one), what to write before a piece in its style, and behind it
Cell = tuple[str, str, str]
_SAME: Final = 6  # unchanged cells between two changes that cost less than another move of the cursor
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
        return "".join(self._line(x, y, list(_cells(strip, system))) for x, y, strip in _strips(update))

    def _line(self, x: int, y: int, cells: list[Cell]) -> str:
        """Write the cells of a line that have changed."""
        if not 0 <= y < self._size.height:
            return ""
        line = self._lines[y]
        cells = cells[: self._size.width - x]
        before, line[x : x + len(cells)] = line[x : x + len(cells)], cells
        runs = _runs([n for n, (old, new) in enumerate(zip(before, cells, strict=True)) if old != new], cells)
        return "".join(f"\x1b[{y + 1};{x + start + 1}H{_written(cells[start:end])}" for start, end in runs)


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
        before, behind = _codes(style, system) if style else ("", "")
        if text.isascii():
            yield from ((character, before, behind) for character in text)
            continue
        character = ""
        for piece in text:
            if cell_len(piece) == 0:  # an accent of the character before
                character += piece
                continue
            if character:
                yield from _one(character, before, behind)
            character = piece
        if character:
            yield from _one(character, before, behind)


def _one(character: str, before: str, behind: str) -> Iterator[Cell]:
    yield character, before, behind
    if cell_len(character) > 1:
        yield "", before, behind


@lru_cache(4096)
def _codes(style: Style, system: ColorSystem) -> tuple[str, str]:
    before, _, behind = Strip.render_style(style, _MARK, system).partition(_MARK)
    return before, behind


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


def _written(cells: list[Cell]) -> str:
    """Join cells; those in one style share its codes."""
    pieces: list[str] = []
    style = ("", "")
    for character, *codes in cells:
        if (codes[0], codes[1]) != style:
            pieces += [style[1], codes[0]]
            style = codes[0], codes[1]
        pieces.append(character)
    return "".join([*pieces, style[1]])
