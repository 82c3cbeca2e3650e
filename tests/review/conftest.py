"""The review application without a terminal: played by keys, read as text."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from textual.events import Paste
from textual.notifications import Notification
from textual.pilot import Pilot

from tests.conftest import DOMAIN, TREE
from tests.review.settling import settle_by_the_loop
from tests.review.terminal import Terminal
from tests.waiting import PATIENCE
from treegen.review.app import ReviewApp, open_app
from treegen.review.widgets.grid import Grid
from treegen.tree.model import Tree


class Player:
    """One who sits at the application: presses keys, reads the screen."""

    def __init__(self, app: ReviewApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot
        waiting = [Notification(each.message, title=each.settings["title"]) for each in app.toasts.waiting]
        self._heard = [*app._notifications, *waiting]  # one goes after seconds, also while a slow machine is busy
        app.notify = self._hear  # type: ignore[method-assign]

    def _hear(self, message: str, **options: Any) -> None:
        type(self.app).notify(self.app, message, **options)
        self._heard.append(Notification(message, title=options.get("title", "")))

    @property
    def tree(self) -> Tree:
        return self.app.review.tree

    @property
    def labels(self) -> list[str]:
        """The steps that are done."""
        session = self.app.review.session
        return [step.label for step in session.steps[: session.position]]

    @property
    def said(self) -> str:
        """All notifications so far."""
        return "\n".join(f"{n.title}: {n.message}" for n in self._heard)

    @property
    def screen(self) -> str:
        """The cells of the terminal as lines of text."""
        size = self.app.size
        console = Console(width=size.width, height=size.height, file=io.StringIO(), record=True, legacy_windows=False)
        console.print(self.app.screen._compositor.render_update(full=True))
        return console.export_text()

    @property
    def at(self) -> str:
        """The widget that has the keys."""
        return (self.app.focused.id or type(self.app.focused).__name__) if self.app.focused else ""

    def grid(self, name: str) -> Grid:
        return self.app.screen.query_one(f"#{name}", Grid)

    def options(self, group: str) -> tuple[str, ...]:
        found = self.tree.group(group)
        assert found
        return found.options

    def word(self, name: str, group: str) -> str | None:
        return self.tree.word(next(rule for rule in self.tree.rules if rule.name == name), group)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        """Pastes over what stands in the field."""
        await self.press("end", "ctrl+u")
        self.app.post_message(Paste(text))
        await self.pilot.pause()

    async def answer(self, text: str) -> None:
        await self.write(text)
        await self.press("enter")

    async def click(self, selector: str, x: int, y: int) -> None:
        await self.pilot.click(selector, offset=(x, y))
        await self.pilot.pause()

    async def until(self, true: Callable[[], object]) -> None:
        """Waits for what a thread brings about."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                await self.pilot.pause(0.01)


Open = Callable[..., AbstractAsyncContextManager[Player]]


@asynccontextmanager
async def _opened(path: Path, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Player]:
    app = open_app(path)
    with app.review:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield Player(app, pilot)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs the whole application, each of which takes about a second."""
    for item in items:
        if "play" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.app)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are waited for by what the application still has to do."""
    settle_by_the_loop(monkeypatch)


@pytest.fixture(autouse=True)
def _unanimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing glides to its place, which would be waited for; it does so in a real terminal."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(autouse=True)
def _own_preferences(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Theme and layout are those of a new reviewer, and are not kept for the person who runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture(autouse=True)
def _no_fault(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault in background work does not end the application, but the test."""
    yield
    assert [r.getMessage() for r in caplog.get_records("call") if r.levelname in ("ERROR", "CRITICAL")] == []


@pytest.fixture
def play() -> Open:
    """`async with play(path, size) as player` runs the application on a tree file."""
    return _opened


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """A tree whose domain has no images: nothing is scored, so nothing is waited for."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    path = tmp_path / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    return path


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.stop()
