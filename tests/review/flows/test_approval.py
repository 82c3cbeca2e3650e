"""Approval in the review: the title says who, a key shows what changed since and approves."""

from pathlib import Path

import pytest

from tests.review.conftest import Open, Player
from treegen.tree.document import digest_of
from treegen.vcs.versions import tree_of

pytestmark = pytest.mark.anyio
ANN = "Ann <ann@example.org>"


@pytest.fixture(autouse=True)
def _ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")


def first_line(player: Player) -> str:
    return player.screen.splitlines()[0]


async def approved(player: Player) -> None:
    await player.press("S", "enter")
    await player.until(lambda: "approved by" in player.said)
    await player.pilot.pause()


async def test_two_keys_approve_and_an_edit_makes_it_stale(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        assert "not approved" in first_line(player)
        await approved(player)
        assert "approved by Ann" in first_line(player)
        assert not player.app.review.session.unsaved
        signed = tree_of(unseen.read_text(), "tree")
        assert signed.review
        assert (signed.review.by, signed.review.digest) == (ANN, digest_of(player.tree))

        await player.press("r")
        await player.answer("shade")
        await player.press("3")
        assert "changed since Ann approved it" in first_line(player)
        assert any(problem.code == "TG303" for problem in player.app.review.problems)
        assert "TG303" in player.screen
        await player.press("S")
        assert "1 change since" in player.screen
        assert '"shade"' in player.screen
        await player.press("escape", "u")
        assert "approved by Ann" in first_line(player)
        assert not player.app.review.session.unsaved, "undone, it is what was approved"


async def test_an_approval_is_still_there_in_the_next_review(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("J")
        await approved(player)
        assert "saved" in first_line(player)
        await player.press("K", "q")
    async with play(unseen, (120, 40)) as player:
        assert "unsaved" in first_line(player)
        assert "changed since Ann" in first_line(player)
        await player.press("u")
        assert "unsaved" not in first_line(player)
        assert "approved by Ann" in first_line(player)


async def test_a_tree_with_errors_is_not_approved(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "d", "S")
        assert "1 error: a tree with errors cannot be approved" in player.said
        assert len(player.app.screen_stack) == 1


async def test_without_a_name_in_git_it_is_asked_for(play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treegen.review.flows.approval.identity", lambda folder: None)
    async with play(unseen, (120, 40)) as player:
        await player.press("S", "enter")
        await player.answer("Bo <bo@example.org>")
        await player.until(lambda: "approved by Bo" in player.said)
        assert "approved by Bo" in first_line(player)


async def test_the_digest_of_a_file_that_was_edited_is_a_problem_until_it_is_saved(play: Open, unseen: Path) -> None:
    """The file of the fixture has none."""
    async with play(unseen, (120, 40)) as player:
        assert any(problem.code == "TG301" for problem in player.app.review.problems)
        await player.press("ctrl+s")
        assert not any(problem.code in ("TG301", "TG302") for problem in player.app.review.problems)
