"""The history next to a tree: SQLite in `.treegen/` with every revision, LLM call, score and the recorded split."""

import json
import logging
import shutil
import sqlite3
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, unquote

from treegen.errors import InputError
from treegen.files import real_path
from treegen.history import tables
from treegen.history.recovery import Ids, carry_over, place_of
from treegen.history.score_document import Score, as_tested
from treegen.remote.secrets import scrub
from treegen.remote.tidying import amount, token_count
from treegen.text import counted, show
from treegen.tree.document import digest_of, dump
from treegen.tree.model import Tree

logger = logging.getLogger(__name__)
FOLDER: Final = ".treegen"
_REVISION: Final = "id, parent, author, note, digest, tree, created"  # the columns of a `Revision`, in field order
_SECOND: Final = "#second:"  # between a file's name and that of its second reviewer
_NEW: Final = "move the file away to start a new history; the tree does not need it"
#: SQLite's errors for content that is no text, which are no damage to it
_NO_TEXT: Final = ("Could not decode", "user-defined function raised")


class DamagedStoreError(InputError):
    """What is stored is not what was written: exit code 1."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One stored state of a tree. `author` is `human`, `llm` or `import`; `created` is UTC in ISO 8601."""

    id: int
    parent: int | None
    author: str
    note: str
    digest: str
    tree: str
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One LLM call. Unknown tokens and cost (USD) are `None`.

    Attributes:
        repaired: the reply was neither JSON nor Python and was read as JSON5.
        problems: those of the reply, as plain data.
        requests: how many were sent for it; `None` if that is not known.
        cached: it was answered from an earlier run.
    """

    purpose: str
    model: str
    messages: tuple[dict[str, Any], ...]
    reply: str | None
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    repaired: bool = False
    problems: tuple[dict[str, Any], ...] = ()
    revision: int | None = None
    created: str = ""
    requests: int | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One evaluation of the dev split that a person or an optimizer chose by.

    Attributes:
        tree: digest of the tree that was evaluated.
        base: digest of the tree that it was compared with; the same for another decision rule or setting.
        source: `score`, `rules`, `compute`, `compare`, `review`, `preview` or `optimize`.
        n: images of the dev split.
        right: images that the base gets right.
        flips: images that only one of the two gets right.
        tried: further trees that an optimizer ranked on part of the images before it came to this one.
    """

    tree: str
    base: str
    source: str
    n: int
    right: int
    flips: int
    tried: int = 0


def now() -> str:
    """Return the time in UTC, to the second, as 2026-11-21T10:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The store of one tree file; one database serves all trees of a folder. Thread-safe.

    Attributes:
        opened: how many times the database was opened: again if its file was removed or replaced meanwhile.
        read_only: why nothing can be stored: the folder is read-only, or the disk is full. Empty where it can.
    """

    def __init__(self, tree_path: Path, *, reviewer: str = "") -> None:
        """Open or create `.treegen/store.sqlite` next to the tree.

        Args:
            tree_path: the tree file.
            reviewer: the second reviewer whose history it is; that of the tree if not given.

        Raises:
            InputError: the folder cannot be created, or the database is damaged or of a newer treegen.
        """
        self.file = real_path(tree_path).name  # a link and its target share one history
        if reviewer:
            self.file += _SECOND + quote(reviewer, safe=" ")
        self.folder = store_folder(tree_path)
        self._path = self.folder / "store.sqlite"
        self._lock = threading.RLock()  # one transaction at a time; transactions are short
        self.opened = 0
        self._checked: set[str] = set()  # the tables of which every row was sound when this process first read them
        self.read_only = ""
        self._ids: Ids = {}  # those that other rows had in a file that was removed, and have now
        self._open()

    def _open(self) -> None:
        self.read_only = ""
        is_empty = self._path.is_file() and self._path.stat().st_size <= 1  # which SQLite takes for a new one
        with self._readable():
            self._db = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            try:
                self._prepare()
            except InputError as error:
                if error.code != "not-writable" or not self._path.is_file():
                    raise
                self._db.close()
                self._open_copy()
                self.read_only = error.message
            self._place = place_of(self._path)
            if is_empty:  # as after a crash of the machine
                logger.warning("%s was empty: a new history begins; an earlier one is lost", self._path)
        except BaseException:
            self._db.close()
            raise
        self.opened += 1

    def _open_copy(self) -> None:
        """Open a copy in memory, brought up to date: reading in WAL mode, and migrating, need a folder to write to."""
        with self._readable():
            self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            try:
                with tempfile.TemporaryDirectory() as folder:
                    for path in (self._path, self._path.with_name(self._path.name + "-wal")):
                        if path.is_file():
                            shutil.copyfile(path, Path(folder, path.name))
                    _copy_database(f"file:{quote(str(Path(folder, self._path.name)))}", self._db)
            except (OSError, sqlite3.OperationalError):  # no room for a copy: without what is in the log only
                _copy_database(f"file:{quote(str(self._path))}?immutable=1", self._db)
        self._prepare()

    def reopen_if_lost(self) -> None:
        """Open the database again if its file was removed, replaced or not writable, with all that it held.

        If that fails, nothing is given up: the next attempt brings the same rows.

        Raises:
            InputError: it cannot be opened, or what it held cannot be written.
        """
        with self._lock:
            place, reason, before = self._place, self.read_only, self._db
            is_lost = place != place_of(self._path)
            if not is_lost and not reason:
                return
            held = _copy_in_memory(before)
            try:
                make_folder(self.folder)
                self._open()
                if held:
                    self._carry_over(held)
            except BaseException:
                if self._db is not before:
                    self._db.close()
                self._db, self._place, self.read_only = before, place, reason
                raise
            finally:
                if held:
                    held.close()
            before.close()
            if is_lost and held is None:
                logger.warning("%s was removed while it was in use, and what it held is lost", self._path)
            elif is_lost and not self.read_only:
                logger.warning("%s was removed or replaced while it was in use: written again", self._path)

    def _carry_over(self, held: sqlite3.Connection) -> None:
        """Write the rows that the database lacks."""
        try:
            with self._begun():
                moved = carry_over(held, self._db, tables.CARRIED)
        except sqlite3.Error as error:
            raise InputError(f"{self._path}: what it held before cannot be written: {error}", _NEW) from None
        self._ids = {table: _chained(self._ids.get(table, {}), ids) for table, ids in moved.items()}

    def current_id(self, table: str, number: int) -> int:
        """Return the id that a row has now, by the one that it had when this process read or wrote it."""
        return self._ids.get(table, {}).get(number, number)

    def _prepare(self) -> None:
        """Create or migrate the tables."""
        with self._readable():
            with suppress(sqlite3.OperationalError):  # raises at once while another process does the same
                self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._db.execute("PRAGMA trusted_schema=OFF")  # a folder may be a stranger's
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, tables.MOST_VALUE)
            self._db.create_function("checksum", -1, checksum_of, deterministic=True)
        with self._begun():
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version > tables.VERSION:
                raise InputError(f"{self._path}: written by a newer treegen", "update treegen")
            scripts = [tables.TABLES] if version == 0 else []
            scripts += [script for number, script in tables.MIGRATIONS.items() if number > version]
            for statement in (part for script in scripts for part in script.split(";")):
                self._db.execute(statement)
            summed = (columns for since, columns in tables.CHECKSUMMED.items() if since <= tables.VERSION)
            self._summed = {table: columns for each in summed for table, columns in each.items()}
            if name := programs_in(self._db, self._summed):
                raise DamagedStoreError(f"{self._path}: damaged: {show(name)} is not a table of treegen", _NEW)
            self._mistyped = {table: self._other_types(table) for table in self._summed}
            if scripts:
                self._db.execute(f"PRAGMA user_version={tables.VERSION}")
                logger.info("%s: migrated from version %d to %d", self._path, version, tables.VERSION)

    def _other_types(self, table: str) -> str:
        """Return the SQL that says whether a row has a value that is not of the declared type of its column."""
        wrong = [
            f"typeof({name}) NOT IN ('{kind.lower()}', '{'blank' if needed else 'null'}')"
            for _, name, kind, needed, _, _ in self._db.execute(f"PRAGMA table_info({table})")
            if kind in ("TEXT", "INTEGER") and name not in tables.UNCHECKED
        ]
        return " OR ".join(wrong) or "0"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Convert database errors: damage may be anywhere in the file, so any statement may be the one to find it."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # the caller's fault, not the file's
        except UnicodeDecodeError:
            raise DamagedStoreError(f"{self._path}: damaged: contains text that is not UTF-8", _NEW) from None
        except sqlite3.DatabaseError as error:
            # an error of SQL, such as a column that is not there, is one of the file: the statements are right
            code = getattr(error, "sqlite_errorcode", None)
            of_content = code == sqlite3.SQLITE_ERROR or str(error).startswith(_NO_TEXT)
            damaged = not isinstance(error, sqlite3.OperationalError) or of_content
            if damaged:
                raise DamagedStoreError(f"{self._path}: {error}", _NEW) from None
            in_the_way = self._path.exists() and not self._path.is_file()
            tip = _NEW if in_the_way else "check that the folder is writable and the disk not full"  # or locked
            raise InputError(f"{self._path}: {error}", tip, code="not-writable") from None

    def require_writable(self) -> None:
        """Raise if nothing can be stored: call it before anything that costs money.

        Raises:
            InputError: the folder is read-only, or the disk is full.
        """
        if self.read_only:
            raise InputError(self.read_only, "check that the folder is writable and the disk not full")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self.reopen_if_lost()
            self.require_writable()
            with self._begun():
                yield

    @contextmanager
    def _begun(self) -> Iterator[None]:
        with self._lock, self._readable():
            # IMMEDIATE: a transaction that reads first and then writes could otherwise fail half-way as busy
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction on other modules' tables in the same database."""
        with self._transaction():
            yield self._db

    def rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Return the result of a query."""
        return self._rows(query, values)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock, self._readable():
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_revision(self, tree: Tree, *, author: str, note: str, parent: int | None) -> Revision:
        """Store a state of the tree; a state equal to its parent is not stored again."""
        digest = digest_of(tree)
        with self._transaction():
            if parent is not None:
                parent = self.current_id("revision", parent)
                before = self._one(f"SELECT {_REVISION} FROM revision WHERE id=?", (parent,))
                if before and before.digest == digest:
                    return before
            cursor = self._db.execute(
                "INSERT INTO revision(file, parent, author, note, digest, tree, created) VALUES (?,?,?,?,?,?,?)",
                (self.file, parent, author, note, digest, dump(tree), now()),
            )
            self.add_checksum("revision", "id=?", (cursor.lastrowid,))
        revision = self._one(f"SELECT {_REVISION} FROM revision WHERE id=?", (cursor.lastrowid,))
        assert revision is not None
        return revision

    def find_revision(self, digest: str) -> Revision | None:
        """Return the latest revision of this file with that content."""
        return self._one(
            f"SELECT {_REVISION} FROM revision WHERE file=? AND digest=? ORDER BY id DESC LIMIT 1", (self.file, digest)
        )

    def revision(self, number: int) -> Revision | None:
        """Return the revision with that number."""
        return self._one(f"SELECT {_REVISION} FROM revision WHERE id=? AND file=?", (number, self.file))

    def latest(self) -> Revision | None:
        """Return the last revision of this file."""
        return self._one(f"SELECT {_REVISION} FROM revision WHERE file=? ORDER BY id DESC LIMIT 1", (self.file,))

    def revisions(self) -> list[Revision]:
        """Return all revisions of this file, oldest first."""
        self.check("revision", "file=?", (self.file,))
        rows = self._rows(
            f"SELECT {_REVISION} FROM revision WHERE file=? ORDER BY id",
            (self.file,),
        )
        return [_revision(row) for row in rows]

    def _one(self, query: str, values: tuple[Any, ...]) -> Revision | None:
        rows = self._rows(query, values)
        self.check("revision", "id=?", (rows[0][0] if rows else 0,))
        return _revision(rows[0]) if rows else None

    def add_checksum(self, table: str, where: str, values: tuple[Any, ...]) -> None:
        """Store the checksum of rows that were just written, within the same transaction."""
        if columns := self._summed.get(table):
            self._db.execute(f"UPDATE {table} SET sum=checksum({columns}) WHERE {where}", values)

    def damaged_rows(self, table: str, where: str, values: tuple[Any, ...]) -> int:
        """Return how many rows are not what was written, or hold values of another type."""
        columns = self._summed.get(table)
        changed = f"(sum IS NOT NULL AND sum<>checksum({columns})) OR {self._mistyped.get(table, 0)}"
        query = f"SELECT count(*) FROM {table} WHERE ({where}) AND ({changed})"
        return int(self._rows(query, values)[0][0]) if columns else 0

    def check(self, table: str, where: str, values: tuple[Any, ...]) -> None:
        """Raise if a row that is about to be read is damaged.

        Before a table is read for the first time all its rows are checked: one whose damage is in the very columns that
        it is found by would be missed without a word.

        Raises:
            DamagedStoreError: its checksum is another, or it belongs to a row that is not there.
        """
        if table not in self._checked:
            where, values = "1", ()
            if self._rows(f"PRAGMA foreign_key_check({table})", ()):
                raise DamagedStoreError(f"{self._path}: damaged: {table} refers to rows that are missing", _NEW)
        if damaged := self.damaged_rows(table, where, values):
            rows = counted(damaged, "row")
            raise DamagedStoreError(f"{self._path}: damaged: {rows} of {table} changed since they were written", _NEW)
        self._checked.add(table)

    def shaped(self) -> AbstractContextManager[None]:
        """See `shaped_history`."""
        return _shaped(self._path)

    def parsed(self, text: str) -> Any:
        """Return stored JSON.

        Raises:
            DamagedStoreError: it is not JSON.
        """
        try:
            return json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise DamagedStoreError(f"{self._path}: damaged: a value is not JSON", _NEW) from None

    def add_call(self, call: Call) -> int:
        """Store an LLM call and return its number."""
        values = (
            self.file,
            call.revision,
            call.purpose,
            _writable(call.model),
            scrub(_json(call.messages)),
            _writable(scrub(call.reply) if call.reply else call.reply),
            _writable(call.finish),
            token_count(call.prompt_tokens),
            token_count(call.completion_tokens),
            amount(call.cost),
            amount(call.seconds),
            call.repaired,
            _json(call.problems),
            now(),
            call.requests,
            call.cached,
        )
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO call(file, revision, purpose, model, messages, reply, finish, prompt_tokens, "
                "completion_tokens, cost, seconds, repaired, problems, created, requests, cached) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                values,
            )
            self.add_checksum("call", "id=?", (cursor.lastrowid,))
        return int(cursor.lastrowid or 0)

    def complete_call(
        self, number: int, *, purpose: str, problems: Sequence[dict[str, Any]], repaired: bool = False
    ) -> None:
        """Record what was found in the reply of a call that was stored when it arrived."""
        with self._transaction():
            number = self.current_id("call", number)
            self._db.execute(
                "UPDATE call SET purpose=?, problems=?, repaired=? WHERE id=?",
                (purpose, _json(problems), repaired, number),
            )
            self.add_checksum("call", "id=?", (number,))

    def attach_calls(self, calls: Sequence[int], revision: int) -> None:
        """Record that these calls led to the revision."""
        with self._transaction():
            revision, numbers = self.current_id("revision", revision), [self.current_id("call", c) for c in calls]
            self._db.executemany("UPDATE call SET revision=? WHERE id=?", [(revision, c) for c in numbers])

    def calls(self) -> list[Call]:
        """Return all calls for this file, oldest first."""
        names = [f.name for f in fields(Call)]
        self.check("call", "file=?", (self.file,))
        rows = self._rows(f"SELECT {', '.join(names)} FROM call WHERE file=? ORDER BY id", (self.file,))
        return [self._call(dict(zip(names, row, strict=True))) for row in rows]

    def _call(self, row: dict[str, Any]) -> Call:
        lists = {key: tuple(self.parsed(row[key])) for key in ("messages", "problems")}
        # an earlier version stored figures as they came
        counts = {key: token_count(row[key]) for key in ("prompt_tokens", "completion_tokens")}
        amounts = {key: amount(row[key]) for key in ("cost", "seconds")}
        flags = {key: bool(row[key]) for key in ("repaired", "cached")}
        return Call(**{**row, **lists, **counts, **amounts, **flags})

    def add_score(self, revision: int, score: Score) -> None:
        """Store a score document of a revision."""
        with self._transaction():
            revision = self.current_id("revision", revision)
            cursor = self._db.execute(
                "INSERT INTO score(revision, encoder, images, score, created) VALUES (?,?,?,?,?)",
                (revision, score["encoder"]["fingerprint"], score["images"]["digest"], _json(score), now()),
            )
            self.add_checksum("score", "id=?", (cursor.lastrowid,))

    def record_evaluations(
        self, images: str, split: str, evaluations: Sequence[tuple[str, str, str]], contents: Iterable[str] = ()
    ) -> int:
        """Record evaluations of a test split, each distinct one once.

        A test split with one more image, or by another seed, is not a fresh one: most of its images were seen before.
        Evaluations of every split that shares an image with this one are counted.

        Args:
            images: digest of the image set.
            split: settings of the split.
            evaluations: digest of a tree, fingerprint of an encoder, decision rule.
            contents: digests of the images in the test split.

        Returns:
            The total number of distinct evaluations of these images, over all trees of the folder.
        """
        with self._transaction():
            self.check("look", "1", ())
            self.check("tested", "1", ())
            self._db.executemany(
                "INSERT OR IGNORE INTO look(images, split, tree, encoder, rule, created) VALUES (?,?,?,?,?,?)",
                [(images, split, *evaluation, now()) for evaluation in evaluations],
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO tested(digest, images, split) VALUES (?,?,?)",
                [(content, images, split) for content in contents],
            )
            for table in ("look", "tested"):
                self.add_checksum(table, "images=? AND split=? AND sum IS NULL", (images, split))
            query = """
              SELECT count(*) FROM (SELECT DISTINCT tree, encoder, rule FROM look WHERE images=:images OR EXISTS (
                SELECT 1 FROM tested AS mine JOIN tested AS theirs ON mine.digest = theirs.digest
                WHERE mine.images=:images AND mine.split=:split
                  AND theirs.images=look.images AND theirs.split=look.split))"""
            return int(self._db.execute(query, {"images": images, "split": split}).fetchone()[0])

    def record_choices(self, split: str, encoder: str, rule: str, choices: Iterable[Choice]) -> None:
        """Record evaluations of the dev split that somebody chose by; a tree that was compared before counts once.

        Args:
            split: settings of the split.
            encoder: fingerprint.
            rule: name of the decision rule.
            choices: in the order in which they were made.
        """
        key, columns = (split, encoder, rule), "tree, base, source, n, right, flips, tried"
        with self._transaction():
            self._db.executemany(
                f"INSERT OR IGNORE INTO choice(split, encoder, rule, created, {columns}) "
                "SELECT ?,?,?,?, ?,?,?,?,?,?,? WHERE NOT EXISTS "
                "(SELECT 1 FROM choice WHERE split=? AND encoder=? AND rule=? AND base=?)",
                [(*key, now(), *astuple(choice), *key, choice.tree) for choice in choices],
            )
            self.add_checksum("choice", "split=? AND encoder=? AND rule=? AND sum IS NULL", key)

    def choices(self, split: str, encoder: str) -> list[Choice]:
        """Return the recorded evaluations of the dev split that somebody chose by, oldest first, by whatever rule."""
        query = "SELECT tree, base, source, n, right, flips, tried FROM choice WHERE split=? AND encoder=?"
        self.check("choice", "split=? AND encoder=?", (split, encoder))
        rows = self._rows(f"{query} ORDER BY id", (split, encoder))
        return [Choice(**dict(zip([f.name for f in fields(Choice)], row, strict=True))) for row in rows]

    def every_score(self) -> list[Score]:
        """Return all score documents of all trees of the folder, oldest first."""
        self.check("score", "id>?", (0,))
        return [self._score(text) for (text,) in self._rows("SELECT score FROM score ORDER BY id", ())]

    def scores(self) -> dict[int, Score]:
        """Return the latest score document of every scored revision, preferring those with a test section."""
        self.check("score", "revision IN (SELECT id FROM revision WHERE file=?)", (self.file,))
        rows = self._rows(
            "SELECT revision, score FROM score WHERE revision IN (SELECT id FROM revision WHERE file=?) ORDER BY id",
            (self.file,),
        )
        result: dict[int, Score] = {}
        for revision, text in rows:
            score = self._score(text)
            if as_tested(score) or not as_tested(result.get(revision)):
                result[revision] = score
        return result

    def scores_of(self, digest: str) -> list[Score]:
        """Return all score documents of this file with that content, oldest first."""
        where, values = "revision IN (SELECT id FROM revision WHERE file=? AND digest=?)", (self.file, digest)
        self.check("score", where, values)
        rows = self._rows(f"SELECT score FROM score WHERE {where} ORDER BY id", values)
        return [self._score(text) for (text,) in rows]

    def _score(self, text: str) -> Score:
        """Return a stored score document.

        Raises:
            DamagedStoreError: it is not one.
        """
        score: Score = self.parsed(text)
        with self.shaped():
            if not isinstance(score["encoder"]["fingerprint"], str) or not isinstance(score["images"]["digest"], str):
                raise TypeError
        return score

    def recorded_split(self, settings: str) -> dict[str, str]:
        """Return image content -> split, as recorded under these split settings."""
        self.check("split", "settings=?", (settings,))
        rows = self._rows("SELECT digest, part FROM split WHERE settings=?", (settings,))
        return {str(digest): str(part) for digest, part in rows}

    def record_split(self, settings: str, parts: dict[str, str]) -> None:
        """Record the split of images; existing records stay."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO split(settings, digest, part) VALUES (?,?,?)",
                [(settings, digest, part) for digest, part in parts.items()],
            )
            self.add_checksum("split", "settings=? AND sum IS NULL", (settings,))


def stored_scores(tree_path: Path, digest: str) -> list[Score]:
    """Return all score documents of a content in a tree's history, oldest first; empty if there is no history."""
    if not (real_path(tree_path).parent / FOLDER / "store.sqlite").exists():
        return []
    with Store(tree_path) as store:
        return store.scores_of(digest)


@contextmanager
def _shaped(path: Path) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, ArithmeticError):
        raise DamagedStoreError(f"{path}: damaged: a value has another form", _NEW) from None


def shaped_history(tree_path: Path) -> AbstractContextManager[None]:
    """Convert the errors of stored JSON that is not what treegen writes; a checksum finds no forgery.

    Args:
        tree_path: the tree file beside the history.

    Raises:
        DamagedStoreError: something in it is missing or of another type.
    """
    return _shaped(real_path(tree_path).parent / FOLDER / "store.sqlite")


def second_reviewers(store: Store) -> tuple[str, ...]:
    """Return the names of those who have begun a second review of the store's tree."""
    start = f"{store.file}{_SECOND}"
    store.check("session", "0", ())
    rows = store.rows("SELECT DISTINCT file FROM session WHERE substr(file, 1, ?)=?", (len(start), start))
    return tuple(sorted(unquote(file[len(start) :]) for (file,) in rows))


def checksum_of(*values: Any) -> int:
    """Return the CRC-32 of a row's values."""
    return zlib.crc32(repr(values).encode(errors="surrogatepass"))


def programs_in(db: sqlite3.Connection, tables: Iterable[str]) -> str:
    """Return what a stranger's database would do besides storing: a trigger, or a view in place of a table.

    Args:
        db: the database.
        tables: those that are used.

    Returns:
        The name of one; empty if there is none.
    """
    names = frozenset(tables)
    for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "trigger" or (name in names and not str(sql).lstrip().upper().startswith("CREATE TABLE")):
            return str(name)
    return ""


def _copy_in_memory(db: sqlite3.Connection) -> sqlite3.Connection | None:
    """Return a copy of what a database holds, `None` if it cannot be read."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.backup(copy)
    except sqlite3.Error:
        copy.close()
        return None
    return copy


def _copy_database(address: str, target: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(address, uri=True)) as source:
        source.backup(target)


def _chained(first: dict[int, int], then: dict[int, int]) -> dict[int, int]:
    """Return where ids lead that were changed twice."""
    return {**then, **{old: then.get(new, new) for old, new in first.items()}}


def store_folder(tree_path: Path) -> Path:
    """Return `.treegen/` next to the tree, created if missing; it excludes itself from git.

    Raises:
        InputError: it cannot be created.
    """
    folder = real_path(tree_path).parent / FOLDER
    make_folder(folder)
    return folder


def make_folder(folder: Path) -> None:
    """Create a folder that excludes itself from git, if it is missing.

    Raises:
        InputError: it cannot be created, or it or a file in it is a link, which may lead to any file of the user.
    """
    try:
        if link := next((path for path in (folder, *_entries(folder)) if path.is_symlink()), None):
            raise InputError(f"{link}: a link", "remove it: treegen keeps its history in files of its own")
        if pipe := next((path for path in _entries(folder) if path.is_fifo()), None):  # SQLite would wait for it
            raise InputError(f"{pipe}: a pipe", "remove it: treegen keeps its history in files of its own")
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        # in a read-only folder its history can still be read; "x": what came there meanwhile may be a link
        with suppress(OSError), ignore.open("x", encoding="utf-8") as file:
            file.write("*\n")
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be created: {error.strerror or error}", "the tree's folder must be writable"
        ) from None


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _revision(row: tuple[Any, ...]) -> Revision:
    return Revision(id=row[0], parent=row[1], author=row[2], note=row[3], digest=row[4], tree=row[5], created=row[6])


def _writable(text: str | None) -> str | None:
    """Escape halves of surrogate pairs (a truncated emoji), which models send and SQLite cannot store."""
    return text and text.encode(errors="backslashreplace").decode()


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text == _writable(text) else json.dumps(value)
