"""The second reviewer at the keys: blind answers, agreement, and one disagreement at a time."""

import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import Static

from tests.review.bursts import Screen
from tests.review.conftest import Open, Player
from tests.waiting import wait_until
from tests.workflow.test_second_review import FIRST, answer_all
from treegen.history.store import Store
from treegen.review.app import open_app
from treegen.review.screens.agreement import AdjudicationDialog, AgreementDialog
from treegen.tree.feedback_target import Target
from treegen.tree.review_notes import NoteChange, class_target, group_target, option_target
from treegen.workflow.second_review import SecondSession, answered
from treegen.workflow.session import Session

pytestmark = pytest.mark.anyio


@pytest.mark.app
async def test_the_rules_are_hidden_and_answers_go_on_to_the_next(unseen: Path) -> None:
    text = unseen.read_text()
    app = open_app(unseen, second="Ada")
    with app.review:
        async with app.run_test(size=(120, 40)) as pilot:
            player = Player(app, pilot)
            await pilot.pause()
            assert player.at == "rules"
            assert "second review by Ada, blind" in player.screen
            assert "0 of 65 answered" in player.screen
            assert "white" not in player.screen, "no answer of the first is shown"
            await player.press("l", "enter")
            await player.answer("gray")
            assert player.word("Abrosk", "colour") == "gray"
            assert player.grid("rules").column == 2, "the next answer"
            await player.press("enter", "enter")
            assert "2 of 65 answered" in player.screen
            await player.press("u")
            assert answered(player.tree)[0] == 1
            await player.press("h", "h", "d")
            assert answered(player.tree)[0] == 0
            for key in ("E", "S", "s", "F", "C", "r", "a", "p", "J", "L", "equals_sign", "ctrl+e"):
                await player.press("2", key)
                assert len(app.screen_stack) == 1, key
            assert "only answers" in player.said
            await player.press("t", "1", "3", "4")
            assert "scores the saved tree" not in player.screen, "it does not here"
            await player.press("5", "6")
            assert player.app.review.problems == ()
            await player.press("2", "ctrl+s")
            assert "kept already" in player.said
    assert unseen.read_text() == text


async def test_agreement_is_shown_and_disagreements_are_decided_one_at_a_time(play: Open, unseen: Path) -> None:
    answer_all(unseen, "Ada", ("Abrosk", "colour", "gray"), ("Quillip", "colour", "blue"), ("Abrosk", "size", None))
    before = FIRST.word(FIRST.rules[0], "size")
    async with play(unseen, (120, 40)) as player:
        await player.press("equals_sign")
        assert isinstance(player.app.screen, AgreementDialog)
        assert "62 agree, kappa 0.9" in player.screen
        await player.press("enter")
        assert isinstance(player.app.screen, AdjudicationDialog)
        assert "1 of 3" in player.screen
        await player.press("2", "1", "g", "enter")
        assert player.word("Abrosk", "colour") == "gray"
        assert "3 disagreements adjudicated, 0 left" in player.said
        assert len(player.labels) == 3
        await player.press("u", "u", "u")
        assert player.tree == FIRST
        await player.press("equals_sign", "down", "enter")
        assert "1 of 2" in player.screen, "those of one group"
        await player.press("n", "0")
        assert "1 disagreement adjudicated, 1 left" in player.said
        await player.press("equals_sign", "enter", "escape")
        assert player.word("Abrosk", "size") == before


def comment(session: Session, *comments: tuple[Target, str]) -> None:
    for target, text in comments:
        session.note("comment", [NoteChange(kind="comment", target=target, old="", new=text)])


async def test_the_comments_of_both_are_shown_where_they_disagree(play: Open, unseen: Path) -> None:
    answer_all(unseen, "first", ("Abrosk", "colour", "gray"), ("Quillip", "colour", "blue"))
    with Store(unseen, reviewer="first") as store:
        second = SecondSession(unseen, store)
        gray = option_target("colour", "gray")
        comment(
            second, (class_target("Abrosk"), "[b]never seen"), (gray, "or silver"), (class_target("Quillip"), "odd")
        )
        second.close()
    async with play(unseen, (80, 24)) as player:
        comment(player.app.review.session, (group_target("colour"), "of the body"), (class_target("Abrosk"), "white"))
        await player.press("equals_sign", "enter")
        assert '1 of 2: "Abrosk" in "colour"' in player.screen
        assert str(player.app.screen.query_one(".whole Static", Static).content).splitlines() == [
            'first on the class "Abrosk": white',
            'first on the class "Abrosk": [b]never seen',
            'first on the group "colour": of the body',
            'first on the option "gray" of the group "colour": or silver',
        ]
        assert "of the body" in player.screen
        assert sum("first" in row for row in answers(player)) == 2, "a second reviewer may have any name"
        await player.press("n")
        assert "odd" in player.screen
        assert "silver" in player.screen


def answers(player: Player) -> list[list[str]]:
    grid = player.grid("answers")
    return [grid.row_texts(row) for row in range(grid.count)]


async def test_without_a_second_review_it_says_how_to_begin_one(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("equals_sign")
        assert "treegen review tree.json --second NAME" in player.said


@pytest.mark.slow
async def test_the_effect_of_each_answer_is_shown_before_it_is_taken(play: Open, tree_file: Path) -> None:
    answer_all(tree_file, "Ada", ("Abrosk", "colour", "gray"))
    async with play(tree_file, (120, 40)) as player:
        await player.until(lambda: player.app.review.measured is not None)
        await player.press("equals_sign", "enter")
        await player.until(lambda: "as the tree is" in player.screen)
        assert "images, p = " in player.screen or "no image changes" in player.screen
        await player.press("2")
        assert player.word("Abrosk", "colour") == "gray"
        await player.until(lambda: not player.app.review.stale)


def answer_by_keys(tree: Path, keys: bytes, shown: str) -> None:
    """Plays a blind pass on a real terminal, and kills it."""
    screen = Screen(tree, "true", "--second", "Ada L.")
    try:
        screen.shows("second review by Ada L.")
        wait_until(lambda: any("? keys" in line for line in screen.lines), lambda: screen.lines)
        screen.type(keys)
        wait_until(lambda: any(shown in line for line in screen.lines), lambda: screen.lines)
    finally:
        screen.close()


@pytest.mark.slow
def test_a_blind_pass_survives_a_kill_on_a_real_terminal(unseen: Path) -> None:
    answer_by_keys(unseen, b"l\r\r", "1 of 65 answered")
    answer_by_keys(unseen, b"ll\r\r", "2 of 65 answered")
    assert "white" in unseen.read_text()


def test_a_name_that_is_none_is_refused_by_the_command(unseen: Path) -> None:
    command = [sys.executable, "-m", "treegen", "review", str(unseen), "--second"]
    for arguments, words in ((["  "], "is not a name"), (["Ada", "--readonly"], "exclude each other")):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
