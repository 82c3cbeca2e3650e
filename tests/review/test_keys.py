"""The keys of the commonest tasks are few, act on what the cursor is on, and are found in a panel."""

from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Run
from tests.review.bursts import Screen
from tests.review.conftest import Open
from tests.waiting import wait_until
from treegen.review.app import open_app
from treegen.review.screens.compare import CompareDialog
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.keys_panel import KeysPanel

pytestmark = pytest.mark.anyio

#: the most keys that a task may take, a typed letter is one
MOST: Final = {
    "see a group's question": 1,
    "re-point a class": 8,
    "re-point ten classes": 12,
    "one class's wrong images": 6,
    "wrong image to changed rule": 5,
    "rename an option": 5,
    "what changed since approved": 1,
    "save and score on test": 2,
    "approve": 2,
    "through 13 proposals": 13,
}
KEYS: Final = {
    "see a group's question": ("j",),
    "re-point a class": ("2", "slash", "q", "enter", "l", "enter", "down", "enter"),
    "re-point ten classes": ("2", "ampersand", "a", "enter", "space", "G", "v", "l", "enter", "up", "enter"),
    "one class's wrong images": ("6", "ampersand", "w", "enter"),
    "wrong image to changed rule": ("6", "enter", "enter", "down", "enter"),
    "rename an option": ("1", "r", "ctrl+u", "x", "enter"),
    "what changed since approved": ("C",),
    "save and score on test": ("ctrl+s", "s"),
    "approve": ("S", "enter"),
    "through 13 proposals": ("enter",) * 13,
}


def test_no_task_takes_more_keys_than_it_may() -> None:
    assert KEYS.keys() == MOST.keys()
    assert {task: len(keys) for task, keys in KEYS.items() if len(keys) > MOST[task]} == {}


async def test_the_keys_of_the_edits_do_what_they_are_for(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press(*KEYS["see a group's question"])
        form = player.tree.group("form")
        assert form
        await player.until(lambda: form.prompt.partition("{}")[0] in player.screen)
        await player.press("k", *KEYS["re-point a class"])
        assert player.word("Quillip", "colour") == "purple"
        await player.press("u", "g", "h", "1", *KEYS["re-point ten classes"])
        some = [name for name in player.tree.classes if "a" in name.casefold()]
        assert {player.word(name, "colour") for name in some} == {"gray"}
        await player.press("escape", *KEYS["rename an option"])
        assert player.options("colour")[0] == "x"
        await player.press(*KEYS["what changed since approved"])
        assert isinstance(player.app.screen, CompareDialog)


async def test_thirteen_classes_are_repointed_by_the_same_keys(play: Open, unseen: Path) -> None:
    """Ten or more: the filter says which."""
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "space", "G", "v", "l", "enter", "up", "enter")
        assert {player.word(name, "colour") for name in player.tree.classes} == {"gray"}
        assert len(player.labels) == 1


async def test_two_keys_approve(play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")
    async with play(unseen) as player:
        await player.press(*KEYS["approve"])
        await player.until(lambda: "approved by Ann" in player.said)


@pytest.mark.slow
async def test_the_keys_of_images_and_scores_do_what_they_are_for(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        await player.until(lambda: player.app.review.measured)
        await player.press(*KEYS["one class's wrong images"])
        pane = player.app.query_one(ImagesPane)
        assert pane.mistakes
        assert all("w" in f"{m.true}{m.predicted}{m.at_fault.group}{m.image.name}".casefold() for m in pane.mistakes)
        await player.press("escape", *KEYS["wrong image to changed rule"])
        assert len(player.labels) == 1
        await player.press("u", *KEYS["save and score on test"])  # with the change two classes would be alike
        await player.until(lambda: player.app.review.tested)


async def test_keys_act_on_the_cell_under_the_cursor(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "l", "l", "p")
        assert "Prompt of form" in player.screen
        await player.press("escape", "d")
        assert player.word("Abrosk", "form") is None
        assert "Abrosk" in player.tree.classes
        assert "cleared Abrosk in form: no answer" in player.said.replace('"', "")
        await player.press("y")
        assert player.app.clipboard == "-", "without the sign of a change"
        await player.press("g", "h", "h", "t", "k", "y")
        assert player.app.clipboard == "Abrosk", "without the sign of a review"
        await player.press("p")
        assert "move the cursor to its column" in player.said
        await player.press("d")
        assert "Abrosk" not in player.tree.classes
        assert "5 answers" in player.said


async def test_the_panel_of_keys_filters_and_the_panes_stay(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "question_mark", *"score")
        panel = player.app.query_one(KeysPanel)
        assert player.at == "keys-filter"
        assert "Score on the test split" in player.screen
        assert "Merge option" not in player.screen
        assert "Wendle" in player.screen
        await player.press("escape")
        assert not panel.display
        assert player.at == "rules"
        assert player.labels == []


@pytest.mark.app
async def test_a_read_only_review_changes_nothing_and_says_why(unseen: Path) -> None:
    text = unseen.read_text()
    app = open_app(unseen, read_only=True)
    with app.review:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("d", "t", "L", "J", "ctrl+s", "s", "S", "enter", "u")
            await pilot.pause()
            assert app.review.session.steps == ()
            assert not app.review.session.notes
            assert not app.review.session.locks
            assert any("read-only" in each.message for each in [*app._notifications, *app.toasts.waiting])
            await pilot.press("q")
    assert unseen.read_text() == text


@pytest.mark.slow
async def test_a_theme_is_for_one_review(unseen: Path) -> None:
    for theme, expected in (("nord", "nord"), (None, "textual-dark")):
        app = open_app(unseen, theme=theme)
        with app.review:
            async with app.run_test() as pilot:
                await pilot.pause()
                assert app.theme == expected


def test_a_theme_that_is_unknown_is_refused(run: Run, unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treegen.cli.review.has_terminal", lambda: True)
    monkeypatch.setattr("treegen.review.terminal_answers.await_answers", lambda: None)
    done = run("review", unseen, "--theme", "nordd")
    assert done.code == 2
    assert '"nord"' in done.err


@pytest.mark.slow
def test_without_an_argument_the_tree_of_the_folder_is_reviewed(unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(unseen.parent)
    screen = Screen(Path(), "true")
    try:
        screen.shows("7 ask")
        screen.type(b"2ld?clear\r")
        wait_until(lambda: any("• -" in line for line in screen.lines), lambda: screen.lines)
        assert screen.leave() == 0
    finally:
        screen.close()


async def test_ctrl_c_says_what_quits(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("ctrl+c")
        assert "q quits" in player.said


@pytest.mark.parametrize(
    ("opening", "keys"),
    [
        ("r", "enter accept  escape leave"),
        ("m", "up down choose  enter accept  escape leave"),
        ("C", "enter restore one  R restore all  b compare with another  y copy  escape leave"),
        ("M", "y copy  tab scroll a long message  escape leave"),
    ],
)
async def test_a_dialog_names_its_own_keys_instead_of_those_of_the_panel(
    play: Open, unseen: Path, opening: str, keys: str
) -> None:
    async with play(unseen, (80, 24)) as player:
        await player.press("1")
        assert "rename" in player.screen.splitlines()[-1]
        await player.press(opening)
        assert player.screen.splitlines()[-1].strip() == keys
        await player.press("escape")
        assert "rename" in player.screen.splitlines()[-1]
