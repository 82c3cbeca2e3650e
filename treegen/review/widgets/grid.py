"""A table that renders only what is visible: a thousand classes times thirty groups paint as fast as ten."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from treegen.review.drawing import characters
from treegen.text import printable

_MOST_CACHED: Final = 500  # cached rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its head, its width in cells, and whether it is right-aligned."""

    head: str
    width: int
    right: bool = False


Cell = Callable[[int, int], str]
#: a cell's style: `good`, `bad`, `warn`, `dim`, a shade such as `good3`, or nothing
Tone = Callable[[int, int], str]
SHADES: Final = 4


def widths_of(heads: Sequence[str], rows: int, cell: Cell, *, least: int = 4, most: int = 40) -> list[int]:
    """Compute widths that fit the heads and the first few hundred rows."""
    seen = range(min(rows, 300))
    return [
        min(max([least, cell_len(printable(head)), *(cell_len(printable(cell(r, c))) for r in seen)]), most)
        for c, head in enumerate(heads)
    ]


class Grid(ScrollView, can_focus=True):
    """Rows and columns with a cursor. The first column stays where it is when the others scroll.

    Hand-made because Textual's `DataTable` stores and measures every cell: 1,000 rows of 31 cells take it 1.47 s to
    fill, after each edit. This one asks for the cells that are seen, when they are seen.

    Everything that is shown is text: names with escapes, markup or wide characters cannot break it.
    """

    DEFAULT_CSS = """
    Grid { scrollbar-size: 1 1; }
    Grid > .grid--head { text-style: bold; color: $foreground-darken-2; }
    Grid > .grid--cursor { background: $primary-muted; text-style: bold; }
    Grid > .grid--quiet { background: $panel; }
    Grid > .grid--cell { background: $primary; color: $background; text-style: bold; }
    Grid > .grid--good { color: $text-success; }
    Grid > .grid--bad { color: $text-error; }
    Grid > .grid--warn { color: $text-warning; }
    Grid > .grid--dim { text-style: dim; }
    Grid > .grid--good1 { background: $success 12%; }
    Grid > .grid--good2 { background: $success 25%; }
    Grid > .grid--good3 { background: $success 42%; }
    Grid > .grid--good4 { background: $success 65%; }
    Grid > .grid--bad1 { background: $error 15%; }
    Grid > .grid--bad2 { background: $error 32%; }
    Grid > .grid--bad3 { background: $error 52%; }
    Grid > .grid--bad4 { background: $error 75%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--head",
        "grid--cursor",
        "grid--quiet",
        "grid--cell",
        "grid--good",
        "grid--bad",
        "grid--warn",
        "grid--dim",
        *(f"grid--{kind}{level}" for kind in ("good", "bad") for level in range(1, SHADES + 1)),
    }
    #: empty cells behind a column
    GAP: ClassVar[int] = 2
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1,0)", "Up", show=False),
        Binding("down,j", "move(1,0)", "Down", show=False),
        Binding("left,h", "move(0,-1)", "Left", show=False),
        Binding("right,l", "move(0,1)", "Right", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(-1)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Choose", show=False),
    ]
    #: the action of enter and of a click on the cursor; without one, `Chosen` is posted
    ENTER: ClassVar[str] = ""
    row: reactive[int] = reactive(0)
    column: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor has moved."""

        def __init__(self, grid: "Grid") -> None:
            super().__init__()
            self.grid = grid

        @property
        def control(self) -> "Grid":
            """The grid."""
            return self.grid

    class Chosen(Moved):
        """Enter was pressed, or the cursor was clicked."""

    def __init__(self, *, cells: bool = False, copied: int | None = None, id: str | None = None) -> None:
        """Build an empty grid.

        Args:
            cells: whether the cursor is a cell, not a row.
            copied: the column to copy from a row; the column under the cursor if not given.
            id: the widget's id.
        """
        super().__init__(id=id)
        self._by_cell, self._copied = cells, copied
        self._columns: list[Column] = []
        self._rows = 0
        self._cell: Cell = lambda row, column: ""
        self._tone: Tone = lambda row, column: ""
        self.note = ""
        self._heads = 1
        self._strips: dict[Hashable, Strip] = {}
        self._shades: dict[str, Style] = {}

    def fill(
        self,
        columns: Sequence[Column],
        rows: int,
        cell: Cell,
        tone: Tone | None = None,
        note: str = "",
        heads: int = 1,
    ) -> None:
        """Replace the content, keeping the cursor position if possible. The results of `cell` must not change.

        Args:
            columns: the columns.
            rows: the number of rows.
            cell: (row, column) -> text.
            tone: (row, column) -> `good`, `bad`, `warn`, `dim`, a shade such as `good3`, or nothing.
            note: the text shown if there are no rows.
            heads: lines of the heads; in more than one they are written downwards, as columns are narrow.
        """
        self._columns, self._rows, self._cell = list(columns), rows, cell
        self._tone = tone or (lambda row, column: "")
        self.note, self._heads = note, heads
        self._strips.clear()
        width = max(sum(c.width + self.GAP for c in self._columns) - self.GAP, 0)  # nothing is behind the last
        self.virtual_size = Size(width, rows + heads)
        self.row = min(self.row, max(rows - 1, 0))
        self.column = min(self.column, max(len(columns) - 1, 0))
        self.refresh()

    def redraw(self) -> None:
        """Draw the same cells again, as they have changed."""
        self._strips.clear()
        self.refresh()

    @property
    def count(self) -> int:
        """The number of rows."""
        return self._rows

    def text_at(self, row: int, column: int) -> str:
        """Return the text of a cell, for searching and copying."""
        return printable(self._cell(row, column))

    def row_texts(self, row: int) -> list[str]:
        """Return the texts of a row."""
        return [self.text_at(row, column) for column in range(len(self._columns))]

    @property
    def copied_text(self) -> str:
        """The text to copy from the row or cell under the cursor."""
        return self.text_at(self.row, self.column if self._copied is None else self._copied)

    def put_cursor(self, row: int, column: int | None = None) -> None:
        """Move the cursor and scroll to it."""
        if not self._rows:
            return
        self.row = min(max(row, 0), self._rows - 1)
        if column is not None:
            self.column = min(max(column, 0), len(self._columns) - 1)
        self._follow()
        self.post_message(self.Moved(self))

    def _follow(self) -> None:
        start = sum(c.width + self.GAP for c in self._columns[: self.column])
        fixed = self._columns[0].width + self.GAP if self.column and self._columns else 0
        width = self._columns[self.column].width if self._columns else 1
        height = self._heads + 1
        region = Region(start - fixed, self.row, width + fixed, height)
        region = region if self._by_cell else Region(0, self.row, 1, height)
        self.scroll_to_region(region, animate=False, force=True)

    def action_move(self, down: int, right: int) -> None:
        """Move one row or column; without a cell cursor, left and right scroll."""
        if right and not self._by_cell:
            self.scroll_relative(x=8 * right, animate=False)
            return
        self.put_cursor(self.row + down, self.column + right)

    def action_page(self, direction: int) -> None:
        """Move by one page."""
        self.put_cursor(self.row + direction * max(self.scrollable_content_region.height - self._heads - 1, 1))

    def action_edge(self, direction: int) -> None:
        """Move to the first or the last row."""
        self.put_cursor(0 if direction < 0 else self._rows - 1)

    async def action_choose(self) -> None:
        """Act on the row or cell under the cursor."""
        if self._rows and self.ENTER:
            await self.run_action(self.ENTER)
        elif self._rows:
            self.post_message(self.Chosen(self))

    async def on_click(self, event: Click) -> None:
        """Move the cursor; a click on the cursor chooses."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._heads or not self._rows:
            return
        row = offset.y - self._heads + self.scroll_offset.y
        column = self._column_at(offset.x)
        if row >= self._rows:
            return
        again = row == self.row and (not self._by_cell or column == self.column)
        self.put_cursor(row, column if self._by_cell else None)
        if again:
            await self.action_choose()

    def _column_at(self, x: int) -> int:
        fixed = self._columns[0].width + self.GAP if self._columns else 0
        x = x if x < fixed else x + self.scroll_offset.x
        for number, column in enumerate(self._columns):
            x -= column.width + self.GAP
            if x < 0:
                return number
        return len(self._columns) - 1

    def render_line(self, y: int) -> Strip:
        """Render one visible line: the heads, then the rows."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        if not self._rows:
            lines = wrap(printable(self.note), max(width, 1))
            text = lines[y] if y < len(lines) else ""
            return Strip([Segment(set_cell_size(text, width), base + self._style("dim"))])
        if y < self._heads:
            return self._line(lambda n, c: Segment(self._head(n, c, y), self._head_style(n, base)), width, base)
        row = y - self._heads + self.scroll_offset.y
        return Strip.blank(width, base) if row >= self._rows else self._row_strip(row, width, base)

    def _row_strip(self, row: int, width: int, base: Style) -> Strip:
        """Return a row, cached: a moving cursor changes only two rows, and sixty rows take some 50 ms."""
        cursor = (self.has_focus, self.column if self._by_cell and self.has_focus else None)
        key = (row, cursor if row == self.row else None, self.scroll_offset.x, width, base)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._line(
                lambda n, c: Segment(self._fitted(self._cell(row, n), c), self._cell_style(row, n, base)),
                width,
                self._cell_style(row, -1, base),
            )
            if len(self._strips) > _MOST_CACHED:
                self._strips.pop(next(iter(self._strips)))
        return strip

    def notify_style_update(self) -> None:
        """Drop the cached rows when the theme changes."""
        self._strips.clear()
        self._shades.clear()
        super().notify_style_update()

    def _line(self, part: Callable[[int, Column], Segment], width: int, base: Style) -> Strip:
        """Join the first column and the visible part of the others; a single column scrolls too."""
        if not self._columns:
            return Strip.blank(width, base)
        pinned = len(self._columns) > 1
        first = Strip([part(0, self._columns[0])] if pinned else [])
        room, left = max(width - first.cell_length, 0), self.scroll_offset.x
        at, hidden, seen = 0, 0, []
        for number, column in enumerate(self._columns[pinned:], pinned):
            end = at + column.width + self.GAP
            if end <= left:
                hidden = end
            elif at < left + room:
                seen.append(part(number, column))
            at = end
        line = Strip.join([first, Strip(seen).crop(left - hidden)])
        if width and line.crop(width).text.strip():  # the last column that is seen goes on
            line = Strip([*line.crop(0, width - 1), Segment("…", [*line.crop(0, width)][-1].style)])
        return line.adjust_cell_length(width, base)

    def _head(self, number: int, column: Column, line: int) -> str:
        """Return a line of a head; those that are written downwards stand on the last line."""
        if self._heads == 1:
            return self._fitted(column.head, column)
        if number == 0:
            return self._fitted(column.head if line == self._heads - 1 else "", column)
        letters = [*characters(printable(column.head))]
        if len(letters) > self._heads:
            letters[self._heads - 1 :] = ["…"]
        letters = [""] * (self._heads - len(letters)) + letters
        return self._fitted(letters[line], column)

    def _head_style(self, number: int, base: Style) -> Style:
        style = base + self.get_component_rich_style("grid--head", partial=True)
        if self._heads > 1 and number == self.column and self.has_focus:
            style += self.get_component_rich_style("grid--cursor", partial=True)
        return style

    def _fitted(self, text: str, column: Column) -> str:
        text = printable(text)
        length = cell_len(text)
        if length > column.width:
            text = set_cell_size(text, column.width - 1) + "…"
        elif column.right:
            text = " " * (column.width - length) + text
        return set_cell_size(text, column.width + self.GAP)

    def _cell_style(self, row: int, column: int, base: Style) -> Style:
        tone = self._tone(row, column) if column >= 0 else ""
        style = base + self._style(tone)
        if row != self.row:
            return style
        style += self.get_component_rich_style(f"grid--{'cursor' if self.has_focus else 'quiet'}", partial=True)
        if tone[-1:].isdigit():
            style += self._style(tone)  # its background is what the cell says
        if self._by_cell and column == self.column and self.has_focus:
            style += self.get_component_rich_style("grid--cell", partial=True)
        return style

    def _style(self, tone: str) -> Style:
        if tone[-1:].isdigit():
            if tone not in self._shades:
                self._shades[tone] = self._shade(tone)
            return self._shades[tone]
        return self.get_component_rich_style(f"grid--{tone}", partial=True) if tone else Style()

    def _shade(self, tone: str) -> Style:
        """Return a background, mixed here: a partial style would lose that its colour is translucent."""
        behind, color = self.background_colors[1], self.get_component_styles(f"grid--{tone}").background
        if behind.ansi is not None or color.ansi is not None:  # the terminal's own colours cannot be mixed
            return self._style(tone.rstrip("0123456789"))
        return Style(bgcolor=(behind + color).rich_color)

    def watch_row(self, old: int, new: int) -> None:
        """Repaint the two rows between which the cursor moves; the heads are above the first."""
        self.refresh_line(old + self._heads)
        self.refresh_line(new + self._heads)

    def watch_column(self) -> None:
        """Repaint the row of the cursor, and heads that show its column."""
        self.refresh_line(self.row + self._heads)
        if self._heads > 1:
            self.refresh_lines(self.scroll_offset.y, self._heads)


def entitle(widget: Widget, *parts: str) -> None:
    """Write a title into the frame of a widget: its first part, and behind it what is quieter, such as counts.

    Only if it has changed, as each time the whole widget is painted again.
    """
    first, *others = (printable(part) for part in parts if part)
    title = Content.assemble(first, *([(f" {' · '.join(others)}", "not bold dim")] if others else []))
    if widget._border_title is None or widget._border_title.plain != title.plain:
        widget.border_title = title  # as content: a name is not read as markup


class PaneGrid(Grid):
    """A grid of the review in a frame: it can be searched and copied from."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "app.do('navigation', 'search')", "search", tooltip="Search"),
        Binding("n", "app.do('navigation', 'find', 1)", "next found", show=False, tooltip="Next found"),
        Binding("N", "app.do('navigation', 'find', -1)", "previous found", show=False, tooltip="Previous found"),
        Binding("y", "copy", "copy", show=False, tooltip="Copy"),
    ]

    def entitle(self, *parts: str) -> None:
        """Write the name of what is shown, and counts, into the frame."""
        entitle(self, *parts)

    def action_copy(self) -> None:
        """Copy what is under the cursor to the clipboard."""
        if self.count:
            self.app.copy_to_clipboard(self.copied_text)
            self.app.notify(f"copied {self.copied_text}", timeout=2)
