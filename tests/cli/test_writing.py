"""What is written: nothing that somebody else wrote meanwhile is lost, and nothing is left behind."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE, Run, revisions_of
from treegen import files
from treegen.errors import InputError
from treegen.files import ChangedFileError, state_of, write_atomically
from treegen.history.store import Store
from treegen.vcs.versions import tree_of

THEIRS = TREE.replace("stripes", "broad stripes")
MODELS = TREE.replace('"a snake"', '"a long snake"')


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    (tmp_path / "answer.txt").write_text(MODELS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], None]:
    """Has somebody else write a file just before the command would."""

    def arrange(path: Path, text: str) -> None:
        written = files._remove_leftovers

        def write(target: Path) -> None:
            if target == path.resolve():
                path.write_text(text, encoding="utf-8")
            written(target)

        monkeypatch.setattr(files, "_remove_leftovers", write)

    return arrange


@pytest.mark.parametrize("text", [THEIRS, '{"domain": "sketch'])
@pytest.mark.parametrize("command", ["revise", "fix", "resolve", "merge", "import", "approve", "restore"])
def test_what_was_written_meanwhile_is_left_and_the_result_is_kept_and_named(
    run: Run, folder: Path, meanwhile: Callable[[Path, str], None], command: str, text: str
) -> None:
    tree, answer = folder / "tree.json", folder / "answer.txt"
    if command == "resolve":
        document = json.loads(TREE)
        kept = {"kind": "prompt_changed", "group": "size", "old": "This creature is {}.", "new": "It is {}."}
        document["conflicts"] = [{"what": "the prompt", "ours": [kept], "theirs": []}]
        tree.write_text(json.dumps(document), encoding="utf-8")
    (folder / "base.json").write_text(TREE, encoding="utf-8")
    (folder / "other.json").write_text(MODELS, encoding="utf-8")
    manual = ("--model", "manual", "--answer", answer)
    arguments: dict[str, tuple[object, ...]] = {
        "revise": ("revise", tree, "-m", "longer", "--apply", *manual),
        "fix": ("check", tree, "--fix"),
        "resolve": ("resolve", tree, "--take", "ours"),
        "merge": ("merge", folder / "base.json", tree, folder / "other.json", "-o", tree),
        "import": ("import", answer, "-o", tree, "--domain", folder, "--force"),
        "approve": ("approve", tree, "--by", "Ada <ada@example.org>"),
        "restore": ("restore", f"{tree}@1"),
    }
    if command == "restore":
        with Store(tree) as store:
            store.add_revision(tree_of(MODELS, ""), author="llm", note="draft", parent=None)
    meanwhile(tree, text)
    done = run(*arguments[command])
    assert done.code == 2, done.err
    assert tree.read_text(encoding="utf-8") == text
    result = folder / "tree.result.json"
    assert str(result) in done.err
    assert result.is_file()
    assert not list(folder.glob(".*.tmp"))


def test_an_edit_made_while_the_model_thinks_is_left(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from treegen.llm.chat.manual import ManualChat

    tree, complete = folder / "tree.json", ManualChat.complete

    def slow(self: ManualChat, *arguments: object, **named: object) -> object:
        tree.write_text(THEIRS, encoding="utf-8")
        return complete(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ManualChat, "complete", slow)
    done = run("revise", tree, "-m", "longer", "--apply", "--model", "manual", "--answer", folder / "answer.txt")
    assert done.code == 2
    assert tree.read_text(encoding="utf-8") == THEIRS
    assert "a long snake" in (folder / "tree.result.json").read_text(encoding="utf-8")
    assert "treegen merge" in done.err


def test_a_file_for_o_that_appeared_meanwhile_is_left(
    run: Run, folder: Path, meanwhile: Callable[[Path, str], None]
) -> None:
    out = folder / "new.json"
    meanwhile(out, THEIRS)
    manual = ("--model", "manual", "--answer", folder / "answer.txt")
    done = run("revise", folder / "tree.json", "-m", "longer", "-o", out, *manual)
    assert (done.code, out.read_text(encoding="utf-8")) == (2, THEIRS)
    assert (folder / "new.result.json").is_file()


@pytest.mark.parametrize("command", ["revise", "draft", "import"])
def test_a_history_that_cannot_be_written_leaves_the_tree(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The revision comes first, so that a full disk leaves both as they were."""
    tree, answer = folder / "tree.json", folder / "answer.txt"
    run("check", tree, "--fix")
    before = tree.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise InputError("database or disk is full")

    monkeypatch.setattr(Store, "add_revision", full)
    manual = ("--model", "manual", "--answer", answer)
    arguments: dict[str, tuple[object, ...]] = {
        "revise": ("revise", tree, "-m", "longer", "--apply", *manual),
        "draft": ("draft", folder, "--force", "--no-score", *manual),
        "import": ("import", answer, "-o", tree, "--domain", folder, "--force"),
    }
    done = run(*arguments[command])
    assert (done.code, tree.read_bytes() == before) == (2, True)


KILLED = """
import os, sys
from pathlib import Path
from treegen import files
def die(*_, **__): os._exit(9)
setattr(os, sys.argv[1], die) if sys.argv[1] != "replace" else setattr(Path, "replace", die)
files.write_atomically(Path(sys.argv[2]), "new")
"""


@pytest.mark.parametrize("moment", ["fsync", "fchmod", "link", "replace"])
def test_a_killed_write_leaves_the_old_file_and_no_other_after_the_next(tmp_path: Path, moment: str) -> None:
    """What has no name yet is gone with the process; what was about to get one is removed by the next write."""
    path = tmp_path / "tree.json"
    path.write_text("old", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", KILLED, moment, str(path)], check=False, cwd=Path.cwd())
    assert (done.returncode, path.read_text(encoding="utf-8")) == (9, "old")
    assert moment == "replace" or names(tmp_path) == ["tree.json"]
    write_atomically(path, "next")
    assert (names(tmp_path), path.read_text(encoding="utf-8")) == (["tree.json"], "next")


def test_a_second_result_gets_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text("theirs", encoding="utf-8")
    for number in range(2):
        with pytest.raises(ChangedFileError):
            write_atomically(path, f"mine {number}", before="")
    assert names(tmp_path) == ["tree.json", "tree.result-2.json", "tree.result.json"]
    write_atomically(path, "mine", before=state_of(path))
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_option_that_only_a_locked_class_has_is_not_renamed(run: Run, folder: Path) -> None:
    """The class has it by name: "blue" is Zandoor's alone. What others share may get a better word."""
    (folder / "answer.txt").write_text(TREE.replace('"blue"', '"dark blue"').replace('"a bird"', '"a big bird"'))
    manual = ("--model", "manual", "--answer", folder / "answer.txt")
    done = run("revise", folder / "tree.json", "-m", "words", "--apply", "--lock", "class Zandoor", *manual)
    assert done.code == 0, done.err + done.out
    text = (folder / "tree.json").read_text(encoding="utf-8")
    assert '"blue"' in text
    assert '"a big bird"' in text
    assert len(revisions_of(folder / "tree.json")) == 2
