"""A file that is no tree: its problems, the editor, and the review as soon as it is one."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from tests.conftest import TREE
from tests.review.conftest import Open
from treegen.errors import InputError
from treegen.review.repair_app import RepairApp, is_tree
from treegen.review.widgets.grid import Grid

pytestmark = pytest.mark.anyio
WRONG = TREE.replace('"colour": 0, "form": 0, "scene": 0', '"colour": "white", "form": 0, "scene": 0')
Edit = Callable[[str], None]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "tree.json"
    path.write_text(WRONG)
    return path


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Makes a shell script the reviewer's editor; `$1` is the file."""
    monkeypatch.setattr(HeadlessDriver, "can_suspend", True)
    monkeypatch.delenv("VISUAL", raising=False)

    def write(body: str) -> None:
        script = tmp_path / "editor.sh"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(script))

    return write


def problems(app: RepairApp) -> list[str]:
    grid = app.query_one(Grid)
    return ["  ".join(grid.row_texts(row)) for row in range(grid.count)]


async def test_a_wrong_type_is_shown_with_its_place_and_mended_in_the_editor(
    play: Open, broken: Path, editor: Edit
) -> None:
    assert not is_tree(broken)
    editor("""sed -i 's/"colour": "white"/"colour": 0/' "$1" """)
    app = RepairApp(broken)
    async with app.run_test(size=(80, 24)) as pilot:
        (problem,) = problems(app)
        line = next(n for n, text in enumerate(WRONG.splitlines(), 1) if '"colour": "white"' in text)
        assert problem.startswith(f"{line}:")
        assert "/rules/Abrosk/colour" in problem
        await pilot.press("enter")
        await pilot.pause()
    assert app.return_value is True
    assert is_tree(broken)
    async with play(broken) as player:
        assert player.word("Abrosk", "colour") == "white"


async def test_the_editor_opens_at_the_line_of_the_problem(
    broken: Path, editor: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor("""echo "$@" > "$(dirname "$0")/arguments" """)
    script = broken.with_name("editor.sh").rename(broken.with_name("vi"))
    monkeypatch.setenv("EDITOR", str(script))
    app = RepairApp(broken)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await pilot.pause()
    line = next(n for n, text in enumerate(WRONG.splitlines(), 1) if '"colour": "white"' in text)
    assert broken.with_name("arguments").read_text().split() == [f"+{line}", str(broken)]


async def test_what_is_still_wrong_is_shown_again(broken: Path, editor: Edit) -> None:
    editor("""echo '{"domain": "d", ' > "$1" """)
    app = RepairApp(broken)
    async with app.run_test(size=(80, 24)) as pilot:
        before = problems(app)
        await pilot.press("E")
        await pilot.pause()
        assert problems(app)
        assert problems(app) != before
        editor("exit 4")
        await pilot.press("e")
        await pilot.pause()
        assert "ended with 4" in "".join(n.message for n in app._notifications)
        await pilot.press("q")
    assert app.return_value is False
    assert broken.read_text() == '{"domain": "d", \n'


async def test_an_editor_that_takes_the_file_away_says_so(broken: Path, editor: Edit) -> None:
    editor('rm "$1"')
    app = RepairApp(broken)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("E")
        await pilot.pause()
        assert "no such file" in "".join(n.message for n in app._notifications).lower()
        await pilot.press("q")
    assert app.return_value is False


def test_a_file_that_is_not_there_is_no_work_for_repair(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        is_tree(tmp_path / "none.json")
