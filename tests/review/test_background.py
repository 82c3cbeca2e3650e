"""Work beside the keys: what fails in it is a line and the log, and nobody waits for it at the end."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

import pytest
from textual.app import App
from textual.events import MouseDown, MouseEvent, MouseMove, MouseUp
from textual.screen import Screen
from textual.widgets import Static

from tests.conftest import Run
from tests.review.conftest import Open, Player
from tests.waiting import wait_until
from treegen.review.background import DaemonThread
from treegen.review.flows.edits import EditFlow
from treegen.review.log_file import NAME, log_to

pytestmark = pytest.mark.anyio


def broken(*arguments: object, **named: object) -> NoReturn:
    raise ValueError("a fault\nof treegen")


@contextmanager
def faults(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The failures that are logged, with what they are."""
    found: list[str] = []
    yield found
    found += [f"{r.getMessage()}: {r.exc_info[1]!r}" for r in caplog.records if r.exc_info and r.levelname == "ERROR"]
    caplog.clear()


def test_jobs_run_one_after_another_in_one_thread_and_a_failure_is_the_job_s_own() -> None:
    thread, order = DaemonThread("test"), list[int]()
    first, wrong, last = thread.submit(order.append, 1), thread.submit(broken), thread.submit(order.append, 2)
    assert last.result(10) is None
    assert isinstance(wrong.exception(10), ValueError)
    assert (first.done(), order) == (True, [1, 2])
    thread.shutdown()
    with pytest.raises(RuntimeError, match="no more jobs"):
        thread.submit(broken)


def test_the_end_waits_for_no_job_and_cancels_those_that_have_not_begun() -> None:
    thread, begun, go_on = DaemonThread("test"), Event(), Event()

    def job() -> str:
        begun.set()
        go_on.wait()
        return "done"

    running, waiting = thread.submit(job), thread.submit(job)
    begun.wait(10)
    thread.shutdown(cancel_futures=True)
    assert waiting.cancelled()
    assert not running.done()
    go_on.set()
    assert running.result(10) == "done"
    wait_until(lambda: not thread._thread.is_alive())


def test_a_job_that_was_cancelled_while_it_waited_does_not_end_the_thread() -> None:
    thread, go_on = DaemonThread("test"), Event()
    thread.submit(go_on.wait)
    assert thread.submit(broken).cancel()
    go_on.set()
    assert thread.submit(lambda: 7).result(10) == 7
    thread.shutdown()


async def lives(player: Player) -> None:
    """Keys are still obeyed."""
    steps = len(player.labels)
    await player.press("escape", "1", "J")
    assert len(player.labels) == steps + 1


async def test_a_fault_while_scoring_is_told_in_the_status_line_and_logged(
    play: Open, tree_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("treegen.workflow.review_model._measure", broken)
    with faults(caplog) as found:
        async with play(tree_file, (120, 30)) as player:
            await player.until(lambda: "not scored: ValueError: a fault" in player.screen)
            await lives(player)
            await player.press("u")
    assert found[0] == "scoring on the dev split failed: ValueError('a fault\\nof treegen')"


async def test_a_fault_in_the_score_of_the_test_split_is_a_message_and_logged(
    play: Open, tree_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("treegen.workflow.review_model._measure", broken)
    monkeypatch.setattr("treegen.review.flows.scoring.score_tree", broken)
    with faults(caplog) as found:
        async with play(tree_file) as player:
            await player.press("s")
            await player.until(lambda: "ValueError: a fault" in player.said)
            await lives(player)
    assert "scoring on the test split failed: ValueError('a fault\\nof treegen')" in found


async def test_a_fault_in_a_request_gives_the_feedback_back_and_the_next_one_may_be_sent(
    play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("treegen.review.flows.feedback.propose_revision", broken)
    with faults(caplog) as found:
        async with play(unseen) as player:
            for _ in range(2):
                await player.press("F")
                await player.write("make it better")
                await player.press("ctrl+g")
                await player.until(lambda: not player.app.feedback.running)
                assert player.app.feedback.field.text == "make it better"
                assert "the request failed: ValueError: a fault" in player.screen
            await player.until(lambda: "request failed: ValueError: a fault" in player.said)
            await lives(player)
    assert found == ["background work failed: request: ValueError('a fault\\nof treegen')"] * 2


async def test_a_fault_in_an_edit_or_in_saving_is_a_message_and_logged(
    play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def rename(flow: EditFlow) -> None:
        broken()

    monkeypatch.setattr(EditFlow, "rename", rename)
    with faults(caplog) as found:
        async with play(unseen) as player:
            await player.press("r")
            await player.until(lambda: "edit failed: ValueError: a fault" in player.said)
            await lives(player)
            monkeypatch.setattr(player.app.review.session, "save", broken)
            await player.press("ctrl+s")
            await player.until(lambda: "save failed: ValueError: a fault" in player.said)
            await lives(player)
    assert [text.split(": V")[0] for text in found] == [f"background work failed: {what}" for what in ("edit", "save")]


def without_a_terminal(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """`App.run` presses keys and needs no terminal."""
    run: Callable[..., Any] = App.run

    async def press(pilot: Any) -> None:
        await pilot.press(*keys)

    monkeypatch.setattr(App, "run", lambda app: run(app, headless=True, auto_pilot=press))
    monkeypatch.setattr("treegen.cli.review.has_terminal", lambda: True)
    monkeypatch.setattr("treegen.review.terminal_answers.await_answers", lambda: None)


@pytest.mark.slow
def test_the_end_of_the_application_by_a_fault_is_no_success_and_is_logged(
    run: Run, unseen: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("treegen.review.widgets.panes.OptionsPane.render_line", broken)
    without_a_terminal(monkeypatch, "j")
    done = run("review", str(unseen))
    caplog.clear()
    assert done.code == 70
    assert "every step is kept" in done.err
    log = (unseen.parent / ".treegen" / NAME).read_text()
    assert "CRITICAL treegen.review.background: the application ended by an error" in log
    assert "ValueError: a fault" in log


def test_leaving_the_review_is_a_success(run: Run, unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_terminal(monkeypatch, "q")
    assert run("review", str(unseen)).code == 0
    assert (unseen.parent / ".treegen" / NAME).is_file()


def test_the_log_is_bounded_and_one_that_cannot_be_opened_is_no_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("treegen.a.module")
    with log_to(tmp_path):
        logger.info("heard")
        logger.debug("not heard")
    logger.info("after the end")
    assert (tmp_path / NAME).read_text().splitlines()[-1].endswith("INFO treegen.a.module: heard")
    monkeypatch.setattr("treegen.review.log_file._MOST", 1000)
    with log_to(tmp_path):
        for number in range(100):
            logger.info("line %d", number)
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.1"]
    with log_to(tmp_path / "no" / "such" / "folder"):
        logger.error("nobody hears it")
    caplog.clear()
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("treegen").handlers == []


async def test_a_fault_in_what_hands_on_a_click_is_a_message_and_the_next_key_is_heard(
    play: Open, unseen: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with play(unseen) as player:
        with monkeypatch.context() as patch, faults(caplog) as found:
            patch.setattr(Screen, "_forward_event", broken)
            player.app.post_message(clicked(MouseDown, 3, 4))
            await player.until(lambda: "MouseDown failed: ValueError: a fault" in player.said)
        assert len(found) == 1
        await player.press("J")
        await player.until(lambda: len(player.labels) == 1)


async def test_a_click_on_what_has_just_gone_and_is_still_painted_is_none(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        message = Static("soon gone")
        await player.app.screen.mount(message)
        await player.until(lambda: message.region)
        x, y = message.region.offset
        message._detach()  # as removing does, some time before the screen is painted again
        assert player.app.get_widget_at(x, y)[0] is message
        for event in (MouseDown, MouseUp, MouseMove):
            player.app.post_message(clicked(event, x, y))
        await player.press("J")
        await player.until(lambda: len(player.labels) == 1)
        assert "failed" not in player.said
        message._attach(player.app.screen)  # it ends with its screen


def clicked(event: type[MouseEvent], x: int, y: int) -> MouseEvent:
    """An event of the left button."""
    return event(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y)
