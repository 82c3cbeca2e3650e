"""The reviewer's own editor: a real program that is started on a real file."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from tests.review.conftest import Open

Editor = Callable[[str], None]

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there is nothing to hand to the editor, so nothing to be suspended."""
    monkeypatch.setattr(HeadlessDriver, "can_suspend", True)
    monkeypatch.delenv("VISUAL", raising=False)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    def write(body: str) -> None:
        script = tmp_path / "an editor.sh"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", f"'{script}' --wait")

    return write


@pytest.mark.slow
async def test_what_is_changed_in_the_editor_is_one_step(play: Open, unseen: Path, editor: Editor) -> None:
    editor("""[ "$1" = --wait ] && sed -i 's/"white"/"ivory"/; s/"Wendle"/"Wendel"/' "$2" """)
    async with play(unseen) as player:
        before = player.tree
        await player.press("E")
        assert player.word("Abrosk", "colour") == "ivory"
        assert "Wendel" in player.tree.classes
        assert player.labels == ["edited as text"]
        await player.press("u")
        assert player.tree == before
        assert not list(player.app.review.session.store.folder.glob("edit-*"))


async def test_an_editor_that_changes_nothing_makes_no_step(play: Open, unseen: Path, editor: Editor) -> None:
    editor("exit 0")
    async with play(unseen) as player:
        await player.press("E")
        assert player.labels == []


async def test_errors_in_the_text_are_taken_and_become_problems(play: Open, unseen: Path, editor: Editor) -> None:
    editor("""sed -i 's/body is mainly {}/body is mainly/' "$2" """)
    async with play(unseen) as player:
        await player.press("E")
        assert "TG110" in {p.code for p in player.app.review.problems}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("exit 3", "ended with 3"),
        ("""sed -i 's/"white"/"ivory"/' "$2"; exit 3""", "ended with 3"),
        ("""printf 'garbage {' > "$2" """, "not read as a tree"),
        (""": > "$2" """, "the file is empty"),
        ("""printf '\\377\\376' > "$2" """, "UTF-8"),
        ("""rm "$2" """, "no such file"),
        (
            """echo '{"domain": "d", "classification_groups": {}, "rules": {}, "extra": 1}' > "$2" """,
            "not read as a tree",
        ),
    ],
)
async def test_an_editor_that_fails_or_writes_no_tree_loses_nothing(
    play: Open,
    unseen: Path,
    editor: Editor,
    body: str,
    told: str,
) -> None:
    async with play(unseen) as player:
        await player.press("J")
        before, steps = player.tree, player.labels
        editor(body)
        await player.press("E")
        assert told.lower() in player.said.lower()
        assert player.tree == before
        assert player.labels == steps


async def test_a_text_that_is_no_tree_is_kept_in_a_file_that_is_named(play: Open, unseen: Path, editor: Editor) -> None:
    editor("""printf 'an hour of work {' > "$2" """)
    async with play(unseen) as player:
        await player.press("E")
        (kept,) = player.app.review.session.store.folder.glob("edit-*.json")
        assert kept.read_text() == "an hour of work {"
        assert str(kept) in player.said


@pytest.mark.slow
async def test_no_editor_at_all_says_what_to_set(play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    async with play(unseen) as player:
        await player.press("E")
        assert "set EDITOR" in player.said


async def test_where_nothing_can_be_suspended_it_says_so(
    play: Open,
    unseen: Path,
    editor: Editor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HeadlessDriver, "can_suspend", False)
    editor("exit 0")
    async with play(unseen) as player:
        await player.press("E")
        assert "editor" in player.said
        assert json.loads(unseen.read_text())


async def test_a_text_that_cannot_be_read_is_offered_again(play: Open, unseen: Path, editor: Editor) -> None:
    wrong, right = """sed -i '1s/^/mistake/; s/"white"/"ivory"/' "$2" """, """sed -i 's/mistake//' "$2" """
    editor(f'if grep -q mistake "$2"; then {right}; else {wrong}; fi')
    async with play(unseen) as player:
        await player.press("E")
        assert "your text is kept" in player.said
        assert "edit it again" in player.screen
        await player.press("enter")
        assert player.word("Abrosk", "colour") == "ivory"
        assert player.labels == ["edited as text"]
        assert not list(player.app.review.session.store.folder.glob("edit-*"))


async def test_an_editor_that_ends_at_once_is_asked_about_and_its_text_can_be_read_later(
    play: Open, unseen: Path, editor: Editor
) -> None:
    """`code` and `subl` return when their window opens; what was saved there was lost."""
    editor("exit 0")
    async with play(unseen) as player:
        await player.press("E")
        assert "ended at once" in player.screen
        (path,) = player.app.review.session.store.folder.glob("edit-*")
        path.write_text(path.read_text().replace('"white"', '"ivory"'))
        await player.press("down", "enter")
        assert player.word("Abrosk", "colour") == "ivory"
        await player.press("E", "enter")
        assert len(player.labels) == 1
        assert not list(player.app.review.session.store.folder.glob("edit-*"))
