"""The grid by itself: cursor, scrolling, wide characters, clicks, huge tables, nothing at all."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from treegen.review.widgets.grid import Cell, Column, Grid, widths_of

pytestmark = pytest.mark.anyio


class Table(App[None]):
    """One grid that fills the terminal, and what it told."""

    def __init__(self, cells: bool) -> None:
        super().__init__()
        self.grid = Grid(cells=cells)
        self.moved: list[tuple[int, int]] = []
        self.chosen: list[tuple[int, int]] = []

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_grid_moved(self, event: Grid.Moved) -> None:
        self.moved.append((event.grid.row, event.grid.column))

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        self.chosen.append((event.grid.row, event.grid.column))

    @property
    def at(self) -> tuple[int, int]:
        return self.grid.row, self.grid.column

    @property
    def lines(self) -> list[str]:
        return [self.grid.render_line(y).text for y in range(self.grid.size.height)]


def numbered(row: int, column: int) -> str:
    return f"r{row}c{column}"


@asynccontextmanager
async def shown(
    rows: int,
    columns: int = 3,
    cell: Cell = numbered,
    *,
    cells: bool = True,
    width: int = 8,
    size: tuple[int, int] = (40, 10),
) -> AsyncIterator[tuple[Table, Pilot[None]]]:
    app = Table(cells)
    async with app.run_test(size=size) as pilot:
        app.grid.fill([Column(head=f"head{n}", width=width) for n in range(columns)], rows, cell, note="nothing here")
        app.grid.focus()
        await pilot.pause()
        yield app, pilot


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_the_cursor_stops_at_every_edge() -> None:
    async with shown(3) as (app, pilot):
        await pilot.press("up", "left")
        assert app.at == (0, 0)
        await pilot.press("down", "down", "down", "right", "right", "right")
        assert app.at == (2, 2)
        assert app.moved[-1] == (2, 2)


async def test_the_row_under_the_cursor_is_always_seen() -> None:
    async with shown(100) as (app, pilot):
        for key in ("end", "home", "pagedown", "pagedown", "pageup", "down", "G", "g"):
            await pilot.press(key)
            assert any(f"r{app.grid.row}c0" in line for line in app.lines[1:]), key
            assert app.lines[0].startswith("head0"), "the heads stay"


async def test_the_column_under_the_cursor_is_always_seen_beside_the_first() -> None:
    async with shown(5, columns=12) as (app, pilot):
        for _ in range(11):
            await pilot.press("right")
            row = app.lines[1 + app.grid.row]
            assert row.startswith("r0c0")
            assert f"r0c{app.grid.column} " in row
        for _ in range(11):
            await pilot.press("left")
            assert f"r0c{app.grid.column} " in app.lines[1]


async def test_without_a_cell_cursor_left_and_right_scroll() -> None:
    async with shown(5, columns=12, cells=False) as (app, pilot):
        await pilot.press("right", "right")
        assert app.grid.scroll_offset.x == 16
        assert app.grid.column == 0
        assert app.lines[1].startswith("r0c0")


@pytest.mark.parametrize(
    "text", ["東京の猫と犬と鳥", "🦊🦊🦊🦊🦊🦊", "e\u0301" * 12, "a東b京c猫d犬e鳥", "\x1b[31m", "\u200b" * 20]
)
async def test_every_line_is_as_wide_as_the_grid_whatever_it_holds(text: str) -> None:
    async with shown(3, cell=lambda r, c: text, width=7) as (app, _):
        assert {cell_len(line) for line in app.lines} == {app.grid.scrollable_content_region.width}
        assert "\x1b" not in "".join(app.lines)
        assert "…" in app.lines[1], "what is cut says so"


async def test_columns_stay_in_line_below_each_other_with_wide_characters() -> None:
    texts = ["plain", "東京", "🦊", ""]
    async with shown(4, columns=2, cell=lambda r, c: "|" if c else texts[r]) as (app, _):
        assert {cell_len(line[: line.index("|")]) for line in app.lines[1:5]} == {10}


async def test_a_click_moves_and_the_next_one_chooses() -> None:
    async with shown(50, columns=12) as (app, pilot):
        await pilot.click(Grid, offset=(11, 3))
        assert app.at == (2, 1)
        assert app.chosen == []
        await pilot.click(Grid, offset=(11, 3))
        assert app.chosen == [(2, 1)]


async def test_a_click_counts_from_what_is_scrolled_to() -> None:
    async with shown(50, columns=12) as (app, pilot):
        await pilot.press("end", *["right"] * 11)
        row = next(y for y, line in enumerate(app.lines) if "r45c0" in line)
        column = app.lines[row].index("r45c10")
        await pilot.click(Grid, offset=(column + 1, row))
        assert app.at == (45, 10)


async def test_a_click_on_heads_or_below_the_last_row_does_nothing() -> None:
    async with shown(2) as (app, pilot):
        await pilot.press("down")
        for y in (0, 4, 8):
            await pilot.click(Grid, offset=(2, y))
        assert app.at == (1, 0)
        assert app.chosen == []


async def test_enter_chooses() -> None:
    async with shown(3) as (app, pilot):
        await pilot.press("down", "right", "enter")
        assert app.chosen == [(1, 1)]


@pytest.mark.parametrize("columns", [0, 3])
async def test_an_empty_grid_shows_its_note_and_takes_every_key(columns: int) -> None:
    async with shown(0, columns) as (app, pilot):
        await pilot.press("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "enter", "j", "G")
        await pilot.click(Grid, offset=(2, 2))
        assert app.lines[0].startswith("nothing here")
        assert app.at == (0, 0)
        assert app.chosen == []


async def test_a_long_note_is_wrapped_not_cut() -> None:
    async with shown(0, size=(20, 8)) as (app, _):
        app.grid.fill([], 0, numbered, note="a note that needs rather more than twenty cells")
        assert " ".join(line.strip() for line in app.lines).strip() == "a note that needs rather more than twenty cells"


async def test_the_cursor_stays_inside_when_rows_or_columns_go() -> None:
    async with shown(50, columns=12) as (app, pilot):
        await pilot.press("end", *["right"] * 11)
        app.grid.fill([Column(head="h", width=8)] * 2, 3, numbered)
        await pilot.pause()
        assert app.at == (2, 1)
        assert any("r2c0" in line for line in app.lines)
        app.grid.fill([], 0, numbered)
        await pilot.pause()
        assert app.at == (0, 0)


async def test_a_huge_table_asks_only_for_the_cells_that_are_seen() -> None:
    asked: set[int] = set()

    def cell(row: int, column: int) -> str:
        asked.add(row)
        return numbered(row, column)

    async with shown(100_000, 31, cell) as (app, pilot):
        await pilot.press("end", "up", "home", "pagedown")
        assert len(asked) < 100
        await pilot.press("end")
        assert any("r99999c0" in line for line in app.lines)


@pytest.mark.parametrize(
    ("heads", "cell", "widths"),
    [
        (["a"], lambda r, c: "x" * r, [9]),
        (["東京の猫"], lambda r, c: "", [8]),
        (["a", "b"], lambda r, c: "y" * 99 if c else "\x1b", [6, 40]),
        (["a"], lambda r, c: "", [4]),
    ],
)
def test_widths_fit_heads_and_cells_in_cells_of_the_terminal(
    heads: list[str], cell: Callable[[int, int], str], widths: list[int]
) -> None:
    assert widths_of(heads, 10, cell) == widths
