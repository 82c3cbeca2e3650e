"""Filters while they are typed, and the finder of everything."""

from pathlib import Path

import pytest

from tests.review.bursts import Screen
from tests.review.conftest import Open, Player
from tests.waiting import wait_until
from treegen.errors import InputError
from treegen.review.widgets.panes import RulesPane
from treegen.workflow.class_filter import TERMS, class_filter

pytestmark = pytest.mark.anyio


def shown(player: Player) -> list[str]:
    return list(player.app.query_one(RulesPane).names)


async def test_rules_are_filtered_while_typed_and_the_cursor_is_on_what_is_seen(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "ampersand", *"wen")
        assert shown(player) == ["Wendle"]
        assert "1 of 13" in player.screen
        await player.press("enter")
        assert player.at == "rules"
        assert player.app.selection.class_name == "Wendle"
        await player.press("l", "enter", "down", "enter")
        assert player.word("Wendle", "colour") == "orange"
        await player.press("escape")
        assert len(shown(player)) == 13
        assert player.word("Abrosk", "colour") == "white"


async def test_terms_are_joined(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "t", "l", "enter", "down", "enter", "ampersand")
        await player.write("option=green & unreviewed")
        await player.pilot.pause()
        assert shown(player) == ["Abrosk G", "Wendle", "Torvane"]
        assert "Abrosk" not in shown(player), "it is reviewed"
        await player.write("changed")
        assert shown(player) == ["Abrosk G"]
        await player.write("colour=red")
        assert "no filter colour=" in player.screen
        await player.press("escape")
        assert len(shown(player)) == 13


async def test_what_is_reviewed_leaves_the_list_of_the_unreviewed(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("ampersand")
        await player.write("unreviewed")
        await player.press("enter", "j", "t", "t")
        assert [t.class_name for t in sorted(player.app.review.reviewed, key=lambda t: t.class_name)] == [
            "Abrosk G",
            "Wendle",
        ]
        assert len(shown(player)) == 11
        assert "11 of 13" in player.screen


async def test_every_term_that_is_named_is_known(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        for term in TERMS:
            assert not class_filter(f"&{term.replace('TEXT', 'no such')}", player.app.review)("Nobody") or (
                term == "unreviewed"
            )
        with pytest.raises(InputError, match="no filter"):
            class_filter("nothing=x", player.app.review)


@pytest.mark.slow
async def test_the_palette_finds_what_the_tree_consists_of(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("ctrl+p")
        await player.write("dark cave")
        await player.until(lambda: "option of scene" in player.screen)
        await player.press("enter")
        await player.until(lambda: player.at == "options")
        assert player.app.selection.option == "a dark cave"
        await player.press("2", "ampersand", *"wen", "enter", "ctrl+p")
        await player.write("Quillip")
        await player.until(lambda: "class" in player.screen)
        await player.press("enter")
        await player.until(lambda: player.app.selection.class_name == "Quillip")
        assert len(shown(player)) == 13, "the filter would hide it"


@pytest.mark.slow
def test_a_filter_on_a_real_terminal(unseen: Path) -> None:
    screen = Screen(unseen, "true")
    try:
        screen.shows("7 ask")
        screen.type(b"2&option=green\r")
        wait_until(lambda: any("&option=green: 2 of 13" in line for line in screen.lines), lambda: screen.lines)
        assert screen.leave() == 0
    finally:
        screen.close()
