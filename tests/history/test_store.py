import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.conftest import store_version
from treegen.errors import InputError
from treegen.history.sessions import Journal, Step
from treegen.history.store import Call, DamagedStoreError, Store, now, store_folder
from treegen.tree.changes import GroupRenamed
from treegen.tree.document import digest_of, dump
from treegen.tree.feedback_target import Target
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.review_notes import Notes

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from treegen.history.store import Store
from treegen.tree.model import ClassRule, Group, Tree
name = sys.argv[2]
group = Group(name="g", prompt="{}", options=("a", "b"))
tree = Tree(domain=name, groups=(group,), rules=(ClassRule(name="A", answers=(("g", 0),)),))
store = Store(Path(sys.argv[1]))
parent = None
for number in range(40):
    revision = store.add_revision(replace(tree, domain=f"{name}{number}"), author="human", note=name, parent=parent)
    store.record_split("s", {str(number): name})
    parent = revision.id
"""


@pytest.fixture
def tree() -> Tree:
    group = Group(name="colour", prompt="It is {}.", options=("white", "brown"))
    rules = (ClassRule(name="Newt", answers=(("colour", 1),)), ClassRule(name="Swan", answers=(("colour", 0),)))
    return Tree(domain="pond", groups=(group,), rules=rules)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tree.json"


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Store]]:
    """Opens stores and closes them after the test."""
    stores: list[Store] = []

    def open_store(path: Path) -> Store:
        stores.append(Store(path))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(path: Path, opened: Callable[[Path], Store]) -> Store:
    return opened(path)


def score_document(accuracy: float) -> Any:
    return {"encoder": {"fingerprint": "f"}, "images": {"digest": "sha256:0"}, "accuracy": accuracy, "p": None}


def test_a_revision_keeps_the_text_of_the_tree_with_parent_author_and_note(store: Store, tree: Tree) -> None:
    first = store.add_revision(tree, author="llm", note="draft", parent=None)
    second = store.add_revision(replace(tree, domain="lake"), author="human", note="é 🦎", parent=first.id)
    assert (first.parent, first.author, first.note) == (None, "llm", "draft")
    assert (first.tree, first.digest) == (dump(tree), digest_of(tree))
    assert (second.parent, second.note) == (first.id, "é 🦎")
    assert store.revisions() == [first, second]
    assert store.latest() == second
    assert store.revision(first.id) == first
    assert store.revision(99) is None


def test_what_was_kept_is_there_when_the_store_is_opened_again(
    store: Store, tree: Tree, path: Path, opened: Callable[[Path], Store]
) -> None:
    revision = store.add_revision(tree, author="llm", note="draft", parent=None)
    store.add_score(revision.id, score_document(0.5))
    store.close()
    again = opened(path)
    assert again.revisions() == [revision]
    assert again.scores() == {revision.id: score_document(0.5)}


def test_a_state_equal_to_its_parent_is_not_kept_twice_and_a_return_to_an_older_one_is(
    store: Store, tree: Tree
) -> None:
    first = store.add_revision(tree, author="llm", note="draft", parent=None)
    assert store.add_revision(tree, author="human", note="again", parent=first.id) == first
    second = store.add_revision(replace(tree, domain="lake"), author="human", note="edit", parent=first.id)
    third = store.add_revision(tree, author="human", note="undo", parent=second.id)
    assert [r.id for r in store.revisions()] == [first.id, second.id, third.id]
    assert store.find_revision(digest_of(tree)) == third
    assert store.find_revision("sha256:0") is None


def test_a_new_store_is_empty(store: Store) -> None:
    assert (store.revisions(), store.calls(), store.scores(), store.recorded_split("s")) == ([], [], {}, {})
    assert store.latest() is None


def test_two_trees_of_a_folder_have_their_own_histories(
    tmp_path: Path, tree: Tree, opened: Callable[[Path], Store]
) -> None:
    one, other = opened(tmp_path / "a.json"), opened(tmp_path / "b.json")
    kept = one.add_revision(tree, author="llm", note="draft", parent=None)
    one.add_call(Call(purpose="draft", model="m", messages=(), reply="r"))
    one.add_score(kept.id, score_document(0.5))
    assert (other.revisions(), other.calls(), other.scores()) == ([], [], {})
    assert (other.latest(), other.revision(kept.id), other.find_revision(kept.digest)) == (None, None, None)


def test_a_link_to_a_tree_has_the_history_of_the_tree(
    tmp_path: Path, tree: Tree, path: Path, store: Store, opened: Callable[[Path], Store]
) -> None:
    path.write_text(dump(tree))
    kept = store.add_revision(tree, author="llm", note="draft", parent=None)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(path)
    assert opened(link).revisions() == [kept]
    assert list(link.parent.iterdir()) == [link]


def test_a_call_is_kept_with_everything_known_and_unknown_about_it(store: Store, tree: Tree) -> None:
    full = Call(
        purpose="draft",
        model="openai/x",
        messages=({"role": "user", "content": "é 🦎"},),
        reply="{}",
        finish="stop",
        prompt_tokens=10,
        completion_tokens=20,
        cost=0.001,
        seconds=1.5,
        repaired=True,
        problems=({"code": "TG101"},),
    )
    failed = Call(purpose="repair", model="", messages=(), reply=None)
    numbers = [store.add_call(full), store.add_call(failed)]
    kept = store.calls()
    assert [replace(call, created="") for call in kept] == [full, failed]
    assert [call.repaired for call in kept] == [True, False]
    assert all(call.created for call in kept)
    revision = store.add_revision(tree, author="llm", note="draft", parent=None)
    store.attach_calls(numbers, revision.id)
    assert [call.revision for call in store.calls()] == [revision.id] * 2


def test_a_reply_with_half_a_surrogate_pair_is_kept_as_an_escape(store: Store) -> None:
    messages = ({"role": "user", "content": "cut \ud83e"},)
    store.add_call(Call(purpose="draft", model="m", messages=messages, reply="cut \ud83e é"))
    (kept,) = store.calls()
    assert kept.reply == "cut \\ud83e é"
    assert kept.messages == messages


def test_the_latest_score_of_each_revision_counts_and_the_older_ones_stay(store: Store, tree: Tree, path: Path) -> None:
    first = store.add_revision(tree, author="llm", note="draft", parent=None)
    second = store.add_revision(replace(tree, domain="lake"), author="human", note="", parent=first.id)
    for revision, accuracy in ((first, 0.25), (second, 0.5), (first, 0.75)):
        store.add_score(revision.id, score_document(accuracy))
    assert store.scores() == {first.id: score_document(0.75), second.id: score_document(0.5)}
    with sqlite3.connect(path.parent / ".treegen" / "store.sqlite") as database:
        assert database.execute("SELECT count(*) FROM score").fetchone() == (3,)
    database.close()


def test_a_recorded_part_is_never_changed_and_belongs_to_its_settings(store: Store) -> None:
    store.record_split("dev=0.5 seed=0", {"a": "dev", "b": "test"})
    store.record_split("dev=0.5 seed=0", {"a": "test", "c": "dev"})
    assert store.recorded_split("dev=0.5 seed=0") == {"a": "dev", "b": "test", "c": "dev"}
    assert store.recorded_split("dev=0.5 seed=1") == {}


def test_two_processes_at_once_lose_nothing(path: Path, opened: Callable[[Path], Store]) -> None:
    names = "pqrs"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], cwd=ROOT) for name in names]
    assert [writer.wait() for writer in writers] == [0] * len(names)
    revisions = opened(path).revisions()
    assert len(revisions) == 40 * len(names)
    for name in names:
        own = [r for r in revisions if r.note == name]
        assert [r.parent for r in own] == [None, *(r.id for r in own[:-1])]
        assert [json.loads(r.tree)["domain"] for r in own] == [f"{name}{i}" for i in range(40)]
    assert set(opened(path).recorded_split("s")) == {str(i) for i in range(40)}


def test_a_write_that_fails_midway_leaves_nothing_of_itself(store: Store) -> None:
    with pytest.raises(sqlite3.Error, match="not supported"):
        store.record_split("s", {"a": "dev", "b": object()})  # type: ignore[dict-item]
    assert store.recorded_split("s") == {}
    with pytest.raises(sqlite3.IntegrityError):
        store.add_score(99, score_document(0.5))
    assert store.scores() == {}
    store.record_split("s", {"a": "dev"})
    assert store.recorded_split("s") == {"a": "dev"}


def test_the_folder_beside_the_tree_keeps_itself_out_of_git(path: Path, store: Store) -> None:
    assert store.folder == path.parent / ".treegen"
    assert (store.folder / ".gitignore").read_text() == "*\n"
    subprocess.run(["git", "init", "--quiet", str(path.parent)], check=True)
    status = ["git", "-C", str(path.parent), "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, check=True, capture_output=True, text=True).stdout == ""


def test_a_gitignore_that_was_changed_stays_changed(path: Path, store: Store) -> None:
    (store.folder / ".gitignore").write_text("changed\n")
    assert store_folder(path) == store.folder
    assert (store.folder / ".gitignore").read_text() == "changed\n"


@pytest.mark.parametrize(
    "raw", [b"not a database at all, but long enough to look at" * 30, b"SQLite format 3\0" + b"\xff" * 4000]
)
def test_a_damaged_database_is_an_input_error_that_leaves_it_and_the_tree_alone(
    path: Path, tree: Tree, raw: bytes
) -> None:
    path.write_text(dump(tree))
    database = store_folder(path) / "store.sqlite"
    database.write_bytes(raw)
    with pytest.raises(InputError, match=r"store\.sqlite: ") as caught:
        Store(path)
    assert caught.value.tip == "move the file away to start a new history; the tree does not need it"
    assert database.read_bytes() == raw
    assert path.read_text() == dump(tree)


def test_damage_deep_inside_a_database_is_an_input_error_when_it_is_met(
    path: Path, tree: Tree, store: Store, opened: Callable[[Path], Store]
) -> None:
    for number in range(60):
        store.add_revision(replace(tree, domain=f"{'pond' * 200}{number}"), author="human", note="n", parent=None)
    store.close()
    database = path.parent / ".treegen" / "store.sqlite"
    raw = database.read_bytes()
    start = len(raw) // 2  # behind the schema
    database.write_bytes(raw[:start] + b"\xff" * (len(raw) - start))
    again = opened(path)
    with pytest.raises(InputError, match=r"store\.sqlite: .*malformed") as caught:
        again.revisions()
    assert "move the file away" in caught.value.tip


def test_a_database_of_a_newer_treegen_is_refused_and_stays_as_it_is(path: Path, store: Store) -> None:
    store.close()
    database = sqlite3.connect(path.parent / ".treegen" / "store.sqlite")
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(InputError, match="written by a newer treegen") as caught:
        Store(path)
    assert caught.value.tip == "update treegen"


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path, path: Path) -> None:
    (tmp_path / ".treegen").write_text("a file in the way")
    with pytest.raises(InputError, match=r"\.treegen: cannot be created"):
        Store(path)
    with pytest.raises(InputError, match="cannot be created: No such file or directory"):
        Store(tmp_path / "none" / "tree.json")
    (tmp_path / "folder" / ".treegen" / "store.sqlite").mkdir(parents=True)
    with pytest.raises(InputError, match="unable to open database file"):
        Store(tmp_path / "folder" / "tree.json")


def test_the_time_is_in_utc_to_the_second() -> None:
    assert len(now()) == 20
    assert (now()[10], now()[-1]) == ("T", "Z")


def test_looks_at_a_test_part_count_once_for_each_tree_encoder_and_rule(store: Store) -> None:
    first = ("sha256:t", "sha256:e", "sum")
    assert store.record_evaluations("images", "dev=0.5 seed=0", [first]) == 1
    assert store.record_evaluations("images", "dev=0.5 seed=0", [first, first]) == 1
    others = [("sha256:u", "sha256:e", "sum"), ("sha256:t", "sha256:f", "sum"), ("sha256:t", "sha256:e", "vote")]
    assert [store.record_evaluations("images", "dev=0.5 seed=0", [other]) for other in others] == [2, 3, 4]
    assert store.record_evaluations("images", "dev=0.5 seed=1", [first]) == 4  # the same images, split differently
    assert store.record_evaluations("others", "dev=0.5 seed=0", [first]) == 1
    assert store.record_evaluations("images", "dev=0.5 seed=0", []) == 4


def test_looks_at_test_parts_that_share_images_are_counted_together(store: Store) -> None:
    """One more image does not begin anew; other images do."""
    one, two, three = (("sha256:" + t, "sha256:e", "mean") for t in "abc")
    assert store.record_evaluations("first", "s", [one], ["1", "2", "3"]) == 1
    assert store.record_evaluations("more", "s", [two], ["1", "2", "3", "4"]) == 2
    assert store.record_evaluations("more", "s", [one], ["1", "2", "3", "4"]) == 2
    assert store.record_evaluations("fresh", "s", [three], ["7", "8"]) == 1
    assert store.record_evaluations("first", "s", [three], ["1", "2", "3"]) == 3


def test_trees_of_one_folder_look_at_the_same_test_part(store: Store, opened: Callable[[Path], Store]) -> None:
    beside = opened(store.folder.parent / "other.json")
    store.record_evaluations("images", "s", [("a", "e", "sum")])
    assert beside.record_evaluations("images", "s", [("b", "e", "sum")]) == 2


def test_a_store_of_an_earlier_version_gains_the_table_of_looks(
    path: Path, opened: Callable[[Path], Store], tree: Tree
) -> None:
    with store_version(3):
        old = opened(path)
    revision = old.add_revision(tree, author="human", note="", parent=None)
    old.close()
    again = opened(path)
    assert again.record_evaluations("images", "s", [("a", "e", "sum")]) == 1
    assert again.revisions() == [revision]


@pytest.mark.parametrize("version", range(1, 9))
def test_a_store_of_each_earlier_version_gains_views_and_checksums(
    path: Path, opened: Callable[[Path], Store], tree: Tree, version: int
) -> None:
    """Rows that are older than the checksums have none; what is written from now on has one."""
    with store_version(version):
        old = opened(path)
    revision = old.add_revision(tree, author="human", note="", parent=None)
    old.close()
    again = opened(path)
    assert again.revisions() == [revision]
    again.add_score(revision.id, score_document(0.5))
    number = again.add_call(Call(purpose="not read", model="m", messages=(), reply="{}"))
    again.complete_call(number, purpose="draft", problems=[{"code": "TG101"}])
    assert [call.purpose for call in again.calls()] == ["draft"]
    with closing(sqlite3.connect(again.folder / "store.sqlite")) as browser:  # which trusts the views
        assert browser.execute("SELECT revision, dev_n FROM scored_revisions").fetchall() == [(revision.id, None)]
        assert browser.execute("SELECT purpose, problems FROM language_model_calls").fetchall() == [("draft", 1)]
    summed = [again.rows(f"SELECT sum IS NOT NULL FROM {table}", ()) for table in ("revision", "score", "call")]
    assert summed == [[(0,)], [(1,)], [(1,)]]


def test_a_score_of_the_dev_part_alone_does_not_hide_one_that_saw_the_test_part(store: Store, tree: Tree) -> None:
    revision = store.add_revision(tree, author="human", note="", parent=None)
    store.add_score(revision.id, score_document(0.1))
    assert store.scores()[revision.id]["accuracy"] == 0.1
    store.add_score(revision.id, {**score_document(0.2), "test": {}})
    store.add_score(revision.id, score_document(0.3))
    assert store.scores()[revision.id]["accuracy"] == 0.2
    store.add_score(revision.id, {**score_document(0.4), "test": {}})
    assert store.scores()[revision.id]["accuracy"] == 0.4
    assert [s["accuracy"] for s in store.scores_of(revision.digest)] == [0.1, 0.2, 0.3, 0.4]


class Full(sqlite3.Connection):
    """As SQLite behaves on a full disk: a file cannot be written, the memory can."""

    is_full: ClassVar[bool] = False

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        in_memory = not super().execute("PRAGMA database_list").fetchone()[2]
        if self.is_full and not in_memory and sql.startswith(("BEGIN", "PRAGMA journal_mode")):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *arguments)


@pytest.mark.parametrize("gone", ["removed", "replaced", "there"])
def test_a_history_that_could_not_be_written_for_a_while_is_written_with_all_it_held(
    gone: str, path: Path, tree: Tree, opened: Callable[[Path], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Full))
    store = opened(path)
    first = store.add_revision(tree, author="llm", note="draft", parent=None)
    if gone != "there":
        other = opened(path.with_name("other.json"))
        other.add_revision(tree, author="llm", note="of another", parent=None)
        other.close()
        shutil.copytree(store.folder, path.parent / "earlier")
        shutil.rmtree(store.folder)
    if gone == "replaced":
        shutil.copytree(path.parent / "earlier", store.folder)
    monkeypatch.setattr(Full, "is_full", True)
    second = replace(tree, domain="lake")
    for _ in range(3):
        with pytest.raises(InputError, match="disk I/O error"):
            store.add_revision(second, author="human", note="edit", parent=first.id)
        assert [each.note for each in store.revisions()] == ["draft"]
    monkeypatch.setattr(Full, "is_full", False)
    added = store.add_revision(second, author="human", note="edit", parent=first.id)
    store.close()
    again = opened(path)
    assert [each.note for each in again.revisions()] == ["draft", "edit"]
    assert added.parent == first.id


@pytest.mark.parametrize(
    ("statement", "reader"),
    [
        ("UPDATE revision SET file = 'eels.json'", Store.revisions),
        ("UPDATE revision SET file = 'eels.json'", Store.latest),
        ("UPDATE revision SET digest = 'sha256:0'", lambda store: store.find_revision("sha256:1")),
        ("UPDATE revision SET id = 7", Store.scores),
        ("UPDATE score SET revision = 7", Store.scores),
        ("UPDATE call SET file = 'eels.json'", Store.calls),
        ("UPDATE split SET settings = 'seed 1'", lambda store: store.recorded_split("seed 0")),
        ("UPDATE session SET file = 'eels.json'", lambda store: Journal(store).last()),
        ("UPDATE session SET ended = 'today'", lambda store: Journal(store).last()),
        ("UPDATE session SET id = 7", lambda store: Journal(store).last()),
        ("UPDATE step SET session = 7", lambda store: Journal(store).last()),
        ("UPDATE step SET dropped = 1", lambda store: Journal(store).last()),
        ("UPDATE note SET file = 'eels.json'", lambda store: Journal(store).notes()),
        ("UPDATE decision SET file = 'eels.json'", lambda store: Journal(store).decisions()),
        ("UPDATE kept SET name = 'eels'", lambda store: Journal(store).get_text(1, "feedback")),
    ],
)
def test_a_row_that_damage_hides_is_not_missed_without_a_word(
    path: Path, tree: Tree, opened: Callable[[Path], Store], statement: str, reader: Callable[[Store], object]
) -> None:
    """What is changed is what the row is found by."""
    store = opened(path)
    revision = store.add_revision(tree, author="llm", note="draft", parent=None)
    store.add_score(revision.id, score_document(0.5))
    store.add_call(Call(purpose="draft", model="m", messages=(), reply="r"))
    store.record_split("seed 0", {"a": "dev"})
    journal = Journal(store)
    number = journal.begin(dump(tree), "hash")
    note: Notes = {("comment", Target(kind="group", group="size")): "?"}
    journal.add(number, 0, Step(label="one", changes=(), back=()), frozenset(), note)
    journal.decide("shorter", [GroupRenamed(old="size", new="extent")], taken=False, why="no")
    journal.put_text(number, "feedback", "unfinished")
    journal.release()
    store.close()
    with closing(sqlite3.connect(store.folder / "store.sqlite")) as db, db:
        db.execute(statement)
    with pytest.raises(DamagedStoreError, match="damaged"):
        reader(opened(path))
