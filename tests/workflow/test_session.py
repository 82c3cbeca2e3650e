"""A session on a file: steps that survive, saves that lose nothing."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

import pytest

from tests.conftest import TREE, store_version
from treegen.errors import InputError, ProblemsError
from treegen.history.store import Store
from treegen.tree.changes import ChangeError, OptionAdded, edits
from treegen.tree.document import digest_of, dump, tree_from
from treegen.workflow.session import ConflictError, Session

ROOT = Path(__file__).parents[2]
#: makes three steps, takes one back, says so, and never ends by itself
KILLED = """
import sys, threading
from pathlib import Path
from shutil import rmtree
from treegen.workflow.session import Session
from treegen.history.store import Store
from treegen.tree.changes import edits
path = Path(sys.argv[1])
session = Session(path, Store(path))
for name in ("one", "two", "three"):
    session.do(name, edits.add_option(session.tree, "size", name, None))
session.undo()
print("ready", flush=True)
threading.Event().wait()
"""
Opener = Callable[[], Session]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tree.json"
    path.write_text(TREE)
    return path


@pytest.fixture
def opened(path: Path) -> Iterator[Opener]:
    """Opens sessions and closes them with their stores after the test."""

    def open_session() -> Session:
        session = Session(path, stores.enter_context(Store(path)))
        stores.callback(session.close)
        return session

    with ExitStack() as stores:
        yield open_session


def add(session: Session, *names: str) -> None:
    for name in names:
        session.do(f"add {name}", edits.add_option(session.tree, "size", name, None))


def somebody_writes(path: Path, old: str, new: str) -> None:
    path.write_text(dump(tree_from(json.loads(TREE.replace(old, new)))))


def test_a_hundred_steps_are_taken_back_and_made_again(opened: Opener) -> None:
    session = opened()
    trees = [session.tree]
    for number in range(100):
        add(session, f"o{number}")
        trees.append(session.tree)
    for tree in reversed(trees[:-1]):
        assert session.undo()
        assert session.tree == tree
    assert session.undo() is None
    for tree in trees[1:]:
        assert session.redo()
        assert session.tree == tree
    assert session.redo() is None


def test_steps_survive_a_restart_and_so_does_what_was_undone(opened: Opener) -> None:
    first = opened()
    start = first.tree
    add(first, "a", "b", "c")
    first.undo()
    first.close()
    second = opened()
    assert second.resumed
    assert second.unsaved
    assert second.tree == first.tree
    assert second.redo()
    assert [second.undo() and second.tree == start for _ in range(3)] == [False, False, True]


def test_a_new_step_ends_what_could_be_made_again(opened: Opener) -> None:
    session = opened()
    add(session, "a", "b")
    session.undo()
    add(session, "c")
    assert session.redo() is None
    session.close()
    again = opened()
    assert [step.label for step in again.steps] == ["add a", "add c"]
    assert again.tree == session.tree


def test_a_change_that_does_not_fit_makes_no_half_step(opened: Opener) -> None:
    session = opened()
    before = session.tree
    good = OptionAdded(group="size", option="middling", after=None)
    with pytest.raises(ChangeError):
        session.do("both", (good, OptionAdded(group="nowhere", option="x", after=None)))
    assert session.tree == before
    assert session.steps == ()
    session.do("nothing", ())
    assert session.steps == ()


def test_a_killed_process_leaves_a_session_that_goes_on_with_undo(path: Path, opened: Opener) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert not opened().resumed, "a living process keeps its session"
        process.send_signal(signal.SIGKILL)
    session = opened()
    assert session.resumed
    assert [step.label for step in session.steps] == ["one", "two", "three"]
    assert session.position == 2
    assert "three" not in dump(session.tree)
    assert session.undo()
    assert session.undo()
    assert not session.unsaved
    assert path.read_text() == TREE


def test_saving_writes_canonical_text_and_a_revision(path: Path, opened: Opener) -> None:
    session = opened()
    add(session, "middling")
    revision = session.save()
    assert path.read_text() == dump(session.tree)
    assert revision.digest == digest_of(session.tree)
    assert revision.author == "human"
    assert "add middling" in revision.note
    assert not session.unsaved
    session.undo()
    assert session.unsaved


def test_a_saved_session_goes_on_unless_the_file_went_on_without_it(path: Path, opened: Opener) -> None:
    session = opened()
    add(session, "middling")
    session.save()
    session.close()
    again = opened()
    assert again.resumed
    assert again.position == 1
    again.close()
    somebody_writes(path, '"white"', '"ivory"')
    third = opened()
    assert not third.resumed
    assert third.steps == ()
    assert "ivory" in dump(third.tree)


def sizes(session: Session) -> tuple[str, ...]:
    group = session.tree.group("size")
    assert group is not None
    return group.options


def test_two_sessions_of_one_file_are_strangers_and_the_second_to_save_is_told(path: Path, opened: Opener) -> None:
    first, second = opened(), opened()
    add(first, "a")
    add(second, "b")
    assert "b" not in sizes(first)
    first.save()
    with pytest.raises(ConflictError, match="somebody else") as told:
        second.save()
    assert "merge" in told.value.tip
    assert path.read_text() == dump(first.tree)
    merged = second.merge_file()
    assert merged.clean
    assert {"a", "b"} <= set(sizes(second))
    second.save()
    assert path.read_text() == dump(second.tree)


def test_a_merge_is_one_step_that_can_be_taken_back(path: Path, opened: Opener) -> None:
    session = opened()
    add(session, "mine")
    before = session.tree
    somebody_writes(path, '"white"', '"ivory"')
    session.merge_file()
    assert session.tree != before
    session.undo()
    assert session.tree == before
    session.redo()
    session.close()
    assert opened().tree == session.tree


def test_what_a_merge_cannot_decide_stays_in_the_tree(path: Path, opened: Opener) -> None:
    session = opened()
    session.do("prompt", edits.change_prompt(session.tree, "size", "It is rather {}."))
    somebody_writes(path, "This creature is {}.", "It looks {}.")
    merged = session.merge_file()
    assert not merged.clean
    assert session.tree.conflicts
    session.do("decided", edits.decide(session.tree, 0, "theirs"))
    size = session.tree.group("size")
    assert size is not None
    assert size.prompt == "It looks {}."
    session.close()
    assert opened().tree == session.tree


def test_writing_over_keeps_theirs_as_a_revision(path: Path, opened: Opener) -> None:
    session = opened()
    add(session, "mine")
    somebody_writes(path, '"white"', '"ivory"')
    theirs = path.read_text()
    session.overwrite()
    assert path.read_text() == dump(session.tree)
    assert theirs in [revision.tree for revision in session.store.revisions()]


def test_a_file_that_is_gone_is_told_and_written_on_demand(path: Path, opened: Opener) -> None:
    session = opened()
    add(session, "mine")
    path.unlink()
    with pytest.raises(ConflictError):
        session.save()
    with pytest.raises(InputError):
        session.merge_file()
    session.overwrite()
    assert path.read_text() == dump(session.tree)


@pytest.mark.parametrize("text", ["{", "[]", '{"domain": "d"}'])
def test_a_file_that_is_broken_is_never_written_over_unkept(path: Path, opened: Opener, text: str) -> None:
    session = opened()
    add(session, "mine")
    mine = session.tree
    path.write_text(text)
    with pytest.raises(ProblemsError):
        session.merge_file()
    assert path.read_text() == text
    assert session.tree == mine
    session.overwrite()
    assert path.read_text() == dump(mine)
    (kept,) = session.store.folder.glob("overwritten-*")
    assert kept.read_text() == text
    session.close()
    assert opened().tree == mine


def test_locks_survive_and_follow_names(opened: Opener) -> None:
    session = opened()
    session.set_lock("group size", True)
    session.set_lock("class Wendle", True)
    session.do("rename", edits.rename_group(session.tree, "size", "bulk"))
    session.do("rename", edits.rename_class(session.tree, "Wendle", "Wendel"))
    assert session.locks == {"group bulk", "class Wendel"}
    session.undo()
    assert session.locks == {"group bulk", "class Wendle"}
    session.close()
    again = opened()
    assert again.locks == {"group bulk", "class Wendle"}
    again.redo()
    again.set_lock("group bulk", False)
    assert again.locks == {"class Wendel"}


def test_a_store_of_version_1_gets_sessions_and_keeps_its_data(path: Path, opened: Opener) -> None:
    with store_version(1):
        store = Store(path)
    tree = tree_from(json.loads(TREE))
    revision = store.add_revision(tree, author="llm", note="draft", parent=None)
    store.record_split("s", {"digest": "dev"})
    store.close()
    database = path.parent / ".treegen" / "store.sqlite"
    session = opened()
    add(session, "kept")
    assert session.store.revision(revision.id) == revision
    assert session.store.recorded_split("s") == {"digest": "dev"}
    raw = sqlite3.connect(database)
    assert raw.execute("PRAGMA user_version").fetchone() > (1,)
    raw.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_history_that_is_removed_or_replaced_gets_the_whole_session_again(
    path: Path, opened: Opener, replaced: bool
) -> None:
    """As by `git clean` or a checkout in another window; SQLite would go on with a file that nobody finds."""
    session = opened()
    add(session, "one", "two")
    session.set_lock("group size", True)
    session.undo()
    rmtree(path.parent / ".treegen")
    if replaced:
        Store(path).close()
    add(session, "three")
    assert session.restored == 1
    session.store_text("feedback", "text")
    rmtree(path.parent / ".treegen")
    session.check_store()
    assert session.restored == 2
    session.close()
    again = opened()
    assert again.tree == session.tree
    assert [step.label for step in again.steps] == ["add one", "add three"]
    assert again.position == 2
    assert again.locks == {"group size"}
    again.undo()
    again.redo()
    again.save()
    assert path.read_text() == dump(session.tree)
    assert not again.unsaved


def test_a_file_that_was_saved_when_the_history_was_full_is_nobody_elses(path: Path, opened: Opener) -> None:
    session = opened()
    add(session, "one")
    session.store.rows("PRAGMA query_only=1", ())
    with pytest.raises(InputError, match="readonly"):
        session.save()
    assert path.read_text() == dump(session.tree)
    session.close()
    again = opened()
    assert not again.unsaved
    assert not again.file_changed
    assert again.position == 1


def test_a_lock_that_cannot_be_stored_is_not_there(opened: Opener) -> None:
    session = opened()
    session.store.rows("PRAGMA query_only=1", ())
    with pytest.raises(InputError):
        session.set_lock("group size", True)
    assert not session.locks
