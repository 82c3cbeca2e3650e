"""A broken tree opens in the review: repaired key by key where it can be parsed, else in the editor at the line."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from tests.conftest import TREE, is_tree
from tests.review.bursts import Screen
from tests.review.conftest import Open, Player
from tests.waiting import wait_until
from treegen.review.screens.dialogs import ChoiceDialog
from treegen.review.widgets.panes import ProblemsPane
from treegen.vcs.versions import tree_of

pytestmark = pytest.mark.anyio
Edit = Callable[..., None]


def broken(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(TREE)
    data.pop("digest", None)
    change(data)
    path.write_text(json.dumps(data, indent=1))
    return path.read_text()


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Makes a shell script the reviewer's editor; `$1` is its first argument."""
    monkeypatch.setattr(HeadlessDriver, "can_suspend", True)
    monkeypatch.delenv("VISUAL", raising=False)

    def write(body: str, name: str = "editor.sh") -> None:
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(script))

    return write


def to(player: Player, code: str) -> None:
    """Puts the cursor on the first problem of that code."""
    pane = player.app.query_one("#problems", ProblemsPane)
    pane.put_cursor(next(n for n, problem in enumerate(pane.problems) if problem.code == code))


def codes(player: Player) -> set[str]:
    return {problem.code for problem in player.app.review.problems if problem.severity == "error"}


async def test_an_option_that_is_no_text_is_read_as_one_and_accepted_or_renamed(play: Open, unseen: Path) -> None:
    text = broken(unseen, lambda data: data["classification_groups"]["colour"]["options"].__setitem__(1, 5))
    async with play(unseen, (120, 40)) as player:
        assert player.at == "problems"
        await player.until(lambda: 'expected a string, found a whole number: 5; read as "5"' in player.screen)
        assert "unsaved" in player.screen.splitlines()[0]
        assert not player.app.review.can_score
        to(player, "TG103")
        await player.press("f")
        assert codes(player) == set()
        await player.press("u")
        assert codes(player) == {"TG103"}
        to(player, "TG103")
        await player.press("enter")
        assert player.at == "options"
        await player.press("r")
        await player.answer("cream")
        assert codes(player) == set()
        assert unseen.read_text() == text
        await player.press("ctrl+s")
        await player.until(lambda: "saved tree.json" in player.said)
        assert is_tree(unseen)
        assert player.options("colour")[1] == "cream"
        assert "5" not in player.options("colour")
        kept = next((unseen.parent / ".treegen").glob("overwritten-*"))
        assert kept.read_text() == text, "what was written is kept"


async def test_what_is_neither_accepted_nor_changed_is_asked_about_before_it_is_saved(play: Open, unseen: Path) -> None:
    text = broken(unseen, lambda data: data["rules"]["Abrosk"].__setitem__("colour", "whit"))
    async with play(unseen, (120, 40)) as player:
        await player.press("ctrl+s")
        assert "would be saved otherwise than written" in player.screen
        await player.press("down", "enter")
        assert unseen.read_text() == text
        assert player.at == "problems"
        await player.press("ctrl+s", "enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert is_tree(unseen)
        assert player.word("Abrosk", "colour") is None
        assert not player.app.review.session.unsaved


async def test_a_resumed_repair_goes_on_where_it_was(play: Open, unseen: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["rules"]["Abrosk"]["colour"] = "whit"
        data["classification_groups"]["colour"]["options"][1] = 5

    broken(unseen, change)
    async with play(unseen) as player:
        to(player, "TG103")
        await player.press("f", "q")
    async with play(unseen) as player:
        (reading,) = player.app.review.session.readings
        assert reading.problem.pointer == "/rules/Abrosk/colour"


async def test_an_index_out_of_range_is_repointed(play: Open, unseen: Path) -> None:
    broken(unseen, lambda data: data["rules"]["Abrosk"].__setitem__("colour", 99))
    async with play(unseen, (120, 40)) as player:
        await player.press("3")
        to(player, "TG112")
        await player.press("enter")
        assert player.at == "rules"
        assert "?99" in player.screen
        await player.press("enter")
        assert isinstance(player.app.screen, ChoiceDialog)
        await player.answer("gray")
        assert player.word("Abrosk", "colour") == "gray"
        assert codes(player) == set()


async def test_a_missing_class_is_added_with_the_answers_of_another(play: Open, unseen: Path) -> None:
    broken(unseen, lambda data: data["rules"].pop("Abrosk"))
    async with play(unseen, (120, 40)) as player:
        await player.press("3")
        to(player, "TG201")
        await player.press("enter")
        assert 'a adds the class "Abrosk"' in player.said
        await player.press("a")
        await player.press("down", "enter")
        assert "Abrosk" in player.tree.classes
        assert "TG201" not in codes(player)


async def test_a_group_without_options_gets_some_or_is_deleted(play: Open, unseen: Path) -> None:
    broken(unseen, lambda data: data["classification_groups"]["form"].pop("options"))
    async with play(unseen, (120, 40)) as player:
        await player.press("3")
        to(player, "TG106")
        await player.press("enter")
        assert player.at == "options"
        assert "options of form" in player.screen
        for option in ("a hen", "a frog"):
            await player.press("a")
            await player.answer(option)
        assert player.options("form") == ("a hen", "a frog")
        await player.press("u", "u", "3")
        to(player, "TG106")
        await player.press("d")
        assert "form" not in [group.name for group in player.tree.groups]


async def test_answers_of_an_unknown_group_and_unknown_classes_are_deleted(play: Open, unseen: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["rules"]["Abrosk"]["tail"] = 0
        data["rules"]["Nobody"] = dict.fromkeys(data["classification_groups"], 0)

    broken(unseen, change)
    async with play(unseen, (120, 40)) as player:
        await player.press("3")
        for code in ("TG202", "TG203"):
            to(player, code)
            await player.press("d")
        assert codes(player) == set()
        assert "Nobody" not in player.tree.classes


async def test_a_missing_domain_is_named(play: Open, unseen: Path) -> None:
    name = json.loads(TREE)["domain"]
    broken(unseen, lambda data: data.pop("domain"))
    async with play(unseen, (120, 40)) as player:
        await player.press("3", "g", "enter")
        assert "Name of the domain" in player.screen
        await player.press("enter")
        assert player.tree.domain == name
        assert codes(player) == set()


async def test_what_cannot_be_parsed_opens_in_the_editor_at_its_line_and_is_read_again(
    play: Open, unseen: Path, editor: Edit
) -> None:
    text = TREE.replace('"white",', '"white"', 1)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if '"white"' in each)
    unseen.write_text(text)
    editor(f"""echo "$@" > "$(dirname "$0")/arguments"; cat > "$2" <<'TREE'\n{TREE}TREE""", "vim")
    async with play(unseen, (120, 40)) as player:
        assert "cannot be read" in player.screen.splitlines()[0]
        assert "not JSON at line" in player.screen
        keys = player.screen.splitlines()[-1]
        assert "go there" in keys
        assert not any(word in keys for word in ("fix", "add", "delete"))  # there is nothing to change
        assert "cannot be read: 3 says why" in player.screen, "not that a adds a group"
        await player.press("d", "a", "p", "t", "L")
        assert unseen.read_text() == text
        await player.press("3", "enter")
        opened, path = (unseen.parent / "bin" / "arguments").read_text().split()
        assert path == str(unseen)
        assert abs(int(opened.removeprefix("+")) - line) <= 1
        assert player.tree == tree_of(TREE, "tree")
        assert "tree.json is read" in player.said
        await player.press("1", "r")
        await player.answer("cream")
        assert player.options("colour")[0] == "cream"


@pytest.mark.parametrize(
    ("name", "arguments"), [("nano", "+2 {}"), ("code", "-g {}:2"), ("subl", "{}:2"), ("other", "{}")]
)
async def test_each_editor_gets_the_line_in_its_way(
    play: Open, unseen: Path, editor: Edit, name: str, arguments: str
) -> None:
    unseen.write_text('{\n"domain" 3')
    editor("""echo "$@" > "$(dirname "$0")/arguments" """, name)
    async with play(unseen) as player:
        await player.press("E")
        assert (unseen.parent / "bin" / "arguments").read_text().strip() == arguments.format(unseen)
        assert "still cannot be read" in player.said


async def test_a_failing_editor_and_a_file_that_it_takes_away_are_lines(play: Open, unseen: Path, editor: Edit) -> None:
    unseen.write_text("{")
    async with play(unseen) as player:
        editor("exit 4")
        await player.press("E")
        assert "ended with 4" in player.said
        editor('rm "$1"')
        await player.press("E")
        await player.until(lambda: "no such file" in player.said.casefold())


async def test_it_is_left_without_a_question(play: Open, unseen: Path) -> None:
    unseen.write_text("{")
    async with play(unseen) as player:
        await player.press("q")
        assert len(player.app.screen_stack) <= 1
        assert not player.app.is_running or player.app._exit


async def test_somebody_elses_repair_is_read_when_it_happens(play: Open, unseen: Path) -> None:
    unseen.write_text("{")
    async with play(unseen) as player:
        unseen.write_text(TREE)
        await player.until(lambda: "tree.json is read" in player.said)
        assert player.tree == tree_of(TREE, "tree")


async def test_the_last_revision_is_written_over_a_file_that_cannot_be_read(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("d", "ctrl+s")
        await player.until(lambda: "saved" in player.said)
    saved = unseen.read_text()
    unseen.write_text(f"<<<<<<< ours\n{saved}=======\n{saved}>>>>>>> theirs\n")
    marked = unseen.read_text()
    async with play(unseen, (120, 40)) as player:
        assert "conflict markers" in player.screen
        await player.press("ctrl+s", "down", "down", "enter")
        await player.answer("old.json")
        assert (unseen.parent / "old.json").read_text() == saved
        await player.press("ctrl+s", "down", "enter")
        assert unseen.read_text() == saved
        assert "colour" not in [group.name for group in player.tree.groups]
        kept = (unseen.parent / ".treegen").glob("overwritten-*")
        assert marked in [path.read_text() for path in kept]


async def test_unsaved_work_is_there_though_the_file_cannot_be_read(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("d", "q")
    unseen.write_text("<<<<<<< ours\n{")
    async with play(unseen, (120, 40)) as player:
        assert player.labels == ['without group "colour"']
        assert player.at == "problems"
        assert "conflict markers" in player.screen
        await player.press("ctrl+s")
        assert "write mine over it" in player.screen
        await player.press("down", "enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert is_tree(unseen)


async def test_conflict_markers_that_come_meanwhile_are_written_over_or_left(
    play: Open, unseen: Path, editor: Edit
) -> None:
    marked = f"<<<<<<< ours\n{TREE}"
    editor("exit 0")
    async with play(unseen, (120, 40)) as player:
        await player.press("d")
        unseen.write_text(marked)
        await player.until(lambda: "conflict markers" in player.said)
        await player.press("3")
        assert "conflict markers" in player.screen
        assert "TG101" in codes(player)
        await player.press("ctrl+s", "down", "down", "down", "enter")
        await player.answer("mine.json")
        assert is_tree(unseen.parent / "mine.json")
        assert unseen.read_text() == marked
        await player.press("ctrl+s", "enter")
        assert "still cannot be read" in player.said
        await player.press("ctrl+s", "down", "enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert is_tree(unseen)
        assert "TG101" not in codes(player)
        assert marked in [path.read_text() for path in (unseen.parent / ".treegen").glob("overwritten-*")]


async def test_a_file_that_was_deleted_is_written_again_or_saved_under_another_name(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        unseen.unlink()
        await player.until(lambda: "deleted on disk" in player.said)
        await player.press("ctrl+s")
        assert "write it again" in player.screen
        await player.press("down", "enter")
        await player.answer("mine.json")
        assert is_tree(unseen.parent / "mine.json")
        assert not unseen.exists()
        await player.press("ctrl+s", "enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert is_tree(unseen)


@pytest.mark.slow
def test_a_broken_tree_is_repaired_and_saved_on_a_real_terminal(unseen: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["classification_groups"]["colour"]["options"][1] = 5
        data["rules"].pop("Abrosk")

    broken(unseen, change)
    screen = Screen(unseen, "true")
    try:
        screen.shows("7 ask")
        wait_until(lambda: any("TG103" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"gfa\r\x13")
        wait_until(lambda: is_tree(unseen), lambda: screen.lines)
        unseen.write_text("<<<<<<< ours\n")
        wait_until(lambda: any("conflict markers" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"\x13")
        wait_until(lambda: any("write mine over" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"\x1b[B\r")
        wait_until(lambda: is_tree(unseen), lambda: screen.lines)
        unseen.unlink()
        wait_until(lambda: any("deleted on disk" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"\x13")
        wait_until(lambda: any("write it again" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"\r")
        wait_until(lambda: is_tree(unseen), lambda: screen.lines)
        assert screen.leave() == 0
    finally:
        screen.close()
    assert "Abrosk" in json.loads(unseen.read_text())["rules"]


@pytest.mark.slow
def test_a_text_that_is_not_json_goes_through_the_editor_on_a_real_terminal(unseen: Path, tmp_path: Path) -> None:
    unseen.write_text("{" + TREE)
    good = tmp_path / "good.json"
    good.write_text(TREE)
    script = tmp_path / "vim"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/line\ncp {good} "$2"\n')
    script.chmod(0o755)
    screen = Screen(unseen, str(script))
    try:
        screen.shows("cannot be read")
        wait_until(lambda: any("TG101" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"\r")
        wait_until(lambda: any("5 groups" in line for line in screen.lines), lambda: screen.lines)
        assert (tmp_path / "line").read_text() == "+1\n"
        assert screen.leave() == 0
    finally:
        screen.close()
