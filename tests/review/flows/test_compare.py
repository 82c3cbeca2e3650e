"""The diff view: what changed since something, marks beside it, and the way back, as steps with undo."""

from pathlib import Path

import pytest

from tests.review.bursts import Screen
from tests.review.conftest import Open
from tests.waiting import wait_until
from treegen.review.screens.compare import CompareDialog

pytestmark = pytest.mark.anyio


async def test_one_change_is_restored_and_the_others_stay(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        before = player.tree
        await player.press("r")
        await player.answer("shade")
        await player.press("2", "l", "l", "enter", "down", "enter")
        edited = player.tree
        assert "• shade" in player.screen
        assert "• a snake" in player.screen
        await player.press("C")
        assert isinstance(player.app.screen, CompareDialog)
        assert "2 changes since it was saved" in player.screen
        assert '"Abrosk"' in player.screen
        await player.press("g", "enter")
        assert "1 change since it was saved" in player.screen
        assert [g.name for g in player.tree.groups] == [g.name for g in before.groups]
        assert player.word("Abrosk", "form") == "a snake"
        await player.press("enter")
        assert player.tree == before
        assert "nothing has changed" in player.screen
        await player.press("escape", "u", "u")
        assert player.tree == edited


async def test_all_is_restored_in_one_step(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("d", "J", "2", "d")
        edited = player.tree
        await player.press("C", "R", "escape")
        assert player.tree == before
        assert player.labels[-1] == "restored as it was saved"
        await player.press("u")
        assert player.tree == edited


async def test_marks_follow_what_it_is_compared_with(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("ctrl+s", "r")
        await player.answer("shade")
        await player.press("ctrl+s")
        assert "• shade" not in player.screen, "it is as it was saved"
        await player.press("5", "j", "j", "enter")
        assert "since revision 1" in player.screen
        assert "shade" in player.screen
        await player.press("escape", "1")
        assert "• shade" in player.screen
        await player.press("C", "b", "enter")
        assert "0 changes since it was saved" in player.screen


async def test_what_was_approved_is_compared_with_by_itself(
    play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")
    async with play(unseen, (120, 40)) as player:
        await player.press("C", "b", "down", "enter")
        assert "not in the history" in player.said
        await player.press("escape", "S", "enter")
        await player.until(lambda: "approved by" in player.said)
        await player.press("r")
        await player.answer("shade")
        await player.press("ctrl+s", "C")
        assert "1 change since Ann approved it" in player.screen
        await player.press("y")
        assert player.app.clipboard.count("shade") == 1
        await player.press("enter", "escape")
        assert player.app.review.changed.groups == set()


@pytest.mark.slow
def test_a_change_is_restored_on_a_real_terminal(unseen: Path) -> None:
    screen = Screen(unseen, "true")
    try:
        screen.shows("7 ask")
        screen.type(b"r shade\r")
        wait_until(lambda: any("• colour" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"C")
        wait_until(lambda: any("1 change since it was saved" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"\r")
        wait_until(lambda: any("nothing has changed" in line for line in screen.lines), lambda: screen.lines)
        assert screen.leave() == 0
    finally:
        screen.close()
