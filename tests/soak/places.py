"""The folder on which commands are tried, and what must be true of it afterwards."""

import atexit
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final

from tests.conftest import TREE
from tests.soak.running import Ended, forked, left_over
from treegen.errors import TreegenError
from treegen.files import read_text
from treegen.history.store import Store
from treegen.tree.changes import GroupRenamed
from treegen.tree.document import digest_of, save
from treegen.tree.validation.checks import check_text
from treegen.vcs.versions import tree_of
from treegen.workflow.demo import lay_out
from treegen.workflow.session import Session

BY: Final = ("--by", "Ada <ada@example.org>")
#: what may never go from the history, and the columns that may change after they were written
_KEPT: Final[dict[str, Sequence[str]]] = {
    "revision": ("id", "file", "parent", "author", "note", "digest", "tree", "created"),
    "score": ("id", "revision", "score"),
    "call": ("id", "file", "model", "messages", "reply"),
    "session": ("id", "file", "base", "created"),
    "step": ("id", "session", "number", "label", "changes", "back", "notes"),
    "split": ("settings", "digest", "part"),
    "look": ("images", "split", "tree", "encoder", "rule"),
    "note": ("file", "kind", "target", "value"),
}


def manual(folder: Path) -> tuple[str, ...]:
    """The options for a model that answers from a file of the folder."""
    return ("--model", "manual", "--answer", str(folder / "answer.txt"))


@cache
def template() -> Path:
    """A domain with pictures, a tree with revisions, scores, requests and an open review, and what is to be merged.

    Made once for each process; to be copied.
    """
    folder = Path(mkdtemp(prefix="soak-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    lay_out(folder, count=4)
    tree = folder / "tree.json"
    save(tree, tree_of(TREE, ""))
    (folder / "answer.txt").write_text(TREE.replace('"a snake"', '"a long snake"'), encoding="utf-8")
    shutil.copy(tree, folder / "base.json")
    (folder / "other.json").write_text(TREE.replace('"a ball"', '"a round ball"'), encoding="utf-8")
    document = json.loads(TREE)
    prompt = {"kind": "prompt_changed", "group": "size", "old": "This creature is {}.", "new": "It is {}."}
    document["conflicts"] = [{"what": "the prompt", "ours": [prompt], "theirs": []}]
    (folder / "conflict.json").write_text(json.dumps(document), encoding="utf-8")
    for arguments in (
        ("score", str(tree)),
        ("revise", str(tree), "-m", "longer", "--apply", *manual(folder)),
        ("score", str(tree)),
        ("embed", str(folder), "-o", str(folder / "out")),
    ):
        ended = forked(arguments)
        assert ended.code == 0, ended.err
    (folder / "answer.txt").write_text(TREE.replace('"a snake"', '"a thin snake"'), encoding="utf-8")
    for name in ("tree.json", "review.json"):
        if name == "review.json":
            shutil.copy(tree, folder / name)
        with Store(folder / name) as store:
            session = Session(folder / name, store)
            session.do("rename a group", [GroupRenamed(old="mark", new="marking")])
            session.set_lock("group size", True)
            session.close()
    return folder


@contextmanager
def copied(parent: Path | None = None) -> Iterator[Path]:
    """A copy of the template, removed at the end."""
    folder = Path(mkdtemp(prefix="soak-", dir=parent))
    try:
        shutil.copytree(template(), folder, dirs_exist_ok=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


Rows = dict[str, set[tuple[Any, ...]]]


def kept_rows(folder: Path) -> Rows:
    """What the history of a folder must never lose; empty without one."""
    path = folder / ".treegen" / "store.sqlite"
    if not path.is_file():
        return {}
    with TemporaryDirectory() as copy:  # where there is room
        for each in path.parent.glob("store.sqlite*"):
            shutil.copy(each, copy)
        return _rows_of(Path(copy, path.name))


def _rows_of(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        return {
            table: set(db.execute(f"SELECT {', '.join(columns)} FROM {table}"))
            for table, columns in _KEPT.items()
            if table in tables
        }


def faults_of_folder(folder: Path, before: Rows, trees: dict[str, bytes], *, revised: bool = True) -> Iterator[str]:
    """What is wrong with a folder after a command that was killed, failed or done.

    Args:
        folder: of a domain.
        before: the rows of its history before.
        trees: the tree files before: name -> content.
        revised: whether a tree that is new has to be in the history.
    """
    try:
        rows = kept_rows(folder)
    except (AssertionError, UnicodeDecodeError, sqlite3.DatabaseError) as error:
        yield f"the history is damaged: {error}"
        return
    for table, values in before.items():
        if lost := values - rows.get(table, set()):
            yield f"{len(lost)} rows of {table} are lost: {str(next(iter(lost)))[:300]}"
    for name, content in trees.items():
        yield from _faults_of_tree(folder / name, content, rows, revised=revised)


def _faults_of_tree(path: Path, before: bytes, rows: Rows, *, revised: bool) -> Iterator[str]:
    """A tree is the old one or another whole one, which is in the history."""
    if not path.is_file():
        yield f"{path.name} is gone"
        return
    if path.read_bytes() == before:
        return
    try:
        checked = check_text(read_text(path))
        assert checked.document is not None, "not a tree"
    except (TreegenError, AssertionError) as error:
        yield f"{path.name} is not whole: {error}"
        return
    digest = digest_of(checked.document.tree)
    if json.loads(path.read_text(encoding="utf-8")).get("digest") != digest:
        yield f"{path.name} was written without its digest"
    if revised and digest not in {row[5] for row in rows.get("revision", ())}:
        yield f"{path.name} has a tree that is no revision"


def trees_of(folder: Path) -> dict[str, bytes]:
    """The tree files of a folder: name -> content."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.json")) if path.name != ".laid-out.json"}


def lost_promises(ended: Ended, folder: Path) -> Iterator[str]:
    """What a command said that it has stored, and is not."""
    import re

    numbers = {int(number) for number in re.findall(r"revision (\d+)", ended.out)}
    if lost := numbers - {row[0] for row in kept_rows(folder).get("revision", ())}:
        yield f"revision {min(lost)} was reported and is not there"


def check_temporary(folder: Path) -> Iterator[str]:
    """Temporary files that a finished command has left."""
    if left := left_over(folder):
        yield f"left behind: {left}"
