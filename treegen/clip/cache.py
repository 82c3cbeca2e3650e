"""The embedding cache: SQLite, keyed by encoder fingerprint and content, so that nothing is embedded twice."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_BATCH: Final = 500  # below SQLite's limit on bound values
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS encoder (id INTEGER PRIMARY KEY, fingerprint TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS embedding (
  id INTEGER PRIMARY KEY, encoder INTEGER NOT NULL, key BLOB NOT NULL, vector BLOB NOT NULL, UNIQUE (encoder, key));
CREATE TABLE IF NOT EXISTS file (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, digest TEXT NOT NULL);
"""


class EmbeddingCache:
    """Vectors as float16, with the keys that `image_key` and `text_key` make."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the database. A damaged one is set aside and begun anew: it can always be computed again.

        Attributes:
            rebuilt: a damaged cache was set aside.

        Raises:
            InputError: it cannot be opened, for instance locked, not writable or a folder; it is left as it is.
        """
        self.rebuilt = False
        try:
            try:
                self._db = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # not damaged: locked, not writable, disk full
                    raise
                _set_aside(path)
                self._db = _open(path)
                self.rebuilt = True
        except (OSError, sqlite3.DatabaseError) as error:
            tip = "check that the folder is writable and the disk not full; if all is well, delete the file"
            raise InputError(f"{path}: the embedding cache cannot be opened: {error}", tip) from None

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def get(self, fingerprint: str, keys: Sequence[bytes]) -> dict[bytes, "Tensor"]:
        """The vectors that are there: key -> (D,) float32 of length 1."""
        encoder, found = self._encoder(fingerprint), dict[bytes, bytes]()
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT key, vector FROM embedding WHERE encoder=? AND key IN ({marks})", (encoder, *part)
            )
            found.update(rows)
        if not found:
            return {}
        return dict(zip(found, as_kept(np.stack([np.frombuffer(v, np.float16) for v in found.values()])), strict=True))

    def has(self, fingerprint: str, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys whose vectors are there."""
        encoder, found = self._encoder(fingerprint), set[bytes]()
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT key FROM embedding WHERE encoder=? AND key IN ({marks})", (encoder, *part))
            found.update(key for (key,) in rows)
        return found

    def keys(self, fingerprint: str) -> Iterator[bytes]:
        """The keys of all vectors of an encoder, 32 bytes each."""
        return (
            k for (k,) in self._db.execute("SELECT key FROM embedding WHERE encoder=?", (self._encoder(fingerprint),))
        )

    def put(self, fingerprint: str, keys: Sequence[bytes], vectors: "Tensor") -> "Tensor":
        """Keeps vectors (N, D); a transaction of its own, so that an interrupted run loses at most one batch.

        Returns:
            The vectors as `get` will give them, (N, D): a first run computes with what every later run reads.
        """
        encoder, rows = self._encoder(fingerprint), vectors.to("cpu").numpy().astype(np.float16)
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO embedding(encoder, key, vector) VALUES (?,?,?)",
                [(encoder, key, row.tobytes()) for key, row in zip(keys, rows, strict=True)],
            )
        return as_kept(rows)

    def _encoder(self, fingerprint: str) -> int:
        row = self._db.execute("SELECT id FROM encoder WHERE fingerprint=?", (fingerprint,)).fetchone()
        if row is None:
            with self._db:
                self._db.execute("INSERT OR IGNORE INTO encoder(fingerprint) VALUES (?)", (fingerprint,))
            row = self._db.execute("SELECT id FROM encoder WHERE fingerprint=?", (fingerprint,)).fetchone()
        return int(row[0])

    def known_files(self) -> dict[str, tuple[int, int, str]]:
        """Path -> (size, time of change in ns, SHA-256): spares hashing a file that has not changed."""
        rows = self._db.execute("SELECT path, size, changed, digest FROM file")
        return {path: (size, changed, digest) for path, size, changed, digest in rows}

    def files(self, paths: Sequence[str]) -> dict[str, tuple[int, int, str]]:
        """As `known_files`, of these paths alone."""
        found: dict[str, tuple[int, int, str]] = {}
        for start in range(0, len(paths), _BATCH):
            part = paths[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT path, size, changed, digest FROM file WHERE path IN ({marks})", part)
            found |= {path: (size, changed, digest) for path, size, changed, digest in rows}
        return found

    def remember_files(self, files: Iterable[tuple[str, int, int, str]]) -> None:
        """Keeps (path, size, time of change in ns, SHA-256)."""
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO file VALUES (?,?,?,?)", list(files))


def _open(path: Path) -> sqlite3.Connection:
    """Opens the database and reads all of it once (0.1 s for 100,000 vectors), so that damage shows here."""
    db = sqlite3.connect(path, timeout=30)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        db.executescript(_TABLES)
    except BaseException:
        db.close()
        raise
    return db


def _set_aside(path: Path) -> None:
    path.replace(path.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def as_kept(vectors: "NDArray[np.floating[Any]]") -> "Tensor":
    """Vectors (N, D) as every reader of the cache has them: rounded to float16, then float32 of length 1."""
    import torch

    return torch.nn.functional.normalize(torch.from_numpy(vectors.astype(np.float16).astype(np.float32)), dim=-1)


def image_key(digest: str, crop: tuple[float, float, float, float]) -> bytes:
    """The key of an image content (SHA-256 in hex) under a crop."""
    return hashlib.sha256(f"image {digest} {crop}".encode()).digest()


def text_key(text: str) -> bytes:
    """The key of a text."""
    return hashlib.sha256(f"text {text}".encode()).digest()
