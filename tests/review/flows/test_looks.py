"""Looks of a class in the review: rows of the rules pane, edited like classes."""

import pytest

from tests.review.conftest import Open
from tests.review.flows.test_edits import is_one_step
from treegen.review.screens.dialogs import TextDialog

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_look_is_added_named_pointed_and_deleted_by_keys(play: Open, unseen: object) -> None:
    async with play(unseen, (120, 40)) as player:
        before = player.tree
        await player.press("2", "x")
        assert isinstance(player.app.screen, TextDialog)
        await player.answer("Abrosk (young)")
        assert player.tree.looks == {"Abrosk": ("Abrosk", "Abrosk (young)")}
        assert player.tree.classes == before.classes
        assert player.word("Abrosk (young)", "colour") == player.word("Abrosk", "colour")
        await is_one_step(player, before)
        assert "13 classes with 14 rules" in player.screen
        with_look = player.tree
        await player.press("j", "l", "enter", "down", "enter")
        assert player.word("Abrosk (young)", "colour") != player.word("Abrosk", "colour")
        await player.press("u", "h", "d")
        assert player.tree == before
        assert 'deleted look "Abrosk (young)"' in player.said
        await player.press("u")
        assert player.tree == with_look


async def test_a_look_that_does_not_name_its_class_is_shown_with_it(play: Open, unseen: object) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "x")
        await player.answer("snowy")
        assert "Abrosk (snowy)" in player.screen
