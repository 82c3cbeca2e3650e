"""Damaged histories, caches, tables and model weights: damage is reported or repaired, and never changes a result."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.soak.kills import COMMANDS
from tests.soak.places import copied, faults_of_folder, trees_of
from tests.soak.running import Ended, Outcome, forked, installed
from treegen.history.store import Store
from treegen.workflow.session import Session

_INSTALLED: Final = 0.02  # the share of commands of the installed program
_STORE, _CACHE = ".treegen/store.sqlite", ".treegen/embeddings.sqlite"
#: what only reads: name -> its arguments; what they print as JSON is compared with what they print of what is sound
READING: Final[dict[str, Callable[[Path], Sequence[str]]]] = {
    "log": lambda f: ("log", str(f / "tree.json"), "--json"),
    "calls": lambda f: ("log", str(f / "tree.json"), "--calls", "--json"),
    "show": lambda f: ("show", f"{f / 'tree.json'}@1"),
    "diff": lambda f: ("diff", f"{f / 'tree.json'}@1", str(f / "tree.json"), "--json"),
    "check": lambda f: ("check", str(f / "tree.json"), "--format", "json"),
    "score": lambda f: ("score", str(f / "tree.json"), "--json"),
    "classify": lambda f: ("classify", str(f / "tree.json"), *_pictures(f), "--json"),
    "embed": lambda f: ("embed", str(f), "-o", str(f / "out"), "--json"),
    "report": lambda f: ("report", str(f / "tree.json"), "-o", str(f / "report.html")),
    "review": lambda f: ("review", str(f / "tree.json")),
}
_WRITING: Final = ("draft", "score", "revise", "approve", "import", "restore", "embed", "optimize")
#: keys of documents that no damage changes, but the time or the number of runs
_VOLATILE: Final = {"test_looks", "luck", "notes", "seconds", "created", "embedded", "cached", "finished", "scored"}


def _pictures(folder: Path) -> list[str]:
    return [str(path) for path in sorted((folder / "images").glob("*/*.png"))[::9]]


def play(seed: int, parent: Path | None = None) -> Outcome:
    """Damage one file, and run some commands."""
    random = Random(f"damage {seed}")
    with copied(parent) as folder:
        name, target = random.choice(_targets(folder))
        how = random.choice([*_DAMAGES])
        outcome = Outcome(kind=f"{name}: {how}")
        before = trees_of(folder)
        _DAMAGES[how](random, target)
        said = False
        for command in random.sample([*READING], 2):
            ended = _run(random, command, folder)
            outcome.hit |= ended.code != 0 or "damage" in ended.err
            outcome.faults += ended.faults
            said = said or "was empty: a new history begins" in ended.err
            outcome.faults += [] if said else _changed(command, ended, folder)
            outcome.faults += _way_out(ended, name, how)
        outcome.faults += [
            f"{name} was written by reading" for name in before if trees_of(folder)[name] != before[name]
        ]
        command = random.choice(_WRITING)
        ended = forked(COMMANDS[command](folder))
        outcome.hit |= ended.code != 0
        outcome.faults += [*ended.faults, *_way_out(ended, name, how)]
        outcome.faults += [
            fault for fault in faults_of_folder(folder, {}, before, revised=False) if "the history is" not in fault
        ]
        if random.random() < 0.3:
            outcome.faults += _moved_away(folder, target)
    return outcome


def _targets(folder: Path) -> list[tuple[str, Path]]:
    tables = sorted((folder / "out").glob("*.parquet"))
    return [
        *[("history", folder / _STORE)] * 3,
        *[("cache", folder / _CACHE)] * 3,
        *[("table", path) for path in tables[:1]],
        ("near duplicates", folder / ".treegen" / "near-duplicates.json"),
    ]


def _run(random: Random, name: str, folder: Path) -> Ended:
    arguments = READING[name](folder)
    if name == "review":  # what it opens and shows first, without the terminal
        return forked(arguments, run=partial(open_review, folder / "tree.json"))
    if random.random() < _INSTALLED:
        return installed(arguments)
    return forked(arguments)


def open_review(path: Path, *, read_only: bool = False) -> int:
    """What a review does before it shows anything; in a real terminal errors would be those of the command."""
    from treegen.cli.output import report
    from treegen.errors import TreegenError

    try:
        with Store(path) as store:
            session = Session(path, store, read_only=read_only)
            session.close()
            print(json.dumps([[step.label for step in session.steps], session.position, sorted(session.locks)]))
    except TreegenError as error:
        report(error)
        return error.exit_code
    return 0


@cache
def _sound(name: str) -> Any:
    with copied() as folder:
        ended = forked(
            READING[name](folder), run=partial(open_review, folder / "tree.json") if name == "review" else None
        )
        assert ended.code == 0, ended.err
        return _document(ended, folder)


def _document(ended: Ended, folder: Path) -> Any:
    text = ended.out.replace(str(folder), "DIR")
    try:
        return _lasting(json.loads(text))
    except ValueError:
        return text


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(each) for each in value]
    return round(value, 5) if isinstance(value, float) else value


def _changed(name: str, ended: Ended, folder: Path) -> list[str]:
    """What is printed of something damaged, without an error or a note, is what is printed of something sound."""
    found, sound = _document(ended, folder), _sound(name)
    if ended.code != 0 or found == sound:
        return []
    if "damaged and recomputed" in ended.err:  # in another batch, whose last digits decide where all is chance
        found, sound = ({**each, "controls": None} for each in (found, sound))
        if found == sound:
            return []
    return [f"{name} is another without a word\n{_first_difference(sound, found)}\n{ended.err[-1000:]}"]


def _first_difference(one: Any, other: Any, place: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *other]:
            if one.get(key) != other.get(key):
                return _first_difference(one.get(key), other.get(key), f"{place}/{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            if mine != theirs:
                return _first_difference(mine, theirs, f"{place}/{number}")
    return f"{place}: {str(one)[:300]} became {str(other)[:300]}"


def _way_out(ended: Ended, name: str, how: str) -> list[str]:
    """Damage of the history is refused with exit code 1, names the file, and says what to do."""
    if name != "history" or "store.sqlite" not in ended.err or ended.code == 0 or "was empty" in ended.err:
        return []
    if ended.code == (2 if how == "a folder" else 1) and "move the file away" in ended.err:
        return []
    return [f"treegen {' '.join(ended.arguments)}: exit code {ended.code} without the way out: {ended.err[-800:]}"]


def _moved_away(folder: Path, target: Path) -> list[str]:
    """What the error says helps: without the file everything goes on."""
    if target.is_dir():
        shutil.rmtree(target)
    for path in target.parent.glob(f"{target.name}*"):
        path.unlink()
    faults = []
    for name in ("check", "log"):
        ended = forked(READING[name](folder))
        faults += ended.faults
        if ended.code != 0 and "no history" not in ended.err:
            faults.append(f"without the damaged file, {name} ends with {ended.code}: {ended.err[-800:]}")
    return faults


def _flip(random: Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(random.choice((1, 1, 3, 30, 300))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def _truncate(random: Random, path: Path) -> None:
    os.truncate(path, random.choice((0, 1, random.randrange(path.stat().st_size), path.stat().st_size - 1)))


def _page(random: Random, path: Path) -> None:
    """Replace a page, or swap two."""
    data = path.read_bytes()
    size, count = 4096, max(1, len(data) // 4096)
    at, other = (size * random.randrange(count) for _ in range(2))
    one, two = data[at : at + size], data[other : other + size]
    new = random.choice((random.randbytes(len(one)), bytes(len(one)), two))
    path.write_bytes(data[:at] + new + data[at + len(one) :])


def _run_of_bytes(random: Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    at, length = random.randrange(len(data)), random.choice((1, 8, 100, 5000))
    data[at : at + length] = random.choice((random.randbytes(length), b"", bytes(length)))
    path.write_bytes(data)


def _other_file(random: Random, path: Path) -> None:
    data = random.choice((b"{}", b"SQLite format 3\0" + random.randbytes(4000), random.randbytes(9000), b"\0" * 9000))
    path.write_bytes(data)


def _log_beside(random: Random, path: Path) -> None:
    """A log of SQLite that belongs to another database, or to none."""
    log = path.with_name(path.name + "-wal")
    log.write_bytes(
        random.choice((b"", random.randbytes(5000), bytes.fromhex("377f0682002de218") + random.randbytes(9000)))
    )


def _folder(_: Random, path: Path) -> None:
    path.unlink()
    path.mkdir()


def _value(random: Random, path: Path) -> None:
    """Change one value of one row, as a flipped bit within a page does, which leaves the database sound."""
    if path.suffix != ".sqlite":
        return _flip(random, path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA ignore_check_constraints=ON")
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]
        filled = [name for name in names if db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()]
        table = random.choice(filled)
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        keys = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
        rows = db.execute(f"SELECT {', '.join(keys)} FROM {table} ORDER BY 1").fetchall()
        column, row = random.choice(columns), random.choice(rows)
        where = " AND ".join(f"{key} IS ?" for key in keys)
        (value,) = db.execute(f"SELECT {column} FROM {table} WHERE {where}", row).fetchone()
        try:
            db.execute(f"UPDATE {table} SET {column}=? WHERE {where}", (_other(random, value), *row))
        except sqlite3.IntegrityError:  # it would be a row twice
            db.execute(f"DELETE FROM {table} WHERE {where} AND 0", row)
    return None


def _other(random: Random, value: Any) -> Any:
    if isinstance(value, int | float):
        return value + random.choice((1, -1, 64, 2**40))
    if value is None:
        return random.choice((7, "text"))
    data = bytearray(value if isinstance(value, bytes) else str(value).encode())
    if not data:
        return "x"
    data[random.randrange(len(data))] ^= 1 << random.randrange(7)
    return bytes(data) if isinstance(value, bytes) else data.decode(errors="replace")


_DAMAGES: Final[dict[str, Callable[[Random, Path], None]]] = {
    "bits flipped": _flip,
    "truncated": _truncate,
    "a page replaced": _page,
    "bytes replaced": _run_of_bytes,
    "another file": _other_file,
    "another log": _log_beside,
    "a folder": _folder,
    "a value changed": _value,
}
