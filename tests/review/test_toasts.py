"""Messages: one at a time, none lost, none over the lines at the bottom."""

from pathlib import Path

import pytest
from textual.widgets._toast import Toast as ToastWidget
from textual.widgets._toast import ToastRack

from tests.review.conftest import Open
from treegen.review.app import open_app
from treegen.review.toasts import Toast, ToastQueue

pytestmark = pytest.mark.anyio


def toast(text: str, timeout: float | None = None) -> Toast:
    return Toast(message=text, settings={} if timeout is None else {"timeout": timeout})


def test_a_longer_message_waits_for_the_one_before_it_and_an_echo_replaces_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, shown, later = [100.0], list[str](), list[object]()
    monkeypatch.setattr("treegen.review.toasts.monotonic", lambda: now[0])
    timers = []
    queue = ToastQueue(lambda each: shown.append(each.message), lambda s, do: timers.append((now[0] + s, do)))
    for text, timeout in (("undone a", 2), ("undone b", 2), ("lost", 8), ("undone c", 2), ("undone d", 2), ("late", 8)):
        queue.add(toast(text, timeout))
    assert shown == ["undone a", "undone b", "lost"]
    assert [each.message for each in queue.waiting] == ["undone d", "late"]
    while timers:
        now[0], do = timers.pop(0)
        do()
    assert shown == ["undone a", "undone b", "lost", "undone d", "late"]
    assert later == []


@pytest.mark.slow
async def test_one_toast_is_shown_and_the_status_line_is_free(unseen: Path) -> None:
    app = open_app(unseen)
    with app.review:
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await pilot.press("J", "J", "u", "u", "u", "u")
            await pilot.pause()
            (shown,) = app.screen.get_child_by_type(ToastRack).query(ToastWidget)
            assert shown.region.area
            assert shown.region.bottom <= app.query_one("#status").region.y


async def test_messages_of_the_session_are_listed_newest_first_and_whole(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        player.app.notify("first", timeout=2)
        player.app.notify("long " * 40 + "[end]\nwith a second line", severity="error", title="disk")
        player.app.notify("last", timeout=2)
        player.app.notify("echo that replaces it", timeout=2)
        await player.press("M")
        grid = player.grid("messages")
        texts = [" ".join(grid.row_texts(row)[1:]) for row in range(grid.count)]
        assert texts[:2] == ["information echo that replaces it", "information last"]
        assert texts[2].startswith("error disk: long")
        assert "error" in player.screen
        assert "\u2026" in player.screen, "the long one is cut in the list"
        await player.press("down", "down")
        assert "[end]" in player.screen
        assert "with a second line" in player.screen
        await player.press("y")
        assert player.app.clipboard.endswith("[end]\nwith a second line")
        await player.press("M")
        assert player.at == "groups"


def test_older_messages_than_the_last_thousand_are_counted() -> None:
    queue = ToastQueue(lambda each: None, lambda s, do: None)
    for number in range(1001):
        queue.add(toast(str(number), 2))
    assert (len(queue.sent), queue.sent[0].message, queue.count) == (1000, "1", 1001)
