"""Every text can be read in every theme: the contrast is computed from what is painted."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from tests.review.conftest import Open, Player
from tests.review.painted import least, texts
from treegen.review.context import PANES
from treegen.review.contrast import LEAST, ReadableText, contrast, readable

pytestmark = pytest.mark.anyio
#: those in which the terminal chooses the colours have none that can be measured
THEMES = sorted(name for name, theme in BUILTIN_THEMES.items() if not theme.ansi)


def test_a_readable_color_stays_and_another_moves_until_it_can_be_read() -> None:
    random = Random(0)
    for _ in range(500):
        color, back = (Color(*random.randbytes(3)) for _ in range(2))
        moved = readable(color, back)
        assert contrast(moved, back) >= LEAST
        assert moved == color or contrast(color, back) < LEAST


def color_of(segment: Segment) -> Color:
    assert segment.style
    assert segment.style.color
    return Color.from_rich_color(segment.style.color)


def test_the_filter_dims_what_is_dim_and_leaves_frames_and_pictures_alone() -> None:
    behind = Color(20, 20, 20)
    quiet, dim = Style(color="#222222"), Style(color="#ffffff", dim=True)
    frame, text, faint = ReadableText().apply(
        [Segment("╭──▀▀", quiet), Segment("text", quiet), Segment("dim", dim)], behind
    )
    assert frame.style == quiet
    ratios = [contrast(color_of(each), behind) for each in (text, faint)]
    assert ratios[0] >= LEAST
    assert faint.style
    assert not faint.style.dim
    assert LEAST <= ratios[1] < 12


async def walk(player: Player, look: Callable[[str], Awaitable[None]]) -> None:
    """To every pane, with the focus on each side, and to dialogs, help and messages."""
    for number, pane in enumerate(PANES, 1):
        await player.press("escape", str(number))  # which leaves the text of ask
        await look(pane)
    await player.press("1", "r")
    await look("dialog of a text")
    await player.press("escape", "2", "right", "enter")
    await look("dialog of a choice")
    await player.press("escape", "question_mark")
    await look("keys")
    await player.press("escape", "slash", "z", "z", "enter")
    await look("message")


@pytest.mark.slow
async def test_every_text_is_readable_in_every_theme(
    play: Open, unseen: Path, record_property: Callable[[str, object], None]
) -> None:
    """The least of each theme is printed, which makes the table of contrasts."""
    lowest = dict.fromkeys(THEMES, (21.0, "", ""))
    async with play(unseen, (120, 40)) as player:
        for theme in THEMES:
            player.app.theme = theme

            async def look(place: str, theme: str = theme) -> None:
                await player.pilot.pause()
                assert len([*texts(player.app)]) > 1
                lowest[theme] = min(lowest[theme], (*least(player.app), place))

            await walk(player, look)
    for theme, (ratio, text, place) in lowest.items():
        record_property("figure", f"contrast in {theme}: at least {ratio:.2f}, {text[:30]!r} at {place}")
    assert [theme for theme, (ratio, *_) in lowest.items() if ratio < LEAST] == []


async def test_only_the_panel_with_the_keys_is_framed_bright(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        frames = [player.grid(name).styles.border_top[1] for name in ("groups", "options")]
        assert frames[0] != frames[1]
        await player.press("tab")
        assert [player.grid(name).styles.border_top[1] for name in ("groups", "options")] == frames[::-1]


async def test_the_frames_name_what_they_show_and_count_it(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        assert "groups 5" in player.screen
        await player.press("2")
        assert "rules 13 classes, 5 groups" in player.screen
        await player.press("3")
        assert "problems 0 errors" in player.screen
