"""What is written to a terminal is little, and leads to the same screen as if everything were written."""

import random
from collections.abc import Sequence

import pyte
import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import ControlType, Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tests.review.bursts import cells_of
from treegen.review.drawing import Painted

SIZE = Size(24, 4)
CONSOLE = Console(color_system="truecolor", force_terminal=True)
STYLES = [
    Style.parse(text) for text in ("", "red on blue", "red on green", "bold white", "reverse", "link https://x.y")
]
PIECES = ["a", "bc", " ", "漢", "字a", "e\u0301", "─│", "longer text"]


def line(dice: random.Random, width: int = SIZE.width) -> Strip:
    pieces = [Segment(dice.choice(PIECES), dice.choice(STYLES)) for _ in range(9)]
    return Strip(pieces).adjust_cell_length(width, STYLES[1])


def full(lines: Sequence[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[strip] for strip in lines], SIZE.region)


def screen_of(*texts: str) -> list[list[object]]:
    screen = pyte.Screen(*SIZE)
    stream = pyte.Stream(screen)
    for text in ("\x1b[?7l", *texts):  # no wrapping, as Textual has it
        stream.feed(text)
    return cells_of(screen)


@pytest.mark.slow
def test_changes_lead_to_the_screen_that_a_full_drawing_leads_to() -> None:
    for seed in range(300):
        dice = random.Random(seed)
        painted, written = Painted(), list[str]()
        lines = [line(dice) for _ in range(SIZE.height)]
        written.append(painted.changes(full(lines), CONSOLE, SIZE))
        for _ in range(4):
            y = dice.randrange(SIZE.height)
            lines[y] = line(dice)
            if dice.random() < 0.5:
                written.append(painted.changes(full(lines), CONSOLE, SIZE))
            else:
                chops = [{0: strip} for strip in lines]
                update = ChopsUpdate(chops, [(y, 0, SIZE.width)], [[SIZE.width]] * SIZE.height)
                written.append(painted.changes(update, CONSOLE, SIZE))
        assert screen_of(*written) == screen_of(Painted().changes(full(lines), CONSOLE, SIZE)), seed


def test_the_first_drawing_is_that_of_textual() -> None:
    """But for what only pyte tells apart: Textual writes a new line behind each."""
    dice = random.Random(0)
    lines = [line(dice) for _ in range(SIZE.height)]
    ours, theirs = Painted().changes(full(lines), CONSOLE, SIZE), full(lines).render_segments(CONSOLE)
    assert screen_of(ours) == screen_of(theirs.replace("\n", ""))


def test_an_update_without_changes_writes_nothing_until_the_screen_is_lost() -> None:
    update, painted = full([line(random.Random(1)) for _ in range(SIZE.height)]), Painted()
    first = painted.changes(update, CONSOLE, SIZE)
    assert painted.changes(update, CONSOLE, SIZE) == ""
    painted.clear()
    assert painted.changes(update, CONSOLE, SIZE) == first


def test_a_line_that_is_drawn_behind_the_edge_of_a_smaller_terminal_is_cut_off() -> None:
    update, painted = full([line(random.Random(2)) for _ in range(SIZE.height)]), Painted()
    small = Size(5, 2)
    assert painted.changes(update, CONSOLE, small)
    assert painted.changes(update, CONSOLE, small) == ""


def test_a_picture_is_written_as_it_is_and_what_it_covers_is_drawn_again() -> None:
    lines = [line(random.Random(3)) for _ in range(SIZE.height)]
    picture = Strip([Segment("\x1bPq#0~~\x1b\\", control=[(ControlType.CURSOR_MOVE_TO, 0, 0)])], 0)
    with_picture, painted = full([*lines[:-1], picture]), Painted()
    assert painted.changes(with_picture, CONSOLE, SIZE) == with_picture.render_segments(CONSOLE)
    assert painted.changes(full(lines), CONSOLE, SIZE) == Painted().changes(full(lines), CONSOLE, SIZE)


def test_fewer_colours_are_used_where_the_terminal_has_fewer() -> None:
    strip = Strip([Segment("x" * SIZE.width, Style.parse("#123456 on #654321"))])
    console = Console(color_system="256", force_terminal=True)
    assert "38;5;" in Painted().changes(LayoutUpdate([[strip]], Region(0, 0, SIZE.width, 1)), console, SIZE)
    assert console._color_system == ColorSystem.EIGHT_BIT


def test_a_board_of_colours_is_written_colour_by_colour() -> None:
    styles = [Style.parse("#010203 on #a0b0c0"), Style.parse("#010203 on #c0b0a0")]
    lines = [Strip([Segment("abc ", styles[(x + y) % 2]) for x in range(6)]) for y in range(SIZE.height)]
    written = Painted().changes(full(lines), CONSOLE, SIZE)
    assert written.count("48;2;160;176;192") == written.count("48;2;192;176;160") == 1
    assert screen_of(written) == screen_of(full(lines).render_segments(CONSOLE).replace("\n", ""))
