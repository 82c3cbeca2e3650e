"""Damage is found when it is read, and said; what can only be read, can be read: through the real commands."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import DOMAIN, ROOT, TREE, Run
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.errors import InputError, TreegenError
from treegen.history.checkpoints import Checkpoints
from treegen.history.sessions import Journal
from treegen.history.store import Choice, DamagedStoreError, Store, stored_scores
from treegen.llm.chat import Reply, ResponseCache
from treegen.tree.changes import GroupRenamed
from treegen.tree.feedback_target import Target
from treegen.tree.review_notes import NoteChange
from treegen.tree.validation.checks import check_text
from treegen.workflow.session import Session

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path: Path, run: Run) -> Path:
    """A tree with two revisions, a request and a score in its history."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    path = tmp_path / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    (tmp_path / "answer.txt").write_text(TREE.replace('"a snake"', '"a long snake"'), encoding="utf-8")
    manual = ("--model", "manual", "--answer", tmp_path / "answer.txt")
    assert run("revise", path, "-m", "longer", "--apply", *manual).code == 0
    score = {"encoder": {"fingerprint": "e"}, "images": {"digest": "i"}, "dev": {"n": 3, "accuracy": 0.5}}
    with Store(path) as store:
        store.add_score(2, score)  # type: ignore[arg-type]
    return path


def change(tree: Path, statement: str) -> None:
    with closing(sqlite3.connect(tree.parent / ".treegen" / "store.sqlite")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE score SET score = replace(score, '0.5', '0.9')",
        "UPDATE score SET score = '{'",
        "UPDATE score SET score = '{', sum = NULL",
        "UPDATE score SET score = CAST(x'ff7b7d' AS TEXT)",
        "UPDATE call SET reply = replace(reply, 'snake', 'newt')",
        "UPDATE call SET messages = '[', sum = NULL",
        "UPDATE call SET cost = 99.0",
        "UPDATE revision SET tree = replace(tree, 'snake', 'newt')",
        "UPDATE revision SET note = 'approved by Ada'",
        "UPDATE revision SET note = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_changed_row_of_the_history_is_refused_with_the_way_out(run: Run, tree: Path, statement: str) -> None:
    """Exit code 1, no traceback, and the tree can still be checked and changed."""
    change(tree, statement)
    done = run("log", tree, "--calls") if "call" in statement else run("log", tree, "--json")
    assert done.code == 1, done.err
    assert "store.sqlite" in done.err
    assert "move the file away to start a new history" in done.err
    assert run("check", tree).code == 0
    (tree.parent / ".treegen" / "store.sqlite").rename(tree.parent / "store.damaged")
    assert "has no history" in run("log", tree).err


def test_a_damaged_answer_is_asked_for_again(tree: Path) -> None:
    responses = ResponseCache(tree)
    responses.keep_answer("key", Reply(text="a newt", model="m"))
    assert responses.answer("key") is not None
    change(tree, "UPDATE answer SET reply = replace(reply, 'newt', 'eel')")
    assert responses.answer("key") is None


def test_a_vector_with_flipped_bits_is_embedded_again_and_counted(tmp_path: Path) -> None:
    """Also where it keeps its length of 1: the sign of one number, or two vectors exchanged."""
    import numpy as np

    keys = [bytes([number]) * 32 for number in range(4)]
    rows = np.eye(4, 8, dtype=np.float32)
    path = tmp_path / "cache.sqlite"
    with EmbeddingCache(path) as cache:
        cache.put("e", keys, rows)
        cache.put_texts("e", ["red", "blue"], rows[:2])
        cache.remember_files([("a.png", 1, 2, "digest")])
        cache.store_identity("i", '{"logit_scale": 100}')
        cache.store_tokens("e", "red", 3)
    with closing(sqlite3.connect(path)) as db, db:
        vectors = [vector for (vector,) in db.execute("SELECT vector FROM embedding ORDER BY id")]
        negative = (-np.frombuffer(vectors[0], np.float16)).tobytes()
        db.execute("UPDATE embedding SET vector=? WHERE key=?", (negative, keys[0]))
        db.execute("UPDATE embedding SET vector=? WHERE key=?", (vectors[2], keys[1]))
        db.execute("UPDATE text SET vector=? WHERE text='red'", ((rows[0] * 3).tobytes(),))
        db.execute("UPDATE file SET digest='other', path=CAST(x'ff612e706e67' AS TEXT)")
        db.execute("UPDATE identity SET told='{\"logit_scale\": 1}'")
        db.execute("UPDATE tokens SET count=99, text=CAST(x'ff' AS TEXT)")
    with EmbeddingCache(path) as cache:
        assert set(cache.get("e", keys)) == {keys[2], keys[3]}
        assert set(cache.get_texts("e", ["red", "blue"])) == {"blue"}
        assert cache.damaged == 3
        assert (cache.known_files(), cache.identity("i"), cache.tokens("e")) == ({}, None, {})
        cache.put("e", keys, rows)
        assert set(cache.get("e", keys)) == set(keys)


def test_a_cache_with_flipped_bits_in_an_index_is_replaced_or_right(tmp_path: Path) -> None:
    """An index that differs from its table is found when the cache is opened, not by the first vector that it loses."""
    import numpy as np

    keys = [bytes([number]) * 32 for number in range(40)]
    rows, path, replaced = np.eye(40, 48, dtype=np.float32), tmp_path / "cache.sqlite", 0
    with EmbeddingCache(path) as cache:
        cache.put("e", keys, rows)
        cache.put_texts("e", ["red", "blue"], rows[:2])
    with closing(sqlite3.connect(path)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        roots = [root for (root,) in db.execute("SELECT rootpage FROM sqlite_master WHERE type='index'")]
    sound, dice = path.read_bytes(), Random(0)
    for _ in range(60):
        data = bytearray(sound)
        page = (dice.choice(roots) - 1) * size
        used = [place for place in range(page, page + size) if data[place]]
        data[dice.choice(used)] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        with EmbeddingCache(path) as cache:
            assert len(cache.get("e", keys)) in (0, len(keys))
            assert len(cache.get_texts("e", ["red", "blue"])) in (0, 2)
            replaced += cache.rebuilt
        for left in tmp_path.iterdir():
            left.unlink()
    assert replaced > 30


def test_a_cache_of_an_earlier_version_is_used_and_gains_checksums(tmp_path: Path) -> None:
    import numpy as np

    path, rows = tmp_path / "cache.sqlite", np.eye(2, 8, dtype=np.float32)
    with EmbeddingCache(path) as cache:
        cache.put("e", [b"a" * 32], rows[:1])
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("embedding", "text", "file", "identity", "tokens"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN sum")
    with EmbeddingCache(path) as cache:
        cache.put("e", [b"b" * 32], rows[1:])
        assert len(cache.get("e", [b"a" * 32, b"b" * 32])) == 2


class ReadOnly(sqlite3.Connection):
    """As SQLite behaves where it cannot write: root, who runs some tests, can write everywhere."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql.startswith(("BEGIN", "PRAGMA journal_mode")):
            raise sqlite3.OperationalError("unable to open database file")
        return super().execute(sql, *arguments)


@pytest.fixture
def unwritable(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose history cannot be written."""
    connect = sqlite3.connect

    def refuse(database: Any, *arguments: Any, **named: Any) -> sqlite3.Connection:
        if str(database) == str(tree.parent / ".treegen" / "store.sqlite"):
            named = {**named, "factory": ReadOnly}
        connection: sqlite3.Connection = connect(database, *arguments, **named)
        return connection

    change(tree, "DELETE FROM score")
    monkeypatch.setattr(sqlite3, "connect", refuse)
    return tree


def test_a_history_in_a_read_only_folder_can_be_read(run: Run, unwritable: Path) -> None:
    log = run("log", unwritable)
    assert log.code == 0, log.err
    assert "longer" in log.out
    assert run("show", unwritable).code == 0
    with Store(unwritable) as store:
        assert len(store.revisions()) == 2
        assert store.read_only
        document = check_text(TREE).document
        assert document is not None
        with pytest.raises(Exception, match=r"store\.sqlite"):
            store.add_revision(document.tree, author="human", note="n", parent=None)


def test_no_model_is_asked_where_the_answer_could_not_be_stored(run: Run, unwritable: Path) -> None:
    manual = ("--model", "manual", "--answer", unwritable.parent / "answer.txt", "--messages", unwritable.parent / "m")
    done = run("revise", unwritable, "-m", "longer", *manual)
    assert (done.code, (unwritable.parent / "m").exists()) == (2, False)


def sums(tree: Path) -> dict[str, tuple[int, int]]:
    """For each table of the history, its rows and those with a checksum."""
    with closing(sqlite3.connect(tree.parent / ".treegen" / "store.sqlite")) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: db.execute(f"SELECT count(*), count(sum) FROM {name}").fetchone() for name in tables}


@pytest.fixture
def reviewed(tree: Path) -> Path:
    """The same with all else that a history holds."""
    with Store(tree) as store:
        session = Session(tree, store)
        session.do("rename", [GroupRenamed(old="mark", new="marking")])
        session.undo()
        session.redo()
        session.set_lock("group size", True)
        session.note(
            "comment", [NoteChange(kind="comment", target=Target(kind="group", group="size"), old="", new="?")]
        )
        session.decide("shorter", [GroupRenamed(old="size", new="extent")], taken=False, why="no")
        session.store_text("feedback", "unfinished")
        session.close()
        store.record_split("seed 0", {"a": "dev", "b": "test"})
        store.record_evaluations("i", "seed 0", [("t", "e", "mean")], ["a", "b"])
        store.record_choices("i", "e", "mean", [Choice(tree="t", base="b", source="score", n=3, right=2, flips=1)])
        Checkpoints(store).put("rules 1", ["request"], "{}")
    responses = ResponseCache(tree)
    responses.keep_form("m", "server", "json")
    responses.keep_answer("key", Reply(text="a newt", model="m"))
    return tree


def test_every_row_of_the_history_has_a_checksum(reviewed: Path) -> None:
    counts = sums(reviewed)
    assert all(rows == summed > 0 for rows, summed in counts.values()), counts


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE session SET base = replace(base, 'tiny', 'minute')",
        "UPDATE session SET position = 0",
        "UPDATE session SET locks = '[]'",
        "UPDATE step SET changes = replace(changes, 'marking', 'marks')",
        "UPDATE note SET value = '!'",
        "UPDATE session SET locks = '7', sum = NULL",
        "UPDATE session SET position = 9, sum = NULL",
        "UPDATE session SET position = -1, sum = NULL",
        "UPDATE step SET changes = '[{}]', sum = NULL",
    ],
)
def test_a_changed_session_is_refused_with_the_way_out(reviewed: Path, statement: str) -> None:
    change(reviewed, statement)
    with Store(reviewed) as store, pytest.raises(TreegenError) as caught:
        Session(reviewed, store).close()
    assert caught.value.exit_code == 1
    assert "move the file away" in caught.value.tip or "[{}]" in statement


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE split SET part = 'test'", lambda store: store.recorded_split("seed 0")),
        ("UPDATE look SET rule = 'sum'", lambda store: store.record_evaluations("i", "seed 0", [])),
        ("UPDATE tested SET images = 'j'", lambda store: store.record_evaluations("i", "seed 0", [])),
        ("UPDATE choice SET n = -1", lambda store: store.choices("i", "e")),
        ("UPDATE decision SET taken = 1", lambda store: Journal(store).decisions()),
        ("UPDATE kept SET value = ''", lambda store: Journal(store).get_text(1, "feedback")),
    ],
)
def test_other_changed_rows_are_found_when_they_are_read(
    reviewed: Path, statement: str, read: Callable[[Store], object]
) -> None:
    change(reviewed, statement)
    with Store(reviewed) as store, pytest.raises(DamagedStoreError, match="changed since"):
        read(store)


def test_a_step_on_a_damaged_session_does_not_hide_the_damage(reviewed: Path) -> None:
    with Store(reviewed) as store:
        session = Session(reviewed, store)
        change(reviewed, "UPDATE session SET base = replace(base, 'tiny', 'minute')")
        with pytest.raises(DamagedStoreError):
            session.do("rename", [GroupRenamed(old="form", new="shape")])
        session.close()


def test_an_empty_history_is_reported(tree: Path) -> None:
    """As after a crash of the machine. SQLite takes it for a new one."""
    (tree.parent / ".treegen" / "store.sqlite").write_bytes(b"")
    command = [sys.executable, "-m", "treegen", "show", f"{tree}@1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "note: " in done.stderr
    assert "store.sqlite was empty: a new history begins" in done.stderr


def test_a_folder_in_place_of_the_history_is_refused_with_the_way_out(run: Run, tree: Path) -> None:
    path = tree.parent / ".treegen" / "store.sqlite"
    path.unlink()
    path.mkdir()
    done = run("show", f"{tree}@1")
    assert (done.code, "move the file away" in done.err) == (2, True)
    with pytest.raises(InputError):  # not "no scores yet"
        stored_scores(tree, "sha256:0")


def test_a_column_that_is_not_there_is_damage(run: Run, tree: Path) -> None:
    """A flipped bit in the name of a column: SQLite reports it as it reports a wrong statement."""
    change(tree, "ALTER TABLE call RENAME COLUMN prompt_tokens TO prompt_tokenz")
    done = run("log", tree, "--calls")
    assert (done.code, "no such column" in done.err, "move the file away" in done.err) == (1, True, True)


def test_a_loop_of_links_is_an_error(run: Run, tree: Path) -> None:
    tree.unlink()
    tree.symlink_to(tree.name)
    for arguments in (("show", f"{tree}@1"), ("check", tree), ("log", tree, "--json"), ("diff", f"{tree}@1", tree)):
        assert run(*arguments).code in (0, 1, 2), arguments


def forge(tree: Path, table: str, column: str, value: object) -> None:
    """Change a column of all rows, with the checksum that belongs to it."""
    with Store(tree) as store:
        store.rows("PRAGMA foreign_keys=OFF", ())
        with store.writing() as db:
            db.execute(f"UPDATE {table} SET {column}=?", (value,))
            store.add_checksum(table, "1", ())


@pytest.mark.parametrize(
    ("table", "column", "value", "words"),
    [
        ("score", "score", "{}", ("log",)),
        ("score", "score", "[7]", ("log", "--json")),
        ("score", "score", '{"encoder": 7, "dev": [], "test": null}', ("log",)),
        ("score", "score", '{"test": {"n": "x"}}', ("check", "--min-accuracy", "0.1")),
        ("call", "messages", "7", ("log", "--calls")),
        ("call", "problems", "7", ("log", "--calls")),
        ("revision", "note", b"\xff", ("log", "--json")),
        ("revision", "parent", b"\xff", ("log", "--json")),
        ("revision", "tree", b"\xff", ("log",)),
    ],
)
def test_a_forged_row_with_the_right_checksum_is_an_error_of_one_sentence(
    run: Run, tree: Path, table: str, column: str, value: object, words: tuple[str, ...]
) -> None:
    forge(tree, table, column, value)
    done = run(words[0], tree, *words[1:])
    expected = 2 if words[0] == "check" else 1  # which goes on with the other files
    assert (done.code, "damaged" in done.err, "move the file away" in done.err) == (expected, True, True), done


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON revision BEGIN DELETE FROM call; END",
        "ALTER TABLE note RENAME TO other; CREATE VIEW note AS WITH RECURSIVE n(file, kind, target, value, sum) AS "
        "(SELECT '', '', '', '', 0 UNION ALL SELECT file, kind, target, value, sum FROM n) SELECT * FROM n",
        "ALTER TABLE look RENAME TO other; CREATE VIRTUAL TABLE look USING fts5(images, split, tree, encoder, rule)",
    ],
)
def test_a_history_with_programs_in_it_is_refused(run: Run, tree: Path, statement: str) -> None:
    """A trigger runs when something is stored, and a view in place of a table need not end."""
    for each in statement.split("; CREATE"):
        change(tree, each if each.startswith(("CREATE", "ALTER")) else f"CREATE{each}")
    done = run("log", tree)
    assert (done.code, "is not a table of treegen" in done.err, "move the file away" in done.err) == (1, True, True)


def test_a_cache_with_programs_in_it_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    EmbeddingCache(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TRIGGER t AFTER INSERT ON tokens BEGIN DELETE FROM text; END")
    with EmbeddingCache(path) as cache:
        assert cache.rebuilt


def test_a_report_refuses_forged_figures(tree: Path) -> None:
    from treegen.report.revisions import history_of

    score = {"encoder": {"name": "e", "fingerprint": "e"}, "images": {"digest": "i", "split": {}}}
    forged = {**score, "dev": {"n": 3, "accuracy": 0.5, "interval": ["x", 1]}}
    with Store(tree) as store:
        store.add_score(2, forged)  # type: ignore[arg-type]
        latest = store.latest()
        assert latest is not None
        with pytest.raises(DamagedStoreError, match="another form"):
            history_of(store, latest, forged)  # type: ignore[arg-type]


def test_a_pipe_in_place_of_the_journal_is_refused(run: Run, tree: Path) -> None:
    """SQLite would wait for somebody to write to it."""
    os.mkfifo(tree.parent / ".treegen" / "store.sqlite-journal")
    done = run("log", tree)
    assert (done.code, "a pipe" in done.err) == (2, True)
