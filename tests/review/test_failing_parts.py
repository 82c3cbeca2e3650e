"""A store that cannot be written, a part that fails, two things at once: it is a line, and the review goes on."""

import logging
from pathlib import Path
from typing import NoReturn

import pytest
from textual.events import Key

from tests.review.conftest import Open, Player
from treegen.review.screens.dialogs import TextDialog

pytestmark = pytest.mark.anyio


def writable(player: Player, yes: bool) -> None:
    """As a full disk does: what writes into the history fails."""
    player.app.review.session.store._db.execute(f"PRAGMA query_only={0 if yes else 1}")


@pytest.mark.parametrize("keys", [("u",), ("U",), ("L",), ("r", "X", "enter"), ("J",), ("d",)])
@pytest.mark.slow
async def test_a_step_that_cannot_be_stored_is_refused(play: Open, unseen: Path, keys: tuple[str, ...]) -> None:
    async with play(unseen) as player:
        await player.press("J", "J", "u")
        session = player.app.review.session
        before = (session.tree, session.locks, session.position)
        writable(player, False)
        await player.press(*keys)
        assert "readonly database" in player.said
        assert "the disk not full" in player.said
        assert (session.tree, session.locks, session.position) == before
        writable(player, True)
        await player.press("escape", "u")
        assert session.position == before[2] - 1


@pytest.mark.slow
async def test_typing_what_cannot_be_stored_complains_once(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("F")
        writable(player, False)
        await player.press(*"ab")
        await player.until(lambda: "readonly" in player.said)
        await player.press("c")
        await player.until(lambda: not [w for w in player.app.workers if w.group == "typing" and not w.is_finished])
        assert player.said.count("readonly") == 1
        writable(player, True)
        await player.press("d")
        await player.until(lambda: player.app.review.session.stored_text("feedback") == "abcd")


async def test_quitting_asks_if_something_is_not_stored(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("F", *"abc")
        writable(player, False)
        await player.press("ctrl+q")
        assert "not stored" in player.screen
        await player.press("enter")
        assert player.app.is_running
        writable(player, True)
        await player.press("ctrl+q")
    async with play(unseen) as player:
        assert player.app.feedback.field.text == "abc"
        await player.press("F", "d")
        writable(player, False)
        await player.press("ctrl+q", "down", "enter")
        await player.until(lambda: not player.app.is_running)


async def test_saving_where_only_the_history_is_full_writes_the_file(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("J")
        writable(player, False)
        await player.press("ctrl+s")
        await player.until(lambda: "readonly" in player.said)
        mine = unseen.read_text()
        assert not player.app.review.session.unsaved
        writable(player, True)
        await player.press("K", "ctrl+s")
        await player.until(lambda: "saved tree.json" in player.said)
        assert unseen.read_text() != mine, "nobody else has changed it"


def broken(*arguments: object, **named: object) -> NoReturn:
    raise ValueError("a fault of treegen")


@pytest.mark.parametrize(
    ("part", "keys", "job"),
    [
        ("treegen.review.flows.edits.EditFlow.undo", ("u",), "the action"),
        ("treegen.review.flows.edits.EditFlow.lock", ("L",), "the action"),
        ("treegen.review.widgets.history.HistoryPane.show", ("5",), "the action"),
        ("treegen.review.app.ReviewApp.on_tree_changed", ("J",), "TreeChanged"),
        ("treegen.review.widgets.keys_panel.KeysPanel.toggle", ("question_mark",), "the action"),
    ],
)
@pytest.mark.slow
async def test_a_part_that_fails_is_a_message_and_logged(
    play: Open,
    unseen: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    keys: tuple[str, ...],
    job: str,
) -> None:
    async with play(unseen) as player:
        with monkeypatch.context() as patch:
            patch.setattr(part, broken)
            await player.press(*keys)
            await player.until(lambda: "ValueError: a fault of treegen" in player.said)
        assert job in player.said
        (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert record.exc_info
        caplog.clear()
        steps = len(player.labels)
        await player.press("1", "j", "J")
        assert len(player.labels) == steps + 1


async def test_a_dialog_is_there_before_the_next_key_and_is_closed_once(play: Open, unseen: Path) -> None:
    """Keys as they come in one read: all are sent before the first is handled."""
    async with play(unseen) as player:
        before = player.tree
        send(player, *"rdd")
        await player.until(lambda: isinstance(player.app.screen, TextDialog) and "dd" in player.screen)
        assert player.tree == before
        send(player, "enter", "enter", "enter", "escape")
        await player.until(lambda: "colourdd" in player.screen)
        await player.press("1")
        send(player, *"xnew", "enter", "space", "enter", "j")
        await player.until(lambda: len(player.labels) == 2)
        assert "new" in player.options("colourdd")


def send(player: Player, *keys: str) -> None:
    for key in keys:
        event = Key(key, key if len(key) == 1 else {"space": " ", "enter": "\r"}.get(key))
        event.set_sender(player.app)
        player.app.post_message(event)


async def test_the_command_palette_stays_closed_over_a_dialog(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("r", "ctrl+p")
        assert isinstance(player.app.screen, TextDialog)
        await player.press("escape", "ctrl+p")
        assert len(player.app.screen_stack) == 2


@pytest.mark.slow
async def test_messages_from_the_background_arrive_while_a_dialog_is_open(play: Open, tree_file: Path) -> None:
    async with play(tree_file) as player:
        await player.press("r")
        await player.until(lambda: player.app.review.measured)
        await player.press(*"X", "enter")
        assert player.tree.groups[0].name == "colourX"


async def test_score_and_feedback_may_be_asked_at_once_and_it_may_be_left(play: Open, tree_file: Path) -> None:
    async with play(tree_file) as player:
        await player.press("s", "F", *"abc", "ctrl+g", "escape", "s")
        await player.press("1", "J", "ctrl+s", "q")
        await player.until(lambda: not player.app.is_running)
    assert not player.app.return_code
