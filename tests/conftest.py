"""Fixtures for whole commands: the real entry point in this process, and a small sketchbook with drawn images."""

import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from weakref import ref

import pytest

from tests.browsing import browser as browser
from tests.waiting import PATIENCE
from treegen.cli.main import main
from treegen.config.domain import read_data
from treegen.config.trust import record, requests_of
from treegen.errors import TreegenError
from treegen.files import read_text
from treegen.history import tables
from treegen.history.store import Call, Revision, Store
from treegen.vcs.versions import tree_of
from treegen.workflow.demo import lay_out
from treegen.workflow.workspace import Workspace

T = TypeVar("T")
os.environ.setdefault("RAY_worker_niceness", "0")  # else Ray's workers starve beside whatever else the machine does


def present(items: Iterable[T | None]) -> list[T]:
    """All items, of which none may be missing."""
    listed = list(items)
    found = [item for item in listed if item is not None]
    assert len(found) == len(listed)
    return found


def is_tree(path: Path) -> bool:
    """Whether a file can be opened as a tree without a loss."""
    try:
        tree_of(read_text(path), str(path))
    except TreegenError:
        return False
    return True


class _Connection(sqlite3.Connection):
    """Warns if it was not closed. From Python 3.13 on every connection does; an earlier one says nothing."""

    alive: ClassVar[set["ref[_Connection]"]] = set()
    is_open = False

    def __init__(self, database: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(database, *arguments, **named)
        self.database, self.is_open = database, True
        self.alive.add(ref(self, self.alive.discard))

    def close(self) -> None:
        super().close()
        self.is_open = False

    def __del__(self) -> None:
        if self.is_open:
            warnings.warn(f"unclosed database {self.database}", ResourceWarning, source=self, stacklevel=1)


@pytest.fixture(scope="session", autouse=True)
def _own_records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is trusted on this machine is neither read nor changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("TREEGEN_TRUST", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _connections() -> Iterator[None]:
    """All connections are of the kind that warns."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.version_info < (3, 13):
            patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_Connection))
        yield


_FAILED: Final = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether a test failed, for its fixtures."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def _nothing_left_open(_connections: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """A connection that stays open, and would warn whenever it is collected, fails the test that opened it.

    A thread that a test leaves behind closes what it used when it ends. What a failed test opened is not waited for.
    """
    before = _open_connections()
    yield
    deadline = time.monotonic() + (0 if request.node.stash.get(_FAILED, False) else PATIENCE)
    while (left := _open_connections() - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    for connection in left:  # told here: not once more when it is collected
        connection.is_open = False
    assert not left, f"not closed: {', '.join(str(connection.database) for connection in left)}"


def _open_connections() -> set[_Connection]:
    found = (reference() for reference in _Connection.alive.copy())  # threads open and close meanwhile
    return {connection for connection in found if connection is not None and connection.is_open}


#: the files that take longest: begun at the end, one of them would be waited for alone
_LONGEST: Final = ("test_docs.py", "test_killed.py", "test_snapshots.py", "test_ray_engine.py", "test_bursts.py")


def pytest_configure() -> None:
    """Search for garbage more rarely still than the program does: that took a tenth of the time of the tests."""
    gc.set_threshold(400_000, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded by `record_property("figure", text)`, also those of other processes."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(value))


@pytest.fixture(autouse=True)
def _litellm_only_where_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that imports litellm without the mark that keeps it out of `make test-fast`."""
    before = "litellm" in sys.modules
    yield
    imported = "litellm" in sys.modules and not before
    assert not imported or request.node.get_closest_marker("litellm"), "mark this test with pytest.mark.litellm"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `treegen ARGUMENTS` through the entry point and its error boundary."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["treegen", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        out, err = capfd.readouterr()
        code = done.value.code
        return Outcome(code=code if isinstance(code, int) else 1, out=out, err=err)

    return call


ROOT = Path(__file__).resolve().parent.parent


class Git:
    """A repository of its own, which knows nothing of who runs the tests: `git("log")` prints, or fails the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PRE_COMMIT"))},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
            "LC_ALL": "C.UTF-8",
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def run(
        self, *arguments: str, folder: Path | None = None, program: str = "git"
    ) -> subprocess.CompletedProcess[str]:
        """Runs git, or another program, in the repository; it may fail."""
        return subprocess.run(
            [program, *arguments],
            cwd=folder or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout.rstrip("\n")

    def start(self, *options: str) -> None:
        """Makes the repository, with a branch `main` and somebody who commits."""
        self("init", "-q", "-b", "main", *options)
        self("config", "user.name", "Ada")
        self("config", "user.email", "ada@example.org")

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the working tree."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def commit(self, message: str) -> str:
        """Commits everything and returns the name of the commit."""
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """An empty repository; git has no other configuration in this process either."""
    folder = tmp_path / "repository"
    folder.mkdir()
    made = Git(folder)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    made.start()
    return made


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sketchbook with 8 images of each class; read only."""
    folder = tmp_path_factory.mktemp("drawn")
    lay_out(folder, count=8)
    return folder


@pytest.fixture
def sketchbook(drawn: Path, tmp_path: Path) -> Path:
    """A copy of `drawn` to work in."""
    return Path(shutil.copytree(drawn, tmp_path / "sketchbook"))


TREE = """{
  "domain": "sketchbook",
  "classification_groups": {
    "colour": {
      "prompt": "This creature's body is mainly {}.",
      "options": ["white", "green", "orange", "purple", "pink", "yellow", "brown", "gray", "blue"]
    },
    "form": {
      "prompt": "This creature looks like {}.",
      "options": ["a four-legged animal", "a snake", "a ball", "an octopus", "a slug", "a bird", "a fish"]
    },
    "scene": {
      "prompt": "The background behind the creature is {}.",
      "options": ["snow", "a dark cave", "a meadow", "a desert", "the night sky", "a city", "a forest", "the sea"]
    },
    "mark": {"prompt": "This creature has {}.", "options": ["stripes", "spots", "spikes", "a horn"]},
    "size": {"prompt": "This creature is {}.", "options": ["tiny", "huge"]}
  },
  "rules": {
    "Abrosk": {"colour": 0, "form": 0, "scene": 0, "mark": 3, "size": 1},
    "Abrosk G": {"colour": 0, "form": 0, "scene": 1, "mark": 3, "size": 1},
    "Wendle": {"colour": 1, "form": 1, "scene": 2, "mark": 0, "size": null},
    "Torvane": {"colour": 1, "form": 1, "scene": 2, "mark": 1, "size": null},
    "Quillip": {"colour": 2, "form": 2, "scene": 3, "mark": 2, "size": 0},
    "Grelm": {"colour": 2, "form": 2, "scene": 3, "mark": 2, "size": 1},
    "Orlith": {"colour": 3, "form": 3, "scene": 4, "mark": null, "size": null},
    "Draquen": {"colour": 4, "form": 3, "scene": 4, "mark": null, "size": null},
    "Nubbet": {"colour": 5, "form": 4, "scene": 5, "mark": null, "size": null},
    "Yaffin": {"colour": 5, "form": 5, "scene": 5, "mark": null, "size": null},
    "Fennoch": {"colour": 6, "form": 0, "scene": 6, "mark": null, "size": null},
    "Ulvar": {"colour": 7, "form": 0, "scene": 6, "mark": null, "size": null},
    "Zandoor": {"colour": 8, "form": 6, "scene": 7, "mark": null, "size": 1}
  }
}
"""


@pytest.fixture
def tree_file(sketchbook: Path) -> Path:
    """A tree without errors for the sketchbook, written by hand: not canonical, no digest."""
    path = sketchbook / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    return path


DOMAIN = """
name = "sketchbook"
noun = "creature"
classes = ["Abrosk", "Abrosk G", "Wendle", "Torvane", "Quillip", "Grelm", "Orlith", "Draquen", "Nubbet", "Yaffin",
  "Fennoch", "Ulvar", "Zandoor"]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A domain without images, and no tree yet."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    with Workspace(tmp_path / "tree.json") as opened:
        yield opened


def trust_all(folder: Path) -> None:
    """Allow a domain's folder what its domain.toml asks for."""
    record(folder, requests_of(read_data(folder), folder.resolve()))


def calls_of(tree: Path) -> list[Call]:
    """The calls in the history of a tree."""
    with Store(tree) as opened:
        return opened.calls()


def revisions_of(tree: Path) -> list[Revision]:
    """The revisions in the history of a tree."""
    with Store(tree) as opened:
        return opened.revisions()


@contextmanager
def store_version(number: int) -> Iterator[None]:
    """Stores that are made here have the tables of an earlier version."""
    earlier = {version: script for version, script in tables.MIGRATIONS.items() if version <= number}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "VERSION", number)
        patch.setattr(tables, "MIGRATIONS", earlier)
        yield
