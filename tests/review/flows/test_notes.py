"""Review progress and comments: a key each, steps that can be undone, and still there in the next review."""

import json
from pathlib import Path

import pytest

from tests.review.bursts import Screen
from tests.review.conftest import Open
from tests.waiting import wait_until
from treegen.review.screens.dialogs import TextDialog
from treegen.tree.feedback_target import Target
from treegen.tree.review_notes import class_target, group_target, option_target

pytestmark = pytest.mark.anyio


async def test_a_key_marks_a_class_as_reviewed_and_goes_to_the_next(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        text = unseen.read_text()
        await player.press("2", "t", "t")
        assert player.app.review.reviewed == {class_target("Abrosk"), class_target("Abrosk G")}
        assert "2 of 13 reviewed" in player.screen
        assert "✓ Abrosk" in player.screen
        assert player.grid("rules").row == 2
        await player.press("g", "T")
        assert player.grid("rules").row == 2, "the next that is not reviewed"
        assert not player.app.review.session.unsaved
        await player.press("u")
        assert "1 of 13 reviewed" in player.screen
        await player.press("U", "g", "t")
        assert "1 of 13 reviewed" in player.screen, "the mark is taken off"
        assert player.grid("rules").row == 0
        assert unseen.read_text() == text


async def test_marked_classes_are_reviewed_in_one_step_and_groups_by_the_same_key(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "space", "j", "j", "v", "t")
        assert "4 of 13 reviewed" in player.screen
        assert player.labels == ["reviewed 4 classes"]
        await player.press("1", "t")
        assert group_target("colour") in player.app.review.reviewed
        assert "1 of 5 reviewed" in player.screen
        await player.press("5", "t")
        assert "can be marked" in player.said


async def test_a_review_is_void_when_its_rule_changes_and_valid_again_when_that_is_undone(
    play: Open, unseen: Path
) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "t", "g", "l", "enter", "down", "enter")
        assert class_target("Abrosk") not in player.app.review.reviewed
        await player.until(lambda: "changed since it was reviewed" in player.screen)
        await player.press("u")
        assert class_target("Abrosk") in player.app.review.reviewed


async def test_the_last_one_says_that_all_are_reviewed(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        for _ in player.tree.groups:
            await player.press("t")
        await player.press("T")
        assert "every group is reviewed" in player.said


async def test_comments_are_shown_kept_and_removed(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("c")
        assert isinstance(player.app.screen, TextDialog)
        await player.answer("the [bold]same[/] as form?")
        await player.until(lambda: "the [bold]same[/] as form?" in player.screen)
        await player.press("1", "c")
        await player.answer("too rare")
        await player.press("2", "c")
        await player.answer("looks like Wendle")
        await player.press("q")
    async with play(unseen, (120, 40)) as player:
        comments = {
            group_target("colour"): "the [bold]same[/] as form?",
            option_target("colour", "white"): "too rare",
            class_target("Abrosk"): "looks like Wendle",
        }
        assert player.app.review.comments == comments
        assert "¶ colour" in player.screen
        await player.press("c")
        await player.answer("")
        assert list(player.app.review.comments) == [*comments][1:]
        await player.press("u")
        assert player.app.review.comments == comments
        await player.press("r")
        await player.answer("shade")
        assert player.app.review.comments[Target(kind="group", group="shade")] == comments[group_target("colour")]
        await player.press("u")
        assert player.app.review.comments == comments


async def test_comments_go_into_the_approval(play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")
    async with play(unseen) as player:
        await player.press("c")
        await player.answer("checked twice")
        await player.press("S")
        assert "1 comment kept with the approval" in player.screen
        await player.press("enter")
        await player.until(lambda: "approved by" in player.said)
    review = json.loads(unseen.read_text())["review"]
    assert review["comments"] == [{"on": 'the group "colour"', "text": "checked twice"}]


@pytest.mark.slow
def test_marks_and_comments_survive_a_kill_on_a_real_terminal(unseen: Path) -> None:
    screen = Screen(unseen, "true")
    try:
        screen.shows("7 ask")
        screen.type(b"2tttchard to tell\r")
        wait_until(lambda: any("3 of 13 reviewed" in line for line in screen.lines), lambda: screen.lines)
        wait_until(lambda: any("¶" in line for line in screen.lines), lambda: screen.lines)
    finally:
        screen.close()
    again = Screen(unseen, "true")
    try:
        again.shows("7 ask")
        again.type(b"2")
        wait_until(lambda: any("3 of 13 reviewed" in line for line in again.lines), lambda: again.lines)
        assert any("¶ " in line for line in again.lines)
        assert again.leave() == 0
    finally:
        again.close()
