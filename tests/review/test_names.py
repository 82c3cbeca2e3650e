"""Names that a terminal or a markup would obey are shown as text, wherever they come up."""

import json
from pathlib import Path

import pytest
from rich.segment import Segment

from tests.review.conftest import Open, Player
from treegen.text import printable

pytestmark = pytest.mark.anyio

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "[red]x[/]",
    "[@click=app.quit]go[/]",
    "[/nothing]",
    "\\[b]",
    "$accent {x}",
    "東京の猫",
    "e\u0301 \u200b\u202e",
    "🦊 fox",
    "two\nlines\tand a tab",
    "\x9b31m",
)


def written(path: Path, name: str) -> Path:
    groups = {
        name: {"prompt": f"{name} is {{}}.", "options": [name, "plain", f"{name}2"]},
        "second": {"prompt": "It has {}.", "options": ["one", "two"]},
    }
    rules = {name: {name: 0, "second": 0}, "Plain": {name: 1, "second": 1}}
    path.write_text(json.dumps({"domain": name, "classification_groups": groups, "rules": rules}))
    return path


def cells_are_text(player: Player) -> bool:
    """Nothing on the screen is anything that a terminal obeys, and every line is as wide as the terminal."""
    segments = [segment for strip in player.app.screen._compositor.render_strips() for segment in strip]
    widths = {strip.cell_length for strip in player.app.screen._compositor.render_strips()}
    return widths == {player.app.size.width} and not any(
        ord(c) < 32 or 127 <= ord(c) < 160 for s in segments if isinstance(s, Segment) for c in s.text
    )


async def shown(player: Player, name: str) -> None:
    assert cells_are_text(player)
    assert printable(name)[:12] in player.screen


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_in_every_pane_dialog_and_message(play: Open, tmp_path: Path, name: str) -> None:
    async with play(written(tmp_path / "tree.json", name), (120, 40)) as player:
        await shown(player, name)
        before = player.tree  # a dialog that only shows a name, and is answered with enter, takes nothing out of it
        await player.press("r", "enter", "p", "enter", "1", "r", "enter", "2", "r", "enter")
        assert len(player.app.screen_stack) == 1
        assert player.tree == before
        assert player.labels == []
        await player.press("1")
        for pane in ("1", "2", "3", "4", "5", "6"):
            await player.press(pane)
            await shown(player, name)
        await player.press("2", "l", "enter")
        await shown(player, name)
        await player.press("escape", "1", "d")
        await shown(player, name)
        for keys in (("r",), ("p",), ("m",), ("x",), ("a",)):
            await player.press("escape", *keys)
            assert cells_are_text(player)
            await player.write(f"{name}9")
            assert cells_are_text(player)
        await player.press("escape", "y", "L")
        await shown(player, name)
        await player.press("2", "d", "u")
        assert cells_are_text(player)
        assert "undone" in player.said
        await player.press("5")
        await shown(player, name)
        assert len(player.app.screen_stack) == 1
        await player.press("2", "slash")
        await player.answer(f"{name} that nobody has")
        assert cells_are_text(player)
        await player.press("a", "enter")
        await player.answer(name)
        assert cells_are_text(player)


async def test_a_click_link_in_a_name_is_not_obeyed(play: Open, tmp_path: Path) -> None:
    async with play(written(tmp_path / "tree.json", "[@click=app.quit]go[/]")) as player:
        await player.click("#groups", 3, 2)
        await player.click("#title", 30, 0)
        await player.click("#hints", 3, 0)
        assert player.app.is_running
        assert not player.app._exit


async def test_a_file_with_a_hostile_name_is_text_in_title_and_messages(play: Open, tmp_path: Path) -> None:
    path = written(tmp_path / "[red]\x1b[31mtree[b].json", "plain")
    async with play(path) as player:
        assert cells_are_text(player)
        assert "[red]" in player.screen
        await player.press("d", "ctrl+s")
        await player.until(lambda: "saved" in player.said)
        assert cells_are_text(player)
